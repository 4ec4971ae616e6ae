"""Recovery without a model: what is intended is done, what was not decided on goes to people, a damaged journal is replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from gonogo import _core
from gonogo.decision import REVIEW, Decision
from gonogo.errors import JournalAccessError, JournalError, JournalVersionError
from gonogo.line.approval import NOT_KNOWN, remembered_model
from gonogo.line.archive import finish_archive
from gonogo.line.clock import Clock
from gonogo.line.configuration import configuration_of, table_of
from gonogo.line.csv_log import last_number
from gonogo.line.decider import PROVEN, Fault
from gonogo.line.disk import Disk, NotRegularError
from gonogo.line.heads import check_heads, heads_of, last_head
from gonogo.line.journal import Entry, Journal, shown
from gonogo.line.leaving import leaving
from gonogo.line.naming import is_ignored
from gonogo.line.places import check_output, find_journal, last_places, were_copied
from gonogo.line.recovery import Recovery
from gonogo.line.running import check_owner, lock_output
from gonogo.line.segments import (
    closed_segments,
    journal_faults,
    mend_counts,
    open_journal,
    read_journal,
    rebuild,
    set_aside,
)
from gonogo.line.sorter import Sorter
from gonogo.line.status import last_status
from gonogo.line.tables import translated
from gonogo.line.transfer import source_of

# Numbers of rows never come again, or those who read on from a number (decisions.csv, gonogo mqtt) would pass rows over.
_LEFT_OUT = 10_000_000
UNKNOWN = (
    "who approved of the model that was in use",
    "what the watch for drift had counted",
    "which pictures had been claimed and not decided on",
    "under which names, when, by which model and with which score the pictures in the folders were decided on",
    "which files in the folders were the plant's own",
    "why files wait in REVIEW: gonogo review shows all that lie there and have no verdict, without a reason",
    "which passed pictures were marked for an audit",
    "what earlier verdicts were about: they are kept, and trials and training sets leave these pictures out",
    "whether these files are still as they were: gonogo verify and archive look after pictures that are sorted from now on",
    "which files of the inbox gonogo sort --copy had copied: those that lie in the folders too are taken for copied",
)

UNKNOWN_MODEL = (
    "which model was in use: the next start wants --approve 'REASON'",
    "whether an alarm of drift was standing",
)


class NoModel:
    """Decides nothing: everything is REVIEW."""

    labels: Sequence[str] = ()
    description: Mapping[str, Any] = {"model": "", "certificate": "", "version": _core.__version__, "fingerprint": ""}
    valid_until = None

    def check(self, data: bytes) -> Fault | None:
        """As ``Decider`` says."""
        found = _core.inspect(data)
        return None if found["verdict"] == PROVEN else Fault(found["verdict"], found["reason"])

    def self_test(self) -> float:
        """As ``Decider`` says."""
        return 0.0

    def decode(self, files: Sequence[bytes]) -> list[Any]:
        """As ``Decider`` says; nobody looks at the pixels."""
        return list(files)

    def decide(self, parts: Sequence[Sequence[Any]]) -> list[Decision]:
        """As ``Decider`` says."""
        reason = "it was claimed before a crash and not decided on, and recover knows no model"
        return [Decision(REVIEW, False, float("nan"), reason) for _ in parts]


def recover(out: Path, *, disk: Disk, clock: Clock, journal: Path | None = None, user: str = "") -> dict[str, Any]:
    """Bring everything that a crash left in an output to an end.

    Returns
    -------
    dict
        ``finished``: pictures that went where their INTENT says; ``decided``: that went to REVIEW or QUARANTINE, since nobody
        had decided on them; ``lost``: alarms; ``rebuilt``: files that a new journal lists in place of a damaged or lost one;
        ``copied``: files of the inbox that are taken for copied; ``cause``: why, empty where none was made; ``damaged``: the new
        names of the old files, None where there were none;
        ``unknown``: what a new journal cannot tell; ``recounted``: files of the journal whose counts by hour did
        not follow from their rows; ``archived``: pictures of which ``gonogo archive`` was interrupted.

    Raises
    ------
    LockedError
        A sorter works there.
    JournalVersionError, JournalAccessError
        Another version wrote the journal, or it cannot be opened.
    FileNotFoundError
        The folder is no output of ``gonogo sort``, or pictures lie claimed in a folder that is not there.
    """
    check_output(out, disk)
    out, path = out.absolute(), find_journal(out, disk, journal).absolute()
    with ExitStack() as stack:
        lock_output(out, path, disk, stack)
        disk.make_folder(path.parent)
        stack.enter_context(translated(path))
        cause, harmed = _damage(out, path, disk)
        start = None
        with suppress(JournalError, FileNotFoundError), read_journal(path, disk) as old:
            row = old.last("START")
            start = None if row is None else row.body
        places = last_places(out, path, start, disk)
        is_away = not places.work.is_relative_to(out) and disk.status(places.inbox) is None
        if cause and is_away:
            found = f"OUT: found no inbox {places.inbox}, below which pictures may lie claimed"
            raise FileNotFoundError(f"{found}; bring it back, or make an empty folder there, where it is gone for ever")
        said = {"rebuilt": 0, "copied": 0, "cause": cause, "damaged": None, "unknown": []}
        if cause:
            said |= _begin_anew(out, path, cause, harmed, places.inbox, disk, clock)
        recounted = mend_counts(path, disk) if disk.status(path) is not None else []
        opened = stack.enter_context(open_journal(path, disk, clock))
        check_owner(out, opened, disk)
        if not is_away:
            disk.make_folder(places.work)
        sorter = Sorter(disk, clock, places, configuration_of(start), NoModel(), opened, keeps=_keeps(start))
        archived = finish_archive(opened, path, out, disk)
        with leaving(opened):
            recovered = Recovery(sorter).run()
        return {**recovered, **said, "recounted": recounted, "user": user, "archived": archived}


def _damage(out: Path, path: Path, disk: Disk) -> tuple[str, list[Path]]:
    """What is wrong with a journal, and which files of it are of no more use; empty if it is sound, or none was ever there."""
    try:
        for file, text in journal_faults(path, disk):
            raise JournalError(file, f"damaged: {text}")
        check_heads(out, path, disk)
    except (JournalVersionError, JournalAccessError):
        raise  # it may be sound: for the gonogo that wrote it, or when its disk is seen to
    except JournalError as error:
        reason = error.reason.partition("; ")[0]  # without the remedy, which is this
        files = [*closed_segments(path, disk), path]  # each is linked to the one before
        return reason if error.path == path else f"{error.path.name} {reason}", files[files.index(error.path) :]
    return "", []


def _begin_anew(
    out: Path, path: Path, cause: str, harmed: list[Path], inbox: Path, disk: Disk, clock: Clock
) -> dict[str, Any]:
    """Put a new journal in the place of damaged or lost files; what told of the old one goes last, or all is done again."""
    there = [file for file in harmed if disk.status(file) is not None]
    asides = [set_aside(file, disk, clock) for file in harmed]
    names = ", ".join(aside.name for file, aside in zip(harmed, asides, strict=True) if file in there)
    reason = f"{cause}; {f'kept as {names}' if names else 'a new one was begun'}"
    count, copied = 0, _sources(inbox, disk) if were_copied(out, disk) else {}
    waiting = sum(map(len, copied.values()))
    status = last_status(out, disk)
    before = remembered_model(status)

    def fill(journal: Journal) -> None:
        nonlocal count
        journal.append([Entry("ALARM", body={"reason": reason}), before])
        count = _list_files(out, disk, journal, copied)

    rebuild(path, disk, clock, fill, after=_last_number(out, status, disk) + _LEFT_OUT)
    if disk.status(heads_of(out)) is not None:
        disk.move(heads_of(out), heads_of(out).with_name(f"{asides[-1].stem}.heads.log"))
    taken = waiting - sum(map(len, copied.values()))
    unknown = [*(UNKNOWN_MODEL if before.body["model"] == NOT_KNOWN else ()), *UNKNOWN]
    return {"rebuilt": count, "copied": taken, "damaged": names or None, "unknown": unknown}


def _last_number(out: Path, status: Mapping[str, Any], disk: Disk) -> int:
    """The largest number of a row of the old journal that anything tells; it may have had some more."""
    told = status.get("journal")
    rows = told.get("rows") if isinstance(told, Mapping) else None
    found = [rows if isinstance(rows, int) else 0]
    if head := last_head(out, disk):
        found.append(int(head[2]))
    with suppress(OSError, NotRegularError):
        found.append(last_number(table_of(out), disk))
    return max(found)


def _keeps(start: Mapping[str, Any] | None) -> bool:
    return start is not None and bool(start["settings"].get("copy"))


def _sources(inbox: Path, disk: Disk) -> dict[str, list[str]]:
    """What the files of an inbox are known by, by their content."""
    found: dict[str, list[str]] = {}
    for name, status in disk.scan(inbox) if disk.status(inbox) is not None else []:
        if status.kind == "file" and not is_ignored(name) and (content := disk.digest(inbox / name)) is not None:
            found.setdefault(content, []).append(source_of(status))
    return found


def _list_files(out: Path, disk: Disk, journal: Journal, copied: dict[str, list[str]]) -> int:
    """Write a row for each file of the class folders, so that its name and content stay taken.

    Each is taken for the copy of one file of the inbox with its content, which leaves ``copied``.
    """
    count = 0
    for folder, status in disk.scan(out):
        if status.kind == "folder" and folder not in ("work", ".gonogo"):
            files = list(_files_below(out / folder, disk))
            entries = [_found(file.relative_to(out), disk.digest(file), copied) for file in files]
            journal.append(entries)
            count += len(entries)
    return count


def _found(place: Path, content: str | None, copied: dict[str, list[str]]) -> Entry:
    sources = copied.get(content or "", [])
    said = (shown(place.name), shown(place), content, sources.pop() if sources else None)
    return Entry("FOUND", None, None, None, *said, body={"final": str(place)})


def _files_below(folder: Path, disk: Disk) -> Iterator[Path]:
    for name, status in disk.scan(folder):
        if status.kind == "folder":
            yield from _files_below(folder / name, disk)
        elif status.kind == "file":
            yield folder / name
