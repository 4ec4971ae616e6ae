"""Arrays as users give them, brought into the form of the core: pictures of uint8, rows of float32."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gonogo.checks import is_integer, is_number

_Number = TypeVar("_Number", np.uint8, np.float32)

_EXPECTED = (
    "expected pictures (n, h, w[, c]) of uint8, rows (n, features) of numbers, a list of paths or a Dataset"  # for X
)


def plain_array(what: str, X: Any) -> NDArray[Any]:
    """Return X as an array, without a copy where it is one.

    Raises
    ------
    TypeError
        X is sparse, or no array at all.
    ValueError
        X hides samples behind a mask, holds complex numbers, or is no array.
    """
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise TypeError(f"{what}: found a {type(X).__name__}, sparse input is not supported; pass X.toarray()")
    if isinstance(X, (list, tuple)) and not X:
        raise ValueError(f"{what}: found no picture and no row, the {type(X).__name__} is empty; {_EXPECTED}")
    for part in X if isinstance(X, (list, tuple)) else (X,):
        if isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part):
            masked = np.count_nonzero(np.ma.getmaskarray(part))
            raise ValueError(
                f"{what}: found a masked array with {masked} masked values, expected values everywhere; "
                f"leave those samples out, or pass X.filled(...)"
            )
        if isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], np.ndarray):
            raise TypeError(
                f"{what}: found a list of pairs (picture, label), such as a Dataset gives one by one; "
                f"pass dataset.images as X and dataset.labels as y"
            )
    try:
        array = np.asarray(X)
    except ValueError as error:
        raise ValueError(f"{what}: found a {type(X).__name__} that makes no array ({error}), {_EXPECTED}") from None
    if array.ndim == 0 and array.dtype.kind == "O":
        raise TypeError(f"{what}: found a {type(X).__name__}, {_EXPECTED}")
    if array.dtype.kind == "c":
        raise ValueError(f"{what}: found an array of {array.dtype}, {_EXPECTED}. Complex data not supported")
    return array


def as_pictures(what: str, array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return pictures (n, h, w) or (n, h, w, c) as (n, h, w, c), contiguous."""
    if array.dtype != np.uint8:
        raise TypeError(f"{what}: found pictures of {array.dtype}, expected uint8 (levels 0 to 255)")
    pictures = array if array.ndim == 4 else array[..., None]
    if pictures.shape[3] not in (1, 3) or 0 in pictures.shape[1:]:
        raise ValueError(
            f"{what}: found shape {array.shape}, expected (n, height, width) or (n, height, width, 1 or 3)"
        )
    return contiguous(what, pictures, np.uint8)


def contiguous(what: str, array: NDArray[Any], dtype: type[_Number]) -> NDArray[_Number]:
    """Return an array as the core reads it: C-contiguous, aligned, of native byte order; a copy only where needed."""
    try:
        with np.errstate(over="ignore"):
            return np.require(array, dtype, ("C_CONTIGUOUS", "ALIGNED"))
    except MemoryError as error:
        raise MemoryError(f"{what}: {error}; pass fewer samples at a time") from None


def as_rows(what: str, array: NDArray[Any]) -> NDArray[np.float32]:
    """Return rows of numbers (n, features) as float32, contiguous and aligned, all of them finite."""
    found = f"{what}: found an array of {array.dtype} of shape {array.shape}"
    if array.ndim == 2 and array.shape[1] == 0:
        raise ValueError(f"{found}: 0 feature(s) (shape={array.shape}) while a minimum of 1 is required; {_EXPECTED}")
    if array.ndim != 2 or array.dtype.kind not in "fiubO":
        single = array.ndim == 1 and array.dtype.kind in "fiub"
        remedy = ". Reshape your data: X.reshape(1, -1) is one sample" if single else ""
        raise ValueError(f"{found}, {_EXPECTED}{remedy}")
    if array.dtype.kind == "O":
        array = _numbers(what, array)
    rows = contiguous(what, array, np.float32)
    if not np.isfinite(rows).all():
        bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise ValueError(f"{what}: row {bad} holds NaN, infinity or a number beyond float32; expected finite numbers")
    return rows


def _numbers(what: str, array: NDArray[np.object_]) -> NDArray[np.float64]:
    """Return objects that are numbers as such; texts are refused, though NumPy would read some as numbers."""
    values = np.empty(array.shape, np.float64)
    for place, value in np.ndenumerate(array):
        if isinstance(value, (bool, np.bool_)) or is_integer(value) or is_number(value):
            try:
                values[place] = value
            except OverflowError:
                values[place] = np.inf
            continue
        row, column = place
        found = f"{what}: row {row}, column {column}: found {value!r}"
        if value is None or type(value).__name__ in ("NAType", "NaTType"):
            raise ValueError(f"{found}, a missing value; expected a number")
        raise TypeError(
            f"{found} of type {type(value).__name__}; the argument must be no string and no object but a number"
        )
    return values


def feature_names(what: str, X: Any) -> list[str] | None:
    """Return the names of the columns of a table, such as a pandas DataFrame; None where columns have no names.

    Raises
    ------
    TypeError
        Some names are texts, others are not.
    """
    columns = getattr(X, "columns", None)
    if columns is None or not isinstance(columns, Iterable):
        return None
    names = list(columns)
    texts = [isinstance(name, str) for name in names]
    if any(texts) and not all(texts):
        raise TypeError(f"{what}: found columns of which only some have a text as their name; rename the others")
    return [str(name) for name in names] if names and all(texts) else None


def check_feature_names(what: str, X: Any, fitted: list[str] | None, estimator: str) -> None:
    """Refuse a table whose columns have other names or another order than in training.

    Where only one of the two has names, scikit-learn's warning is given.
    """
    found = feature_names(what, X)
    if found == fitted:
        return
    if found is not None and fitted is not None:
        pairs = itertools.zip_longest(found, fitted)
        place, (here, there) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
        raise ValueError(
            f"{what}: The feature names should match those that were passed during fit, in their order: "
            f"found {here!r} as column {place}, expected {there!r}"
        )
    if fitted is None:
        message = f"X has feature names, but {estimator} was fitted without feature names"
    else:
        message = f"X does not have valid feature names, but {estimator} was fitted with feature names"
    warnings.warn(message, UserWarning, stacklevel=5)
