"""Whether probabilities mean what they say: reliability diagram and calibration error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import binomial
from gonogo.resampling import draws_of_parts, uniform_draws

BINS = 10
_PARTS_PER_BIN = 10  # at least; with fewer parts there are fewer bins
_DRAWS = 500
ESTIMATOR = (
    f"expected calibration error over at most {BINS} bins of equal mass, plug-in: too large by what chance adds; limits are of "
    f"a basic bootstrap of parts, {_DRAWS} draws, approximate, the lower one 0 unless chance alone would give less in 97.5 %"
)


@dataclass(frozen=True)
class Reliability:
    """Probabilities told, beside how often they came true.

    Attributes
    ----------
    told, found : float64 arrays (bins,)
        Mean probability in each bin, and share of the pictures of which it came true. Bins have equal mass, except that
        pictures with one probability stay together.
    found_interval : float64 array (bins, 2)
        Approximate 95 % limits of ``found``: Clopper-Pearson of as many independent pictures as the parts are worth.
    mass : float64 array (bins,)
        Share of all pictures.
    error : float
        Expected calibration error, sum of mass * |told - found|: plug-in, so biased upwards, the more the fewer parts.
    error_by_chance : float
        What the error of perfect probabilities would stay below in 97.5 % of such samples: the reach of that bias.
    error_interval : (float, float)
        Approximate 95 % limits from a basic bootstrap of parts, which takes the bias off; the lower one is 0 where the error
        is within the reach of chance.
    """

    told: NDArray[np.float64]
    found: NDArray[np.float64]
    found_interval: NDArray[np.float64]
    mass: NDArray[np.float64]
    error: float
    error_by_chance: float
    error_interval: tuple[float, float]

    def __str__(self) -> str:
        low, high = self.error_interval
        return (
            f"{self.error:.4f} (approximate 95 % interval {low:.4f} to {high:.4f}, bootstrap of parts; chance alone gives up to "
            f"{self.error_by_chance:.4f})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "error": self.error,
            "error_by_chance": self.error_by_chance,
            "error_interval": list(self.error_interval),
            "bins": [
                {"told": told, "found": found, "found_interval": limits, "mass": mass}
                for told, found, limits, mass in zip(
                    self.told.tolist(),
                    self.found.tolist(),
                    self.found_interval.tolist(),
                    self.mass.tolist(),
                    strict=True,
                )
            ],
        }


def reliability(
    told: NDArray[np.float64],
    came_true: NDArray[np.bool_],
    part_of: NDArray[np.intp],
    weights: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> Reliability:
    """Compare probabilities with what came true.

    Equal mass instead of equal width, because most probabilities of a good model lie near 0 and 1 (Nixon et al.: "Measuring
    Calibration in Deep Learning", CVPR workshops 2019). What chance adds is found by drawing what comes true from the
    probabilities themselves (Bröcker, Smith: "Increasing the Reliability of Reliability Diagrams", Weather and Forecasting
    22, 2007), all pictures of a part by one draw: as if they hung together completely.

    Parameters
    ----------
    told : float64 array (n,)
        Probabilities.
    came_true : bool array (n,)
    part_of : intp array (n,)
        The part of each picture, numbered from 0 without gaps.
    weights : float64 array (n,), optional
        Of the pictures, where they stand for another mix of classes; None: equal.
    seed : int
        Of the bootstrap.
    """
    weight = np.ones(len(told)) if weights is None else weights
    parts = int(part_of.max()) + 1
    bin_of = _equal_mass(told, weight, min(BINS, max(1, parts // _PARTS_PER_BIN)))
    bins = int(bin_of.max()) + 1
    # Sums of each part in each bin: weight, weight * told, weight * came true.
    cell = part_of * bins + bin_of
    sums = [np.bincount(cell, values, parts * bins) for values in (weight, weight * told, weight * came_true)]
    table = np.stack(sums).reshape(3, parts, bins).transpose(1, 0, 2)
    mass, expected, hits = table.sum(axis=0)
    error = float(np.abs(expected - hits).sum() / mass.sum())
    flat = table.reshape(parts, 3 * bins)
    drawn = np.stack([times @ flat for times in draws_of_parts(parts, seed, _DRAWS)]).reshape(-1, 3, bins)
    errors = np.abs(drawn[:, 1] - drawn[:, 2]).sum(axis=1) / drawn[:, 0].sum(axis=1)
    low, high = np.quantile(errors, [0.025, 0.975], method="inverted_cdf")
    by_chance = np.quantile(_errors_by_chance(told, weight, part_of, bin_of, seed), 0.975, method="inverted_cdf")
    # Worth of the parts in a bin: as many independent ones of equal weight as have the same spread (Kish 1965).
    worth = mass**2 / (table[:, 0] ** 2).sum(axis=0)
    limits = [binomial.interval(float(h / m * n), float(n)) for h, m, n in zip(hits, mass, worth, strict=True)]
    return Reliability(
        told=expected / mass,
        found=hits / mass,
        found_interval=np.array(limits),
        mass=mass / mass.sum(),
        error=error,
        error_by_chance=float(by_chance),
        error_interval=(
            0.0 if error <= by_chance else max(0.0, float(2 * error - high)),
            min(1.0, max(0.0, float(2 * error - low))),
        ),
    )


def _errors_by_chance(
    told: NDArray[np.float64],
    weight: NDArray[np.float64],
    part_of: NDArray[np.intp],
    bin_of: NDArray[np.intp],
    seed: int,
) -> NDArray[np.float64]:
    """Errors of samples in which what comes true is drawn from the probabilities, float64 (draws,)."""
    bins = int(bin_of.max()) + 1
    expected = np.bincount(bin_of, weights=weight * told, minlength=bins)
    errors = [
        np.abs(np.bincount(bin_of, weights=weight * (lots[part_of] < told), minlength=bins) - expected).sum()
        for lots in uniform_draws(int(part_of.max()) + 1, seed, _DRAWS)
    ]
    return np.asarray(np.array(errors) / weight.sum())


def mix_weights(
    truth: NDArray[np.intp], classes: Sequence[str], shares: Mapping[str, float] | None
) -> NDArray[np.float64] | None:
    """Return weights with which pictures stand for a mix of classes, float64 (n,); None where none is stated."""
    if shares is None:
        return None
    counts = np.bincount(truth, minlength=len(classes))
    wanted = np.array([shares[name] for name in classes])
    return np.asarray((wanted * len(truth) / np.maximum(counts, 1))[truth])


def _equal_mass(values: NDArray[np.float64], weight: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    """Return the bin of each value, numbered from 0 without gaps; equal values share one."""
    order = np.argsort(values, kind="stable")
    before = np.cumsum(weight[order]) - weight[order]
    place = np.minimum((before / weight.sum() * bins).astype(np.intp), bins - 1)
    # Equal values go where the first of them goes.
    starts = np.flatnonzero(np.r_[True, np.diff(values[order]) > 0])
    place = np.repeat(place[starts], np.diff(np.r_[starts, len(values)]))
    rank = np.cumsum(np.r_[False, np.diff(place) > 0])
    bin_of = np.empty(len(values), np.intp)
    bin_of[order] = rank
    return bin_of
