"""The training loop: epochs of steps, validation between them, callbacks around everything."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.errors import DivergenceError
from gonogo.history import History
from gonogo.settings import Settings

if TYPE_CHECKING:
    from gonogo.callbacks import Callback

Samples = NDArray[np.uint8] | NDArray[np.float32]
Weights = tuple[NDArray[np.float32], NDArray[np.float32]]


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
    formats : int32 array (n, 3) or None
        Of the files of the samples that are used, as ``Dataset.formats``; None where they are from no files.
    readouts : int32 array (n, 2) or None
        Of the samples that are used, as ``Dataset.readouts``; None for rows, or where nobody knows.
    """

    samples: Samples
    targets: NDArray[np.float32]
    index: NDArray[np.uint32]
    formats: NDArray[np.int32] | None = None
    readouts: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.index)


def one_hot(labels: NDArray[np.integer[Any]], classes: int) -> NDArray[np.float32]:
    """Return targets (n, 1) of 0 and 1 for two classes, (n, classes) one-hot otherwise."""
    if classes == 2:
        return np.ascontiguousarray(labels[:, None], dtype=np.float32)
    return np.ascontiguousarray(np.eye(classes, dtype=np.float32)[labels])


@dataclass
class Place:
    """Where a training stands between two steps.

    Attributes
    ----------
    epoch : int
        Counted from 0; the number of epochs where all are done.
    step : int
        Steps of this epoch that are done.
    seen, correct : int
        Pictures of this epoch so far, and how many were classified correctly.
    loss_sum : float
        Sum over these pictures.
    learning_rate : float
        Of the last step of this epoch.
    """

    epoch: int = 0
    step: int = 0
    seen: int = 0
    correct: int = 0
    loss_sum: float = 0.0
    learning_rate: float = 0.0

    def logs(self) -> dict[str, float]:
        """Return the figures of the epoch so far."""
        if self.seen == 0:
            return {}
        return {"loss": self.loss_sum / self.seen, "accuracy": self.correct / self.seen}


@dataclass
class Trainer:
    """A training in progress: what callbacks see as ``model``.

    Attributes
    ----------
    place : Place
        Where the training stands.
    learning_rate_factor : float
        What the rate of the schedule is multiplied by.
    finished : bool
        Whether the training has ended by itself: after all epochs, or stopped by a callback.
    data, validation, class_weight, callbacks
        What it works on; ``class_weight`` holds one weight for each of ``data.samples``.
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
        Turns weights and the number of completed epochs into the bytes of a model file.
    golden : uint8 array (n, h, w, c) or float32 array (n, features)
        Samples whose scores the model file will hold.
    """

    graph: _core.Graph
    settings: Settings
    data: Labelled
    step: _core.Step
    predictor: _core.Predictor
    serialise: Callable[[Weights, int], bytes]
    golden: Samples
    history: History = field(default_factory=History)
    figures: tuple[str, ...] = ()
    stop_training: bool = False
    images: int = 0
    image_seconds: float = 0.0
    place: Place = field(default_factory=Place)
    learning_rate_factor: float = 1.0
    finished: bool = False
    validation: Labelled | None = None
    class_weight: NDArray[np.float32] | None = None
    callbacks: tuple[Callback, ...] = ()

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.settings.steps(len(self.data))

    def images_after(self, step: int) -> int:
        """Return how many pictures an epoch has seen after so many of its steps."""
        images = step * self.settings.batch_size
        return images if self.settings.steps_per_epoch is not None else min(images, len(self.data))

    def get_weights(self) -> Weights:
        """Return copies of the parameters and the running statistics."""
        return self.step.parameters, self.step.states

    def set_weights(self, weights: Weights) -> None:
        """Take over parameters and running statistics."""
        self.step.parameters, self.step.states = weights

    def model_bytes(self) -> bytes:
        """Return the present model as the bytes of a model file."""
        return self.serialise(self.get_weights(), len(self.history))

    def evaluate(self, data: Labelled) -> dict[str, float]:
        """Return ``loss`` and ``accuracy`` of the present weights on whole data, unweighted; NaN where a score is no number."""
        self.predictor.load(*self.get_weights())
        logits = self.predictor.logits(data.samples, data.index)
        loss, correct = _core.cross_entropy(logits, data.targets[data.index])
        return {"loss": loss, "accuracy": correct / len(data)}


def start(
    graph: _core.Graph,
    data: Labelled,
    settings: Settings,
    initial: Weights,
    serialise: Callable[[Weights, int], bytes],
    golden: Samples,
) -> Trainer:
    """Plan a training on ``data`` from initial weights; ``ValueError`` where they give scores that are no finite numbers."""
    settings.check()
    _core.learning_rate(settings.full_schedule(len(data)), 0)
    batch = min(settings.batch_size, len(data)) if settings.steps_per_epoch is None else settings.batch_size
    step = _core.Step(graph, data.samples.shape[1:], batch, settings.optimizer, settings.threads)
    predictor = _core.Predictor(graph, 64, settings.threads)
    trainer = Trainer(graph, settings, data, step, predictor, serialise, golden)
    trainer.set_weights(initial)
    if found := _not_finite(trainer, {}):
        raise ValueError(f"X: {found} is not finite before the first step; scale the values of X, such as to -1 to 1")
    return trainer


def run(
    trainer: Trainer,
    validation: Labelled | None,
    class_weight: NDArray[np.float32] | None,
    callbacks: Sequence[Callback],
    progress: Progress | None,
) -> None:
    """Train for all epochs, or until a callback stops it; a restored training goes on where it stood.

    An interrupt leaves the weights of the last finished step; ``on_train_end`` of all callbacks is called in any case.

    Raises
    ------
    DivergenceError
        The loss, a gradient, a weight or a score is no longer a finite number, and no callback took it upon itself.
    """
    validated = ("val_loss", "val_accuracy") if validation is not None else ()
    trainer.figures = ("loss", "accuracy", *validated, "learning_rate")
    trainer.validation, trainer.class_weight = validation, class_weight
    trainer.callbacks = tuple(sorted(callbacks, key=lambda callback: callback.hears_last))
    for callback in trainer.callbacks:
        callback.set_model(trainer)
    _call(trainer, "on_train_begin", {})
    logs = trainer.history.last()
    with ExitStack() as ending:
        # They keep their model: hand in hand, both and all memory of the training would wait for the garbage collector.
        ending.callback(setattr, trainer, "callbacks", ())
        for callback in reversed(trainer.callbacks):
            ending.callback(lambda ended: ended.on_train_end(logs), callback)
        if progress is not None:
            ending.callback(progress.close)
        try:
            while trainer.place.epoch < trainer.settings.epochs:
                # An epoch that has begun is completed, also where the training was resumed inside it.
                if trainer.stop_training and trainer.place.step == 0:
                    break
                logs = _run_epoch(trainer, logs, progress)
        except DivergenceError as error:
            accepted = [callback.on_divergence(error) for callback in trainer.callbacks]
            if not any(accepted):
                raise
        trainer.finished = True


def _call(trainer: Trainer, hook: str, *arguments: Any) -> None:
    for callback in trainer.callbacks:
        getattr(callback, hook)(*arguments)


def _run_epoch(trainer: Trainer, before: dict[str, float], progress: Progress | None) -> dict[str, float]:
    """Run what is left of the present epoch, with its validation; return its figures. ``before``: those of the last one."""
    place = trainer.place
    if place.step == 0:
        _call(trainer, "on_epoch_begin", place.epoch, before)
    _run_steps(trainer, progress)
    checked = trainer.evaluate(trainer.validation) if trainer.validation is not None else {}
    _check_finite(trainer, checked)
    validated = {f"val_{key}": value for key, value in checked.items()}
    logs = {**place.logs(), **validated, "learning_rate": place.learning_rate}
    trainer.history.append(place.epoch, logs)
    trainer.place = Place(place.epoch + 1)
    if progress is not None:
        progress.finish(logs)
    _call(trainer, "on_epoch_end", place.epoch, logs)
    return logs


def _check_finite(trainer: Trainer, checked: Mapping[str, float]) -> None:
    """The last update of an epoch may have gone too far without a step that would notice."""
    if found := _not_finite(trainer, checked):
        place = trainer.place
        advice = f"lower the learning rate or set clip_norm; found learning_rate={place.learning_rate:g}"
        raise DivergenceError(place.epoch, place.step - 1, f"{found} is not finite; {advice}")


def _not_finite(trainer: Trainer, checked: Mapping[str, float]) -> str | None:
    """Return which part of what a model file would hold is no finite number, or the validation loss; None: nothing."""
    if not all(bool(np.isfinite(block).all()) for block in trainer.get_weights()):
        return "a weight"
    if not math.isfinite(checked.get("loss", 0.0)):
        return "the validation loss"
    trainer.predictor.load(*trainer.get_weights())
    scores = trainer.predictor.logits(trainer.golden, np.arange(len(trainer.golden), dtype=np.uint32))
    return None if bool(np.isfinite(scores).all()) else "the score of a training sample"


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


def _run_steps(trainer: Trainer, progress: Progress | None) -> None:
    """Run the steps of the epoch that are left."""
    settings, place, data = trainer.settings, trainer.place, trainer.data
    begun = time.perf_counter()
    # Draws are keyed by the place in the data given to fit: a subset trains as an array of the same pictures does.
    positions = _epoch_order(settings, len(data), place.epoch)
    indices, occurrences = data.index[positions], _occurrences(positions)
    schedule = settings.full_schedule(len(data))
    if progress is not None:
        progress.start(place.epoch, settings.epochs, len(indices))
        progress.update(place.seen, place.logs())
    try:
        for number in range(place.step, trainer.steps):
            part = slice(number * settings.batch_size, (number + 1) * settings.batch_size)
            rate = _core.learning_rate(schedule, trainer.step.count) * trainer.learning_rate_factor
            _call(trainer, "on_train_batch_begin", number, place.logs())
            loss, correct = _run_step(trainer, indices[part], positions[part], occurrences[part], rate)
            count = len(indices[part])
            place.step, place.learning_rate = number + 1, rate
            place.seen, place.correct = place.seen + count, place.correct + correct
            place.loss_sum += loss * count
            trainer.images += count
            if progress is not None:
                progress.update(count, place.logs())
            _call(trainer, "on_train_batch_end", number, place.logs())
    finally:
        trainer.image_seconds += time.perf_counter() - begun


def _run_step(
    trainer: Trainer,
    indices: NDArray[np.uint32],
    keys: NDArray[np.uint32],
    occurrences: NDArray[np.uint32],
    rate: float,
) -> tuple[float, int]:
    """Return the loss of the batch and the number of pictures that were classified correctly."""
    data, settings, place = trainer.data, trainer.settings, trainer.place
    try:
        loss, correct, _ = trainer.step.run(
            data.samples,
            data.targets,
            indices,
            learning_rate=rate,
            weights=trainer.class_weight,
            keys=keys,
            occurrences=occurrences,
            augment=settings.augment,
            augment_seed=settings.seed,
            dropout_seed=settings.seed,
            epoch=place.epoch,
        )
    except RuntimeError as error:
        if "not finite" not in str(error):
            raise
        raise DivergenceError(place.epoch, place.step, f"{error}; found learning_rate={rate:g}") from None
    return loss, correct
