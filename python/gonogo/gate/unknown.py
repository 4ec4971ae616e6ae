"""Setting up the guard against unknown pictures: what the net knows, and how far good parts are from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import _core, seen
from gonogo.certificate import Certificate
from gonogo.checks import check_number
from gonogo.gate.evidence import Evidence
from gonogo.gate.parts import is_dataset, paths_of
from gonogo.gate.scores import model_of
from gonogo.labels import label_array
from gonogo.unknown_guard import (
    KNOWN_MOST,
    KNOWN_VALUES_MOST,
    NEIGHBOURS,
    UnknownGuard,
    allowed_parts,
    distances,
    normalised,
)


def check_unknown_share(clf: Any, share: float | None, training_data: Any) -> float | None:
    """Return the checked share; None where no guard is wanted.

    Raises
    ------
    ValueError
        The share is out of range, the classifier has no features, or the pictures of the training are missing.
    """
    if share is None:
        if training_data is not None:
            raise ValueError("training_data: given without unknown_share; give both, such as 0.01, or neither")
        return None
    wanted = "a share of the good parts between 0 and 1, such as 0.01"
    if (value := check_number("unknown_share", share, wanted, above=0)) >= 1:
        raise ValueError(f"unknown_share: found {share!r}, expected {wanted}")
    file = model_of(clf)
    if file is None:
        raise ValueError(
            f"unknown_share: found a {type(clf).__name__} as classifier, expected an InspectionClassifier: the guard needs what "
            "its last layer reads"
        )
    width = file.core.features
    if width == 0 or width > KNOWN_VALUES_MOST // 64:
        found = f"{width:,} values" if width else "no row of values, because it is not a dense one"
        raise ValueError(
            f"unknown_share: the last layer of the net reads {found}, expected 1 to {KNOWN_VALUES_MOST // 64:,}; end the net in "
            "a dense layer behind a smaller one"
        )
    if training_data is None:
        raise ValueError("training_data: missing beside unknown_share; give the pictures of the training")
    return value


def make_guard(
    clf: Any, X: Any, evidence: Evidence, made: Certificate, share: float, known: NDArray[np.float64]
) -> tuple[UnknownGuard, NDArray[np.bool_]]:
    """Return the guard that sends at most a share of known good parts to REVIEW, and which calibration parts it lets pass.

    The latter by as many pictures of a part as the certificate is about; the guard itself by all that a part has.

    Parameters
    ----------
    clf : InspectionClassifier
        Calibrated.
    X : Any
        The calibration samples.
    evidence : Evidence
        Which of them are one part, and which parts are good.
    made : Certificate
        What it stands beside.
    share : float
        What ``check_unknown_share`` returned.
    known : float64 array (m, width)
        What ``known_features`` returned.
    """
    away = distances(known, clf.features(X), NEIGHBOURS)
    if np.isnan(away).any():
        raise ValueError("X: a feature of a calibration sample is not a finite number; find out why before calibrating")
    farthest = np.zeros(len(evidence.parts))
    np.maximum.at(farthest, evidence.parts.of, away)
    good = np.sort(farthest[evidence.is_good])[::-1]
    guard = UnknownGuard(
        certificate=made.digest,
        share=share,
        neighbours=NEIGHBOURS,
        good_parts=len(good),
        limit=float(good[allowed_parts(share, len(good)) - 1]),
        known=known,
    )
    passes = (away[evidence.promised_pictures] <= guard.limit).all(axis=1)
    return guard, np.asarray(passes)


def check_enough(share: float, good_parts: int) -> None:
    """Raise ``ValueError`` where so few good parts could never send any to REVIEW."""
    if allowed_parts(share, good_parts) < 1:
        needed = next(n for n in range(int(1.0 / share) - 2, int(1.0 / share) + 3) if allowed_parts(share, n) >= 1)
        raise ValueError(
            f"unknown_share: found {good_parts:,} good calibration parts, but a share of {share:g} needs {needed:,}; add good "
            "parts that the training has not seen, or ask for a larger share"
        )


def known_features(clf: Any, X: Any, pass_label: str, training_data: Any) -> NDArray[np.float64]:
    """Return normalised features of PASS samples of the training, a seeded sample where there are many, float64 (m, width).

    Raises
    ------
    TypeError, ValueError
        They are not what the training saw, are among the calibration samples, or are too few.
    """
    samples = _passing_samples(training_data, pass_label)
    digests, calibration = clf.sample_digests(samples), set(clf.sample_digests(X))
    if shared := [i for i, digest in enumerate(digests) if digest in calibration]:
        raise ValueError(
            f"training_data: {len(shared):,} of its {len(digests):,} samples of {pass_label!r} are calibration samples too; give "
            "those of the training alone"
        )
    kept = seen.find(clf.model_file.training.get("seen"), "pictures", digests)
    if kept is not None and len(kept) < len(digests):
        raise ValueError(
            f"training_data: the training did not see {len(digests) - len(kept):,} of its {len(digests):,} samples of "
            f"{pass_label!r}; give what the model was trained on"
        )
    features = clf.features(samples)
    most = min(KNOWN_MOST, KNOWN_VALUES_MOST // features.shape[1])
    if len(features) > most:
        features = features[np.sort(_core.shuffled(len(features), 0)[:most])]
    known = normalised(features)
    if len(known) < NEIGHBOURS:
        raise ValueError(
            f"training_data: found {len(known)} samples of {pass_label!r}, expected at least {NEIGHBOURS}, better some hundreds"
        )
    if not np.isfinite(known).all():
        raise ValueError("training_data: a feature of a sample is not a finite number")
    return known


def _passing_samples(training_data: Any, pass_label: str) -> Any:
    if is_dataset(training_data):
        if pass_label not in training_data.classes:
            raise ValueError(
                f"training_data: found the classes {', '.join(training_data.classes)}, expected {pass_label!r} among them"
            )
        return training_data[np.flatnonzero(training_data.labels == training_data.classes.index(pass_label))]
    if not isinstance(training_data, (tuple, list)) or len(training_data) != 2:
        raise TypeError(f"training_data: found a {type(training_data).__name__}, expected a Dataset or a pair (X, y)")
    X, y = training_data
    chosen = np.flatnonzero(label_array("training_data", y).astype(np.str_) == pass_label)
    if len(y) != len(X):
        raise ValueError(f"training_data: found {len(y)} labels for {len(X)} samples, expected one for each")
    paths = paths_of(X)
    return np.asarray(X)[chosen] if paths is None else [paths[i] for i in chosen.tolist()]
