"""The memory of the line: what was seen, decided and done with each picture, in rows that are only ever added.

A SQLite database on a local disk. One process writes; readers open it with ``read_journal`` (``mode=ro``). What ``append`` has
returned from has reached the disk. Each row carries the SHA-256 of itself and the row before (``chain``), so that a row that
was changed or taken away shows.

Table ``journal``, one row for each thing that happened, by ``kind``:

==========  ===========================================================================================================
SEGMENT     first row of each file: ``previous`` (file of the rows before, or null), ``head`` (its last chain), ``mark``
START       a sorter began: ``model``, ``settings``, ``version``, ``fingerprint``, ``work``, ``inbox``, ``user``
MODEL       what decides from now on: ``model`` and ``certificate`` (SHA-256), ``version``, ``fingerprint``; where the model is
            another one than before: ``change`` (``"change"``, or ``"rollback"`` to one that was in use), ``previous``,
            ``previous_certificate``, ``user`` and ``reason``; ``model`` is ``"unknown"`` where a new journal replaced a damaged
            or lost one
SELFTEST    the pictures in the model file were computed again: ``difference`` of the scores, ``fingerprint``
BATCH       pictures that are looked at from now on: ``files``, each id, name, identity, how often it was tried, part (null: its
            name), doubt; ``work``: where they are claimed to (from the output, if in it), in a folder with its number
INTENT      what will be done with a picture (``content``: SHA-256, ``refers``: MODEL): decision, passed, reason, cause, doubt,
            score, part, place, milliseconds, latency. What is empty, false, or as it always is, is left out: ``part`` is the
            name, ``place`` the folder of the batch; ``name`` and ``final`` stand in the body only where the columns cannot show
            them. ``Journal.said`` fills in what was left out
DONE        it is done; ``refers`` is the row of the INTENT
RETURNED    nothing was done; the picture is (again) in the inbox, or was taken from there by others
LOST        an alarm: the picture is at none of the places where it should be
ALARM       something that a person must know; not about the state of one picture
FOUND       a file of the class folders, listed when a new journal replaced a damaged or lost one; ``source``: the file of the
            inbox that it is taken for a copy of, where pictures were copied
AUDIT       a passed picture that people shall look at all the same
DRIFT       where the watch for drift stands: ``statistic``, which is an alarm where it reaches ``level`` (parts between two false
            alarms, on average); ``parts`` watched since the last acknowledgement; ``monitors``, by name what ``drift.Monitor``
            holds; ``period``, since the last such row: ``parts``, ``passed``, ``unknown``, and the means of ``brightness``,
            ``contrast`` and ``sharpness`` (null: none was measured); ``alarm``: null, or ``time``, ``reason`` in words and
            ``monitors`` (names). An alarm ends with a row ACKNOWLEDGED: a person (``by``) looked into it (``alarm``)
ARCHIVE     a picture shall leave the output: ``action``, ``place``, ``target``, ``user``; ``refers`` is the DONE
ARCHIVED    it has; KEPT: it was left alone, for a ``reason``; ``refers`` is the ARCHIVE
LEFT        disks or people ended the work on ``batch`` before its END (``reason``): as a try, it does not count
END         every picture of ``batch`` has one of DONE, RETURNED, LOST
==========  ===========================================================================================================

View ``decisions``, one row for each picture that is done: ``sequence, time, id, name, part, decision, passed, score, reason,
final, sha256, duplicate_of, model, certificate, milliseconds, latency, cause, version, fingerprint``. Names and paths are shown
with ``\\udcXX`` for bytes that are no UTF-8; ``final`` starts at the folder of the output.

Table ``hourly``, counts that follow from the rows and are kept with them, so that a page need not read all rows; several files
may hold counts of the same hour, which add up. Columns ``hour, label, measure, bin, count``: ``hour`` as ``2026-03-14T12+02:00``,
when the pictures were done; ``label`` is the decision (a class, REVIEW, QUARANTINE). By ``measure``:

==============================  =======================================================================================
pictures, passed, duplicates    pictures done, those that are PASS, those with content seen before; ``bin`` is empty
cause                           pictures without a class by the short word for the reason (``bin``): a fault as ``gonogo
                                inspect`` calls it, ``unproven``, ``another-size`` and ``another-colour`` (than the files of
                                the training had), ``bit-depth`` (a value beyond that of the model), ``crash``,
                                ``changing``, ``changed``, ``unknown`` (unlike the good parts of the training), ``score``
                                (other doubts of the model), ``doubt`` (of the line: views, frozen camera, drift)
milliseconds                    work on a picture, its share of the batch; ``bin`` b: from 10^(b/20) to 10^((b+1)/20) ms
latency                         from the last change that was seen of a file to its decision, the same bins
score                           ``bin`` b: from sinh(b/20) to sinh((b+1)/20)
lost, returned, alarm, audit    rows of that kind; ``label`` and ``bin`` are empty
==============================  =======================================================================================
"""

from __future__ import annotations

import itertools
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
from gonogo.line.tables import COLUMNS, NO_CHAIN, add_counts, chain_faults, decoded, head, link, translated, wrong_hours

TERMINAL = ("DONE", "RETURNED", "LOST")
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
# Of a row ``said``: whether it is an INTENT that was carried out.
_IS_DONE = "EXISTS (SELECT 1 FROM journal AS d WHERE d.id = said.id AND d.refers = said.sequence AND d.kind = 'DONE')"
# What an INTENT does not say where it is so.
_LEFT_OUT = {
    **dict.fromkeys(("passed", "by_copy", "keeps"), False),
    **dict.fromkeys(("reason", "cause", "doubt"), ""),
    **dict.fromkeys(("score", "duplicate_of", "milliseconds", "latency"), None),
}
_SHOWN = ("part", "decision", "score", "reason", "duplicate_of", "milliseconds", "latency", "cause")
_MADE_BY = ("model", "certificate", "version", "fingerprint")
Among = Literal["all", "REVIEW", "AUDIT"]
# Found by their indexes, however many other rows there are.
_AMONG = {
    "all": "done.sequence > ?",
    "REVIEW": "+done.sequence > ? AND said.final > 'REVIEW/' AND said.final < 'REVIEW0' AND done.id IN "
    "(SELECT id FROM journal WHERE final > 'REVIEW/' AND final < 'REVIEW0')",
    "AUDIT": "+done.sequence > ? AND done.id IN (SELECT id FROM journal WHERE kind = 'AUDIT')",
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

    @property
    def exact_name(self) -> str:
        """The name in the inbox, as the file system has it."""
        return str(self.body.get("name", self.name))

    @property
    def exact_final(self) -> str:
        """The path below the output, as the file system has it."""
        return str(self.body.get("final", self.final))


def shown(name: str | Path) -> str:
    """Return a name as text that every program can read: bytes that are no UTF-8 become ``\\udcXX``."""
    return str(name).encode("utf-8", "backslashreplace").decode()


class Journal:
    """An open journal; ``older`` are the closed files before it, which only answer questions. New rows are above ``after``.

    ``sequence`` is the number of the last row.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        clock: Clock,
        older: Sequence[sqlite3.Connection] = (),
        after: int = 0,
    ) -> None:
        self.path = path
        self._connection = connection
        self._clock = clock
        self._older = older
        before = head(older[-1]) if older else (0, NO_CHAIN)
        last, self._chain = max(before, head(connection), key=lambda end: end[0])
        self.sequence = max(last, after)

    @property
    def head(self) -> str:
        """The last row's chain, which stands for all rows."""
        return self._chain.hex()

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Add rows, all or none, bring them to the disk and return their numbers."""
        if not entries:
            return []
        time = self._clock.today().isoformat(timespec="milliseconds")
        sequence, chain, rows = self.sequence, self._chain, []
        for entry in entries:
            sequence += 1
            content = None if entry.content is None else bytes.fromhex(entry.content)
            values = (sequence, time, entry.kind, entry.batch, entry.id, entry.refers, entry.name, entry.final)
            row = (*values, content, entry.source, _encode(entry.body) if entry.body else "{}")
            chain = link(chain, row)
            rows.append((*row, chain))
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany(f"INSERT INTO journal VALUES ({','.join('?' * 12)})", rows)
            said = _bodies(self._connection, [entry.refers for entry in entries if entry.kind == "DONE"])
            add_counts(self._connection, counts((time, entry.kind, said.get(entry.refers)) for entry in entries))
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        first, self.sequence, self._chain = self.sequence + 1, sequence, chain
        return list(range(first, sequence + 1))

    def rows(self, *kinds: str, after: int = 0) -> Iterator[Row]:
        """Yield rows of some kinds, all if none is named, in their order."""
        chosen = f"AND ({_one_of(kinds)})" if kinds else ""
        return self._select(f"WHERE sequence > ? {chosen} ORDER BY sequence", (after,))

    def newest_in(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield id and path (as shown) of the pictures that were brought to a folder of the output, the newest first."""
        query = (
            f"SELECT id, final FROM journal AS said WHERE final > ? AND final < ? AND kind = 'INTENT' AND {_IS_DONE}"
        )
        yield from self._connection.execute(f"{query} ORDER BY sequence DESC", (f"{folder}/", f"{folder}0"))

    def found_in(self, folder: str) -> Iterator[Row]:
        """Yield the FOUND rows about files of a folder of the output, in their order."""
        return self._select("WHERE kind = 'FOUND' AND final > ? AND final < ?", (f"{folder}/", f"{folder}0"))

    def batch(self, number: int) -> Row | None:
        """Return the BATCH row with this number; None where it is in another file."""
        return next(self._select("WHERE sequence = ? AND kind = 'BATCH'", (number,)), None)

    def of_picture(self, identifier: str) -> list[Row]:
        """Return the rows of one picture."""
        return list(self._select("WHERE id = ? ORDER BY sequence", (identifier,)))

    def check_absence(self, identifier: str) -> None:
        """Raise ``JournalError`` where a picture is done all the same, which a damaged index does not show; reads all rows."""
        query = "SELECT 1 FROM journal NOT INDEXED WHERE id = ? AND kind = 'DONE'"
        if self._connection.execute(query, (identifier,)).fetchone() is not None:
            raise JournalError(self.path, "damaged: an index lacks rows; run gonogo recover OUT")

    def row(self, sequence: int) -> Row:
        """Return one row."""
        return next(self._select("WHERE sequence = ?", (sequence,)))

    def chain_of(self, sequence: int) -> str | None:
        """Return the chain of a row; None where it is in another file."""
        found = self._connection.execute("SELECT chain FROM journal WHERE sequence = ?", (sequence,)).fetchone()
        return None if found is None else str(found[0].hex())

    def last(self, kind: str, *, of_all: bool = False) -> Row | None:
        """Return the last row of a kind, in this file or, ``of_all``, in any of the journal."""
        files = (self._connection, *(reversed(self._older) if of_all else ()))
        where = f"WHERE sequence = (SELECT max(sequence) FROM journal WHERE {_one_of([kind])})"
        return next((row for file in files for row in self._select(where, (), file)), None)

    def count(self, *kinds: str) -> int:
        """Return how many rows of some kinds are in this file."""
        return int(self._connection.execute(f"SELECT count(*) FROM journal WHERE {_one_of(kinds)}").fetchone()[0])

    def open_batches(self) -> list[Row]:
        """Return the BATCH rows that have no END."""
        ended = "EXISTS (SELECT 1 FROM journal AS e WHERE e.kind = 'END' AND e.batch = journal.sequence)"
        return list(self._select(f"WHERE kind = 'BATCH' AND NOT {ended} ORDER BY sequence", ()))

    def models(self) -> Iterator[Mapping[str, Any]]:
        """Yield what MODEL rows say, in all files, newest first, without those where nothing decided."""
        query = f"SELECT body FROM journal WHERE {_one_of(['MODEL'])} ORDER BY sequence DESC"
        for (text,) in self._ask(query, (), newest_first=True):
            if (body := decoded(text))["model"]:
                yield body

    def finals(self, paths: Sequence[str]) -> set[str]:
        """Return those of some paths, as they are shown, that a picture was ever meant for."""
        query = f"SELECT final FROM journal WHERE final IN ({','.join('?' * len(paths))})"
        return {found for (found,) in self._ask(query, paths)}

    def first_with(self, contents: Sequence[str]) -> dict[str, str]:
        """Return the ids of the first pictures that had some of these contents, by SHA-256."""
        wanted = [bytes.fromhex(content) for content in contents]
        query = (
            f"SELECT content, id FROM journal AS said WHERE substr(content, 1, 8) IN ({','.join('?' * len(wanted))}) "
        )
        query += f"AND content IS NOT NULL AND {_IS_DONE} ORDER BY sequence DESC"
        found: dict[str, str] = {}
        for content, identifier in self._ask(query, [content[:8] for content in wanted], newest_first=True):
            found[content.hex()] = identifier
        return {content: found[content] for content in contents if content in found}

    def last_contents(self, count: int) -> list[tuple[str, str, str]]:
        """Return id, shown name and SHA-256 of the last pictures that were decided on, in their order."""
        query = "SELECT id, name, lower(hex(content)) FROM journal WHERE kind = 'INTENT' ORDER BY sequence DESC LIMIT ?"
        return list(itertools.islice(self._ask(query, (count,), newest_first=True), count))[::-1]

    def content_of(self, source: str) -> str | None:
        """Return the SHA-256 of the picture that was copied from a file; None if none was."""
        done = f"(kind = 'FOUND' OR {_IS_DONE})"
        query = f"SELECT content FROM journal AS said WHERE source = ? AND {done} ORDER BY sequence DESC LIMIT 1"
        return next((content.hex() for (content,) in self._ask(query, [source], newest_first=True)), None)

    def decisions(self, after: int = 0, among: Among = "all", *, of_all: bool = False) -> Iterator[dict[str, Any]]:
        """Yield the rows of the view ``decisions``, in their order, with ``batch`` and the exact path as ``place``.

        ``among`` are ``"all"``, those in ``"REVIEW"``, or those marked by ``"AUDIT"`` rows; in this file or, ``of_all``, in any.
        """
        for file in (*(self._older if of_all else ()), self._connection):
            yield from self._decided(_AMONG[among], after, file)

    def decision_of(self, identifier: str) -> dict[str, Any] | None:
        """Return the row of the view ``decisions`` about one picture, as ``decisions`` does; None where it is in no such row."""
        return next(self._decided("done.id = ?", identifier, self._connection), None)

    def _decided(self, where: str, value: int | str, file: sqlite3.Connection) -> Iterator[dict[str, Any]]:
        query = (
            "SELECT done.sequence, done.time, done.id, said.batch, said.name, said.final, said.content, said.refers, "
        )
        query += "said.body FROM journal AS done JOIN journal AS said ON said.sequence = done.refers "
        query += f"WHERE done.kind = 'DONE' AND {where} ORDER BY done.sequence"
        made: dict[int | None, Mapping[str, Any]] = {}
        for *numbers, name, final, content, refers, text in file.execute(query, (value,)):
            if refers not in made:
                body = _bodies(file, [refers]).get(refers, {})
                made[refers] = {key: body.get(key) for key in _MADE_BY}
            said = {**_LEFT_OUT, "part": name, "final": final, **decoded(text)}
            yield {
                **dict(zip(("sequence", "time", "id", "batch"), numbers, strict=True)),
                **{key: said[key] for key in _SHOWN},
                **made[refers],
                "name": name,
                "passed": int(said["passed"]),
                "final": final,
                "sha256": content.hex(),
                "place": said["final"],
            }

    def said(self, intent: Row) -> dict[str, Any]:
        """Return all that an INTENT row says, with what was left out of it, and with what decided."""
        made = _bodies(self._connection, [intent.refers]).get(intent.refers, {})
        exact = {"name": intent.name, "final": intent.final, "part": intent.name}
        return {**_LEFT_OUT, **exact, **{key: made.get(key) for key in _MADE_BY}, **intent.body}

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

    def _ask(self, query: str, values: Sequence[Any], *, newest_first: bool = False) -> Iterator[Any]:
        """Ask all files."""
        connections = [*self._older, self._connection]
        for connection in reversed(connections) if newest_first else connections:
            yield from connection.execute(query, values)

    def _select(self, where: str, values: Sequence[Any], file: sqlite3.Connection | None = None) -> Iterator[Row]:
        query = f"SELECT {','.join(COLUMNS)} FROM journal {where}"
        for found in (file or self._connection).execute(query, values):
            named = dict(zip(COLUMNS, found, strict=True))
            content = None if named["content"] is None else named["content"].hex()
            yield Row(**{**named, "content": content, "body": decoded(named["body"])})

    def damage(self) -> list[str]:
        """Return what is wrong with this file, by SQLite's own check and row by row; nothing if it is sound.

        Whether it follows the file before is for ``segments.journal_faults`` to say.
        """
        try:
            found = [text for (text,) in self._connection.execute("PRAGMA integrity_check") if text != "ok"]
            if found:
                return found
            first = next(self.rows(), None)
            if first is None or first.kind != "SEGMENT":
                return ["its first row is missing"]
            return chain_faults(self._connection, first.sequence - 1, bytes.fromhex(first.body["head"]))
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

    def __exit__(self, *raised: object) -> None:
        self.close()
        self._translate(raised[1])

    def _translate(self, error: object) -> None:
        """Tell of an error of SQLite as ``JournalError``."""
        if isinstance(error, sqlite3.Error):
            with translated(self.path):
                raise error


def _one_of(kinds: Sequence[str]) -> str:
    """The condition, written so that SQLite sees that the index of rare kinds holds the rows."""
    return " OR ".join(f"kind = '{kind}'" for kind in kinds)


def _bodies(file: sqlite3.Connection, numbers: Sequence[int | None]) -> dict[int | None, Mapping[str, Any]]:
    query = f"SELECT sequence, body FROM journal WHERE sequence IN ({','.join('?' * len(numbers))})"
    return {number: decoded(body) for number, body in file.execute(query, numbers)}
