"""All decisions of a journal, of every file of it, as tables for other programs."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gonogo.line.csv_log import COLUMNS, csv_lines
from gonogo.line.disk import Disk
from gonogo.line.places import existing_journal
from gonogo.line.segments import closed_segments, read_journal

_ROWS = 65_536  # of a group in a Parquet file
_KINDS = {"sequence": "int64", "passed": "bool", "score": "float64", "milliseconds": "float64"}


def all_decisions(out: Path, disk: Disk, journal: Path | None = None) -> Iterator[dict[str, Any]]:
    """Return the rows of the view ``decisions`` from all files of a journal, oldest first.

    Raises
    ------
    JournalError, FileNotFoundError
        It cannot be read, or is not there.
    """
    path = existing_journal(out, disk, journal)
    read_journal(path, disk).close()
    return _decisions([*closed_segments(path, disk), path], disk)


def _decisions(files: list[Path], disk: Disk) -> Iterator[dict[str, Any]]:
    for file in files:
        with read_journal(file, disk) as opened:
            yield from opened.decisions()


def as_csv(rows: Iterator[dict[str, Any]], separator: str, decimal: str) -> Iterator[bytes]:
    """Yield the lines of a table with the columns of ``decisions.csv``."""
    yield csv_lines([COLUMNS], separator, decimal)
    for row in rows:
        yield csv_lines([[row[name] for name in COLUMNS]], separator, decimal)


def as_parquet(rows: Iterator[dict[str, Any]]) -> bytes:
    """Return the same as a Parquet file; ``time`` is a moment in UTC, ``passed`` true or false.

    Raises
    ------
    ValueError
        pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError:
        raise ValueError("out: Parquet needs pyarrow; install it, or gonogo with the extra 'parquet'") from None
    kinds = {"int64": pa.int64(), "bool": pa.bool_(), "float64": pa.float64()}
    fields = [(name, kinds[_KINDS[name]] if name in _KINDS else pa.string()) for name in COLUMNS]
    fields = [(name, pa.timestamp("ms", tz="UTC") if name == "time" else kind) for name, kind in fields]
    buffer = pa.BufferOutputStream()
    with pyarrow.parquet.ParquetWriter(buffer, pa.schema(fields)) as writer:
        for group in _groups(rows):
            writer.write_table(pa.Table.from_pylist(group, schema=pa.schema(fields)))
    return bytes(buffer.getvalue())


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    for row in rows:
        time, passed = datetime.datetime.fromisoformat(row["time"]), row["passed"]
        group.append({**{name: row[name] for name in COLUMNS}, "time": time, "passed": bool(passed)})
        if len(group) == _ROWS:
            yield group
            group = []
    if group:
        yield group
