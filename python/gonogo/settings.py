"""The settings of a training, and what each optimizer and schedule can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gonogo.checks import check_integer, check_number

# Kind -> the settings that it uses.
_CLIPPING = ("clip_norm", "clip_value")
OPTIMIZERS = {
    "sgd": ("momentum", "nesterov", *_CLIPPING),
    "rmsprop": ("rho", "momentum", "epsilon", *_CLIPPING),
    "adam": ("beta_1", "beta_2", "epsilon", *_CLIPPING),
    "adamw": ("beta_1", "beta_2", "epsilon", "weight_decay", *_CLIPPING),
}
_MOST = 2**31 - 1  # of epochs, steps and samples: their products, which the core counts, stay below 2**63
SCHEDULES = {
    "constant": ("warmup_steps",),
    "step": ("warmup_steps", "gamma", "step_size"),
    "cosine": ("warmup_steps", "final_fraction"),
    "one_cycle": ("start_fraction", "rise_fraction", "final_fraction"),
}


@dataclass
class Settings:
    """How to train. ``seed`` keys shuffling, augmentation and dropout."""

    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: Mapping[str, Any]
    schedule: Mapping[str, Any]
    seed: int
    augment: Mapping[str, Any] | None = None
    steps_per_epoch: int | None = None
    threads: int = 0

    def check(self) -> None:
        """Raise ``ValueError`` naming the first setting that is out of range."""
        check_integer("epochs", self.epochs, 1, _MOST)
        check_integer("batch_size", self.batch_size, 1, _MOST)
        if self.steps_per_epoch is not None:
            check_integer("steps_per_epoch", self.steps_per_epoch, 1, _MOST)
        kind_and_settings("optimizer", self.optimizer, OPTIMIZERS)
        kind_and_settings("schedule", self.schedule, SCHEDULES)
        expected = "a number above 0 and below 1e30, such as 0.001"
        if check_number("learning_rate", self.learning_rate, expected, above=0) >= 1e30:
            raise ValueError(f"learning_rate: found {self.learning_rate!r}, expected {expected}")

    def steps(self, samples: int) -> int:
        """Return the steps of an epoch over so many samples."""
        return int(self.steps_per_epoch or -(-samples // self.batch_size))

    def full_schedule(self, samples: int) -> dict[str, Any]:
        """Return the schedule as the core takes it, over all steps of the training."""
        total = self.steps(samples) * int(self.epochs)
        return {**self.schedule, "learning_rate": float(self.learning_rate), "total_steps": total}


def kind_and_settings(parameter: str, given: Any, known: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Return a kind, or a mapping with ``kind`` and its settings, as a mapping.

    Raises
    ------
    ValueError
        There is no such kind, it would not look at one of the settings, or that is a parameter of its own.
    """
    mapping = {"kind": given} if isinstance(given, str) else given
    kind = mapping.get("kind") if isinstance(mapping, Mapping) else mapping
    if not isinstance(mapping, Mapping) or not isinstance(kind, str) or kind not in known:
        raise ValueError(f"{parameter}: found {kind!r}, expected one of {', '.join(known)}, or a dict with that 'kind'")
    if own := [key for key in ("learning_rate", "total_steps") if key in mapping]:
        raise ValueError(f"{parameter}: found the key {own[0]!r}; it comes from learning_rate, epochs and batch_size")
    if unused := [name for name in mapping if name != "kind" and name not in known[kind]]:
        raise ValueError(
            f"{parameter}: unknown key {unused[0]!r}: {kind!r} does not use it; its settings are {', '.join(known[kind])}"
        )
    return dict(mapping)
