"""The memory of the line: what was seen, decided and done with each picture, in rows that are only ever added.

A SQLite database on a local disk. One process writes; readers open it with ``read_journal`` (``mode=ro``). What ``append`` has
returned from has reached the disk. Each row carries the SHA-256 of itself and the row before (``chain``), so that a row that
was changed or taken away shows.

Table ``journal``, one row for each thing that happened, by ``kind``:

==========  ===========================================================================================================
SEGMENT     first row of each file: ``previous`` (file of the rows before, or null), ``head`` (its last chain), ``mark``
START       a sorter began: ``model``, ``settings``, ``version``, ``fingerprint``, ``work``, ``inbox``, ``user``
BATCH       pictures that are looked at from now on: ``files``, each id, name, identity and how often it was tried
INTENT      what will be done with a picture: decision, reason, score, part, views, final name, milliseconds
DONE        it is done; ``refers`` is the row of the INTENT
RETURNED    nothing was done; the picture is (again) in the inbox, or was taken from there by others
LOST        an alarm: the picture is at none of the places where it should be
ALARM       something that a person must know; not about the state of one picture
FOUND       a file of the class folders, listed when a new journal replaced a damaged one
AUDIT       a passed picture that people shall look at all the same
ARCHIVE     a picture shall leave the output: ``action``, ``place``, ``target``, ``user``; ``refers`` is the DONE
ARCHIVED    it has; KEPT: it was left alone, for a ``reason``; ``refers`` is the ARCHIVE
END         every picture of ``batch`` has one of DONE, RETURNED, LOST
==========  ===========================================================================================================

View ``decisions``, one row for each picture that is done: ``sequence, time, id, name, part, decision, passed, score, reason,
final, sha256, duplicate_of, model, certificate, milliseconds``. Names and paths are shown with ``\\udcXX`` for bytes that are
no UTF-8; ``final`` starts at the folder of the output.

Table ``hourly``, counts that follow from the rows and are kept with them, so that a page need not read all rows; several files
may hold counts of the same hour, which add up. Columns ``hour, label, measure, bin, count``: ``hour`` as ``2026-03-14T12+02:00``,
when the pictures were done; ``label`` is the decision (a class, REVIEW, QUARANTINE). By ``measure``:

==============================  =======================================================================================
pictures, passed, duplicates    pictures done, those that are PASS, those with content seen before; ``bin`` is empty
cause                           pictures without a class by the short word for the reason (``bin``): a fault as ``gonogo
                                inspect`` calls it, ``unproven``, ``crash``, ``changing``, ``changed``, ``unknown`` (unlike the
                                good parts of the training), ``score`` (other doubts of the model), ``doubt`` (of the line:
                                views, frozen camera)
milliseconds                    work on a picture, its share of the batch; ``bin`` b: from 10^(b/20) to 10^((b+1)/20) ms
latency                         from the last change that was seen of a file to its decision, the same bins
score                           ``bin`` b: from sinh(b/20) to sinh((b+1)/20)
lost, returned, alarm, audit    rows of that kind; ``label`` and ``bin`` are empty
==============================  =======================================================================================
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from gonogo.errors import JournalError
from gonogo.line.clock import Clock
from gonogo.line.hourly import Key, counts

NO_CHAIN = bytes(32)
TERMINAL = ("DONE", "RETURNED", "LOST")
_VERSION = 1
_COLUMNS = ("sequence", "time", "kind", "batch", "id", "refers", "name", "final", "content", "source", "body")
_SCHEMA = """
CREATE TABLE journal (
  sequence INTEGER PRIMARY KEY,
  time     TEXT NOT NULL,
  kind     TEXT NOT NULL,
  batch    INTEGER,
  id       TEXT,
  refers   INTEGER,
  name     TEXT,
  final    TEXT,
  content  TEXT,
  source   TEXT,
  body     TEXT NOT NULL,
  chain    BLOB NOT NULL
);
CREATE INDEX journal_id ON journal (id, kind) WHERE id IS NOT NULL;
CREATE INDEX journal_final ON journal (final) WHERE final IS NOT NULL;
CREATE INDEX journal_content ON journal (content) WHERE content IS NOT NULL;
CREATE INDEX journal_source ON journal (source) WHERE source IS NOT NULL;
CREATE INDEX journal_batch ON journal (kind, batch) WHERE kind IN ('BATCH', 'END');
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
  SELECT done.sequence, done.time, done.id, done.name, json_extract(said.body, '$.part') AS part,
    json_extract(said.body, '$.decision') AS decision, json_extract(said.body, '$.passed') AS passed,
    json_extract(said.body, '$.score') AS score, json_extract(said.body, '$.reason') AS reason,
    said.final, said.content AS sha256, json_extract(said.body, '$.duplicate_of') AS duplicate_of,
    json_extract(said.body, '$.model') AS model, json_extract(said.body, '$.certificate') AS certificate,
    json_extract(said.body, '$.milliseconds') AS milliseconds
  FROM journal AS done JOIN journal AS said ON said.sequence = done.refers
  WHERE done.kind = 'DONE';
"""
Among = Literal["all", "REVIEW", "AUDIT"]
# Found by their indexes, however many other rows there are.
_AMONG = {
    "all": "",
    "REVIEW": "AND d.sequence IN (SELECT sequence FROM journal WHERE kind = 'DONE' AND final > 'REVIEW/' AND final < 'REVIEW0')",
    "AUDIT": "AND d.id IN (SELECT id FROM journal WHERE kind = 'AUDIT')",
}


@dataclass(frozen=True)
class Entry:
    """A row to add. ``name`` and ``final`` are shown forms (``shown``); exact names are in ``body``, which is JSON."""

    kind: str
    batch: int | None = None
    id: str | None = None
    refers: int | None = None
    name: str | None = None
    final: str | None = None
    content: str | None = None
    source: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row(Entry):
    """A row as it was read."""

    sequence: int = 0
    time: str = ""


def shown(name: str | Path) -> str:
    """Return a name as text that every program can read: bytes that are no UTF-8 become ``\\udcXX``."""
    return str(name).encode("utf-8", "backslashreplace").decode()


class Journal:
    """An open journal; ``older`` are the closed files before it, which only answer questions."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, clock: Clock, older: Sequence[sqlite3.Connection] = ()
    ) -> None:
        self.path = path
        self._connection = connection
        self._clock = clock
        self._older = older
        self._before = head(older[-1]) if older else (0, NO_CHAIN)
        self._sequence, self._chain = max(self._before, head(connection), key=lambda end: end[0])

    @property
    def head(self) -> str:
        """The last row's chain, which stands for all rows."""
        return self._chain.hex()

    @property
    def sequence(self) -> int:
        """Number of the last row."""
        return self._sequence

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Add rows, all or none, bring them to the disk and return their numbers."""
        if not entries:
            return []
        time = self._clock.today().isoformat(timespec="milliseconds")
        sequence, chain, rows = self._sequence, self._chain, []
        for entry in entries:
            sequence += 1
            body = json.dumps(entry.body, sort_keys=True, separators=(",", ":"), allow_nan=False)
            values = (sequence, time, entry.kind, entry.batch, entry.id, entry.refers, entry.name, entry.final)
            row = (*values, entry.content, entry.source, body)
            chain = _link(chain, row)
            rows.append((*row, chain))
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(f"INSERT INTO journal VALUES ({','.join('?' * 12)})", rows)
            add_counts(self._connection, counts((time, entry.kind, self._said(entry)) for entry in entries))
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        first, self._sequence, self._chain = self._sequence + 1, sequence, chain
        return list(range(first, sequence + 1))

    def _said(self, entry: Entry) -> Mapping[str, Any] | None:
        return self.row(entry.refers).body if entry.kind == "DONE" and entry.refers is not None else None

    def rows(self, *kinds: str, after: int = 0) -> Iterator[Row]:
        """Yield rows of some kinds, all if none is named, in their order."""
        chosen = f"AND kind IN ({','.join('?' * len(kinds))})" if kinds else ""
        return self._select(f"WHERE sequence > ? {chosen} ORDER BY sequence", (after, *kinds))

    def batch(self, number: int) -> Row | None:
        """Return the BATCH row with this number; None where it is in another file."""
        return next(self._select("WHERE sequence = ? AND kind = 'BATCH'", (number,)), None)

    def of_picture(self, identifier: str) -> list[Row]:
        """Return the rows of one picture."""
        return list(self._select("WHERE id = ? ORDER BY sequence", (identifier,)))

    def row(self, sequence: int) -> Row:
        """Return one row."""
        return next(self._select("WHERE sequence = ?", (sequence,)))

    def last(self, kind: str) -> Row | None:
        """Return the last row of a kind."""
        return next(self._select("WHERE kind = ? ORDER BY sequence DESC LIMIT 1", (kind,)), None)

    def open_batches(self) -> list[Row]:
        """Return the BATCH rows that have no END."""
        ended = "EXISTS (SELECT 1 FROM journal AS e WHERE e.kind = 'END' AND e.batch = journal.sequence)"
        return list(self._select(f"WHERE kind = 'BATCH' AND NOT {ended} ORDER BY sequence", ()))

    def is_final(self, final: str) -> bool:
        """Return whether a picture was ever meant for this path."""
        return self._first("SELECT final FROM journal WHERE final = ?", final) is not None

    def first_with_content(self, content: str) -> str | None:
        """Return the id of the first picture with this SHA-256; None if there is none."""
        query = "SELECT id FROM journal WHERE content = ? AND kind = 'DONE' ORDER BY sequence LIMIT 1"
        return self._first(query, content)

    def content_of(self, source: str) -> str | None:
        """Return the SHA-256 of the picture that was copied from a file; None if none was."""
        query = "SELECT content FROM journal WHERE source = ? AND kind = 'DONE' ORDER BY sequence DESC LIMIT 1"
        return self._first(query, source)

    def decisions(self, after: int = 0, among: Among = "all") -> Iterator[dict[str, Any]]:
        """Yield the rows of the view ``decisions`` in this file, in their order, with ``batch`` and the exact path as ``place``.

        ``among`` are ``"all"``, those in ``"REVIEW"``, or those marked by ``"AUDIT"`` rows.
        """
        return self._decided(f"d.sequence > ? {_AMONG[among]} ORDER BY d.sequence", after)

    def decision_of(self, identifier: str) -> dict[str, Any] | None:
        """Return the row of the view ``decisions`` about one picture, as ``decisions`` does; None where it is in no such row."""
        return next(self._decided("d.id = ?", identifier), None)

    def _decided(self, where: str, value: int | str) -> Iterator[dict[str, Any]]:
        query = (
            "SELECT d.*, said.batch, said.body AS said FROM decisions AS d JOIN journal AS done USING (sequence) "
            f"JOIN journal AS said ON said.sequence = done.refers WHERE {where}"
        )
        found = self._connection.execute(query, (value,))
        names = [column[0] for column in found.description]
        for values in found:
            row = dict(zip(names, values, strict=True))
            yield {**row, "place": json.loads(row.pop("said"))["final"]}

    def with_two_ends(self) -> list[str]:
        """Return the ids of pictures that have more than one of DONE, RETURNED and LOST, which must never be."""
        query = f"SELECT id FROM journal WHERE kind IN {TERMINAL} AND id IS NOT NULL GROUP BY id HAVING count(*) > 1"
        return [identifier for (identifier,) in self._connection.execute(query)]

    def hourly(self, since: str = "") -> Counter[Key]:
        """Return the counts of hours from ``since`` on (``"2026-03-14"``), by (hour, label, measure, bin), of all files."""
        found: Counter[Key] = Counter()
        for connection in (*self._older, self._connection):
            for *key, count in connection.execute("SELECT * FROM hourly WHERE hour >= ?", (since,)):
                found[tuple(key)] += count
        return found

    def _first(self, query: str, value: str) -> str | None:
        for connection in (*self._older, self._connection):
            if found := connection.execute(query, (value,)).fetchone():
                return str(found[0])
        return None

    def _select(self, where: str, values: Sequence[Any]) -> Iterator[Row]:
        for found in self._connection.execute(f"SELECT {','.join(_COLUMNS)} FROM journal {where}", values):
            named = dict(zip(_COLUMNS, found, strict=True))
            yield Row(**{**named, "body": json.loads(named["body"])})

    def damage(self) -> list[str]:
        """Return what is wrong with the whole file, by SQLite's own check and row by row; nothing if it is sound."""
        try:
            found = [text for (text,) in self._connection.execute("PRAGMA integrity_check") if text != "ok"]
            return found or chain_faults(self._connection, *self._before)
        except sqlite3.DatabaseError as error:
            return [str(error)]

    def wrong_hours(self) -> list[str]:
        """Return the hours whose counts do not follow from the rows of this file; a writer may be at work meanwhile."""
        self._connection.execute("BEGIN")
        try:
            return wrong_hours(self._connection)
        finally:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        for connection in (*self._older, self._connection):
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
    query = f"SELECT {','.join(_COLUMNS)}, chain FROM journal WHERE sequence > ? ORDER BY sequence"
    for *row, found in connection.execute(query, (after,)):
        chain = _link(chain, tuple(row))
        if row[0] != expected or chain != found:
            return [f"row {expected} was changed or is missing"]
        expected += 1
    return []


def _link(chain: bytes, row: tuple[Any, ...]) -> bytes:
    return hashlib.sha256(chain + json.dumps(row, separators=(",", ":")).encode()).digest()


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
    return counts((time, kind, None if said is None else json.loads(said)) for time, kind, said in found)


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


def create_schema(connection: sqlite3.Connection) -> None:
    """Make table, view and the rules that keep rows as they are."""
    connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")


def check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse files that are no journal of this version, or whose last rows do not follow from each other."""
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            raise sqlite3.DatabaseError("found no journal in it")
        if version != _VERSION:
            raise JournalError(path, f"found version {version}, expected {_VERSION}; use the gonogo that wrote it")
        query = "SELECT sequence, chain FROM journal WHERE sequence >= (SELECT max(sequence) FROM journal) - 1000 "
        query += "ORDER BY sequence LIMIT 1"
        believed = connection.execute(query).fetchone()
        faults = [] if believed is None else chain_faults(connection, *believed)
    except sqlite3.DatabaseError as error:
        faults = [str(error)]
    if faults:
        raise JournalError(
            path, f"damaged: {faults[0]}; run gonogo recover OUT, which starts a new one and keeps this one"
        )
