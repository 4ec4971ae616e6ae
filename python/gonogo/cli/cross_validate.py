"""``gonogo cross-validate``: what to expect of a recipe, and which labels are in doubt."""

from __future__ import annotations

import argparse

from gonogo.cli.arguments import Commands, add_command, add_common, add_data, whole_number
from gonogo.cli.backup import plain_warnings
from gonogo.cli.datasets import open_dataset, subset
from gonogo.cli.failures import DONE, check_writable, writing
from gonogo.cli.output import counted, note, show, table
from gonogo.cli.recipe import add_recipe, make_classifier
from gonogo.cli.watching import EpochLines
from gonogo.cross_validation import cross_validate
from gonogo.suspects import Suspect, write_suspects

DESCRIPTION = """
Train on all folds of the pictures but one and test on that one, in turn, several times over with other folds: what to expect of
a recipe, and how much of it is luck. Folds are drawn by part where groups say which pictures show one part. The held-out fold
takes no part in the training, also not to stop it. Keep the test set out: with --split the subset train is used.

Nets that have not seen a part tell which labels are in doubt: --worksheet writes those pictures, the most doubtful first, for
gonogo label and gonogo relabel; gonogo train --without leaves them out.
"""
EXAMPLES = """
gonogo cross-validate parts/ --groups groups.csv --epochs 15 --augment casting --pass-label ok
gonogo cross-validate parts/ --split split.csv --folds 5 --repeats 3 --json
gonogo cross-validate parts/ --groups groups.csv --on-mixed exclude --worksheet suspects.csv
"""
_SHOWN = 10  # suspects in the text
_SHARE_OF_DOUBT = 0.3  # of a class, above which nets that tell nothing apart are likelier than wrong labels


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "cross-validate",
        run,
        summary="test a recipe by part, again and again, and find doubtful labels",
        usage="DATA",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    add_data(parser, mixed=True)
    group = parser.add_argument_group("cross-validation options")
    group.add_argument("--folds", type=whole_number(2), default=5, metavar="N", help="trainings of a repeat")
    group.add_argument("--repeats", type=whole_number(1), default=3, metavar="N", help="how often folds are drawn anew")
    group.add_argument("--worksheet", metavar="CSV", help="write the pictures whose labels are in doubt to this table")
    add_recipe(parser.add_argument_group("training options"))
    add_common(parser, seed="folds, initial weights, order, augmentation and dropout")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    out = None if args.worksheet is None else check_writable("worksheet", args.worksheet)
    data = subset(args, open_dataset(args), "train")
    if data.groups is None:
        note(args, "each picture counts as a part: with several pictures of one part, give --groups")
    classifier = make_classifier(args, verbose=False)
    note(
        args,
        f"{args.repeats * args.folds} trainings of {args.model} on {1 - 1 / args.folds:.0%} of {len(data):,} pictures each",
    )
    with plain_warnings(args):
        found = cross_validate(
            classifier,
            data,
            folds=args.folds,
            repeats=args.repeats,
            seed=args.seed,
            on_mixed=args.on_mixed,
            verbose=not args.quiet and EpochLines.terminal(),
        )
    suspects = found.suspects()
    if out is not None:
        with writing(out):
            write_suspects(out, suspects)
        note(args, f"{counted(len(suspects), 'picture')} with a doubtful label written to {out}")
    doubted = found.doubted(suspects)
    for name, share in doubted.items():
        if share > _SHARE_OF_DOUBT:
            note(
                args, f"{share:.0%} of {name} are in doubt: that is the recipe, not the labels; find a better one first"
            )
    result = {
        **found.to_dict(),
        "suspects": len(suspects),
        "doubted": doubted,
        "worksheet": None if out is None else str(out),
    }
    show(args, result, f"{found}\n\n{_text(suspects)}")
    return DONE


def _text(suspects: list[Suspect]) -> str:
    if not suspects:
        return "no label is in doubt"
    rows = [["label", "perhaps", "score", "file"]]
    rows += [[found.label, found.suggested, f"{found.score:.4f}", found.file] for found in suspects[:_SHOWN]]
    more = f"\nand {len(suspects) - _SHOWN:,} more" if len(suspects) > _SHOWN else ""
    return f"labels in doubt: {len(suspects):,}\n{table(rows, right=(2,))}{more}"
