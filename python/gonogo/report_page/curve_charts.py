"""Curves of an evaluation by picture, each with what it is and its interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gonogo.page import Axis, line_chart, swatch, table, text
from gonogo.report_page.figures import cell, start_of_bars
from gonogo.report_page.verdict import percent

if TYPE_CHECKING:
    from gonogo.curves import Curve
    from gonogo.report import Report

_LINES = 6  # in a chart; more cannot be told apart


def curves(report: Report) -> str:
    """Return ROC and precision-recall curves with their areas and intervals."""
    names, shown = _classes(report)
    found = [report.curves[name] for name in shown]
    roc = [np.array([np.r_[0.0, c.false_positive_rate], np.r_[0.0, c.recall]]) for c in found]
    if report.pass_label is None:
        x, y = "share of the others taken for the class", "share of the class found"
        recall, precision = "recall: share of the class found", "precision: of those called so, right"
    else:
        x, y = "bad pictures taken for PASS", "good pictures taken for PASS"
        recall, precision = "recall: good pictures taken for PASS", "precision: of those, really good"
    charts = [
        ("ROC", line_chart(roc, Axis(x, 0, 1), Axis(y, 0, 1), "ROC curve", diagonal=True)),
        (
            "Precision and recall",
            line_chart([_steps(c) for c in found], Axis(recall, 0, 1), Axis(precision, 0, 1), "Precision by recall"),
        ),
    ]
    if any(((line[0] <= 0.1) & (line[1] >= 0.9)).any() for line in roc):
        corner = line_chart(roc, Axis(x, 0, 0.1), Axis(y, 0.9, 1), "Upper left corner of the ROC curve")
        charts.insert(1, ("ROC, its upper left corner", corner))
    areas = [
        [(c.roc_auc, c.roc_auc_interval), (c.average_precision, c.average_precision_interval)]
        for c in (report.curves[name] for name in names)
    ]
    start = start_of_bars([interval[0] for row in areas for value, interval in row if not math.isnan(value)])
    rows = [
        [_named(name, shown), *(cell(*area, start) for area in row)] for name, row in zip(names, areas, strict=True)
    ]
    caption = "each class against all others, by picture; approximate 95 % intervals of the areas (bootstrap of parts)"
    caption += f"; bars from {start:g} to 1{_left_out(names, shown)}"
    return _charts(charts) + table(["curve", "area under the ROC curve", "average precision"], rows, caption=caption)


def probabilities(report: Report) -> str:
    """Return how often the probabilities came true."""
    names, shown = _classes(report)
    found = [report.reliability[name] for name in shown]
    chart = line_chart(
        [np.array([one.told, one.found]) for one in found],
        Axis("probability told", 0, 1),
        Axis("share that came true", 0, 1),
        "Reliability of probabilities",
        diagonal=True,
        limits=[one.found_interval.T for one in found],
    )
    rows = []
    for name in names:
        one = report.reliability[name]
        low, high = one.error_interval
        error = f'<b>{one.error:.4f}</b> <span class="range">{low:.4f}–{high:.4f}</span>'
        rows.append([_named(name, shown), error, f"{one.error_by_chance:.4f}"])
    mix = (
        "this test"
        if report.shares is None
        else ", ".join(f"{name} {percent(share)}" for name, share in report.shares.items())
    )
    caption = (
        "each class by picture, in bins of equal mass; on the dotted line probabilities mean what they say; whiskers and ranges: "
        f"approximate 95 % limits; mix of classes: {text(mix)}{_left_out(names, shown)}"
    )
    head = ["class", "calibration error", "chance alone gives up to"]
    return _charts([("Reliability", chart)]) + table(head, rows, numbers=[2], caption=caption)


def _classes(report: Report) -> tuple[list[str], list[str]]:
    """Classes with a curve of their own, and those of them that are drawn: of many the least separated ones."""
    names = list(report.classes) if report.pass_label is None else [report.pass_label]
    if len(names) == 2:
        names = names[1:]  # the other one is its mirror image
    worst = sorted(names, key=lambda name: (np.nan_to_num(report.curves[name].roc_auc, nan=2.0), names.index(name)))
    return names, [name for name in names if name in worst[:_LINES]]


def _steps(found: Curve) -> NDArray[np.float64]:
    """Each precision holds from the recall before up to its own: the area under it is the average precision."""
    recall, precision = np.repeat(found.recall, 2), np.repeat(found.precision, 2)
    return np.array([np.r_[0.0, recall[:-1]], precision])


def _named(name: str, shown: list[str]) -> str:
    return (swatch(shown.index(name)) if name in shown else "") + text(name)


def _left_out(names: list[str], shown: list[str]) -> str:
    return f"; drawn are the {len(shown)} classes with the smallest area" if len(shown) < len(names) else ""


def _charts(charts: list[tuple[str, str]]) -> str:
    figures = "".join(f"<figure><figcaption><b>{title}</b></figcaption>{drawn}</figure>" for title, drawn in charts)
    return f'<div class="charts">{figures}</div>'
