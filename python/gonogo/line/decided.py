"""Pictures that were decided on, as the journal with its closed files tells, and what is known of the model that did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from gonogo.decision import REVIEW
from gonogo.line.decider import QUARANTINE
from gonogo.line.disk import Disk
from gonogo.line.hourly import Key
from gonogo.line.journal import Among, Journal, Row, shown
from gonogo.line.segments import closed_segments, read_journal

_NO_CLASSES = (REVIEW, QUARANTINE, "work")


@dataclass(frozen=True, slots=True)
class Decided:
    """A picture at its final place.

    Attributes
    ----------
    id, name, part, decision, passed, score, reason, sha256, duplicate_of, model, time
        As in the view ``decisions`` of the journal.
    place : str
        Path below the output.
    batch : int
        Pictures of one part that were decided on together have the same part and batch.
    """

    id: str
    name: str
    part: str
    decision: str
    passed: bool
    score: float | None
    reason: str
    sha256: str
    duplicate_of: str | None
    model: str
    time: str
    place: str
    batch: int

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        """Return what ``Journal.decisions`` yields."""
        return cls(**{name: row[name] for name in cls.__slots__} | {"passed": bool(row["passed"])})

    @classmethod
    def listed(cls, row: Row, folder: str) -> Self:
        """Return a file that a new journal found in a folder. It has no id; its content, which is as unique, stands for that."""
        name, content, batch = row.name or "", row.content or "", row.sequence
        reason = "nothing tells when and why: it was found here when the journal was made anew"
        place = row.body["final"]
        return cls(content, name, name, folder, False, None, reason, content, None, "", row.time, place, batch)


@dataclass(frozen=True)
class Facts:
    """What the last start of a sorter says of its model.

    Attributes
    ----------
    classes : list of str
    pass_label : str or None
        The class that means PASS.
    bit_depth : int
        Bits of 16-bit grey that are in use.
    model : str
        Its SHA-256.
    """

    classes: list[str]
    pass_label: str | None
    bit_depth: int
    model: str


class History:
    """A journal with the closed files before it, open for reading."""

    def __init__(self, journals: list[Journal]) -> None:
        self._journals = journals

    def decided(self, among: Among = "all") -> Iterator[Decided]:
        """Yield pictures in the order in which they were done, see ``Journal.decisions``."""
        return (Decided.of(row) for journal in self._journals for row in journal.decisions(among=among))

    def by_id(self, identifiers: Iterable[str]) -> dict[str, Decided]:
        """Return the pictures with these ids, without those that no file knows."""
        found: dict[str, Decided] = {}
        for identifier in identifiers:
            for journal in reversed(self._journals):
                if (row := journal.decision_of(identifier)) is not None:
                    found[identifier] = Decided.of(row)
                    break
        return found

    def ids_by_part(self, batch: int) -> dict[str, list[str]]:
        """Return the ids of the pictures of each part that were decided on together in a batch."""
        found = next(filter(None, (journal.batch(batch) for journal in self._journals)), None)
        parts: dict[str, list[str]] = {}
        for identifier, name, *_, part, _doubt in [] if found is None else found.body["files"]:
            parts.setdefault(shown(name if part is None else part), []).append(identifier)
        return parts

    def newest_in(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield pictures of a folder of the output, see ``Journal.newest_in``."""
        return (found for journal in reversed(self._journals) for found in journal.newest_in(folder))

    def listed_in(self, folder: str) -> list[Decided]:
        """Return the files of a folder that a new journal listed, and of which no row tells why they are there.

        Files with the same content are one.
        """
        rows = (row for journal in self._journals for row in journal.found_in(folder))
        listed = {row.content: Decided.listed(row, folder) for row in rows if row.content is not None}
        told = {final for _, final in self.newest_in(folder)} if listed else set()
        return [one for one in listed.values() if shown(one.place) not in told]

    @property
    def was_made_anew(self) -> bool:
        """Whether a journal was lost, so that files lie in the folders of which no row tells."""
        return any(journal.count("FOUND") for journal in self._journals)

    def hourly(self, since: str) -> Counter[Key]:
        """Return the counts by hour, see ``Journal.hourly``."""
        return self._journals[-1].hourly(since)  # which asks the closed files as well

    def last_contents(self, count: int) -> list[tuple[str, str, str]]:
        """Return id, shown name and SHA-256 of the last pictures, see ``Journal.last_contents``."""
        return self._journals[-1].last_contents(count)

    def last_time(self) -> str:
        """Return when the last picture was done; empty where none was."""
        rows = (journal.last("DONE") for journal in reversed(self._journals))
        return next((row.time for row in rows if row is not None), "")

    def newest(self, count: int, *kinds: str) -> list[Row]:
        """Return the last rows of some kinds, the newest first."""
        found: list[Row] = []
        for journal in reversed(self._journals):
            if len(found) < count:
                found += reversed(list(journal.rows(*kinds)))
        return found[:count]

    def last_start(self) -> dict[str, Any] | None:
        """Return what the last START row says, with its ``time``; None where the journal was made anew since."""
        rows = (journal.last("START") for journal in reversed(self._journals))
        found = next(filter(None, rows), None)
        return None if found is None else {**found.body, "time": found.time}


@contextmanager
def open_history(journal: Path, disk: Disk) -> Iterator[History]:
    """Open a journal and the closed files before it for reading.

    Raises
    ------
    JournalError
        One of them is damaged or of another version.
    FileNotFoundError
        There is no journal.
    """
    with ExitStack() as stack:
        yield History(
            [stack.enter_context(read_journal(path, disk)) for path in (*closed_segments(journal, disk), journal)]
        )


def facts_of(history: History, out: Path, disk: Disk) -> Facts:
    """Return what is known of the model; without a START row the classes are the folders of the output."""
    start = history.last_start()
    if start is not None and start.get("facts"):
        facts = start["facts"]
        return Facts(list(facts["classes"]), facts["pass_label"], int(facts["bit_depth"]), str(start["model"]))
    folders = [name for name, status in disk.scan(out) if status.kind == "folder" and not name.startswith(".")]
    return Facts([name for name in folders if name not in _NO_CLASSES], None, 16, "")
