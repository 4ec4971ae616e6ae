"""Tables and charts of an evaluation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gonogo.decision import margins
from gonogo.metrics import Rate
from gonogo.page import Mark, histogram, interval_bar, table, text
from gonogo.report_page.verdict import percent

if TYPE_CHECKING:
    from gonogo.report import Report


def key_figures(report: Report) -> str:
    """Return the figures that matter first, large."""
    unit = f"{report.unit}s"
    cards = []
    if (escape := report.escape) is not None and (overkill := report.overkill) is not None:
        cards += [
            ("Escape", "bad ones that passed", escape, f"bad {unit}"),
            ("Overkill", "good ones that did not pass", overkill, f"good {unit}"),
        ]
    if report.certificate is not None and report.parts is not None:
        cards.append(("Review", "left to a person", report.parts.reviewed, unit))
    if report.parts is not None and report.parts.grouped:
        cards.append(("Accuracy", "right class, by part", report.parts.accuracy, unit))
    else:
        cards.append(("Accuracy", "right class", report.accuracy, "tiles" if report.unit == "tile" else "pictures"))
    return f'<div class="cards">{"".join(_card(*card) for card in cards)}</div>'


def _card(name: str, meaning: str, rate: Rate, unit: str) -> str:
    low, high = rate.interval
    kind = "approximate " if rate.approximate else ""
    value = "–" if rate.of == 0 else percent(rate.value)
    return (
        f'<div class="card"><h3>{name}</h3><div class="large">{value}</div>'
        f"<div>{rate.count:,} of {rate.of:,} {text(unit)}</div>"
        f'<div class="note">{meaning}; {kind}95 % interval {100 * low:.1f} to {100 * high:.1f} %</div></div>'
    )


def cell(value: float, interval: tuple[float, float], start: float) -> str:
    """A share with its interval, in four digits, and a bar on a scale from ``start`` to 1."""
    if math.isnan(value):
        return "–"
    low, high = interval
    return f'<b>{value:.4f}</b> <span class="range">{low:.4f}–{high:.4f}</span>{interval_bar(value, low, high, start)}'


def start_of_bars(lows: list[float]) -> float:
    """A round share below all intervals, so that bars near 1 can be told apart."""
    return max(0.0, math.floor(min(lows, default=0.0) * 20 - 0.5) / 20)


def class_table(report: Report) -> str:
    """Return precision, recall and F1 of each class with intervals, by picture, and their mean."""
    shares: list[tuple[str, list[tuple[float, tuple[float, float]]], str]] = [
        (
            text(f.name),
            [(f.precision.value, f.precision.interval), (f.recall.value, f.recall.interval), (f.f1, f.f1_interval)],
            f"{f.support:,}",
        )
        for f in report.per_class
    ]
    macro = [report.macro[name] for name in ("precision", "recall", "f1")]
    shares.append(("mean of the classes", [(mean.value, mean.interval) for mean in macro], ""))
    start = start_of_bars([interval[0] for _, cells, _ in shares for value, interval in cells if not math.isnan(value)])
    rows = [[name, *(cell(*one, start) for one in cells), support] for name, cells, support in shares]
    approximate = "approximate " if any(f.recall.approximate for f in report.per_class) else ""
    caption = (
        f"{approximate}95 % intervals; those of the means approximate (bootstrap of parts); bars from {start:g} to 1"
    )
    return table(["class", "precision", "recall", "F1", "support"], rows, numbers=[4], caption=caption)


def picture_confusion(report: Report) -> str:
    """Return truth against prediction, in pictures."""
    return _confusion(report.classes, report.classes, report.confusion)


def part_confusion(report: Report) -> str:
    """Return truth against decision, in parts; REVIEW is a decision."""
    assert report.parts is not None  # asked for where there are parts
    parts, names = report.parts, list(report.classes)
    counts = parts.confusion
    reviewed = np.bincount(parts.truth[parts.predicted < 0], minlength=len(names))
    if report.certificate is None and not reviewed.any():
        return _confusion(names, names, counts)
    return _confusion(names, [*names, "REVIEW"], np.column_stack([counts, reviewed]))


def _confusion(rows: list[str], columns: list[str], counts: NDArray[np.int64]) -> str:
    """Shares are of the row; what is right has a frame, and the shade only repeats the share."""
    lines = []
    for k, (name, row) in enumerate(zip(rows, counts.tolist(), strict=True)):
        total = max(sum(row), 1)
        cells = "".join(
            f'<td class="{"right" if j == k else "cell"}" style="background:rgba(11,92,173,{0.55 * count / total:.2f})">'
            f"<b>{count:,}</b><br/>{percent(count / total)}</td>"
            for j, count in enumerate(row)
        )
        lines.append(f'<tr><th scope="row">{text(name)}</th>{cells}</tr>')
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in columns)
    return (
        f'<div class="wide"><table class="confusion"><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def fault_table(report: Report) -> str:
    """Return how many parts of each fault class passed; empty where there is but one fault class."""
    escapes = report.escape_by_class
    if len(escapes) < 2:
        return ""
    rows = [
        [text(name), f"{rate.count:,}", f"{rate.of:,}", cell(rate.value, rate.interval, 0.0), f"{rate.upper95:.4f}"]
        for name, rate in escapes.items()
    ]
    head = ["fault class", "passed", f"of bad {report.unit}s", "escape rate", "at most"]
    caption = "95 % intervals, bars from 0 to 1; at most: one-sided 95 % limit"
    return "<h3>Escapes by fault class</h3>" + table(head, rows, numbers=[1, 2, 4], caption=caption)


def score_histogram(report: Report) -> str:
    """Return how the scores of good and bad lie beside the threshold; empty where no PASS class is known."""
    if report.pass_label is None:
        return ""
    passing = report.classes.index(report.pass_label)
    score, good, unit = margins(report.scores, passing), report.truth == passing, "picture"
    if report.parts is not None:
        # A part passes only if all its pictures do: its score is that of its least PASS-like picture.
        least = np.full(len(report.parts), np.inf)
        np.fmin.at(least, report.part_of, score)
        score, good, unit = least, report.parts.truth == passing, report.unit
    finite = np.isfinite(score)
    marks = [Mark(0.0, "0: most probable class changes", dashed=True)] if len(report.classes) == 2 else []
    shaded = None
    made, rule = report.certificate, report.rule
    if made is not None and rule is not None:
        certified = made.threshold + made.guard_band
        raised = rule.limit > certified
        marks += [
            Mark(certified, f"T + g = {certified:.4g}: {'certified limit' if raised else 'PASS needs more'}"),
            Mark(made.threshold, f"T = {made.threshold:.4g}: certified threshold", dashed=True),
        ]
        if raised:
            marks.append(Mark(rule.limit, f"{rule.limit:.4g}: PASS needs more, by the review zone"))
        # Without a zone of its own, REVIEW is what is most probably PASS and yet below the limit.
        lower = 0.0 if rule.review_above is None else rule.review_above
        if (len(report.classes) == 2 or rule.review_above is not None) and rule.limit > lower:
            shaded = (lower, rule.limit)
    drawn = histogram(
        score[finite & good],
        score[finite & ~good],
        ("good", "bad"),
        f"score: margin of {_shortened(report.pass_label)} in logits",
        f"{unit}s",
        f"Scores of good and bad {unit}s",
        marks=marks,
        shaded=shaded,
    )
    lost = f" {int((~finite).sum()):,} scores are not finite numbers and not shown." if not finite.all() else ""
    note = f"Each {unit} with the score of its least PASS-like picture. " if unit == "part" else ""
    note += f"Heights grow with the square root of the count, so that single {unit}s can be seen."
    if shaded is not None:
        note += f" Shaded: REVIEW, above {shaded[0]:.4g} and up to {shaded[1]:.4g}."
    return f'<figure class="histogram">{drawn}<figcaption>{note}{lost}</figcaption></figure>'


def _shortened(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"
