"""Evidence about the escape rate that stays valid however often one looks: mixture e-processes.

Each confirmed bad part is a Bernoulli trial: passed by the model (an escape) with probability p, or not. The evidence against
"p >= a" is the likelihood ratio of (0, a) to a, averaged over Beta(A, B) restricted to (0, a):

    M = [I_a(A + k, B + n - k) Beta(A + k, B + n - k)] / [I_a(A, B) Beta(A, B) a^k (1 - a)^(n - k)]

for k escapes in n bad parts. For each p >= a it is a nonnegative supermartingale that starts at 1, so that with probability
1 - d it never reaches 1/d (Ville's inequality). The evidence against "p <= a" averages over (a, 1) in the same way.

Ville: "Etude critique de la notion de collectif" (1939). Robbins: "Statistical methods related to the law of the iterated
logarithm", Annals of Mathematical Statistics 41 (1970). Ramdas, Grunwald, Vovk, Shafer: "Game-theoretic statistics and safe
anytime-valid inference", Statistical Science 38 (2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gonogo.binomial import log_beta, log_beta_cdf
from gonogo.checks import check_number

CERTIFIED, FAILED, NOT_SHOWN = "certified", "failed", "not shown yet"

# The mixture has its mean at 0.25 %, and half of its mass below 0.11 %: where models stand that are worth a trial.
_A, _B = 0.5, 200.0


@dataclass(frozen=True)
class Trial:
    """A promise on trial: the escape rate is below ``max_escape``, shown at ``confidence``.

    Parameters
    ----------
    max_escape : float
        The share a of bad parts that may be called PASS, between 0 and 1.
    confidence : float
        1 - d, between 0 and 1: a model whose escape rate is a or more is ever certified with probability d at most.

    Raises
    ------
    ValueError
        A number outside its range.
    """

    max_escape: float = 0.01
    confidence: float = 0.95

    def __post_init__(self) -> None:
        for name in ("max_escape", "confidence"):
            expected = "a number between 0 and 1"
            if check_number(name, getattr(self, name), expected, above=0.0) >= 1.0:
                raise ValueError(f"{name}: found {getattr(self, name)}, expected {expected}")

    def log_evidence_below(self, bad_parts: int, escapes: int) -> float:
        """Return log M, the evidence that the escape rate is below ``max_escape``."""
        a, k, rest = self.max_escape, escapes, bad_parts - escapes
        _check(bad_parts, escapes)
        return log_beta_cdf(a, _A + k, _B + rest) - log_beta_cdf(a, _A, _B) + self._log_ratio(k, rest)

    def log_evidence_above(self, bad_parts: int, escapes: int) -> float:
        """Return the logarithm of the mirrored evidence: that the escape rate is above ``max_escape``."""
        a, k, rest = self.max_escape, escapes, bad_parts - escapes
        _check(bad_parts, escapes)
        return log_beta_cdf(1.0 - a, _B + rest, _A + k) - log_beta_cdf(1.0 - a, _B, _A) + self._log_ratio(k, rest)

    def certified_at(self, escapes: int) -> int:
        """Return the smallest number of bad parts that certifies with so many escapes among them."""
        # With k fixed, one more part that the model refused multiplies M by a mean of (1 - p) / (1 - a) > 1.
        return _first(escapes, lambda n: self.log_evidence_below(n, escapes) >= self._log_limit)

    def failed_until(self, escapes: int) -> int:
        """Return the largest number of bad parts among which so many escapes show failure; 0 where no number does."""
        # Likewise the mirrored evidence only falls.
        if self.log_evidence_above(escapes, escapes) < self._log_limit:
            return 0
        return _first(escapes, lambda n: self.log_evidence_above(n, escapes) < self._log_limit) - 1

    def decide(self, bad_parts: int, escapes: int) -> str:
        """Return what these counts show: ``"certified"``, ``"failed"`` or ``"not shown yet"``."""
        if self.log_evidence_below(bad_parts, escapes) >= self._log_limit:
            return CERTIFIED
        return FAILED if self.log_evidence_above(bad_parts, escapes) >= self._log_limit else NOT_SHOWN

    @property
    def _log_limit(self) -> float:
        return -math.log(1.0 - self.confidence)

    def _log_ratio(self, escapes: int, rest: int) -> float:
        change = log_beta(_A + escapes, _B + rest) - log_beta(_A, _B)
        return change - escapes * math.log(self.max_escape) - rest * math.log1p(-self.max_escape)


def _check(bad_parts: int, escapes: int) -> None:
    if not 0 <= escapes <= bad_parts:
        raise ValueError(f"escapes: found {escapes} of {bad_parts} bad parts, expected 0 <= escapes <= bad_parts")


def _first(least: int, holds: Callable[[int], bool]) -> int:
    """Return the smallest n >= least for which ``holds``, which is so for all larger n too."""
    low, high = least - 1, max(least, 1)
    while not holds(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle
    return high
