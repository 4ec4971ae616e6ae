"""The report of an audit as one HTML page that needs no network, on a phone and on paper as well."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gonogo.audit.findings import CLASSES, GROUPS, PICTURES, Finding
from gonogo.audit.items import Item
from gonogo.audit.plots import CONFLICT, CROSSING, label_of, picture
from gonogo.audit.words import amount, group_line, heading, leak_lines, threshold_line
from gonogo.page import file_name, table, text, write_page
from gonogo.page import picture as as_image

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

_STYLE = f"""\
p.leak {{ font-size: 1.1rem; font-weight: 600; border-left: .3rem solid {CROSSING}; padding-left: .7rem; }}
.sheet {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: .8rem; }}
.sheet figure {{ border: 2px solid #555; border-radius: 4px; padding: .4rem; }}
.sheet figure.conflict {{ border: 5px double {CONFLICT}; }} .sheet figure.crossing {{ border-color: {CROSSING}; }}
figure .two {{ display: flex; gap: .4rem; }} figure .two > div {{ flex: 1 1 0; min-width: 0; }}
@media (max-width: 40rem) {{ thead {{ display: none; }} tr {{ display: block; border-bottom: 1px solid #ccc; padding: .4rem 0; }}
  th, td {{ display: block; border: 0; padding: 0; }} }}
@media print {{ .sheet {{ grid-template-columns: repeat(3, 1fr); }} }}
"""


def write_audit(report: AuditReport, folder: Path) -> Path:
    """Write the page; see ``AuditReport.to_html``."""
    sections = [*(_pairs(report, kind) for kind in _SHEETS), *(_groups(report, kind) for kind in GROUPS)]
    sections += [_pictures(report, kind) for kind in PICTURES]
    sections += [_rules(kind, report.found[kind]) for kind in CLASSES]
    leaks = "".join(f'<p class="leak">{text(line.strip())}</p>' for line in leak_lines(report))
    footer = (
        f"{text(threshold_line(report)).capitalize()}; {report.search['verified']:,} were compared pixel by pixel. "
        "docs/audit.md tells how, how well, and what an audit cannot find."
    )
    body = [
        f"<h1>Audit of pictures</h1><p>{text(heading(report))}</p>{leaks}",
        _summary(report),
        *sections,
        f"<footer>{footer}</footer>",
    ]
    folder.mkdir(parents=True, exist_ok=True)
    return write_page(folder / "audit.html", "Audit of pictures", "\n".join(filter(None, body)), _STYLE)


def _summary(report: AuditReport) -> str:
    rows = [
        [text(kind.title), text(amount(report, name)), text(kind.advice)]
        for name, kind in {**GROUPS, **PICTURES, **CLASSES}.items()
        if report.counts[name]
    ]
    return table(["what", "how much", "what to do"], rows) if rows else "<p>Nothing was found.</p>"


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
        f"<div>{_image(item, report.bit_depth)}<div><b>{text(label_of(item))}</b></div>"
        f'<div class="name">{file_name(item.name)}</div></div>'
        for item in (report.items[pair.first], report.items[pair.second])
    )
    caption = f"agreement {pair.score:.3f}"
    return f'<figure class="{kind}"><div class="two">{sides}</div><figcaption>{caption}</figcaption></figure>'


def _groups(report: AuditReport, kind: str) -> str:
    groups = report.members(kind)
    if not groups:
        return ""
    rows = "".join(f"<li>{text(group_line(report, kind, group, _IN_GROUP))}</li>" for group in groups[:_GROUPS])
    more = f"<p>and {len(groups) - _GROUPS:,} more groups</p>" if len(groups) > _GROUPS else ""
    return f"<h2>{_title(GROUPS[kind].title)}: {text(amount(report, kind))}</h2><ol>{rows}</ol>{more}"


def _pictures(report: AuditReport, kind: str) -> str:
    found = report.found[kind]
    if not found:
        return ""
    title = f"<h2>{_title(PICTURES[kind].title)}: {len(found):,}</h2><p>{text(PICTURES[kind].advice)}</p>"
    items = {} if kind == "bad_files" else {item.name: item for item in report.items}
    if not items:
        rows = "".join(f"<li>{text(finding.file)}: {text(finding.words)}</li>" for finding in found[:_GROUPS])
        return f"{title}<ol>{rows}</ol>"
    figures = "".join(
        f"<figure>{_image(items[finding.file], report.bit_depth)}<figcaption>{text(finding.words)}</figcaption>"
        f'<div class="name">{file_name(finding.file)}</div></figure>'
        for finding in found[:_PICTURES]
    )
    more = f"<p>and {len(found) - _PICTURES:,} more</p>" if len(found) > _PICTURES else ""
    return f'{title}<div class="pictures">{figures}</div>{more}'


def _title(words: str) -> str:
    return text(words[:1].upper() + words[1:])


def _rules(kind: str, found: list[Finding]) -> str:
    rows = "".join(f"<li>{text(finding.words)}</li>" for finding in found)
    return f"<h2>{_title(CLASSES[kind].title)}</h2><ul>{rows}</ul>" if found else ""


def _image(item: Item, bit_depth: int) -> str:
    return as_image(picture(item, bit_depth, _SIDE), item.name)
