"""Old pictures leave the output: moved elsewhere, deleted, or taken away by the plant itself; the journal tells of each.

An ARCHIVE row says what will be done with a picture, ARCHIVED that it is done, KEPT that it was left alone. A picture is deleted
only by the row that names it and while it has the content that was sorted; one that is moved follows the rules of the sorter:
rename without replacement, or a copy that is verified and brought to the disk before the first name is removed.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gonogo.decision import REVIEW
from gonogo.line.clock import Clock
from gonogo.line.decider import QUARANTINE
from gonogo.line.disk import Disk
from gonogo.line.heads import check_heads
from gonogo.line.journal import Entry, Journal, Row
from gonogo.line.naming import final_name
from gonogo.line.places import check_output, existing_journal, find_journal
from gonogo.line.running import lock_output
from gonogo.line.segments import closed_segments, open_journal, read_journal
from gonogo.line.tables import translated

Action = Literal["move", "delete", "record"]
_CHUNK = 256  # pictures that share the work of bringing things to the disk


@dataclass(frozen=True)
class Wish:
    """What is to leave the output.

    Attributes
    ----------
    before : str
        Day as ``YYYY-MM-DD``; pictures that were sorted on an earlier one are meant, by the time of the journal.
    folders : sequence of str
        Decisions that are meant; empty: all.
    action : {"move", "delete", "record"} or None
        ``"record"``: the plant has taken them away already; None: only look.
    target : pathlib.Path or None
        Where they are moved to, below it as in the output.
    user : str
        Who wants it.
    """

    before: str
    folders: Sequence[str] = ()
    action: Action | None = None
    target: Path | None = None
    user: str = ""


def archive(out: Path, wish: Wish, *, disk: Disk, clock: Clock, journal: Path | None = None) -> dict[str, Any]:
    """Let old pictures leave the output, or look which would.

    Returns
    -------
    dict
        ``pictures``: that are meant; ``done``: that left, or are recorded as gone; ``bytes`` of those that are there;
        ``altered``: left alone, because their content is another; ``absent``: not at their place; ``kept``: left alone for
        another reason, or at their place where only absent ones are recorded; ``folders``: counts; ``oldest`` and ``newest``
        time; ``finished``: what an interrupted run had left to do.

    Raises
    ------
    LockedError
        A sorter works there.
    ValueError
        The target is output or inbox, lies in one or holds it; or no picture was ever sorted into a folder that is named, and it
        is no class of the model.
    JournalError, OSError
        The journal or a folder cannot be used.
    """
    check_output(out, disk)
    out, path = out.absolute(), find_journal(out, disk, journal).absolute()
    if wish.target is not None:
        _check_target("OUT", out, wish.target)
    if wish.action is None:
        existing_journal(out, disk, path)
    if disk.status(path) is not None:
        _check(wish, path, disk)
    if wish.action is None:
        return _looked_at(list(old_pictures(path, wish, disk)), out, disk)
    with ExitStack() as stack:
        lock_output(out, path, disk, stack)
        stack.enter_context(translated(path))
        check_heads(out, path, disk)
        opened = stack.enter_context(open_journal(path, disk, clock))
        finished = finish_archive(opened, path, out, disk)
        old = list(old_pictures(path, wish, disk))
        result = _looked_at(old, out, disk)
        counts = carry_out(old, wish, opened, out, disk)
    return {**result, **counts, "finished": finished}


def _check_target(name: str, folder: Path, target: Path) -> None:
    ours, theirs = folder.resolve(), target.resolve()
    if ours == theirs or ours in theirs.parents or theirs in ours.parents:
        raise ValueError(f"--to: found {target}, which is {name}, lies in it or holds it; name a separate folder")


def _check(wish: Wish, path: Path, disk: Disk) -> None:
    """Refuse what the journal's last start speaks against: the inbox as a target, and folders of no class."""
    with read_journal(path, disk) as opened:
        start = opened.last("START", of_all=True)
        sorted_into = {label for _, label, _, _ in opened.hourly() if label}
    if start is None:
        return
    if wish.target is not None:
        _check_target("INBOX", Path(start.body["inbox"]), wish.target)
    known = sorted({REVIEW, QUARANTINE, *start.body.get("facts", {}).get("classes", []), *sorted_into})
    for name in wish.folders:
        if name not in known:
            raise ValueError(f"--folder: found {name!r}, expected one of {', '.join(map(repr, known))}")


def archived_ids(path: Path, disk: Disk) -> set[str]:
    """Return the ids of pictures that have left the output, from all files of a journal."""
    found: set[str] = set()
    for file in (*closed_segments(path, disk), path):
        with read_journal(file, disk) as opened:
            found.update(str(row.id) for row in opened.rows("ARCHIVED"))
    return found


def old_pictures(path: Path, wish: Wish, disk: Disk) -> Iterator[dict[str, Any]]:
    """Yield the decisions that a wish is about, oldest first, as ``Journal.decisions`` does."""
    gone = archived_ids(path, disk)
    for file in (*closed_segments(path, disk), path):
        with read_journal(file, disk) as opened:
            for row in opened.decisions():
                meant = not wish.folders or row["decision"] in wish.folders
                if meant and row["time"][: len(wish.before)] < wish.before and row["id"] not in gone:
                    yield row


def _looked_at(old: Sequence[dict[str, Any]], out: Path, disk: Disk) -> dict[str, Any]:
    found = [disk.status(out / row["place"]) for row in old]
    return {
        "pictures": len(old),
        "done": 0,
        "bytes": sum(status.size for status in found if status is not None),
        "altered": 0,
        "absent": sum(status is None for status in found),
        "kept": 0,
        "folders": dict(Counter(row["decision"] for row in old)),
        "oldest": old[0]["time"] if old else None,
        "newest": old[-1]["time"] if old else None,
        "finished": 0,
    }


def carry_out(old: Sequence[dict[str, Any]], wish: Wish, journal: Journal, out: Path, disk: Disk) -> dict[str, int]:
    """Do with pictures what a wish says; return how many were ``done``, ``altered``, ``absent`` and ``kept``."""
    counts = Counter(done=0, altered=0, absent=0, kept=0)
    for first in range(0, len(old), _CHUNK):
        entries: list[Entry] = []
        for row in old[first : first + _CHUNK]:
            digest = disk.digest(out / row["place"])
            if digest is None and disk.status(out / row["place"]) is None:
                counts["absent"] += 1
                entries += [_entry(row, wish, None)] if wish.action == "record" else []
            elif wish.action == "record":
                counts["kept"] += 1
            elif digest != row["sha256"]:
                counts["altered"] += 1
            else:
                entries.append(_entry(row, wish, _choose(row, wish, disk)))
        left = _do(_appended(entries, journal), journal, out, disk)
        counts["done"] += left
        counts["kept"] += len(entries) - left
    return dict(counts)


def _entry(row: dict[str, Any], wish: Wish, target: Path | None) -> Entry:
    body = {
        "action": wish.action,
        "place": row["place"],
        "target": None if target is None else str(target),
        "user": wish.user,
    }
    return Entry("ARCHIVE", None, row["id"], row["sequence"], row["name"], None, row["sha256"], body=body)


def _choose(row: dict[str, Any], wish: Wish, disk: Disk) -> Path | None:
    """Where a picture is moved to: below the target as in the output, under a name that is free."""
    if wish.target is None:
        return None
    place = wish.target.absolute() / str(row["place"])
    disk.make_folder(place.parent)
    name = final_name(place.name, row["id"], lambda name: disk.status(place.parent / name) is not None)
    return place.with_name(name)


def _appended(entries: Sequence[Entry], journal: Journal) -> list[Row]:
    numbers = journal.append(entries)
    return [Row(**vars(entry), sequence=number) for entry, number in zip(entries, numbers, strict=True)]


def finish_archive(journal: Journal, path: Path, out: Path, disk: Disk) -> int:
    """Do what ARCHIVE rows say that have no end, as after a crash; return how many there were."""
    with ExitStack() as stack:
        older = [stack.enter_context(read_journal(file, disk)) for file in closed_segments(path, disk)]
        rows = unfinished_rows([*older, journal])
    _do(rows, journal, out, disk)
    return len(rows)


def unfinished_rows(journals: Sequence[Journal]) -> list[Row]:
    """Return the ARCHIVE rows that neither ARCHIVED nor KEPT tells of."""
    ended = {row.refers for journal in journals for row in journal.rows("ARCHIVED", "KEPT")}
    return [row for journal in journals for row in journal.rows("ARCHIVE") if row.sequence not in ended]


def _do(rows: Sequence[Row], journal: Journal, out: Path, disk: Disk) -> int:
    """Do what ARCHIVE rows say, as far as it is not done, write their ends, and return how many pictures left."""
    if not rows:
        return 0
    left_alone = {row.sequence: _move(row, out, disk) for row in rows if row.body["action"] == "move"}
    folders = [out, *(_place(row, out).parent for row in rows), *(_target(row).parent for row in rows if _is_move(row))]
    there = [folder for folder in dict.fromkeys(folders) if disk.status(folder) is not None]
    disk.sync(there)
    for row in rows:
        if row.body["action"] == "record" or left_alone.get(row.sequence):
            continue
        found = disk.digest(_place(row, out))
        # The second name or the copy of one that was moved, seen again; or what is to be deleted.
        if found == row.content and (not _is_move(row) or disk.digest(_target(row)) == row.content):
            disk.remove(_place(row, out))
        elif found is not None and not _is_move(row):
            left_alone[row.sequence] = "it has another content than when it was sorted"
    for folder in there:
        if folder.parent.parent == out:  # the folder of a day
            disk.remove_empty_folder(folder)
    disk.sync([folder for folder in there if disk.status(folder) is not None])
    ends = [_end(row, left_alone.get(row.sequence, "")) for row in rows]
    journal.append(ends)
    return sum(entry.kind == "ARCHIVED" for entry in ends)


def _is_move(row: Row) -> bool:
    return bool(row.body["action"] == "move")


def _place(row: Row, out: Path) -> Path:
    return out / str(row.body["place"])


def _target(row: Row) -> Path:
    return Path(row.body["target"])


def _move(row: Row, out: Path, disk: Disk) -> str:
    """Bring a picture to its target; return why it was left alone. The first name of one that was copied stays for now."""
    place, target = _place(row, out), _target(row)
    copy = target.parent / f".{row.id}.copy"
    disk.make_folder(target.parent)
    disk.remove(copy)  # one that a crash left
    if disk.digest(target) == row.content:
        return ""
    if disk.digest(place) != row.content:
        return "it is neither at its place nor where it was to be archived"
    try:
        disk.move(place, target)
        return ""
    except FileExistsError:
        return "another file has taken its name in the archive"
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    disk.copy(place, copy)
    try:
        if disk.digest(copy) != row.content:
            return "it changed while it was copied"
        disk.move(copy, target)
    except FileExistsError:
        return "another file has taken its name in the archive"
    finally:
        disk.remove(copy)
    return ""


def _end(row: Row, left_alone: str) -> Entry:
    kind = "KEPT" if left_alone else "ARCHIVED"
    body = {"reason": left_alone} if left_alone else {}
    return Entry(kind, None, row.id, row.sequence, row.name, content=row.content, body=body)
