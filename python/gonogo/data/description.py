"""What a dataset tells of itself: names, sizes, counts, its line of text, its table in a notebook, its plots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from gonogo.data import plots, summary
from gonogo.data.reading import names_below
from gonogo.decoding import Decoding, ResizeMode

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from gonogo.augment import Augment
    from gonogo.data.dataset import Dataset


class Description:
    """The side of :class:`gonogo.Dataset` that describes it; plots need matplotlib."""

    if TYPE_CHECKING:
        pixels: NDArray[np.uint8]
        index: NDArray[np.uint32]
        labels: NDArray[np.intp]
        classes: list[str]
        paths: list[Path] | None
        root: Path | None
        decoding: Decoding
        groups: NDArray[np.str_] | None
        boxes: NDArray[np.int32] | None

    @property
    def files(self) -> list[str]:
        """What each picture is called in tables and messages: its path below ``root``, or its number in ``pixels``."""
        if self.paths is None:
            return [f"{position:09d}" for position in self.index.tolist()]
        return names_below(self.paths, self.root)

    @property
    def named_groups(self) -> NDArray[np.str_] | None:
        """``groups`` where somebody named them: None for tiles that only their file holds together.

        Such a group has the name of its file, and cameras give the same names again and again, to other parts.
        """
        by_file = self.groups is not None and self.boxes is not None and self.groups.tolist() == self.files
        return None if by_file else self.groups

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the pictures."""
        return self.pixels.shape[1], self.pixels.shape[2]

    @property
    def color_mode(self) -> str:
        """``"grayscale"`` or ``"rgb"``: what the pictures are, also where they were read with ``"auto"``."""
        return "grayscale" if self.pixels.shape[3] == 1 else "rgb"

    @property
    def resize_mode(self) -> ResizeMode:
        """How pictures of another size were brought to this one."""
        return self.decoding.resize_mode

    def class_counts(self) -> dict[str, int]:
        """Return the number of pictures of each class, in the order of ``classes``."""
        counts = np.bincount(self.labels, minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    def plot_classes(self, ax: Axes | None = None) -> Axes:
        """Draw how many pictures each class has, as bars with counts and shares; needs matplotlib."""
        return plots.plot_classes(self._dataset, ax)

    def plot_grid(self, augment: Augment | None = None, n: int = 64, seed: int = 0, ax: Axes | None = None) -> Axes:
        """Draw pictures in a square grid, with their classes; needs matplotlib.

        Parameters
        ----------
        augment : Augment, optional
            Show each picture as a training with these changes may see it; None: as it is. The same seed shows the same
            pictures with and without.
        n : int
            How many pictures, drawn at random; fewer when there are fewer.
        seed : int
            Key of the draw and of the changes.
        ax : matplotlib Axes, optional
            Where to draw; a new figure when None.
        """
        return plots.plot_grid(self._dataset, augment, n, seed, ax)

    def plot_pixels(self, i: int, rows: slice | None = None, cols: slice | None = None, ax: Axes | None = None) -> Axes:
        """Draw a crop of one picture with the level of every pixel written into it; needs matplotlib.

        Parameters
        ----------
        i : int
            Position of the picture in this dataset.
        rows, cols : slice, optional
            Crop, at most 40 pixels a side; None: 25 in the middle. RGB shows the levels of red, green and blue.
        ax : matplotlib Axes, optional
            Where to draw; a new figure when None.
        """
        return plots.plot_pixels(self._dataset, i, rows, cols, ax)

    def __repr__(self) -> str:
        return summary.as_text(self._dataset)

    def _repr_html_(self) -> str:
        return summary.as_html(self._dataset)

    @property
    def _dataset(self) -> Dataset:
        return cast("Dataset", self)
