"""``gonogo evaluate``: how good a model is on pictures that it has not seen."""

from __future__ import annotations

import argparse

from gonogo.audit import audit
from gonogo.classifier import load
from gonogo.cli.arguments import Commands, add_command, add_common, add_data
from gonogo.cli.datasets import (
    groups_of_split,
    open_dataset,
    open_model,
    picture_options,
    read_parts,
    refuse_other_options,
    subset,
)
from gonogo.cli.doubts import note_doubts
from gonogo.cli.failures import DONE, check_new_folder, writing
from gonogo.cli.output import note, note_expired, show
from gonogo.evaluation import evaluate

DESCRIPTION = """
Test a model on labelled pictures: accuracy, precision, recall and F1 of each class, the confusion matrix, and, where a PASS
class is known, the escape rate (bad parts called PASS, of all bad parts) and the overkill rate (good parts refused, of all
good parts), each with its 95 % interval. Where groups say which pictures show one part, parts are counted: one part passes
only if all its pictures do. A model with a certificate decides by it. Pictures are brought to the size and colours that the
model was trained with. Each look at the subset "test" of a split is recorded beside it (SPLIT.ledger) and told.
"""
EXAMPLES = """
gonogo evaluate parts.gonogo parts-of-today/
gonogo evaluate parts.gonogo parts/ --split split.csv --subset test
gonogo evaluate parts.gonogo parts/ --split split.csv --subset test --audit --report report/
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
    parser.add_argument(
        "--ledger", metavar="PATH", help="record of openings of test sets (default: SPLIT.ledger for the subset test)"
    )
    parser.add_argument(
        "--audit",
        action="store_true",
        help="with --split: also give the figures without the pictures that have a sibling among the training pictures",
    )
    parser.add_argument(
        "--report",
        metavar="DIR",
        help="write a page (report.html) with figures, curves and pictures; new or empty folder",
    )
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    page = None if args.report is None else check_new_folder("report", args.report) / "report.html"
    model = open_model(args)
    refuse_other_options(args, model)
    classifier = load(args.model_file, n_threads=args.threads)
    gate = classifier.gate_
    if args.audit and args.split is None:
        raise ValueError("audit: given without --split, which says what are the training pictures; give both")
    groups_of_split(args)
    whole = open_dataset(args, options=picture_options(model))
    dataset = subset(args, whole, "test")
    without = audit(read_parts(args, whole), threads=args.threads or 0) if args.audit else None
    report = evaluate(classifier, dataset, gate, ledger=args.ledger, without=without, pass_label=args.pass_label)
    note_expired(args, None if gate is None else gate.certificate.valid_until)
    if dataset.groups is None:
        note(args, "each picture counts as a part: with several pictures of one part, give --groups")
    note_doubts(args, classifier, dataset)
    result = {**report.to_dict(), "pass_label": report.pass_label, "bad_files": len(dataset.bad_files)}
    if page is not None:
        with writing(page):
            page.parent.mkdir(parents=True, exist_ok=True)
            result["report"] = str(report.to_html(page))
        note(args, f"page written to {page}")
    show(args, {**result, "model": str(args.model_file)}, str(report))
    return DONE
