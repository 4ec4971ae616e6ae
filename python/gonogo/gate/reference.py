"""Keeping how good calibration parts look, for the drift alarm of the line."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo.certificate import Certificate
from gonogo.decision import Rule
from gonogo.gate.evidence import Evidence
from gonogo.gate.scores import model_of
from gonogo.reference import PARTS_LEAST, Reference, ranks


def make_reference(
    clf: Any, X: Any, evidence: Evidence, made: Certificate, rule: Rule, known: NDArray[np.bool_] | None
) -> Reference | None:
    """Return what the line compares its pictures with; None for rows, foreign classifiers and too few good parts.

    A part counts with the pictures that the certificate is about, as on the line: the least of more pictures scores lower.

    Parameters
    ----------
    clf : InspectionClassifier
        Calibrated.
    X : Any
        The calibration samples.
    evidence : Evidence
        Which of them are one part, which parts are good, and their scores.
    made : Certificate
        What it stands beside.
    rule : Rule
        The decision, with a review zone where there is one.
    known : bool array (parts,) or None
        Which parts the guard against unknown pictures lets pass, by the same pictures.
    """
    file = model_of(clf)
    if file is None or len(file.sample_shape) == 1:
        return None
    pictures = evidence.promised_pictures
    would_pass = rule.passes(evidence.margin, evidence.best)[pictures].all(axis=1) & evidence.is_good
    passed = would_pass if known is None else would_pass & known
    chosen = np.flatnonzero(passed)
    if len(chosen) < PARTS_LEAST:
        return None
    means = clf.exposures(X)[pictures[chosen]].mean(axis=1)
    scores = evidence.margin[pictures[chosen]].min(axis=1)
    kept = np.sort(np.column_stack([means, scores]), axis=0)[ranks(len(chosen))]
    brightness, contrast, sharpness, score = (tuple(column) for column in kept.T.tolist())
    return Reference(
        certificate=made.digest,
        good_parts=len(evidence.good),
        would_pass=int(would_pass.sum()),
        passed=len(chosen),
        brightness=brightness,
        contrast=contrast,
        sharpness=sharpness,
        score=score,
    )
