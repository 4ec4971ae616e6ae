"""Uncertainty where samples hang together: several pictures of one part are not several witnesses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000


def design_effect(hit: NDArray[np.bool_], counted: NDArray[np.bool_], part_of: NDArray[np.intp]) -> float | None:
    """Return by what the variance of a share exceeds that of independent samples, at least 1; None where they are.

    They are independent where no part shows several of them.

    The variance is that of a ratio estimator over parts (Cochran: "Sampling Techniques", chapter 9, 3rd edition, 1977).
    Where all samples agree it tells nothing: then each part counts once.

    Parameters
    ----------
    hit, counted : bool arrays (n,)
        Which samples are in the numerator, and which in the denominator.
    part_of : intp array (n,)
        The part of each sample.
    """
    size = np.bincount(part_of, weights=counted)
    held = size > 0
    size, hits = size[held], np.bincount(part_of, weights=hit & counted)[held]
    n, parts = float(size.sum()), len(size)
    if parts == 0 or parts == n:
        return None
    share = float(hits.sum()) / n
    if share in (0.0, 1.0) or parts == 1:
        return n / parts
    variance = parts / (parts - 1) * float(((hits - share * size) ** 2).sum()) / n**2
    return max(1.0, variance * n / (share * (1.0 - share)))


def draws_of_parts(parts: int, seed: int, draws: int = DRAWS) -> Iterator[NDArray[np.int64]]:
    """Yield how often each part is in a bootstrap sample of as many parts, int64 (parts,), ``draws`` times.

    The raw words of a counter-based generator are used, which no version of NumPy may change.
    """
    words = np.random.Philox(counter=0, key=np.array([seed, 0], np.uint64))
    for _ in range(draws):
        drawn = (words.random_raw(parts) >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)
        yield np.bincount(drawn.astype(np.intp), minlength=parts)


def uniform_draws(count: int, seed: int, draws: int) -> Iterator[NDArray[np.float64]]:
    """Yield numbers from 0 to below 1, float64 (count,), ``draws`` times; as reproducible as :func:`draws_of_parts`."""
    words = np.random.Philox(counter=0, key=np.array([seed, 1], np.uint64))
    for _ in range(draws):
        yield (words.random_raw(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def percentile_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 2.5 and 97.5 % points of bootstrap figures, leaving out those that are undefined; (0, 1) where all are."""
    defined = values[np.isfinite(values)]
    if len(defined) == 0:
        return 0.0, 1.0
    low, high = np.quantile(defined, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)
