"""Pictures in a grid with a caption above each. Needs matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#333333"
_LINE = 0.09  # height of a caption's line, in widths of a cell
_GAP = 0.03  # between pictures, in widths of a cell
_FONT = 10.0  # points, at most


def draw_gallery(
    images: Sequence[NDArray[np.uint8]],
    captions: Sequence[str],
    colors: Sequence[str],
    title: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw pictures row by row, each framed and captioned in its colour.

    Parameters
    ----------
    images : sequence of uint8 arrays (height, width, channels)
        All of one size.
    captions : sequence of str
        Of one line or more; made smaller until they are no wider than a picture.
    colors : sequence of str
        For frame and caption.
    title : str
        Above all.
    ax : matplotlib Axes, optional
        Where to draw; a new figure when None. Everything stays inside.

    Returns
    -------
    matplotlib Axes
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    from gonogo.fitted_text import FittedText, write_fitted

    count = max(len(images), 1)
    height, width = images[0].shape[:2] if images else (1, 2)
    tall = height / width
    columns = min(count, math.ceil(math.sqrt(count * tall)))
    rows = -(-count // columns)
    room = _LINE * max((caption.count("\n") + 1 for caption in captions), default=1) + _GAP
    if ax is None:
        cell = min(2.2, 11 / columns, 11 / (rows * (tall + room)))
        size = (max(cell * columns, 3.2), cell * rows * (tall + room) + 0.5)
        ax = plt.subplots(figsize=size, layout="constrained")[1]
    ax.set_axis_off()
    ax.set_title(title, fontsize=12, color=INK, wrap=True)
    written: list[FittedText] = []
    for place, (image, caption, color) in enumerate(zip(images, captions, colors, strict=True)):
        row, column = divmod(place, columns)
        left, top = column + _GAP, row * (tall + room) + room
        wide, high = 1 - 2 * _GAP, tall * (1 - 2 * _GAP)
        grey = image.shape[2] == 1
        ax.imshow(
            image[:, :, 0] if grey else image,
            cmap="gray" if grey else None,
            vmin=0,
            vmax=255,
            extent=(left, left + wide, top + high, top),
            interpolation="antialiased",
        )
        ax.add_patch(Rectangle((left, top), wide, high, fill=False, edgecolor=color, linewidth=2))
        written.append(
            FittedText(
                column + 0.5,
                top - 0.5 * _GAP,
                caption,
                place=(wide, _LINE * (caption.count("\n") + 1)),
                largest=_FONT,
                ha="center",
                va="bottom",
                color=color,
                linespacing=1.1,
            )
        )
    if not images:
        ax.text(0.5, tall / 2, "nothing to show", ha="center", va="center", color=INK, fontsize=11)
    # imshow sets the limits to its picture.
    ax.set_xlim(0, columns)
    ax.set_ylim(rows * (tall + room), 0)
    ax.set_aspect("equal")
    write_fitted(ax, written)
    return ax
