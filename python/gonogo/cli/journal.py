"""``gonogo journal``: the decisions of a line as a table for other programs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gonogo.cli.arguments import Commands, add_command, add_common
from gonogo.cli.failures import DONE, check_writable, writing
from gonogo.cli.output import counted, show
from gonogo.line.configuration import DECIMALS, SEPARATORS
from gonogo.line.export import all_decisions, as_csv, as_parquet
from gonogo.line.files import LocalDisk
from gonogo.storage import write_atomically

DESCRIPTION = """
What gonogo sort keeps of each picture, for other programs. 'export' writes all decisions of all months as one table.
"""
EXAMPLES = """
gonogo journal export sorted/ --out decisions.parquet
"""
EXPORT_DESCRIPTION = """
Write all decisions, of all months, as one table with the columns of decisions.csv: CSV, or Parquet (which needs pyarrow, the
extra 'parquet'). A sorter may be at work meanwhile. docs/journal.md explains the columns, and how to ask the journal itself.
"""
EXPORT_EXAMPLES = """
gonogo journal export sorted/ --out decisions.csv
gonogo journal export sorted/ --out decisions.csv --csv-separator ";" --csv-decimal ,
gonogo journal export sorted/ --out decisions.parquet --json
"""
_ENDINGS = (".csv", ".parquet")


def add_parser(commands: Commands) -> None:
    """Add the command with its one."""
    parser = add_command(
        commands,
        "journal",
        lambda args: int(args.run(args)),
        summary="decisions as a table for other programs",
        usage="export",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    actions = parser.add_subparsers(
        title="commands", prog="gonogo journal", metavar="export", dest="action", required=True
    )
    export = add_command(
        actions,
        "export",
        run,
        summary="all decisions as CSV or Parquet",
        usage="OUT --out FILE",
        description=EXPORT_DESCRIPTION,
        examples=EXPORT_EXAMPLES,
    )
    export.usage = "gonogo journal export OUT --out FILE [options]"
    export.add_argument("folder", metavar="OUT", help="folder that gonogo sort has filled")
    export.add_argument("--out", required=True, metavar="FILE", help="table to write: .csv or .parquet")
    export.add_argument("--csv-separator", choices=SEPARATORS, default=",", help="between columns")
    export.add_argument("--csv-decimal", choices=DECIMALS, default=".", help="sign before decimals")
    export.add_argument("--journal", metavar="FILE", help="its journal (default: that of the last start)")
    add_common(export, threads=False)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    target = check_writable("out", args.out)
    if target.suffix not in _ENDINGS:
        raise ValueError(f"out: found the ending {target.suffix!r}, expected {' or '.join(_ENDINGS)}")
    if args.csv_separator == args.csv_decimal:
        raise ValueError("csv_separator: found the sign of csv_decimal, expected another, such as ';'")
    journal = None if args.journal is None else Path(args.journal)
    count = 0

    found = all_decisions(Path(args.folder), LocalDisk(), journal)

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal count
        for row in found:
            count += 1
            yield row

    is_csv = target.suffix == ".csv"
    content = as_csv(rows(), args.csv_separator, args.csv_decimal) if is_csv else as_parquet(rows())
    with writing(target):
        write_atomically(target, content)
    show(args, {"rows": count, "out": str(target)}, f"written: {target}, {counted(count, 'decision')}")
    return DONE
