"""The certificate of a PASS threshold: what is promised, on what evidence, for which weights.

Threshold and guard band are stored as hexadecimal floating-point numbers, bit by bit. A stored certificate is believed only
where its figures follow from each other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from gonogo import binomial
from gonogo.decision import Rule
from gonogo.expiry import check_last_day
from gonogo.stored_fields import read_fields

_BIT_EXACT = ("threshold", "guard_band")
_ROUNDING = 1e-9  # to which bounds are computed


@dataclass(frozen=True)
class Claim:
    """What was shown about some fault classes together.

    Attributes
    ----------
    faults : tuple of str
        The classes: all of them, or one where each is certified by itself.
    defects : int
        Bad calibration parts n.
    escapes_allowed : int
        Largest k with P(Binomial(n, max_escape) <= k) <= risk.
    threshold : float
        The (k + 1)-th largest score of these parts.
    escape_upper_bound : float
        One-sided Clopper-Pearson bound of the allowed k of n at the risk.
    """

    faults: tuple[str, ...]
    defects: int
    escapes_allowed: int
    threshold: float
    escape_upper_bound: float


@dataclass(frozen=True)
class Certificate:
    """The promise of a PASS gate and its evidence.

    Attributes
    ----------
    pass_label : str
        The class that means PASS.
    classes : tuple of str
        All classes, in the order of the scores.
    max_escape, confidence : float
        Promised: P(PASS | bad part) <= max_escape, at this confidence.
    candidates : int
        Models that may be calibrated on the same parts; each is held to (1 - confidence) / candidates.
    per_class, joint : bool
        Whether each fault class is certified by itself, and whether all of them hold at once.
    threshold, guard_band : float
        PASS needs a score above their sum.
    claims : tuple of Claim
        What the threshold rests on; it is the largest of theirs.
    escapes_observed : int
        Bad calibration parts that the gate passes.
    defects_by_class : dict of str -> int
        Bad calibration parts of each fault class: the mixture that was seen.
    good_parts, good_passed : int
        Good calibration parts, and how many of them the gate passes.
    pictures_per_part : int
        A part with fewer pictures goes to REVIEW.
    bad_share, false_omission_bound : float or None
        Stated upper share of bad parts, and the bound of P(bad | PASS) that follows.
    lots : int or None
        Lots that the bad parts came from.
    lots_upper_bound : float or None
        Escape bound if the scores of a lot hang together completely, so that n counts lots.
    single_use : str
        Digest of the ledger's entry that this calibration made; empty where there was no ledger.
    grouped : bool
        Whether groups told which pictures show one part; otherwise each picture was counted as a part.
    disjoint : str
        What calibration and training parts were compared by.
    seen : int or None
        Distinct pictures that training and validation saw, where the model tells.
    audited : int or None
        Those of them among which an audit looked for siblings of the calibration parts, and found none; None: no audit.
    parts_sha256, labels_sha256 : str
        Of the set of part ids, and of these with their labels.
    model_sha256, preprocess_sha256 : str
        The weights, and the way to them, that alone the certificate is about; empty for a foreign classifier.
    valid_until : str or None
        Last day, YYYY-MM-DD, on which a part can pass; None: for ever.
    """

    pass_label: str
    classes: tuple[str, ...]
    max_escape: float
    confidence: float
    candidates: int
    per_class: bool
    joint: bool
    threshold: float
    guard_band: float
    claims: tuple[Claim, ...]
    escapes_observed: int
    defects_by_class: Mapping[str, int]
    good_parts: int
    good_passed: int
    pictures_per_part: int
    bad_share: float | None
    false_omission_bound: float | None
    lots: int | None
    lots_upper_bound: float | None
    single_use: str
    grouped: bool
    disjoint: str
    seen: int | None
    audited: int | None
    parts_sha256: str
    labels_sha256: str
    model_sha256: str
    preprocess_sha256: str
    valid_until: str | None = None

    @property
    def risk(self) -> float:
        """Probability with which each claim may be wrong."""
        return claim_risk(self.confidence, self.candidates, len(self.claims) if self.joint else 1)

    @property
    def defects(self) -> int:
        """Bad calibration parts."""
        return sum(claim.defects for claim in self.claims)

    @property
    def escapes_allowed(self) -> int:
        """Bad calibration parts that may lie above the threshold, over all claims."""
        return sum(claim.escapes_allowed for claim in self.claims)

    @property
    def escape_upper_bound(self) -> float:
        """Bound of the escape rate; the largest of the claims'."""
        return max(claim.escape_upper_bound for claim in self.claims)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the certificate as it is stored."""
        return hashlib.sha256(canonical(self.to_json()).encode()).hexdigest()

    @property
    def rule(self) -> Rule:
        """The decision that the certificate is about."""
        passing = self.classes.index(self.pass_label)
        return Rule(self.classes, passing, self.threshold, self.guard_band, self.pictures_per_part, self.digest)

    def with_entry(self, digest: str) -> Certificate:
        """Return the certificate with the ledger's entry that recorded it."""
        return replace(self, single_use=digest)

    def to_dict(self) -> dict[str, Any]:
        """Return fields and the figures that follow from them as plain values."""
        return {
            **self._plain_fields(),
            "defects": self.defects,
            "escapes_allowed": self.escapes_allowed,
            "escape_upper_bound": self.escape_upper_bound,
            "sha256": self.digest,
        }

    def _plain_fields(self) -> dict[str, Any]:
        claims = [{**asdict(claim), "faults": list(claim.faults)} for claim in self.claims]
        return {**asdict(self), "classes": list(self.classes), "claims": claims}

    def to_json(self) -> dict[str, Any]:
        """Return the certificate as it is stored."""
        stored = self._plain_fields()
        if (
            self.valid_until is None
        ):  # not stored: certificates that never end keep the bytes from before there were others
            del stored["valid_until"]
        for entry in (stored, *stored["claims"]):
            entry |= {name: float(entry[name]).hex() for name in _BIT_EXACT if name in entry}
        return stored

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Certificate:
        """Return a stored certificate.

        Raises
        ------
        ValueError
            Naming the field that is missing, unknown, of the wrong type or at odds with the others.
        """
        values = read_fields({"valid_until": None, **stored}, cls, _BIT_EXACT)
        try:
            values["claims"] = tuple(Claim(**read_fields(claim, Claim, _BIT_EXACT)) for claim in values["claims"])
        except ValueError as error:
            raise ValueError(f"claims: {error}") from None
        certificate = cls(**values)
        _check_figures(certificate)
        return certificate


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def claim_risk(confidence: float, candidates: int, claims: int) -> float:
    """Return the probability with which each of some claims about each of some candidate models may be wrong."""
    return (1.0 - confidence) / candidates / claims


def _check_figures(certificate: Certificate) -> None:
    """Whatever follows from other figures must follow from them here."""
    c = certificate
    if c.valid_until is not None:
        check_last_day("valid_until", c.valid_until)
    faults = [name for name in c.classes if name != c.pass_label]
    groups: Sequence[tuple[str, ...]] = [(name,) for name in faults] if c.per_class else [tuple(faults)]
    bounds = {
        "classes": len(set(c.classes)) == len(c.classes) > 1 and c.pass_label in c.classes,
        "max_escape": 0 < c.max_escape < 1,
        "confidence": 0 < c.confidence < 1,
        "candidates": c.candidates >= 1,
        "joint": c.per_class or not c.joint,
        "guard_band": c.guard_band >= 0,
        "claims": [claim.faults for claim in c.claims] == groups,
        "threshold": c.threshold >= max(claim.threshold for claim in c.claims),
        "defects_by_class": sorted(c.defects_by_class) == sorted(faults),
        "good_passed": c.good_passed <= c.good_parts,
        "pictures_per_part": c.pictures_per_part >= 1 and (c.grouped or c.pictures_per_part == 1),
        "audited": c.audited is None or (c.seen is not None and 1 <= c.audited <= c.seen),
        "false_omission_bound": (c.bad_share is None) == (c.false_omission_bound is None),
        "lots_upper_bound": (c.lots is None) == (c.lots_upper_bound is None),
    }
    if wrong := next((name for name, holds in bounds.items() if not holds), None):
        raise ValueError(f"{wrong}: found {getattr(c, wrong)!r}, which does not fit the other fields")
    for claim in c.claims:
        if claim.defects != sum(c.defects_by_class[name] for name in claim.faults):
            raise ValueError(f"defects: found {claim.defects}, which is not the sum over the fault classes")
        allowed = binomial.allowed_successes(claim.defects, c.max_escape, c.risk)
        if allowed is None or claim.escapes_allowed > allowed:
            raise ValueError(
                f"escapes_allowed: found {claim.escapes_allowed} of {claim.defects}, which does not certify "
                f"{c.max_escape:g} at confidence {c.confidence:g}"
            )
        bound = binomial.upper_bound(claim.escapes_allowed, claim.defects, 1.0 - c.risk)
        if abs(bound - claim.escape_upper_bound) > _ROUNDING:
            raise ValueError(f"escape_upper_bound: found {claim.escape_upper_bound!r}, expected {bound!r}")
