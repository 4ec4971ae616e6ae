"""Curves of an evaluation, by picture. Needs matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gonogo.gallery import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from gonogo.report import Report

# Told apart also in black and white.
_LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (8, 2, 2, 2, 2, 2)), (0, (1, 3)))
_MARKS = "os^DvP"
_INSIDE = 2  # names of more curves than these stand beside the plot


def plot_roc(report: Report, ax: Axes | None = None) -> Axes:
    """See ``Report.plot_roc``."""
    ax, legend = _square(ax, len(_drawn(report)))
    for number, name in enumerate(_drawn(report)):
        found = report.curves[name]
        rates = np.r_[0.0, found.false_positive_rate], np.r_[0.0, found.recall]
        ax.plot(*rates, linestyle=_LINES[number % len(_LINES)], label=f"{_shortened(name)}, area {found.roc_auc:.4f}")
    ax.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle=":")
    ax.set_xlabel("share of the others taken for the class", color=INK)
    ax.set_ylabel("share of the class found", color=INK)
    ax.set_title("ROC, by picture", fontsize=12, color=INK)
    ax.legend(**(legend or {"loc": "lower right"}), frameon=False)
    return ax


def plot_precision_recall(report: Report, ax: Axes | None = None) -> Axes:
    """See ``Report.plot_precision_recall``."""
    ax, legend = _square(ax, len(_drawn(report)))
    for number, name in enumerate(_drawn(report)):
        found, share = report.curves[name], report.mix[name]
        line = ax.step(
            np.r_[0.0, found.recall],
            np.r_[found.precision[:1], found.precision],
            linestyle=_LINES[number % len(_LINES)],
            where="pre",
            label=f"{_shortened(name)}, average precision {found.average_precision:.4f}",
        )[0]
        ax.axhline(share, color=line.get_color(), linewidth=1, linestyle=":")
    ax.annotate("dotted: by chance", (0.0, share), (0, 3), textcoords="offset points", fontsize=9, color=INK)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("share of the class found (recall)", color=INK)
    ax.set_ylabel("share of those called so that are (precision)", color=INK)
    ax.set_title("Precision and recall, by picture, in this mix", fontsize=12, color=INK)
    ax.legend(**(legend or {"loc": "lower left"}), frameon=False)
    return ax


def plot_reliability(report: Report, ax: Axes | None = None) -> Axes:
    """See ``Report.plot_reliability``."""
    ax, legend = _square(ax, len(_drawn(report)))
    ax.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle=":")
    for number, name in enumerate(_drawn(report)):
        found = report.reliability[name]
        low, high = found.found_interval.T
        ax.errorbar(
            found.told,
            found.found,
            yerr=[np.maximum(found.found - low, 0), np.maximum(high - found.found, 0)],
            fmt=_MARKS[number % len(_MARKS)],
            markersize=5,
            capsize=3,
            linewidth=1,
            label=f"{_shortened(name)}, error {found.error:.4f}\n(chance: up to {found.error_by_chance:.4f})",
        )
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel("probability told", color=INK)
    ax.set_ylabel("share that came true", color=INK)
    ax.set_title("Reliability, by picture, bins of equal mass", fontsize=12, color=INK)
    ax.legend(**(legend or {"loc": "upper left"}), frameon=False)
    return ax


def _drawn(report: Report) -> list[str]:
    return report.classes if report.pass_label is None else [report.pass_label]


def _square(ax: Axes | None, curves: int) -> tuple[Axes, dict[str, Any]]:
    """Return axes, of a new figure when None, and where their legend belongs if there is no room inside."""
    import matplotlib.pyplot as plt

    if ax is not None:
        return ax, {}
    beside = curves > _INSIDE
    created: Axes = plt.subplots(figsize=(7.4 if beside else 4.6, 4.4), layout="constrained")[1]
    return created, {"loc": "center left", "bbox_to_anchor": (1.02, 0.5)} if beside else {}


def _shortened(name: str) -> str:
    return name if len(name) <= 20 else name[:19] + "…"
