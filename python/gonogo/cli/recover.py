"""``gonogo recover``: finish what a crash left, without a model."""

from __future__ import annotations

import argparse
from pathlib import Path

from gonogo.cli.arguments import Commands, add_command, add_common
from gonogo.cli.failures import DONE, PROBLEMS
from gonogo.cli.output import counted, show
from gonogo.ledger import user
from gonogo.line.clock import Clock
from gonogo.line.files import LocalDisk
from gonogo.line.rebuilding import recover

DESCRIPTION = """
Finish what a crash of gonogo sort left: pictures go where the journal says that they should; those that were claimed and not yet
decided on go to REVIEW, damaged ones to QUARANTINE. Every start of gonogo sort does the same, with its model. A damaged journal
is kept under another name, from the file with the damage on; in its place, or that of one that is gone, a new one lists what lies
in the folders. The command says what that cannot tell; where status.json does not tell the model either, the next gonogo sort
wants --approve REASON.
Exit code 5 when a picture cannot be found.
"""
EXAMPLES = """
gonogo recover sorted/
gonogo recover sorted/ --json
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "recover",
        run,
        summary="finish what a crash of gonogo sort left",
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
    result = recover(Path(args.out), disk=LocalDisk(), clock=Clock(), journal=journal, user=user())
    lines = [f"finished: {result['finished']}, to people: {result['decided']}, lost: {result['lost']}"]
    lines += [f"counted the hours of {name} again" for name in result["recounted"]]
    if result["cause"]:
        kept = f"kept as {result['damaged']}; " if result["damaged"] else ""
        lines.append(f"journal {result['cause']}; {kept}a new one lists {counted(result['rebuilt'], 'file')}")
        if result["copied"]:
            lines.append(
                f"{counted(result['copied'], 'file')} of the inbox lie in the folders too and are taken for copied"
            )
        lines += [f"unknown: {what}" for what in result["unknown"]]
    show(args, {**result, "problems": result["lost"]}, "\n".join(lines))
    return PROBLEMS if result["lost"] else DONE
