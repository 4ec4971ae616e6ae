"""Formats of picture files, size and colour: which ones a model was trained on, and what is said of a picture of another.

Pictures of another size are resized and coloured ones made grey on their way into a net, so that it answers all the same. But a
camera that was exchanged or set in another way gives pictures that no training and no calibration has seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

GREY, COLOUR = "grey", "colour"
_SIZES_MAX = 16  # with more the pictures were cut out by hand, or come from anywhere: their size tells nothing
_SIZES_SHOWN = 3
_ASK = "another camera, or another setting of it?"


@dataclass(frozen=True)
class Formats:
    """Formats of the files that a model was trained on.

    Parameters
    ----------
    sizes : tuple of (height, width), or None
        Each size of a picture in pixels, sorted; None: there are more than 16, and any size is right.
    colours : tuple of str
        ``"colour"`` where a picture had a pixel in which R, G and B differ, ``"grey"`` where one had none; sorted.
    """

    sizes: tuple[tuple[int, int], ...] | None
    colours: tuple[str, ...]

    @classmethod
    def of(cls, formats: NDArray[np.int32]) -> Self:
        """Return what a training saw, given height, width and 0 or 1 for colour of each file, int32 (n, 3)."""
        found = set(map(tuple, formats.tolist()))
        sizes = sorted({(height, width) for height, width, _ in found})
        colours = sorted({COLOUR if coloured else GREY for _, _, coloured in found})
        return cls(tuple(sizes) if len(sizes) <= _SIZES_MAX else None, tuple(colours))

    @classmethod
    def from_dict(cls, stored: Any) -> Self:
        """Return what ``to_dict`` wrote; raise ``ValueError`` where that is something else."""
        expected = f"formats: found {stored!r}, expected sizes (a list of height and width, or null) and colours"
        if not isinstance(stored, Mapping) or set(stored) != {"sizes", "colours"}:
            raise ValueError(expected)
        sizes, colours = stored["sizes"], stored["colours"]
        if colours not in ([COLOUR], [GREY], [COLOUR, GREY]):
            raise ValueError(expected)
        if sizes is None:
            return cls(None, tuple(colours))
        if not isinstance(sizes, list) or not 0 < len(sizes) <= _SIZES_MAX or not all(map(_is_size, sizes)):
            raise ValueError(expected)
        return cls(tuple((height, width) for height, width in sizes), tuple(colours))

    def to_dict(self) -> dict[str, Any]:
        """Return the formats as values for JSON."""
        sizes = None if self.sizes is None else [list(size) for size in self.sizes]
        return {"sizes": sizes, "colours": list(self.colours)}

    def doubt_about_size(self, height: int, width: int) -> str:
        """Return why a picture of this size needs a person; empty where the training had such pictures."""
        if self.sizes is None or (height, width) in self.sizes:
            return ""
        found = f"the picture has {height} x {width} pixels (height x width), those of the training {self._sizes()}"
        return f"{found}: {_ASK}"

    def doubt_about_colour(self, coloured: bool) -> str:
        """Return why a picture with or without a coloured pixel needs a person; empty where the training had such pictures."""
        if (COLOUR if coloured else GREY) in self.colours:
            return ""
        found = (
            "has colours, those of the training have none"
            if coloured
            else "is grey, those of the training have colours"
        )
        return f"the picture {found}: {_ASK}"

    @property
    def has_one_colour(self) -> bool:
        """Whether the training had only coloured pictures, or only grey ones."""
        return len(self.colours) == 1

    def doubt_about(self, file: NDArray[np.int32]) -> str:
        """Return why a picture needs a person, given height, width and 0 or 1 for colour of its file, int32 (3,)."""
        height, width, coloured = file.tolist()
        return self.doubt_about_size(height, width) or self.doubt_about_colour(bool(coloured))

    def _sizes(self) -> str:
        sizes = [f"{height} x {width}" for height, width in self.sizes or ()]
        more = len(sizes) - _SIZES_SHOWN
        return " or ".join([*sizes[:_SIZES_SHOWN], *([f"one of {more} other sizes"] if more > 0 else [])])

    def __str__(self) -> str:
        """Return ``300 x 300 pixels, grey``."""
        return f"{'any size' if self.sizes is None else f'{self._sizes()} pixels'}, {' or '.join(self.colours)}"


def _is_size(size: Any) -> bool:
    pair = isinstance(size, list) and len(size) == 2
    return pair and all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in size)
