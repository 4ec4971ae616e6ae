"""A confusion matrix with counts and shares. Needs matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gonogo.gallery import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_confusion(counts: NDArray[np.int64], names: list[str], title: str, ax: Axes | None) -> Axes:
    """Draw counts (truth, prediction) with the share of each row; see ``Report.plot_confusion``."""
    import matplotlib.pyplot as plt

    from gonogo.fitted_text import FittedText, write_fitted

    count = len(names)
    slanted = count > 3 or max(map(len, names)) > 10
    if ax is None:
        side = max(3.6, 1.6 + 0.95 * count)
        ax = plt.subplots(figsize=(side + 0.6, side), layout="constrained")[1]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    written: list[FittedText] = []
    for (row, column), share in np.ndenumerate(shares):
        style = {"color": "white" if share > 0.6 else INK, "ha": "center", "va": "center", "linespacing": 1.3}
        text = f"{counts[row, column]:,}\n{plain_percent(share)}"
        written.append(FittedText(column, row, text, place=(0.9, 0.8), largest=11, **style))
    ax.set_xticks(range(count), names, rotation=40 if slanted else 0, ha="right" if slanted else "center")
    ax.set_yticks(range(count), names)
    ax.tick_params(length=0, colors=INK)
    ax.set_xticks(np.arange(count - 1) + 0.5, minor=True)
    ax.set_yticks(np.arange(count - 1) + 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="minor", length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("prediction", color=INK)
    ax.set_ylabel("truth", color=INK)
    ax.set_title(title, fontsize=12, color=INK)
    write_fitted(ax, written)
    return ax


def plain_percent(share: float) -> str:
    """Return a share in percent. Four digits would be too many for a caption; only what is certain is called 100 %."""
    text = f"{share:.1%}"
    return "99.9%" if text == "100.0%" and share < 1 else "0.1%" if text == "0.0%" and share > 0 else text
