"""``gonogo train``: pictures in, a model file out."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gonogo.callbacks import Callback, EarlyStopping
from gonogo.classifier import InspectionClassifier
from gonogo.cli import arguments
from gonogo.cli.arguments import Commands, add_command, add_common, add_data
from gonogo.cli.backup import add_backup, end_backup, open_backup, plain_warnings
from gonogo.cli.datasets import excluded_note, groups_of_split, named_part, open_dataset, read_parts
from gonogo.cli.failures import DONE, INTERRUPTED, check_writable, writing
from gonogo.cli.output import note, show, table
from gonogo.cli.recipe import add_recipe, make_classifier, model_parameters
from gonogo.cli.watching import CompletedEpochs, EpochLines
from gonogo.data import Dataset
from gonogo.errors import DivergenceError
from gonogo.network import load_spec, model_names
from gonogo.suspects import without_suspects
from gonogo.temperature import Temperature, check_by_class

DESCRIPTION = f"""
Train a net on labelled pictures and write it to one file. With --validation the file gets the weights of the epoch with the
best validation loss, otherwise those of the last epoch; and a temperature, fitted on the same pictures, with which the
probabilities that predict tells mean what they say, for the mix of classes in --shares. The same arguments give the same
file, byte for byte, whatever the number of threads. Ctrl-C writes the best weights of the completed epochs and ends with code
130. With --resume, given from the start or after a stop, the same command goes on where it stood, after Ctrl-C, a crash or a
power cut.

Models that come with gonogo: {", ".join(model_names())}. A TOML file describes any other.
"""
EXAMPLES = """
gonogo train parts/ --validation 0.2 --out parts.gonogo
gonogo train parts/ --groups groups.csv --validation 0.2 --augment casting --epochs 40 --seed 7 --out parts.gonogo
gonogo train parts/ --split split.csv --subset train --validation validation --pass-label ok --out parts.gonogo
gonogo train parts/ --validation 0.2 --shares ok=0.99,defect=0.01 --out parts.gonogo
gonogo train parts/ --classes defect ok --image-size 224 224 --class-weight balanced --out parts.gonogo
gonogo train parts/ --optimizer sgd,momentum=0.9,nesterov=true --learning-rate 0.05 --schedule cosine --out parts.gonogo
gonogo train parts/ --config recipe.toml --epochs 5 --out parts.gonogo
gonogo train parts/ --validation 0.2 --without suspects.csv --out parts.gonogo
gonogo train parts/ --validation 0.2 --out parts.gonogo --resume
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "train",
        run,
        summary="train a model",
        usage="DATA --out FILE",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    add_data(parser, mixed=True)
    group = parser.add_argument_group("training options")
    group.add_argument("--out", metavar="FILE", help="the model file to write, such as parts.gonogo (required)")
    add_recipe(group)
    group.add_argument(
        "--validation",
        metavar="SHARE|DIR|NAME",
        help="pictures for validation: a share such as 0.2, split off by part where there are groups; another folder or "
        "table; or a subset of --split",
    )
    group.add_argument(
        "--tiles",
        nargs=2,
        type=arguments.whole_number(1, 16384),
        metavar=("H", "W"),
        help="cut every picture into tiles of this size, each a sample with its picture's class; kept in the model",
    )
    group.add_argument(
        "--tile-overlap",
        type=float,
        metavar="SHARE",
        help="share of a tile's side that its neighbour shows as well, 0 to 0.9 (default: 0)",
    )
    group.add_argument(
        "--patience",
        type=arguments.whole_number(1),
        metavar="N",
        help="end after N epochs without a better validation loss (default: never)",
    )
    group.add_argument(
        "--shares",
        type=arguments.numbers_by_name,
        metavar="NAME=SHARE,...",
        help="mix of classes that the probabilities are for, such as ok=0.99,defect=0.01 (default: that of the training "
        "pictures); needs --validation",
    )
    group.add_argument(
        "--no-temperature", action="store_true", help="leave the probabilities as the net gives them, mostly too sure"
    )
    group.add_argument(
        "--without",
        metavar="WORKSHEET",
        help="leave these pictures out of the training: those that the table of gonogo cross-validate --worksheet doubts, "
        "unless its column corrected confirms their label",
    )
    add_backup(parser)
    add_common(parser, seed="initial weights, order, augmentation, dropout and the share for validation")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.out is None:
        args.parser.error("--out: missing; name the model file to write, such as parts.gonogo")
    out = check_writable("out", args.out)
    if args.patience is not None and args.validation is None:
        raise ValueError("patience: needs validation pictures to watch; give --validation too")
    if args.shares is not None and (args.validation is None or args.no_temperature):
        raise ValueError("shares: needs a temperature, fitted on validation pictures; give --validation too")
    backup = open_backup(args, out)
    spec = load_spec(args.model).with_parameters(model_parameters(args))
    groups_of_split(args)
    data = open_dataset(args)
    chosen, validation_data, excluded = _divide(args, data)
    train_data = chosen if args.without is None else without_suspects(args.without, chosen, data)
    if args.shares is not None:
        check_by_class("shares", args.shares, data.classes)
    note(
        args,
        f"training {spec.name} on {len(train_data):,} pictures"
        + ("" if validation_data is None else f", validation on {len(validation_data):,}"),
    )
    shows_bar = not args.quiet and EpochLines.terminal()
    classifier = make_classifier(args, verbose=shows_bar)
    best: CompletedEpochs | EarlyStopping = CompletedEpochs()
    if validation_data is not None:
        best = EarlyStopping(patience=args.patience or args.epochs, restore_best_weights=True)
    watching: list[Callback] = [best] if shows_bar or args.quiet else [best, EpochLines(args.epochs)]
    watching += [] if backup is None else [backup]
    begun = time.perf_counter()
    interrupted = False
    try:
        with plain_warnings(args):
            classifier.fit(train_data, validation_data=validation_data, callbacks=watching)
    except KeyboardInterrupt:
        interrupted = True
        if best.best_epoch is None:
            raise
    except DivergenceError as error:
        if best.best_epoch is None or not hasattr(classifier, "classes_"):  # weights so large that no score is a number
            raise
        note(args, f"{args.parser.prog}: {error}; the best weights until then are kept")
    seconds = time.perf_counter() - begun
    assert best.best_epoch is not None  # a training whose first epoch does not end ends with an error
    reason = None
    if validation_data is not None and not args.no_temperature:
        reason = _fit_temperature(args, classifier, validation_data)
    with writing(out):
        classifier.save(out)
    if not interrupted:
        end_backup(backup)
    result = {
        "model": str(out),
        "parameters": classifier.parameter_count_,
        "classes": data.classes,
        "epochs": classifier.n_iter_,
        "best_epoch": best.best_epoch + 1,
        "images": len(train_data),
        "images_per_second": classifier.images_per_second_,
        "seconds": seconds,
        "decode_seconds": data.decode_seconds,
        "validation": _validation_figures(classifier, best.best_epoch, validation_data),
        "temperature": None if classifier.temperature_ is None else classifier.temperature_.to_dict(),
        "temperature_refused": reason,
        "excluded": excluded,
        "left_out": len(chosen) - len(train_data),
        "bad_files": len(data.bad_files),
        "interrupted": interrupted,
        "resumed": backup is not None and backup.resumed_at is not None,
    }
    show(args, result, _text(result))
    if interrupted:
        note(
            args,
            f"{args.parser.prog}: interrupted; {out} holds the best weights of {classifier.n_iter_} completed epochs"
            + ("" if backup is None else "; the same command with --resume goes on"),
        )
    return INTERRUPTED if interrupted else DONE


def _fit_temperature(args: argparse.Namespace, classifier: InspectionClassifier, validation: Dataset) -> str | None:
    """Return why there is none where the pictures cannot tell: a trained net is not thrown away for its probabilities."""
    try:
        classifier.fit_temperature(validation, args.shares)
    except ValueError as error:
        return str(error)
    return None


def _divide(args: argparse.Namespace, data: Dataset) -> tuple[Dataset, Dataset | None, int]:
    """Return the pictures for training and validation, and the number of those left out for mixed groups."""
    parts = None if args.split is None else read_parts(args, data)
    if parts is None and args.subset is not None:
        raise ValueError("subset: given without --split; name the split file too")
    chosen = data if parts is None else named_part(parts, args.subset or "train", "subset")
    wanted = args.validation
    if wanted is None:
        return chosen, None, 0
    if (share := arguments.as_number(wanted)) is not None:
        if not 0 < share < 1:
            raise ValueError(f"validation: found the share {wanted}, expected one between 0 and 1, such as 0.2")
        divided = chosen.split({"train": 1 - share, "validation": share}, on_mixed=args.on_mixed, seed=args.seed)
        return divided["train"], divided["validation"], excluded_note(args, divided)
    if parts is not None and wanted in parts:
        if parts[wanted] is chosen:
            raise ValueError(f"validation: the subset {wanted!r} is trained on; name another one")
        return chosen, parts[wanted], 0
    if not Path(wanted).exists():
        subsets = f", or one of the subsets {', '.join(parts)}" if parts else ""
        raise ValueError(
            f"validation: found {wanted!r}, expected a share such as 0.2, a folder or table that exists{subsets}"
        )
    options = {"image_size": data.image_size, "color_mode": data.color_mode, **data.decoding.options()}
    return chosen, open_dataset(args, wanted, options=options, groups=False), 0


def _validation_figures(
    classifier: InspectionClassifier, epoch: int, data: Dataset | None
) -> Mapping[str, float | int] | None:
    if data is None:
        return None
    figures = classifier.history_.history
    return {"accuracy": figures["val_accuracy"][epoch], "loss": figures["val_loss"][epoch], "n": len(data)}


def _text(result: Mapping[str, Any]) -> str:
    rows: list[list[object]] = [
        ["model", result["model"]],
        ["parameters", f"{result['parameters']:,}"],
        ["epochs", f"{result['epochs']}, weights of epoch {result['best_epoch']}"],
        ["speed", f"{result['images_per_second']:,.0f} images/s, {result['seconds']:.1f} s in all"],
    ]
    if (figures := result["validation"]) is not None:
        rows.append(
            [
                "validation",
                f"accuracy {figures['accuracy']:.4f}, loss {figures['loss']:.4f} on {figures['n']:,} pictures",
            ]
        )
    if (found := result["temperature"]) is not None:
        rows.append(["temperature", Temperature(**found)])
    elif result["temperature_refused"] is not None:
        rows.append(
            ["temperature", f"none, the probabilities are as the net gives them; {result['temperature_refused']}"]
        )
    return table(rows)
