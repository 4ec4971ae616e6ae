"""Callbacks that end a training."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gonogo.callbacks.callback import Callback
from gonogo.callbacks.monitor import Mode, Monitor, check_settings
from gonogo.callbacks.weights import weights_of_state, weights_state
from gonogo.checks import check_integer, check_number

if TYPE_CHECKING:
    from gonogo.errors import DivergenceError
    from gonogo.training import Weights


class EarlyStopping(Callback):
    """Stop when a figure has not become better for some epochs.

    Parameters
    ----------
    monitor : str
        Figure to watch.
    min_delta : float
        Changes of at most this size do not count.
    patience : int
        Epochs in a row without a better figure that end the training; 0 does the same as 1.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; ``"auto"``: larger for accuracies.
    baseline : float, optional
        Epochs count as without a better figure until the figure is better than this.
    restore_best_weights : bool
        Whether the weights of the best epoch are restored at the end, however the training ended.
    start_from_epoch : int
        Epochs before watching starts.

    Attributes
    ----------
    best : float
        Best value so far.
    best_epoch, stopped_epoch : int or None
        Epoch of the best value, and the epoch after which this callback ended the training, counted from 0.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        mode: Mode = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        self.patience = check_integer("patience", patience, 0)
        self.baseline = None if baseline is None else check_number("baseline", baseline, "a finite number or None")
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = check_integer("start_from_epoch", start_from_epoch, 0)
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self._watch = Monitor(monitor, mode, min_delta)
        self._best_weights: Weights | None = None
        self._waited = 0

    @property
    def best(self) -> float:
        """Best value so far."""
        return self._watch.best

    def on_train_begin(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Forget an earlier training."""
        self._watch.start(self.model.figures)
        self._best_weights = self.best_epoch = self.stopped_epoch = None
        self._waited = 0

    def get_state(self) -> Mapping[str, Any]:
        """Return the settings, the best figure, its epoch and its weights, and how long it has been."""
        epochs = {"best_epoch": self.best_epoch, "stopped_epoch": self.stopped_epoch, "waited": self._waited}
        return {**self._settings(), **self._watch.get_state(), **epochs, **weights_state(self._best_weights)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take it over; ``ValueError`` where the settings were others."""
        self._watch.set_state(state)
        check_settings(state, self._settings())
        self.best_epoch, self.stopped_epoch = state["best_epoch"], state["stopped_epoch"]
        self._waited = int(state["waited"])
        self._best_weights = weights_of_state(self.model, state)

    def _settings(self) -> dict[str, Any]:
        names = ("patience", "baseline", "restore_best_weights", "start_from_epoch")
        return {name: getattr(self, name) for name in names}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Count the epochs since the best one."""
        if epoch < self.start_from_epoch:
            return
        self._waited += 1
        if self._watch.improved(logs):
            self.best_epoch = epoch
            if self.restore_best_weights:
                self._best_weights = self.model.get_weights()
            if self.baseline is None or self._watch.is_better(self._watch.best, self.baseline):
                self._waited = 0
        if self._waited and self._waited >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Restore the best weights."""
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)


class TerminateOnNaN(Callback):
    """End the training, without an error, when loss, gradients, weights or scores are no longer finite numbers.

    The weights after the last epoch whose scores were finite come back: those right before the end are finite, too, but mostly
    so large that their scores are not. :class:`EarlyStopping` with ``restore_best_weights`` restores the best ones as always.
    A warning says what was found. In the first epoch there is nothing to go back to, and the training ends with the
    ``DivergenceError`` that it is without this callback; Keras stops with a printed line and keeps the weights that are not
    numbers.

    Attributes
    ----------
    error : DivergenceError or None
        What ended the training.
    """

    def __init__(self) -> None:
        self.error: DivergenceError | None = None
        self._weights: Weights | None = None

    def on_train_begin(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Forget an earlier training."""
        self.error = self._weights = None

    def get_state(self) -> Mapping[str, Any]:
        """Return the weights after the last epoch."""
        return weights_state(self._weights)

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take them over."""
        self._weights = weights_of_state(self.model, state)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Keep the weights."""
        self._weights = self.model.get_weights()

    def on_divergence(self, error: DivergenceError) -> bool:
        """Go back to the last epoch and end the training with a warning; with the error where there is no such epoch."""
        if self._weights is None:
            return False
        self.model.set_weights(self._weights)
        self.error = error
        warnings.warn(f"{error}; the training has ended", RuntimeWarning, stacklevel=2)
        return True
