"""Figures for TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gonogo.callbacks.callback import Callback
from gonogo.checks import check_integer, check_path


class TensorBoard(Callback):
    """Write the figures of a training as TensorBoard events; needs tensorboardX (``pip install gonogo[tracking]``).

    As in Keras the folders ``train`` and ``validation`` hold ``epoch_loss`` and ``epoch_accuracy``, the former also
    ``epoch_learning_rate``; epochs are counted from 0. ``batch_loss`` and ``batch_accuracy``, if asked for, are in a folder of
    their own, ``batches``: a resumed training names the number from which on earlier events of a folder no longer count, which
    can be that of a step or of an epoch. Unlike Keras it writes no graph, no histograms, no pictures and no profile.

    Parameters
    ----------
    log_dir : str or Path
        Folder; made where it does not exist.
    update_freq : "epoch", "batch" or int
        Write the figures so far also after every step (``"batch"``), or every so many steps.
    """

    def __init__(self, log_dir: str | Path = "logs", update_freq: Literal["epoch", "batch"] | int = "epoch") -> None:
        self.log_dir = check_path("log_dir", log_dir, "a folder")
        self.update_freq = update_freq
        if update_freq not in ("epoch", "batch"):
            check_integer("update_freq", update_freq, 1)
        self._writers: dict[str, Any] = {}
        self._resumed = False

    def on_train_begin(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Find out now whether events can be written."""
        try:
            import tensorboardX  # noqa: F401 - asked for before long work
        except ImportError:
            raise ImportError(
                "TensorBoard: tensorboardX is not installed; install it, or gonogo with the extra 'tracking'"
            ) from None
        self.log_dir.mkdir(parents=True, exist_ok=True)
        self._writers, self._resumed = {}, False

    def get_state(self) -> Mapping[str, Any]:
        """Return nothing: events go on in new files."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:  # noqa: ARG002 - the hook's signature
        """Have the events that were written after the state was kept taken back."""
        self._resumed = True

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Write the figures so far."""
        done = self.model.step.count
        if self.update_freq != "epoch" and done % (1 if self.update_freq == "batch" else self.update_freq) == 0:
            for name in ("loss", "accuracy"):
                self._write("batches", f"batch_{name}", logs[name], done - 1)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Write the figures of the epoch, and bring them to the file."""
        for name, value in logs.items():
            kind = "validation" if name.startswith("val_") else "train"
            self._write(kind, f"epoch_{name.removeprefix('val_')}", value, epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _write(self, kind: str, tag: str, value: float, step: int) -> None:
        if kind not in self._writers:
            from tensorboardX import SummaryWriter

            purge = step if self._resumed else None
            # Files are named by the second, and read in the order of their names: without more, a training that goes on at
            # once would replace the first file.
            suffix = f".{time.time_ns()}"
            self._writers[kind] = SummaryWriter(str(self.log_dir / kind), purge_step=purge, filename_suffix=suffix)
        self._writers[kind].add_scalar(tag, value, step)
