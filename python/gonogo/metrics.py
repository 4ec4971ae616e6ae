"""Figures of an evaluation: confusion matrix, rates and their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import binomial


@dataclass(frozen=True)
class Rate:
    """A share with its exact 95 % interval.

    Attributes
    ----------
    count, of : int
        How often, and out of how many.
    value : float
        The share; NaN where ``of`` is 0.
    interval : (float, float)
        Two-sided Clopper-Pearson limits; (0, 1) where ``of`` is 0. They hold for independent pictures: where several
        pictures show one part they are too narrow.
    upper95 : float
        One-sided 95 % upper limit.
    """

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share."""
        return self.count / self.of if self.of else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Two-sided 95 % interval."""
        return binomial.interval(self.count, self.of)

    @property
    def upper95(self) -> float:
        """One-sided 95 % upper bound."""
        return binomial.upper_bound(self.count, self.of)

    def __str__(self) -> str:
        if self.of == 0:
            return "undefined (0 of 0)"
        low, high = self.interval
        return f"{self.value:.4f} ({self.count} of {self.of}; 95 % interval {low:.4f} to {high:.4f})"


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
        """Pictures of the class."""
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


def class_figures(confusion: NDArray[np.int64], names: Sequence[str]) -> list[ClassFigures]:
    """Return the figures of each class from a confusion matrix."""
    figures = []
    for k, name in enumerate(names):
        hit, true, said = (int(v) for v in (confusion[k, k], confusion[k].sum(), confusion[:, k].sum()))
        figures.append(ClassFigures(name, Rate(hit, said), Rate(hit, true), Rate(hit, true + said - hit)))
    return figures


def escape_rate(confusion: NDArray[np.int64], passing: int) -> Rate:
    """Return the share of bad pictures that were called PASS: P(PASS | bad)."""
    bad = int(confusion.sum() - confusion[passing].sum())
    return Rate(int(confusion[:, passing].sum() - confusion[passing, passing]), bad)


def overkill_rate(confusion: NDArray[np.int64], passing: int) -> Rate:
    """Return the share of good pictures that were not called PASS: P(not PASS | good)."""
    good = int(confusion[passing].sum())
    return Rate(good - int(confusion[passing, passing]), good)
