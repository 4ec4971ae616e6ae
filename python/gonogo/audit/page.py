"""The report of an audit as one HTML page that needs no network, on a phone and on paper as well."""

from __future__ import annotations

import base64
import re
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from gonogo.audit.findings import CLASSES, GROUPS, PICTURES, Finding
from gonogo.audit.items import Item
from gonogo.audit.plots import CONFLICT, CROSSING, label_of, picture
from gonogo.audit.words import amount, group_line, heading, leak_lines, threshold_line
from gonogo.png import png
from gonogo.storage import write_atomically

if TYPE_CHECKING:
    from gonogo.audit.report import AuditReport, Pair

_SIDE = 160  # pixels of a picture on the page
# Pairs of each kind, their titles, and what to look for.
_PAIRS = 24
_SHEETS = {
    "conflict": ("One part, two labels", "One of the two labels is wrong, or the two are different parts after all."),
    "crossing": ("One part in two subsets", "What is on one side of a split must not be on the other."),
    "weak": (
        "Pairs that agree least",
        "Where these show one part, the others do too; where they do not, groups are too large.",
    ),
}
_PICTURES = 12  # of each kind
_GROUPS = 50
_IN_GROUP = 6

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 0 auto; max-width: 66rem; padding: 1rem; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
p.leak { font-size: 1.1rem; font-weight: 600; border-left: .3rem solid $crossing; padding-left: .7rem; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
th, td { padding: .35rem .6rem .35rem 0; border-bottom: 1px solid #ccc; vertical-align: top; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: .8rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .8rem; }
figure { margin: 0; border: 2px solid #555; border-radius: 4px; padding: .4rem; break-inside: avoid; }
figure.conflict { border-color: $conflict; border-style: double; border-width: 5px; } figure.crossing { border-color: $crossing; }
figure .two { display: flex; gap: .4rem; } figure .two > div { flex: 1 1 0; min-width: 0; }
img { width: 100%; height: auto; display: block; } figcaption, .name { font-size: .85rem; overflow-wrap: anywhere; }
.name { color: #444; } li { overflow-wrap: anywhere; } footer { margin-top: 2rem; font-size: .85rem; color: #444; }
@media (max-width: 40rem) { thead { display: none; } tr { display: block; border-bottom: 1px solid #ccc; padding: .4rem 0; }
th, td { display: block; border: 0; padding: 0; } }
@media print { body { max-width: none; padding: 0; font-size: 11px; } .sheet { grid-template-columns: repeat(3, 1fr); }
.pictures { grid-template-columns: repeat(6, 1fr); } }
</style>
</head>
<body>
<h1>$title</h1>
<p>$heading</p>
$leaks
$summary
$sections
<footer>$threshold; $verified were compared pixel by pixel.
docs/audit.md tells how, how well, and what an audit cannot find.</footer>
</body>
</html>
""")


def write_page(report: AuditReport, folder: Path) -> Path:
    """Write the page; see ``AuditReport.to_html``."""
    sections = [*(_pairs(report, kind) for kind in _SHEETS), *(_groups(report, kind) for kind in GROUPS)]
    sections += [_pictures(report, kind) for kind in PICTURES]
    sections += [_rules(kind, report.found[kind]) for kind in CLASSES]
    page = _PAGE.substitute(
        title="Audit of pictures",
        heading=escape(heading(report)),
        leaks="".join(f'<p class="leak">{escape(line.strip())}</p>' for line in leak_lines(report)),
        summary=_summary(report),
        sections="\n".join(filter(None, sections)),
        conflict=CONFLICT,
        crossing=CROSSING,
        threshold=escape(threshold_line(report)).capitalize(),
        verified=f"{report.search['verified']:,}",
    )
    folder.mkdir(parents=True, exist_ok=True)
    # Names of files may hold bytes that are not UTF-8.
    return write_atomically(folder / "audit.html", page.encode("utf-8", "backslashreplace"))


def _summary(report: AuditReport) -> str:
    rows = [
        f"<tr><th>{escape(kind.title)}</th><td>{escape(amount(report, name))}</td><td>{escape(kind.advice)}</td></tr>"
        for name, kind in {**GROUPS, **PICTURES, **CLASSES}.items()
        if report.counts[name]
    ]
    if not rows:
        return "<p>Nothing was found.</p>"
    head = "<tr><th>what</th><th>how much</th><th>what to do</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def _pairs(report: AuditReport, kind: str) -> str:
    """The contact sheet of a kind of pairs."""
    pairs = report.notable_pairs_by_kind()[kind]
    if not pairs:
        return ""
    title, words = _SHEETS[kind]
    figures = "".join(_pair(report, pair, kind) for pair in pairs[:_PAIRS])
    return f'<h2>{title}: {_some(len(pairs), "pair")}</h2><p>{words}</p><div class="sheet">{figures}</div>'


def _some(count: int, what: str) -> str:
    return f"{_PAIRS} of {count:,} {what}s" if count > _PAIRS else f"{count:,} {what}{'s' * (count != 1)}"


def _pair(report: AuditReport, pair: Pair, kind: str) -> str:
    sides = "".join(
        f"<div>{_image(item, report.bit_depth)}<div><b>{escape(label_of(item))}</b></div>"
        f'<div class="name">{_name(item.name)}</div></div>'
        for item in (report.items[pair.first], report.items[pair.second])
    )
    caption = f"agreement {pair.score:.3f}"
    return f'<figure class="{kind}"><div class="two">{sides}</div><figcaption>{caption}</figcaption></figure>'


def _name(name: str) -> str:
    """A file name that breaks where its words end."""
    return re.sub("([/_])", r"\1<wbr>", escape(name))


def _groups(report: AuditReport, kind: str) -> str:
    groups = report.members(kind)
    if not groups:
        return ""
    rows = "".join(f"<li>{escape(group_line(report, kind, group, _IN_GROUP))}</li>" for group in groups[:_GROUPS])
    more = f"<p>and {len(groups) - _GROUPS:,} more groups</p>" if len(groups) > _GROUPS else ""
    return f"<h2>{escape(GROUPS[kind].title)}: {escape(amount(report, kind))}</h2><ol>{rows}</ol>{more}"


def _pictures(report: AuditReport, kind: str) -> str:
    found = report.found[kind]
    if not found:
        return ""
    title = f"<h2>{escape(PICTURES[kind].title)}: {len(found):,}</h2><p>{escape(PICTURES[kind].advice)}</p>"
    items = {} if kind == "bad_files" else {item.name: item for item in report.items}
    if not items:
        rows = "".join(f"<li>{escape(finding.file)}: {escape(finding.words)}</li>" for finding in found[:_GROUPS])
        return f"{title}<ol>{rows}</ol>"
    figures = "".join(
        f"<figure>{_image(items[finding.file], report.bit_depth)}<figcaption>{escape(finding.words)}</figcaption>"
        f'<div class="name">{_name(finding.file)}</div></figure>'
        for finding in found[:_PICTURES]
    )
    more = f"<p>and {len(found) - _PICTURES:,} more</p>" if len(found) > _PICTURES else ""
    return f'{title}<div class="pictures">{figures}</div>{more}'


def _rules(kind: str, found: list[Finding]) -> str:
    rows = "".join(f"<li>{escape(finding.words)}</li>" for finding in found)
    return f"<h2>{escape(CLASSES[kind].title)}</h2><ul>{rows}</ul>" if found else ""


def _image(item: Item, bit_depth: int) -> str:
    data = base64.b64encode(png(picture(item, bit_depth, _SIDE), level=9)).decode("ascii")
    return f'<img alt="{escape(item.name)}" src="data:image/png;base64,{data}">'
