"""How picture files become pixels: what a data set was read with, and what a model keeps to read as its training did."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.checks import is_integer
from gonogo.preprocess import Preprocess
from gonogo.tiles import Tiles

ResizeMode = Literal["pad", "stretch", "crop"]

RESIZE_MODES = ("pad", "stretch", "crop")
BIT_DEPTHS = (16, 12, 10)


@dataclass(frozen=True)
class Decoding:
    """Settings of the way from a file to pixels, besides size and colour.

    Parameters
    ----------
    resize_mode : {"pad", "stretch", "crop"}
        What happens to pictures of another shape than the one wanted.
    bit_depth : {16, 12, 10}
        How many bits of 16-bit grey are in use: a value v becomes ``v >> (bit_depth - 8)``, and a picture with a value of
        ``2 ** bit_depth`` or more is bad. Pictures of 8 bits do not depend on it.
    preprocess : Preprocess, optional
        Fixed enhancement; one that changes nothing counts as None.
    tiles : Tiles, optional
        Tiles into which each picture, or its region of interest, is cut. From then on a tile is treated like a picture.

    Raises
    ------
    ValueError
        Naming the setting, what was found and what was expected.
    """

    resize_mode: ResizeMode = "pad"
    bit_depth: int = 16
    preprocess: Preprocess | None = None
    tiles: Tiles | None = None

    def __post_init__(self) -> None:
        if self.resize_mode not in RESIZE_MODES:
            raise ValueError(f"resize_mode: found {self.resize_mode!r}, expected one of {', '.join(RESIZE_MODES)}")
        if not is_integer(self.bit_depth) or self.bit_depth not in BIT_DEPTHS:
            raise ValueError(f"bit_depth: found {self.bit_depth!r}, expected 16, 12 or 10")
        object.__setattr__(self, "bit_depth", int(self.bit_depth))
        if self.preprocess is not None and not isinstance(self.preprocess, Preprocess):
            raise TypeError(f"preprocess: found {self.preprocess!r}, expected a gonogo.Preprocess or None")
        if self.preprocess == Preprocess():
            object.__setattr__(self, "preprocess", None)
        if self.tiles is not None and not isinstance(self.tiles, Tiles):
            raise TypeError(f"tiles: found {self.tiles!r}, expected gonogo.Tiles or None")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as values for JSON."""
        settings: dict[str, Any] = {"resize_mode": self.resize_mode, "bit_depth": self.bit_depth}
        if self.preprocess is not None:
            settings["preprocess"] = self.preprocess.to_dict()
        if self.tiles is not None:
            settings["tiles"] = self.tiles.to_dict()
        return settings

    def options(self) -> dict[str, Any]:
        """Return the settings as parameters of ``Dataset.from_folder``."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Self:
        """Return the settings that ``to_dict`` wrote; what is missing has its default.

        Raises
        ------
        ValueError
            A key is unknown: pixels that were made with a setting that this version does not know would be others here.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(mapping) - known):
            raise ValueError(f"unknown key {unknown[0]!r}, expected some of {', '.join(sorted(known))}")
        settings = dict(mapping)
        if "preprocess" in settings:
            settings["preprocess"] = Preprocess.from_dict(settings["preprocess"])
        if "tiles" in settings:
            settings["tiles"] = Tiles.from_dict(settings["tiles"])
        return cls(**settings)

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) of what is cut out of every picture; None where pictures stay whole."""
        if self.tiles is not None:
            return self.tiles.height, self.tiles.width
        roi = None if self.preprocess is None else self.preprocess.roi
        return None if roi is None else roi[2:]

    def regions(self, height: int, width: int) -> NDArray[np.int32]:
        """Return what is cut out of a picture of this size: int32 (n, 4), each top, left, height and width.

        Raises
        ------
        ValueError
            The picture does not hold the region of interest, or the region no tile.
        """
        top, left, tall, wide = (0, 0, height, width)
        if self.preprocess is not None and self.preprocess.roi is not None:
            top, left, tall, wide = self.preprocess.roi
            if top + tall > height or left + wide > width:
                raise ValueError(
                    f"the picture has {height} x {width} pixels (height x width), which do not hold the region of "
                    f"{tall} x {wide} pixels at row {top}, column {left}"
                )
        if self.tiles is None:
            return np.array([(top, left, tall, wide)], np.int32)
        boxes = self.tiles.boxes(tall, wide).reshape(-1, 4)
        sides = np.broadcast_to(np.array([self.tiles.height, self.tiles.width], np.int32), (len(boxes), 2))
        return np.concatenate([boxes[:, :2] + np.array([top, left], np.int32), sides], axis=1)

    def cut(
        self, pixels: NDArray[np.uint8], image_size: tuple[int, int]
    ) -> tuple[list[NDArray[np.uint8]], NDArray[np.int32]]:
        """Return what a net's input is made of, given the pixels that are in a file.

        Parameters
        ----------
        pixels : uint8 array (height, width, channels)
            Of a size of which ``regions`` can be cut.
        image_size : (height, width)
            What the net reads.

        Returns
        -------
        parts : list of uint8 arrays (height, width, channels)
            Each region, resized.
        regions : int32 array (n, 4)
            What ``regions`` returns.
        """
        regions = self.regions(*pixels.shape[:2])
        parts = [pixels[top : top + tall, left : left + wide] for top, left, tall, wide in regions.tolist()]
        return [_core.resize(np.ascontiguousarray(part), *image_size, self.resize_mode) for part in parts], regions

    def enhance(self, parts: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Return what a net reads, uint8 (n, height, width, channels), given what ``cut`` returned."""
        enhancement = (self.preprocess or Preprocess()).enhancement()
        return np.stack([_core.enhance(part, enhancement) for part in parts])

    @property
    def enhances(self) -> bool:
        """Whether a net reads other pixels than those that were cut out and resized."""
        return self.preprocess is not None and self.preprocess.without_roi() != Preprocess()
