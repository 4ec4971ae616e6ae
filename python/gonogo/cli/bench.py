"""``gonogo bench``: figures of this machine."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gonogo import _core
from gonogo.benchmarks import line
from gonogo.cli.arguments import Commands, add_command, add_common, whole_number
from gonogo.cli.failures import DONE, writing
from gonogo.cli.output import note, show, table

DESCRIPTION = """
Measure this machine; nothing is asserted. NAME is line (default: all): files that gonogo sort handles in a second with durability
on (60 kB each, a decider that costs nothing), bytes of the journal for each picture, whether memory stays the same, and the share
of the casting net's own speed that is left on the line. The inbox is filled in slices, so that little room is needed. Measure
while nothing else runs, on the disk that will be used.
"""
EXAMPLES = """
gonogo bench line
gonogo bench line --pictures 20000 --dir /srv/line --json
"""

BENCHMARKS: dict[str, Callable[..., list[dict[str, Any]]]] = {"line": line.measure}


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "bench",
        run,
        summary="measure this machine",
        usage="[NAME...]",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help=f"what to measure: {', '.join(BENCHMARKS)} (default: all)"
    )
    parser.add_argument(
        "--pictures", type=whole_number(1, 10**9), default=line.PICTURES, metavar="N", help="pictures of the long run"
    )
    parser.add_argument("--batch", type=whole_number(1, 100_000), default=64, metavar="N", help="pictures of a batch")
    parser.add_argument("--dir", metavar="DIR", default=".", help="a folder on the disk to measure (default: this one)")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if unknown := next((name for name in args.names if name not in BENCHMARKS), None):
        raise ValueError(f"NAME: found {unknown!r}, expected some of {', '.join(BENCHMARKS)}")
    if not Path(args.dir).is_dir():
        raise FileNotFoundError(f"--dir: found no folder {args.dir}; make it, or name another")
    rows: list[dict[str, Any]] = []
    with writing(args.dir), tempfile.TemporaryDirectory(prefix="gonogo-bench-", dir=args.dir) as folder:
        for name in args.names or BENCHMARKS:
            rows += BENCHMARKS[name](
                Path(folder),
                pictures=args.pictures,
                threads=args.threads or 0,
                tell=lambda text: note(args, text),
                batch=args.batch,
            )
    machine = {"cpu": _core.describe_machine()["cpu"], "processors": _core.cpu_count()}
    shown = [[row["name"], f"{row['value']:,.1f}", row["unit"], row["goal"]] for row in rows]
    text = table([["figure", "value", "", "goal"], *shown], right=(1,))
    show(args, {"rows": rows, "machine": machine}, f"{machine['cpu']}, {machine['processors']} processors\n{text}")
    return DONE
