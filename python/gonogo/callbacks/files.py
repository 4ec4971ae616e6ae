"""Callbacks that write files: models and tables of figures."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gonogo.callbacks.callback import Callback
from gonogo.callbacks.monitor import Mode, Monitor
from gonogo.checks import check_path
from gonogo.storage import check_writable, write_atomically


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
        self.filepath = str(check_path("filepath", filepath, "a file to write"))
        self.save_best_only = save_best_only
        self.saved: list[Path] = []
        self._watch = Monitor(monitor, mode)

    def _path(self, epoch: int, logs: Mapping[str, float]) -> Path:
        try:
            return Path(self.filepath.format(epoch=epoch + 1, **logs))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            known = ", ".join(f"{{{name}}}" for name in ("epoch", *logs))
            raise ValueError(f"filepath: found {self.filepath!r} ({error}), expected fields such as {known}") from None

    def on_train_begin(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Forget an earlier training, and find out now whether files can be written."""
        self._watch.start(self.model.figures)
        self.saved = []
        check_writable(self._path(0, dict.fromkeys(self.model.figures, 0.0)))

    def get_state(self) -> Mapping[str, Any]:
        """Return the best figure and the files so far."""
        return {**self._watch.get_state(), "saved": [str(path) for path in self.saved]}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take it over."""
        self._watch.set_state(state)
        self.saved = [Path(path) for path in state["saved"]]

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
        self.filename = check_path("filename", filename, "a file to write")
        self.separator = separator
        self.append = append

    def on_train_begin(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Start the file anew, or keep what it holds."""
        check_writable(self.filename)
        header = self._row(["epoch", *self.model.figures])
        self._text = header
        if self.append and self.filename.is_file() and (kept := self._read()):
            whole = kept if kept.endswith("\n") else f"{kept}\n"  # editors may leave out the last end of a line
            if not whole.startswith(header):
                found = kept.splitlines()[0]
                raise ValueError(f"filename: {self.filename} has the columns {found!r}, expected {header.rstrip()!r}")
            self._text = whole

    def get_state(self) -> Mapping[str, Any]:
        """Return the content of the file."""
        return {"text": self._text}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take it over: rows that were written after the state was kept will come again."""
        self._text = str(state["text"])

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Add a row and write the file."""
        self._text += self._row([epoch, *(logs[name] for name in self.model.figures)])
        write_atomically(self.filename, self._text)

    def _read(self) -> str:
        try:
            return self.filename.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"filename: {self.filename}, byte {error.start}: found no UTF-8, expected the table of an earlier training; "
                "give another name, or append=False"
            ) from None

    def _row(self, cells: Sequence[object]) -> str:
        out = io.StringIO()
        csv.writer(out, delimiter=self.separator, lineterminator="\n").writerow(cells)
        return out.getvalue()
