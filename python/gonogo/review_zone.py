"""The review zone beside a certificate: which parts that are not PASS people look at, and what that costs and saves.

It never lowers the certified threshold. docs/certificate.md derives what is chosen here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from gonogo import binomial
from gonogo.certificate import Certificate
from gonogo.decision import Rule
from gonogo.stored_fields import read_fields

_BIT_EXACT = ("lower", "upper")


@dataclass(frozen=True)
class ReviewZone:
    """Two thresholds: PASS above the upper, REVIEW between them, a fault class up to the lower.

    Attributes
    ----------
    certificate : str
        Digest of the certificate that it stands beside.
    cost_ratio : float
        Cost of an escape divided by the cost of a good part that is rejected.
    review_capacity : float
        Share of all parts that people can look at.
    bad_share : float
        Share of bad parts that costs and workload are about.
    bad_share_stated : bool
        Whether it was stated; otherwise it is that of the calibration parts.
    lower, upper : float
        The thresholds of the score; ``upper`` is at least the certified threshold with its guard band.
    confidence : float
        Of the intervals.
    bad_parts, bad_reviewed, bad_passed : int
        Bad calibration parts, and how many of them go to REVIEW and to PASS.
    good_parts, good_reviewed, good_passed : int
        The same of good ones.
    """

    certificate: str
    cost_ratio: float
    review_capacity: float
    bad_share: float
    bad_share_stated: bool
    lower: float
    upper: float
    confidence: float
    bad_parts: int
    bad_reviewed: int
    bad_passed: int
    good_parts: int
    good_reviewed: int
    good_passed: int

    @property
    def good_rejected(self) -> int:
        """Good calibration parts that get a fault class."""
        return self.good_parts - self.good_reviewed - self.good_passed

    @property
    def workload(self) -> float:
        """Expected share of all parts in the review zone."""
        return self._mixed(self.bad_reviewed / self.bad_parts, self.good_reviewed / self.good_parts)

    @property
    def workload_interval(self) -> tuple[float, float]:
        """Limits of the workload: those of bad and good parts, each at half the risk, mixed."""
        each = 1.0 - (1.0 - self.confidence) / 2.0
        bad = binomial.interval(self.bad_reviewed, self.bad_parts, each)
        good = binomial.interval(self.good_reviewed, self.good_parts, each)
        return self._mixed(bad[0], good[0]), self._mixed(bad[1], good[1])

    @property
    def cost(self) -> float:
        """Expected cost of a part, in units of a good part that is rejected; people are taken to decide rightly."""
        return self._mixed(self.cost_ratio * self.bad_passed / self.bad_parts, self.good_rejected / self.good_parts)

    def _mixed(self, bad: float, good: float) -> float:
        return self.bad_share * bad + (1.0 - self.bad_share) * good

    def applied(self, rule: Rule) -> Rule:
        """Return the decision of a certificate with the zone in it."""
        return replace(rule, pass_above=self.upper, review_above=self.lower)

    def to_dict(self) -> dict[str, Any]:
        """Return fields and the figures that follow from them as plain values."""
        return {
            **asdict(self),
            "workload": self.workload,
            "workload_interval": list(self.workload_interval),
            "cost": self.cost,
            **self._rate("escape", self.bad_passed, self.bad_parts),
            **self._rate("overkill", self.good_rejected, self.good_parts),
            **self._rate("bad_review", self.bad_reviewed, self.bad_parts),
            **self._rate("good_review", self.good_reviewed, self.good_parts),
        }

    def _rate(self, name: str, count: int, parts: int) -> dict[str, Any]:
        return {name: count / parts, f"{name}_interval": list(binomial.interval(count, parts, self.confidence))}

    def to_json(self) -> dict[str, Any]:
        """Return the zone as it is stored."""
        return asdict(self) | {name: float(getattr(self, name)).hex() for name in _BIT_EXACT}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], certificate: Certificate) -> ReviewZone:
        """Return a stored zone.

        Raises
        ------
        ValueError
            Naming the field that is missing, unknown, of the wrong type, or at odds with the others or the certificate.
        """
        zone = cls(**read_fields(stored, cls, _BIT_EXACT))
        holds = {
            "certificate": zone.certificate == certificate.digest,
            "cost_ratio": zone.cost_ratio > 0,
            "review_capacity": 0 < zone.review_capacity < 1,
            "bad_share": 0 < zone.bad_share < 1,
            "confidence": 0 < zone.confidence < 1,
            "upper": zone.upper >= certificate.threshold + certificate.guard_band,
            "lower": zone.lower <= zone.upper,
            "bad_parts": zone.bad_parts == certificate.defects,
            "good_parts": zone.good_parts == certificate.good_parts > 0,
            "bad_passed": zone.bad_passed + zone.bad_reviewed <= zone.bad_parts,
            "good_passed": zone.good_passed + zone.good_reviewed <= zone.good_parts,
        }
        if wrong := next((name for name, fits in holds.items() if not fits), None):
            raise ValueError(f"{wrong}: found {getattr(zone, wrong)!r}, which does not fit the other fields")
        return zone
