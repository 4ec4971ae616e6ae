"""Folds of a cross-validation: every picture is tested once, and no part is cut in two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gonogo.checks import check_integer
from gonogo.data.split import By, OnMixed, assign

LEFT_OUT = -1


def assign_folds(
    names: Sequence[str],
    labels: NDArray[np.intp],
    classes: Sequence[str],
    groups: NDArray[np.str_] | None,
    folds: int,
    *,
    by: By = "auto",
    on_mixed: OnMixed = "raise",
    seed: int = 0,
) -> NDArray[np.intp]:
    """Return the fold of each picture, intp (n,), -1 for those that are left out.

    Class by class each fold gets its share, as in ``Dataset.split``, and what is drawn depends on names, not on their order.

    Parameters
    ----------
    names, labels, classes, groups, by, on_mixed, seed
        As for ``Dataset.split``.
    folds : int
        How many, at least 2.

    Raises
    ------
    ValueError
        Naming the parameter; also where a class has fewer parts than there are folds.
    """
    count = check_integer("folds", folds, 2)
    grouped = groups is not None and by != "image"
    for label, name in enumerate(classes):
        members = np.flatnonzero(labels == label)
        units = len(set(groups[members].tolist())) if grouped and groups is not None else len(members)
        if units < count:
            what = "parts" if grouped else "pictures"
            raise ValueError(
                f"folds: found {folds}, but the class {name!r} has {units} {what}, expected at least one for each fold"
            )
    shares = {f"{number:06d}": 1 / count for number in range(count)}
    drawn = assign(names, labels, classes, groups, shares, by=by, on_mixed=on_mixed, seed=seed)
    fold = np.full(len(labels), LEFT_OUT, np.intp)
    for number, positions in enumerate(drawn.subsets.values()):
        fold[positions] = number
    return fold
