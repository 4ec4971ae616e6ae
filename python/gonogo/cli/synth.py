"""``gonogo synth``: generated castings to try things on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gonogo import synthetic
from gonogo.cli.arguments import Commands, add_command, add_common, whole_number
from gonogo.cli.failures import DONE, check_new_folder, writing
from gonogo.cli.output import note, show
from gonogo.progress import open_progress

DESCRIPTION = """
Draw pictures of impeller-like castings, sound ones and ones with blowholes, cracks, chips, scratches and pits, and write them
as class folders: OUT/def_front and OUT/ok_front. OUT/groups.csv says which pictures show the same part. The same seed draws the
same pictures on every machine.
"""
EXAMPLES = """
gonogo synth --out castings --n 2000
gonogo synth --out castings --n 500 --size 128 128 --seed 7 --masks masks
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "synth",
        run,
        summary="write generated castings",
        usage="--out DIR",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to fill; new or empty")
    parser.add_argument("--n", type=whole_number(1), default=1000, metavar="N", help="number of pictures")
    parser.add_argument(
        "--size",
        nargs=2,
        type=whole_number(32, 4096),
        default=[300, 300],
        metavar=("H", "W"),
        help="height and width (default: 300 300)",
    )
    parser.add_argument(
        "--masks", metavar="DIR", help="another folder, for a mask of each picture: 255 where a fault is, 0 elsewhere"
    )
    add_common(parser, threads=False, seed="which pictures are drawn")


@contextmanager
def drawing(args: argparse.Namespace) -> Iterator[Callable[[int, int], None] | None]:
    """Show the progress of drawing ``args.n`` castings in a terminal."""
    if args.quiet or not sys.stderr.isatty():
        yield None
        return
    shown = open_progress("drawing", args.n)
    yield lambda done, n: shown.update(1, "")  # noqa: ARG005 - what the generator calls
    shown.close("")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    out = check_new_folder("out", args.out)
    masks = None if args.masks is None else check_new_folder("masks", args.masks)
    if masks is not None and Path(out).resolve() in [masks.resolve(), *masks.resolve().parents]:
        raise ValueError(f"masks: {masks} lies in {out}, where it would be taken for a class; name a folder elsewhere")
    note(args, f"drawing {args.n:,} castings")
    with writing(out), drawing(args) as progress:
        counts = synthetic.write(out, args.n, seed=args.seed, size=tuple(args.size), masks=masks, progress=progress)
    files = sum(counts.values())
    result = {
        "files": files,
        "classes": list(counts),
        "counts": counts,
        "groups": str(out / "groups.csv"),
        "out": str(out),
    }
    lines = [f"{count:6,} {name}" for name, count in counts.items()]
    show(args, result, "\n".join([f"{files:,} pictures in {out}", *lines, f"groups in {out / 'groups.csv'}"]))
    return DONE
