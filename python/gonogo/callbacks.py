"""Hooks around epochs and steps, with Keras's names."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gonogo.storage import write_atomically

if TYPE_CHECKING:
    from gonogo.training import Trainer, Weights

Mode = Literal["auto", "min", "max"]


class Callback:
    """Base of all callbacks: override the hooks you need.

    ``self.model`` is the training in progress: ``stop_training``, ``get_weights()``, ``set_weights()``, ``history``,
    and ``step``. ``logs`` holds ``loss`` and ``accuracy`` so far; after an epoch also ``learning_rate`` and, with
    validation data, ``val_loss`` and ``val_accuracy``.
    """

    model: Trainer

    def set_model(self, model: Trainer) -> None:
        """Take over the training in progress."""
        self.model = model

    def on_train_begin(self, logs: Mapping[str, float]) -> None:
        """Run before the first epoch."""

    def on_train_end(self, logs: Mapping[str, float]) -> None:
        """Run after the last epoch, also after an interrupt or an error."""

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Run before epoch ``epoch``, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Run after epoch ``epoch`` and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, float]) -> None:
        """Run before step ``batch`` of the epoch."""

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        """Run after step ``batch`` of the epoch."""


class _Monitor:
    """Watches one figure and says whether it has become better."""

    def __init__(self, monitor: str, mode: Mode, min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode: found {mode!r}, expected 'auto', 'min' or 'max'")
        self.monitor = monitor
        self.maximise = mode == "max" or (mode == "auto" and "accuracy" in monitor)
        self.min_delta = abs(min_delta)
        self.best = -math.inf if self.maximise else math.inf

    def value(self, logs: Mapping[str, float]) -> float:
        if self.monitor not in logs:
            hint = "; pass validation_data to fit" if self.monitor.startswith("val_") else ""
            raise ValueError(f"monitor: {self.monitor!r} is not among the figures: {', '.join(sorted(logs))}{hint}")
        return logs[self.monitor]

    def improved(self, logs: Mapping[str, float]) -> bool:
        """Compare with the best so far and remember it; NaN is never better."""
        value = self.value(logs)
        better = value > self.best + self.min_delta if self.maximise else value < self.best - self.min_delta
        if better:
            self.best = value
        return better


class EarlyStopping(Callback):
    """Stop when a figure has not become better for some epochs.

    Parameters
    ----------
    monitor : str
        Figure to watch.
    min_delta : float
        Smaller changes do not count.
    patience : int
        Epochs without a better figure before the training ends.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; ``"auto"``: larger for accuracies.
    restore_best_weights : bool
        Whether the weights of the best epoch are restored at the end, however the training ended.
    start_from_epoch : int
        Epochs before watching starts.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        mode: Mode = "auto",
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        if patience < 0:
            raise ValueError(f"patience: found {patience}, expected 0 or more")
        self.monitor = monitor
        self.min_delta = min_delta
        self.patience = patience
        self.mode: Mode = mode
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None

    def on_train_begin(self, logs: Mapping[str, float]) -> None:
        """Forget an earlier training."""
        self._watch = _Monitor(self.monitor, self.mode, self.min_delta)
        self._best_weights: Weights | None = None
        self.best_epoch = self.stopped_epoch = None
        self._waited = 0

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Count the epochs since the best one."""
        if epoch < self.start_from_epoch:
            return
        if self._watch.improved(logs):
            self.best_epoch, self._waited = epoch, 0
            if self.restore_best_weights:
                self._best_weights = self.model.get_weights()
            return
        self._waited += 1
        if self._waited >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, float]) -> None:
        """Restore the best weights."""
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)


class ModelCheckpoint(Callback):
    """Save the model after epochs.

    Parameters
    ----------
    filepath : str or Path
        File; ``{epoch}`` (counted from 1) and figures such as ``{val_loss:.3f}`` are filled in.
    monitor : str
        Figure that decides which epoch is best.
    save_best_only : bool
        Write only when the figure has become better.
    mode : {"auto", "min", "max"}
        As in :class:`EarlyStopping`.
    """

    def __init__(
        self, filepath: str | Path, monitor: str = "val_loss", save_best_only: bool = False, mode: Mode = "auto"
    ) -> None:
        self.filepath = str(filepath)
        self.monitor = monitor
        self.save_best_only = save_best_only
        self.mode: Mode = mode
        self.saved: list[Path] = []

    def on_train_begin(self, logs: Mapping[str, float]) -> None:
        """Forget an earlier training, and find out now whether files can be written."""
        self._watch = _Monitor(self.monitor, self.mode)
        self.saved = []
        folder = Path(self.filepath).parent
        if not folder.is_dir():
            raise FileNotFoundError(f"filepath: the folder {folder} does not exist; create it first")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Write the file."""
        if self.save_best_only and not self._watch.improved(logs):
            return
        path = Path(self.filepath.format(epoch=epoch + 1, **logs))
        self.saved.append(write_atomically(path, self.model.model_bytes()))


class CSVLogger(Callback):
    """Write the figures of each epoch to a CSV file, complete after every epoch.

    Parameters
    ----------
    filename : str or Path
        File; replaced unless ``append``.
    separator : str
        Between the columns.
    append : bool
        Keep the rows of an earlier training.
    """

    def __init__(self, filename: str | Path, separator: str = ",", append: bool = False) -> None:
        self.filename = Path(filename)
        self.separator = separator
        self.append = append

    def on_train_begin(self, logs: Mapping[str, float]) -> None:
        """Start the file anew, or keep what it holds."""
        keep = self.append and self.filename.is_file()
        self._text = self.filename.read_text(encoding="utf-8") if keep else ""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Add a row and write the file."""
        out = io.StringIO()
        writer = csv.writer(out, delimiter=self.separator, lineterminator="\n")
        if not self._text:
            writer.writerow(["epoch", *logs])
        writer.writerow([epoch, *logs.values()])
        self._text += out.getvalue()
        write_atomically(self.filename, self._text)
