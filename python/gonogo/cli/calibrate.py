"""``gonogo calibrate``: a PASS threshold with a promise, or the reason why there is none."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo.audit import audit
from gonogo.audit.report import TEST, AuditReport
from gonogo.certificate_words import beside_words, promise
from gonogo.classifier import load
from gonogo.cli.arguments import (
    Commands,
    add_command,
    add_common,
    add_data,
    last_day,
    positive_number,
    share,
    whole_number,
)
from gonogo.cli.datasets import (
    groups_of_split,
    named_part,
    open_dataset,
    open_model,
    picture_options,
    read_parts,
    refuse_other_options,
    subset,
)
from gonogo.cli.doubts import note_doubts
from gonogo.cli.failures import DONE, check_writable, writing
from gonogo.cli.output import note, note_expired, show
from gonogo.data import Dataset
from gonogo.data.reading import names_below
from gonogo.data.tables import read_table
from gonogo.errors import NotCertifiable
from gonogo.gate import PassGate
from gonogo.model_file import ModelFile

DESCRIPTION = """
Set the PASS threshold so that, at the stated confidence, at most the stated share of all bad parts is called PASS, and write a
new model file that carries it with its certificate. The parts must be new: neither training nor validation may have seen
them, and each set serves one calibration. What was done is recorded beside the split file (SPLIT.ledger). With --audit, other
pictures of the same parts under other names are looked for too, however turned, mirrored or lit (see gonogo audit --help).

With too few bad parts there is no threshold: the command says how many are missing and ends with exit code 4. At 1 % and 95 %
confidence 299 bad parts are needed, and none of them may lie above the threshold; with 473 one may.
"""
EXAMPLES = """
gonogo calibrate parts.gonogo parts/ --split split.csv --pass-label ok --max-escape .01 --confidence .95 --out gated.gonogo
gonogo calibrate parts.gonogo parts/ --split split.csv --max-escape .01 --confidence .95 --audit --out gated.gonogo
gonogo calibrate parts.gonogo fresh/ --groups groups.csv --pass-label ok --max-escape .02 --confidence .9 --out gated.gonogo
gonogo info gated.gonogo
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "calibrate",
        run,
        summary="certify a PASS threshold",
        usage="FILE DATA --max-escape A --confidence C --out FILE2",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("model_file", metavar="FILE", help="model file made by gonogo train")
    add_data(parser, of_model=True)
    group = parser.add_argument_group("promise")
    group.add_argument(
        "--pass-label", metavar="CLASS", help="class that means PASS (default: the one stored in the model)"
    )
    group.add_argument(
        "--max-escape", type=share, required=True, metavar="A", help="share of bad parts called PASS, at most: .01"
    )
    group.add_argument(
        "--confidence", type=share, required=True, metavar="C", help="with which that is promised, such as .95"
    )
    group.add_argument("--per-class", action="store_true", help="certify each fault class by itself")
    group.add_argument("--joint", action="store_true", help="all fault classes at once, for any mixture of faults")
    group.add_argument(
        "--candidates",
        type=whole_number(1),
        default=1,
        metavar="M",
        help="models that will be calibrated on these parts, to choose one",
    )
    group.add_argument(
        "--pictures-per-part",
        type=whole_number(1),
        metavar="N",
        help="pictures of a part in production (default: the smallest number of a calibration part)",
    )
    group.add_argument(
        "--bad-share", type=share, metavar="P", help="upper share of bad parts: bounds how many passed parts are bad"
    )
    group.add_argument(
        "--lot-col",
        metavar="NAME",
        help="column of the lot, in the table of --groups, of DATA or of --split: tells the bound if lots count, not parts",
    )
    group.add_argument(
        "--audit",
        nargs="?",
        const="",
        metavar="DIR",
        help="refuse calibration parts that have siblings among the pictures of training and validation: those of --split, or "
        "those in DIR, one folder for each class",
    )
    group.add_argument(
        "--cost-ratio",
        type=positive_number("20"),
        metavar="R",
        help="for a review zone, with --review-capacity: an escape costs R times a good part that is rejected, such as 20",
    )
    group.add_argument(
        "--review-capacity", type=share, metavar="S", help="share of all parts that people can look at, such as .05"
    )
    group.add_argument(
        "--unknown-share",
        type=share,
        metavar="S",
        help="for a guard against unknown pictures: at most this share of known good parts goes to REVIEW for it, such as .01",
    )
    group.add_argument(
        "--training",
        metavar="DIR",
        help="for that, the pictures of the training (default: the subset train of --split)",
    )
    group.add_argument(
        "--valid-until",
        type=last_day,
        metavar="DAY",
        help="last day on which a part can pass on a line, such as 2027-06-30 (default: no end)",
    )
    group.add_argument("--ledger", metavar="PATH", help="record of calibrations (default: SPLIT.ledger with --split)")
    parser.add_argument("--out", required=True, metavar="FILE2", help="model file to write; FILE stays as it is")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    out = check_writable("out", args.out)
    model = open_model(args)
    if out.exists() and out.samefile(args.model_file):
        raise ValueError(f"out: {out} is FILE itself; model files do not change, name another")
    refuse_other_options(args, model)
    classifier = load(args.model_file, n_threads=args.threads)
    pass_label = args.pass_label or model.training.get("pass_label")
    if pass_label is None:
        raise ValueError(f"pass_label: missing, expected one of the classes {', '.join(model.classes)}")
    groups_of_split(args)
    whole = open_dataset(args, options=picture_options(model))
    dataset = subset(args, whole, "calibration")
    gate = PassGate(
        classifier,
        pass_label,
        args.max_escape,
        args.confidence,
        per_class=args.per_class,
        joint=args.joint,
        candidates=args.candidates,
        pictures_per_part=args.pictures_per_part,
        bad_share=args.bad_share,
        cost_ratio=args.cost_ratio,
        review_capacity=args.review_capacity,
        unknown_share=args.unknown_share,
        valid_until=args.valid_until,
        ledger=args.ledger,
    )
    try:
        lots = None if args.lot_col is None else _lots(args, dataset)
        gate.fit(dataset, lots=lots, audit=_audit(args, whole, dataset), training_data=_training(args, model, whole))
    except NotCertifiable as refusal:
        _show_refusal(args, refusal)
        raise
    with writing(out):
        gate.save(out)
    made, guard = gate.certificate, gate.unknown_guard
    result = {**gate.certificate_, "certified": True, "good_refused": made.good_parts - made.good_passed}
    words = [*promise(made), *beside_words(made, gate.review_zone, guard)]
    result |= {"review_zone": gate.review_zone_, "unknown_guard": None if guard is None else guard.to_dict()}
    result["model"] = str(out)
    note_expired(args, made.valid_until)
    note_doubts(args, classifier, dataset)
    show(args, result, "\n".join([*words, "", f"written to {out}"]))
    return DONE


def _audit(args: argparse.Namespace, whole: Dataset, dataset: Dataset) -> AuditReport | None:
    """Look for siblings of the calibration pictures among all others but those of the test, which nobody opens here."""
    if args.audit is None:
        return None
    if args.audit:
        others: dict[str, Dataset | Path] = {"training": Path(args.audit)}
    elif args.split is not None:
        own = args.subset or "calibration"
        others = {name: part for name, part in read_parts(args, whole).items() if name not in (own, TEST)}
    else:
        raise ValueError("audit: given without --split; name the folder of the training and validation pictures")
    report = audit({**others, "calibration": dataset}, threads=args.threads or 0)
    note(args, f"audited {len(report.items):,} pictures for siblings")
    return report


def _training(args: argparse.Namespace, model: ModelFile, whole: Dataset) -> Dataset | None:
    """What the guard against unknown pictures knows."""
    if args.unknown_share is None:
        if args.training is not None:
            raise ValueError("training: given without --unknown-share; give both, or neither")
        return None
    if args.training is not None:
        return open_dataset(args, args.training, options=picture_options(model), groups=False)
    if args.split is None:
        raise ValueError(
            "training: missing beside --unknown-share; give the folder of the training pictures, or --split"
        )
    return named_part(read_parts(args, whole), "train", "unknown_share")


def _show_refusal(args: argparse.Namespace, refusal: NotCertifiable) -> None:
    if args.json:
        names = ("defects", "required", "missing", "missing_by_class", "certifiable_escape", "max_escape", "confidence")
        figures: dict[str, Any] = {name: getattr(refusal, name) for name in names}
        nothing = {"threshold": None, "escapes_allowed": None, "escape_upper_bound": None}
        show(args, {"certified": False, **nothing, **figures, "reason": refusal.reason}, "")


def _lots(args: argparse.Namespace, dataset: Dataset) -> NDArray[np.str_]:
    """The lot of each picture."""
    data = Path(args.data)
    root = Path(args.root or data.parent)
    source = args.data if data.is_file() else args.groups or args.split
    if source is None:
        raise ValueError("lot_col: found no table with this column; give --groups, --split, or a CSV table as DATA")
    path_col = args.path_col if source == args.data else "file"
    lots: dict[str, str] = {}
    for line, row in read_table(source, (path_col, args.lot_col), "lot_col"):
        if source == args.data:
            name = names_below([root / row[path_col]], root)[0]
        else:
            name = row["file"] if "/" in row["file"] or "class" not in row else f"{row['class']}/{row['file']}"
        if not row[args.lot_col]:
            raise ValueError(f"{source}, line {line}: {name} has no lot, expected its name")
        lots[name] = row[args.lot_col]
    return np.array([lots[file] for file in dataset.files], np.str_)
