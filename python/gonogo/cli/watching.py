"""Callbacks of the command line: a line for each epoch, and which epoch's weights to keep."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from gonogo.callbacks import Callback
from gonogo.callbacks.weights import weights_of_state, weights_state
from gonogo.training import Weights


class EpochLines(Callback):
    """Print one line for each epoch to standard error, for logs and pipes; in a terminal a progress bar is better."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    @staticmethod
    def terminal() -> bool:
        """Whether standard error is a terminal."""
        return sys.stderr.isatty()

    def on_train_begin(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Count from here in a training that goes on inside an epoch."""
        self._images, self._seconds = 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Remember where the epoch begins."""
        self._images, self._seconds = self.model.images, self.model.image_seconds

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Print the line."""
        names = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}
        figures = ", ".join(
            f"{names.get(key, key)} {logs[key]:.4f}" for key in ("loss", "accuracy", *names) if key in logs
        )
        speed = (self.model.images - self._images) / max(self.model.image_seconds - self._seconds, 1e-9)
        print(f"epoch {epoch + 1}/{self.epochs}: {figures}, {speed:,.0f} images/s", file=sys.stderr, flush=True)


class CompletedEpochs(Callback):
    """Without validation the last completed epoch counts as the best: steps after it are undone at the end.

    Attributes
    ----------
    best_epoch : int or None
        The last completed epoch, counted from 0.
    """

    best_epoch: int | None = None
    _weights: Weights | None = None

    def get_state(self) -> Mapping[str, Any]:
        """Return the epoch and the weights."""
        return {"best_epoch": self.best_epoch, **weights_state(self._weights)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take them over."""
        self.best_epoch, self._weights = state["best_epoch"], weights_of_state(self.model, state)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Keep the weights."""
        self.best_epoch, self._weights = epoch, self.model.get_weights()

    def on_train_end(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Restore them."""
        if self._weights is not None:
            self.model.set_weights(self._weights)
