"""The training loop: epochs of steps, validation between them, callbacks around everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.checks import check_integer, check_number
from gonogo.errors import DivergenceError
from gonogo.history import History

if TYPE_CHECKING:
    from gonogo.callbacks import Callback

Samples = NDArray[np.uint8] | NDArray[np.float32]
Weights = tuple[NDArray[np.float32], NDArray[np.float32]]

OPTIMIZERS = ("sgd", "rmsprop", "adam", "adamw")
SCHEDULES = ("constant", "step", "cosine", "one_cycle")


class Progress(Protocol):
    """What shows a training's progress."""

    def start(self, epoch: int, epochs: int, images: int) -> None:
        """Begin epoch ``epoch``, counted from 0, of ``images`` pictures."""

    def update(self, images: int, logs: Mapping[str, float]) -> None:
        """Count ``images`` more pictures."""

    def finish(self, logs: Mapping[str, float]) -> None:
        """End the epoch."""

    def close(self) -> None:
        """End the training, perhaps in the middle of an epoch."""


@dataclass(frozen=True)
class Labelled:
    """Samples with targets, ready for the core.

    Attributes
    ----------
    samples : uint8 array (n, h, w, c) or float32 array (n, features)
        May hold more samples than are used, so that data sets can share their pixels.
    targets : float32 array (n, outputs)
        0 or 1 for one output, one-hot otherwise.
    index : uint32 array
        Positions of the samples that are used.
    """

    samples: Samples
    targets: NDArray[np.float32]
    index: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.index)


def one_hot(labels: NDArray[np.integer[Any]], classes: int) -> NDArray[np.float32]:
    """Return targets (n, 1) of 0 and 1 for two classes, (n, classes) one-hot otherwise."""
    if classes == 2:
        return np.ascontiguousarray(labels[:, None], dtype=np.float32)
    return np.ascontiguousarray(np.eye(classes, dtype=np.float32)[labels])


def kind_and_settings(parameter: str, value: Any, known: Sequence[str]) -> dict[str, Any]:
    """Return the parameter ``optimizer`` or ``schedule`` as the core takes it; a text is the kind alone.

    Raises
    ------
    ValueError
        The kind is unknown, or the mapping sets what is a parameter of its own.
    """
    mapping = {"kind": value} if isinstance(value, str) else value
    if not isinstance(mapping, Mapping) or mapping.get("kind") not in known:
        found = mapping.get("kind") if isinstance(mapping, Mapping) else mapping
        raise ValueError(
            f"{parameter}: found {found!r}, expected one of {', '.join(known)}, or a dict with that 'kind'"
        )
    if own := [key for key in ("learning_rate", "total_steps") if key in mapping]:
        raise ValueError(f"{parameter}: found the key {own[0]!r}; it comes from learning_rate, epochs and batch_size")
    return dict(mapping)


@dataclass
class Settings:
    """How to train. ``seed`` keys shuffling, augmentation and dropout."""

    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: Mapping[str, Any]
    schedule: Mapping[str, Any]
    seed: int
    augment: Mapping[str, Any] | None = None
    steps_per_epoch: int | None = None
    threads: int = 0

    def check(self, samples: int) -> None:
        """Raise ``ValueError`` naming the first setting that is out of range."""
        check_integer("epochs", self.epochs, 1)
        check_integer("batch_size", self.batch_size, 1)
        if self.steps_per_epoch is not None:
            check_integer("steps_per_epoch", self.steps_per_epoch, 1)
        check_number("learning_rate", self.learning_rate, "a finite number above 0, such as 0.001", above=0)
        if samples < 1:
            raise ValueError("X: found no sample to train on, expected at least one")

    def full_schedule(self, samples: int) -> dict[str, Any]:
        """Return the schedule as the core takes it, over all steps of the training."""
        steps = self.steps_per_epoch or -(-samples // self.batch_size)
        return {**self.schedule, "learning_rate": float(self.learning_rate), "total_steps": int(steps * self.epochs)}


@dataclass
class Trainer:
    """A training in progress: what callbacks see as ``model``.

    Attributes
    ----------
    stop_training : bool
        Set by a callback, ends the training after the epoch.
    history : History
        Figures of the epochs so far.
    figures : tuple of str
        Names of the figures that each epoch will have.
    image_seconds : float
        Wall time of the training epochs, augmentation included, validation apart.
    images : int
        Pictures trained on.
    serialise : callable
        Turns weights into the bytes of a model file.
    """

    graph: _core.Graph
    settings: Settings
    step: _core.Step
    predictor: _core.Predictor
    serialise: Callable[[Weights], bytes]
    history: History = field(default_factory=History)
    figures: tuple[str, ...] = ()
    stop_training: bool = False
    images: int = 0
    image_seconds: float = 0.0

    def get_weights(self) -> Weights:
        """Return copies of the parameters and the running statistics."""
        return self.step.parameters, self.step.states

    def set_weights(self, weights: Weights) -> None:
        """Take over parameters and running statistics."""
        self.step.parameters, self.step.states = weights

    def model_bytes(self) -> bytes:
        """Return the present model as the bytes of a model file."""
        return self.serialise(self.get_weights())

    def evaluate(self, data: Labelled) -> dict[str, float]:
        """Return ``loss`` and ``accuracy`` of the present weights on whole data, unweighted."""
        self.predictor.load(*self.get_weights())
        logits = self.predictor.logits(data.samples, data.index)
        loss, correct = _core.cross_entropy(logits, data.targets[data.index])
        return {"loss": loss, "accuracy": correct / len(data)}


def start(
    graph: _core.Graph,
    data: Labelled,
    settings: Settings,
    initial: Weights,
    serialise: Callable[[Weights], bytes],
) -> Trainer:
    """Plan a training on ``data`` from initial weights."""
    settings.check(len(data))
    _core.learning_rate(settings.full_schedule(len(data)), 0)
    batch = min(settings.batch_size, len(data)) if settings.steps_per_epoch is None else settings.batch_size
    step = _core.Step(graph, data.samples.shape[1:], batch, settings.optimizer, settings.threads)
    predictor = _core.Predictor(graph, 64, settings.threads)
    trainer = Trainer(graph, settings, step, predictor, serialise)
    trainer.set_weights(initial)
    return trainer


def run(
    trainer: Trainer,
    data: Labelled,
    validation: Labelled | None,
    class_weight: NDArray[np.float32] | None,
    callbacks: Sequence[Callback],
    progress: Progress | None,
) -> None:
    """Train for all epochs, or until a callback stops it.

    An interrupt leaves the weights of the last finished step; ``on_train_end`` of all callbacks is called in any case.

    Raises
    ------
    DivergenceError
        The loss or a gradient is no longer a finite number; the weights are those before that step.
    """
    validated = ("val_loss", "val_accuracy") if validation is not None else ()
    trainer.figures = ("loss", "accuracy", *validated, "learning_rate")
    for callback in callbacks:
        callback.set_model(trainer)
    logs: dict[str, float] = {}
    _call(callbacks, "on_train_begin", logs)
    with ExitStack() as ending:
        for callback in reversed(callbacks):
            ending.callback(lambda ended: ended.on_train_end(logs), callback)
        if progress is not None:
            ending.callback(progress.close)
        for epoch in range(trainer.settings.epochs):
            _call(callbacks, "on_epoch_begin", epoch, logs)
            seen, rate = _run_epoch(trainer, epoch, data, class_weight, callbacks, progress)
            checked = trainer.evaluate(validation) if validation is not None else {}
            logs = {**seen, **{f"val_{key}": value for key, value in checked.items()}, "learning_rate": rate}
            trainer.history.append(epoch, logs)
            if progress is not None:
                progress.finish(logs)
            _call(callbacks, "on_epoch_end", epoch, logs)
            if trainer.stop_training:
                break


def _call(callbacks: Sequence[Callback], hook: str, *arguments: Any) -> None:
    for callback in callbacks:
        getattr(callback, hook)(*arguments)


def _epoch_order(settings: Settings, samples: int, epoch: int) -> NDArray[np.uint32]:
    """Return the positions of one epoch.

    Samples are drawn in passes over the whole data, each in a keyed order; with ``steps_per_epoch`` an epoch begins where
    the one before ended, so that every sample is seen equally often.
    """
    if settings.steps_per_epoch is None:
        return _core.shuffled(samples, settings.seed, epoch)
    length = settings.steps_per_epoch * settings.batch_size
    first = epoch * length
    passes = range(first // samples, (first + length - 1) // samples + 1)
    drawn = np.concatenate([_core.shuffled(samples, settings.seed, number) for number in passes])
    return drawn[first % samples : first % samples + length]


def _occurrences(positions: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return how often each sample came earlier in the epoch: it keys draws that would otherwise be the same."""
    order = np.argsort(positions, kind="stable")
    ordered = positions[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    occurrences = np.zeros(len(positions), np.uint32)
    occurrences[order] = np.arange(len(positions)) - np.repeat(starts, np.diff(np.r_[starts, len(positions)]))
    return occurrences


def _run_epoch(
    trainer: Trainer,
    epoch: int,
    data: Labelled,
    class_weight: NDArray[np.float32] | None,
    callbacks: Sequence[Callback],
    progress: Progress | None,
) -> tuple[dict[str, float], float]:
    """Return the figures of the epoch and the learning rate of its last step."""
    settings = trainer.settings
    begun = time.perf_counter()
    # Draws are keyed by the place in the data given to fit: a subset trains as an array of the same pictures does.
    positions = _epoch_order(settings, len(data), epoch)
    indices, occurrences = data.index[positions], _occurrences(positions)
    schedule = settings.full_schedule(len(data))
    if progress is not None:
        progress.start(epoch, settings.epochs, len(indices))
    loss_sum, right, seen, rate = 0.0, 0, 0, 0.0
    logs: dict[str, float] = {}
    try:
        for number, first in enumerate(range(0, len(indices), settings.batch_size)):
            part = slice(first, first + settings.batch_size)
            rate = _core.learning_rate(schedule, trainer.step.count)
            _call(callbacks, "on_train_batch_begin", number, logs)
            loss, correct, _ = trainer.step.run(
                data.samples,
                data.targets,
                indices[part],
                learning_rate=rate,
                weights=class_weight,
                keys=positions[part],
                occurrences=occurrences[part],
                augment=settings.augment,
                augment_seed=settings.seed,
                dropout_seed=settings.seed,
                epoch=epoch,
            )
            count = len(indices[part])
            loss_sum, right, seen = loss_sum + loss * count, right + correct, seen + count
            trainer.images += count
            logs = {"loss": loss_sum / seen, "accuracy": right / seen}
            if progress is not None:
                progress.update(count, logs)
            _call(callbacks, "on_train_batch_end", number, logs)
    except RuntimeError as error:
        if "not finite" not in str(error):
            raise
        raise DivergenceError(epoch, seen // settings.batch_size, f"{error}; found learning_rate={rate:g}") from None
    finally:
        trainer.image_seconds += time.perf_counter() - begun
    return logs, rate
