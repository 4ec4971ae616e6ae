"""Pictures, as files or arrays, cut into tiles and classified by a model that was trained on tiles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.arrays import as_pictures
from gonogo.labels import label_positions
from gonogo.model_file import ModelFile
from gonogo.pictures import read_pictures
from gonogo.tiles import TilePrediction, as_boxes, decide


def predict_tiles(model: ModelFile, pictures: Any, pass_label: Any) -> list[TilePrediction]:
    """See ``InspectionClassifier.predict_tiles``."""
    if model.decoding.tiles is None:
        raise ValueError("X: this model was not trained on tiles; use predict, or train with tiles=gonogo.Tiles(...)")
    if isinstance(pictures, (str, Path)) or not np.iterable(pictures):
        given = f"the path {str(pictures)!r}" if isinstance(pictures, (str, Path)) else f"a {type(pictures).__name__}"
        raise TypeError(f"X: found {given}, expected a list of paths or of pictures")
    passing = None
    if pass_label is not None:
        passing = model.classes[label_positions("pass_label", [pass_label], np.array(model.classes))[0]]
    found = []
    for samples, boxes in _tiles_of_each(model, pictures):
        logits = model.core.logits(samples)
        plain, shown = _core.probabilities(logits), model.probabilities(logits)
        found.append(decide(plain, boxes, model.classes, passing, shown))
    return found


def _tiles_of_each(model: ModelFile, pictures: Iterable[Any]) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int32]]]:
    """Yield the tiles of each picture, as the net reads them, and their boxes; one picture is in memory at a time."""
    height, width, _ = model.sample_shape
    for number, picture in enumerate(pictures):
        if isinstance(picture, (str, Path)):
            read = read_pictures(
                [picture],
                image_size=(height, width),
                color_mode=model.preprocess["color_mode"],
                decoding=model.decoding,
            )
            if read.boxes is not None:
                yield read.images, read.boxes
        else:
            yield _cut(model, f"X: picture {number}", picture)


def _cut(model: ModelFile, what: str, picture: Any) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Cut an array as a file with these pixels would be cut."""
    array = np.asarray(picture)
    if array.ndim not in (2, 3):
        raise ValueError(
            f"{what}: found an array of shape {array.shape}, expected (height, width) or (height, width, c)"
        )
    pixels = as_pictures(what, array[None] if array.ndim == 3 else array[None, ..., None])[0]
    height, width, channels = model.sample_shape
    if pixels.shape[2] != channels:
        raise ValueError(f"{what}: found {pixels.shape[2]} channels, expected {channels} as in training")
    try:
        parts, regions = model.decoding.cut(pixels, (height, width))
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
    return model.decoding.enhance(parts), as_boxes(regions)
