"""The page about a line: its figures are those of the journal, its answer is right, and it needs no network."""

from __future__ import annotations

import base64
import datetime
import http.client
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from chromium import Visit
from line.commands import FAST, Commands
from line.commands import fill as line_inbox
from line.output import BRIGHT, DARK, DOUBTFUL, fill, part_picture

from gonogo.cli import main
from gonogo.dashboard import LineState, body, read_line, write_dashboard
from gonogo.dashboard.answer import Answer, answer
from gonogo.dashboard.figures import Figures
from gonogo.dashboard.reading import Alarm, Inbox, Queue
from gonogo.errors import JournalError
from gonogo.line.approval import NOT_KNOWN
from gonogo.line.clock import Clock
from gonogo.line.configuration import journal_of
from gonogo.line.files import LocalDisk
from gonogo.line.hourly import score_bin
from gonogo.line.journal import Entry, Row
from gonogo.line.segments import open_journal
from gonogo.line.verdicts import open_verdicts
from gonogo.pilot import Trial, Verdict, trial_status

PHONE = (390, 844)
NOW = datetime.datetime(2026, 3, 14, 12, 30, tzinfo=datetime.UTC)
ASKED = {"statistics": [900.0, 1300.0], "expected": 0.13, "limit": 140.5, "typical": 120.0, "evidence": 3.0}
ASKED |= {"since": "2026-03-14T10:00:00.000+00:00", "parts": 60, "answers": 31, "total": 9000.0}
RAISED = {"time": "2026-03-14T11:00:00.000+00:00", "reason": "drift: <brighter>", "monitors": ["brightness above"]}
DRIFT = {"statistic": 1100.0, "level": 1000, "parts": 4321, "alarm": RAISED, "period": {}}
DRIFT |= {"monitors": {"brightness above": ASKED, "rejects": {**ASKED, "limit": None, "since": "", "answers": 0}}}
HOSTILE = "<img src=x onerror=alert(1)>&\udcff.png"


class Past(Clock):
    """A clock that stands still."""

    def __init__(self, at: datetime.datetime) -> None:
        self._at = at

    def today(self) -> datetime.datetime:
        return self._at


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hours of pictures: passed, bad, doubtful, damaged, and one that came twelve times."""
    folder = tmp_path_factory.mktemp("dashboard")
    for back in (26, 5, 0):
        pictures = {f"ok{back}_{i}.png": part_picture(BRIGHT, 100 * back + i) for i in range(6)}
        pictures |= {f"bad{back}.png": part_picture(DARK, 100 * back + 50)}
        pictures |= {f"odd{back}.png": part_picture(DOUBTFUL, 100 * back + 60)}
        pictures |= {f"half{back}.png": part_picture(BRIGHT, 100 * back + 70)[:-30]}
        if back == 5:
            pictures |= {f"frozen{i}.png": part_picture(BRIGHT, 999) for i in range(11)}
        if back == 0:
            pictures[HOSTILE] = part_picture(DOUBTFUL, 5)
        out = fill(folder, pictures, Past(NOW - datetime.timedelta(hours=back)))
    return out


@pytest.fixture
def out(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "out"))


@pytest.fixture(scope="module")
def line(filled: Path) -> LineState:
    return read_line(filled, journal_of(filled), LocalDisk(), NOW)


def said_of(line: LineState) -> Answer:
    return answer(line, Figures(line.hours, line.at))


def tree(line: LineState) -> ElementTree.Element:
    return ElementTree.fromstring(f"<body>{body(line)}</body>")


def words(element: ElementTree.Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def test_figures_are_those_of_the_decisions(filled: Path, line: LineState) -> None:
    figures = Figures(line.hours, NOW)
    reader = sqlite3.connect(f"file:{journal_of(filled)}?mode=ro", uri=True)
    rows = reader.execute("SELECT time, decision, passed FROM decisions").fetchall()
    reader.close()
    day = NOW - datetime.timedelta(days=1)
    recent = [row for row in rows if datetime.datetime.fromisoformat(row[0]) > day]
    assert figures.total(day) == len(recent) == 30
    assert figures.not_passed(day) == (sum(not row[2] for row in recent), len(recent))
    told = figures.labels_by_day(7)
    assert {day: dict(count) for day, count in told.items()} == {
        "2026-03-14": {"ok": 21, "bad": 2, "REVIEW": 5, "QUARANTINE": 2},
        "2026-03-13": {"ok": 6, "bad": 1, "REVIEW": 1, "QUARANTINE": 1},
    }
    hours, groups = figures.by_hour()
    assert hours[-1] == NOW.replace(minute=0) and len(hours) == 48
    assert [sum(groups[name][k] for name in groups) for k in (-1, -6, -27)] == [10, 20, 9]
    assert sum(map(sum, groups.values())) == 39
    assert groups["passed"][-6] == 15 and groups["other"][-6] == 1 and groups["REVIEW"][-6] == 3
    assert figures.causes(NOW - datetime.timedelta(days=7)) == {
        ("QUARANTINE", "truncated"): 3,
        ("REVIEW", "score"): 4,
        ("REVIEW", "doubt"): 2,
    }
    assert figures.rows("alarm", day) == 1
    taken = figures.latency("milliseconds", day)
    assert taken.median is not None and taken.slow is not None and 0 < taken.median <= taken.slow


def test_scores_lie_beside_limit_and_reference(line: LineState) -> None:
    reference = np.linspace(5.0, 9.0, 50)
    found = Figures(line.hours, NOW).scores(reference)
    assert found is not None and found.reference is not None
    assert found.reference.sum() == pytest.approx(100) and sum(s.sum() for s in found.shares.values()) == pytest.approx(
        100
    )
    assert found.pictures == 34  # neither the damaged ones nor the doubt of a frozen camera have a score
    assert Figures({}, NOW).scores(None) is None
    stray = {("2026-03-14T12+00:00", "ok", "score", score_bin(value)): n for value, n in ((1e6, 1), (3.0, 5000))}
    squeezed = Figures(stray, NOW).scores(None)
    assert squeezed is not None and squeezed.edges[-1] < 10


def test_the_queue_is_what_waits_for_a_verdict(out: Path) -> None:
    def queue() -> tuple[int, list[str]]:
        found = read_line(out, journal_of(out), LocalDisk(), NOW).queue
        return found.count, [waiting.picture.name for waiting in found.newest]

    count, names = queue()
    assert count == len(names) == 6 and names[-1] == "odd26.png" and "odd5.png" in names
    with open_verdicts(journal_of(out), LocalDisk()) as verdicts:
        state = read_line(out, journal_of(out), LocalDisk(), NOW).queue.newest
        seen = next(waiting.picture for waiting in state if waiting.picture.name == "odd5.png")
        verdicts.judge("Ann", seen.id, seen.sha256, "ok", "queue")
    (out / "REVIEW" / "odd26.png").unlink()
    count, names = queue()
    assert count == 4 and "odd5.png" not in names and "odd26.png" not in names
    (out / "REVIEW" / "odd0.png").write_bytes(b"no picture")
    state = read_line(out, journal_of(out), LocalDisk(), NOW)
    assert [waiting.pixels is None for waiting in state.queue.newest if waiting.picture.name == "odd0.png"] == [True]
    assert words(tree(state)).count("cannot be shown") == 1


def test_large_pictures_of_the_queue_are_shown_small(out: Path) -> None:
    (out / "REVIEW" / "odd0.png").write_bytes(part_picture(DOUBTFUL, 1, height=300, width=200))
    queue = read_line(out, journal_of(out), LocalDisk(), NOW).queue
    shapes = {waiting.picture.name: waiting.pixels.shape for waiting in queue.newest if waiting.pixels is not None}
    assert shapes["odd0.png"] == (112, 75, 1) and shapes["odd5.png"] == (40, 56, 1)


def test_of_a_long_queue_the_newest_are_looked_at(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gonogo.dashboard.reading._LOOKED_AT", 3)
    state = read_line(out, journal_of(out), LocalDisk(), NOW)
    assert (state.queue.count, state.queue.more) == (3, True)
    assert "Review queue: at least 3 pictures" in words(tree(state))
    assert "at least 3 pictures in REVIEW without a verdict" in said_of(state).points[1].words


def test_the_page_is_well_formed_and_fetches_and_runs_nothing(line: LineState, tmp_path: Path) -> None:
    content = write_dashboard(line, tmp_path / "line.html").read_text(encoding="utf-8")
    page = ElementTree.fromstring(content.removeprefix("<!doctype html>\n"))
    tags = {element.tag for element in page.iter()}
    assert not {"script", "link", "iframe", "object", "base", "form"} & tags and "svg" in tags
    assert not [name for element in page.iter() for name in element.keys() if name.startswith("on")]  # noqa: SIM118
    pictures = [element.get("src", "") for element in page.iter("img")]
    assert len(pictures) == 6
    for source in pictures:
        assert base64.b64decode(source.removeprefix("data:image/png;base64,"), validate=True).startswith(b"\x89PNG")
    links = [value for e in page.iter() for name, value in e.items() if name in ("href", "srcset", "action")]
    assert links == []
    shown = " ".join(page.itertext())
    assert "<img src=x onerror=alert(1)>&" in shown and "\udcff" not in shown
    headings = [words(heading).split(":")[0].split(",")[0] for heading in page.iter("h2")]
    assert headings == [
        "What needs a person now",
        "Review queue",
        "Pictures by day and decision",
        "Damage and doubt",
        "Alarms",
        "Model and certificate",
    ]
    assert "A promise." in shown and "bright.gonogo" in shown


def test_without_a_page_it_goes_into_the_output_and_disturbs_nothing(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = out.parent / "line.html"
    for options, page in (([], out / "dashboard.html"), (["--page", str(other)], other)):
        assert main(["dashboard", str(out), *options, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["page"] == str(page) and told["healthy"] is True
        assert "is it healthy?" in page.read_text(encoding="utf-8")
    assert main(["verify", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == 0


@pytest.mark.parametrize(
    ("told", "waits_for"),
    [
        ({"state": "waiting", "problems": ["no room", "more"]}, "no room"),
        ({"state": "ended", "problems": ["no room"]}, ""),
        ({"state": "waiting", "problems": []}, ""),
        ([], ""),
    ],
)
def test_what_a_sorter_waits_for_is_what_it_told_last(told: object, waits_for: str, out: Path) -> None:
    (out / "status.json").write_text(json.dumps(told))
    assert read_line(out, journal_of(out), LocalDisk(), NOW).waits_for == waits_for
    (out / "status.json").unlink()
    assert read_line(out, journal_of(out), LocalDisk(), NOW).waits_for == ""


def until(day: str) -> dict[str, Any]:
    return {"certificate": "c", "model": "m", "time": NOW.isoformat(), "facts": {"valid_until": day}}


HOUR = "2026-03-14T12+00:00"
FAILED_TRIAL = trial_status([Verdict(str(part), part < 6, True, "Ann") for part in range(46)], Trial(0.01, 0.95))
CHANGES: list[tuple[str, dict[str, Any], str, str]] = [
    ("as it is", {}, "YES", "pictures in REVIEW without a verdict"),
    ("no room", {"free": 1}, "NO", "less than the 64 MB kept in reserve"),
    ("little room", {"free": 100_000_000}, "YES", "only 100 MB of room"),
    ("a file waits", {"inbox": Inbox(3, 4000.0)}, "NO", "waited in the inbox for 67 min, and no sorter is at work"),
    (
        "a file waits on a running line",
        {"inbox": Inbox(3, 4000.0), "running": True},
        "NO",
        "whether a program still writes",
    ),
    (
        "self-test",
        {"alarms": [Alarm("2026-03-15", "ALARM", "", "self-test: other scores")]},
        "NO",
        "self-test failed",
    ),
    (
        "a sorter that waits",
        {"start": {"settings": {"watch": True}, "certificate": "c"}, "waits_for": "/out/ok: gonogo cannot write"},
        "NO",
        "the sorter waits for what it told last: /out/ok: gonogo cannot write",
    ),
    (
        "a sorter that waits for its inbox",
        {"running": True, "start": {"settings": {"watch": True}, "certificate": "c"}, "waits_for": "/in: not there"},
        "NO",
        "the sorter waits for what it told last: /in: not there",
    ),
    ("drift", {"drift": [Row("DRIFT", body=DRIFT)]}, "NO", "drift since 2026-03-14 11:00: brightness above"),
    ("frozen camera", {"frozen": {"": 12}}, "NO", "the camera may be frozen: the same picture at least 12 times"),
    ("a frozen view", {"frozen": {"top": 10}}, "NO", "the camera of the view top may be frozen"),
    ("rebuilt", {"model": {"model": NOT_KNOWN, "time": NOW.isoformat()}}, "NO", "the journal was lost or damaged"),
    (
        "files from before",
        {"queue": Queue(0, False, "", [], 4)},
        "YES",
        "4 files in REVIEW from before the journal was made anew, without a verdict",
    ),
    ("lost", {"hours": Counter({(HOUR, "", "lost", 0): 2})}, "NO", "2 pictures could not be found after being claimed"),
    (
        "damage",
        {"hours": Counter({(HOUR, "QUARANTINE", "pictures", 0): 9, (HOUR, "QUARANTINE", "cause", "truncated"): 9})},
        "YES",
        "9 damaged files in the last day",
    ),
    ("failed trial", {"pilot": FAILED_TRIAL}, "NO", "the trial against human inspection failed"),
    ("no certificate", {"start": {"certificate": "", "model": "m", "time": NOW.isoformat()}}, "YES", "no certificate"),
    ("certificate over", {"start": until("2026-03-13")}, "NO", "valid until 2026-03-13: every part goes to REVIEW"),
    (
        "certificate ends",
        {"start": until("2026-04-13")},
        "YES",
        "the certificate is valid until 2026-04-13, 30 days left",
    ),
    ("watcher ended", {"start": {"certificate": "c", "settings": {"watch": True}}}, "NO", "is not at work"),
]


@pytest.mark.parametrize(("change", "word", "says"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_the_answer_follows_from_the_state(line: LineState, change: dict[str, Any], word: str, says: str) -> None:
    found = said_of(replace(line, **change))
    assert found.word == word
    assert any(says in f"{point.words}. {point.advice}" for point in found.points), found.points
    if word == "NO":
        assert found.points[0].urgent and found.sentence.startswith(found.points[0].words)


def test_drift_is_told_with_its_statistic_and_its_level(line: LineState) -> None:
    drifted = replace(line, drift=[Row("DRIFT", time="2026-03-14T11:00:00.000+00:00", body=DRIFT)])
    page = words(tree(drifted))
    assert "Drift: ALARM drift: <brighter>" in page and "4,321 parts watched" in page
    assert (
        "brightness above 140.5 1,100 31 of 60 13 % 2026-03-14 10:00" in page and "the alarm is raised at 1,000" in page
    )
    assert tree(drifted).findall(".//svg[@aria-label='Drift, in percent of the alarm']")
    quiet = {**DRIFT, "alarm": None, "level": 0, "statistic": 0.0, "monitors": {}}
    assert "Drift: nothing moved" in words(tree(replace(line, drift=[Row("DRIFT", body=quiet)])))


def test_scores_are_drawn_around_those_of_the_calibration(line: LineState) -> None:
    without = tree(line).findall(".//path[@stroke-width='2.2']")
    facts = {**line.start["facts"], "reference_scores": np.linspace(5.0, 9.0, 50).tolist()}
    page = tree(replace(line, start={**line.start, "facts": facts}))
    assert (len(without), len(page.findall(".//path[@stroke-width='2.2']"))) == (0, 1)
    assert "Thick line: passed good parts of the calibration." in words(page)


def test_who_changed_the_model_is_told(line: LineState) -> None:
    change = {
        "time": "2026-03-14T09:30:00.000+00:00",
        "change": "rollback",
        "user": "Ann",
        "reason": "too many <rejects>",
    }
    page = words(tree(replace(line, model=change)))
    assert "in use since 2026-03-14 09:30:00: rollback, approved by Ann: too many <rejects>" in page


def test_a_line_without_trouble_needs_nobody(tmp_path: Path) -> None:
    out = fill(tmp_path, {"a.png": part_picture(BRIGHT, 1)})
    found = read_line(out, journal_of(out), LocalDisk(), Clock().today())
    assert (said_of(found).word, said_of(found).points) == ("YES", [])
    page = words(tree(found))
    assert "What needs a person now" not in page and "Review queue: empty" in page and "Alarms: none" in page


def test_a_frozen_camera_is_urgent_until_it_shows_something_else(tmp_path: Path) -> None:
    def said(*files: str, seed: int | None = None) -> Answer:
        pictures = {name: part_picture(BRIGHT, i if seed is None else seed) for i, name in enumerate(files)}
        out = fill(tmp_path, pictures, frozen_after=3)
        return said_of(read_line(out, journal_of(out), LocalDisk(), Clock().today()))

    assert said("a.png", "b.png", "c.png").word == "YES"
    found = said("d.png", "e.png", "f.png", "g.png", seed=99)
    assert found.word == "NO"
    assert found.sentence.startswith("the camera may be frozen: the same picture")
    assert "camera" in found.points[0].advice
    again = said("h.png", seed=100)
    assert again.word == "YES"
    assert any("1 alarm in the last day" in point.words for point in again.points)


def test_a_journal_that_was_made_anew_is_urgent_until_somebody_approves(
    line_models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = Commands(capsys), tmp_path / "out"
    sort = ["sort", line_models["gated"], line_inbox(tmp_path / "inbox", {"a.png": 120}), out, *FAST]
    run(*sort)
    assert run("dashboard", out)["healthy"]
    journal_of(out).unlink()
    (out / "status.json").unlink()
    run("dashboard", out, exit_code=3)
    assert "missing, although heads.log tells of" in run.error
    run("recover", out)
    told = run("dashboard", out)
    assert not told["healthy"]
    assert "the journal was lost or damaged, and made anew" in told["points"][0]
    assert "--approve REASON" in told["points"][0]
    run(*sort, "--approve", "asked Ann")
    assert run("dashboard", out)["healthy"]


def test_an_empty_line_has_a_page_too(tmp_path: Path) -> None:
    out = fill(tmp_path, {})
    found = read_line(out, journal_of(out), LocalDisk(), Clock().today())
    assert "nothing was sorted yet" in words(tree(found))
    (tmp_path / "inbox" / "a.png").write_bytes(b"x")
    os.utime(tmp_path / "inbox" / "a.png", (time.time() - 3000, time.time() - 3000))
    (tmp_path / "inbox" / ".hidden").write_bytes(b"x")
    waiting = read_line(out, journal_of(out), LocalDisk(), Clock().today()).inbox
    assert waiting.files == 1 and waiting.oldest is not None and 2990 < waiting.oldest < 4000
    shutil.rmtree(tmp_path / "inbox")
    assert read_line(out, journal_of(out), LocalDisk(), Clock().today()).inbox.files is None


def test_a_trial_that_runs_is_told(out: Path) -> None:
    with open_verdicts(journal_of(out), LocalDisk()) as verdicts:
        for waiting in read_line(out, journal_of(out), LocalDisk(), NOW).queue.newest:
            verdicts.judge("Ann", waiting.picture.id, waiting.picture.sha256, "bad", "all")
    found = read_line(out, journal_of(out), LocalDisk(), NOW)
    assert found.pilot is not None and found.pilot.escape.of == 4
    assert "not shown yet , for an escape rate below 1 %" in words(tree(found)).replace("yet,", "yet ,")


def test_a_model_without_a_class_for_pass_has_no_trial(
    line_models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox, out = line_inbox(tmp_path / "inbox", {"a.png": 120}), tmp_path / "out"
    Commands(capsys)("sort", line_models["plain"], inbox, out, "--no-gate", *FAST)
    with open_verdicts(journal_of(out), LocalDisk()) as verdicts:
        verdicts.judge("Ann", decided_first(out), "0" * 64, "ok", "all")
    found = read_line(out, journal_of(out), LocalDisk(), Clock().today())
    assert (found.verdicts, found.pilot) == (1, None)
    assert "Trial against human inspection" not in words(tree(found))


def decided_first(out: Path) -> str:
    with sqlite3.connect(journal_of(out)) as database:
        return str(database.execute("SELECT id FROM decisions").fetchone()[0])


def test_a_damaged_journal_is_refused(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal_of(out).write_bytes(b"no journal" * 500)
    with pytest.raises(JournalError):
        read_line(out, journal_of(out), LocalDisk(), NOW)
    assert main(["dashboard", str(out)]) == 3
    assert main(["dashboard", str(tmp_path / "none")]) == 2
    assert "expected a folder that gonogo sort has filled" in capsys.readouterr().err
    assert not (out / "dashboard.html").exists()


@pytest.mark.parametrize("size", [(1280, 900), PHONE])
def test_it_reads_well_without_script(
    line: LineState, tmp_path: Path, size: tuple[int, int], open_page: Callable[..., Visit]
) -> None:
    visit = open_page(write_dashboard(line, tmp_path / "line.html"), width=size[0], height=size[1], script=False)
    visit.screenshot(f"dashboard-{size[0]}")
    assert visit.page.inner_text("h1").startswith("Line out")
    assert visit.page.locator("svg[role=img]").count() == 3
    box = visit.page.locator(".answer").bounding_box()
    assert box is not None and box["y"] + box["height"] < size[1] / 2  # the answer is on the first screen
    places = [one.bounding_box() for one in visit.page.locator("body > *, svg[role=img], figure").all()]
    assert max(place["x"] + place["width"] for place in places if place is not None) <= size[0]


def test_served_it_stays_fresh_and_asks_nobody_else(out: Path, open_page: Callable[..., Visit]) -> None:
    command = [str(Path(sys.executable).with_name("gonogo")), "dashboard", str(out), "--serve", "--quiet", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None and process.stdout is not None
        address = process.stderr.readline().strip()
        host, token = address.removeprefix("http://").split("/#")
        for header in ({}, {"X-Gonogo-Token": token[:-1]}, {"X-Gonogo-Token": token, "Origin": "http://evil.example"}):
            connection = http.client.HTTPConnection(host, timeout=60)
            connection.request("GET", "/page", headers=header)
            assert connection.getresponse().status == 403
            connection.close()
        visit = open_page(address, width=PHONE[0], height=PHONE[1])
        visit.page.wait_for_selector(".answer")
        visit.page.wait_for_function("() => [...document.images].every(one => one.complete && one.naturalWidth)")
        assert visit.page.locator("img").count() == 6 and not visit.overflows()
        assert visit.page.evaluate("getComputedStyle(document.querySelector('.answer')).borderTopStyle") == "solid"
        visit.screenshot("served")
        (out / "REVIEW" / "odd0.png").unlink()
        visit.page.wait_for_function("() => document.querySelectorAll('img').length === 5")
        process.send_signal(signal.SIGINT)
        result = json.loads(process.stdout.read())
        assert process.wait(60) == 130 and result["page"] is None
        visit.page.wait_for_function(
            "() => document.querySelector('#alert').innerText.startsWith('Not fresh, read at')"
        )
        assert visit.page.locator(".answer").count() == 1  # what was read last stays
        visit.complaints.clear()
    assert not (out / "dashboard.html").exists()


class Passing(Clock):
    """A clock on which a minute passes at each look."""

    def __init__(self, start: datetime.datetime) -> None:
        self._at = start

    def today(self) -> datetime.datetime:
        self._at += datetime.timedelta(minutes=1)
        return self._at


@pytest.mark.soak
def test_the_page_costs_little_however_long_the_journal(
    tmp_path: Path, often: Callable[[int, int], int], report_figure: Callable[[str, object], None]
) -> None:
    out, pictures, clock = tmp_path / "out", often(10_000, 1_000_000), Passing(NOW - datetime.timedelta(days=1))
    (out / "REVIEW").mkdir(parents=True)
    with open_journal(journal_of(out), LocalDisk(), clock) as journal:
        made = journal.append([Entry("MODEL", body={"model": "m", "certificate": "c"})])[0]
        for first in range(0, pictures, 1000):
            names = [f"{number:07d}" for number in range(first, first + 1000)]
            labels = ["REVIEW" if int(name) % 50 == 0 else "ok" for name in names]
            said = [
                Entry(
                    *("INTENT", 2, f"a{name}", made, f"{name}.png", f"{label}/{name}.png", f"{int(name):064x}"),
                    body={
                        "decision": label,
                        "passed": label == "ok",
                        "score": 5 + (int(name) % 97) / 40,
                        "milliseconds": 2,
                    },
                )
                for name, label in zip(names, labels, strict=True)
            ]
            numbers = journal.append(said)
            journal.append([Entry("DONE", None, f"a{name}", n) for name, n in zip(names, numbers, strict=True)])
    begun = time.perf_counter()
    found = read_line(out, journal_of(out), LocalDisk(), clock.today())
    page = write_dashboard(found, tmp_path / "line.html")
    seconds = time.perf_counter() - begun
    assert Figures(found.hours, found.at).total(NOW - datetime.timedelta(days=2)) == pictures
    assert "is it healthy?" in page.read_text(encoding="utf-8")
    report_figure("dashboard page", f"{seconds:.2f} s for {pictures:,} pictures")
