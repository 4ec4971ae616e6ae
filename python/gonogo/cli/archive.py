"""``gonogo archive``: old pictures leave a sorted output, and the journal tells of each."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import Any

from gonogo.cli.arguments import Commands, add_command, add_common
from gonogo.cli.failures import DONE
from gonogo.cli.output import counted, note, show, table
from gonogo.ledger import user
from gonogo.line.archive import Action, Wish, archive
from gonogo.line.clock import Clock
from gonogo.line.files import LocalDisk

DESCRIPTION = """
Let pictures that were sorted before a day leave OUT: --to moves them (below DIR as in OUT; nothing is overwritten, on another
disk each copy is verified before the first one is removed), --delete deletes them, --record only notes those that the plant has
taken away by itself. Each is written to the journal, so that gonogo verify no longer counts it as missing; the decision stays in
the journal and can be replayed while the picture exists. Without one of the three, or with --dry-run, nothing is changed and the
command shows what is meant. A picture whose content is not the one that was sorted is left alone. The sorter must not run
meanwhile. An interrupted run is finished by the next one, or by gonogo recover.
"""
EXAMPLES = """
gonogo archive sorted/ --before 2026-01-01
gonogo archive sorted/ --before 2026-01-01 --folder ok --to old/
gonogo archive sorted/ --before 2025-01-01 --delete
gonogo archive sorted/ --before 2026-01-01 --record --json
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "archive",
        run,
        summary="move or delete old pictures of a sorted output",
        usage="OUT --before DATE",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("out", metavar="OUT", help="folder that gonogo sort has filled")
    parser.add_argument(
        "--before", type=_day, required=True, metavar="DATE", help="day as YYYY-MM-DD; what was sorted earlier is meant"
    )
    parser.add_argument(
        "--folder",
        action="append",
        default=[],
        metavar="NAME",
        help="only this class, REVIEW or QUARANTINE; repeatable",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--to", metavar="DIR", help="move them there")
    action.add_argument("--delete", action="store_true", help="delete them")
    action.add_argument("--record", action="store_true", help="note those that are not there any more")
    parser.add_argument("--dry-run", action="store_true", help="only show what is meant")
    parser.add_argument("--journal", metavar="FILE", help="its journal (default: that of the last start)")
    add_common(parser, threads=False)


def _day(text: str) -> str:
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a day such as 2026-01-31") from None


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    action: Action | None = "move" if args.to else "delete" if args.delete else "record" if args.record else None
    wish = Wish(
        args.before,
        tuple(args.folder),
        None if args.dry_run else action,
        None if args.to is None else Path(args.to),
        user(),
    )
    journal = None if args.journal is None else Path(args.journal)
    result = archive(Path(args.out), wish, disk=LocalDisk(), clock=Clock(), journal=journal)
    show(args, {"action": wish.action, **result}, _text(result, wish))
    if result["finished"]:
        note(args, f"finished what an interrupted run had begun: {counted(result['finished'], 'picture')}")
    if result["altered"]:
        note(
            args, f"left alone: {counted(result['altered'], 'picture')} with another content; gonogo verify names them"
        )
    return DONE


def _text(result: dict[str, Any], wish: Wish) -> str:
    if not result["pictures"]:
        return f"nothing was sorted before {wish.before} that is still in the output"
    rows: list[list[object]] = [[name, count] for name, count in sorted(result["folders"].items())]
    when = f"sorted from {result['oldest'][:10]} to {result['newest'][:10]}"
    size = f"{counted(result['pictures'], 'picture')}, {result['bytes'] / 1e6:,.1f} MB, {when}"
    done = {"move": "moved", "delete": "deleted", "record": "recorded as gone"}
    what = (
        f"{done[wish.action]}: {result['done']:,}" if wish.action else "nothing was changed; add --to DIR or --delete"
    )
    absent = f"; not at their place: {result['absent']:,}" if result["absent"] else ""
    return "\n".join([table([["folder", "pictures"], *rows], right=(1,)), size, what + absent])
