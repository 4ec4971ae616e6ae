"""Charts as inline SVG: lines with their own dashes and marks, histograms with hatches, small bars of intervals.

Lengths are in units of the drawing, which the page scales to its width; nothing is told by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gonogo.page.plot import GRID, INK, LEFT, TOP, Axis, Plot, svg, words_at

GOOD, BAD = "#7fb2e5", "#8c1d18"
# Colour, dashes and mark of the lines of a chart, one after the other.
STYLES = (
    ("#0b5cad", "", "circle"),
    ("#b3261e", "7 3", "square"),
    ("#1b7340", "2 3", "triangle"),
    ("#7a3e9d", "9 3 2 3", "diamond"),
    ("#8a5a00", "4 2", "circle"),
    ("#333333", "1 2", "square"),
)
_MARKS = 6  # on each line


@dataclass(frozen=True)
class Mark:
    """A vertical line across a histogram, with its words."""

    at: float
    words: str
    dashed: bool = False


def line_chart(
    lines: Sequence[NDArray[np.float64]],
    x: Axis,
    y: Axis,
    title: str,
    *,
    diagonal: bool = False,
    limits: Sequence[NDArray[np.float64]] = (),
) -> str:
    """Return lines over common axes; their names belong into a legend, see :func:`swatch`.

    Parameters
    ----------
    lines : sequence of float64 arrays (2, points)
        Each x and y; points that are not finite are left out, what lies outside the axes is cut off.
    x, y : Axis
    title : str
        What is shown, for those who cannot see it.
    diagonal : bool
        Draw the line from corner to corner.
    limits : sequence of float64 arrays (2, points)
        Lower and upper limit of each point of each line, drawn as whiskers; every point then has its mark.
    """
    plot = Plot(x, y, 360, 320)
    drawn = [plot.axes([(value, f"{value:g}") for value in y.ticks()])]
    if diagonal:
        drawn.append(
            f'<path d="M{plot.across(x.low):.1f} {plot.up(x.low):.1f}L{plot.across(x.high):.1f} {plot.up(x.high):.1f}" '
            f'stroke="#666" stroke-width="1.3" stroke-dasharray="2 4" fill="none"/>'
        )
    # A view of its own cuts off what lies outside, without names that would have to differ between charts of a page.
    a, b, wide, high = LEFT - 1, TOP - 4, plot.right - LEFT + 5, plot.bottom - TOP + 5
    view = f'x="{a}" y="{b}" width="{wide}" height="{high}" viewBox="{a} {b} {wide} {high}" overflow="hidden"'
    inside = "".join(_path(plot, line, *STYLES[k % len(STYLES)], marked=bool(limits)) for k, line in enumerate(lines))
    inside += "".join(
        _whiskers(plot, *pair, STYLES[k % len(STYLES)][0]) for k, pair in enumerate(zip(lines, limits, strict=False))
    )
    drawn.append(f'<svg {view} class="inside">{inside}</svg>')
    return svg(360, 320, title, "".join(drawn))


def _path(plot: Plot, line: NDArray[np.float64], color: str, dashes: str, mark: str, *, marked: bool = False) -> str:
    points = [(plot.across(a), plot.up(b)) for a, b in line.T.tolist() if math.isfinite(a) and math.isfinite(b)]
    kept = points if marked else _thinned(points)
    if not kept:
        return ""
    path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in kept)
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    chosen = kept if marked else [kept[round(k * (len(kept) - 1) / (_MARKS - 1))] for k in range(_MARKS)]
    marks = "".join(_mark(mark, a, b, color) for a, b in dict.fromkeys(chosen))
    return f'<path d="{path}" stroke="{color}" stroke-width="2" fill="none"{dash}/>{marks}'


def _whiskers(plot: Plot, line: NDArray[np.float64], limits: NDArray[np.float64], color: str) -> str:
    path = [
        f"M{plot.across(x):.1f} {plot.up(low):.1f}V{plot.up(high):.1f}"
        for x, low, high in zip(line[0].tolist(), *limits.tolist(), strict=True)
        if math.isfinite(x) and math.isfinite(low) and math.isfinite(high)
    ]
    return f'<path d="{"".join(path)}" stroke="{color}" stroke-width="1.2" fill="none"/>'


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Leave out points nearer than half a unit to the last, and those on a straight line between their neighbours."""
    kept: list[tuple[float, float]] = []
    for k, (a, b) in enumerate(points):
        last = k == len(points) - 1
        if kept and not last and abs(a - kept[-1][0]) + abs(b - kept[-1][1]) < 0.5:
            continue
        if len(kept) > 1:
            (a1, b1), (a2, b2) = kept[-2:]
            if (
                abs((a2 - a1) * (b - b1) - (a - a1) * (b2 - b1)) < 1e-6
                and (a - a2) * (a2 - a1) + (b - b2) * (b2 - b1) >= 0
            ):
                kept.pop()
        kept.append((a, b))
    return kept


def _mark(kind: str, a: float, b: float, color: str) -> str:
    if kind == "circle":
        return f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.2" fill="{color}"/>'
    corners = {
        "square": ((-3, -3), (3, -3), (3, 3), (-3, 3)),
        "triangle": ((0, -4), (3.6, 2.6), (-3.6, 2.6)),
        "diamond": ((0, -4.2), (4.2, 0), (0, 4.2), (-4.2, 0)),
    }[kind]
    points = " ".join(f"{a + x:.1f},{b + y:.1f}" for x, y in corners)
    return f'<polygon points="{points}" fill="{color}"/>'


def swatch(k: int) -> str:
    """Return the sign of line ``k`` for a legend."""
    color, dashes, mark = STYLES[k % len(STYLES)]
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    line = f'<path d="M1 7H35" stroke="{color}" stroke-width="2"{dash}/>'
    return f'<svg class="swatch" viewBox="0 0 36 14" aria-hidden="true">{line}{_mark(mark, 18, 7, color)}</svg>'


def histogram(
    above: NDArray[np.float64],
    below: NDArray[np.float64],
    names: tuple[str, str],
    x: str,
    y: str,
    title: str,
    *,
    marks: Sequence[Mark] = (),
    shaded: tuple[float, float] | None = None,
    bins: int = 48,
) -> str:
    """Return two histograms back to back over one axis: one upwards and light, one downwards and hatched.

    Heights grow with the square root of the count, so that a single sample can be seen beside hundreds.

    Parameters
    ----------
    above, below : float64 arrays
        Finite values.
    names : (str, str)
        Of the two.
    x, y, title : str
        Names of the axes, and what is shown for those who cannot see it.
    marks : sequence of Mark
        Limits to point out; their words stand above the plot, each in a line of its own.
    shaded : (float, float), optional
        A range to point out; its words belong below the chart.
    bins : int
        Number of bars from the lowest to the highest value.
    """
    width, top = 520, TOP + 17 * len(marks)
    values = np.concatenate([above, below, [mark.at for mark in marks]])
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    pad = max(0.02 * (high - low), 1e-3)
    low, high = low - pad, high + pad
    edges = np.linspace(low, high, bins + 1)
    counts = [np.histogram(part, edges)[0] for part in (above, below)]
    tallest = [max(1.0, math.sqrt(float(count.max(initial=0)))) for count in counts]
    axis = Axis(y, -tallest[1] * 1.05, tallest[0] * 1.05)
    plot = Plot(Axis(x, low, high), axis, width, 300 + 17 * len(marks), top)
    drawn = []
    if shaded is not None:
        left, right = (plot.across(min(max(value, low), high)) for value in shaded)
        drawn.append(
            f'<rect x="{left:.1f}" y="{top}" width="{right - left:.1f}" height="{plot.bottom - top}" fill="#eadfae"/>'
        )
    drawn.append(plot.axes(_root_ticks(int(counts[0].max(initial=0)), int(counts[1].max(initial=0)))))
    for sign, count, fill in ((1, counts[0], GOOD), (-1, counts[1], "url(#hatch)")):
        drawn.append(_bars(plot, edges, sign * np.sqrt(count), fill))
    drawn.append(f'<path d="M{LEFT} {plot.up(0):.1f}H{plot.right}" stroke="{INK}"/>')
    words = []
    for k, mark in enumerate(marks):
        at, line = plot.across(mark.at), TOP + 17 * k
        dash = ' stroke-dasharray="5 3"' if mark.dashed else ""
        drawn.append(f'<path d="M{at:.1f} {line - 2}V{plot.bottom}" stroke="{INK}" stroke-width="1.6"{dash}/>')
        left = at > (LEFT + plot.right) / 2
        words.append(words_at(at + (-5 if left else 5), line + 7, mark.words, "end" if left else "start", halo=True))
    drawn += words  # above the lines of other marks
    drawn.append(words_at(LEFT + 6, top + 13, f"{names[0]} upwards, {len(above):,}", "start", halo=True))
    drawn.append(words_at(LEFT + 6, plot.bottom - 6, f"{names[1]} downwards, {len(below):,}", "start", halo=True))
    hatch = (
        '<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="5" height="5" fill="#fff"/><rect width="2.6" height="5" fill="{BAD}"/></pattern></defs>'
    )
    return svg(width, plot.height, title, hatch + "".join(drawn))


def _root_ticks(up: int, down: int) -> list[tuple[float, str]]:
    """Counts at the places of their square roots, above and below zero."""
    ticks = [(0.0, "0")]
    for sign, most in ((1, up), (-1, down)):
        spacing = max(math.sqrt(up) + math.sqrt(down), 1) / 10
        last = 0.0
        for count in (1, 3, *(10**k * f for k in range(9) for f in (5, 10, 20))):
            root = math.sqrt(count)
            if count <= most and root - last >= spacing:
                ticks.append((sign * root, f"{count:,}"))
                last = root
    return ticks


def _bars(plot: Plot, edges: NDArray[np.float64], heights: NDArray[np.float64], fill: str) -> str:
    path = []
    for k in np.flatnonzero(heights).tolist():
        left, right = plot.across(float(edges[k])), plot.across(float(edges[k + 1]))
        zero, end = plot.up(0), plot.up(float(heights[k]))
        path.append(f"M{left:.1f} {zero:.1f}V{end:.1f}H{right:.1f}V{zero:.1f}Z")
    return f'<path d="{"".join(path)}" fill="{fill}" stroke="{INK}" stroke-width=".8"/>'


def interval_bar(value: float, low: float, high: float, start: float = 0.0) -> str:
    """Return a share as a point with its interval as a line, on a scale to 1; the figures belong beside it.

    Parameters
    ----------
    value, low, high : float
        The share and its limits.
    start : float
        Where the scale begins; the page has to say so.
    """
    a, b, c = (3 + 94 * (min(max(share, start), 1.0) - start) / (1.0 - start) for share in (low, high, value))
    ends = f"M{a:.1f} 3V11M{b:.1f} 3V11M{a:.1f} 7H{b:.1f}"
    return (
        f'<svg class="bar" viewBox="0 0 100 14" aria-hidden="true"><path d="M3 4V10M97 4V10M3 7H97" stroke="{GRID}"/>'
        f'<path d="{ends}" stroke="{INK}" stroke-width="1.5"/><circle cx="{c:.1f}" cy="7" r="3" fill="{INK}"/></svg>'
    )
