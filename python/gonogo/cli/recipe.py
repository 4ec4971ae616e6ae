"""The recipe of a training as options, shared by the commands that train."""

from __future__ import annotations

import argparse
from typing import Any

from gonogo.augment import Augment
from gonogo.classifier import InspectionClassifier
from gonogo.cli import arguments
from gonogo.preprocess import Preprocess
from gonogo.settings import OPTIMIZERS, SCHEDULES


def add_recipe(group: argparse._ArgumentGroup) -> None:
    """Add the options that say how a net is trained."""
    group.add_argument("--model", default="casting_cnn", metavar="NAME|FILE", help="a model of gonogo, or a TOML file")
    group.add_argument(
        "--model-param",
        action="append",
        type=arguments.pair,
        default=[],
        metavar="NAME=VALUE",
        help="parameter of the model, such as dropout=0.3; may be repeated",
    )
    group.add_argument(
        "--epochs", type=arguments.whole_number(1), default=25, metavar="N", help="passes over the pictures"
    )
    group.add_argument(
        "--batch-size", type=arguments.whole_number(1), default=64, metavar="N", help="pictures per step"
    )
    group.add_argument(
        "--learning-rate",
        type=arguments.positive_number("0.001"),
        default=0.001,
        metavar="RATE",
        help="size of the steps, the peak of the schedule",
    )
    group.add_argument(
        "--optimizer",
        type=arguments.kind_with_settings(OPTIMIZERS),
        default="adam",
        metavar="NAME[,KEY=VALUE...]",
        help=f"{', '.join(OPTIMIZERS)}, with settings such as momentum, nesterov, rho, beta_1, beta_2, epsilon, "
        "weight_decay, clip_norm, clip_value",
    )
    group.add_argument(
        "--schedule",
        type=arguments.kind_with_settings(SCHEDULES),
        default="constant",
        metavar="NAME[,KEY=VALUE...]",
        help=f"{', '.join(SCHEDULES)}, with settings such as warmup_steps, gamma, step_size, final_fraction",
    )
    group.add_argument(
        "--class-weight",
        type=_class_weight,
        metavar="balanced|NAME=WEIGHT,...",
        help="weights of the classes in the loss; balanced: rare classes count as much as frequent ones",
    )
    group.add_argument(
        "--augment",
        type=_augment,
        metavar="NAME|FILE",
        help="random changes of training pictures: casting (any rotation, small shifts, flips, brightness), none, or a TOML "
        "file with the fields of gonogo.Augment",
    )
    group.add_argument(
        "--preprocess",
        type=_preprocess,
        metavar="FILE",
        help="fixed enhancement of every picture, kept in the model: a TOML file with the fields of gonogo.Preprocess "
        "(roi, local_contrast, median, gamma)",
    )
    group.add_argument("--pass-label", metavar="CLASS", help="class that means PASS, kept in the model for evaluate")
    group.add_argument(
        "--config", metavar="TOML", help="file with options (keys: their names); the command line wins over it"
    )


def model_parameters(args: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of the model."""
    return {name: arguments.value_of(value) for name, value in args.model_param}


def make_classifier(args: argparse.Namespace, *, verbose: bool) -> InspectionClassifier:
    """Return the classifier of a recipe, not trained yet."""
    return InspectionClassifier(
        model=args.model,
        augment=args.augment,
        epochs=args.epochs,
        batch_size=args.batch_size,
        optimizer=args.optimizer,
        learning_rate=args.learning_rate,
        schedule=args.schedule,
        class_weight=args.class_weight,
        model_params=model_parameters(args),
        pass_label=args.pass_label,
        n_threads=args.threads,
        random_state=args.seed,
        verbose=verbose,
    )


def _class_weight(text: str) -> str | dict[str, float]:
    return text if text == "balanced" else arguments.numbers_by_name(text)


def _augment(text: str) -> Augment:
    try:
        return Augment.from_file(text) if text.endswith(".toml") else Augment.preset(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}") from None
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("augment: ")) from None


def _preprocess(text: str) -> Preprocess:
    try:
        return Preprocess.from_file(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error.strerror}") from None
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
