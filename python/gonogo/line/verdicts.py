"""What people said of pictures, in a database of their own beside the journal: ``verdicts.db``, in rows that are only added.

The journal has one writer, and this one as many as there are reviewers; so it keeps no write-ahead log, and what ``add`` has
returned from has reached the disk.

Table ``verdicts``, one row for each thing that happened, by ``event``:

==========  ===========================================================================================================
SHOWN       the reviewer was shown what the model had decided
VERDICT     the reviewer said what the picture shows: ``verdict`` is a class, or ``unclear``
WITHDRAWN   the reviewer took the last verdict on this picture back
==========  ===========================================================================================================

Each with ``time`` (UTC), ``reviewer``, ``id`` and ``sha256`` of the picture as the journal has them. ``shown`` of a VERDICT says
what the reviewer knew by then of what the model had decided: ``decision`` or ``nothing``. ``selection`` says from which pictures
this one came: ``all``, or the ``queue`` of those that wait for people.
"""

from __future__ import annotations

import datetime
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from gonogo.errors import JournalError
from gonogo.line.disk import NETWORK_FILE_SYSTEMS, Disk

Selection = Literal["queue", "all"]
DECISION, NOTHING = "decision", "nothing"
UNCLEAR = "unclear"
_VERSION = 1
_PATIENCE = 30.0  # seconds for another reviewer's verdict
_COLUMNS = ("sequence", "time", "reviewer", "id", "sha256", "event", "verdict", "shown", "selection")
_SCHEMA = """
CREATE TABLE verdicts (
  sequence  INTEGER PRIMARY KEY,
  time      TEXT NOT NULL,
  reviewer  TEXT NOT NULL,
  id        TEXT NOT NULL,
  sha256    TEXT NOT NULL,
  event     TEXT NOT NULL CHECK (event IN ('SHOWN', 'VERDICT', 'WITHDRAWN')),
  verdict   TEXT NOT NULL,
  shown     TEXT NOT NULL CHECK (shown IN ('decision', 'nothing')),
  selection TEXT NOT NULL CHECK (selection IN ('queue', 'all'))
);
CREATE INDEX verdicts_reviewer ON verdicts (reviewer, id);
CREATE TRIGGER verdicts_keep BEFORE UPDATE ON verdicts BEGIN SELECT RAISE(ABORT, 'rows are only added'); END;
CREATE TRIGGER verdicts_hold BEFORE DELETE ON verdicts BEGIN SELECT RAISE(ABORT, 'rows are only added'); END;
"""


@dataclass(frozen=True)
class VerdictRow:
    """A row as the module says."""

    sequence: int
    time: str
    reviewer: str
    id: str
    sha256: str
    event: str
    verdict: str
    shown: str
    selection: str


class Verdicts:
    """The open database. All methods may be called from any thread.

    Made by ``open_verdicts`` and ``read_verdicts``.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.Lock()

    def rows(self, reviewer: str | None = None) -> list[VerdictRow]:
        """Return all rows, or those of one reviewer, in their order."""
        query = f"SELECT {','.join(_COLUMNS)} FROM verdicts"
        values = () if reviewer is None else (reviewer,)
        with self._lock, _translated(self.path):
            found = self._connection.execute(
                f"{query}{' WHERE reviewer = ?' if values else ''} ORDER BY sequence", values
            )
            return [VerdictRow(*row) for row in found]

    def standing(self, reviewer: str | None = None) -> list[VerdictRow]:
        """Return the verdicts that were not taken back: of each reviewer the last on each picture, in their order."""
        last: dict[tuple[str, str], VerdictRow] = {}
        for row in self.rows(reviewer):
            if row.event != "SHOWN":
                last.pop((row.reviewer, row.id), None)  # the order is that of the last rows
                last[row.reviewer, row.id] = row
        return [row for row in last.values() if row.event == "VERDICT"]

    def tell(self, reviewer: str, identifier: str, sha256: str, selection: Selection) -> None:
        """Add that a reviewer is shown what the model decided; told twice it is one row."""
        with self._adding() as connection:
            if not _was_shown(connection, reviewer, identifier):
                _add(connection, reviewer, identifier, sha256, "SHOWN", "", DECISION, selection)

    def judge(self, reviewer: str, identifier: str, sha256: str, verdict: str, selection: Selection) -> None:
        """Add a verdict; when this returns it is on the disk."""
        with self._adding() as connection:
            shown = DECISION if _was_shown(connection, reviewer, identifier) else NOTHING
            _add(connection, reviewer, identifier, sha256, "VERDICT", verdict, shown, selection)

    def withdraw(self, reviewer: str, identifier: str, sha256: str, selection: Selection) -> None:
        """Add that the reviewer takes the last verdict on a picture back."""
        with self._adding() as connection:
            shown = DECISION if _was_shown(connection, reviewer, identifier) else NOTHING
            _add(connection, reviewer, identifier, sha256, "WITHDRAWN", "", shown, selection)

    @contextmanager
    def _adding(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def verdicts_of(journal: Path) -> Path:
    """Return where the verdicts about the pictures of a journal are kept."""
    return journal.with_name("verdicts.db")


def open_verdicts(journal: Path, disk: Disk) -> Verdicts:
    """Open the verdicts beside a journal for adding, made where they do not exist.

    Raises
    ------
    JournalError
        The file is damaged, of another version, or would lie on a network file system.
    """
    path = verdicts_of(journal)
    if (kind := disk.file_system(path.parent)) in NETWORK_FILE_SYSTEMS:
        raise JournalError(path, f"found a network file system ({kind}), expected a local disk")
    with _translated(path):
        connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in filter(str.strip, _SCHEMA.split(";\n")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
        _check(connection, path)
    disk.sync_folder(path.parent)
    return Verdicts(connection, path)


def read_verdicts(journal: Path, disk: Disk) -> Verdicts | None:
    """Open the verdicts beside a journal for reading; None where nobody has judged yet.

    Raises
    ------
    JournalError
        The file is damaged or of another version.
    """
    path = verdicts_of(journal)
    if disk.status(path) is None:
        return None
    with _translated(path):
        uri = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        _check(connection, path)
    return Verdicts(connection, path)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != _VERSION:
        raise JournalError(path, f"found version {version}, expected {_VERSION}; use the gonogo that wrote it")


def _was_shown(connection: sqlite3.Connection, reviewer: str, identifier: str) -> bool:
    query = "SELECT 1 FROM verdicts WHERE reviewer = ? AND id = ? AND event = 'SHOWN' LIMIT 1"
    return connection.execute(query, (reviewer, identifier)).fetchone() is not None


def _add(connection: sqlite3.Connection, *values: str) -> None:
    time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    connection.execute(f"INSERT INTO verdicts ({','.join(_COLUMNS[1:])}) VALUES ({','.join('?' * 8)})", (time, *values))


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into ``JournalError``."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(path, f"the verdicts cannot be read or written: {error}") from error
