"""The page itself: the answer first, then what needs a person, then all figures."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from string import Template

from gonogo._core import __version__
from gonogo.dashboard.answer import Answer, ago, answer, counted, duration, size
from gonogo.dashboard.charts import drift_chart, passing_rate, per_hour, scores
from gonogo.dashboard.figures import Figures, Latency
from gonogo.dashboard.reading import DAYS, LineState
from gonogo.decision import REVIEW
from gonogo.expiry import validity
from gonogo.page import DEFINITIONS, KEY_STYLE, file_name, picture, table, text, write_page

TITLE = "Line"
STYLE = (
    """\
.answer { border: 3px solid #222; border-radius: 6px; padding: .8rem 1rem; margin: .8rem 0; font-size: 1.15rem; }
.answer .word { font-weight: 800; font-size: 1.5rem; padding: 0 .5rem; margin-right: .4rem; border: 3px solid #222; }
.answer.no { border-style: double; border-width: 6px; border-color: #8c1d18; }
.answer.no .word { background: #222; color: #fff; }
.answer.yes { border-color: #1b7340; }
ol.points { padding-left: 1.3rem; } ol.points li { margin: .35rem 0; }
ol.points li.urgent b { border-bottom: 3px double #8c1d18; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .8rem; margin: 1rem 0; }
.card { border: 1px solid #888; border-radius: 6px; padding: .5rem .8rem; break-inside: avoid; } .card h3 { margin: 0; }
.large { font-size: 1.7rem; font-weight: 700; line-height: 1.25; font-variant-numeric: tabular-nums; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: .5rem 1.5rem; }
.charts h3 { margin-top: .6rem; } .pictures { grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); }
.pictures figure { border: 1px solid #888; } .pictures .lacking { background: #eee; aspect-ratio: 1; display: grid;
  place-items: center; font-size: .8rem; color: #444; text-align: center; padding: .3rem; }
.pictures img { aspect-ratio: 1; object-fit: contain; background: #808080; }
.certificate { border: 1px solid #222; outline: 1px solid #222; outline-offset: 3px; padding: .6rem 1rem; margin: .8rem 4px; }
code { font-size: .85em; }
@media print { .charts { grid-template-columns: repeat(3, 1fr); } .cards { grid-template-columns: repeat(6, 1fr); }
  .large { font-size: 1.3rem; } .pictures { grid-template-columns: repeat(8, 1fr); } }
@media (max-width: 30rem) { .cards { grid-template-columns: repeat(2, 1fr); }
  .pictures { grid-template-columns: repeat(3, 1fr); gap: .4rem; }
  .pictures figure { padding: .2rem; } th, td { padding-right: .4rem; } }
"""
    + KEY_STYLE
)

_DAYS_IN_TABLE = 7
_FOOTER = Template(
    "<footer>Made by gonogo $version from the journal of $name. This page needs no network and holds no program. It looks back "
    "$days days.</footer>"
)
# The words of ``hourly`` for why a picture has no class.
_CAUSES = {
    "score": "the model is not sure enough",
    "unknown": "unlike the good parts of the training",
    "pixels": "constant, much darker than the pictures of the training, cut short, or too small",
    "unproven": "cannot be proven complete",
    "another-size": "another size than the pictures of the training",
    "another-colour": "coloured where the training was grey, or the other way round",
    "bit-depth": "a value beyond the bit depth of the training",
    "doubt": "views of the part, a frozen camera, drift, or a certificate that is over",
    "crash": "ended the program twice",
    "changing": "a program still wrote into it",
    "changed": "changed after it was decided on",
}


def write_dashboard(line: LineState, path: Path) -> Path:
    """Write the page, whole or not at all; raise ``OSError`` where that is impossible."""
    return write_page(path, f"{TITLE} {line.name}", body(line), STYLE)


def body(line: LineState) -> str:
    """Return the content of the page as HTML that is well-formed XML as well."""
    figures = Figures(line.hours, line.at)
    blocks = [
        DEFINITIONS,
        f"<h1>Line {text(line.name)}: is it healthy?</h1>",
        f'<p class="note">{line.at:%Y-%m-%d %H:%M:%S %z}</p>',
        _answer(answer(line, figures)),
        _cards(line, figures),
        '<div class="charts">',
        per_hour(figures),
        passing_rate(figures),
        scores(figures, line),
        "</div>",
        _queue(line),
        _by_day(figures),
        _damage(line, figures),
        _drift(line),
        _alarms(line),
        _pilot(line),
        _model(line),
        _FOOTER.substitute(version=__version__, name=text(line.name), days=DAYS),
    ]
    return "\n".join(filter(None, blocks))


def _answer(said: Answer) -> str:
    points = "".join(
        f"<li{_URGENT if point.urgent else ''}><b>{text(point.words[:1].upper() + point.words[1:])}.</b> "
        f"{text(point.advice)}</li>"
        for point in said.points
    )
    box = f'<div class="answer {said.word.lower()}"><span class="word">{said.word}</span> {text(said.sentence)}</div>'
    return f'{box}<h2>What needs a person now</h2><ol class="points">{points}</ol>' if points else box


_URGENT = ' class="urgent"'


def _cards(line: LineState, figures: Figures) -> str:
    day, hour = line.at - timedelta(days=1), line.at.replace(minute=0, second=0, microsecond=0)
    this, before = figures.total(hour), figures.total(hour - timedelta(hours=1))
    refused, of = figures.not_passed(day)
    taken, work = figures.latency("latency", day), figures.latency("milliseconds", day)
    waiting = "–" if line.inbox.files is None else f"{line.inbox.files:,}"
    oldest = "nothing waits" if line.inbox.oldest is None else f"the oldest for {duration(line.inbox.oldest)}"
    if line.inbox.oldest is None and line.inbox.files:
        oldest = "copied, they stay there"
    elif line.inbox.files is None:
        oldest = "the inbox is not there"
    more = "+" if line.queue.more else ""
    cards = [
        ("Throughput", f"{this:,}", "pictures in this hour", f"{before - this:,} in the one before, {of:,} in 24 h"),
        ("Inbox", waiting, "files wait", oldest),
        (
            "Review",
            f"{line.queue.count + line.queue.listed:,}{more}",
            "wait for people",
            counted(line.verdicts, "verdict") + " so far",
        ),
        ("Not passed", "–" if not of else f"{100 * refused / of:.1f} %", "of the last 24 h", f"{refused:,} of {of:,}"),
        ("Latency", _milliseconds(taken.median), "p50, from camera to folder", _slow(taken, work)),
        ("Room", size(line.free), "on the disk", f"{size(line.reserve)} in reserve"),
    ]
    shown = "".join(
        f'<div class="card"><h3>{name}</h3><div class="large">{text(value)}</div><div>{text(what)}</div>'
        f'<div class="note">{text(note)}</div></div>'
        for name, value, what, note in cards
    )
    return f'<div class="cards">{shown}</div>'


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return (
        f"{value:.3g} ms" if value < 1000 else duration(value / 1000) if value >= 120_000 else f"{value / 1000:.2g} s"
    )


def _slow(taken: Latency, work: Latency) -> str:
    return f"p99 {_milliseconds(taken.slow)}; of that work {_milliseconds(work.median)}, p99 {_milliseconds(work.slow)}"


def _queue(line: LineState) -> str:
    before = f"{counted(line.queue.listed, 'file')} from before the journal was made anew" if line.queue.listed else ""
    if not line.queue.count:
        return f"<h2>Review queue: {before or 'empty'}</h2>"
    figures = []
    for waiting in line.queue.newest:
        seen = waiting.picture
        if waiting.pixels is None:
            shown = '<div class="lacking">cannot be shown</div>'
        else:
            shown = picture(waiting.pixels, f"{seen.name}, in REVIEW: {seen.reason}")
        score = "" if seen.score is None else f"score {seen.score:.3g}<br/>"
        figures.append(
            f"<figure>{shown}<figcaption>{score}{text(ago(seen.time, line.at))}</figcaption>"
            f'<div class="name">{file_name(seen.name)}</div></figure>'
        )
    shown_of = f", the newest {len(figures)}" if line.queue.count > len(figures) else ""
    more = "at least " if line.queue.more else ""
    return (
        f"<h2>Review queue: {more}{counted(line.queue.count, 'picture')}{shown_of}{before and f', and {before}'}</h2>"
        f'<div class="pictures">{"".join(figures)}</div>'
    )


def _by_day(figures: Figures) -> str:
    days, labels = figures.labels_by_day(_DAYS_IN_TABLE), figures.labels
    if not days:
        return ""
    rows = [
        [day, *(f"{count[label]:,}" for label in labels), f"{sum(count.values()):,}"] for day, count in days.items()
    ]
    head = ["day", *(text(label) for label in labels), "all"]
    return "<h2>Pictures by day and decision</h2>" + table(head, rows, numbers=range(1, len(head)))


def _damage(line: LineState, figures: Figures) -> str:
    week, day = figures.causes(line.at - timedelta(days=7)), figures.causes(line.at - timedelta(days=1))
    if not week:
        return ""
    order = sorted(week.items(), key=lambda item: (-item[1], item[0]))
    rows = [
        [f"{text(_CAUSES.get(cause, cause.replace('-', ' ')))}", text(label), f"{day[label, cause]:,}", f"{count:,}"]
        for (label, cause), count in order
    ]
    note = f"Any doubt ends in {REVIEW}, any damage in QUARANTINE, never in PASS."
    return "<h2>Damage and doubt</h2>" + table(
        ["why there is no class", "went to", "24 h", "7 days"], rows, numbers=[2, 3], caption=note
    )


def _drift(line: LineState) -> str:
    if not line.drift:
        return ""
    now = line.drift[0].body
    level, statistic = float(now["level"] or 0), float(now["statistic"])
    monitors = sorted(now["monitors"].items(), key=lambda item: -sum(item[1]["statistics"]))
    rows = [
        [
            text(name if seen["limit"] is None else f"{name} {seen['limit']:.4g}"),
            _statistic(sum(seen["statistics"]) / len(seen["statistics"])),
            f"{seen['answers']:,} of {seen['parts']:,}",
            f"{100 * seen['expected']:.2g} %",
            text(str(seen["since"])[:16].replace("T", " ") or "–"),
        ]
        for name, seen in monitors
    ]
    head = ["question about a part", "statistic", "yes", "expected at most", "since"]
    words = (
        f"Where nothing changed, {level:,.0f} parts or more lie between two false alarms, on average. Means over the questions: "
        f"{_statistic(statistic)}; the alarm is raised at {level:,.0f}. {counted(int(now['parts']), 'part')} watched."
    )
    state = "ALARM" if now["alarm"] else "nothing moved"
    told = f"<p><b>{text(now['alarm']['reason'])}</b></p>" if now["alarm"] else ""
    drawn = f'<div class="charts">{drift_chart(line)}</div>' if level else ""
    return f"<h2>Drift: {state}</h2>{told}{table(head, rows, numbers=[1, 2, 3], caption=text(words))}{drawn}"


def _statistic(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _alarms(line: LineState) -> str:
    if not line.alarms:
        return "<h2>Alarms: none</h2>"
    rows = [
        [
            f'<span title="{text(alarm.time)}">{text(ago(alarm.time, line.at))}</span>',
            text(alarm.reason),
            file_name(alarm.name),
        ]
        for alarm in line.alarms
    ]
    return "<h2>Alarms, the last ones first</h2>" + table(["when", "what", "file"], rows)


def _pilot(line: LineState) -> str:
    found = line.pilot
    if found is None:
        return ""
    a, confidence = f"{100 * found.trial.max_escape:g} %", f"{100 * found.trial.confidence:g} %"
    rows = [
        ["decision", f"<b>{text(found.decision)}</b>, for an escape rate below {a} at {confidence} confidence"],
        ["parts that people judged blind", f"{found.parts:,}, {len(found.disputed):,} of them disputed"],
        ["bad parts", f"{found.escape.of:,}, of which the model passed {found.escape.count:,}"],
    ]
    if found.missing:
        rows.append(["still missing", f"{counted(found.missing, 'bad part')}, if no escape comes"])
    return "<h2>Trial against human inspection</h2>" + table([], rows)


def _model(line: LineState) -> str:
    start = line.start
    if not start:
        return "<h2>Model</h2><p>No sorter has begun with this journal.</p>"
    settings = start.get("settings", {})
    facts = [
        ["model", f"<code>{text(str(start['model'])[:16])}</code> {file_name(str(settings.get('model_file', '')))}"],
        ["certificate", f"<code>{text(str(start['certificate'])[:16])}</code>" if start["certificate"] else "none"],
        *([] if line.valid_until is None else [["validity", text(validity(line.valid_until, line.at.date()))]]),
        ["in use since", text(_in_use(line))],
        ["last start", text(f"{start['time'][:19].replace('T', ' ')} by {start.get('user') or 'nobody named'}")],
        [
            "last self-test",
            text(_tested(line)) if line.selftest else "at the last start: a model that fails it is refused",
        ],
        ["gonogo", text(str(start.get("version", "")))],
    ]
    promise = "".join(f"<p>{text(str(said).strip())}</p>" for said in start.get("facts", {}).get("promise", []))
    shown = f'<div class="certificate">{promise}</div>' if promise else ""
    return f"<h2>Model and certificate</h2>{table([], facts)}{shown}"


def _tested(line: LineState) -> str:
    found = f"passed {ago(str(line.selftest['time']), line.at)}, largest difference of a score "
    return f"{found}{float(line.selftest['difference']):.2g}"


def _in_use(line: LineState) -> str:
    since = str(line.model.get("time", line.start["time"]))[:19].replace("T", " ")
    if "change" not in line.model:
        return since
    return f"{since}: {line.model['change']}, approved by {line.model['user']}: {line.model['reason']}"
