"""Charts over time and over scores: stacked columns with patterns of their own, and scores against what they were."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gonogo.page.charts import Mark
from gonogo.page.frame import text
from gonogo.page.plot import INK, LEFT, TOP, Axis, Plot, svg, words_at

# Fill of each layer of a column: told apart without colours.
_FILLS = ("#a9cdf0", "url(#stripes)", "url(#dots)", "#3a3a3a")
_WIDTH, _HEIGHT = 380, 250
_ROOT_TICKS = (0, 1, 5, 10, 20, 40, 70, 100)  # percent
_GAP = 0.16  # share of a column's width

# Patterns that the charts of a page share; stands once in its body, before them.
DEFINITIONS = (
    '<svg class="definitions" aria-hidden="true"><defs>'
    '<pattern id="stripes" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="5" height="5" fill="#fff"/><rect width="2.4" height="5" fill="#8c1d18"/></pattern>'
    '<pattern id="dots" width="5" height="5" patternUnits="userSpaceOnUse"><rect width="5" height="5" fill="#f6e7b0"/>'
    '<circle cx="2.5" cy="2.5" r="1.2" fill="#4d3a00"/></pattern></defs></svg>'
)
KEY_STYLE = """\
svg.definitions:not(.inside) { position: absolute; width: 0; height: 0; }
ul.key { list-style: none; padding: 0; margin: .3rem 0; display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-size: .85rem; }
svg.sign:not(.inside) { display: inline-block; width: 18px; height: 12px; vertical-align: -1px; }
"""


@dataclass(frozen=True)
class Layer:
    """One layer of the columns of a chart: its name, its height in each column, and which of four fills it has."""

    name: str
    heights: Sequence[float]
    fill: int = 0


def key(layers: Sequence[Layer]) -> str:
    """Return the legend of columns; the page has ``DEFINITIONS`` and ``KEY_STYLE``."""
    signs = "".join(
        f'<li><svg class="sign" viewBox="0 0 18 12" aria-hidden="true"><rect x=".5" y=".5" width="17" height="11" '
        f'fill="{_FILLS[layer.fill]}" stroke="{INK}"/></svg> {text(layer.name)}</li>'
        for layer in layers
    )
    return f'<ul class="key">{signs}</ul>'


def column_chart(
    layers: Sequence[Layer],
    below: Sequence[str],
    x: str,
    y: str,
    title: str,
    *,
    unit: str = "",
    limit: Mark | None = None,
) -> str:
    """Return columns, each a stack of layers, the first at the bottom.

    Parameters
    ----------
    layers : sequence of Layer
        All with as many heights as there are columns.
    below : sequence of str
        What stands below each column; empty texts leave room for the others.
    x, y, title : str
        Names of the axes, and what is shown for those who cannot see it.
    unit : str
        Stands behind the numbers of the upright axis.
    limit : Mark, optional
        A height to point out, with its words.
    """
    sums = np.sum([layer.heights for layer in layers], axis=0)
    tallest = max(float(sums.max(initial=0.0)), 0.0 if limit is None else limit.at, 1.0)
    plot = Plot(Axis(x, 0, len(below)), Axis(y, 0, tallest * 1.08), _WIDTH, _HEIGHT)
    ticks = [(value, f"{value:,.10g}{unit}") for value in plot.y.ticks(4)]
    drawn = [plot.axes(ticks, [(k + 0.5, label) for k, label in enumerate(below) if label])]
    half = _GAP / 2
    places = [(plot.across(k + half), plot.across(k + 1 - half)) for k in range(len(below))]
    drawn.append(_stacked(plot, layers, places))
    if limit is not None:
        at = plot.up(limit.at)
        drawn.append(
            f'<path d="M{LEFT} {at:.1f}H{plot.right}" stroke="{INK}" stroke-width="1.6" stroke-dasharray="6 3"/>'
        )
        drawn.append(words_at(plot.right - 4, at - 5, limit.words, "end", halo=True))
    return svg(_WIDTH, _HEIGHT, title, "".join(drawn))


def score_chart(
    edges: NDArray[np.float64],
    shares: Sequence[Layer],
    reference: NDArray[np.float64] | None,
    marks: Sequence[Mark],
    x: str,
    title: str,
) -> str:
    """Return how scores are distributed, as stacked shares, with a thick line around what they were.

    Heights grow with the square root of the share, so that few pictures can be seen beside many.

    Parameters
    ----------
    edges : float64 array (bins + 1,)
        Where the bins begin and end.
    shares : sequence of Layer
        Share of each bin, in percent.
    reference : float64 array (bins,) or None
        The same of the reference.
    marks : sequence of Mark
        Scores to point out; their words stand above the plot, each in a line of its own.
    x, title : str
        Name of the axis, and what is shown for those who cannot see it.
    """
    top = TOP + 17 * len(marks)
    sums = np.sum([layer.heights for layer in shares], axis=0)
    most = max(float(sums.max(initial=0.0)), 0.0 if reference is None else float(reference.max(initial=0.0)), 1.0)
    rooted = np.sqrt(sums) / np.maximum(sums, 1e-12)  # a layer has its share of its column
    shares = [Layer(layer.name, (layer.heights * rooted).tolist(), layer.fill) for layer in shares]
    across = Axis(x, float(edges[0]), float(edges[-1]))
    plot = Plot(across, Axis("", 0, 1.05 * math.sqrt(most)), _WIDTH, _HEIGHT + 17 * len(marks), top)
    drawn = [plot.axes([(math.sqrt(share), f"{share:g} %") for share in _ROOT_TICKS if share <= most])]
    places = [plot.across(float(edge)) for edge in edges]
    drawn.append(_stacked(plot, shares, list(pairwise(places))))
    if reference is not None:
        steps = [f"V{plot.up(share):.1f}H{places[k + 1]:.1f}" for k, share in enumerate(np.sqrt(reference).tolist())]
        line = f"M{places[0]:.1f} {plot.bottom}{''.join(steps)}V{plot.bottom}"
        drawn.append(f'<path d="{line}" stroke="#fff" stroke-width="5" fill="none"/>')
        drawn.append(f'<path d="{line}" stroke="{INK}" stroke-width="2.2" fill="none"/>')
    for k, mark in enumerate(marks):
        at, line_top = plot.across(mark.at), TOP + 17 * k
        dash = ' stroke-dasharray="5 3"' if mark.dashed else ""
        drawn.append(f'<path d="M{at:.1f} {line_top - 2}V{plot.bottom}" stroke="{INK}" stroke-width="1.6"{dash}/>')
        left = at > (LEFT + plot.right) / 2
        drawn.append(
            words_at(at + (-5 if left else 5), line_top + 7, mark.words, "end" if left else "start", halo=True)
        )
    return svg(_WIDTH, plot.height, title, "".join(drawn))


def _stacked(plot: Plot, layers: Sequence[Layer], places: Sequence[tuple[float, float]]) -> str:
    """Layers upon each other, each between the left and the right of its column."""
    floor, drawn = [0.0] * len(places), []
    for layer in layers:
        path = []
        for k, (height, (left, right)) in enumerate(zip(layer.heights, places, strict=True)):
            if height > 0:
                low, high = plot.up(floor[k]), plot.up(floor[k] + height)
                path.append(f"M{left:.1f} {low:.1f}V{high:.1f}H{right:.1f}V{low:.1f}Z")
                floor[k] += height
        drawn.append(f'<path d="{"".join(path)}" fill="{_FILLS[layer.fill]}" stroke="{INK}" stroke-width=".7"/>')
    return "".join(drawn)
