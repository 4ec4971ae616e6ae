"""Generated castings as a class folder tree of PNG files."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gonogo.png import png
from gonogo.storage import write_atomically

from .generate import CLASSES, LARGEST_INDEX, casting, checked_integer, checked_size


def write(
    out: str | os.PathLike[str],
    n: int,
    *,
    seed: int = 0,
    masks: str | os.PathLike[str] | None = None,
    size: tuple[int, int] = (300, 300),
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Write the first `n` pictures of a series as files.

    Parameters
    ----------
    out : path
        Folder, made where missing. It receives ``def_front/``, ``ok_front/`` with one PNG per picture, and, last,
        ``groups.csv`` (class, file, group): which pictures show the same physical part.
    n : int
        How many, at least 1.
    seed : int, default 0
        0 <= seed < 2**64.
    masks : path, optional
        Folder outside `out` for the masks, as ``masks/<class>/<file>``: 255 where a fault is, 0 elsewhere. Default: none.
    size : (int, int), default (300, 300)
        (height, width) in pixels, each 32 to 4096.
    progress : callable, optional
        Called as ``progress(done, n)`` after each picture.

    Returns
    -------
    dict of str to int
        Number of pictures of each class.

    Raises
    ------
    TypeError, ValueError
        A number out of its range, or `masks` inside `out`.
    FileExistsError
        `out` or `masks` already holds castings. Nothing is ever overwritten.
    OSError
        A folder or file cannot be written; what was complete before stays, nothing half-written does.

    Notes
    -----
    A file's name is its number in the series; it says nothing of the label.
    """
    n = checked_integer("n", n, 1, LARGEST_INDEX)
    checked_integer("seed", seed, 0, 2**64 - 1)
    checked_size(size)
    root = Path(out)
    mask_root = None if masks is None else Path(masks)
    if mask_root is not None:
        _refuse_inside(root, mask_root)
    folders = (root,) if mask_root is None else (root, mask_root)
    for folder in folders:
        _refuse_castings(folder)
    for folder in folders:
        for name in CLASSES:
            (folder / name).mkdir(parents=True, exist_ok=True)

    digits = max(6, len(str(n - 1)))
    counts = dict.fromkeys(CLASSES, 0)
    table = io.StringIO(newline="")
    lines = csv.writer(table, lineterminator="\n")
    lines.writerow(("class", "file", "group"))
    for index in range(n):
        one = casting(index, seed=seed, size=size)
        name = f"casting_{index:0{digits}d}.png"
        _write_picture(root / one.label / name, one.image)
        if mask_root is not None:
            _write_picture(mask_root / one.label / name, one.mask)
        counts[one.label] += 1
        lines.writerow((one.label, name, one.group))
        if progress is not None:
            progress(index + 1, n)
    write_atomically(root / "groups.csv", table.getvalue())
    return counts


def _refuse_inside(root: Path, mask_root: Path) -> None:
    """Masks among the pictures would be read as pictures of a class."""
    home = root.resolve()
    for folder in (mask_root, *(mask_root / name for name in CLASSES)):
        if folder.resolve().is_relative_to(home):
            raise ValueError(
                f"masks: found {str(mask_root)!r}, which puts masks inside {str(root)!r}, where they would be taken for "
                "pictures; expected a folder outside it: name another one"
            )


def _refuse_castings(folder: Path) -> None:
    """Raise where `folder` holds what `write` would add to or replace."""
    for name in (*CLASSES, "groups.csv"):
        path = folder / name
        found = any(path.iterdir()) if path.is_dir() else path.exists() or path.is_symlink()
        if found:
            raise FileExistsError(
                f"{path}: already exists, expected a new or empty folder; nothing is overwritten: name another folder, or "
                "delete this one first"
            )


def _write_picture(path: Path, image: npt.NDArray[np.uint8]) -> None:
    """Write beside the final name, then rename: a picture is there in full or not at all.

    Unlike `write_atomically` this does not wait for the disk, which would double the time of a run whose pictures can be
    drawn again.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        try:
            with temporary.open("xb") as stream:
                stream.write(png(image))
            temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
