"""The training loop: epochs of steps, validation between them, callbacks around everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
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
        """Begin an epoch of ``images`` pictures."""

    def update(self, images: int, logs: Mapping[str, float]) -> None:
        """Count ``images`` more pictures."""

    def finish(self, logs: Mapping[str, float]) -> None:
        """End the epoch."""


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
        for name, least in (("epochs", 1), ("batch_size", 1), ("steps_per_epoch", 1)):
            value = getattr(self, name)
            if value is None and name == "steps_per_epoch":
                continue
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
                raise ValueError(f"{name}: found {value!r}, expected an integer of at least {least}")
        if not isinstance(self.learning_rate, (int, float)) or not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate: found {self.learning_rate!r}, expected a finite number above 0, such as 0.001")
        if samples < 1:
            raise ValueError("X: found no sample to train on, expected at least one")

    def steps(self, samples: int) -> int:
        """Return the steps of one epoch."""
        return self.steps_per_epoch or -(-samples // self.batch_size)


@dataclass
class Trainer:
    """A training in progress: what callbacks see as ``model``.

    Attributes
    ----------
    stop_training : bool
        Set by a callback, ends the training after the epoch.
    history : History
        Figures of the epochs so far.
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
    _core.learning_rate(_full_schedule(settings, len(data)), 0)
    batch = min(settings.batch_size, len(data)) if settings.steps_per_epoch is None else settings.batch_size
    step = _core.Step(graph, data.samples.shape[1:], batch, settings.optimizer, settings.threads)
    predictor = _core.Predictor(graph, 256, settings.threads)
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

    An interrupt leaves the weights of the last finished step; ``on_train_end`` of the callbacks is called in any case.
    """
    for callback in callbacks:
        callback.set_model(trainer)
    logs: dict[str, float] = {}
    _call(callbacks, "on_train_begin", logs)
    try:
        for epoch in range(trainer.settings.epochs):
            _call(callbacks, "on_epoch_begin", epoch, logs)
            logs = _run_epoch(trainer, epoch, data, class_weight, callbacks, progress)
            if validation is not None:
                logs |= {f"val_{key}": value for key, value in trainer.evaluate(validation).items()}
            trainer.history.append(epoch, logs)
            if progress is not None:
                progress.finish(logs)
            _call(callbacks, "on_epoch_end", epoch, logs)
            if trainer.stop_training:
                break
    finally:
        _call(callbacks, "on_train_end", logs)


def _call(callbacks: Sequence[Callback], hook: str, *arguments: Any) -> None:
    for callback in callbacks:
        getattr(callback, hook)(*arguments)


def _full_schedule(settings: Settings, samples: int) -> dict[str, Any]:
    total = settings.steps(samples) * settings.epochs
    return {**settings.schedule, "learning_rate": float(settings.learning_rate), "total_steps": total}


def _epoch_order(settings: Settings, samples: int, epoch: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return indices and occurrences of one epoch.

    Samples are drawn in passes over the whole data, each in a keyed order; with ``steps_per_epoch`` an epoch begins where
    the one before ended, so that every sample is seen equally often.
    """
    if settings.steps_per_epoch is None:
        return _core.shuffled(samples, settings.seed, epoch), np.zeros(samples, np.uint32)
    length = settings.steps_per_epoch * settings.batch_size
    first = epoch * length
    passes = range(first // samples, (first + length - 1) // samples + 1)
    drawn = np.concatenate([_core.shuffled(samples, settings.seed, number) for number in passes])
    indices = drawn[first % samples : first % samples + length]
    occurrences = np.zeros(length, np.uint32)
    order = np.argsort(indices, kind="stable")
    ordered = indices[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    occurrences[order] = np.arange(length) - np.repeat(starts, np.diff(np.r_[starts, length]))
    return np.ascontiguousarray(indices), occurrences


def _run_epoch(
    trainer: Trainer,
    epoch: int,
    data: Labelled,
    class_weight: NDArray[np.float32] | None,
    callbacks: Sequence[Callback],
    progress: Progress | None,
) -> dict[str, float]:
    settings = trainer.settings
    order, occurrences = _epoch_order(settings, len(data), epoch)
    indices = data.index[order]
    schedule = _full_schedule(settings, len(data))
    if progress is not None:
        progress.start(epoch, settings.epochs, len(indices))
    loss_sum, right, seen, rate = 0.0, 0, 0, 0.0
    logs: dict[str, float] = {}
    begun = time.perf_counter()
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
    trainer.image_seconds += time.perf_counter() - begun
    return {**logs, "learning_rate": rate}
