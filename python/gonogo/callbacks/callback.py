"""The base of all callbacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from gonogo.errors import DivergenceError
    from gonogo.training import Trainer


class Callback:
    """Base of all callbacks: override the hooks you need.

    ``self.model`` is the training in progress: ``stop_training``, ``get_weights()``, ``set_weights()``, ``history``,
    ``step``, ``learning_rate_factor`` and ``place``. ``logs`` holds ``loss`` and ``accuracy`` so far; after an epoch also
    ``learning_rate`` and, with validation data, ``val_loss`` and ``val_accuracy``.

    A callback that remembers something from one hook to the next overrides ``get_state`` and ``set_state`` too, so that a
    training resumed by :class:`BackupAndRestore` goes on as if it had never stopped. There ``on_train_begin`` is called as
    always, then ``set_state``; hooks of epochs and steps that came before the stop are not called again.

    Attributes
    ----------
    hears_last : bool
        Whether the hooks are called after those of all other callbacks, whatever the place in the list.
    """

    hears_last: ClassVar[bool] = False
    model: Trainer

    def set_model(self, model: Trainer) -> None:
        """Take over the training in progress."""
        self.model = model

    def get_state(self) -> Mapping[str, Any] | None:
        """Return what the callback must know to go on, values that JSON can hold and NumPy arrays by name; None: nothing.

        Keys are texts, also those of dicts within. :class:`BackupAndRestore` calls it before the first step, too, and raises a
        ``TypeError`` naming callback and key where no file can hold the state.
        """
        return None

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take over what ``get_state`` returned; tuples come back as lists."""

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

    def on_divergence(self, error: DivergenceError) -> bool:  # noqa: ARG002 - the hook's signature
        """Run when loss, gradients or weights are no longer finite; return True to end the training without the error."""
        return False


def check_callbacks(callbacks: Iterable[Callback] | None) -> tuple[Callback, ...]:
    """Return what ``fit`` was given, None as none, as a tuple; ``TypeError`` for what is no list of callbacks."""
    given: tuple[Callback, ...] | None
    try:
        # Taken once: an iterator that a check has gone through would be empty for the training.
        given = () if callbacks is None else tuple(callbacks)
    except TypeError:
        given = None
    if given is None or not all(isinstance(callback, Callback) for callback in given):
        raise TypeError(f"callbacks: found {callbacks!r}, expected a list of gonogo callbacks")
    return given
