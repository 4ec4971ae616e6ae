"""The state of a labelling: pictures in the order in which they are shown, and a worksheet that is always on the disk."""

from __future__ import annotations

import datetime
import hashlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gonogo.data.reading import names_below
from gonogo.data.sources import find_in_folders
from gonogo.pictures import read_bytes
from gonogo.worksheet import (
    BLIND,
    SEEN,
    SEEN_AFTERWARDS,
    UNCLEAR,
    Row,
    check_name,
    read_worksheet,
    write_worksheet,
)

_REVIEWER_LONGEST = 80


@dataclass(frozen=True)
class _Verdict:
    """What a person said of a picture, and whether they knew its label and the suggestion by then."""

    corrected: str = ""
    reviewer: str = ""
    time: str = ""
    informed: bool = False


@dataclass(frozen=True)
class _Item:
    """A picture: what it came with, what was said, and whether label and suggestion were ever shown."""

    given: Row
    verdict: _Verdict
    shown: bool

    @classmethod
    def of(cls, row: Row) -> _Item:
        if not row.corrected:
            return cls(row, _Verdict(), row.seen_suggestion == SEEN)
        verdict = _Verdict(row.corrected, row.reviewer, row.time, row.seen_suggestion == SEEN)
        return cls(row, verdict, row.seen_suggestion in (SEEN, SEEN_AFTERWARDS))

    def row(self) -> Row:
        said = self.verdict
        seen = SEEN if said.informed or (self.shown and not said.corrected) else ""
        if said.corrected and not said.informed:
            seen = SEEN_AFTERWARDS if self.shown else BLIND
        return replace(
            self.given, corrected=said.corrected, reviewer=said.reviewer, time=said.time, seen_suggestion=seen
        )


class Session:
    """Pictures to label. All methods may be called from any thread.

    A picture's id is its place in the order of showing: suspects first, as their table ranks them, then the others, mixed by
    the SHA-256 of their names, so that neither the place nor the id tells the class.

    Parameters
    ----------
    root : str or Path
        Folder with one folder of pictures per class.
    out : str or Path
        The worksheet. Where it exists, its verdicts are taken up.
    suspects : str or Path, optional
        Table with the columns file, label, suggested, score and reason, the most doubtful first. None: the rows of ``out``
        that hold a suggestion.
    reviewer : str, default ""
        Name of the person, if it is known already.

    Attributes
    ----------
    classes : list of str
        The class folders.
    paths : list of Path
        The pictures, by id.
    bad_files : list of DecodeError
        What lies in the folders and is no picture.

    Raises
    ------
    OSError
        A folder or table cannot be read, or the worksheet cannot be written.
    ValueError
        A table names a picture that is not there, or a class has the name ``unclear``.
    """

    def __init__(
        self,
        root: str | Path,
        out: str | Path,
        *,
        suspects: str | Path | None = None,
        reviewer: str = "",
    ) -> None:
        root, self.out = Path(root), Path(out)
        found = find_in_folders(root, None)
        self.classes, self.bad_files = found.classes, found.bad
        if UNCLEAR in self.classes:
            raise ValueError(f"{root}: the class {UNCLEAR!r} has the name of a verdict; rename the folder")
        self.reviewer = check_reviewer(reviewer) if reviewer else ""
        files = names_below(found.paths, root)
        for file in files:
            check_name(file)
        rows = {file: Row(file, found.classes[label]) for file, label in zip(files, found.labels, strict=True)}
        earlier = _taken_up(self.out, rows, self.classes, "--out") if self.out.exists() else {}
        doubted = earlier if suspects is None else _taken_up(Path(suspects), rows, self.classes, "--suspects")
        ranked = [file for file, row in doubted.items() if row.suggested or suspects is not None]
        self._items: list[_Item] = []
        suspected = set(ranked)
        for file in [*ranked, *sorted(set(files) - suspected, key=_mixed)]:
            before, doubt = earlier.get(file, rows[file]), doubted.get(file, rows[file])
            row = replace(before, suggested=doubt.suggested, score=doubt.score, reason=doubt.reason)
            self._items.append(_Item.of(row))
        self._suspects = len(ranked)
        path_of = dict(zip(files, found.paths, strict=True))
        self.paths = [path_of[item.given.file] for item in self._items]
        self._undo: list[tuple[int, _Verdict]] = []
        self._lock = threading.Lock()
        self._written = _stamp(self.out)
        self._rows = [item.row() for item in self._items]
        self._write(self._rows)  # before the first look: a worksheet that cannot be written is known now

    def begin(self, reviewer: str) -> dict[str, Any]:
        """Check the name of who is looking, which each verdict then brings, and return ``state``."""
        check_reviewer(reviewer)
        return self.state()

    def state(self) -> dict[str, Any]:
        """Return what a page may know before a person asks for more: neither labels nor names nor suggestions."""
        with self._lock:
            return {
                "title": "Label pictures",
                "reveals": "asked",
                "empty": "",
                "classes": self.classes,
                "reviewer": self.reviewer,
                "suspects": self._suspects,
                "verdicts": [item.verdict.corrected for item in self._items],
            }

    def counts(self) -> dict[str, int]:
        """Return how many pictures there are, and how many were judged, confirmed, corrected and found unclear."""
        with self._lock:
            said = [(item.given.label, item.verdict.corrected) for item in self._items if item.verdict.corrected]
        unclear = sum(corrected == UNCLEAR for _, corrected in said)
        confirmed = sum(label == corrected for label, corrected in said)
        return {
            "pictures": len(self.paths),
            "judged": len(said),
            "confirmed": confirmed,
            "corrected": len(said) - confirmed - unclear,
            "unclear": unclear,
        }

    def judge(self, number: int, corrected: str, reviewer: str) -> None:
        """Record a verdict; when this returns it is on the disk.

        Parameters
        ----------
        number : int
            Id of the picture.
        corrected : str
            A class, or ``"unclear"``.
        reviewer : str
            Who says so.

        Raises
        ------
        ValueError
            There is no such picture or class, no name was given, or another program changed the worksheet.
        OSError
            The worksheet cannot be written; nothing was recorded.
        """
        if corrected not in (*self.classes, UNCLEAR):
            raise ValueError(f"corrected: found {corrected!r}, expected {', '.join(self.classes)} or {UNCLEAR}")
        name = check_reviewer(reviewer)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with self._lock:
            item = self._item(number)
            self._replace(number, replace(item, verdict=_Verdict(corrected, name, now, item.shown)))
            self._undo.append((number, item.verdict))

    def undo(self) -> dict[str, Any] | None:
        """Take the last verdict of this session back; return its picture's id and verdict, None where there is none."""
        with self._lock:
            if not self._undo:
                return None
            number, verdict = self._undo[-1]
            self._replace(number, replace(self._items[number], verdict=verdict))
            self._undo.pop()
            return {"id": number, "corrected": verdict.corrected}

    def reveal(self, number: int) -> dict[str, Any]:
        """Return label, name and suggestion of a picture, once it is on the disk that they were shown."""
        with self._lock:
            item = self._item(number)
            if not item.shown:
                self._replace(number, replace(item, shown=True))
            given = item.given
        suggested = f"{given.suggested} ({given.score})" if given.suggested and given.score else given.suggested
        facts = [("lies in", given.label), ("suggested", suggested or "nothing")]
        facts += [("because", given.reason)] if given.reason else []
        return {"facts": [*facts, ("file", given.file)], "confirms": given.suggested}

    def content(self, number: int) -> bytes:
        """Return the file of a picture; raise ``IndexError`` where there is none, ``DecodeError`` where it cannot be read."""
        return read_bytes(self.paths[number])

    def _item(self, number: int) -> _Item:
        if number >= len(self._items):
            raise ValueError(f"id: found {number}, expected less than {len(self._items)}")
        return self._items[number]

    def _replace(self, number: int, item: _Item) -> None:
        rows = [*self._rows]
        rows[number] = item.row()
        self._write(rows)
        self._items[number], self._rows = item, rows

    def _write(self, rows: list[Row]) -> None:
        if _stamp(self.out) != self._written:
            raise ValueError(
                f"{self.out}: another program changed the worksheet; nothing was saved: end gonogo label, and start it again "
                "to go on from what is there now"
            )
        write_worksheet(self.out, rows)
        self._written = _stamp(self.out)


def check_reviewer(name: str) -> str:
    """Return the name of a person without space around it; raise ``ValueError`` where it is none."""
    stripped = name.strip()
    if not stripped or len(stripped) > _REVIEWER_LONGEST or not stripped.isprintable():
        raise ValueError(f"reviewer: found {name!r}, expected a name of 1 to {_REVIEWER_LONGEST} characters")
    return stripped


def _taken_up(path: Path, rows: Mapping[str, Row], classes: list[str], purpose: str) -> dict[str, Row]:
    """Return the rows of a table, every one of which must be of a picture that is there."""
    known = read_worksheet(path, purpose)
    for file, row in known.items():
        if file not in rows:
            raise ValueError(
                f"{path}: {file!r} is not among the pictures; were files moved since? give a new worksheet"
            )
        if row.label != rows[file].label:
            raise ValueError(f"{path}: {file!r} has the label {row.label!r}, but lies in {rows[file].label!r}")
        for column in ("suggested", "corrected"):
            value = getattr(row, column)
            if value and value not in (*classes, UNCLEAR):
                raise ValueError(f"{path}: {file!r}: {column} is {value!r}, expected {', '.join(classes)} or {UNCLEAR}")
    return known


def _mixed(file: str) -> bytes:
    return hashlib.sha256(file.encode()).digest()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what tells this version of a file from any other; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - the numbers of the system
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
