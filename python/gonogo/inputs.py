"""X and y as users give them, brought into the form of the core: samples, positions, labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo.checks import check_number, is_integer
from gonogo.data import Dataset
from gonogo.pictures import ColorMode, ResizeMode, read_pictures
from gonogo.training import Labelled, Samples, one_hot

_CHUNK_BYTES = 8 * 1024 * 1024  # of pixels that are copied or decoded at a time for a prediction


def training_inputs(
    X: Any, y: Any, input_shape: tuple[int, int, int] | None
) -> tuple[Labelled, NDArray[np.intp], NDArray[Any]]:
    """Return what to train on, the label of each sample as a position in the classes, and the classes.

    Raises
    ------
    TypeError, ValueError, DecodeError
        Naming X or y, what was found and what was expected.
    """
    if isinstance(X, Dataset):
        if y is not None:
            raise ValueError("y: a Dataset brings its own labels; leave y out")
        samples: Samples = X.pixels
        index, labels, classes = X.index, X.labels, np.array(X.classes)
    else:
        if y is None:
            raise ValueError("y: found no labels; pass y, or a Dataset as X")
        if input_shape is not None and (
            not isinstance(input_shape, (tuple, list))
            or not all(is_integer(side) and side > 0 for side in input_shape)
            or len(input_shape) != 3
            or input_shape[2] not in (1, 3)
        ):
            found = f"input_shape: found {input_shape!r}"
            raise ValueError(f"{found}, expected (height, width, channels) with 1 channel or 3")
        given = _labels("y", y)
        samples = _samples(X, input_shape)
        _check_count("y", given, len(samples))
        classes, labels = np.unique(given, return_inverse=True)
        index = np.arange(len(samples), dtype=np.uint32)
    counts = np.bincount(labels, minlength=len(classes))
    if (counts > 0).sum() < 2:
        found = f"only the class {classes[counts > 0].tolist()[0]!r}" if len(labels) else "no sample"
        raise ValueError(f"y: found {found}, expected samples of at least two classes")
    if not counts.all():
        raise ValueError(
            f"y: found no sample of the class {classes[counts == 0].tolist()[0]!r}, expected some of each of "
            f"{', '.join(map(str, classes))}"
        )
    return Labelled(samples, _targets(len(samples), index, labels, len(classes)), index), labels, classes


def validation_inputs(
    validation_data: Any, classes: NDArray[Any], shape: tuple[int, ...], resize_mode: ResizeMode
) -> Labelled:
    """Return validation data for a training on samples of ``shape``: (height, width, channels) or (features,).

    Raises
    ------
    TypeError, ValueError, DecodeError
        Naming the parameter, what was found and what was expected.
    """
    what = "validation_data"
    if isinstance(validation_data, Dataset):
        samples: Samples = validation_data.pixels
        index = validation_data.index
        given = np.array(validation_data.classes)[validation_data.labels]
    else:
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
            found = type(validation_data).__name__
            raise TypeError(f"{what}: found a {found}, expected a Dataset or a pair (X, y)")
        X, y = validation_data
        samples = _samples(X, shape if len(shape) == 3 else None, resize_mode, what)
        index = np.arange(len(samples), dtype=np.uint32)
        given = _labels(what, y)
        _check_count(what, given, len(index))
    if len(index) == 0:
        raise ValueError(f"{what}: found no sample, expected at least one, or None")
    check_shape(what, samples, shape)
    labels = label_positions(what, given, classes)
    return Labelled(samples, _targets(len(samples), index, labels, len(classes)), index)


def label_positions(what: str, given: Any, classes: NDArray[Any]) -> NDArray[np.intp]:
    """Return labels as positions in the classes; both are compared as text, as a model file keeps them."""
    positions = {str(name): i for i, name in enumerate(classes.tolist())}
    texts = [str(name) for name in np.asarray(given).tolist()]
    if unknown := [text for text in texts if text not in positions]:
        raise ValueError(f"{what}: the class {unknown[0]!r} is unknown to the model, which has: {', '.join(positions)}")
    return np.array([positions[text] for text in texts], np.intp)


def class_weights(
    given: Any, data: Labelled, labels: NDArray[np.intp], classes: NDArray[Any]
) -> NDArray[np.float32] | None:
    """Return a weight for each sample of the array that the data share, from the parameter ``class_weight``.

    ``"balanced"`` is n / (number of classes * n of the class), as in scikit-learn; classes that a dict leaves out have 1.
    """
    if given is None:
        return None
    if isinstance(given, str) and given == "balanced":
        per_class = len(labels) / (len(classes) * np.bincount(labels, minlength=len(classes)))
    elif isinstance(given, Mapping):
        per_class = np.ones(len(classes))
        for name, value in given.items():
            weight = check_number(f"class_weight: {name!r}", value, "a finite number of 0 or more", least=0)
            per_class[label_positions("class_weight", [name], classes)] = weight
        if not per_class.any():
            raise ValueError("class_weight: found 0 for each class, expected a number above 0 for at least one")
    else:
        raise ValueError(f"class_weight: found {given!r}, expected 'balanced', a dict of class -> weight, or None")
    weights = np.zeros(len(data.samples), np.float32)
    weights[data.index] = per_class[labels]
    return weights


def sample_chunks(X: Any, shape: tuple[int, ...], resize_mode: ResizeMode) -> Iterator[Samples]:
    """Yield the samples of X, some at a time, for a model that reads samples of ``shape``.

    Arrays come whole, without a copy; pictures of a subset or of files are gathered in chunks of a few megabytes.
    """
    size = max(1, _CHUNK_BYTES // int(np.prod(shape)))
    if isinstance(X, Dataset):
        check_shape("X", X.pixels, shape)
        for first in range(0, len(X), size):
            yield X.pixels[X.index[first : first + size]]
    elif (paths := _paths(X)) is not None and len(shape) == 3:
        for first in range(0, len(paths), size):
            yield _samples(paths[first : first + size], (shape[0], shape[1], shape[2]), resize_mode)
    else:
        array = np.asarray(X)
        as_pixels = len(shape) == 3 and array.ndim == 2 and array.shape[1] == np.prod(shape)
        samples = _samples(array, (shape[0], shape[1], shape[2]) if as_pixels else None)
        check_shape("X", samples, shape)
        yield samples


def check_shape(what: str, samples: Samples, shape: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless each sample has the shape that the model reads."""
    if samples.shape[1:] == shape:
        return
    if len(shape) == 1:
        expected = f"rows of {shape[0]} features"
    else:
        expected = f"pictures of {shape[0]}x{shape[1]}x{shape[2]} (height x width x channels)"
    found = "x".join(map(str, samples.shape[1:]))
    kind = f"rows of {found} features" if samples.ndim == 2 else f"pictures of {found}"
    raise ValueError(f"{what}: found {kind}, expected {expected} as in training")


def _paths(X: Any) -> list[Path] | None:
    """Return X as paths if it is a list, tuple or array of them."""
    if isinstance(X, (str, Path)):
        raise TypeError(f"X: found the path {str(X)!r}, expected a list of paths, an array or a Dataset")
    if isinstance(X, (list, tuple)):
        items: Sequence[Any] = X
    elif getattr(getattr(X, "dtype", None), "kind", None) in ("O", "U", "T") and getattr(X, "ndim", 0) == 1:
        items = list(X)
    else:
        return None
    return [Path(item) for item in items] if items and all(isinstance(item, (str, Path)) for item in items) else None


def _samples(X: Any, input_shape: tuple[int, ...] | None, resize_mode: ResizeMode = "pad", what: str = "X") -> Samples:
    """Arrays as the core takes them, pictures from paths; ``input_shape`` is (height, width, channels)."""
    if (paths := _paths(X)) is not None:
        if input_shape is None:
            return read_pictures(paths).images
        height, width, channels = input_shape
        color: ColorMode = "grayscale" if channels == 1 else "rgb"
        return read_pictures(paths, image_size=(height, width), color_mode=color, resize_mode=resize_mode).images
    array = np.asarray(X)
    if array.ndim == 2 and input_shape is not None:
        if array.shape[1] != np.prod(input_shape):
            raise ValueError(
                f"{what}: found rows of {array.shape[1]} values, which do not make pictures of {input_shape}"
            )
        array = array.reshape(len(array), *input_shape)
    if array.ndim in (3, 4):
        if array.dtype != np.uint8:
            raise TypeError(f"{what}: found pictures of {array.dtype}, expected uint8 (levels 0 to 255)")
        pictures = array if array.ndim == 4 else array[..., None]
        if pictures.shape[3] not in (1, 3) or 0 in pictures.shape[1:]:
            raise ValueError(
                f"{what}: found shape {array.shape}, expected (n, height, width) or (n, height, width, 1 or 3)"
            )
        return np.ascontiguousarray(pictures)
    if array.ndim != 2 or array.dtype.kind not in "fiub" or array.shape[1] == 0:
        found = f"an array of {array.dtype} of shape {array.shape}"
        raise ValueError(
            f"{what}: found {found}, expected pictures (n, h, w[, c]) of uint8, rows (n, features) of numbers, "
            f"a list of paths or a Dataset"
        )
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(rows).all():
        bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise ValueError(f"{what}: row {bad} holds NaN, infinity or a number beyond float32; expected finite numbers")
    return rows


def _labels(what: str, y: Any) -> NDArray[Any]:
    """Return labels as an array of integers, booleans or texts."""
    given = np.asarray(y)
    listed = given.tolist() if given.ndim == 1 else []
    if missing := [i for i, label in enumerate(listed) if label is None or label != label]:
        raise ValueError(f"{what}: {len(missing)} labels are missing, the first is that of sample {missing[0]}")
    if given.dtype.kind in "OT" and all(isinstance(label, str) for label in listed):
        given = np.array(listed, np.str_)
    whole = given.dtype.kind == "f" and bool((given == np.floor(given)).all())
    if given.ndim != 1 or (given.dtype.kind not in "biuU" and not whole):
        found = f"an array of {given.dtype} of shape {given.shape}"
        raise ValueError(f"{what}: found {found}, expected one label for each sample: texts or whole numbers")
    return given


def _check_count(what: str, labels: NDArray[Any], samples: int) -> None:
    if len(labels) != samples:
        raise ValueError(f"{what}: found {len(labels)} labels for {samples} samples, expected one for each")


def _targets(count: int, index: NDArray[np.uint32], labels: NDArray[np.intp], classes: int) -> NDArray[np.float32]:
    """Targets for all samples of the array that is shared; those outside ``index`` are never read."""
    given = one_hot(labels, classes)
    targets = np.zeros((count, given.shape[1]), np.float32)
    targets[index] = given
    return targets
