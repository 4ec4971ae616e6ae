"""Whether folders, journal and table of decisions agree. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gonogo.errors import JournalError
from gonogo.line.archive import unfinished_rows
from gonogo.line.claim import PROBE
from gonogo.line.configuration import table_of
from gonogo.line.csv_log import compare_table
from gonogo.line.disk import Disk, LockedError, Status
from gonogo.line.heads import head_faults
from gonogo.line.intents import batch_folder
from gonogo.line.journal import TERMINAL, Journal
from gonogo.line.places import existing_journal, last_places
from gonogo.line.segments import closed_segments, journal_faults, read_journal

_OURS = frozenset({"work", ".gonogo"})


def verify(out: Path, disk: Disk, journal: Path | None = None) -> dict[str, Any]:
    """Compare what the journal says with what lies in the folders, and with ``decisions.csv``.

    Parameters
    ----------
    out : pathlib.Path
        What ``gonogo sort`` has filled.
    disk : Disk
        Of the machine.
    journal : pathlib.Path, optional
        Where the journal is kept, if not in the output.

    Returns
    -------
    dict
        ``problems``: pictures that are unfinished, altered, doubled or unknown in ``work/``, rows of the table that say something
        else than the journal, and damage of the journal;
        ``rows``: one for each problem; ``pictures``: done; ``archived``: those of them that ``gonogo archive`` tells of;
        ``missing`` and ``moved``: taken away, or found elsewhere in the output, which is the plant's right; ``alarms``;
        ``returned``; ``unlisted``: decisions that the table lacks, which the sorter adds; ``running``: whether a sorter is at
        work, whose open batch is then no problem.

    Raises
    ------
    JournalError
        The journal is damaged so much that it cannot be opened.
    OSError
        There is no journal, or a folder cannot be read.
    """
    path = existing_journal(out, disk, journal)
    running = is_running(out, disk)
    files = [*closed_segments(path, disk), path]
    rows: list[dict[str, Any]] = []
    done: list[dict[str, Any]] = []
    archived: set[str] = set()
    counts, start = {"alarms": 0, "returned": 0}, None
    with _damage_as_row(path, rows):
        rows += [_problem("damaged", text, file.name) for file, text in journal_faults(path, disk)]
    for file in files:
        opened = read_journal(file, disk, check_rows=False)
        with _damage_as_row(file, rows), opened:
            rows += [_problem("damaged", _miscounted(hour), file.name) for hour in opened.wrong_hours()]
            rows += [_problem("damaged", text, file.name) for text in head_faults(out, disk, opened)]
            rows += [
                _problem("doubled", "has two ends in the journal", identifier) for identifier in opened.with_two_ends()
            ]
            done += opened.decisions()
            counts["alarms"] += sum(1 for _ in opened.rows("LOST", "ALARM"))
            counts["returned"] += sum(1 for _ in opened.rows("RETURNED"))
            archived.update(str(row.id) for row in opened.rows("ARCHIVED"))
            start = opened.last("START") or start
            if not running:
                rows += _unfinished(opened, out, disk)
    if not running:
        with _damage_as_row(path, rows):
            rows += _half_archived(files, disk)
    if not running:
        told = {row["file"] for row in rows}
        work = last_places(out, path, None if start is None else start.body, disk).work
        rows += [
            _problem("unknown", "lies in the folder of claimed pictures and is in no batch", str(place))
            for place, _ in ([] if disk.status(work) is None else files_below(work, disk))
            if str(place) not in told and place != work / PROBE
        ]
    csv = table_of(out)
    wrong, counts["unlisted"] = compare_table(csv, done, disk)
    reason = "says something else than the journal; move the table away, and the next start writes it anew"
    rows += [_problem("altered", f"row {number} {reason}", csv.name) for number in wrong]
    found = _compare(out, disk, [row for row in done if row["id"] not in archived])
    rows += found.pop("rows")
    counts |= {"pictures": len(done), "archived": len(archived)}
    return {"problems": len(rows), "rows": rows, "running": running, **counts, **found}


@contextmanager
def _damage_as_row(file: Path, rows: list[dict[str, Any]]) -> Iterator[None]:
    """Make a problem of what ends the reading of a file, unless one tells of damage already; the other files are still read."""
    try:
        yield
    except (JournalError, LookupError, TypeError) as error:  # of the latter: rows that lack what each of their kind has
        if not any(row["problem"] == "damaged" for row in rows):
            reason = error.reason if isinstance(error, JournalError) else f"a row lacks what it should have: {error}"
            rows.append(_problem("damaged", reason, file.name))


def _problem(problem: str, reason: str, file: str) -> dict[str, Any]:
    return {"problem": problem, "file": file, "reason": reason}


def _miscounted(hour: str) -> str:
    return f"the counts of the hour {hour} do not follow from the rows; run gonogo recover, which counts again"


def is_running(out: Path, disk: Disk) -> bool:
    """Return whether a sorter (or a recovery) is at work in an output."""
    lock = out / ".gonogo" / "lock"
    if disk.status(lock) is None:
        return False
    try:
        with disk.lock(lock):
            return False
    except LockedError:
        return True


def _unfinished(journal: Journal, out: Path, disk: Disk) -> Iterator[dict[str, Any]]:
    """Pictures of batches without end: those that have an INTENT, and those that lie in ``work/``."""
    for batch in journal.open_batches():
        for identifier, name, *_ in batch.body["files"]:
            rows = journal.of_picture(identifier)
            place = batch_folder(out / batch.body["work"], batch.sequence) / name
            claimed = disk.status(place) is not None
            if not any(row.kind in TERMINAL for row in rows) and (claimed or rows):
                yield _problem("unfinished", f"picture {identifier} has no end; run gonogo recover", str(place))


def _half_archived(files: list[Path], disk: Disk) -> list[dict[str, Any]]:
    with ExitStack() as stack:
        opened = [stack.enter_context(read_journal(file, disk, check_rows=False)) for file in files]
        rows = unfinished_rows(opened)
    reason = "it was to leave the output when the program ended; run gonogo recover"
    return [_problem("unfinished", reason, str(row.body["place"])) for row in rows]


def _compare(out: Path, disk: Disk, done: list[dict[str, Any]]) -> dict[str, Any]:
    """Look for each picture where it was brought to, and for missing ones everywhere in the output."""
    rows: list[dict[str, Any]] = []
    finals: dict[str, dict[str, Any]] = {row["place"]: row for row in done}
    gone: list[dict[str, Any]] = []
    for place, row in finals.items():
        digest = disk.digest(out / place)
        if digest is None:
            gone.append(row)
        elif digest != row["sha256"]:
            rows.append(_problem("altered", f"picture {row['id']} has another content than when it was sorted", place))
    wanted = {row["sha256"] for row in gone}
    ids = {row["id"]: row for row in done}
    elsewhere: set[str] = set()
    for path, status in _below(out, disk, without=_OURS):
        place = str(path.relative_to(out))
        if place in finals or status.kind != "file":
            continue
        named = ids.get(path.stem.rpartition("__")[2])
        if not wanted and named is None:
            continue
        digest = disk.digest(path)
        if digest in wanted:
            elsewhere.add(str(digest))
        elif named is not None and named["sha256"] == digest:
            rows.append(_problem("doubled", f"picture {named['id']} is also at {named['final']}", place))
    moved = [row for row in gone if row["sha256"] in elsewhere]
    return {"rows": rows, "missing": len(gone) - len(moved), "moved": len(moved)}


def _below(folder: Path, disk: Disk, without: frozenset[str]) -> Iterator[tuple[Path, Status]]:
    """All files in folders below a folder, not those directly in it."""
    for name, status in disk.scan(folder):
        if status.kind == "folder" and name not in without:
            yield from files_below(folder / name, disk)


def files_below(folder: Path, disk: Disk) -> Iterator[tuple[Path, Status]]:
    """Yield what lies in a folder and those below it, links and special files too, in the order of names."""
    for name, status in disk.scan(folder):
        if status.kind == "folder":
            yield from files_below(folder / name, disk)
        else:
            yield folder / name, status
