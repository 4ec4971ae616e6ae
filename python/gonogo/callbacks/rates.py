"""A callback that changes the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gonogo.callbacks.callback import Callback
from gonogo.callbacks.monitor import Mode, Monitor, check_settings
from gonogo.checks import check_integer, check_number


class ReduceLROnPlateau(Callback):
    """Lower the learning rate when a figure has not become better for some epochs.

    The arguments are Keras's, less ``verbose``: the figures of each epoch show the ``learning_rate``. Keras knows one rate;
    here the whole schedule is multiplied, and ``min_lr`` is a limit for its peak.

    Parameters
    ----------
    monitor : str
        Figure to watch.
    factor : float
        What the rate is multiplied by: above 0 and below 1.
    patience : int
        Epochs in a row without a better figure after which the rate is lowered; 0 does the same as 1.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; ``"auto"``: larger for accuracies.
    min_delta : float
        Changes of at most this size do not count.
    cooldown : int
        Epochs after lowering the rate in which none are counted.
    min_lr : float
        The peak of the schedule is not brought below this.

    Attributes
    ----------
    best : float
        Best value so far.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        *,
        mode: Mode = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        self.factor = check_number("factor", factor, "a number above 0 and below 1", above=0)
        if self.factor >= 1:
            raise ValueError(f"factor: found {factor!r}, expected a number above 0 and below 1")
        self.patience = check_integer("patience", patience, 0)
        self.cooldown = check_integer("cooldown", cooldown, 0)
        self.min_lr = check_number("min_lr", min_lr, "a finite number of 0 or more", least=0)
        self._watch = Monitor(monitor, mode, min_delta)
        self._waited = self._cooling = 0

    @property
    def best(self) -> float:
        """Best value so far."""
        return self._watch.best

    def on_train_begin(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Forget an earlier training."""
        self._watch.start(self.model.figures)
        self._waited = self._cooling = 0

    def get_state(self) -> Mapping[str, Any]:
        """Return settings, best figure and how long it has been; what the rate is multiplied by is the training's own."""
        return {**self._settings(), **self._watch.get_state(), "waited": self._waited, "cooling": self._cooling}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take it over; ``ValueError`` where the settings were others."""
        self._watch.set_state(state)
        check_settings(state, self._settings())
        self._waited, self._cooling = int(state["waited"]), int(state["cooling"])

    def _settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("factor", "patience", "cooldown", "min_lr")}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        """Count the epochs since the best one."""
        if self._cooling > 0:
            self._cooling -= 1
            self._waited = 0
        if self._watch.improved(logs):
            self._waited = 0
        elif self._cooling == 0:
            self._waited += 1
            if self._waited >= self.patience:
                self._lower()

    def _lower(self) -> None:
        peak = self.model.settings.learning_rate
        rate = peak * self.model.learning_rate_factor
        if rate > self.min_lr:
            self.model.learning_rate_factor = max(rate * self.factor, self.min_lr) / peak
            self._cooling, self._waited = self.cooldown, 0
