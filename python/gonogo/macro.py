"""Macro figures: means over the classes, with intervals from a bootstrap of parts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo.resampling import DRAWS, draws_of_parts, percentile_interval

NAMES = ("precision", "recall", "f1")
METHOD = f"bootstrap of parts, {DRAWS:,} draws: approximate"


@dataclass(frozen=True)
class Macro:
    """A mean over classes with its approximate 95 % interval; classes of which it is undefined are left out."""

    value: float
    interval: tuple[float, float]

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.4f} (approximate 95 % interval {low:.4f} to {high:.4f}, bootstrap of parts)"

    def to_dict(self) -> dict[str, Any]:
        """Return value and interval as plain values; an undefined value is None."""
        return {"value": self.value if np.isfinite(self.value) else None, "interval": list(self.interval)}


def macro_figures(
    truth: NDArray[np.intp], predicted: NDArray[np.intp], classes: int, part_of: NDArray[np.intp], seed: int = 0
) -> dict[str, Macro]:
    """Return macro precision, recall and F1.

    Parameters
    ----------
    truth, predicted : intp arrays (n,)
        Positions of classes; -1 is a prediction of none.
    classes : int
        Their number.
    part_of : intp array (n,)
        The part of each sample.
    seed : int
        Of the bootstrap.
    """
    parts = int(part_of.max()) + 1
    hit = truth == predicted
    # Samples of each part by class: true, predicted and both, (parts, 3 * classes). All counts are whole: sums are exact.
    table = np.zeros((parts, 3 * classes), np.float64)
    said = predicted >= 0
    np.add.at(table, (part_of, truth), 1)
    np.add.at(table, (part_of[said], classes + predicted[said]), 1)
    np.add.at(table, (part_of[hit], 2 * classes + truth[hit]), 1)
    whole = _means(table.sum(axis=0)[None], classes)[0]
    drawn = _means(np.stack([weights @ table for weights in draws_of_parts(parts, seed)]), classes)
    return {name: Macro(float(whole[i]), percentile_interval(drawn[:, i])) for i, name in enumerate(NAMES)}


def _means(sums: NDArray[np.float64], classes: int) -> NDArray[np.float64]:
    """Mean precision, recall and F1 over classes, (draws, 3); NaN where no class has one."""
    true, said, both = sums.reshape(len(sums), 3, classes).transpose(1, 0, 2)
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing is NaN, as it should
        figures = (both / said, both / true, 2 * both / (true + said))
        return np.stack([np.nanmean(figure, axis=1) for figure in figures], axis=1)
