"""An evaluation as plain values, as text and as HTML: every figure with its interval, and what the interval counts."""

from __future__ import annotations

import math
from html import escape as escape_html
from typing import TYPE_CHECKING, Any

from gonogo.macro import METHOD
from gonogo.metrics import ClassFigures, Rate, defined
from gonogo.reliability import ESTIMATOR

if TYPE_CHECKING:
    from gonogo.report import Report


def report_dict(report: Report) -> dict[str, Any]:
    """Return all figures as plain values, ready for JSON; a share of nothing is None."""
    result: dict[str, Any] = {
        "n": len(report),
        "accuracy": report.accuracy.value,
        "accuracy_interval": list(report.accuracy.interval),
        "interval_unit": _interval_unit(report),
        "design_effect": report.accuracy.design_effect,
        "classes": report.classes,
        "mix": report.mix,
        "confusion": report.confusion.tolist(),
        "per_class": {figures.name: figures.to_dict() for figures in report.per_class},
        "macro": {**{name: macro.to_dict() for name, macro in report.macro.items()}, "intervals": METHOD},
        "curves": {
            name: {
                "roc_auc": defined(found.roc_auc),
                "roc_auc_interval": list(found.roc_auc_interval),
                "average_precision": defined(found.average_precision),
                "average_precision_interval": list(found.average_precision_interval),
            }
            for name, found in report.curves.items()
        },
        "reliability": {
            "mix": None if report.shares is None else dict(report.shares),
            "classes": {name: found.to_dict() for name, found in report.reliability.items()},
            "estimator": ESTIMATOR,
        },
        "by_part": report.parts.to_dict() if report.parts is not None and report.parts.grouped else None,
        "test_set_opened_before": report.openings,
    }
    if (escaped := report.escape) is not None and (overkilled := report.overkill) is not None:
        result["escape"] = {
            "escapes": escaped.count,
            "defects": escaped.of,
            "rate": defined(escaped.value),
            "upper95": escaped.upper95,
            "interval": list(escaped.interval),
            "unit": report.unit,
        }
        result["overkill"] = {
            "refused": overkilled.count,
            "good": overkilled.of,
            "rate": defined(overkilled.value),
            "interval": list(overkilled.interval),
            "unit": report.unit,
        }
        result["escape_by_class"] = {
            name: {
                "escapes": rate.count,
                "defects": rate.of,
                "rate": defined(rate.value),
                "upper95": rate.upper95,
                "interval": list(rate.interval),
            }
            for name, rate in report.escape_by_class.items()
        }
    if report.certificate is not None and report.parts is not None:
        result["gate"] = {
            "certificate": report.certificate.digest,
            "valid_until": report.certificate.valid_until,
            "threshold": report.certificate.threshold,
            "guard_band": report.certificate.guard_band,
            "review": report.parts.reviewed.count,
            "review_rate": defined(report.parts.reviewed.value),
            "review_interval": list(report.parts.reviewed.interval),
        }
    if report.independent is not None:
        result["independent"] = report_dict(report.independent)
    return result


def _interval_unit(report: Report) -> str:
    if report.accuracy.approximate:
        return "picture, with a design effect: approximate"
    grouped = report.parts is not None and report.parts.grouped
    return "part (each shows one picture)" if grouped else "picture (each is taken for a part: no groups are known)"


def report_text(report: Report) -> str:
    """Return the figures as a table and lines."""
    rows = [["class", "precision", "recall", "F1", "support"]]
    rows += [[f.name, *_cells(f), str(f.support)] for f in report.per_class]
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    lines = [
        "  ".join(
            f"{cell:>{w}}" if k == 4 else f"{cell:<{w}}" for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    lines += ["", *(f"{name:<9} {text}" for name, text in _summary(report)), ""]
    if (clean := report.independent) is not None:
        lines.append(f"without the {len(report) - len(clean):,} pictures whose part is among the training pictures:")
        lines += [*(f"{name:<9} {text}" for name, text in _summary(clean)), ""]
    lines.append("confusion (rows: truth, columns: prediction)")
    cells = [
        ["", *report.classes],
        *([name, *map(str, row)] for name, row in zip(report.classes, report.confusion, strict=True)),
    ]
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    lines += ["  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True)) for row in cells]
    return "\n".join(lines)


def report_html(report: Report) -> str:
    """Return the figures as an HTML table for notebooks."""
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape_html(cell)}</td>" for cell in (f.name, *_cells(f), str(f.support))) + "</tr>"
        for f in report.per_class
    )
    head = "<tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>support</th></tr>"
    told = "<br>".join(escape_html(f"{name} {text}") for name, text in _summary(report))
    return f"<p>{told}</p><table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _summary(report: Report) -> list[tuple[str, str]]:
    """Each figure of the whole set with its name."""
    parts = report.parts if report.parts is not None and report.parts.grouped else None
    unit = "" if parts is None and report.parts is not None else f"{report.unit}s"
    lines = [("accuracy", report.accuracy.describe("" if parts is None else "pictures"))]
    if parts is not None:
        lines.append(("by part", parts.accuracy.describe("parts")))
    lines.append(("macro F1", str(report.macro["f1"])))
    if (escaped := report.escape) is not None and (overkilled := report.overkill) is not None:
        lines += [("escape", escaped.describe(unit)), ("overkill", overkilled.describe(unit))]
    if report.certificate is not None and report.parts is not None:
        lines.append(("review", report.parts.reviewed.describe(unit)))
        lines.append(("gate", f"decided by the certificate {report.certificate.digest[:16]}"))
    mix = ", ".join(f"{name} {share:.1%}" for name, share in report.mix.items())
    lines.append(("mix", f"{mix}; precision holds for this mix only"))
    if report.openings is not None:
        times = f"opened {report.openings} time{'s' * (report.openings != 1)} before, by the ledger"
        told = f"{times}; a choice made after a look makes its figures too good"
        lines.append(("test set", told if report.openings else "not opened before, by the ledger"))
    return lines


def _cells(figures: ClassFigures) -> tuple[str, str, str]:
    f1 = _cell(figures.f1, figures.f1_interval)
    return _rate(figures.precision), _rate(figures.recall), f1


def _rate(rate: Rate) -> str:
    return _cell(rate.value, rate.interval)


def _cell(value: float, interval: tuple[float, float]) -> str:
    return "-" if math.isnan(value) else f"{value:.4f} ({interval[0]:.4f}-{interval[1]:.4f})"
