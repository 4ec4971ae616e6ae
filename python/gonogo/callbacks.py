"""Hooks around epochs and steps, with Keras's names."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gonogo.checks import check_integer, check_number
from gonogo.storage import check_writable, write_atomically

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
        self.min_delta = abs(check_number("min_delta", min_delta, "a finite number"))
        self.best = -math.inf if self.maximise else math.inf

    def start(self, figures: Sequence[str]) -> None:
        """Forget an earlier training; refuse a figure that this one will not have."""
        if self.monitor not in figures:
            hint = "; pass validation_data to fit" if self.monitor.startswith("val_") else ""
            raise ValueError(f"monitor: found {self.monitor!r}, expected one of {', '.join(figures)}{hint}")
        self.best = -math.inf if self.maximise else math.inf

    def is_better(self, value: float, best: float) -> bool:
        """Compare two values; NaN is never better."""
        return value > best + self.min_delta if self.maximise else value < best - self.min_delta

    def improved(self, logs: Mapping[str, float]) -> bool:
        """Compare with the best so far and remember it."""
        value = logs[self.monitor]
        if better := self.is_better(value, self.best):
            self.best = value
        return better


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
        self._watch = _Monitor(monitor, mode, min_delta)
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

    Attributes
    ----------
    saved : list of Path
        Files written in this training.
    """

    def __init__(
        self, filepath: str | Path, monitor: str = "val_loss", save_best_only: bool = False, mode: Mode = "auto"
    ) -> None:
        self.filepath = str(filepath)
        self.save_best_only = save_best_only
        self.saved: list[Path] = []
        self._watch = _Monitor(monitor, mode)

    def _path(self, epoch: int, logs: Mapping[str, float]) -> Path:
        try:
            return Path(self.filepath.format(epoch=epoch + 1, **logs))
        except (LookupError, ValueError) as error:
            known = ", ".join(f"{{{name}}}" for name in ("epoch", *logs))
            raise ValueError(f"filepath: found {self.filepath!r} ({error}), expected fields such as {known}") from None

    def on_train_begin(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Forget an earlier training, and find out now whether files can be written."""
        self._watch.start(self.model.figures)
        self.saved = []
        check_writable(self._path(0, dict.fromkeys(self.model.figures, 0.0)))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Write the file."""
        improved = self._watch.improved(logs)
        if improved or not self.save_best_only:
            path = write_atomically(self._path(epoch, logs), self.model.model_bytes())
            self.saved += [path] if path not in self.saved else []


class CSVLogger(Callback):
    """Write the figures of each epoch to a CSV file, complete after every epoch.

    Parameters
    ----------
    filename : str or Path
        File; replaced unless ``append``.
    separator : str
        One character between the columns.
    append : bool
        Keep the rows of an earlier training, which must have had the same columns.
    """

    def __init__(self, filename: str | Path, separator: str = ",", append: bool = False) -> None:
        if not isinstance(separator, str) or len(separator) != 1 or separator in '"\r\n':
            raise ValueError(f"separator: found {separator!r}, expected one character")
        self.filename = Path(filename)
        self.separator = separator
        self.append = append

    def on_train_begin(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Start the file anew, or keep what it holds."""
        check_writable(self.filename)
        header = self._row(["epoch", *self.model.figures])
        self._text = header
        if self.append and self.filename.is_file() and (kept := self.filename.read_text(encoding="utf-8")):
            if not kept.startswith(header):
                found = kept.splitlines()[0]
                raise ValueError(f"filename: {self.filename} has the columns {found!r}, expected {header.rstrip()!r}")
            self._text = kept

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Add a row and write the file."""
        self._text += self._row([epoch, *(logs[name] for name in self.model.figures)])
        write_atomically(self.filename, self._text)

    def _row(self, cells: Sequence[object]) -> str:
        out = io.StringIO()
        csv.writer(out, delimiter=self.separator, lineterminator="\n").writerow(cells)
        return out.getvalue()
