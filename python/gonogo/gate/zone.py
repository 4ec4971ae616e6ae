"""Choosing the review zone: which two thresholds cost least while people can look at all that lies between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gonogo.certificate import Certificate
from gonogo.checks import check_number
from gonogo.gate.evidence import Evidence
from gonogo.review_zone import ReviewZone


@dataclass(frozen=True)
class ZoneWish:
    """What a review zone is chosen for.

    Attributes
    ----------
    cost_ratio : float
        Cost of an escape divided by the cost of a good part that is rejected, above 0.
    review_capacity : float
        Share of all parts that people can look at, between 0 and 1.
    """

    cost_ratio: float
    review_capacity: float

    @classmethod
    def of(cls, cost_ratio: float | None, review_capacity: float | None) -> ZoneWish | None:
        """Return the checked wish; None where there is none.

        Raises
        ------
        ValueError
            A value is out of range, or one of the two is missing.
        """
        if cost_ratio is None and review_capacity is None:
            return None
        if cost_ratio is None or review_capacity is None:
            lacking, given = (
                ("cost_ratio", "review_capacity") if cost_ratio is None else ("review_capacity", "cost_ratio")
            )
            raise ValueError(f"{lacking}: missing beside {given}; a review zone needs both, such as 20 and 0.05")
        ratio = check_number("cost_ratio", cost_ratio, "a number above 0, such as 20 (escape : overkill)", above=0)
        wanted = "a share of the parts between 0 and 1, such as 0.05"
        if (capacity := check_number("review_capacity", review_capacity, wanted, above=0)) >= 1:
            raise ValueError(f"review_capacity: found {review_capacity!r}, expected {wanted}")
        return cls(ratio, capacity)


def choose_zone(evidence: Evidence, made: Certificate, wish: ZoneWish) -> ReviewZone:
    """Return the zone of least expected cost on the calibration parts.

    Parameters
    ----------
    evidence : Evidence
        Parts with their scores, good ones among them.
    made : Certificate
        What they certify.
    wish : ZoneWish
        Costs and capacity.

    """
    bad, good = evidence.bad, evidence.good
    share = made.bad_share if made.bad_share is not None else len(bad) / (len(bad) + len(good))
    weights = np.concatenate([np.full(len(bad), share / len(bad)), np.full(len(good), (1.0 - share) / len(good))])
    scores = np.concatenate([bad, good])
    is_good = np.arange(len(scores)) >= len(bad)
    # PASS must also be the most probable class; otherwise a part above the limit goes to REVIEW, wherever that limit lies.
    passing = evidence.passing_parts(made.rule)
    passing = np.concatenate([passing[~evidence.is_good], passing[evidence.is_good]])
    order = np.argsort(-scores, kind="stable")
    scores, weights, is_good, passing = scores[order], weights[order], is_good[order], passing[order]
    certified = made.threshold + made.guard_band
    best: tuple[float, float, float] | None = None
    chosen = (certified, certified)
    # Higher limits than the certified one pay off only where they catch another bad part.
    for upper in [certified, *sorted(set(bad[(bad > certified) & np.isfinite(bad)].tolist()))]:
        always = float(weights[(scores > upper) & ~passing].sum())
        lower = lowest_within(scores, weights, is_good, upper, wish.review_capacity - always)
        escaping, rejected = ~is_good & passing & (scores > upper), is_good & (scores <= lower)
        reviewed = always + float(weights[(scores > lower) & (scores <= upper)].sum())
        cost = wish.cost_ratio * float(weights[escaping].sum()) + float(weights[rejected].sum())
        if best is None or (cost, reviewed, upper) < best:
            best, chosen = (cost, reviewed, upper), (lower, upper)
    return _zone(evidence, made, wish, share, *chosen)


def lowest_within(
    scores: NDArray[np.float64],
    weights: NDArray[np.float64],
    is_good: NDArray[np.bool_],
    upper: float,
    capacity: float,
) -> float:
    """Return the lower threshold down to which a capacity reaches from ``upper``; parts of equal scores go together.

    Parameters
    ----------
    scores : float64 array (n,)
        Of parts, in descending order.
    weights : float64 array (n,)
        Share of all parts that each stands for.
    is_good : bool array (n,)
        Bad parts at the lower end are left out: nothing is saved by looking at them.
    upper : float
        The upper threshold.
    capacity : float
        Share of all parts.
    """
    start = int(np.searchsorted(-scores, -upper, side="left"))  # the first that does not exceed it
    below = scores[start:]
    fits = np.cumsum(weights[start:]) <= capacity * (1.0 + 1e-12)
    last_of_equals = np.append(below[1:] != below[:-1], True) if len(below) else np.zeros(0, np.bool_)
    ends = np.flatnonzero(fits & last_of_equals)
    good = np.flatnonzero(is_good[start:][: ends[-1] + 1]) if len(ends) else ends
    if len(good) == 0:
        return upper
    last = float(below[good[-1]])
    behind = below[below < last]
    following = float(behind[0]) if len(behind) and np.isfinite(behind[0]) else float(np.nextafter(last, -np.inf))
    middle = following + (last - following) / 2
    return middle if following <= middle < last else following


def _zone(
    evidence: Evidence, made: Certificate, wish: ZoneWish, share: float, lower: float, upper: float
) -> ReviewZone:
    passed = evidence.passing_parts(replace(made.rule, pass_above=upper))
    score = np.empty(len(evidence.is_good))
    score[evidence.is_good], score[~evidence.is_good] = evidence.good, evidence.bad
    reviewed, good = ~passed & ((score > lower) | ~np.isfinite(score)), evidence.is_good
    return ReviewZone(
        certificate=made.digest,
        cost_ratio=wish.cost_ratio,
        review_capacity=wish.review_capacity,
        bad_share=float(share),
        bad_share_stated=made.bad_share is not None,
        lower=lower,
        upper=upper,
        confidence=made.confidence,
        bad_parts=len(evidence.bad),
        bad_reviewed=int((reviewed & ~good).sum()),
        bad_passed=int((passed & ~good).sum()),
        good_parts=len(evidence.good),
        good_reviewed=int((reviewed & good).sum()),
        good_passed=int((passed & good).sum()),
    )
