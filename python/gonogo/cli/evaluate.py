"""``gonogo evaluate``: how good a model is on pictures that it has not seen."""

from __future__ import annotations

import argparse

from gonogo.classifier import load
from gonogo.cli.arguments import Commands, add_command, add_common, add_data
from gonogo.cli.datasets import open_dataset, open_model, picture_options, refuse_other_options, subset
from gonogo.cli.failures import DONE
from gonogo.cli.output import show
from gonogo.report import evaluate

DESCRIPTION = """
Test a model on labelled pictures: accuracy, precision, recall and F1 of each class, the confusion matrix, and, where a PASS
class is known, the escape rate (bad parts called PASS, of all bad parts) and the overkill rate (good parts refused, of all
good parts), with exact 95 % intervals. Pictures are brought to the size and colours that the model was trained with.
"""
EXAMPLES = """
gonogo evaluate parts.gonogo parts-of-today/
gonogo evaluate parts.gonogo parts/ --split split.csv --subset test
gonogo evaluate parts.gonogo parts-of-today/ --pass-label ok --json
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "evaluate",
        run,
        summary="test a model on labelled pictures",
        usage="FILE DATA",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("model_file", metavar="FILE", help="model file made by gonogo train")
    add_data(parser, of_model=True)
    parser.add_argument(
        "--pass-label", metavar="CLASS", help="class that means PASS (default: the one stored in the model)"
    )
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    model = open_model(args)
    refuse_other_options(args, model)
    classifier = load(args.model_file, n_threads=args.threads)
    if args.pass_label is not None:
        if args.pass_label not in model.classes:
            known = ", ".join(model.classes)
            raise ValueError(f"pass_label: {args.pass_label!r} is not a class of the model; there are: {known}")
        classifier.pass_label = args.pass_label
    dataset = subset(args, open_dataset(args, options=picture_options(model)), "test")
    report = evaluate(classifier, dataset)
    result = {**report.to_dict(), "pass_label": report.pass_label, "bad_files": len(dataset.bad_files)}
    show(args, {**result, "model": str(args.model_file)}, str(report))
    return DONE
