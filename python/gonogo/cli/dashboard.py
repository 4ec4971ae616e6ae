"""``gonogo dashboard``: one offline page about a line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gonogo.cli.arguments import Commands, add_command, add_common, whole_number
from gonogo.cli.failures import DONE, INTERRUPTED, check_writable, writing
from gonogo.cli.output import note, show
from gonogo.dashboard import read_line, write_dashboard
from gonogo.dashboard.answer import answer
from gonogo.dashboard.figures import Figures
from gonogo.dashboard.live import live_routes
from gonogo.line.clock import Clock
from gonogo.line.files import LocalDisk
from gonogo.line.heads import check_heads
from gonogo.line.places import existing_journal
from gonogo.pages import PageServer

DESCRIPTION = """
Write one page about a line that tells those who stand beside it whether it is healthy and what needs a person now: throughput,
files that wait, what passed, scores beside the limit and the reference, pictures in REVIEW, alarms, damage, disk, model and
certificate. The page is one file that needs no network and no program, on a screen, a phone or paper.

With --serve the page stays fresh in a browser of this machine, under an address that holds a secret; nothing else of the machine
or the network can read it. The journal is only read: the sorter does not notice.
"""
EXAMPLES = """
gonogo dashboard sorted/
gonogo dashboard sorted/ --page /srv/www/line.html --json
gonogo dashboard sorted/ --serve 8080
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "dashboard",
        run,
        summary="one page about a line: healthy or not, and why",
        usage="OUT",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("out", metavar="OUT", help="folder that gonogo sort has filled")
    parser.add_argument("--page", metavar="FILE", help="page to write (default: OUT/dashboard.html, without --serve)")
    parser.add_argument(
        "--serve",
        type=whole_number(1024, 65535),
        nargs="?",
        const=0,
        metavar="PORT",
        help="keep the page fresh in a browser, until Ctrl-C; without PORT a free one",
    )
    parser.add_argument("--journal", metavar="FILE", help="its journal (default: that of the last start)")
    add_common(parser, threads=False)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    out, disk, clock = Path(args.out), LocalDisk(), Clock()
    journal = existing_journal(out, disk, args.journal).absolute()
    check_heads(out, journal, disk)
    page = None
    if args.page is not None or args.serve is None:
        page = check_writable("page", out / "dashboard.html" if args.page is None else args.page)
    line = read_line(out, journal, disk, clock.today())
    said = answer(line, Figures(line.hours, line.at))
    if page is not None:
        with writing(page):
            write_dashboard(line, page)
    code = DONE
    if args.serve is not None:
        with PageServer(args.serve) as server:
            note(args, "open this address in a browser, Ctrl-C ends:")
            print(server.address, file=sys.stderr, flush=True)  # --quiet or not: without it there is no way in
            try:
                server.serve(live_routes(lambda: read_line(out, journal, disk, clock.today())))
            except KeyboardInterrupt:
                code = INTERRUPTED
    points = [f"{point.words}. {point.advice}" for point in said.points]
    result = {"page": None if page is None else str(page), "healthy": said.word == "YES", "points": points}
    lines = [f"{said.word}: {said.sentence}", *(f"  {point}" for point in points)]
    show(args, result, "\n".join([*lines, *([] if page is None else [f"in {page}"])]))
    return code
