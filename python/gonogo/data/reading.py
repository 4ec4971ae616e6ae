"""From files that were found, or arrays that were given, to the checked contents of a dataset."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gonogo.arrays import contiguous, plain_array
from gonogo.checks import SIDE_MAX, check_image_size
from gonogo.data.cache import Cache
from gonogo.data.grouping import Groups, check_complete, find_groups
from gonogo.data.sources import Found
from gonogo.decoding import Decoding
from gonogo.errors import DecodeError
from gonogo.labels import is_missing, label_array
from gonogo.pictures import ColorMode, OnBad, Pictures, read_pictures


@dataclass(frozen=True)
class Options:
    """How pictures are read; the fields are parameters of ``Dataset.from_folder``."""

    image_size: tuple[int, int] | None
    color_mode: ColorMode
    decoding: Decoding
    on_bad: OnBad
    threads: int
    progress: Callable[[int], object] | None
    cache: Cache | None = None

    def read(self, paths: Sequence[Path]) -> Pictures:
        """Return the pictures, from the cache where it has them."""
        if self.image_size is not None:
            check_image_size(self.image_size)
        if self.cache is None:
            return self._decode(paths)
        settings = {
            "image_size": None if self.image_size is None else [int(side) for side in self.image_size],
            "color_mode": self.color_mode,
            **self.decoding.to_dict(),
        }
        pictures = self.cache.read(paths, settings, self.threads, lambda: self._decode(paths))
        if pictures.bad and self.on_bad == "raise":
            raise pictures.bad[0]
        if pictures.cached and self.progress is not None:
            self.progress(len(paths))
        return pictures

    def _decode(self, paths: Sequence[Path]) -> Pictures:
        try:
            return read_pictures(
                paths,
                image_size=self.image_size,
                color_mode=self.color_mode,
                decoding=self.decoding,
                on_bad=self.on_bad,
                threads=self.threads,
                progress=self.progress,
            )
        except MemoryError as error:
            raise MemoryError(
                f"{len(paths)} pictures do not fit into memory: {error}; give a smaller image_size"
            ) from None


@dataclass(frozen=True)
class Contents:
    """Good pictures with all that is known about each. ``labels`` are positions in the classes of the source."""

    images: NDArray[np.uint8]
    labels: NDArray[np.intp]
    paths: list[Path]
    groups: NDArray[np.str_] | None
    bad_files: list[DecodeError]
    seconds: float
    cached: bool
    boxes: NDArray[np.int32] | None
    formats: NDArray[np.int32]
    readouts: NDArray[np.int32]
    unproven: list[str]


def read_found(found: Found, root: Path, groups: Groups | None, options: Options) -> Contents:
    """Decode files; bad ones are left out or raised, and each picture gets its group."""
    if found.bad and options.on_bad == "raise":
        raise found.bad[0]
    files = names_below(found.paths, root)
    parts: Sequence[str | None] | None = found.groups
    if groups is not None:
        parts = find_groups(groups, found.paths, files)
        if options.on_bad == "raise":  # before time is spent on decoding
            check_complete(parts, files)
    begun = time.perf_counter()
    pictures = options.read(found.paths)
    seconds = time.perf_counter() - begun

    kept = pictures.kept.tolist()
    labels = np.array([found.labels[i] for i in kept], np.intp)
    for label, name in enumerate(found.classes):
        if label not in labels:
            first = next(error for error in pictures.bad if found.labels[found.paths.index(error.path)] == label)
            raise ValueError(f"the class {name!r} has no good picture; the first bad one is {first}")
    named = None
    if parts is None and pictures.boxes is not None:
        parts = files  # the tiles of a picture belong together
    if parts is not None:
        check_complete([parts[i] for i in kept], [files[i] for i in kept])
        named = np.array([parts[i] for i in kept], np.str_)
    bad = sorted([*found.bad, *pictures.bad], key=lambda error: str(error.path))
    paths = [found.paths[i] for i in kept]
    return Contents(
        pictures.images,
        labels,
        paths,
        named,
        bad,
        seconds,
        pictures.cached,
        pictures.boxes,
        pictures.formats,
        pictures.readouts,
        pictures.unproven,
    )


def names_below(paths: Sequence[Path], root: Path | None) -> list[str]:
    """Return the paths below ``root`` with forward slashes; what lies elsewhere keeps its whole path."""
    inside = [root is not None and path.is_relative_to(root) for path in paths]
    return [(path.relative_to(root) if root and i else path).as_posix() for path, i in zip(paths, inside, strict=True)]


def check_images(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return pictures as (n, height, width, channels), contiguous."""
    plain_array("images", images)
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        found = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
        raise TypeError(f"images: found {found}, expected a NumPy array of uint8 (levels 0 to 255)")
    pixels = images[..., None] if images.ndim == 3 else images
    if pixels.ndim != 4 or 0 in pixels.shape or pixels.shape[3] not in (1, 3):
        raise ValueError(
            f"images: found the shape {images.shape}, expected (n, height, width) or (n, height, width, 1 or 3)"
        )
    if max(pixels.shape[1:3]) > SIDE_MAX:
        raise ValueError(f"images: found pictures of {_size(pixels.shape[1:3])}, expected sides of at most {SIDE_MAX}")
    return contiguous("images", pixels, np.uint8)


def check_labels(labels: ArrayLike, classes: Sequence[str] | None, count: int) -> tuple[NDArray[np.intp], list[str]]:
    """Return labels as positions in classes, and the names of the classes."""
    given = label_array("labels", labels)
    if given.shape != (count,):
        raise ValueError(f"labels: found the shape {given.shape}, expected ({count},), one for each picture")
    texts = all(isinstance(label, str) for label in given.tolist())
    if not texts and given.dtype.kind not in "iu":
        raise TypeError(
            f"labels: found {given.dtype}, expected names of classes, or integers that are positions in classes"
        )
    if classes is None:
        distinct, positions = np.unique(given.astype(np.str_) if texts else given, return_inverse=True)
        names = [str(name) for name in distinct.tolist()]
    else:
        names = _check_names(classes)
        if texts:
            place = {name: i for i, name in enumerate(names)}
            if unknown := [label for label in given.tolist() if label not in place]:
                raise ValueError(f"labels: found {unknown[0]!r}, which is not one of the classes {', '.join(names)}")
            positions = np.array([place[label] for label in given.tolist()])
        else:
            positions = given
            if outside := [label for label in given.tolist() if not 0 <= label < len(names)]:
                raise ValueError(f"labels: found {outside[0]}, expected positions 0 to {len(names) - 1} in classes")
    if len(names) < 2:
        raise ValueError(f"labels: found only the class {names[0]!r}, expected at least two")
    return positions.astype(np.intp), names


def check_groups(groups: ArrayLike, count: int) -> NDArray[np.str_]:
    """Return groups as text."""
    given = np.asarray(groups)
    if given.shape != (count,):
        raise ValueError(f"groups: found the shape {given.shape}, expected ({count},), one for each picture")
    if lacking := [i for i, group in enumerate(given.tolist()) if is_missing(group) or group == ""]:
        raise ValueError(
            f"groups: {len(lacking)} of {count} pictures have no group, the first at position {lacking[0]}"
        )
    return given.astype(np.str_)


def _check_names(classes: Sequence[str]) -> list[str]:
    names = list(classes) if isinstance(classes, Iterable) and not isinstance(classes, str) else []
    if len(names) < 2 or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"classes: found {classes!r}, expected a list of at least two names")
    if len(set(names)) < len(names):
        raise ValueError(f"classes: found {names!r}, expected each class once")
    return names


def _size(shape: Sequence[int]) -> str:
    return f"{shape[0]}x{shape[1]}"
