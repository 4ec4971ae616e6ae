"""``gonogo review``: a person looks at what the line decided, and confirms or corrects it by keyboard."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gonogo.cli.arguments import Commands, add_command, add_common, whole_number
from gonogo.cli.failures import DONE, INTERRUPTED
from gonogo.cli.output import counted, note, show
from gonogo.labelling import page_routes
from gonogo.line.files import LocalDisk
from gonogo.line.places import existing_journal
from gonogo.line.verdicts import open_verdicts
from gonogo.pages import PageServer
from gonogo.reviewing import ReviewSession

DESCRIPTION = """
Look one by one at the pictures of OUT that wait for people, those in REVIEW and passed ones that were marked for an audit, and
confirm or correct the decision by keyboard. With --all, at all pictures that the present model decided on; with --blind the
decision stays hidden. A trial against human inspection takes both, see gonogo pilot. Several people can look at once: each sees
what they have not judged yet.

Verdicts go to OUT/.gonogo/verdicts.db with time, name, and whether the decision was shown, and are on the disk before the page
shows the next picture. No file is moved. gonogo pilot status OUT reads them, and Dataset.from_journal makes a training set of
them.

The page needs no network. It is served to this machine alone, under an address that holds a secret: whoever has it can judge.
"""
EXAMPLES = """
gonogo review sorted/ --reviewer "A. Jones"
gonogo review sorted/ --all --blind --reviewer "B. Smith"
gonogo pilot status sorted/
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "review",
        run,
        summary="confirm or correct by keyboard what the line decided",
        usage="OUT",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("out", metavar="OUT", help="folder that gonogo sort has filled")
    parser.add_argument("--all", action="store_true", help="all pictures, not only those that wait for people")
    parser.add_argument("--blind", action="store_true", help="hide what was decided")
    parser.add_argument(
        "--reviewer", default="", metavar="NAME", help="who is looking (default: the page asks for it once)"
    )
    parser.add_argument("--journal", metavar="FILE", help="its journal (default: that of the last start)")
    parser.add_argument(
        "--port", type=whole_number(1024, 65535), default=None, metavar="N", help="of the page (default: a free one)"
    )
    add_common(parser, threads=False)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    out, disk = Path(args.out), LocalDisk()
    journal = existing_journal(out, disk, args.journal).absolute()
    with open_verdicts(journal, disk) as verdicts, PageServer(args.port or 0) as server:
        session = ReviewSession(out, journal, disk, verdicts, everything=args.all, blind=args.blind)
        if args.reviewer:
            session.begin(args.reviewer)
            note(args, f"{counted(session.counts()['pictures'], 'picture')} for {session.reviewer}")
        note(args, "open this address in a browser, Ctrl-C ends:")
        print(server.address, file=sys.stderr, flush=True)  # --quiet or not: without it there is no way in
        try:
            server.serve(page_routes(session, server.stop, bit_depth=session.facts.bit_depth))
            code = DONE
        except KeyboardInterrupt:
            code = INTERRUPTED
        counts = session.counts()
        text = (
            f"{counts['judged']:,} of {counted(counts['pictures'], 'picture')} judged, {counts['unclear']:,} of them unclear; "
            f"in {verdicts.path}"
        )
        show(args, {"reviewer": session.reviewer, "verdicts": str(verdicts.path), **counts}, text)
    return code
