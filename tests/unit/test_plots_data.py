"""Plots of data: what they write is what the data says, nothing overlaps, and the caller's axes are used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Text

from gonogo.augment import Augment
from gonogo.data import Dataset, plot_split

mpl.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def dataset(counts: dict[str, int], shape: tuple[int, ...] = (6, 8), seed: int = 0) -> Dataset:
    labels = [name for name, count in counts.items() for _ in range(count)]
    images = np.random.default_rng(seed).integers(0, 256, (len(labels), *shape), np.uint8)
    return Dataset.from_arrays(images, labels, list(counts))


TILES = {"Blowhole": 115, "Break": 85, "Crack": 57, "Fray": 32, "Free": 952, "Uneven": 103}
FOUR = {"train": 0.6, "validation": 0.1, "calibration": 0.2, "test": 0.1}


def tiles() -> dict[str, Dataset]:
    return dataset(TILES, (1, 1)).split(FOUR)


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def written(ax: Axes) -> tuple[list[str], np.ndarray]:
    """All texts that are drawn, and their boxes (n, 4): left, bottom, right, top in pixels."""
    ax.figure.canvas.draw()
    legend = ax.get_legend()
    found: list[Text] = [*ax.texts, ax.title, *(legend.get_texts() if legend else [])]
    if ax.axison:
        found += [ax.xaxis.label, ax.yaxis.label]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            found += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    found = [text for text in found if text.get_text().strip() and text.get_visible()]
    return [text.get_text() for text in found], np.array([text.get_window_extent().extents for text in found])


def overlapping(ax: Axes) -> list[tuple[str, str]]:
    names, boxes = written(ax)
    low, high = boxes[:, None, :2], boxes[None, :, 2:]
    touching = (low < high).all(axis=2)
    pairs = np.argwhere(np.triu(touching & touching.T, 1))
    return [(names[a], names[b]) for a, b in pairs]


def beyond_the_figure(ax: Axes) -> list[str]:
    names, boxes = written(ax)
    whole = ax.figure.bbox.extents
    outside = (boxes[:, :2] < whole[:2] - 1).any(axis=1) | (boxes[:, 2:] > whole[2:] + 1).any(axis=1)
    return [names[k] for k in np.flatnonzero(outside)]


PLOTS: dict[str, Callable[[Axes | None], Axes]] = {
    "classes": lambda ax: dataset(TILES, (1, 1)).plot_classes(ax=ax),
    "two classes": lambda ax: dataset({"def_front": 3758, "ok_front": 2875}, (1, 1)).plot_classes(ax=ax),
    "empty class": lambda ax: dataset({"a": 3, "b": 0, "a very long name of a class of faults indeed": 1}).plot_classes(
        ax=ax
    ),
    "split": lambda ax: plot_split(tiles(), ax=ax),
    "split in two": lambda ax: plot_split(
        dataset({"a": 100, "b": 80}, (1, 1)).split({"train": 0.8, "test": 0.2}), ax=ax
    ),
    "sixteen classes": lambda ax: plot_split(
        dataset({f"class {k}": 4 + 3 * k for k in range(16)}, (1, 1)).split({"train": 0.8, "test": 0.2}), ax=ax
    ),
    "grid": lambda ax: dataset({"good": 50, "a class with a long name": 50}).plot_grid(ax=ax),
    "wide grid": lambda ax: dataset({"a": 5, "b": 4}, (10, 60)).plot_grid(n=9, ax=ax),
    "tall grid": lambda ax: dataset({"a": 5, "b": 4}, (60, 10)).plot_grid(n=9, ax=ax),
    "one picture": lambda ax: dataset({"a": 5, "b": 4}).plot_grid(n=1, ax=ax),
    "pixels": lambda ax: dataset({"a": 2, "b": 2}, (60, 80)).plot_pixels(1, ax=ax),
    "many pixels": lambda ax: dataset({"a": 2, "b": 2}, (60, 80)).plot_pixels(1, slice(8), slice(40), ax=ax),
    "colour": lambda ax: dataset({"a": 2, "b": 2}, (60, 80, 3)).plot_pixels(1, slice(10), slice(20), ax=ax),
}


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)
def test_texts_neither_overlap_nor_leave_the_figure(plot: Callable[[Axes | None], Axes]) -> None:
    ax = plot(None)
    assert overlapping(ax) == []
    assert beyond_the_figure(ax) == []


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)
def test_plots_draw_where_they_are_told(plot: Callable[[Axes | None], Axes]) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(14, 7), layout="constrained")
    assert plot(axes[1]) is axes[1]
    assert len(plt.get_fignums()) == 1
    assert axes[1].has_data()
    assert not axes[0].has_data()
    figure.canvas.draw()


def test_class_bars_have_counts_and_shares() -> None:
    ax = dataset({"b": 3, "a": 1}).plot_classes()
    assert texts(ax) == ["3  (75.0%)", "1  (25.0%)"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["b", "a"]
    assert [bar.get_width() for bar in ax.patches] == [3, 1]
    lower, upper = ax.get_ylim()
    assert lower > upper  # the first class is on top


def test_split_bars_are_stacked_by_class_and_every_count_is_written_once() -> None:
    parts = tiles()
    ax = plot_split(parts)
    labels = [tick.get_text().split("\n")[0] for tick in ax.get_yticklabels()]
    assert labels == list(FOUR)
    written = " ".join(texts(ax))
    for part in parts.values():
        for name, count in part.class_counts().items():
            share = count / len(part)
            assert f"{count:,}\n{share:.0%}" in texts(ax) or f"{name} {count:,} ({share:.1%})" in written
    bars = [(bar.get_x(), bar.get_width()) for bar in ax.patches][: len(TILES)]
    widths = list(parts["train"].class_counts().values())
    assert bars == [(sum(widths[:k]), width) for k, width in enumerate(widths)]
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == list(TILES)


def test_classes_beyond_the_palette_are_told_apart_by_hatching() -> None:
    ax = dataset({f"class {k}": 2 for k in range(20)}, (1, 1)).plot_classes()
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in ax.patches}) == 20


def test_a_split_needs_the_same_classes_everywhere() -> None:
    for parts in ({}, {"a": dataset({"x": 1, "y": 1}), "b": dataset({"y": 1, "x": 1})}):
        with pytest.raises(ValueError, match="parts: expected at least one dataset"):
            plot_split(parts)


def shown(ax: Axes) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in ax.images]


def test_a_grid_shows_pictures_with_their_classes() -> None:
    data = dataset({"a": 40, "b": 60})
    ax = data.plot_grid()
    assert len(shown(ax)) == 64
    known = {image[:, :, 0].tobytes(): data.classes[label] for image, label in data}
    assert [known[image.tobytes()] for image in shown(ax)] == texts(ax)
    assert ax.get_title() == "64 of 100 pictures"
    assert len(shown(data.plot_grid(n=200))) == 100


def test_a_grid_depends_on_its_seed_and_augments_the_same_pictures() -> None:
    data = dataset({"a": 40, "b": 60}, (16, 16))
    plain, again, other = data.plot_grid(n=9, seed=1), data.plot_grid(n=9, seed=1), data.plot_grid(n=9, seed=2)
    assert np.array_equal(shown(plain), shown(again))
    assert not np.array_equal(shown(plain), shown(other))
    flipped = data.plot_grid(Augment(horizontal_flip=True), n=9, seed=1)
    assert texts(flipped) == texts(plain)
    kinds = {
        (np.array_equal(after, before), np.array_equal(after, before[:, ::-1]))
        for before, after in zip(shown(plain), shown(flipped), strict=True)
    }
    assert kinds == {(True, False), (False, True)}


def test_a_grid_of_large_pictures_shrinks_them() -> None:
    ax = dataset({"a": 2, "b": 2}, (300, 1200)).plot_grid()
    assert {image.shape for image in shown(ax)} == {(64, 256)}


@pytest.mark.parametrize("shape", [(60, 80), (60, 80, 3)])
def test_pixels_are_written_with_their_levels(shape: tuple[int, ...]) -> None:
    data = dataset({"a": 2, "b": 2}, shape)
    ax = data.plot_pixels(2, rows=slice(20, 24), cols=slice(-10, -5))
    image = data[2][0]
    assert len(ax.texts) == 20
    for text in ax.texts:
        x, y = text.get_position()
        assert text.get_text() == "\n".join(map(str, image[int(y), int(x)]))
    assert {text.get_position() for text in ax.texts} == {(x, y) for y in range(20, 24) for x in range(70, 75)}
    assert ax.get_title() == "000000002: b"
    crop = image[20:24, 70:75]
    assert np.array_equal(shown(ax)[0], crop[:, :, 0] if crop.shape[2] == 1 else crop)


def test_pixels_come_from_the_middle_unless_told() -> None:
    ax = dataset({"a": 1, "b": 1}, (60, 10)).plot_pixels(0)
    rows = {int(text.get_position()[1]) for text in ax.texts}
    assert rows == set(range(17, 42))
    assert {int(text.get_position()[0]) for text in ax.texts} == set(range(10))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"rows": slice(0, 41)}, ValueError, "rows: found slice(0, 41, None) of 60 pixels, expected 1 to 40"),
        ({"cols": slice(5, 5)}, ValueError, "cols: found"),
        ({"cols": slice(0, 10, 2)}, ValueError, "neighbouring"),
        ({"rows": (0, 10)}, TypeError, "rows: found (0, 10), expected a slice"),
    ],
)
def test_a_crop_that_cannot_be_read_is_refused(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)):
        dataset({"a": 1, "b": 1}, (60, 80)).plot_pixels(0, **arguments)


def test_a_grid_of_nothing_is_refused() -> None:
    data = dataset({"a": 1, "b": 1})
    for subset, n in ((data, 0), (data[[]], 4)):
        with pytest.raises(ValueError, match="n: found"):
            subset.plot_grid(n=n)
