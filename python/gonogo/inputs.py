"""X and y as users give them, brought into the form of the core."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo.arrays import as_pictures, as_rows, check_feature_names, plain_array
from gonogo.checks import is_integer
from gonogo.data import Dataset
from gonogo.decoding import Decoding
from gonogo.labels import class_weights, label_array, label_positions
from gonogo.pictures import ColorMode, Pictures, read_pictures
from gonogo.readout import measure
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
        if input_shape is not None and tuple(input_shape) != samples.shape[1:]:
            found = "x".join(map(str, samples.shape[1:]))
            raise ValueError(
                f"input_shape: found {input_shape!r}, but the pictures of the Dataset are {found}; leave input_shape out"
            )
        index, labels, classes = X.index, X.labels, np.array(X.classes)
        formats, readouts, enhanced = X.formats, X.readouts, X.decoding.enhances
    else:
        if y is None:
            raise ValueError(
                "y: found no labels: a classifier requires y to be passed, but the target y is None; "
                "pass y, or a Dataset as X"
            )
        if input_shape is not None and (
            not isinstance(input_shape, (tuple, list))
            or not all(is_integer(side) and side > 0 for side in input_shape)
            or len(input_shape) != 3
            or input_shape[2] not in (1, 3)
        ):
            found = f"input_shape: found {input_shape!r}"
            raise ValueError(f"{found}, expected (height, width, channels) with 1 channel or 3")
        paths = _paths(X)
        plain = X if paths is not None else plain_array("X", X)
        given = label_array("y", y)
        read = None if paths is None else _read(paths, input_shape)
        samples, enhanced = _samples(plain, input_shape) if read is None else read.images, False
        formats, readouts = (None, None) if read is None else (read.formats, read.readouts)
        _check_count("y", given, len(samples))
        classes, labels = np.unique(given, return_inverse=True)
        index = np.arange(len(samples), dtype=np.uint32)
    counts = np.bincount(labels, minlength=len(classes))
    if (counts > 0).sum() < 2:
        found = f"only 1 class, {classes[counts > 0].tolist()[0]!r}" if len(labels) else "no sample"
        raise ValueError(f"y: found {found}, expected samples of at least two classes")
    if not counts.all():
        raise ValueError(
            f"y: found no sample of the class {classes[counts == 0].tolist()[0]!r}, expected some of each of "
            f"{', '.join(map(str, classes))}"
        )
    targets = _targets(len(samples), index, labels, len(classes))
    if readouts is None and samples.ndim == 4 and samples.shape[1:3] != (1, 1) and not enhanced:
        readouts = measure(samples.astype(np.uint8, copy=False), index)
    return Labelled(samples, targets, index, formats, readouts), labels, classes


def validation_inputs(
    validation_data: Any,
    classes: NDArray[Any],
    shape: tuple[int, ...],
    decoding: Decoding,
    feature_names: list[str] | None = None,
) -> Labelled:
    """Return validation data for a training on samples of ``shape``: (height, width, channels) or (features,).

    Raises
    ------
    TypeError, ValueError, DecodeError
        Naming the parameter, what was found and what was expected.
    """
    what = "validation_data"
    if isinstance(validation_data, Dataset):
        check_decoding(what, validation_data, decoding)
        samples: Samples = validation_data.pixels
        index = validation_data.index
        given = np.array(validation_data.classes)[validation_data.labels]
    else:
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
            found = type(validation_data).__name__
            raise TypeError(f"{what}: found a {found}, expected a Dataset or a pair (X, y)")
        X, y = validation_data
        check_feature_names(what, X, feature_names, "InspectionClassifier")
        samples = _samples(X, shape if len(shape) == 3 else None, decoding, what)
        index = np.arange(len(samples), dtype=np.uint32)
        given = label_array(what, y)
        _check_count(what, given, len(index))
    if len(index) == 0:
        raise ValueError(f"{what}: found no sample, expected at least one, or None")
    check_shape(what, samples, shape)
    labels = label_positions(what, given, classes)
    return Labelled(samples, _targets(len(samples), index, labels, len(classes)), index)


def sample_weights(
    class_weight: Any, data: Labelled, labels: NDArray[np.intp], classes: NDArray[Any]
) -> NDArray[np.float32] | None:
    """Return a weight for each sample of the array that the data share, from the parameter ``class_weight``."""
    per_class = class_weights(class_weight, labels, classes)
    if per_class is None:
        return None
    weights = np.zeros(len(data.samples), np.float32)
    weights[data.index] = per_class[labels]
    return weights


@dataclass(frozen=True)
class Chunk:
    """Some samples, and what is known of each, as ``Pictures`` has it, or None: formats, readouts, unproven."""

    samples: Samples
    formats: NDArray[np.int32] | None = None
    readouts: NDArray[np.int32] | None = None
    unproven: Sequence[str] | None = None


def sample_chunks(X: Any, shape: tuple[int, ...], decoding: Decoding) -> Iterator[Samples]:
    """Yield the samples of ``described_chunks``."""
    return (chunk.samples for chunk in described_chunks(X, shape, decoding))


def described_chunks(X: Any, shape: tuple[int, ...], decoding: Decoding) -> Iterator[Chunk]:
    """Yield the samples of X, some at a time, for a model that reads samples of ``shape``.

    Arrays come whole, without a copy; pictures of a subset or of files are gathered in chunks of a few megabytes.
    """
    size = max(1, _CHUNK_BYTES // int(np.prod(shape)))
    if isinstance(X, Dataset):
        check_decoding("X", X, decoding)
        check_shape("X", X.pixels, shape)
        for first in range(0, len(X), size):
            own = slice(first, first + size)
            formats, readouts = (None if rows is None else rows[own] for rows in (X.formats, X.readouts))
            yield Chunk(X.pixels[X.index[own]], formats, readouts, None if X.unproven is None else X.unproven[own])
    elif (paths := _paths(X)) is not None and len(shape) == 3:
        for first in range(0, len(paths), size):
            read = _read(paths[first : first + size], shape, decoding)
            yield Chunk(read.images, read.formats, read.readouts, read.unproven)
    else:
        array = plain_array("X", X)
        as_pixels = len(shape) == 3 and array.ndim == 2 and array.shape[1] == np.prod(shape)
        samples = _samples(array, (shape[0], shape[1], shape[2]) if as_pixels else None)
        check_shape("X", samples, shape)
        yield Chunk(samples)


def file_formats(X: Any, shape: tuple[int, ...], decoding: Decoding) -> NDArray[np.int32] | None:
    """See ``FittedModel.file_formats``, for a model that reads samples of ``shape``."""
    if isinstance(X, Dataset):
        return X.formats
    if _paths(X) is None or len(shape) != 3:
        return None
    return np.concatenate(
        [chunk.formats for chunk in described_chunks(X, shape, decoding) if chunk.formats is not None]
    )


def check_decoding(what: str, data: Dataset, decoding: Decoding) -> None:
    """Raise ``ValueError`` when files were read in another way than those of the training: their pixels mean something else.

    Pixels from arrays are taken as they are. Another ``resize_mode`` is no fault: files that have the size need none.
    """
    found, expected = data.decoding.to_dict(), decoding.to_dict()
    for name in sorted({*found, *expected} - {"resize_mode"}) if data.paths is not None else ():
        if found.get(name) != expected.get(name):
            raise ValueError(
                f"{what}: the pictures were read with {name} {found.get(name)}, expected {expected.get(name)} as in training; "
                "read them so, or pass their images to have the pixels taken as they are"
            )


def check_shape(what: str, samples: Samples, shape: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless each sample has the shape that the model reads."""
    if samples.shape[1:] == shape:
        return
    found = "x".join(map(str, samples.shape[1:]))
    if len(shape) == 1 and samples.ndim == 2:
        raise ValueError(
            f"{what}: X has {found} features, but InspectionClassifier is expecting {shape[0]} features as input"
        )
    if len(shape) == 1:
        expected = f"rows of {shape[0]} features"
    else:
        expected = f"pictures of {shape[0]}x{shape[1]}x{shape[2]} (height x width x channels)"
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


def _samples(X: Any, input_shape: tuple[int, ...] | None, decoding: Decoding | None = None, what: str = "X") -> Samples:
    """Arrays as the core takes them, pictures from paths; ``input_shape`` is (height, width, channels)."""
    if (paths := _paths(X)) is not None:
        return _read(paths, input_shape, decoding, what).images
    array = plain_array(what, X)
    if array.ndim == 2 and input_shape is not None:
        if array.shape[1] != np.prod(input_shape):
            raise ValueError(
                f"{what}: found rows of {array.shape[1]} values, which do not make pictures of {input_shape}"
            )
        array = array.reshape(len(array), *input_shape)
    return as_pictures(what, array) if array.ndim in (3, 4) else as_rows(what, array)


def _read(
    paths: list[Path], input_shape: tuple[int, ...] | None, decoding: Decoding | None = None, what: str = "X"
) -> Pictures:
    if input_shape is None:
        return read_pictures(paths)
    if decoding is not None and decoding.tiles is not None:
        raise ValueError(f"{what}: the model reads tiles, of which a file has many; use predict_tiles, or a Dataset")
    height, width, channels = input_shape
    color: ColorMode = "grayscale" if channels == 1 else "rgb"
    return read_pictures(paths, image_size=(height, width), color_mode=color, decoding=decoding)


def _check_count(what: str, labels: NDArray[Any], samples: int) -> None:
    if len(labels) != samples:
        raise ValueError(f"{what}: found {len(labels)} labels for {samples} samples, expected one for each")


def _targets(count: int, index: NDArray[np.uint32], labels: NDArray[np.intp], classes: int) -> NDArray[np.float32]:
    """Targets for all samples of the array that is shared; those outside ``index`` are never read."""
    given = one_hot(labels, classes)
    targets = np.zeros((count, given.shape[1]), np.float32)
    targets[index] = given
    return targets
