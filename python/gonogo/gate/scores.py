"""Scores of any classifier: ours through its margin, foreign ones through ``decision_function`` or ``predict_proba``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.labels import class_names as label_names
from gonogo.model_file import ModelFile


def model_of(clf: Any) -> ModelFile | None:
    """Return the model file of one of our own classifiers; None for a foreign one."""
    file = getattr(clf, "model_file", None)
    return file if isinstance(file, ModelFile) else None


def class_names(clf: Any) -> list[str]:
    """Return the classes of a classifier as texts.

    Raises
    ------
    TypeError, ValueError
        It is no classifier, or is not fitted.
    """
    if not hasattr(clf, "classes_"):
        raise ValueError(f"clf: found {clf!r} without classes_, expected a fitted classifier; call fit first")
    if not hasattr(clf, "decision_function") and not hasattr(clf, "predict_proba"):
        raise TypeError(f"clf: found a {type(clf).__name__}, expected one with decision_function or predict_proba")
    names = label_names(np.asarray(clf.classes_))
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"clf: found the classes {names}, expected at least two with different names")
    return names


def scores_of(clf: Any, X: Any, classes: Sequence[str]) -> NDArray[np.float64]:
    """Return the scores of samples, float64: (n,) for two classes, the logit of the second; otherwise (n, classes).

    Probabilities become their logarithms, those below the smallest normal number that number's.
    """
    with_margin = hasattr(clf, "decision_function")
    found = clf.decision_function(X) if with_margin else clf.predict_proba(X)
    scores = np.asarray(found, np.float64)
    if scores.ndim == 2 and scores.shape[1] == 1 and len(classes) == 2:
        scores = scores[:, 0]
    as_margin = scores.ndim == 1 and len(classes) == 2 and with_margin
    if not as_margin and (scores.ndim != 2 or scores.shape[1] != len(classes)):
        raise ValueError(
            f"clf: found scores of shape {scores.shape}, expected one column for each of the {len(classes)} classes"
            + (" (decision_function_shape='ovr')" if with_margin else "")
        )
    return scores if with_margin else np.log(np.maximum(scores, np.finfo(np.float64).tiny))


def guard_band(clf: Any) -> float:
    """Return g: what a score must exceed the threshold by; 0 for a foreign classifier, of which nothing is known."""
    return 0.0 if model_of(clf) is None else _core.GUARD_BAND


def identity(clf: Any, scores: NDArray[np.float64]) -> tuple[str, str]:
    """Return what a ledger knows a model by: model_sha256 and preprocess_sha256.

    A foreign classifier is known by its scores of the calibration samples, whatever their order.
    """
    if (file := model_of(clf)) is not None:
        return file.core.model_sha256, file.preprocess_sha256
    rows = sorted(row.tobytes() for row in scores)
    return "scores " + hashlib.sha256(b"".join(rows)).hexdigest(), ""
