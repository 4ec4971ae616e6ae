"""Figures of an evaluation: confusion matrix, rates and their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import binomial
from gonogo.resampling import design_effect


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval.

    Attributes
    ----------
    count, of : int
        How often, and out of how many.
    design_effect : float or None
        None where the samples are independent: then the limits are exact. Where several samples show one part, by what the
        variance exceeds that of independent ones, at least 1: counts are divided by it, and the limits are approximate (Korn,
        Graubard: "Confidence intervals for proportions with small expected number of positive counts estimated from survey
        data", Survey Methodology 24, 1998).
    value : float
        The share; NaN where ``of`` is 0.
    interval : (float, float)
        Two-sided Clopper-Pearson limits; (0, 1) where ``of`` is 0.
    upper95 : float
        One-sided 95 % upper limit.
    """

    count: int
    of: int
    design_effect: float | None = None

    @property
    def value(self) -> float:
        """The share."""
        return self.count / self.of if self.of else float("nan")

    @property
    def approximate(self) -> bool:
        """Whether the limits rest on a design effect."""
        return self.design_effect is not None

    @property
    def _effective(self) -> tuple[float, float]:
        effect = self.design_effect or 1.0
        return self.count / effect, self.of / effect

    @property
    def interval(self) -> tuple[float, float]:
        """Two-sided 95 % interval."""
        return binomial.interval(*self._effective)

    @property
    def upper95(self) -> float:
        """One-sided 95 % upper bound."""
        return binomial.upper_bound(*self._effective)

    def __str__(self) -> str:
        return self.describe()

    def describe(self, unit: str = "") -> str:
        """Return the share, the counts with their unit (``parts``), and the interval."""
        counts = f"{self.count} of {self.of}{unit and ' '}{unit}"
        if self.of == 0:
            return f"undefined ({counts})"
        low, high = self.interval
        kind, effect = "", ""
        if self.design_effect is not None:
            kind, effect = "approximate ", f", design effect {self.design_effect:.1f}"
        return f"{self.value:.4f} ({counts}; {kind}95 % interval {low:.4f} to {high:.4f}{effect})"


@dataclass(frozen=True)
class ClassFigures:
    """Precision, recall and F1 of one class.

    F1 has an exact interval through the Jaccard index: J = TP / (TP + FP + FN) is a binomial share and F1 = 2 J / (1 + J).
    """

    name: str
    precision: Rate
    recall: Rate
    jaccard: Rate

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 when nothing was right."""
        return 2 * self.jaccard.count / (self.jaccard.of + self.jaccard.count) if self.jaccard.of else float("nan")

    @property
    def f1_interval(self) -> tuple[float, float]:
        """Two-sided 95 % interval."""
        low, high = self.jaccard.interval
        return 2 * low / (1 + low), 2 * high / (1 + high)

    @property
    def support(self) -> int:
        """Samples of the class."""
        return self.recall.of

    def to_dict(self) -> dict[str, Any]:
        """Return the figures with their intervals; a share of nothing is None."""
        return {
            "precision": defined(self.precision.value),
            "recall": defined(self.recall.value),
            "f1": defined(self.f1),
            "support": self.support,
            "precision_interval": list(self.precision.interval),
            "recall_interval": list(self.recall.interval),
            "f1_interval": list(self.f1_interval),
        }


def defined(value: float) -> float | None:
    """Return None for NaN, which JSON does not know."""
    return None if math.isnan(value) else value


def confusion_matrix(truth: NDArray[np.intp], predicted: NDArray[np.intp], classes: int) -> NDArray[np.int64]:
    """Return counts, shape (classes, classes): rows are the truth, columns the prediction."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def class_figures(
    truth: NDArray[np.intp], predicted: NDArray[np.intp], names: Sequence[str], part_of: NDArray[np.intp] | None = None
) -> list[ClassFigures]:
    """Return the figures of each class.

    Parameters
    ----------
    truth, predicted : intp arrays (n,)
        Positions in ``names``; -1 is a prediction of none of them.
    names : sequence of str
        The classes.
    part_of : intp array (n,), optional
        Part that each sample shows; None: the samples are independent.
    """

    def rate(hit: NDArray[np.bool_], counted: NDArray[np.bool_]) -> Rate:
        effect = None if part_of is None else design_effect(hit, counted, part_of)
        return Rate(int(hit.sum()), int(counted.sum()), effect)

    figures = []
    for k, name in enumerate(names):
        true, said = truth == k, predicted == k
        hit = true & said
        figures.append(ClassFigures(name, rate(hit, said), rate(hit, true), rate(hit, true | said)))
    return figures
