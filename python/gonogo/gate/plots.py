"""What a gate draws of its calibration: bound against threshold, and cost against the share of parts that people look at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gonogo import binomial
from gonogo.certificate import Certificate
from gonogo.gallery import INK
from gonogo.gate.evidence import Evidence
from gonogo.review_zone import ReviewZone

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _RED, _GREY = "#0b5cad", "#c62828", "#777777"
_POINTS = 400  # of a curve, at most


def escape_bounds(
    bad: NDArray[np.float64], confidence: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return thresholds and, for each, the observed escape rate, its pointwise bound and a simultaneous one.

    The pointwise bound is that of Clopper and Pearson: true with the stated confidence at one threshold that was chosen before
    a look at the parts. The simultaneous one is true at all thresholds at once: Dvoretzky, Kiefer and Wolfowitz with the
    constant of Massart ("The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality", Annals of Probability 18, 1990).

    Parameters
    ----------
    bad : float64 array (n,)
        Scores of bad parts.
    confidence : float
        At least 0.5.
    """
    ranked = np.sort(bad)[::-1]
    chosen = np.concatenate([np.arange(min(len(ranked), _POINTS // 2)), np.linspace(0, len(ranked) - 1, _POINTS // 2)])
    thresholds = np.array(sorted(set(ranked[chosen.astype(np.intp)].tolist()), reverse=True))
    above = np.searchsorted(-ranked, -thresholds, side="left")
    observed = above / len(ranked)
    pointwise = np.array([binomial.upper_bound(k, len(ranked), confidence) for k in above.tolist()])
    return thresholds, observed, pointwise, np.minimum(observed + simultaneous_margin(len(ranked), confidence), 1.0)


def simultaneous_margin(n: int, confidence: float) -> float:
    """Return what is added to the observed rates of ``n`` parts to bound the true ones at all thresholds at once."""
    return math.sqrt(math.log(1.0 / (1.0 - max(confidence, 0.5))) / (2 * n))


def plot_bound(evidence: Evidence, made: Certificate, ax: Axes | None = None) -> Axes:
    """See ``PassGate.plot_bound``."""
    ax = _axes(ax)
    bounds = escape_bounds(evidence.bad, made.confidence)
    drawn = bounds[0] > -np.finfo(np.float64).max  # the score of pictures that never pass
    thresholds, observed, pointwise, simultaneous = (values[drawn | ~drawn.any()] for values in bounds)
    sure = f"{100 * made.confidence:g} %"
    for values, dashes, color, label in (
        (simultaneous, ":", _GREY, f"{sure} bound, simultaneous (all thresholds at once)"),
        (pointwise, "-", _BLUE, f"{sure} bound, pointwise (one threshold, chosen beforehand)"),
        (observed, "--", _RED, "observed"),
    ):
        ax.step(thresholds, 100 * values, dashes, color=color, linewidth=1.8, where="post", label=label)
    ax.axvline(made.threshold, color=INK, linewidth=0.9)
    ax.annotate("certified T", (made.threshold, 0.0), (3, 4), **_NOTE)
    ax.axhline(100 * made.max_escape, color=INK, linewidth=0.9, dashes=(2, 2))
    promised = (1.0, 100 * made.max_escape)
    ax.annotate("promised", promised, (-3, 3), **{**_NOTE, "xycoords": ("axes fraction", "data")}, ha="right")
    top = min(1.0, max(4 * made.max_escape, 1.5 * float(simultaneous.min())))
    shown = thresholds[pointwise <= top]
    if len(shown) > 1 and shown[-1] < shown[0]:
        room = 0.08 * (shown[0] - shown[-1])
        ax.set_xlim(shown[-1], max(shown[0], made.threshold) + room)
    ax.set_ylim(0, 100 * top)
    ax.set_xlabel("threshold of the score", color=INK)
    ax.set_ylabel("escape rate, % of bad parts", color=INK)
    return _finished(ax)


def cost_curve(
    evidence: Evidence, zone: ReviewZone
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return shares of parts that people look at, the expected cost of a part at each, and its limits.

    Returns
    -------
    workload, cost : float64 arrays (points,)
        For lower thresholds from the upper one down to the lowest score of a good part; the cost in units of a good part that
        is rejected.
    limits : float64 array (points, 2)
        Pointwise: of the share of good parts that are rejected, by Clopper and Pearson; escapes as they were seen.
    """
    bad, good = np.sort(evidence.bad), np.sort(evidence.good)
    lowers = np.unique(np.append(good[good < zone.upper], zone.upper))[::-1]
    lowers = lowers[np.linspace(0, len(lowers) - 1, min(len(lowers), _POINTS)).astype(np.intp)]

    def rejected(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.searchsorted(scores, lowers, side="right").astype(np.float64)

    bad_reviewed = (len(bad) - zone.bad_passed - rejected(bad)) / len(bad)
    good_reviewed = (len(good) - zone.good_passed - rejected(good)) / len(good)
    workload = zone.bad_share * bad_reviewed + (1.0 - zone.bad_share) * good_reviewed
    escapes = zone.bad_share * zone.cost_ratio * zone.bad_passed / zone.bad_parts
    counts = rejected(good)
    limits = np.array([binomial.interval(count, len(good), zone.confidence) for count in counts.tolist()])
    return workload, escapes + (1.0 - zone.bad_share) * counts / len(good), escapes + (1.0 - zone.bad_share) * limits


def plot_cost(evidence: Evidence, zone: ReviewZone, ax: Axes | None = None) -> Axes:
    """See ``PassGate.plot_cost``."""
    ax = _axes(ax)
    workload, cost, limits = cost_curve(evidence, zone)
    ax.fill_between(
        100 * workload,
        1000 * limits[:, 0],
        1000 * limits[:, 1],
        color=_BLUE,
        alpha=0.15,
        linewidth=0,
        label=f"{100 * zone.confidence:g} % interval, pointwise",
    )
    ax.plot(100 * workload, 1000 * cost, color=_BLUE, linewidth=1.8, label="expected on the calibration parts")
    ax.plot([100 * zone.workload], [1000 * zone.cost], "o", color=_RED, label="chosen")
    ax.axvline(100 * zone.review_capacity, color=INK, linewidth=0.9, dashes=(2, 2))
    ax.annotate("capacity", (100 * zone.review_capacity, 1.0), (3, -10), **_NOTE)
    ax.set_xlim(0, min(100.0, 100 * max(2.5 * zone.review_capacity, 1.2 * zone.workload)))
    ax.set_ylim(bottom=0)
    ax.set_xlabel("parts that people look at, %", color=INK)
    ax.set_ylabel("cost of 1,000 parts (1: a good part rejected)", color=INK)
    return _finished(ax)


_NOTE: dict[str, Any] = {
    "xycoords": ("data", "axes fraction"),
    "textcoords": "offset points",
    "fontsize": 9,
    "color": INK,
    "annotation_clip": False,
}


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    created: Axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")[1]
    return created


def _finished(ax: Axes) -> Axes:
    ax.tick_params(colors=INK)
    ax.grid(color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(framealpha=0.9, edgecolor="none", fontsize=9)
    return ax
