"""How probably a trial ends in which way, for each true escape rate: exact, by recursion over the counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gonogo.checks import check_integer, check_number
from gonogo.gallery import INK
from gonogo.pilot.e_process import Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLES = (("certified", "#0b5cad", "-"), ("failed", "#c62828", "--"), ("not shown", "#777777", ":"))


@dataclass(frozen=True)
class OperatingCharacteristic:
    """Probabilities of the three ends of a trial that is looked at after every bad part.

    Attributes
    ----------
    trial : Trial
        The promise.
    bad_parts : int
        Planned end.
    true_escape : float64 array (rates,)
    certified, failed, not_shown : float64 arrays (rates,)
        They add up to 1.
    certified_by : float64 array (bad_parts + 1, rates)
        Probability of being certified after so many bad parts.
    """

    trial: Trial
    bad_parts: int
    true_escape: NDArray[np.float64]
    failed: NDArray[np.float64]
    certified_by: NDArray[np.float64]

    @property
    def certified(self) -> NDArray[np.float64]:
        """Probability of being certified by the planned end."""
        return np.asarray(self.certified_by[-1])

    @property
    def not_shown(self) -> NDArray[np.float64]:
        """Probability that the planned end comes without an answer."""
        return np.maximum(1.0 - self.certified - self.failed, 0.0)

    def needed(self, probability: float) -> list[int | None]:
        """Return after how many bad parts each rate is certified with this probability; None: later than the end."""
        reached = self.certified_by >= probability
        return [int(column.argmax()) if column[-1] else None for column in reached.T]


def operating_characteristic(trial: Trial, true_escape: Sequence[float], bad_parts: int) -> OperatingCharacteristic:
    """Return how probably the trial ends in which way.

    Parameters
    ----------
    trial : Trial
        The promise.
    true_escape : sequence of float
        True escape rates, from 0 to 1.
    bad_parts : int
        Planned end, at least 1.

    Raises
    ------
    ValueError
        A rate or number outside its range.
    """
    last = check_integer("bad_parts", bad_parts, 1)
    for rate in true_escape:
        if check_number("true_escape", rate, "a share from 0 to 1", least=0.0) > 1.0:
            raise ValueError(f"true_escape: found {rate}, expected a share from 0 to 1")
    p = np.asarray(true_escape, np.float64)[:, None]
    certifying, failing = _boundaries(trial, last)
    # open_[r, k]: probability that rate r has led to k escapes and to no decision yet.
    open_ = np.zeros((len(p), int(failing.max()) + 2))
    open_[:, 0] = 1.0
    certified_by, failed = np.zeros((last + 1, len(p))), np.zeros(len(p))
    for n in range(1, last + 1):
        least, most = certifying[n], failing[n]
        alive = open_[
            :, certifying[n - 1] : failing[n - 1] + 1
        ]  # all that the last look left open, and one column more
        escaped = alive[:, :-1] * p
        alive *= 1.0 - p
        alive[:, 1:] += escaped
        certified_by[n] = certified_by[n - 1] + alive[:, : least - certifying[n - 1]].sum(axis=1)
        failed += open_[:, most : failing[n - 1] + 1].sum(axis=1)
        open_[:, :least] = 0.0
        open_[:, most : failing[n - 1] + 1] = 0.0
    return OperatingCharacteristic(trial, last, p[:, 0], failed, certified_by)


def _boundaries(trial: Trial, last: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return, for n = 0 ... last, how many numbers of escapes (0, 1, ...) certify, and the least number that fails.

    Both only grow with n. Where no number of escapes fails, n + 1 stands for it.
    """
    certifying = np.zeros(last + 1, np.intp)
    escapes = 0
    while (start := trial.certified_at(escapes)) <= last:
        certifying[start:] = escapes = escapes + 1
    failing = np.arange(1, last + 2, dtype=np.intp)
    n, escapes = 1, 1  # no escape is never a failure
    while n <= last:
        until = min(trial.failed_until(escapes), last)
        # So many escapes fail for n = escapes ... until; fewer escapes have been dealt with for the smaller n.
        first = max(n, escapes)
        if until >= first:
            failing[first : until + 1] = escapes
            n = until + 1
        elif escapes > last:
            break
        escapes += 1
    return certifying, failing


def plot_operating_characteristic(result: OperatingCharacteristic, ax: Axes | None = None) -> Axes:
    """Draw the probabilities of the three ends against the true escape rate; needs matplotlib.

    Parameters
    ----------
    result : OperatingCharacteristic
        Its rates become the points of the lines, in ascending order.
    ax : matplotlib Axes, optional
        Where to draw; a new figure when None.

    Returns
    -------
    matplotlib Axes
        Lines told apart by colour and by dashes; the rate on trial is marked.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")[1]
    order = np.argsort(result.true_escape)
    for (name, color, dashes), values in zip(_STYLES, (result.certified, result.failed, result.not_shown), strict=True):
        ax.plot(100 * result.true_escape[order], values[order], dashes, color=color, linewidth=2, label=name)
    limit = 100 * result.trial.max_escape
    ax.axvline(limit, color=INK, linewidth=0.8)
    ax.annotate(
        f"{limit:g} %", (limit, 1.0), (3, 3), textcoords="offset points", annotation_clip=False, fontsize=9, color=INK
    )
    ax.set_ylim(0, 1)
    ax.set_xlim(left=0)
    ax.set_xlabel("true escape rate, % of bad parts", color=INK)
    ax.set_ylabel(f"probability after {result.bad_parts:,} bad parts", color=INK)
    ax.tick_params(colors=INK)
    ax.grid(color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=10, loc="center right")
    return ax
