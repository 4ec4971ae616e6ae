"""From pictures with labels and groups to parts: which pictures are one part, its label and its id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gonogo import _core
from gonogo.errors import DecodeError
from gonogo.labels import label_array, label_positions
from gonogo.pictures import read_bytes


@dataclass(frozen=True)
class Calibration:
    """Samples with labels and, where known, the part that each shows.

    Attributes
    ----------
    X : Any
        The samples as the classifier takes them.
    labels : intp array (n,)
        Positions in the classes of the classifier.
    groups : str array (n,) or None
        Part that each sample shows; None: each is a part.
    paths : list of Path or None
        File of each sample.
    samples : array (n, ...) or None
        The samples in memory.
    split_file : Path or None
        The split file that the samples were selected by.
    named : str array (n,) or None
        ``groups`` where somebody named them; None for tiles that only their file holds together.
    """

    X: Any
    labels: NDArray[np.intp]
    groups: NDArray[np.str_] | None
    paths: list[Path] | None
    samples: NDArray[Any] | None
    split_file: Path | None
    named: NDArray[np.str_] | None = None


@dataclass(frozen=True)
class Parts:
    """Parts in the order in which they first occur.

    Attributes
    ----------
    of : intp array (n,)
        The part of each sample.
    labels : intp array (parts,)
        Position of the class of each part.
    sizes : intp array (parts,)
        Pictures of each part.
    """

    of: NDArray[np.intp]
    labels: NDArray[np.intp]
    sizes: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.labels)


def collect(X: Any, y: Any, groups: ArrayLike | None, classes: Sequence[str]) -> Calibration:
    """Return what was given to a gate, checked.

    Parameters
    ----------
    X : Dataset, list of paths, or array
        Samples as the classifier takes them.
    y : array-like (n,), optional
        Labels; not with a Dataset.
    groups : array-like (n,), optional
        Part that each sample shows; None: those of a Dataset, or none.
    classes : sequence of str
        Of the classifier.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, what was found and what was expected.
    """
    if is_dataset(X):
        if y is not None:
            raise ValueError("y: a Dataset brings its own labels; leave y out")
        given = np.asarray(X.classes)[X.labels]
        named, groups = (X.named_groups, X.groups) if groups is None else (groups, groups)
        paths = None if X.paths is None else list(X.paths)
        samples, split_file = X.pixels, getattr(X, "split_file", None)
    else:
        if y is None:
            raise ValueError("y: found no labels; pass y, or a Dataset as X")
        given, split_file, named = label_array("y", y), None, groups
        paths = paths_of(X)
        samples = None if paths is not None else np.asarray(X)
    count = len(X)
    if given.shape != (count,):
        raise ValueError(f"y: found labels of shape {given.shape}, expected one for each of {count} samples")
    if count == 0:
        raise ValueError("X: found no sample, expected bad and good parts that the model has never seen")
    checked, labels = check_groups(groups, count), label_positions("y", given, np.array(classes))
    return Calibration(X, labels, checked, paths, samples, split_file, None if named is None else checked)


def is_dataset(X: Any) -> bool:
    """Whether X is a Dataset, told by what it has: this module must not know where data come from."""
    return all(hasattr(X, name) for name in ("pixels", "index", "labels", "classes", "groups"))


def paths_of(X: Any) -> list[Path] | None:
    """Return X as paths where it is a list of them."""
    if isinstance(X, (list, tuple)) and X and all(isinstance(item, (str, Path)) for item in X):
        return [Path(item) for item in X]
    return None


def check_groups(groups: ArrayLike | None, count: int) -> NDArray[np.str_] | None:
    """Return groups as texts, one for each of ``count`` samples."""
    if groups is None:
        return None
    given = np.asarray(groups)
    if given.shape != (count,):
        raise ValueError(f"groups: found the shape {given.shape}, expected ({count},), one for each sample")
    if lacking := [i for i, group in enumerate(given.tolist()) if group is None or group != group or group == ""]:
        raise ValueError(f"groups: {len(lacking)} of {count} samples have no group, the first at position {lacking[0]}")
    return given.astype(np.str_)


def find_parts(labels: NDArray[np.intp], groups: NDArray[np.str_] | None, classes: Sequence[str]) -> Parts:
    """Return which samples are one part.

    Raises
    ------
    ValueError
        Samples of one part have different labels.
    """
    if groups is None:
        return Parts(np.arange(len(labels)), labels, np.ones(len(labels), np.intp))
    names, first, inverse, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    by_occurrence = np.argsort(first, kind="stable")
    rank = np.empty(len(names), np.intp)
    rank[by_occurrence] = np.arange(len(names))
    label_of_part = labels[first][inverse]
    if mixed := np.flatnonzero(labels != label_of_part).tolist():
        i = mixed[0]
        raise ValueError(
            f"groups: the part {str(groups[i])!r} has the labels {classes[label_of_part[i]]!r} and {classes[labels[i]]!r}, "
            "expected one; correct the labels without looking at the model, or leave the part out of the whole split"
        )
    return Parts(rank[inverse], labels[first][by_occurrence], sizes[by_occurrence].astype(np.intp))


def part_ids(calibration: Calibration, parts: Parts) -> list[str]:
    """Return the id of each part: SHA-256 of the sorted SHA-256 of its pictures' decoded pixels, or of its rows.

    Files are decoded as they are, so that models that read pictures in different sizes know the same parts. Rows of numbers
    count as float32, so that they are the same in every type that holds them.
    """
    digests = _file_digests(calibration.paths) if calibration.paths else _row_digests(calibration)
    return ids_of_parts(digests, parts.of, len(parts))


def ids_of_parts(digests: Sequence[bytes], part_of: NDArray[np.intp], count: int) -> list[str]:
    """Return the id of each of ``count`` parts, given the digests of all pictures and their parts."""
    pictures: list[list[bytes]] = [[] for _ in range(count)]
    for digest, part in zip(digests, part_of.tolist(), strict=True):
        pictures[part].append(digest)
    return [hashlib.sha256(b"".join(sorted(mine))).hexdigest() for mine in pictures]


def _row_digests(calibration: Calibration) -> list[bytes]:
    X, samples = calibration.X, calibration.samples
    assert samples is not None
    index: Iterable[int] = X.index.tolist() if is_dataset(X) else range(len(samples))
    if samples.ndim < 3 and samples.dtype.kind in "fiub":
        with np.errstate(over="ignore"):
            samples = samples.astype(np.float32) + np.float32(0)  # no -0
    return [hashlib.sha256(np.ascontiguousarray(samples[i]).data).digest() for i in index]


def _file_digests(paths: Sequence[Path]) -> list[bytes]:
    def digest(path: Path) -> bytes:
        try:
            # Three channels and all 16 bits, whatever a model asks for.
            return hashlib.sha256(_core.decode(read_bytes(path), 3, 16).data).digest()
        except _core.CoreError as error:
            raise DecodeError(path, "unreadable", str(error), 0) from None

    with ThreadPoolExecutor(_core.cpu_count()) as pool:
        return list(pool.map(digest, paths))


def digest_of_set(ids: Iterable[str]) -> str:
    """Return the SHA-256 of a set of texts, whatever their order."""
    return hashlib.sha256("\n".join(sorted(set(ids))).encode()).hexdigest()
