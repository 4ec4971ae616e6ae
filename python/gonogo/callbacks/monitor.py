"""Watching one figure of a training: what is better, and what was best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from gonogo.checks import check_number

Mode = Literal["auto", "min", "max"]


class Monitor:
    """Watches one figure and says whether it has become better."""

    def __init__(self, monitor: str, mode: Mode, min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode: found {mode!r}, expected 'auto', 'min' or 'max'")
        if not isinstance(monitor, str):
            raise ValueError(f"monitor: found {monitor!r}, expected the name of a figure, such as 'val_loss'")
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

    def get_state(self) -> dict[str, Any]:
        """Return the figure, its direction, what does not count and the best value so far."""
        return {"monitor": self.monitor, "maximise": self.maximise, "min_delta": self.min_delta, "best": self.best}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take over the best value so far; ``ValueError`` where it is of another figure."""
        if (state["monitor"], state["maximise"]) != (self.monitor, self.maximise):
            direction = "larger" if state["maximise"] else "smaller"
            raise ValueError(f"monitor: found {state['monitor']!r} ({direction} is better), here {self.monitor!r}")
        check_settings(state, {"min_delta": self.min_delta})
        self.best = float(state["best"])


def check_settings(state: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` for the first setting that a state holds another value of."""
    for name, value in here.items():
        if state[name] != value:
            raise ValueError(f"{name}: found {value!r}, but the training that was stopped has {state[name]!r}")
