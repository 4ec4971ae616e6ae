"""From evidence to a certificate: issued, or recorded in a ledger with its outcome, refusals among them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gonogo.certificate import Certificate
from gonogo.decision import Rule
from gonogo.errors import NotCertifiable
from gonogo.gate.evidence import Evidence
from gonogo.gate.exact_rule import Target, certify, false_omission_bound, lots_upper_bound
from gonogo.ledger import Page, check_unused


@dataclass(frozen=True)
class Promised:
    """What a certificate is about, besides target and evidence.

    Attributes
    ----------
    classes : list of str
        Of the classifier.
    passing : int
        Position of the PASS class.
    guard_band : float
        g.
    bad_share : float or None
        Stated upper share of bad parts.
    foreign : bool
        Whether the classifier is a foreign one, which has no identity of its own.
    valid_until : str or None
        Last day of the certificate.
    """

    classes: list[str]
    passing: int
    guard_band: float
    bad_share: float | None
    foreign: bool
    valid_until: str | None = None


def record_calibration(page: Page, evidence: Evidence, target: Target, promised: Promised) -> Certificate:
    """Issue a certificate under the eyes of the ledger: nobody gets a result that it does not know."""
    claim = {
        "model_sha256": evidence.model_sha256,
        "preprocess_sha256": evidence.preprocess_sha256,
        "parts_sha256": evidence.parts_sha256,
        "labels_sha256": evidence.labels_sha256,
        "pass_label": promised.classes[promised.passing],
        "max_escape": float(target.max_escape),
        "confidence": float(target.confidence),
        "per_class": target.per_class,
        "joint": target.joint,
        "candidates": int(target.candidates),
        "pictures_per_part": evidence.pictures_per_part,
    }
    entry: dict[str, Any] = {"claim": claim, "split_sha256": _file_digest(evidence.split_file)}
    try:
        made = issue_certificate(evidence, target, promised)
        check_unused(page, evidence.ids, claim)
    except NotCertifiable as refusal:
        page.append("refusal", evidence.ids, **entry, reason=refusal.reason)
        raise
    except ValueError as refusal:
        page.append("refusal", evidence.ids, **entry, reason=str(refusal))
        raise
    outcome = {"threshold": made.threshold.hex(), "escapes_allowed": made.escapes_allowed, "defects": made.defects}
    outcome |= {} if made.valid_until is None else {"valid_until": made.valid_until}
    digest = page.append("calibration", evidence.ids, **entry, outcome=outcome)
    return made.with_entry(digest)


def issue_certificate(evidence: Evidence, target: Target, promised: Promised) -> Certificate:
    """Return the certificate that the evidence supports; raise ``NotCertifiable`` where it supports none."""
    classes, passing, band = promised.classes, promised.passing, promised.guard_band
    names = [name for i, name in enumerate(classes) if i != passing]
    claims = certify(evidence.bad, evidence.faults, names, target)
    evidence.check_informative()
    threshold = max(claim.threshold for claim in claims)
    evidence.check_judged(threshold)
    rule = Rule(classes, passing, threshold, band, evidence.pictures_per_part, "")
    good_passed = int(evidence.passing_parts(rule)[evidence.is_good].sum())
    share, omission = promised.bad_share, None
    if share is not None:
        omission = false_omission_bound(
            claims, good_passed, len(evidence.good), share, float(target.confidence), target.candidates
        )
    lots_of_claims = evidence.lots_of([np.isin(evidence.faults, [names.index(f) for f in c.faults]) for c in claims])
    return Certificate(
        pass_label=classes[passing],
        classes=tuple(classes),
        max_escape=float(target.max_escape),
        confidence=float(target.confidence),
        candidates=int(target.candidates),
        per_class=target.per_class,
        joint=target.joint,
        threshold=threshold,
        guard_band=band,
        claims=claims,
        escapes_observed=int(evidence.passing_parts(rule)[~evidence.is_good].sum()),
        defects_by_class={name: int((evidence.faults == i).sum()) for i, name in enumerate(names)},
        good_parts=len(evidence.good),
        good_passed=good_passed,
        pictures_per_part=evidence.pictures_per_part,
        bad_share=share,
        false_omission_bound=omission,
        lots=None if evidence.lots is None else len(set(evidence.lots[~evidence.is_good].tolist())),
        lots_upper_bound=(
            None if lots_of_claims is None else lots_upper_bound(claims, lots_of_claims, target.risk(len(names)))
        ),
        single_use="",
        grouped=evidence.grouped,
        disjoint=evidence.disjoint,
        seen=evidence.seen,
        audited=evidence.audited,
        parts_sha256=evidence.parts_sha256,
        labels_sha256=evidence.labels_sha256,
        model_sha256="" if promised.foreign else evidence.model_sha256,
        preprocess_sha256=evidence.preprocess_sha256,
        valid_until=promised.valid_until,
    )


def _file_digest(path: Path | None) -> str:
    return "" if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()
