"""Evaluation of a classifier on labelled pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gonogo.certificate import Certificate
from gonogo.data import Dataset
from gonogo.decision import most_probable_classes
from gonogo.gate import PassGate, open_test_set
from gonogo.gate.parts import check_groups, find_parts
from gonogo.gate.scores import identity, model_of, scores_of
from gonogo.labels import class_names, label_array, label_positions
from gonogo.metrics import confusion_matrix
from gonogo.model_card import model_card
from gonogo.part_results import PartResults, class_positions, decide_parts, most_probable, without_threshold
from gonogo.report import Report


class Classifier(Protocol):
    """What can be evaluated."""

    classes_: NDArray[Any]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities."""


class Audit(Protocol):
    """What knows which pictures of a data set show a part that is among the training pictures."""

    def leaked(self, data: Dataset) -> NDArray[np.bool_]:
        """Return which ones, bool (n,)."""


def evaluate(
    clf: Classifier,
    data: Any,
    gate: PassGate | None = None,
    *,
    pass_label: Any = None,
    groups: ArrayLike | None = None,
    ledger: str | Path | None = None,
    without: Audit | None = None,
) -> Report:
    """Compare a classifier with labelled data.

    Labels are matched by name, in whatever order data and classifier list their classes.

    Parameters
    ----------
    clf : InspectionClassifier or compatible
        Anything with ``classes_`` and ``predict_proba``.
    data : Dataset or (X, y)
        Labelled pictures.
    gate : PassGate, optional
        Calibrated on ``clf``: it then decides which parts pass, of tiles about each picture by all its tiles. None: a part
        passes if PASS is the most probable class of each of its pictures, and each tile counts by itself.
    pass_label : class, optional
        The class that means PASS; None: that of the gate, or of the classifier where it tells one.
    groups : array-like (n,), optional
        Part that each picture shows; None: the groups of a Dataset, or each picture is a part.
    ledger : str or Path, optional
        Where the opening of these parts as a test set is recorded; None: beside the split file for a subset named ``test`` of
        a saved split, otherwise nowhere.
    without : AuditReport, optional
        An audit of the training pictures together with ``data``, a Dataset: the report then also holds, as ``independent``, the
        figures without the parts that were in training.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        A label is not among the classifier's classes, there is no picture, a part has two labels, or the gate belongs to
        another classifier.
    LedgerError, OSError
        The ledger was edited, or cannot be written.
    """
    classes = class_names(clf.classes_)
    X, given, dataset = _samples(data)
    if len(given) == 0:
        raise ValueError("data: found no sample, expected at least one sample with its label")
    truth = label_positions("data", given, clf.classes_)
    names = check_groups(dataset.groups if groups is None and dataset is not None else groups, len(truth))
    # A gate decides about a picture by all its tiles; without one each tile is judged by itself, and counts so.
    tiled = gate is None and dataset is not None and dataset.boxes is not None
    parts = find_parts(truth, None if tiled else names, classes)
    certificate = None if gate is None else _certificate(gate, clf)
    scores, plain, probabilities = _predict(clf, X, classes, gate)
    if len(probabilities) != len(truth):
        raise ValueError(f"data: found {len(truth)} labels for {len(probabilities)} samples, expected one for each")
    if isinstance(X, np.ndarray) and X.dtype == np.uint8 and X.ndim in (3, 4):
        pixels = X if X.ndim == 4 else X[..., None]
        dataset = Dataset(pixels, np.arange(len(pixels), dtype=np.uint32), truth, classes)
    predicted = most_probable_classes(plain)
    if pass_label is None:
        pass_label = getattr(clf, "pass_label", None) if certificate is None else certificate.pass_label
    if pass_label is not None:
        pass_label = classes[label_positions("pass_label", [pass_label], clf.classes_)[0]]
    if certificate is not None and pass_label != certificate.pass_label:
        raise ValueError(
            f"pass_label: the certificate of the model is about {certificate.pass_label!r}; leave pass_label out"
        )
    if gate is not None:
        of_parts = class_positions(classes, gate.decide_scored(X, scores, parts.of, len(parts)))
    elif names is None or tiled:
        of_parts = predicted
    elif pass_label is not None:
        of_parts = decide_parts(without_threshold(classes, classes.index(pass_label)), scores, parts.of, len(parts))
    else:
        of_parts = most_probable(plain, parts.of, len(parts))
    openings = None
    if ledger is not None or getattr(X, "subset", None) == "test":
        openings = open_test_set(clf, X, None if isinstance(X, Dataset) else given, groups, ledger=ledger)
    report = Report(
        classes=classes,
        truth=truth,
        predicted=predicted,
        probabilities=probabilities,
        scores=scores,
        confusion=confusion_matrix(truth, predicted, len(classes)),
        pass_label=pass_label,
        data=dataset,
        part_of=_clusters(names) if tiled else parts.of,
        parts=None
        if tiled
        else PartResults(classes, _names(names, parts.of), parts.labels, of_parts, names is not None),
        certificate=certificate,
        openings=openings,
        shares=_shares(clf),
        review_zone=None if gate is None else gate.review_zone,
        unknown_guard=None if gate is None else gate.unknown_guard,
        model=None if (file := model_of(clf)) is None else model_card(file),
    )
    if without is None:
        return report
    if not isinstance(data, Dataset):
        raise TypeError(f"without: needs the pictures as a Dataset, found a {type(data).__name__}")
    return replace(report, independent=report.select(~without.leaked(data)), audit=without)


def _samples(data: Any) -> tuple[Any, NDArray[Any], Dataset | None]:
    """Samples, their labels, and the Dataset that they are."""
    if isinstance(data, Dataset):
        return data, np.array(data.classes)[data.labels], data
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise TypeError(f"data: found a {type(data).__name__}, expected a Dataset or a pair (X, y)")
    return data[0], label_array("data", data[1]), None


def _certificate(gate: PassGate, clf: Classifier) -> Certificate:
    made = gate.certificate
    same = gate.clf is clf
    if not same and model_of(clf) is not None:
        same = (made.model_sha256, made.preprocess_sha256) == identity(clf, np.zeros(0))
    if not same:
        raise ValueError("gate: it was calibrated on another classifier, expected one calibrated on clf")
    return made


def _predict(
    clf: Any, X: Any, classes: list[str], gate: PassGate | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Scores, probabilities without and with a temperature, in one pass where the classifier is our own."""
    if model_of(clf) is not None:
        scores = scores_of(clf, X, classes)
        return scores, clf.plain_probabilities_of(scores), clf.probabilities_of(scores)
    probabilities = np.asarray(clf.predict_proba(X), np.float64)
    if probabilities.ndim != 2 or probabilities.shape[1] != len(classes):
        raise ValueError(
            f"clf: found probabilities of shape {probabilities.shape}, expected one column for each of the {len(classes)} "
            "classes in classes_"
        )
    if gate is not None:
        return scores_of(clf, X, classes), probabilities, probabilities
    return np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)), probabilities, probabilities


def _shares(clf: Any) -> Mapping[str, float] | None:
    file = model_of(clf)
    return None if file is None or file.temperature is None else file.temperature.shares


def _names(groups: NDArray[np.str_] | None, part_of: NDArray[np.intp]) -> list[str]:
    if groups is None:
        return []
    _, first = np.unique(part_of, return_index=True)
    return [str(name) for name in groups[first]]


def _clusters(names: NDArray[np.str_] | None) -> NDArray[np.intp]:
    assert names is not None  # tiles of one picture are one group
    return np.unique(names, return_inverse=True)[1].astype(np.intp)
