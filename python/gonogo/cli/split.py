"""``gonogo split``: one division of the pictures for all that follows."""

from __future__ import annotations

import argparse
from typing import Any

from gonogo.cli.arguments import Commands, add_command, add_common, add_data, numbers_by_name
from gonogo.cli.datasets import excluded_note, open_dataset
from gonogo.cli.failures import DONE, check_writable, writing
from gonogo.cli.output import counts_table, show
from gonogo.data import save_split
from gonogo.data.split import check_fractions

DESCRIPTION = """
Divide pictures into subsets, each with its share of every class, and write down which picture is in which (columns file,
class, group, subset). No file is moved. With --groups all pictures of one part go to the same subset: otherwise a test
would show the net parts that it has learned by heart.
"""
EXAMPLES = """
gonogo split parts/ --fractions train=.6,validation=.2,test=.2 --out split.csv
gonogo split parts/ --groups groups.csv --on-mixed exclude --fractions train=.8,test=.2 --out split.csv --seed 7
gonogo train parts/ --split split.csv --validation validation --out parts.gonogo
gonogo evaluate parts.gonogo parts/ --split split.csv --subset test
"""

# Only names and groups matter here: thumbnails prove that the files are good, cost no memory, and may differ in size.
_THUMBNAIL: dict[str, Any] = {"image_size": (32, 32), "color_mode": "grayscale", "resize_mode": "pad"}


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "split",
        run,
        summary="divide pictures into training, validation and test",
        usage="DATA --fractions NAME=SHARE,... --out CSV",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    add_data(parser, mixed=True)
    parser.add_argument(
        "--fractions",
        type=numbers_by_name,
        required=True,
        metavar="NAME=SHARE,...",
        help="subsets and their shares, which add up to 1, such as train=.6,validation=.2,test=.2",
    )
    parser.add_argument(
        "--by",
        choices=("auto", "group", "image"),
        default="auto",
        help="what is kept whole; auto: groups where there are any",
    )
    parser.add_argument("--out", required=True, metavar="CSV", help="the table to write")
    add_common(parser, seed="which picture goes where")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    out = check_writable("out", args.out)
    if args.split is not None or args.subset is not None:
        raise ValueError("split: this command makes a new split; leave --split and --subset out")
    check_fractions(args.fractions)
    if args.by == "group" and args.groups is None and args.group_col is None:
        raise ValueError("by: found 'group', but the data has no groups; give --groups CSV too")
    dataset = open_dataset(args, options={**_THUMBNAIL, "bit_depth": args.bit_depth or 16})
    parts = dataset.split(args.fractions, by=args.by, on_mixed=args.on_mixed, seed=args.seed)
    with writing(out):
        save_split(out, parts)
    counts = {name: part.class_counts() for name, part in parts.items()}
    excluded = excluded_note(args, parts)
    result = {"counts": counts, "excluded": excluded, "bad_files": len(dataset.bad_files), "split": str(out)}
    show(args, result, f"{counts_table(counts)}\n\nwritten to {out}")
    return DONE
