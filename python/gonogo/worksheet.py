"""Worksheets: tables of pictures whose labels are doubted, and of what people said about them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from gonogo.data.tables import read_table
from gonogo.errors import in_one_line
from gonogo.storage import write_atomically

# What a person says of a picture that shows two classes, or none clearly; no class may be called so.
UNCLEAR = "unclear"
# Whether the reviewer had seen label and suggestion: not when judging, before judging, only after it.
BLIND, SEEN, SEEN_AFTERWARDS = "false", "true", "afterwards"

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Row:
    """A line of a worksheet, all of it text.

    Attributes
    ----------
    file : str
        Path below the folder of the pictures, with forward slashes.
    label : str
        Class folder that it lies in.
    suggested, score, reason : str
        What something else thinks: another class, how sure it is, and why. Empty where nothing was suggested.
    corrected : str
        What a person says: a class, ``"unclear"``, or nothing yet.
    reviewer, time : str
        Who said it, and when (ISO 8601, UTC with its offset).
    seen_suggestion : {"", "false", "true", "afterwards"}
        Whether label and suggestion had been shown to the reviewer before the verdict; ``"afterwards"``: only after it.
        Without a verdict: ``"true"`` where they were shown, otherwise empty.
    """

    file: str
    label: str
    suggested: str = ""
    score: str = ""
    reason: str = ""
    corrected: str = ""
    reviewer: str = ""
    time: str = ""
    seen_suggestion: str = ""


COLUMNS = tuple(field.name for field in fields(Row))


def read_worksheet(path: str | Path, purpose: str = "WORKSHEET") -> dict[str, Row]:
    """Return the rows of a worksheet by file, in their order.

    Parameters
    ----------
    path : str or Path
        CSV with the columns file and label at least; those of :class:`Row` that are missing count as empty, others are
        left alone.
    purpose : str
        What named the file, for messages.

    Raises
    ------
    OSError
        The file is missing or cannot be read.
    ValueError
        It is no such table, a file is listed twice, or a line contradicts itself.
    """
    rows: dict[str, Row] = {}
    for line, cells in read_table(path, ("file", "label"), purpose):
        row = Row(**{name: _as_written(cells.get(name, "")) for name in COLUMNS})
        if not row.file or not row.label:
            raise ValueError(f"{path}, line {line}: the column {('label' if row.file else 'file')!r} is empty")
        if row.file in rows:
            raise ValueError(f"{path}, line {line}: {in_one_line(row.file)} is listed a second time")
        if row.seen_suggestion not in ("", BLIND, SEEN, SEEN_AFTERWARDS):
            raise ValueError(
                f"{path}, line {line}: seen_suggestion is {row.seen_suggestion!r}, expected {BLIND}, {SEEN}, "
                f"{SEEN_AFTERWARDS} or nothing"
            )
        rows[row.file] = row
    return rows


def write_worksheet(path: str | Path, rows: Iterable[Row]) -> Path:
    """Write a worksheet whole or not at all; when this returns it is on the disk.

    A text that a spreadsheet would take for a formula gets an apostrophe in front, which :func:`read_worksheet` removes.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")  # the writer quotes what it ends lines with: both characters
    writer.writerow(COLUMNS)
    writer.writerows([_harmless(getattr(row, name)) for name in COLUMNS] for row in rows)
    return write_atomically(path, text.getvalue())


def check_name(file: str) -> None:
    """Raise ``ValueError`` where a worksheet cannot hold the name of a file."""
    if file.encode(errors="ignore").decode() != file:
        raise ValueError(f"the file name {file!r} is not Unicode; rename the picture")


def _harmless(text: str) -> str:
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def _as_written(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell
