"""What bringing pictures to the size of a model does to them: faults that vanish, shapes that are squeezed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.audit.connected import Connected
from gonogo.audit.findings import Finding
from gonogo.audit.items import Item
from gonogo.checks import check_image_size
from gonogo.decoding import RESIZE_MODES, ResizeMode
from gonogo.pictures import read_bytes

LEAST_FAULT = 2.0  # pixels, below which nothing of a fault is left
SQUEEZE = 2.0


@dataclass(frozen=True)
class Resizing:
    """Size and mode of a model, and where the masks are.

    Raises
    ------
    ValueError, OSError
        Naming what was found and what was expected.
    """

    image_size: tuple[int, int] | None
    resize_mode: ResizeMode
    masks: Path | None

    def __post_init__(self) -> None:
        if self.resize_mode not in RESIZE_MODES:
            raise ValueError(f"resize_mode: found {self.resize_mode!r}, expected one of {', '.join(RESIZE_MODES)}")
        size = self.image_size
        if size is not None:
            check_image_size(size)
        if self.masks is not None and not self.masks.is_dir():
            what = "is not a folder" if self.masks.exists() else "does not exist"
            raise FileNotFoundError(f"masks: {self.masks} {what}, expected a folder with a mask for each fault picture")
        if self.masks is not None and size is None:
            raise ValueError("masks: given without image_size, the size that the model will have; give both")

    def scale(self, height: int, width: int) -> tuple[float, float]:
        """Return by what the sides of a picture are multiplied."""
        assert self.image_size is not None
        down, across = self.image_size[0] / height, self.image_size[1] / width
        if self.resize_mode == "stretch":
            return down, across
        one = min(down, across) if self.resize_mode == "pad" else max(down, across)
        return one, one


def squeezed(items: Sequence[Item], rows: Sequence[dict[str, Any]], resizing: Resizing) -> list[Finding]:
    """Return pictures whose sides are shrunk by factors that differ by more than 2."""
    if resizing.image_size is None:
        return []
    found = []
    for item, row in zip(items, rows, strict=True):
        down, across = resizing.scale(row["height"], row["width"])
        ratio = max(down, across) / min(down, across)
        if ratio > SQUEEZE:
            words = (
                f"{row['height']} x {row['width']} pixels become {resizing.image_size[0]} x {resizing.image_size[1]}"
            )
            found.append(Finding(item.name, f"{words}: squeezed {ratio:.1f}:1"))
    return found


def shrunk_faults(
    items: Sequence[Item], rows: Sequence[dict[str, Any]], resizing: Resizing
) -> tuple[list[Finding], list[Finding], int]:
    """Return pictures with faults that shrink below 2 pixels, masks that do not fit, and the number of masks found.

    The size of a fault (8-connected part of a mask) is the square root of its area. Those that are below 2 pixels in the file
    already do not count.

    Raises
    ------
    ValueError
        No picture has a mask.
    """
    if resizing.masks is None:
        return [], [], 0
    found, unfit, number = [], [], 0
    for item, row in zip(items, rows, strict=True):
        path = _mask_of(resizing.masks, item)
        if path is None:
            continue
        number += 1
        try:
            mask = _core.decode(read_bytes(path), 1)[:, :, 0] >= 128
        except ValueError as error:
            unfit.append(Finding(item.name, f"the mask {path.name} is no good picture: {error}"))
            continue
        if mask.shape != (row["height"], row["width"]):
            size = f"{mask.shape[0]} x {mask.shape[1]}, expected {row['height']} x {row['width']}"
            unfit.append(Finding(item.name, f"the mask {path.name} is {size} as its picture"))
            continue
        down, across = resizing.scale(row["height"], row["width"])
        sides = np.sqrt(fault_areas(mask))
        shown = sides[sides >= LEAST_FAULT]
        after = shown * np.sqrt(down * across)
        if (lost := after < LEAST_FAULT).any():
            all_lost = ", which leaves nothing of what its label says" if lost.all() else ""
            words = f"{lost.sum()} of {len(shown)} faults shrink below 2 pixels, the smallest to {after.min():.1f}"
            found.append(Finding(item.name, words + all_lost))
    if number == 0:
        raise ValueError(
            f"masks: {resizing.masks} holds no mask of these pictures, such as {_wanted(items[0])}; "
            "expected <class>/<name of the picture> or <name of the picture>, with any ending"
        )
    return found, unfit, number


def fault_areas(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the number of pixels of each 8-connected part of a mask (height, width)."""
    width = mask.shape[1]
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]  # behind the last pixel
    # Runs of the row before that begin before this one has ended and end no earlier than it begins touch it.
    first = np.searchsorted(rows * (width + 2) + ends, (rows - 1) * (width + 2) + starts)
    last = np.searchsorted(rows * (width + 2) + starts, (rows - 1) * (width + 2) + ends, side="right")
    connected = Connected(len(rows))
    for run, (low, high) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        for other in range(low, high):
            if rows[other] == rows[run] - 1:
                connected.join((other, run))
    if len(rows) == 0:
        return np.zeros(0)
    areas = np.bincount(connected.roots(), weights=ends - starts)
    return np.asarray(areas[areas > 0])


def _mask_of(folder: Path, item: Item) -> Path | None:
    name = item.file.rpartition("/")[2]
    stem = name.rpartition(".")[0]
    inside = folder / item.file.rpartition("/")[0]
    for place in dict.fromkeys((inside, folder)):
        for wanted in dict.fromkeys((name, f"{stem}.png", f"{stem}.PNG", f"{stem}.bmp", f"{stem}.tif", f"{stem}.tiff")):
            if (path := place / wanted).is_file():
                return path
    return None


def _wanted(item: Item) -> str:
    return f"{item.file.rpartition('.')[0]}.png"
