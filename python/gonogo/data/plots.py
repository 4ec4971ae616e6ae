"""Looking at data: classes, splits, pictures with and without augmentation, single pixels. Needs matplotlib."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gonogo import _core

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

    from gonogo.augment import Augment
    from gonogo.data.dataset import Dataset

# Okabe and Ito, "Color Universal Design" (2008), without black, and yellow last.
_PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
_HATCHES = ("", "//", "..", "xx")
_INK = "#333333"
_GRID_SIDE_MAX = 256  # pixels of one picture in a grid; more cannot be seen
_CROP = 25
_CROP_MAX = 40  # pixels a side; the numbers of more cannot be read
_POINTS = 72  # to an inch
_NOTES = 3  # counts to a line behind a bar


@dataclass(frozen=True)
class _Label:
    """A count within a bar, and what is written when it must stand ``alone``, outside of its colour."""

    text: Text
    row: int
    count: int
    alone: str


def plot_classes(data: Dataset, ax: Axes | None) -> Axes:
    """See ``Dataset.plot_classes``."""
    counts = data.class_counts()
    ax = _bars(ax, len(counts), "pictures", list(counts))
    most = max(1, *counts.values())
    for row, (count, style) in enumerate(zip(counts.values(), _styles(len(counts)), strict=True)):
        ax.barh(row, count, height=0.7, **style)
        share = f"{count:,}  ({count / max(len(data), 1):.1%})"
        ax.annotate(share, (count, row), (5, 0), textcoords="offset points", va="center", fontsize=10, color=_INK)
    ax.set_xlim(0, most * 1.28)
    ax.set_title(f"{data.subset + ': ' if data.subset else ''}{len(data):,} pictures", fontsize=12, color=_INK)
    return ax


def plot_split(parts: Mapping[str, Dataset], ax: Axes | None = None) -> Axes:
    """Draw how many pictures of each class are in each subset of a split, with counts and shares; needs matplotlib.

    Parameters
    ----------
    parts : mapping from str to Dataset
        What :meth:`Dataset.split` or :func:`load_split` returned, or datasets of your own with the same classes.
    ax : matplotlib Axes, optional
        Where to draw; a new figure when None.

    Returns
    -------
    matplotlib Axes
        One bar for each subset, stacked by class; a share is that of the class in its subset.
    """
    classes = next(iter(parts.values())).classes if parts else []
    if not parts or any(part.classes != classes for part in parts.values()):
        raise ValueError("parts: expected at least one dataset, all of them with the same classes in the same order")
    total = sum(map(len, parts.values()))
    names = [f"{name}\n{len(part):,} ({len(part) / max(total, 1):.0%})" for name, part in parts.items()]
    columns = min(len(classes), 4 if len(classes) <= 8 else 6)
    # Each bar is as high as all its counts need when they stand behind it, _NOTES to a line; then the lines of the legend.
    inches = max(0.75, 0.25 + 0.15 * math.ceil(len(classes) / _NOTES))
    inches += 0.2 * (math.ceil(len(classes) / columns) - 1) / len(parts)
    ax = _bars(ax, len(parts), "pictures", names, inches)
    styles = _styles(len(classes))
    ax.set_xlim(0, 1.12 * max(1, *map(len, parts.values())))
    labels = []
    for row, part in enumerate(parts.values()):
        left = 0
        for (name, count), style in zip(part.class_counts().items(), styles, strict=True):
            ax.barh(row, count, left=left, height=0.72, label=name if row == 0 else None, **style)
            share = count / max(len(part), 1)
            text = ax.text(left + count / 2, row, f"{count:,}\n{share:.0%}", ha="center", va="center", fontsize=9)
            text.set_color(_ink_on(style["facecolor"]))
            if style["hatch"]:
                text.set_bbox({"facecolor": style["facecolor"], "edgecolor": "none", "pad": 1})
            labels.append(_Label(text, row, count, f"{name} {count:,} ({share:.1%})"))
            left += count
    ax.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, frameon=False, fontsize=10, handlelength=1.2
    )
    _place_counts(ax, labels, [len(part) for part in parts.values()])
    return ax


def plot_grid(data: Dataset, augment: Augment | None, n: int, seed: int, ax: Axes | None) -> Axes:
    """See ``Dataset.plot_grid``."""
    import matplotlib.pyplot as plt

    if n < 1 or len(data) == 0:
        raise ValueError(f"n: found {n} of {len(data)} pictures to draw, expected at least one")
    chosen = _core.shuffled(len(data), seed)[:n].tolist()
    columns = math.ceil(math.sqrt(len(chosen)))
    rows = -(-len(chosen) // columns)
    height, width = data.image_size
    # A cell is one wide; above each picture there is room for its class.
    tall, title = height / width, 0.16
    if ax is None:
        inches = min(1.5, 12 / columns)
        figure, ax = plt.subplots(figsize=(inches * columns, inches * rows * (tall + title) + 0.4))
        figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02)
    ax.set_axis_off()
    ax.set_xlim(0, columns)
    ax.set_ylim(rows * (tall + title), 0)
    for place, position in enumerate(chosen):
        row, column = divmod(place, columns)
        image, label = data[position]
        if augment is not None:
            image = augment.apply(image, seed=seed, sample=int(data.index[position]))
        top = row * (tall + title) + title
        extent = (column + 0.02, column + 0.98, top + 0.98 * tall, top)
        _show(ax, _shrunk(image), extent=extent, interpolation="antialiased")
        name = _shortened(data.classes[label], 16)
        ax.text(column + 0.5, top - 0.03, name, ha="center", va="bottom", color=_INK, in_layout=False)
    ax.set_aspect("equal")
    cell = _axes_inches(ax)[0] / columns
    longest = max((len(text.get_text()) for text in ax.texts), default=1)
    size = min(10, 0.62 * title * cell * _POINTS, 0.95 * cell * _POINTS / (0.6 * longest))
    for text in ax.texts:
        text.set_fontsize(size)
    changed = " as a training may see them" if augment is not None else ""
    ax.set_title(f"{len(chosen)} of {len(data):,} pictures{changed}", fontsize=12, color=_INK)
    return ax


def plot_pixels(data: Dataset, i: int, rows: slice | None, cols: slice | None, ax: Axes | None) -> Axes:
    """See ``Dataset.plot_pixels``."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    image, label = data[i]
    (top, bottom), (left, right) = _crop("rows", rows, image.shape[0]), _crop("cols", cols, image.shape[1])
    crop = image[top:bottom, left:right]
    height, width, channels = crop.shape
    if ax is None:
        cell = min(0.42 if channels == 1 else 0.6, 11 / max(height, width))
        ax = plt.subplots(figsize=(cell * width + 0.7, cell * height + 0.9), layout="constrained")[1]
    _show(ax, crop, extent=(left - 0.5, right - 0.5, bottom - 0.5, top - 0.5), interpolation="nearest")
    ax.set_title(f"{data.files[i]}: {data.classes[label]}", fontsize=11, color=_INK, wrap=True)
    ax.set_xlabel("column", color=_INK)
    ax.set_ylabel("row", color=_INK)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    wide, high = _axes_inches(ax)
    lines = 1 if channels == 1 else 3.6
    size = min(11.0, 0.8 * _POINTS * wide / width / 1.9, 0.75 * _POINTS * high / height / lines)
    for y in range(height):
        for x in range(width):
            levels = crop[y, x].tolist()
            ink = "black" if sum(levels) > 127 * channels else "white"
            text = "\n".join(map(str, levels))
            ax.text(
                left + x,
                top + y,
                text,
                ha="center",
                va="center",
                fontsize=size,
                color=ink,
                linespacing=1.0,
                in_layout=False,
            )
    return ax


def _bars(ax: Axes | None, count: int, what: str, names: list[str], inches: float = 0.5) -> Axes:
    """Axes for horizontal bars, the first on top; long names have room there that they would not have below."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    if ax is None:
        ax = plt.subplots(figsize=(8, 1.1 + inches * count), layout="constrained")[1]
    ax.set_yticks(range(count), [_shortened(name, 40) for name in names], fontsize=10, color=_INK)
    ax.set_ylim(count - 0.4, -0.6)
    ax.set_xlabel(what, color=_INK)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", colors=_INK)
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def _styles(count: int) -> list[dict[str, Any]]:
    """Colours that colour-blind readers tell apart; hatched once they repeat."""
    return [
        {
            "facecolor": _PALETTE[i % len(_PALETTE)],
            "hatch": _HATCHES[i // len(_PALETTE) % len(_HATCHES)],
            "edgecolor": "white",
            "linewidth": 1,
        }
        for i in range(count)
    ]


def _ink_on(color: str) -> str:
    red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 100 else "white"


def _place_counts(ax: Axes, labels: list[_Label], ends: list[int]) -> None:
    """Put counts that are wider than their segment behind the end of the bar, with the name of the class.

    Room for that makes the bars shorter, after which more counts may be too wide: each round moves some, until all fit.
    """
    behind: dict[int, list[str]] = {}
    notes: list[Text] = []
    while True:
        _lay_out(ax)
        scale = ax.get_window_extent().width / ax.get_xlim()[1]  # pixels for one picture
        wide = [label for label in labels if label.text.get_window_extent().width > 0.94 * scale * label.count]
        if not wide:
            return
        for label in wide:
            label.text.remove()
            labels.remove(label)
            behind.setdefault(label.row, []).append(label.alone)
        for note in notes:
            note.remove()
        style: dict[str, Any] = {"va": "center", "fontsize": 8.5, "color": _INK, "in_layout": False}
        notes = []
        for row, texts in behind.items():
            lines = [",  ".join(texts[k : k + _NOTES]) for k in range(0, len(texts), _NOTES)]
            place = (ends[row], row)
            notes.append(ax.annotate("\n".join(lines), place, xytext=(6, 0), textcoords="offset points", **style))
        _lay_out(ax)
        width = ax.get_window_extent().width
        room = {row: 1 - (note.get_window_extent().width + 14) / width for row, note in zip(behind, notes, strict=True)}
        ax.set_xlim(0, max(ax.get_xlim()[1], *(ends[row] / max(0.2, part) for row, part in room.items())))


def _show(ax: Axes, image: NDArray[np.uint8], **options: Any) -> None:
    grey = image.shape[2] == 1
    ax.imshow(image[:, :, 0] if grey else image, cmap="gray" if grey else None, vmin=0, vmax=255, **options)


def _shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    factor = max(height, width) / _GRID_SIDE_MAX
    if factor <= 1:
        return image
    return _core.resize(np.ascontiguousarray(image), round(height / factor) or 1, round(width / factor) or 1, "stretch")


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _lay_out(ax: Axes) -> None:
    """Settle where everything will be, so that it can be measured."""
    ax.figure.canvas.figure.draw_without_rendering()


def _axes_inches(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes as they will be drawn."""
    _lay_out(ax)
    box = ax.get_window_extent()
    dpi = ax.figure.get_dpi()
    return box.width / dpi, box.height / dpi


def _crop(name: str, wanted: slice | None, length: int) -> tuple[int, int]:
    if wanted is None:
        first = max(0, (length - _CROP) // 2)
        return first, min(length, first + _CROP)
    if not isinstance(wanted, slice):
        raise TypeError(f"{name}: found {wanted!r}, expected a slice such as slice(100, 125)")
    first, last, step = wanted.indices(length)
    if step != 1 or not 1 <= last - first <= _CROP_MAX:
        raise ValueError(f"{name}: found {wanted!r} of {length} pixels, expected 1 to {_CROP_MAX} neighbouring pixels")
    return first, last
