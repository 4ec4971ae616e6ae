"""Keeping a training on disk, so that it goes on after a stop as if nothing had happened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from gonogo.callbacks.callback import Callback
from gonogo.checkpoint import callback_states, checkpoint_bytes, describe_task, read_checkpoint, restore
from gonogo.checks import check_integer, check_path
from gonogo.storage import check_writable, unfinished_files, write_atomically

if TYPE_CHECKING:
    from gonogo.training import Place


class BackupAndRestore(Callback):
    """Keep the whole state of a training in a file; ``fit`` goes on from it when there is one, to the very same bits.

    The file holds weights, running statistics, moments, the place inside the epoch with its sums, the history and the state of
    every callback. It is written whole or not at all. Data, settings and callbacks must be those of the training that was
    stopped: others are refused by name. On a machine or with a version of another :func:`gonogo.fingerprint` the training goes
    on with a warning, and its result agrees within rounding, not bit for bit. Where ``random_state`` is None, the seed in the
    file is used.

    Unlike in Keras a training also goes on inside an epoch; ``double_checkpoint`` and ``save_before_preemption`` do not exist.

    Parameters
    ----------
    backup_dir : str or Path
        Folder of the file ``training.safetensors``; made where it does not exist.
    save_freq : "epoch" or int
        Write after every epoch, or every so many steps of the training.
    delete_checkpoint : bool
        Remove the file when the training has ended by itself (all epochs, or stopped by a callback).

    Attributes
    ----------
    path : Path
        The file.
    resumed_at : Place or None
        Where this training went on: ``epoch``, counted from 0, and ``step``, the steps of that epoch already done.
    """

    hears_last: ClassVar[bool] = True

    def __init__(
        self, backup_dir: str | Path, save_freq: Literal["epoch"] | int = "epoch", delete_checkpoint: bool = True
    ) -> None:
        self.path = check_path("backup_dir", backup_dir, "a folder") / "training.safetensors"
        if save_freq != "epoch":
            check_integer("save_freq", save_freq, 1)
        self.save_freq = save_freq
        self.delete_checkpoint = delete_checkpoint
        self.resumed_at: Place | None = None
        self._task: Mapping[str, Any] = {}
        self._left: list[Path] = []

    def seed(self) -> int | None:
        """Return the seed of the training in the file; None where there is no file."""
        return read_checkpoint(self.path).seed if self.path.exists() else None

    def on_train_begin(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Go on from the file if there is one; find out now whether it can be written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        check_writable(self.path)
        callback_states(self.model)  # one that no file holds is refused before the first step
        self._left = unfinished_files(self.path.parent)
        self._task = describe_task(self.model)
        self.resumed_at = restore(self.model, self._task, self.path) if self.path.exists() else None

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Write the file, if it is time."""
        if self.save_freq != "epoch" and self.model.step.count % self.save_freq == 0:
            self._save()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Write the file, if it is time."""
        if self.save_freq == "epoch":
            self._save()

    def on_train_end(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Remove the file after a training that ended by itself."""
        if self.delete_checkpoint and self.model.finished:
            self.remove()

    def remove(self) -> None:
        """Remove the file, and unfinished ones that were there when the training began."""
        for path in (self.path, *self._left):
            path.unlink(missing_ok=True)

    def _save(self) -> None:
        write_atomically(self.path, checkpoint_bytes(self.model, self._task))
