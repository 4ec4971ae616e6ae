"""Reading CSV tables: UTF-8, comma, one header row; every complaint names the file and the line."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from gonogo.checks import check_path
from gonogo.errors import in_one_line

Row = tuple[int, dict[str, str]]


def read_table(path: str | Path, columns: Sequence[str], purpose: str) -> list[Row]:
    """Return the rows of a CSV file with their line numbers.

    Parameters
    ----------
    path : str or Path
        The file; a byte-order mark is fine.
    columns : sequence of str
        Columns that must exist; others are kept as well.
    purpose : str
        The parameter that named the file, for messages.

    Raises
    ------
    OSError
        The file is missing or cannot be read.
    ValueError
        It is not UTF-8, not CSV, lacks a column or has a row of another length.
    """
    path = check_path(purpose, path, "a CSV table")
    rows: list[Row] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, None)
            if header is None:
                raise ValueError(f"{path}: the table is empty, expected a header with {', '.join(columns)}")
            _check_header(path, header, columns)
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    found = f"found {len(cells)} values, expected {len(header)}: {', '.join(map(in_one_line, header))}"
                    raise ValueError(f"{path}, line {reader.line_num}: {found}")
                if any("\0" in cell for cell in cells):
                    raise ValueError(
                        f"{path}, line {reader.line_num}: found a NUL character; save the table as CSV again"
                    )
                rows.append((reader.line_num, dict(zip(header, cells, strict=True))))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; {purpose} expects a CSV table") from None
    except IsADirectoryError:
        raise IsADirectoryError(f"{path}: is a folder; {purpose} expects a CSV table") from None
    except OSError as error:
        raise type(error)(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8 text; save the table as CSV in UTF-8") from None
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: not a CSV table: {error}") from None
    return rows


def _check_header(path: Path, header: list[str], columns: Sequence[str]) -> None:
    if missing := [name for name in columns if name not in header]:
        found = ", ".join(map(in_one_line, header)) if any(header) else "none"
        raise ValueError(f"{path}: no column {missing[0]!r}; found the columns {found}")
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise ValueError(f"{path}: the column {repeated[0]!r} occurs twice; rename one")
