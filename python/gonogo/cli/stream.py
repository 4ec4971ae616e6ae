"""``gonogo stream``: decisions about parts whose pictures a camera program sends, one line of JSON for each."""

from __future__ import annotations

import argparse
import functools
import os
import signal
from pathlib import Path

from gonogo.cli.arguments import Commands, add_command, add_common, positive_number, whole_number
from gonogo.cli.failures import DONE, INTERRUPTED
from gonogo.cli.output import note, note_expired
from gonogo.cli.pinning import add_pin, check_pin
from gonogo.cli.sort import stop_signals
from gonogo.inspector import Inspector
from gonogo.line.disk import FILE_BYTES_MAX
from gonogo.line.inspection import InspectorDecider
from gonogo.streaming import Settings, Stream, listening, serve

DESCRIPTION = """
Decide on pictures that another program sends: on standard input, or with --socket through a Unix socket that only this account
may open, one sender at a time. Each picture is a frame: four bytes with the length of the file, the least significant first,
then the file (JPEG, PNG, BMP, TIFF). Each gets one line of JSON on standard output (or back through the socket), by the rules of
gonogo sort: a damaged file is QUARANTINE, any doubt is REVIEW, also where a view shows the same bytes --frozen-after times in a
row. The model is tested once, at the start. Nothing is kept: unlike gonogo sort the stream watches for no drift, marks no parts
for an audit and does not know which model decided before (hold it to one with --model-sha256).

Where a part has several pictures, each frame begins with a mark of four bytes: which picture it is (1, 2, ...), of how many (up
to 64), and two bytes, the least significant first, with 32768 plus the number of the part (0 to 32767 and again). The part gets
one line when all its pictures have come, in any order; where one is lost, or does not come in --part-timeout seconds, the line
says REVIEW. A damaged picture among several makes its part REVIEW.

With --deadline-ms a decision that comes later after its last frame is REVIEW; a line that has not come in time must be taken for
REVIEW by whoever waits for it. What is no frame gets a line with "error" and ends the program with exit code 2; through a
socket it ends that sender. docs/line.md shows the lines.
"""
EXAMPLES = """
gonogo stream impeller.gonogo --socket inspector.sock --deadline-ms 40
gonogo stream impeller.gonogo --deadline-ms 40 --heartbeat 5 < frames
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "stream",
        run,
        summary="decide on pictures that a program sends",
        usage="FILE",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("model_file", metavar="FILE", help="model file made by gonogo calibrate")
    parser.add_argument("--socket", metavar="PATH", help="Unix socket to listen on (default: standard input)")
    parser.add_argument(
        "--deadline-ms",
        type=positive_number("40"),
        metavar="MS",
        help="milliseconds from the complete pictures of a part to its decision (default: any time)",
    )
    parser.add_argument(
        "--heartbeat",
        type=whole_number(0, 86_400),
        default=10,
        metavar="S",
        help="seconds without a frame after which a line says that all is well; 0: never",
    )
    parser.add_argument(
        "--max-bytes",
        type=whole_number(1, FILE_BYTES_MAX),
        default=FILE_BYTES_MAX,
        metavar="N",
        help="largest picture file; a longer frame is none, and a part whose pictures have 8 times as much is REVIEW",
    )
    parser.add_argument(
        "--part-timeout",
        type=positive_number("30"),
        default=30,
        metavar="S",
        help="seconds after its first picture in which all pictures of a part have to come",
    )
    parser.add_argument(
        "--frozen-after",
        type=whole_number(0),
        default=Settings.frozen_after,
        metavar="N",
        help="equal pictures in a row are a frozen camera, each view by itself; 0: never",
    )
    parser.add_argument(
        "--accept-unproven",
        action="store_true",
        help="decide on pictures that cannot be proven complete, too; no certificate is about them",
    )
    parser.add_argument(
        "--no-gate", action="store_true", help="take a model without certificate: the most probable class"
    )
    add_pin(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command; its lines are JSON with and without ``--json``."""
    inspector = Inspector(args.model_file, n_threads=args.threads)
    check_pin(inspector, args.model_file, args.model_sha256)
    decider = InspectorDecider(inspector, gated=not args.no_gate, threads=args.threads or 0)
    decider.self_test()
    note_expired(args, decider.valid_until)
    deadline = None if args.deadline_ms is None else args.deadline_ms / 1000
    settings = Settings(
        deadline, args.heartbeat, args.max_bytes, args.part_timeout, args.accept_unproven, args.frozen_after
    )
    with stop_signals() as stopped:
        stream = Stream(decider, settings, lambda: bool(stopped))
        if args.socket is None:
            read = functools.partial(os.read, 0)
            ended = stream.run(read, functools.partial(print, flush=True))
            if ended is not None:
                raise ended
        else:
            with listening(Path(args.socket)) as server:
                note(args, f"listening on {args.socket}")
                serve(stream, server, lambda: bool(stopped), functools.partial(note, args))
    note(args, f"{stream.frames} frames, {stream.late} late")
    return INTERRUPTED if signal.SIGINT in stopped else DONE
