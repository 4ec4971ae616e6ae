"""``gonogo verify``: whether the folders of a sorted output hold what the journal says."""

from __future__ import annotations

import argparse
from pathlib import Path

from gonogo.cli.arguments import Commands, add_command, add_common
from gonogo.cli.failures import DONE, PROBLEMS
from gonogo.cli.output import counted, note, show, table
from gonogo.line.files import LocalDisk
from gonogo.line.verify import verify

DESCRIPTION = """
Compare the journal of gonogo sort with the folders, picture by picture and by content, and with decisions.csv, and check that no
row of the journal was changed. Problems, with exit code 5: pictures that are unfinished, altered, doubled, or unknown in the
folder of claimed pictures, changed rows of decisions.csv, and damage of the journal; exit code 3 where that cannot even be
opened. What the plant has moved or taken away since is told apart and no problem. Nothing is changed.
"""
EXAMPLES = """
gonogo verify sorted/
gonogo verify sorted/ --json
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "verify",
        run,
        summary="check a sorted output against its journal",
        usage="OUT",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("out", metavar="OUT", help="folder that gonogo sort has filled")
    parser.add_argument("--journal", metavar="FILE", help="its journal (default: that of the last start)")
    add_common(parser, threads=False)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    journal = None if args.journal is None else Path(args.journal)
    result = verify(Path(args.out), LocalDisk(), journal)
    rows = [[row["problem"], row["file"], row["reason"]] for row in result["rows"]]
    text = (
        table([["problem", "file", "reason"], *rows])
        if rows
        else f"no problem; {counted(result['pictures'], 'picture')}"
    )
    show(args, result, text)
    lacking = f", not in decisions.csv: {result['unlisted']}" if result["unlisted"] else ""
    note(args, f"missing: {result['missing']}, moved: {result['moved']}, alarms: {result['alarms']}{lacking}")
    return PROBLEMS if result["problems"] else DONE
