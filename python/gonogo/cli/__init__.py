"""The command line: ``gonogo COMMAND``. Exit codes: 0 done, 2 wrong use or bad input, 3 refused, 4 not certifiable, 5 problems
found, 130 interrupted, 1 anything else."""

from __future__ import annotations

import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence

from gonogo import __version__, _core
from gonogo.cli import (
    archive,
    audit,
    bench,
    calibrate,
    compare,
    cross_validate,
    dashboard,
    demo,
    evaluate,
    info,
    inspect,
    journal,
    label,
    mqtt,
    pilot,
    predict,
    recover,
    relabel,
    replay,
    review,
    selftest,
    service,
    sort,
    split,
    stream,
    synth,
    train,
    verify,
)
from gonogo.cli.arguments import Parser
from gonogo.cli.configuration import apply_configuration
from gonogo.cli.failures import FAILED, INTERRUPTED, exit_code, one_line

DESCRIPTION = """\
Visual go/no-go inspection of parts, trained and run on the processor that is already there.

  A first look, on generated castings:
    gonogo demo
  Your own pictures, one folder per class:
    gonogo train parts/ --validation 0.2 --out parts.gonogo
  What the model says about new pictures:
    gonogo predict parts.gonogo new/*.png
"""


def build_parser() -> Parser:
    """Return the parser with all commands."""
    parser = Parser(
        prog="gonogo", description=DESCRIPTION, epilog="gonogo COMMAND --help explains a command, with examples."
    )
    parser.add_argument("--version", action="version", version=f"gonogo {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for module in (
        demo,
        synth,
        audit,
        label,
        relabel,
        split,
        cross_validate,
        train,
        calibrate,
        evaluate,
        compare,
        predict,
        inspect,
        sort,
        service,
        stream,
        mqtt,
        verify,
        recover,
        replay,
        archive,
        journal,
        review,
        dashboard,
        pilot,
        info,
        selftest,
        bench,
    ):
        module.add_parser(commands)
    return parser


def parse(argv: Sequence[str] | None) -> Namespace:
    """Return the arguments, with those of a configuration file where one is named; end the process on wrong use."""
    parser = build_parser()
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        args.parser.error(f"unknown argument {unknown[0]!r}")
    # As a path it would be the present folder.
    if "" in (sys.argv[1:] if argv is None else argv):
        args.parser.error(
            "found an empty argument, as from a variable of the shell that is not set; leave it out or fill it"
        )
    if getattr(args, "config", None) is not None:
        try:
            named = apply_configuration(args.parser, args.config)
        except (OSError, ValueError) as error:
            args.parser.error(one_line(error, args.parser))
        args = parser.parse_args(argv)
        args.parser.of_file = {dest: name for dest, (name, value) in named.items() if getattr(args, dest) == value}
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; wrong use ends the process with code 2, as argparse does."""
    try:
        for stream in (sys.stdout, sys.stderr):
            # File names may hold bytes that no encoding can show.
            getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
        return _run(parse(argv))
    except KeyboardInterrupt:  # outside a command's own work
        print("gonogo: interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(args: Namespace) -> int:
    try:
        if args.instruction_set is not None:
            _core.set_instruction_limit(args.instruction_set)
        code = args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone, as in `gonogo predict ... | head`; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where every error becomes a line
        if args.debug:
            traceback.print_exc()
        print(f"{args.parser.prog}: {one_line(error, args.parser)}", file=sys.stderr)
        return exit_code(error)
    return int(code)
