"""What commands print: text for people, one JSON object for programs, CSV that is safe to open in a spreadsheet."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from gonogo.expiry import expired
from gonogo.spreadsheet import guarded


def note(args: argparse.Namespace, text: str) -> None:
    """Print a line about the work in progress to standard error, unless ``--quiet``."""
    if not args.quiet:
        print(text, file=sys.stderr, flush=True)


def note_expired(args: argparse.Namespace, valid_until: str | None) -> None:
    """Note that the last day of a certificate is over, where it is: figures are computed all the same."""
    if over := expired(valid_until, date.today()):
        note(args, f"{over}; until then a line sends every part to REVIEW")


def show(args: argparse.Namespace, result: Mapping[str, Any], text: str) -> None:
    """Print the result to standard output: one JSON object with ``--json``, the text otherwise."""
    print(json.dumps(_finite(result), allow_nan=False) if args.json else text, flush=True)


def _finite(value: Any) -> Any:
    """JSON has no NaN: shares of nothing become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def table(rows: Sequence[Sequence[object]], *, right: Iterable[int] = ()) -> str:
    """Return rows as aligned columns; the columns in ``right`` are flush right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    flush_right = set(right)
    return "\n".join(
        "  ".join(
            f"{cell:>{w}}" if k in flush_right else f"{cell:<{w}}"
            for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def counted(number: int, noun: str) -> str:
    """Return ``1 file`` or ``2,000 files``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def counts_table(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Return pictures by subset and class as a table with totals."""
    classes = list(next(iter(counts.values())))
    rows: list[list[object]] = [["", *classes, "all"]]
    rows += [[subset, *of_class.values(), sum(of_class.values())] for subset, of_class in counts.items()]
    return table(rows, right=range(1, len(classes) + 2))


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return a CSV table (RFC 4180, UTF-8) whose texts no spreadsheet takes for formulas.

    Bytes of file names that are not UTF-8 are written as ``\\udcXX``.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    for row in (header, *rows):
        writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue().encode("utf-8", "backslashreplace")
