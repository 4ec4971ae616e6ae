"""``gonogo compare``: may a new model replace the old one?"""

from __future__ import annotations

import argparse

from gonogo.classifier import load
from gonogo.cli.arguments import Commands, add_command, add_common, add_data
from gonogo.cli.datasets import (
    groups_of_split,
    open_dataset,
    open_model,
    picture_options,
    refuse_other_options,
    subset,
)
from gonogo.cli.failures import DONE, PROBLEMS
from gonogo.cli.output import note, show
from gonogo.comparison import compare_reports
from gonogo.data import Dataset
from gonogo.evaluation import evaluate
from gonogo.report import Report

DESCRIPTION = """
Compare two models on the same parts. The new one is released if it catches every bad part that the old one catches, and if its
certificate promises no less; otherwise the command lists what it lets pass and ends with exit code 5. An exact McNemar test
tells whether one of the two is right more often. A model with a certificate decides by it. The parts must be new to both:
neither training nor validation may have seen them. Each model gets the pictures in its own size.
"""
EXAMPLES = """
gonogo compare old.gonogo new.gonogo parts/ --split split.csv --subset test
gonogo compare old.gonogo new.gonogo known-bad-and-good/ --groups groups.csv --pass-label ok --json
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "compare",
        run,
        summary="check whether a new model may replace the old one",
        usage="OLD NEW DATA",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("old", metavar="OLD", help="model file in use")
    parser.add_argument("new", metavar="NEW", help="model file that shall replace it")
    add_data(parser, of_model=True)
    parser.add_argument(
        "--pass-label", metavar="CLASS", help="class that means PASS (default: the one stored in the models)"
    )
    parser.add_argument(
        "--ledger", metavar="PATH", help="record of openings of test sets (default: SPLIT.ledger for the subset test)"
    )
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    groups_of_split(args)
    (old, parts), (new, others) = (_evaluated(args, name) for name in ("old", "new"))
    if parts.files != others.files:
        raise ValueError("data: the two models could not read the same files; correct or remove the bad ones")
    result = compare_reports(old, new)
    if parts.groups is None:
        note(args, "each picture counts as a part: with several pictures of one part, give --groups")
    show(args, {**result.to_dict(), "models": {"old": args.old, "new": args.new}}, str(result))
    return DONE if result.released else PROBLEMS


def _evaluated(args: argparse.Namespace, name: str) -> tuple[Report, Dataset]:
    """The evaluation of one of the two models, and the pictures as it reads them."""
    ours = argparse.Namespace(**{**vars(args), "model_file": getattr(args, name)})
    model = open_model(ours)
    refuse_other_options(ours, model)
    classifier = load(ours.model_file, n_threads=args.threads)
    dataset = subset(args, open_dataset(args, options=picture_options(model)), "test")
    if dataset.boxes is not None:
        raise ValueError(f"{name}: {ours.model_file} reads tiles, which cannot be compared by part")
    report = evaluate(classifier, dataset, classifier.gate_, ledger=args.ledger, pass_label=args.pass_label)
    if report.pass_label is None:
        raise ValueError(f"pass_label: {ours.model_file} does not tell its PASS class; name it")
    return report, dataset
