"""Probabilities that mean something: one temperature for the scores of a net, and the mix of classes they are for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo.checks import check_integer, check_number, is_number
from gonogo.stored_fields import read_fields

_SUM_TOLERANCE = 1e-9
_SHARES = ("shares", "training_shares", "class_weight")


@dataclass(frozen=True)
class Temperature:
    """Probabilities are softmax(z / t + log(share in use / (class weight * share in training))).

    A net trained with class weights, or on another mix of classes than the one in use, gives probabilities for that weighted
    mix; the second term corrects them (Saerens, Latinne, Decaestecker: "Adjusting the outputs of a classifier to new a
    priori probabilities", Neural Computation 14, 2002). t corrects how sure it is (Guo et al.: "On Calibration of Modern
    Neural Networks", ICML 2017). Decisions
    never see either: classes and gates go by the plain scores z.

    Attributes
    ----------
    t : float
        Scores are divided by it.
    shares : dict of str -> float
        Mix of classes that the probabilities are for, in the order of the classes.
    training_shares : dict of str -> float
        Mix of the training pictures.
    class_weight : dict of str -> float
        Weights of the classes in the loss.
    pictures, parts : int
        Validation pictures that t was fitted on, and the parts that they show.
    loss_before, loss : float
        Mean negative logarithm of the probability of the truth on them, with t = 1 and with this t.
    bounded : bool
        Whether validation could not determine t, because no picture speaks against a smaller one; t is then the one for
        which the mean probability of the truth is (parts + 1) / (parts + 2), the rule of succession.
    """

    t: float
    shares: Mapping[str, float]
    training_shares: Mapping[str, float]
    class_weight: Mapping[str, float]
    pictures: int
    parts: int
    loss_before: float
    loss: float
    bounded: bool

    @property
    def offsets(self) -> NDArray[np.float64]:
        """What is added to the scores of each class, float64 (classes,)."""
        return prior_offsets(self.shares, self.training_shares, self.class_weight)

    def correct(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores whose softmax the probabilities are, float32 (n, outputs), outputs as those of the net."""
        added = self.offsets
        if logits.shape[1] == 1:  # the one score of two classes is that of the second against the first
            added = added[1:] - added[:1]
        return np.asarray(logits.astype(np.float64) / self.t + added, np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Any, classes: Sequence[str]) -> Temperature:
        """Return a stored temperature of a model with these classes.

        Raises
        ------
        ValueError
            Naming the field that is missing, unknown or no possible value.
        """
        values = read_fields(stored, cls)
        for name in _SHARES:
            check_by_class(name, values[name], classes)
        check_number("t", values["t"], "a number above 0", above=0)
        for name in ("pictures", "parts"):
            check_integer(name, values[name], 1)
        ordered = {name: {key: float(values[name][key]) for key in classes} for name in _SHARES}
        return cls(**{**values, **ordered})

    def __str__(self) -> str:
        mix = ", ".join(f"{name} {share:.4g}" for name, share in self.shares.items())
        counted = f"{self.pictures:,} pictures" + (f" of {self.parts:,} parts" if self.parts < self.pictures else "")
        limit = ", as small as they allow: none was mistaken" if self.bounded else ""
        return f"{self.t:.4g}, from {counted}{limit}; probabilities are for the mix {mix}"


def check_by_class(what: str, given: Any, classes: Sequence[str]) -> None:
    """Raise ``ValueError`` unless a mapping gives each class a number above 0, and shares a sum of 1."""
    if not isinstance(given, Mapping) or set(given) != set(classes):
        raise ValueError(f"{what}: found {given!r}, expected a number for each of the classes {', '.join(classes)}")
    for name, value in given.items():
        if not is_number(value) or not 0 < value < math.inf:
            raise ValueError(f"{what}: found {value!r} for {name!r}, expected a number above 0")
    if what.endswith("shares") and abs((total := math.fsum(given.values())) - 1) > _SUM_TOLERANCE:
        raise ValueError(f"{what}: found a sum of {total:.10g}, expected 1")


def prior_offsets(
    shares: Mapping[str, float], training_shares: Mapping[str, float], class_weight: Mapping[str, float]
) -> NDArray[np.float64]:
    """Return log(share in use / (class weight * share in training)) of each class, float64 (classes,)."""
    return np.array([math.log(shares[k] / (class_weight[k] * training_shares[k])) for k in training_shares])
