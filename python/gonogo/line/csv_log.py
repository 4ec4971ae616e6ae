"""``decisions.csv``: what the journal says is done, for spreadsheets and dashboards. It may be lost; the journal may not.

RFC 4180, UTF-8, one row = one line. Rows are numbered by the journal, so that after a crash the missing ones are added.
"""

from __future__ import annotations

import csv
import io
import itertools
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gonogo.line.configuration import DECIMALS, Configuration
from gonogo.line.disk import Disk, NotRegularError
from gonogo.line.journal import Journal
from gonogo.spreadsheet import guarded

COLUMNS = (
    "sequence",
    "time",
    "id",
    "name",
    "part",
    "decision",
    "passed",
    "score",
    "reason",
    "final",
    "sha256",
    "duplicate_of",
    "milliseconds",
    "model",
    "certificate",
)
_cells = operator.itemgetter(*COLUMNS)
_LINE_END = b"\r\n"
_TAIL = 64 * 1024  # no row is longer
_TOGETHER = 10_000  # rows in memory
_NUMBERED = re.compile(rb"(\d+)([,;\t])")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class CsvLog:
    """Writes the table. What cannot be written now, because the disk is full or a program holds the file, is written later.

    Parameters
    ----------
    disk : Disk
        Of the machine.
    path : pathlib.Path
        The table.
    journal : Journal
        Whose decisions it shows.
    configuration : Configuration
        With the signs between columns and before decimals.
    """

    def __init__(self, disk: Disk, path: Path, journal: Journal, configuration: Configuration) -> None:
        self._disk, self._path, self._journal, self._configuration = disk, path, journal, configuration
        self._last: int | None = None
        self.problem = ""

    def write(self) -> None:
        """Append the decisions that are missing; say in ``problem`` why that was impossible, and sort on."""
        try:
            begins = self._last is None
            if self._last is None:
                self._last = self._repair()
                self._write([])
            found = self._journal.decisions(self._last, of_all=begins)
            while rows := list(itertools.islice(found, _TOGETHER)):
                self._write(rows)
                self._last = rows[-1]["sequence"]
            self.problem = ""
        except (OSError, NotRegularError) as error:
            self._last = None
            self.problem = f"{self._path}: cannot be written: {error}; the journal keeps the rows until it can"

    def _write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        table: list[Sequence[Any]] = [_cells(row) for row in rows]
        status = self._disk.status(self._path)
        if status is None or status.size == 0:
            table.insert(0, COLUMNS)
        if table:
            self._disk.append(self._path, self._lines(table))

    def _repair(self) -> int:
        """Cut off a torn last line and return the number of the last row that is in the table.

        A table that ends in something else was edited, or has other signs between columns; it gets another name, and a new one
        is begun.
        """
        tail, size = self._disk.read_tail(self._path, _TAIL)
        if size == 0:
            return 0
        header = self._lines([COLUMNS])
        whole, last = _last_line(tail)
        numbered = _NUMBERED.match(last)
        is_ours = numbered is not None and numbered[2].decode() == self._configuration.csv_separator
        if not is_ours and last != header and not header.startswith(tail):
            self._set_aside()
            return 0
        if len(whole) < len(tail):
            self._disk.truncate(self._path, size - (len(tail) - len(whole)))
        return 0 if numbered is None else int(numbered[1])

    def _set_aside(self) -> None:
        for number in range(1, 10_000):
            try:
                self._disk.move(self._path, self._path.with_name(f"{self._path.stem}-{number}{self._path.suffix}"))
                return
            except FileExistsError:
                continue

    def _lines(self, rows: Sequence[Sequence[Any]]) -> bytes:
        return csv_lines(rows, self._configuration.csv_separator, self._configuration.csv_decimal)


def last_number(path: Path, disk: Disk) -> int:
    """Return the number of the last row of a table; 0 where it tells none."""
    numbered = _NUMBERED.match(_last_line(disk.read_tail(path, _TAIL)[0])[1])
    return 0 if numbered is None else int(numbered[1])


def _last_line(tail: bytes) -> tuple[bytes, bytes]:
    """The whole lines at the end of a table, and the last of them."""
    whole = tail[: tail.rfind(_LINE_END) + len(_LINE_END)] if _LINE_END in tail else b""
    return whole, whole.removesuffix(_LINE_END).rpartition(_LINE_END)[2] + _LINE_END


def compare_table(path: Path, decisions: Iterable[Mapping[str, Any]], disk: Disk) -> tuple[list[int], int]:
    """Return the numbers of the rows of a table that do not say what was decided, and how many decisions it lacks.

    Rows with numbers that no decision has are passed over: a journal that was lost told of them.
    """
    status = disk.status(path)
    size = 0 if status is None or status.kind != "file" else status.size
    said: dict[int, bytes] = {}
    signs = b""
    for line in disk.read_tail(path, size)[0].split(_LINE_END) if size else []:
        if numbered := _NUMBERED.match(line):
            said[int(numbered[1])], signs = line + _LINE_END, numbered[2]
    wrong, lacking = [], 0
    for row in decisions:
        found = said.get(row["sequence"])
        if found is None:
            lacking += 1
        elif all(found != csv_lines([_cells(row)], signs.decode(), decimal) for decimal in DECIMALS):
            wrong.append(int(row["sequence"]))
    return wrong, lacking


def csv_lines(rows: Iterable[Sequence[Any]], separator: str = ",", decimal: str = ".") -> bytes:
    """Return rows of the table as lines of RFC 4180, UTF-8, whose texts no spreadsheet takes for formulas."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator=_LINE_END.decode())
    writer.writerows([_cell(cell, decimal) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8", "backslashreplace")


def _cell(cell: Any, decimal: str) -> object:
    if isinstance(cell, str):
        return cell if cell.isalnum() else guarded(one_line(cell))
    return repr(cell).replace(".", decimal) if isinstance(cell, float) else cell


def one_line(text: str) -> str:
    """Return a text without control characters or line ends, which become ``\\xXX`` and ``\\uXXXX``."""
    return text if text.isprintable() else _CONTROLS.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
