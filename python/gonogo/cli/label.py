"""``gonogo label``: look at pictures and correct their labels by keyboard."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gonogo.cli.arguments import Commands, add_command, add_common, whole_number
from gonogo.cli.failures import DONE, INTERRUPTED, check_writable
from gonogo.cli.output import counted, note, show
from gonogo.decoding import BIT_DEPTHS
from gonogo.labelling import Session, page_routes
from gonogo.pages import PageServer

DESCRIPTION = """
Look at pictures one by one in a browser and say by keyboard what each shows. Label, name and what a model suggests stay
hidden until asked for, and the worksheet keeps whether they had been shown: a verdict given blind is worth more.

DIR holds one folder of pictures per class. No picture is changed or moved: the verdicts go to the worksheet, a CSV table with
a row for each picture (columns file, label, suggested, score, reason, corrected, reviewer, time, seen_suggestion), which is on
the disk before the page shows the next picture. Ctrl-C and closed pages lose nothing; the same command goes on where it was
left. gonogo relabel then brings the verdicts into the data.

The page needs no network. It is served to this machine alone, under an address that holds a secret: whoever has it can judge.
"""
EXAMPLES = """
gonogo label parts/
gonogo label parts/ --suspects suspects.csv --out verdicts.csv
gonogo relabel parts/ verdicts.csv --dry-run
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "label",
        run,
        summary="look at pictures and correct labels by keyboard",
        usage="DIR",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("dir", metavar="DIR", help="folder with one folder of pictures per class")
    parser.add_argument("--out", default="labels.csv", metavar="CSV", help="the worksheet; taken up where it exists")
    parser.add_argument(
        "--suspects",
        metavar="CSV",
        help="pictures to show first, in this order: a table with the columns file, label, suggested, score, reason",
    )
    parser.add_argument(
        "--reviewer", default="", metavar="NAME", help="who is looking (default: the page asks for it once)"
    )
    parser.add_argument(
        "--port", type=whole_number(1024, 65535), default=None, metavar="N", help="of the page (default: a free one)"
    )
    parser.add_argument(
        "--bit-depth", type=int, choices=BIT_DEPTHS, default=16, help="bits in use of grey pictures with 16 bits"
    )
    add_common(parser, threads=False)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    out = check_writable("out", args.out)
    if args.suspects is not None and out.exists() and Path(args.suspects).exists() and out.samefile(args.suspects):
        raise ValueError(f"out: {out} is the table of suspects; give the worksheet another name")
    session = Session(args.dir, out, suspects=args.suspects, reviewer=args.reviewer)
    for error in session.bad_files:
        note(args, f"left out: {error}")
    with PageServer(args.port or 0) as server:
        note(args, f"{counted(len(session.paths), 'picture')}; open this address in a browser, Ctrl-C ends:")
        print(server.address, file=sys.stderr, flush=True)  # --quiet or not: without it there is no way in
        try:
            server.serve(page_routes(session, server.stop, bit_depth=args.bit_depth))
            code = DONE
        except KeyboardInterrupt:
            code = INTERRUPTED
    counts = session.counts()
    text = (
        f"{counts['judged']:,} of {counted(counts['pictures'], 'picture')} judged: {counts['confirmed']:,} confirmed, "
        f"{counts['corrected']:,} corrected, {counts['unclear']:,} unclear; in {out}"
    )
    show(args, {"worksheet": str(out), **counts}, text)
    return code
