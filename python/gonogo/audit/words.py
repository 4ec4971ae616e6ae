"""An audit in words: as text, as a table in a notebook, and as plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from gonogo.audit.findings import GROUPS, KINDS
from gonogo.errors import in_one_line
from gonogo.metrics import Rate

if TYPE_CHECKING:
    from gonogo.audit.report import AuditReport


def as_dict(report: AuditReport) -> dict[str, Any]:
    """Return everything as plain values, ready for JSON."""
    names = [item.name for item in report.items]
    result: dict[str, Any] = {
        "pictures": len(report.items),
        "classes": dict(sorted(Counter(item.label for item in report.items).items())),
        "subsets": dict(Counter(item.subset for item in report.items)) if report.training is not None else {},
        "problems": report.problems,
        "counts": report.counts,
        **{kind: report.names(kind) for kind in GROUPS},
        "pairs": [
            {"files": [names[pair.first], names[pair.second]], "score": round(pair.score, 4)} for pair in report.pairs
        ],
        **{kind: [finding.to_dict() for finding in report.found[kind]] for kind in KINDS if kind not in GROUPS},
    }
    result["bad_files"] = [
        {"file": name, "fault": error.fault, "reason": error.reason, "offset": error.offset}
        for name, error in report.bad
    ]
    leak = report.leak
    result["leak"] = None if leak is None else leak.value
    result["leaks"] = {
        name: {"pictures": rate.count, "of": rate.of, "rate": rate.value} for name, rate in report.leaks.items()
    }
    result["masks"] = report.mask_count
    result["search"] = dict(report.search)
    return result


def as_text(report: AuditReport) -> str:
    """Return one line for each kind that was found, with what to do."""
    lines = [heading(report)]
    counts = {kind: count for kind, count in report.counts.items() if count}
    width = max((len(KINDS[kind].title) for kind in counts), default=0)
    digits = max((len(amount(report, kind)) for kind in counts), default=0)
    lines += [
        f"  {KINDS[kind].title:<{width}}  {amount(report, kind):<{digits}}  {KINDS[kind].advice}" for kind in counts
    ]
    for kind in ("telling_names", "telling_formats", "telling_exposures"):
        lines += [f"  {finding.words}" for finding in report.found[kind]]
    lines += leak_lines(report)
    if not counts:
        lines.append("  nothing was found; docs/audit.md says what an audit cannot find")
    if report.search["compared"]:
        lines.append(f"  {threshold_line(report)}")
    return "\n".join(lines)


def heading(report: AuditReport) -> str:
    """Return what was audited, in one line."""
    classes = Counter(item.label for item in report.items)
    what = ", ".join(f"{name} {count:,}" for name, count in sorted(classes.items()))
    subsets = f", subsets {', '.join(report.subsets)}" if report.training is not None else ""
    return f"audit of {len(report.items):,} pictures ({what}){subsets}" if what else "audit: no good picture"


def amount(report: AuditReport, kind: str) -> str:
    """Return how much was found of a kind."""
    count = report.counts[kind]
    if kind in GROUPS:
        sizes = [len(group) for group in report.members(kind)]
        largest = f", the largest of {max(sizes):,}" if kind == "siblings" and count > 1 else ""
        return f"{count:,} group{'' if count == 1 else 's'}, {sum(sizes):,} pictures{largest}"
    return f"{count:,}"


def group_line(report: AuditReport, kind: str, group: Sequence[int], shown: int) -> str:
    """Return the pictures of a group: by label or subset where these differ, the rarest first, some of each."""
    sides: dict[str, list[str]] = {}
    for i in group:
        item = report.items[i]
        side = item.label if kind == "label_conflicts" else item.subset if kind == "across_subsets" else ""
        sides.setdefault(side, []).append(in_one_line(item.name))
    parts = []
    for side, names in sorted(sides.items(), key=lambda pair: (len(pair[1]), pair[0])):
        more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
        what = f"{len(names):,} {side}: " if side else ""
        parts.append(f"{what}{', '.join(names[:shown])}{more}")
    return "; ".join(parts)


def threshold_line(report: AuditReport) -> str:
    """Return what agreement makes siblings of two pictures, and how far strangers agree."""
    search = report.search
    strangers = (
        f"; 95 % of the strangers by less than {search['stranger_quantile']:.2f}"
        if search["stranger_quantile"] > 0
        else ""
    )
    return f"siblings agree by {search['threshold']:.2f} or more{strangers} ({search['compared']:,} pairs compared)"


def leak_lines(report: AuditReport) -> list[str]:
    """Return one line for each subset that was compared with the training subset."""
    return [
        f"  {share(rate)} of the {name} pictures ({rate.count:,} of {rate.of:,}) have a sibling in {report.training}"
        for name, rate in report.leaks.items()
    ]


def share(rate: Rate) -> str:
    """Return a share in percent."""
    return f"{rate.value:.1%}" if rate.of else "none"


def as_html(report: AuditReport) -> str:
    """Return a table with one row for each kind that was found."""
    rows = "".join(
        f"<tr><th>{escape(KINDS[kind].title)}</th><td>{escape(amount(report, kind))}</td>"
        f"<td>{escape(KINDS[kind].advice)}</td></tr>"
        for kind, count in report.counts.items()
        if count
    )
    leaks = "".join(f"<p>{escape(line.strip())}</p>" for line in leak_lines(report))
    table = f"<table><tbody>{rows}</tbody></table>" if rows else "<p>nothing was found</p>"
    return f"<p>{escape(heading(report))}</p>{table}{leaks}"
