"""The charts of the page."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from gonogo.dashboard.figures import Figures
from gonogo.dashboard.reading import DAYS, LineState
from gonogo.decision import REVIEW
from gonogo.line.decider import QUARANTINE
from gonogo.page import Layer, Mark, column_chart, key, score_chart, text


def per_hour(figures: Figures) -> str:
    """Return the pictures of each of the last hours."""
    hours, groups = figures.by_hour()
    below = [_hour(hour, first=k == 0) if hour.hour % 12 == 0 else "" for k, hour in enumerate(hours)]
    layers = _layers(groups)
    title = f"Pictures an hour, the last {len(hours)} h"
    return _chart(title, column_chart(layers, below, "hour of the day", "pictures", title), key(layers))


def _hour(hour: datetime, *, first: bool) -> str:
    return f"{hour:%H:00}" if hour.hour or first else f"{hour:%d %b}"


def _layers(groups: dict[str, list[int]]) -> list[Layer]:
    names = [("passed", "passed"), ("other", "other classes"), (REVIEW, REVIEW), (QUARANTINE, QUARANTINE)]
    layers = [Layer(shown, [float(n) for n in groups[name]], fill) for fill, (name, shown) in enumerate(names)]
    return [layer for layer in layers if any(layer.heights)] or layers[:1]


def passing_rate(figures: Figures) -> str:
    """Return the share of each day that did not pass."""
    days, groups = figures.by_day(DAYS)
    of = np.sum([groups[name] for name in groups], axis=0)
    layers = [
        Layer(layer.name, [100 * n / max(1, all_) for n, all_ in zip(layer.heights, of, strict=True)], layer.fill)
        for layer in _layers(groups)
        if layer.name != "passed"
    ]
    if not layers:
        layers = [Layer("other classes", [0.0] * len(days), 1)]
    below = [f"{day:%d %b}" if (len(days) - 1 - k) % 4 == 0 else "" for k, day in enumerate(days)]
    title = f"Not passed, the last {DAYS} days"
    return _chart(title, column_chart(layers, below, "day", "", title, unit=" %"), key(layers))


def scores(figures: Figures, line: LineState) -> str:
    """Return how the scores lie beside the limit and the reference of the model."""
    facts = line.start.get("facts", {})
    kept = facts.get("reference_scores")
    found = figures.scores(np.array(kept, np.float64) if kept else None)
    if found is None:
        return ""
    fills = {REVIEW: 2, QUARANTINE: 3, line.facts.pass_label: 0}
    groups: dict[int, np.ndarray] = {}
    for label, shares in found.shares.items():
        fill = fills.get(label, 1)
        groups[fill] = groups.get(fill, np.zeros_like(shares)) + shares
    names = {0: "passed", 1: "other classes", 2: REVIEW, 3: QUARANTINE}
    layers = [Layer(names[fill], groups[fill].tolist(), fill) for fill in sorted(groups)]
    limit = facts.get("limit")
    marks = [] if limit is None else [Mark(float(limit), f"PASS above {limit:.4g}")]
    title = f"Scores of {found.pictures:,} pictures"
    drawn = score_chart(found.edges, layers, found.reference, marks, "score, in logits", title)
    line_words = " Thick line: passed good parts of the calibration." if found.reference is not None else ""
    note = f"The last {DAYS} days; heights grow with the square root of the share.{line_words}"
    return _chart(title, drawn, f'{key(layers)}<p class="note">{note}</p>')


def drift_chart(line: LineState) -> str:
    """Return the statistic of drift in percent of the level of its alarm, as it stood at the last rows."""
    rows = line.drift[::-1]
    heights = [100 * float(row.body["statistic"]) / float(row.body["level"] or 1) for row in rows]
    below = [
        f"{row.time[5:10]} {row.time[11:16]}" if k in (0, len(rows) - 1) and len(rows) > 3 else ""
        for k, row in enumerate(rows)
    ]
    title = "Drift, in percent of the alarm"
    layers = [Layer("statistic", [min(height, 120.0) for height in heights])]
    return _chart(title, column_chart(layers, below, "", "", title, unit=" %", limit=Mark(100.0, "alarm")), "")


def _chart(title: str, drawn: str, below: str) -> str:
    return f"<div><h3>{text(title)}</h3>{drawn}{below}</div>"
