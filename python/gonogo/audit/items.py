"""What is audited: the pictures of data sets, folders or tables, each with its name, class and subset."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo.checks import check_path
from gonogo.data import Dataset
from gonogo.data.grouping import Groups, find_groups
from gonogo.data.reading import names_below
from gonogo.data.sources import Classes, find_in_folders
from gonogo.data.tables import read_table
from gonogo.errors import DecodeError, in_one_line
from gonogo.pictures import read_bytes
from gonogo.png import png


@dataclass(frozen=True)
class Item:
    """One picture.

    Attributes
    ----------
    name : str
        As reports call it: its path below DATA, with the name of the subset in front where subsets have folders of their own.
    file : str
        Its path below DATA.
    label, subset : str
        Its class; its subset, ``""`` where there is but one.
    path : Path or None
        The file; None for pictures from arrays, which have ``pixels``.
    group : str or None
        The part that it shows, where the data say so.
    """

    name: str
    file: str
    label: str
    subset: str
    path: Path | None = None
    pixels: NDArray[np.uint8] | None = None
    group: str | None = None

    def content(self) -> bytes:
        """Return the bytes of the file; raise ``DecodeError`` where it cannot be read."""
        if self.path is not None:
            return read_bytes(self.path)
        assert self.pixels is not None
        return png(self.pixels, level=0)


@dataclass(frozen=True)
class Material:
    """All that is audited: pictures, files known to be none, and the bits in use of 16-bit grey."""

    items: list[Item]
    bad: list[tuple[str, DecodeError]]
    bit_depth: int
    subsets: list[str]


def gather(data: Any, classes: Classes | None, groups: Groups | None, bit_depth: int | None) -> Material:
    """Return what ``data`` holds; see :func:`gonogo.audit`.

    Raises
    ------
    TypeError, ValueError, OSError
        Naming what cannot be audited, and why.
    """
    sources = dict(data) if isinstance(data, Mapping) else {"": data}
    if not sources:
        raise ValueError("data: found an empty mapping, expected at least one data set or folder")
    if wrong := [name for name in sources if not isinstance(name, str) or (len(sources) > 1 and not name)]:
        raise ValueError(f"data: found the name {wrong[0]!r}, expected a text such as 'train'")
    _refuse_twice(sources)
    if classes is not None and any(isinstance(source, Dataset) for source in sources.values()):
        raise ValueError("classes: a Dataset has its classes already; leave classes out")
    roots = {_root(source) for source in sources.values()}
    prefixed = len(sources) > 1 and (len(roots) > 1 or None in roots)
    items: list[Item] = []
    bad: dict[str, DecodeError] = {}
    for subset, source in sources.items():
        prefix = f"{subset}/" if prefixed else ""
        found, refused = _items_of(source, subset, prefix, classes)
        items += found
        bad |= {prefix + name: error for name, error in refused}  # subsets of one data set share their bad files
    if groups is not None:
        items = _grouped(items, groups)
    if not items:
        raise ValueError("data: found no picture, expected at least one")
    return Material(items, sorted(bad.items()), _bit_depth(sources, bit_depth), list(sources))


def assign_subsets(material: Material, table: str | Path) -> Material:
    """Give the pictures the subsets that a split file names; pictures that it leaves out are not audited.

    Raises
    ------
    OSError, ValueError
        The table cannot be read, a picture is missing from it, or it names no subset.
    """
    subset_of = {row["file"]: row["subset"] for _, row in read_table(table, ("file", "subset"), "split")}
    items: list[Item] = []
    for item in material.items:
        if item.file not in subset_of:
            raise ValueError(f"{table}: {in_one_line(item.file)} is not listed; split the data anew")
        if subset := subset_of[item.file]:
            items.append(Item(item.name, item.file, item.label, subset, item.path, item.pixels, item.group))
    if not items:
        raise ValueError(f"{table}: found no subset, expected the name of one for each file")
    subsets = [subset for subset in dict.fromkeys(subset_of.values()) if subset]
    return Material(items, material.bad, material.bit_depth, subsets)


def identity(item: Item) -> str:
    """Return what makes a picture the same one in another data set: its file, or the digest of its pixels."""
    # Links are not followed.
    return digest_of(item.content()) if item.path is None else os.path.abspath(item.path)  # noqa: PTH100


def identities(data: Dataset | Sequence[str | Path]) -> list[str]:
    """Return the identity of each picture of a data set, or of that which a tile belongs to, or of each file."""
    paths = data.paths if isinstance(data, Dataset) else data
    if paths is None:
        assert isinstance(data, Dataset)
        return [identity(item) for item in _of_dataset(data, "", "")]
    return [os.path.abspath(path) for path in paths]  # noqa: PTH100


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(content).hexdigest()


def _items_of(
    source: Any, subset: str, prefix: str, classes: Classes | None
) -> tuple[list[Item], list[tuple[str, DecodeError]]]:
    if isinstance(source, Dataset):
        return list(_of_dataset(source, subset, prefix)), [
            (names_below([error.path], source.root)[0], error) for error in source.bad_files
        ]
    if not isinstance(source, (str, Path)):
        raise TypeError(f"data: found {type(source).__name__}, expected a Dataset, a folder, or a mapping of these")
    root = check_path("data", source, "a folder of class folders")
    found = find_in_folders(root, classes, least=1)
    files = names_below(found.paths, root)
    items = [
        Item(prefix + file, file, found.classes[label], subset, path)
        for file, label, path in zip(files, found.labels, found.paths, strict=True)
    ]
    return items, [(names_below([error.path], root)[0], error) for error in found.bad]


def _of_dataset(data: Dataset, subset: str, prefix: str) -> Iterator[Item]:
    paths = [None] * len(data) if data.paths is None else data.paths
    seen: set[Path | None] = set()
    for i, (file, path) in enumerate(zip(data.files, paths, strict=True)):
        if path is not None and path in seen:
            continue  # another tile of the same picture
        seen.add(path)
        pixels = data[i][0] if path is None else None
        group = None if data.groups is None else str(data.groups[i])
        yield Item(prefix + file, file, data.classes[data.labels[i]], subset, path, pixels, group)


def _grouped(items: list[Item], groups: Groups) -> list[Item]:
    if any(item.path is None for item in items):
        raise ValueError("groups: pictures from arrays have no files; give the Dataset its groups instead")
    found = find_groups(groups, [item.path for item in items if item.path is not None], [item.file for item in items])
    return [
        Item(item.name, item.file, item.label, item.subset, item.path, item.pixels, group or item.group)
        for item, group in zip(items, found, strict=True)
    ]


def _root(source: Any) -> Path | None:
    if isinstance(source, Dataset):
        return source.root
    return Path(source) if isinstance(source, (str, Path)) else None


def _refuse_twice(sources: Mapping[str, Any]) -> None:
    folders = {name: Path(source).resolve() for name, source in sources.items() if isinstance(source, (str, Path))}
    names = list(folders)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            a, b = folders[first], folders[second]
            if a == b or a in b.parents or b in a.parents:
                how = "are the same folder" if a == b else "lie one in the other"
                raise ValueError(
                    f"data: {first!r} and {second!r} {how}, so that every picture would be its own twin; "
                    "give each folder once"
                )


def _bit_depth(sources: Mapping[str, Any], given: int | None) -> int:
    depths = {source.decoding.bit_depth for source in sources.values() if isinstance(source, Dataset)}
    if given is not None:
        return given
    if len(depths) > 1:
        raise ValueError(f"bit_depth: the data sets were read with {sorted(depths)}, expected one; read them alike")
    return depths.pop() if depths else 16
