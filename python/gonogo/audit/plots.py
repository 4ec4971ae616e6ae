"""Contact sheets of an audit. Needs matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.audit.findings import PICTURES
from gonogo.checks import check_integer
from gonogo.gallery import INK, draw_gallery

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from gonogo.audit.items import Item
    from gonogo.audit.report import AuditReport, Pair

CONFLICT, CROSSING = "#c62828", "#0b5cad"  # red and blue that colour-blind readers tell apart, also by their brightness


def picture(item: Item, bit_depth: int, side: int) -> NDArray[np.uint8]:
    """Return a picture uint8 (height, width, 1 or 3) whose longer side is at most ``side``."""
    pixels = _core.decode(item.content(), 3, bit_depth)
    if _core.is_grey(pixels):
        pixels = np.ascontiguousarray(pixels[:, :, :1])
    scale = side / max(pixels.shape[:2])
    height, width = (max(1, round(length * scale)) for length in pixels.shape[:2])
    return pixels if scale >= 1 else _core.resize(pixels, height, width, "stretch")


def label_of(item: Item) -> str:
    """Return class and, where there are several, subset of a picture."""
    return f"{item.label} · {item.subset}" if item.subset else item.label


def color_of(report: AuditReport, pair: Pair) -> str:
    """Return what a pair is framed in: red for two labels, blue for two subsets."""
    first, second = report.items[pair.first], report.items[pair.second]
    return CONFLICT if first.label != second.label else CROSSING if first.subset != second.subset else INK


def draw_pairs(report: AuditReport, n: int, ax: Axes | None) -> Axes:
    """Draw pairs; see ``AuditReport.plot_pairs``."""
    shown = report.notable_pairs()[: check_integer("n", n, 1)]
    images, captions, colors = [], [], []
    for pair in shown:
        first, second = report.items[pair.first], report.items[pair.second]
        images.append(_beside(picture(first, report.bit_depth, 200), picture(second, report.bit_depth, 200)))
        same = label_of(first) == label_of(second)
        labels = f"both {label_of(first)}" if same else f"{label_of(first)}  |  {label_of(second)}"
        captions.append(f"{labels}\nagreement {pair.score:.3f}")
        colors.append(color_of(report, pair))
    title = f"{len(shown)} of {len(report.pairs):,} pairs of pictures of one part" if shown else "no pairs"
    return draw_gallery(_alike(images), captions, colors, title, ax)


def draw_findings(report: AuditReport, kind: str, n: int, ax: Axes | None) -> Axes:
    """Draw the pictures of a kind; see ``AuditReport.plot_findings``."""
    kinds = [name for name in PICTURES if name != "bad_files"]
    if kind not in kinds:
        raise ValueError(f"kind: found {kind!r}, expected one of {', '.join(kinds)}")
    place = {item.name: item for item in report.items}
    found = report.found[kind]
    shown = found[: check_integer("n", n, 1)]
    images = [picture(place[finding.file], report.bit_depth, 200) for finding in shown]
    captions = [f"{place[finding.file].label}\n{finding.words}" for finding in shown]
    title = f"{PICTURES[kind].title}: {len(shown)} of {len(found):,}"
    return draw_gallery(_alike(images), captions, [INK] * len(shown), title, ax)


def _beside(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Both pictures in one, with a white line between them."""
    a, b = _alike([first, second])
    return np.concatenate([a, np.full((len(a), 4, a.shape[2]), 255, np.uint8), b], axis=1)


def _alike(images: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Bring pictures to one size and number of channels by white margins."""
    if not images:
        return []
    height, width, channels = np.max([image.shape for image in images], axis=0).tolist()
    laid = []
    for image in images:
        whole = np.full((height, width, channels), 255, np.uint8)
        top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
        whole[top : top + image.shape[0], left : left + image.shape[1]] = image
        laid.append(whole)
    return laid
