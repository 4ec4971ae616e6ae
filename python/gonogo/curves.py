"""Receiver operating characteristic and precision-recall curves with their areas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gonogo.resampling import draws_of_parts, percentile_interval

_DRAWS = 500


@dataclass(frozen=True)
class Curve:
    """One class against all others, its samples being the positive ones.

    Attributes
    ----------
    false_positive_rate, recall, precision : float64 arrays (points,)
        At each threshold from above, one point for each different score; rates of nothing are NaN.
    roc_auc : float
        Area under the ROC curve by the trapezoidal rule; NaN where a class is missing.
    average_precision : float
        Sum over the points of the gain in recall times precision.
    roc_auc_interval, average_precision_interval : (float, float)
        Approximate 95 % limits, from a bootstrap of parts.
    """

    false_positive_rate: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    roc_auc: float
    average_precision: float
    roc_auc_interval: tuple[float, float]
    average_precision_interval: tuple[float, float]


def curve(scores: NDArray[np.float64], positive: NDArray[np.bool_], part_of: NDArray[np.intp], seed: int = 0) -> Curve:
    """Return the curve of a score, the higher the more probably positive.

    Parameters
    ----------
    scores : float64 array (n,)
    positive : bool array (n,)
    part_of : intp array (n,)
        The part of each sample, numbered from 0 without gaps.
    seed : int
        Of the bootstrap.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hit, part = scores[order], positive[order], part_of[order]
    ends = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])
    whole = _points(hit, np.ones(len(hit)), ends)
    draws = draws_of_parts(int(part.max()) + 1, seed, _DRAWS)
    drawn = np.array([_areas(*_points(hit, times[part].astype(np.float64), ends)) for times in draws])
    area, average = _areas(*whole)
    return Curve(*whole, area, average, percentile_interval(drawn[:, 0]), percentile_interval(drawn[:, 1]))


def _points(
    hit: NDArray[np.bool_], weights: NDArray[np.float64], ends: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    true, false = np.cumsum(weights * hit)[ends], np.cumsum(weights * ~hit)[ends]
    with np.errstate(invalid="ignore", divide="ignore"):
        return false / false[-1], true / true[-1], true / (true + false)


def _areas(
    false_positive_rate: NDArray[np.float64], recall: NDArray[np.float64], precision: NDArray[np.float64]
) -> tuple[float, float]:
    wide, before = np.diff(false_positive_rate, prepend=0.0), np.r_[0.0, recall[:-1]]
    gained = np.diff(recall, prepend=0.0)
    area = float((wide * (recall + before)).sum() / 2)
    average = float((gained * np.where(gained > 0, precision, 0.0)).sum())
    return area, average
