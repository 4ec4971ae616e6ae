"""The exact rule: from the scores of bad calibration parts to a threshold and its bound.

With n independent bad parts, target a and risk d: k is the largest number with P(Binomial(n, a) <= k) <= d, and the
threshold T is the (k + 1)-th largest score; PASS needs a score strictly above it. Then P(true escape rate > a) <= d for any
model and any distribution of scores, ties included; docs/certificate.md derives it. It is the one-sided tolerance limit of
Wilks: "Determination of sample sizes for setting tolerance limits", Annals of Mathematical Statistics 12 (1941).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gonogo import binomial
from gonogo.certificate import Claim, claim_risk
from gonogo.checks import check_integer, check_number
from gonogo.errors import NotCertifiable

# 1 - max_escape is rounded to 1e-16: far below this the number of parts could not be told. It needs three million of them.
_ESCAPE_LEAST = 1e-6
_CANDIDATES_MOST = 10_000


@dataclass(frozen=True)
class Target:
    """What shall be promised.

    Attributes
    ----------
    max_escape : float
        P(PASS | bad part), at most; from 1e-6 to below 1.
    confidence : float
        Between 0 and 1.
    per_class, joint : bool
        Certify each fault class by itself; and all of them at once, which needs ``per_class``.
    candidates : int
        Models that may be tried on the same parts, at most 10,000.
    """

    max_escape: float
    confidence: float
    per_class: bool = False
    joint: bool = False
    candidates: int = 1

    def check(self) -> None:
        """Raise ``ValueError`` naming the first field that is out of range."""
        for name, value, example in (("max_escape", self.max_escape, 0.01), ("confidence", self.confidence, 0.95)):
            wanted = f"a number between 0 and 1, such as {example}"
            if check_number(name, value, wanted, above=0) >= 1:
                raise ValueError(f"{name}: found {value!r}, expected {wanted}")
        if self.max_escape < _ESCAPE_LEAST:
            raise ValueError(
                f"max_escape: found {self.max_escape!r}, expected at least {_ESCAPE_LEAST:g}, such as 0.01"
            )
        for name, flag in (("per_class", self.per_class), ("joint", self.joint)):
            if not isinstance(flag, (bool, np.bool_)):
                raise ValueError(f"{name}: found {flag!r}, expected True or False")
        if check_integer("candidates", self.candidates, 1) > _CANDIDATES_MOST:
            raise ValueError(f"candidates: found {self.candidates!r}, expected at most {_CANDIDATES_MOST:,}")

    def risk(self, classes: int) -> float:
        """Probability with which each claim may be wrong, given the number of fault classes."""
        return claim_risk(self.confidence, self.candidates, classes if self.joint else 1)


def certify(
    scores: NDArray[np.float64], faults: NDArray[np.intp], names: Sequence[str], target: Target
) -> tuple[Claim, ...]:
    """Return what the bad parts show, one claim for all fault classes or one for each.

    Parameters
    ----------
    scores : float64 array (n,)
        Score of each bad part; infinities are fine, NaN is not.
    faults : intp array (n,)
        Position of its class in ``names``.
    names : sequence of str
        The fault classes.
    target : Target
        What shall be promised.

    Raises
    ------
    NotCertifiable
        The parts are too few.
    """
    groups = [[i] for i in range(len(names))] if target.per_class else [list(range(len(names)))]
    risk = target.risk(len(names))
    counts = [int(np.isin(faults, group).sum()) for group in groups]
    allowed = [binomial.allowed_successes(n, target.max_escape, risk) for n in counts]
    if None in allowed:
        raise _refusal(counts, [", ".join(names[i] for i in group) for group in groups], target, risk)
    claims = []
    for group, n, k in zip(groups, counts, allowed, strict=True):
        ranked = np.sort(scores[np.isin(faults, group)])[::-1]
        bound = binomial.upper_bound(k or 0, n, 1.0 - risk)
        claims.append(Claim(tuple(names[i] for i in group), n, k or 0, float(ranked[k or 0]), bound))
    return tuple(claims)


def _refusal(counts: Sequence[int], names: Sequence[str], target: Target, risk: float) -> NotCertifiable:
    required = binomial.smallest_sample(target.max_escape, risk)
    lacking = {name: required - n for name, n in zip(names, counts, strict=True) if n < required}
    least = min(counts)
    certifiable = 1.0 - risk ** (1.0 / least) if least else 1.0
    of_class = f" of {names[counts.index(least)]}" if target.per_class else ""
    extra = "".join(f"; {name}: {missing:,} missing" for name, missing in lacking.items()) if len(lacking) > 1 else ""
    could = (
        f"with these alone no escape rate below {rounded_up(certifiable)} could be certified"
        if least
        else "no bad part, no certificate"
    )
    shared = "" if risk == 1.0 - target.confidence else f" (each claim at risk {risk:.3g})"
    return NotCertifiable(
        f"found {least:,} bad part{'s' * (least != 1)}{of_class}, but an escape rate of at most {float(target.max_escape)} at "
        f"confidence {float(target.confidence)}{shared} needs {required:,}: {required - least:,} are missing{extra}; {could}; "
        "collect more bad parts or ask for less",
        defects=least,
        required=required,
        certifiable_escape=certifiable,
        max_escape=target.max_escape,
        confidence=target.confidence,
        missing_by_class=lacking if target.per_class else None,
    )


def rounded_up(share: float) -> str:
    """Return a share in percent with two decimals, never less than it is."""
    return f"{math.ceil(share * 10_000 - 1e-9) / 100:.2f} %"


def false_omission_bound(
    claims: Sequence[Claim], good_passed: int, good: int, bad_share: float, confidence: float, candidates: int
) -> float:
    """Return the upper bound of P(bad | PASS) when at most ``bad_share`` of the parts are bad.

    p U / (p U + (1 - p) L): U bounds the escape rate of any mixture of the certified faults at risk d1, L the PASS share of
    good parts from below at risk d2 = d / 10, with (1 - d1)(1 - d2) = 1 - d.
    """
    risk = claim_risk(confidence, candidates, 1)
    good_risk = risk / 10
    bad_risk = 1.0 - (1.0 - risk) / (1.0 - good_risk)
    each = 1.0 - bad_risk / len(claims)
    upper = max(binomial.upper_bound(claim.escapes_allowed, claim.defects, each) for claim in claims)
    lower = binomial.lower_bound(good_passed, good, 1.0 - good_risk)
    return bad_share * upper / (bad_share * upper + (1.0 - bad_share) * lower)


def lots_upper_bound(claims: Sequence[Claim], lots_of_claims: Sequence[int], risk: float) -> float:
    """Return the escape bound if all parts of a lot had the same score: then n counts lots, and k allows k lots."""
    return max(
        binomial.upper_bound(min(claim.escapes_allowed, lots), lots, 1.0 - risk)
        for claim, lots in zip(claims, lots_of_claims, strict=True)
    )
