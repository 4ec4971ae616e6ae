"""The page itself: the answer first, then why, then all figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gonogo._core import __version__
from gonogo.audit import AuditReport
from gonogo.audit.findings import KINDS
from gonogo.audit.words import amount, heading, leak_lines
from gonogo.certificate_words import assumptions, beside_words, promise
from gonogo.formats import Formats
from gonogo.model_card import in_words
from gonogo.page import table, text, write_page
from gonogo.report_page import figures
from gonogo.report_page.curve_charts import curves, probabilities
from gonogo.report_page.galleries import galleries
from gonogo.report_page.verdict import open_points, percent, share, verdict

if TYPE_CHECKING:
    from gonogo.report import Report

_STYLE = """\
.verdict { border: 3px solid #222; border-radius: 6px; padding: .8rem 1rem; margin: .8rem 0; font-size: 1.15rem; }
.verdict .word { font-weight: 800; font-size: 1.5rem; padding: 0 .5rem; margin-right: .4rem; border: 3px solid #222; }
.verdict.no .word { background: #222; color: #fff; } .verdict.yes { border-color: #1b7340; }
.verdict.no { border-style: double; border-width: 6px; border-color: #8c1d18; } .verdict.open { border-style: dashed; }
.verdict .note { margin-top: .5rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .8rem; margin: 1rem 0; }
.card { border: 1px solid #888; border-radius: 6px; padding: .5rem .8rem; break-inside: avoid; } .card h3 { margin: 0; }
.large { font-size: 1.8rem; font-weight: 700; line-height: 1.2; font-variant-numeric: tabular-nums; }
.bar { max-width: 9rem; } .range { font-size: .85rem; color: #444; white-space: nowrap; }
svg.swatch { display: inline-block; width: 36px; height: 14px; vertical-align: middle; margin-right: .4rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: 1rem; }
.histogram { max-width: 42rem; }
.confusions { display: flex; flex-wrap: wrap; gap: 0 3rem; } .confusions > div { max-width: 100%; }
table.confusion { width: auto; }
table.confusion td.cell, table.confusion td.right { text-align: center; white-space: nowrap; border: 1px solid #888;
  padding: .4rem .7rem; min-width: 4.5rem; font-variant-numeric: tabular-nums; }
table.confusion td.right { outline: 3px solid #222; outline-offset: -3px; }
table.confusion thead th { padding: .3rem .4rem; text-align: center; }
.pictures figure.escape { border: 6px double #8c1d18; } .pictures figure.wrong { border: 3px solid #8c1d18; }
.pictures figure.plain { border: 1px solid #888; } ul { padding-left: 1.3rem; margin: .5rem 0; } li { margin: .2rem 0; }
.certificate { border: 1px solid #222; outline: 1px solid #222; outline-offset: 3px; padding: .6rem 1rem; margin: .8rem 4px; }
code { font-size: .85em; }
@media print { .verdict { font-size: 1.2rem; } h2.leaf { break-before: page; } .certificate { break-inside: avoid; }
  .charts { grid-template-columns: repeat(3, 1fr); } .cards { grid-template-columns: repeat(4, 1fr); }
  .confusions > div { break-inside: avoid; } .histogram { max-width: 75%; margin: 0 auto; } }
@media (max-width: 30rem) { .range, .bar { display: block; } .range { font-size: .7rem; }
  table { font-size: .88rem; } th, td, td.number, th.number { padding-right: .3rem; } th[scope=row] { min-width: 0; }
  .classes table, .classes thead, .classes tbody { display: block; } .classes thead th:first-child { display: none; }
  .classes tr { display: grid; grid-template-columns: 1fr 1fr 1fr 4.2rem; border-bottom: 1px solid #ccc; padding: .3rem 0; }
  .classes th, .classes td { border: 0; padding: 0; } .classes th[scope=row] { grid-column: 1 / -1; } }
"""

_WORDS = """\
<ul>
<li><b>Escape</b>: a bad part that is passed. The escape rate is their share of all bad parts.</li>
<li><b>Overkill</b>: a good part that is not passed. The overkill rate is their share of all good parts.</li>
<li><b>Review</b>: a person looks. Every doubt ends there, never in PASS.</li>
<li><b>Score</b>: how much more PASS-like than anything else a picture is (margin in logits). A part has that of its least
PASS-like picture.</li>
<li><b>95 % interval</b>: shares that are compatible with what was seen. It is exact (Clopper, Pearson) where parts are counted,
and approximate where pictures are and several show one part.</li>
<li><b>Precision</b> holds only for the mix of classes that was tested.</li>
</ul>"""


def write_report(report: Report, path: Path) -> Path:
    """Write the page; see ``Report.to_html``."""
    said = verdict(report)
    subject = text(report.data.subset or "") if report.data is not None else ""
    what = f"{len(report):,} {'tiles' if report.unit == 'tile' else 'pictures'}"
    if report.parts is not None and report.parts.grouped:
        what += f" of {len(report.parts):,} parts"
    blocks = [
        "<h1>Inspection report: may we ship on this?</h1>",
        f'<p class="note">{what}{f", subset {subject}" if subject else ""}{_named_model(report)}</p>',
        f'<div class="verdict {said.word.lower()}"><span class="word">{said.word}</span> {text(said.sentence)}'
        f"{f'<div class=note>{text(said.advice)}</div>' if said.advice else ''}</div>".replace(
            "class=note", 'class="note"'
        ),
        figures.key_figures(report),
        _list("Open points", open_points(report)),
        _certificate(report),
        _scores(report),
        _confusions(report),
        f'<div class="classes">{figures.fault_table(report)}<h2>Classes</h2>{figures.class_table(report)}</div>',
        "<h2>Curves</h2>",
        curves(report),
        "<h2>Probabilities</h2>",
        probabilities(report),
        '<h2 class="leaf">Pictures to look at</h2>',
        galleries(report),
        "<h2>Data and split</h2>",
        _data(report),
        "<h2>Audit of the pictures</h2>",
        _audit(report),
        "<h2>Model card</h2>",
        _model(report),
        "<h2>Words</h2>",
        _WORDS,
        f"<footer>Made by gonogo {__version__}. This page needs no network and holds no program.</footer>",
    ]
    return write_page(path, "Inspection report", "\n".join(filter(None, blocks)), _STYLE)


def _named_model(report: Report) -> str:
    return "" if report.model is None else f", model <code>{report.model['model_sha256'][:16]}</code>"


def _list(title: str, points: list[str]) -> str:
    items = "".join(f"<li>{text(point.strip())}</li>" for point in points)
    return f"<h2>{title}</h2><ul>{items}</ul>" if points else ""


def _certificate(report: Report) -> str:
    made = report.certificate
    if made is None:
        return ""
    beside = beside_words(made, report.review_zone, report.unknown_guard)
    promised = "".join(f"<p>{text(line.strip())}</p>" for line in [*promise(made), *beside])
    needs = "".join(f"<li>{text(line)}</li>" for line in assumptions(made))
    return (
        f'<h2>Certificate</h2><div class="certificate">{promised}<h3>It rests on this</h3><ul>{needs}</ul>'
        f'<p class="note">certificate <code>{made.digest}</code></p></div>'
    )


def _scores(report: Report) -> str:
    drawn = figures.score_histogram(report)
    return f"<h2>Scores and thresholds</h2>{drawn}" if drawn else ""


def _confusions(report: Report) -> str:
    unit = "tile" if report.unit == "tile" else "picture"
    tables = [(f"By {unit}", "the most probable class of each", figures.picture_confusion(report))]
    if report.parts is not None and (report.parts.grouped or report.certificate is not None):
        rule = (
            "a part passes only if all its pictures do" if report.parts.grouped else "each picture counts as one part"
        )
        if report.certificate is not None:
            rule += "; decided by the certificate"
        elif report.pass_label is None:
            rule = "the most probable class on the average of its pictures"
        tables.insert(0, ("By part", rule, figures.part_confusion(report)))
    shown = "".join(f'<div><h3>{title}</h3><p class="note">{words}</p>{drawn}</div>' for title, words, drawn in tables)
    words = "Rows: truth. Columns: what was said. Counts with their share of the row; framed: right."
    return f'<h2>Confusion</h2><p class="note">{words}</p><div class="confusions">{shown}</div>'


def _data(report: Report) -> str:
    counts = np.bincount(report.truth, minlength=len(report.classes)).tolist()
    head = ["class", "tiles" if report.unit == "tile" else "pictures", "share"]
    rows = [
        [text(name), f"{count:,}", percent(share_)]
        for name, count, share_ in zip(report.classes, counts, report.mix.values(), strict=True)
    ]
    if report.parts is not None and report.parts.grouped:
        head.append("parts")
        of_parts = np.bincount(report.parts.truth, minlength=len(report.classes)).tolist()
        rows = [[*row, f"{count:,}"] for row, count in zip(rows, of_parts, strict=True)]
    facts = []
    data = report.data
    if data is not None:
        height, width, channels = data.pixels.shape[1:]
        facts.append(["pictures", f"{height}x{width}, {'grey' if channels == 1 else 'colour'}"])
        if data.split_file is not None:
            facts.append(["split", f"subset {text(data.subset)} of {text(data.split_file.name)}"])
        if data.excluded is not None and len(data.excluded):
            facts.append(
                ["left out by the split", f"{len(data.excluded):,} pictures of parts with more than one label"]
            )
        if data.bad_files:
            facts.append(["left out, no good pictures", f"{len(data.bad_files):,} files"])
    if report.model is not None:
        trained = report.model["training"].get("images")
        facts.append(["trained on", "not told" if trained is None else f"{trained:,} pictures"])
    times = report.openings
    opened = "no ledger was kept" if times is None else f"{times} times before, by the ledger"
    facts.append(["opened as a test set", "never before, by the ledger" if times == 0 else opened])
    return table(head, rows, numbers=range(1, len(head))) + table([], facts)


def _audit(report: Report) -> str:
    found = report.audit
    if found is None:
        return (
            "<p>Not audited. An audit compares each picture with each and tells which test pictures show a part that is also "
            "among the training pictures, which are damaged, and which may be labelled wrongly.</p>"
        )
    blocks = []
    if isinstance(found, AuditReport):
        blocks.append(f"<p>{text(heading(found))}</p>")
        blocks += [f"<p><b>{text(line.strip())}</b></p>" for line in leak_lines(found)]
        rows = [
            [text(kind.title), text(amount(found, name)), text(kind.advice)]
            for name, kind in KINDS.items()
            if found.counts[name]
        ]
        blocks.append(table(["what", "how much", "what to do"], rows) if rows else "<p>Nothing was found.</p>")
    if (clean := report.independent) is not None:
        blocks.append(_without_siblings(report, clean))
    return "".join(blocks)


def _without_siblings(report: Report, clean: Report) -> str:
    lost = len(report) - len(clean)
    if lost == 0:
        return "<p>No picture of this test shows a part that is among the training pictures: the figures stand as they are.</p>"

    def row(name: str, one: Report) -> list[str]:
        cells = [text(share(one.accuracy, "picture"))]
        if one.escape is not None and one.overkill is not None:
            cells += [text(share(one.escape, f"bad {one.unit}")), text(share(one.overkill, f"good {one.unit}"))]
        return [name, *cells]

    head = ["", "right class", *(["escape", "overkill"] if report.escape is not None else [])]
    rows = [row("all pictures", report), row(f"without the {lost:,} pictures of parts in training", clean)]
    return "<h3>The same without parts that were in training</h3>" + table(head, rows)


def _model(report: Report) -> str:
    card = report.model
    if card is None:
        return "<p>A foreign classifier: nothing is known about it but its answers.</p>"
    shape, training = card["input"], card["training"]
    size = f"{shape['height']}x{shape['width']} {shape.get('color_mode', '')}".strip()
    kinds = [layer["kind"] for layer in card["layers"] if layer["kind"] != "input"]
    facts: list[list[str]] = [
        ["classes", text(", ".join(card["classes"]))],
        ["PASS class", text(card["pass_label"] or "not named")],
        ["input", text(size)],
        ["other sizes", text(shape["resize_mode"])],
        ["trained on files of", text(str(Formats.from_dict(card["formats"])) if card["formats"] else "(not recorded)")],
        ["preprocess", text(in_words(shape.get("preprocess")))],
        ["tiles", text(in_words(shape.get("tiles")))],
        ["layers", text(", ".join(kinds))],
        ["parameters", f"{card['parameters']:,}"],
        ["multiply-adds", f"{card['multiply_adds']:,} a picture"],
        *([text(name.replace("_", " ")), text(_shown(value))] for name, value in sorted(training.items())),
        ["made by", text(f"gonogo {card['versions'].get('gonogo', 'of an unknown version')}")],
        ["model SHA-256", f"<code>{card['model_sha256']}</code>"],
    ]
    return table([], facts)


def _shown(value: Any) -> str:
    return (
        f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000 else in_words(value)
    )
