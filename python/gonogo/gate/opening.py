"""Opening a test set: recorded in the ledger that calibrations use, so that a second look is known to be one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gonogo.checks import check_path
from gonogo.gate.parts import collect, find_parts, part_ids
from gonogo.gate.scores import class_names, identity, model_of, scores_of
from gonogo.ledger import record_test


def open_test_set(
    clf: Any, X: Any, y: Any = None, groups: ArrayLike | None = None, *, ledger: str | Path | None = None
) -> int | None:
    """Record that a model was tested on some parts, and return how often any of them had been opened before.

    Parameters
    ----------
    clf : InspectionClassifier or compatible
        The model.
    X, y, groups
        As in :meth:`PassGate.fit`.
    ledger : str or Path, optional
        The ledger; None: ``<split file>.ledger`` for a subset of a saved split.

    Returns
    -------
    int or None
        None where there is no ledger: then nothing is recorded.

    Raises
    ------
    LedgerError, OSError
        The ledger was edited, or cannot be written.
    ValueError, TypeError
        Naming what is wrong with the samples.
    """
    classes = class_names(clf)
    given = collect(X, y, groups, classes)
    if ledger is None and given.split_file is None:
        return None
    path = Path(f"{given.split_file}.ledger") if ledger is None else check_path("ledger", ledger, "a ledger")
    # Only a foreign classifier is known by its scores.
    scores = scores_of(clf, X, classes) if model_of(clf) is None else np.zeros(0)
    model, preprocess = identity(clf, scores)
    ids = part_ids(given, find_parts(given.labels, given.groups, classes))
    return record_test(path, ids, model_sha256=model, preprocess_sha256=preprocess)
