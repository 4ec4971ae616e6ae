"""The tables of the journal, what makes them trustworthy, and the counts by hour that follow from them."""

from __future__ import annotations

import errno
import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gonogo.errors import JournalAccessError, JournalError, JournalVersionError
from gonogo.line.disk import DiskFullError
from gonogo.line.hourly import Key, counts

NO_CHAIN = bytes(32)
COLUMNS = ("sequence", "time", "kind", "batch", "id", "refers", "name", "final", "content", "source", "body")
VERSION = 1
# Also where there is no room for the index of the log, the one file that SQLite makes longer before it writes.
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
# Rows of which there is one for each picture; the others are few, and found by kind.
_RARE = " OR ".join(
    f"kind = '{kind}'"
    for kind in (
        *("SEGMENT", "START", "MODEL", "SELFTEST", "BATCH", "END", "RETURNED", "LOST", "ALARM", "FOUND"),
        *("AUDIT", "ARCHIVE", "ARCHIVED", "KEPT", "DRIFT", "ACKNOWLEDGED"),
    )
)
_SAID = "json_extract(said.body, '$.{0}') AS {0}"
_MADE = "json_extract(made.body, '$.{0}') AS {0}"
_SCHEMA = f"""
CREATE TABLE journal (
  sequence INTEGER PRIMARY KEY,
  time     TEXT NOT NULL,
  kind     TEXT NOT NULL,
  batch    INTEGER,
  id       TEXT,
  refers   INTEGER,
  name     TEXT,
  final    TEXT,
  content  BLOB,
  source   TEXT,
  body     TEXT NOT NULL,
  chain    BLOB NOT NULL
);
CREATE INDEX journal_id ON journal (id) WHERE id IS NOT NULL;
CREATE INDEX journal_final ON journal (final) WHERE final IS NOT NULL;
CREATE INDEX journal_content ON journal (substr(content, 1, 8)) WHERE content IS NOT NULL;
CREATE INDEX journal_source ON journal (source) WHERE source IS NOT NULL;
CREATE INDEX journal_kind ON journal (kind, batch) WHERE {_RARE};
CREATE TRIGGER journal_keeps BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'rows are only added'); END;
CREATE TRIGGER journal_holds BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'rows are only added'); END;
CREATE TABLE hourly (
  hour    TEXT NOT NULL,
  label   TEXT NOT NULL,
  measure TEXT NOT NULL,
  bin     NOT NULL,
  count   INTEGER NOT NULL,
  PRIMARY KEY (hour, label, measure, bin)
) WITHOUT ROWID;
CREATE VIEW decisions AS
  SELECT done.sequence, done.time, done.id, said.name, ifnull(json_extract(said.body, '$.part'), said.name) AS part,
    {_SAID.format("decision")}, ifnull(json_extract(said.body, '$.passed'), 0) AS passed, {_SAID.format("score")},
    ifnull(json_extract(said.body, '$.reason'), '') AS reason, said.final, lower(hex(said.content)) AS sha256,
    {_SAID.format("duplicate_of")}, {_MADE.format("model")}, {_MADE.format("certificate")}, {_SAID.format("milliseconds")},
    {_SAID.format("latency")}, ifnull(json_extract(said.body, '$.cause'), '') AS cause,
    {_MADE.format("version")}, {_MADE.format("fingerprint")}
  FROM journal AS done JOIN journal AS said ON said.sequence = done.refers
    LEFT JOIN journal AS made ON made.sequence = said.refers
  WHERE done.kind = 'DONE';
"""


def create_schema(connection: sqlite3.Connection) -> None:
    """Make tables, view and the rules that keep rows as they are."""
    connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")


def check_schema(connection: sqlite3.Connection, path: Path, *, rows: bool = True) -> None:
    """Refuse files that are no journal of this version, or, ``rows``, whose last ones do not follow from each other."""
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            raise sqlite3.DatabaseError("found no journal in it")
        if version != VERSION:
            raise JournalVersionError(
                path, f"found version {version}, expected {VERSION}; use the gonogo that wrote it"
            )
        query = "SELECT sequence, chain FROM journal WHERE sequence >= (SELECT max(sequence) FROM journal) - 1000 "
        query += "ORDER BY sequence LIMIT 1"
        believed = connection.execute(query).fetchone() if rows else None
        faults = [] if believed is None else chain_faults(connection, *believed)
    except sqlite3.DatabaseError as error:
        if not may_be_damage(error):
            raise
        faults = [str(error)]
    if faults:
        raise JournalError(
            path, f"damaged: {faults[0]}; run gonogo recover OUT, which starts a new one and keeps this one"
        )


def may_be_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether an error may come from the content of a file: not where it is locked, or may not be opened."""
    if not isinstance(error, sqlite3.OperationalError):
        return True
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in (
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_IOERR,
    )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into ``JournalError``, and what it says of a full disk into ``DiskFullError``."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) in _FULL:
            remedy = "the disk is full; make room and start again, which finishes what was begun"
            raise DiskFullError(errno.ENOSPC, remedy, str(path.parent)) from error
        remedy = "see to the disk and start again, which finishes what was begun"
        kind = JournalError if may_be_damage(error) else JournalAccessError
        raise kind(path, f"cannot be read or written: {error}; {remedy}") from error
    except sqlite3.Error as error:
        raise JournalError(path, f"{error}; run gonogo recover OUT") from error


def decoded(body: str) -> Any:
    """Return what the body of a row holds."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise sqlite3.DatabaseError(f"found a row that is no JSON ({error})") from error


def head(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """Return number and chain of the last row."""
    found = connection.execute("SELECT sequence, chain FROM journal ORDER BY sequence DESC LIMIT 1").fetchone()
    return found or (0, NO_CHAIN)


def chain_faults(connection: sqlite3.Connection, after: int, chain: bytes) -> list[str]:
    """Return which row is the first that does not follow from the one before; nothing if each does.

    Parameters
    ----------
    connection : sqlite3.Connection
        Of the file.
    after : int
        Rows up to this number are believed.
    chain : bytes
        That of the row ``after``, which may be in the file before.
    """
    expected = after + 1
    query = f"SELECT {','.join(COLUMNS)}, chain FROM journal WHERE sequence > ? ORDER BY sequence"
    for *row, found in connection.execute(query, (after,)):
        chain = link(chain, tuple(row))
        if row[0] != expected or chain != found:
            return [f"row {expected} was changed or is missing"]
        expected += 1
    return []


_encode = json.JSONEncoder(separators=(",", ":"), default=bytes.hex).encode


def link(chain: bytes, row: tuple[Any, ...]) -> bytes:
    """Return the chain of a row, by ``COLUMNS``, that comes after one with this chain."""
    return hashlib.sha256(chain + _encode(row).encode()).digest()


def add_counts(connection: sqlite3.Connection, found: Mapping[Key, int]) -> None:
    """Add to the counts by hour."""
    rows = [(*key, count) for key, count in found.items()]
    query = "INSERT INTO hourly VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count"
    connection.executemany(query, rows)


def count_again(connection: sqlite3.Connection) -> Counter[Key]:
    """Return the counts by hour as they follow from the rows of a file."""
    query = "SELECT e.time, e.kind, said.body FROM journal AS e LEFT JOIN journal AS said ON said.sequence = e.refers"
    query += " AND e.kind = 'DONE' WHERE e.kind IN ('DONE', 'LOST', 'RETURNED', 'ALARM', 'AUDIT')"
    found = connection.execute(query)
    return counts((time, kind, None if said is None else decoded(said)) for time, kind, said in found)


def wrong_hours(connection: sqlite3.Connection) -> list[str]:
    """Return the hours whose counts do not follow from the rows of a file."""
    kept = {tuple(key): count for *key, count in connection.execute("SELECT * FROM hourly")}
    return sorted({str(key[0]) for key, _ in kept.items() ^ count_again(connection).items()})


def mend_hours(connection: sqlite3.Connection) -> bool:
    """Count anew where counts do not follow from the rows of a file; return whether that was so."""
    connection.execute("BEGIN IMMEDIATE")
    is_wrong = bool(wrong_hours(connection))
    if is_wrong:
        connection.execute("DELETE FROM hourly")
        add_counts(connection, count_again(connection))
    connection.execute("COMMIT")
    return is_wrong
