"""A certificate with a last day: until then it is like any other, then nothing passes, and the past stays as it was."""

from __future__ import annotations

import csv
import datetime
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from line.commands import FAST, Commands, fill
from line.world import INBOX, World

from gonogo import Inspector, PassGate, evaluate, load
from gonogo.certificate import Certificate
from gonogo.decision import REVIEW
from gonogo.expiry import check_last_day, days_left, expired, validity
from gonogo.framing import Part
from gonogo.line.clock import Clock
from gonogo.line.inspection import InspectorDecider
from gonogo.model_file import parse_model
from gonogo.streaming import Settings, Stream

LAST = "2027-06-30"
ON_LAST, AFTER = datetime.date(2027, 6, 30), datetime.date(2027, 7, 1)
Calibrate = Callable[..., Path]


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(31)
    y = np.where(np.arange(400) < 340, "bad", "ok")
    X = rng.integers(0, 100, (400, 6, 7, 1), dtype=np.uint8) + 120 * (y == "ok")[:, None, None, None].astype(np.uint8)
    return X, y


@pytest.fixture(scope="module")
def calibrate(
    line_models: dict[str, Path], samples: tuple[Any, Any], tmp_path_factory: pytest.TempPathFactory
) -> Calibrate:
    """A model file with a certificate that ends with a day."""
    folder = tmp_path_factory.mktemp("expiry")

    def make(valid_until: str | None = LAST) -> Path:
        path = folder / f"{valid_until}.gonogo"
        if not path.exists():
            gate = PassGate(load(line_models["plain"]), "ok", 0.01, 0.95, valid_until=valid_until)
            gate.fit(*samples).save(path)
        return path

    return make


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


def at(monkeypatch: pytest.MonkeyPatch, day: datetime.date) -> None:
    """Set the clock of the line."""
    noon = datetime.datetime.combine(day, datetime.time(12), datetime.UTC)
    monkeypatch.setattr(Clock, "today", lambda _self: noon)


def certificate_of(path: Path) -> Certificate:
    made = parse_model(path.read_bytes()).certificate
    assert made is not None
    return made


@given(st.dates(datetime.date(1900, 1, 1)), st.integers(-400, 400))
def test_the_last_day_counts_and_the_next_does_not(last: datetime.date, left: int) -> None:
    text, today = last.isoformat(), min(last, datetime.date(9000, 1, 1)) - datetime.timedelta(left)
    text = min(last, datetime.date(9000, 1, 1)).isoformat()
    assert check_last_day("day", text) == text
    assert days_left(text, today) == left
    assert (expired(text, today) == "") == (left >= 0)
    assert text in validity(text, today)
    assert expired(None, today) == ""


@pytest.mark.parametrize(
    "wrong", ["", "soon", "2027-6-30", "20270630", "2027-W26-3", "2027-02-30", "30.06.2027", 20270630]
)
def test_what_is_no_day_is_refused(line_models: dict[str, Path], samples: tuple[Any, Any], wrong: Any) -> None:
    gate = PassGate(load(line_models["plain"]), "ok", 0.01, 0.95, valid_until=wrong)
    with pytest.raises(ValueError, match=r"valid_until: found .*, expected a day as YYYY-MM-DD"):
        gate.fit(*samples)


def test_it_is_part_of_the_certificate_and_of_its_digest(calibrate: Calibrate) -> None:
    dated, endless = certificate_of(calibrate()), certificate_of(calibrate(None))
    assert (dated.valid_until, endless.valid_until) == (LAST, None)
    assert "valid_until" not in endless.to_json()  # the bytes of certificates from before there were others
    assert dated.digest != endless.digest
    assert replace(dated, valid_until=None).digest == endless.digest
    assert Certificate.from_json(dated.to_json()) == dated
    for wrong in ("2027-6-30", 5, "never"):
        with pytest.raises(ValueError, match="valid_until"):
            Certificate.from_json({**dated.to_json(), "valid_until": wrong})
    gate = load(calibrate()).gate_
    assert gate is not None
    assert (gate.valid_until, gate.certificate_["valid_until"]) == (LAST, LAST)


def test_an_inspector_passes_on_the_last_day_and_reviews_from_the_next(
    calibrate: Calibrate, samples: tuple[Any, Any]
) -> None:
    today = [ON_LAST]
    dated, endless = Inspector(calibrate(), today=lambda: today[0]), Inspector(calibrate(None), today=lambda: today[0])
    good = samples[0][-1]
    assert dated.decide(good).passed and dated.decide_many([good])[0].passed
    today[0] = AFTER
    for said in (dated.decide(good), dated.decide_many([good])[0]):
        assert (said.label, said.passed) == (REVIEW, False)
        assert (
            said.reason == f"the certificate was valid until {LAST}; calibrate anew, on fresh parts (gonogo calibrate)"
        )
    assert endless.decide(good).passed
    dark = dated.decide(np.zeros_like(good))
    assert "every pixel is the same" in dark.reason  # what is wrong with a picture is told first


def test_a_line_notices_the_turn_of_the_day_while_it_runs() -> None:
    """The clock of the simulated line starts on 2026-03-01 at noon."""
    world = World()
    world.decider.valid_until = "2026-03-01"
    world.bring("first.png", b"ok 1")
    ran = world.run()
    assert ran is not None
    sorter = ran[0]
    assert sorter.counts.labels == {"ok": 1}
    sorter.clock.sleep(12 * 3600)
    for name, data in {"second.png": b"ok 2", "third.png": b"bad 1", "torn.png": b"undecodable 1"}.items():
        world.disk.put(INBOX / name, data)
    for _ in range(20):
        sorter.step()
        sorter.clock.sleep(0.25)
    assert sorter.counts.labels == {"ok": 1, REVIEW: 2, "QUARANTINE": 1}
    row = sorter.journal.last("INTENT")
    assert row is not None
    assert "valid until 2026-03-01" in sorter.journal.said(row)["doubt"]


@pytest.mark.parametrize(("then", "folder"), [(ON_LAST, "ok"), (AFTER, REVIEW)])
def test_replay_repeats_a_decision_on_whatever_day(
    calibrate: Calibrate,
    tmp_path: Path,
    run: Commands,
    monkeypatch: pytest.MonkeyPatch,
    then: datetime.date,
    folder: str,
) -> None:
    inbox, out = fill(tmp_path / "inbox", {"a.png": 120}), tmp_path / "out"
    at(monkeypatch, then)
    assert [row["decision"] for row in run("sort", calibrate(), inbox, out, "--dry-run", *FAST)["rows"]] == [folder]
    assert run("sort", calibrate(), inbox, out, *FAST)["labels"] == {folder: 1}
    assert ("valid until" in run.error) == (folder == REVIEW)
    status = json.loads((out / "status.json").read_text())
    assert any("valid until" in problem for problem in status["problems"]) == (folder == REVIEW)
    (picture,) = (out / folder).glob("*.png")
    with (out / "decisions.csv").open(encoding="utf-8-sig") as table:
        (row,) = csv.DictReader(table)
    for day in (ON_LAST, AFTER):
        at(monkeypatch, day)
        again = run("replay", out, row["id"])
        assert (again["same"], again["expected"], again["now"]["decision"]) == (True, "bits", folder)
    assert picture.exists()


def test_a_stream_reviews_after_the_last_day(calibrate: Calibrate, tmp_path: Path) -> None:
    data = (fill(tmp_path / "inbox", {"a.png": 120}) / "a.png").read_bytes()
    for last, label in (("2000-01-01", REVIEW), ("9999-12-31", "ok")):
        stream = Stream(InspectorDecider(Inspector(calibrate(last))), Settings(), lambda: False)
        said = stream.decide(Part([data], 0.0))
        assert (said["decision"], "valid until 2000-01-01" in said["reason"]) == (label, label == REVIEW)


def test_an_evaluation_computes_on(calibrate: Calibrate, samples: tuple[Any, Any]) -> None:
    reports = []
    for last in ("2000-01-01", None):
        clf = load(calibrate(last))
        report = evaluate(clf, samples, clf.gate_)
        reports.append({**report.to_dict(), "gate": None, "model": None})
    assert reports[0] == reports[1]


def test_commands_tell_the_last_day(
    line_models: dict[str, Path], calibrate: Calibrate, tmp_path: Path, run: Commands
) -> None:
    data = tmp_path / "data"
    for name, level, count in (("bad", 0, 61), ("ok", 120, 12)):
        (data / name).parent.mkdir(exist_ok=True)
        fill(data / name, {f"{i}.png": level for i in range(count)}, seed=level)
    options = [line_models["plain"], data, "--pass-label", "ok", "--max-escape", "0.05", "--confidence", "0.95"]
    made = run("calibrate", *options, "--valid-until", "2000-01-31", "--out", tmp_path / "gated.gonogo")
    assert made["valid_until"] == "2000-01-31"
    assert "the certificate was valid until 2000-01-31; calibrate anew" in run.error
    assert run("info", tmp_path / "gated.gonogo")["days_left"] < 0
    assert run("info", calibrate("9999-12-31"))["days_left"] > 0
    assert run("info", calibrate(None))["days_left"] is None
    assert run("evaluate", tmp_path / "gated.gonogo", data)["gate"]["valid_until"] == "2000-01-31"
    assert "the certificate was valid until 2000-01-31" in run.error
    with pytest.raises(SystemExit) as refused:
        run("calibrate", *options, "--valid-until", "31.1.2000", "--out", tmp_path / "other.gonogo")
    assert refused.value.code == 2
