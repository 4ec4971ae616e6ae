"""Labels as users give them, brought into one form: an array of texts, whole numbers or booleans, compared as text."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo.checks import check_number, is_integer, is_number
from gonogo.estimator import scikit_learn_class

_FLOAT32_MAX = float(np.finfo(np.float32).max)


def label_array(what: str, y: Any) -> NDArray[Any]:
    """Return labels as an array (n,) of integers, whole floating-point numbers, booleans or texts.

    A list is read item by item: NumPy would turn ``["a", None]`` and ``[True, 2]`` into labels nobody gave. A column
    (n, 1) is taken with scikit-learn's warning.

    Raises
    ------
    ValueError
        Naming ``what``: labels are missing (None, NaN, NaT, pandas.NA, masked), of several kinds or of another kind.
    """
    if isinstance(y, np.ma.MaskedArray) and np.ma.is_masked(y):
        masked = np.flatnonzero(np.ma.getmaskarray(y))
        raise ValueError(f"{what}: {len(masked)} labels are missing, the first is that of sample {masked[0]}")
    try:
        given = np.asarray(y)
    except ValueError:  # items of different lengths
        given = np.empty((0, 0, 0), object)
    column = given.ndim == 2 and given.shape[1] == 1
    if column:
        warnings.warn(
            f"A column-vector y was passed when a 1d array was expected ({what}); pass y.ravel()",
            scikit_learn_class("DataConversionWarning", UserWarning),
            stacklevel=5,  # the line that calls fit, which a decorator wraps
        )
        given = given[:, 0]
    found = f"an array of {given.dtype} of shape {given.shape}" if given.size or given.ndim == 1 else "no plain list"
    expected = "expected one label for each sample: texts or whole numbers"
    if given.ndim != 1:
        raise ValueError(f"{what}: found {found}, {expected}")
    if given.dtype.kind not in "biu":
        listed = list(y) if isinstance(y, (list, tuple)) and not column else given.tolist()
    elif isinstance(y, (list, tuple)) and not column:
        listed = y  # bools among numbers have become numbers
    else:
        return given
    if missing := [i for i, label in enumerate(listed) if is_missing(label)]:
        raise ValueError(f"{what}: {len(missing)} labels are missing, the first is that of sample {missing[0]}")
    kinds = {_kind(label) for label in listed}
    if len(kinds) > 1:
        raise ValueError(
            f"{what}: found {_list_kinds(kinds)} among the labels of {given.dtype}, {expected}, of one kind"
        )
    if listed and kinds == {"others"}:
        raise ValueError(f"{what}: found {found}, {expected}. Unknown label type: {type(listed[0]).__name__}")
    if kinds == {"texts"} and any(label.endswith("\0") for label in listed):
        raise ValueError(f"{what}: found a text that ends with a null character, {expected}")
    labels = given if given.dtype.kind in "biufU" else np.array(listed, np.str_ if kinds == {"texts"} else None)
    if kinds == {"numbers"}:
        whole = all(is_integer(label) for label in listed)
        if whole and labels.dtype.kind not in "iu":
            raise ValueError(f"{what}: found a whole number beyond 64 bits, {expected}")
        if not whole and not (np.isfinite(labels) & (labels == np.floor(labels))).all():
            raise ValueError(f"{what}: found {found}, {expected}. Unknown label type: continuous")
    return labels


def is_missing(label: Any) -> bool:
    """Whether a label is None, NaN, NaT or pandas.NA."""
    if label is None:
        return True
    unequal = label != label  # NaN and NaT differ from themselves; pandas.NA says neither
    return not isinstance(unequal, (bool, np.bool_)) or bool(unequal)


def _kind(label: Any) -> str:
    if isinstance(label, (bool, np.bool_)):
        return "booleans"
    if is_number(label):
        return "numbers"
    return "texts" if isinstance(label, str) else "others"


def _list_kinds(kinds: Iterable[str]) -> str:
    return " and ".join(sorted(kinds))


def class_name(label: Any) -> str:
    """Return a label as a model file keeps it; a whole number is written the same as an integer and as a float."""
    if isinstance(label, (float, np.floating)) and label == np.floor(label) and np.isfinite(label):
        return str(int(label))
    return str(label)


def class_names(classes: NDArray[Any]) -> list[str]:
    """Return classes as a model file keeps them."""
    return [class_name(label) for label in classes.tolist()]


def label_positions(what: str, given: Iterable[Any], classes: NDArray[Any]) -> NDArray[np.intp]:
    """Return labels as positions in the classes; both are compared as text, as a model file keeps them."""
    positions = {name: i for i, name in enumerate(class_names(classes))}
    texts = [class_name(label) for label in np.asarray(given).tolist()]
    if unknown := [text for text in texts if text not in positions]:
        raise ValueError(f"{what}: the class {unknown[0]!r} is unknown to the model, which has: {', '.join(positions)}")
    return np.array([positions[text] for text in texts], np.intp)


def class_weights(given: Any, labels: NDArray[np.intp], classes: NDArray[Any]) -> NDArray[np.float32] | None:
    """Return the weight of each class from the parameter ``class_weight``; None: all are 1.

    ``"balanced"`` is n / (number of classes * n of the class), as in scikit-learn; classes that a dict leaves out have 1.
    """
    if given is None:
        return None
    if isinstance(given, str) and given == "balanced":
        counts = np.bincount(labels, minlength=len(classes))
        return np.asarray(len(labels) / (len(classes) * counts), np.float32)
    if not isinstance(given, Mapping):
        raise ValueError(f"class_weight: found {given!r}, expected 'balanced', a dict of class -> weight, or None")
    expected = "a finite number of 0 or more"
    weights = np.ones(len(classes), np.float32)
    seen: set[int] = set()
    for name, value in given.items():
        weight = check_number(f"class_weight: {name!r}", value, expected, least=0)
        if weight > _FLOAT32_MAX:
            raise ValueError(f"class_weight: {name!r}: found {value!r}, expected {expected} within float32")
        position = int(label_positions("class_weight", [name], classes)[0])
        if position in seen:
            raise ValueError(f"class_weight: the class {class_name(name)!r} is given twice, expected each class once")
        seen.add(position)
        weights[position] = weight
    if not weights.any():
        raise ValueError("class_weight: found 0 for each class, expected a number above 0 for at least one")
    return weights
