"""Looking at a dataset: its one line of text, its table in a notebook, its plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from gonogo.data import plots, summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from gonogo.augment import Augment
    from gonogo.data.dataset import Dataset


class Drawing:
    """The side of :class:`gonogo.Dataset` that shows it; plots need matplotlib."""

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
