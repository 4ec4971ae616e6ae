"""Exact binomial intervals, without SciPy.

Clopper, Pearson: "The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26
(1934). The limits are quantiles of beta distributions; the regularised incomplete beta function is a continued fraction
(Lentz's method; NIST Digital Library of Mathematical Functions, 8.17.22).
"""

from __future__ import annotations

import math


def _continued_fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    result = d
    for m in range(1, 10_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + numerator * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + numerator / c
            c = c if abs(c) > tiny else tiny
            result *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return result


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b) for a, b > 0 and 0 <= x <= 1."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    log_front = _log_front(x, a, b)
    if x < (a + 1.0) / (a + b + 2.0):
        return math.exp(log_front) * _continued_fraction(a, b, x) / a
    return 1.0 - math.exp(log_front) * _continued_fraction(b, a, 1.0 - x) / b


def log_beta_cdf(x: float, a: float, b: float) -> float:
    """Return log I_x(a, b) for a, b > 0 and 0 < x < 1, also where I_x is below the smallest number above 0."""
    log_front = _log_front(x, a, b)
    if x < (a + 1.0) / (a + b + 2.0):
        return log_front + math.log(_continued_fraction(a, b, x) / a)
    return math.log1p(-math.exp(log_front) * _continued_fraction(b, a, 1.0 - x) / b)


def log_beta(a: float, b: float) -> float:
    """Return log Beta(a, b) for a, b > 0."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_front(x: float, a: float, b: float) -> float:
    return math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)


def beta_quantile(p: float, a: float, b: float) -> float:
    """Return the x with I_x(a, b) = p, by bisection down to the last bit."""
    low, high = 0.0, 1.0
    while True:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            return middle
        if beta_cdf(middle, a, b) < p:
            low = middle
        else:
            high = middle


def upper_bound(successes: float, n: float, confidence: float = 0.95) -> float:
    """Return the one-sided Clopper-Pearson upper bound of a share seen ``successes`` times in ``n``; 1 for n = 0."""
    _check(successes, n, confidence)
    return 1.0 if successes == n else beta_quantile(confidence, successes + 1, n - successes)


def lower_bound(successes: float, n: float, confidence: float = 0.95) -> float:
    """Return the one-sided Clopper-Pearson lower bound of a share seen ``successes`` times in ``n``; 0 for n = 0."""
    _check(successes, n, confidence)
    return 0.0 if successes == 0 else beta_quantile(1.0 - confidence, successes, n - successes + 1)


def binomial_cdf(k: int, n: int, p: float) -> float:
    """Return P(Binomial(n, p) <= k) for 0 <= p <= 1."""
    if k < 0 or k >= n:
        return float(k >= 0)
    return float((1.0 - p) ** n) if k == 0 else beta_cdf(1.0 - p, n - k, k + 1)


def allowed_successes(n: int, p: float, risk: float) -> int | None:
    """Return the largest k with P(Binomial(n, p) <= k) <= risk; None where not even 0 fulfils it.

    Seeing at most so many successes would be that unlikely if their share were ``p``.
    """
    low, high = -1, n  # the probability is at most the risk at low, and above it at high
    while high - low > 1:
        middle = (low + high) // 2
        if binomial_cdf(middle, n, p) <= risk:
            low = middle
        else:
            high = middle
    return None if low < 0 else low


def smallest_sample(p: float, risk: float) -> int:
    """Return the smallest n with P(Binomial(n, p) = 0) <= risk."""
    n = max(1, math.floor(math.log(risk) / math.log1p(-p)) - 1)
    while binomial_cdf(0, n, p) > risk:
        n += 1
    return n


def interval(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two-sided Clopper-Pearson interval of a share seen ``successes`` times in ``n``; (0, 1) for n = 0."""
    _check(successes, n, confidence)
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if successes == 0 else beta_quantile(tail, successes, n - successes + 1)
    high = 1.0 if successes == n else beta_quantile(1.0 - tail, successes + 1, n - successes)
    return low, high


def _check(successes: float, n: float, confidence: float) -> None:
    if not 0 <= successes <= n:
        raise ValueError(f"successes: found {successes} of {n}, expected 0 <= successes <= n")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence: found {confidence}, expected a number between 0 and 1")
