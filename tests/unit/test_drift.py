"""The watch for drift: false alarms as rare as promised, changes noticed and named, and what follows from an alarm."""

from __future__ import annotations

import json
import math
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from line.commands import FAST, Commands, fill
from line.simulated_disk import KEEPS
from line.world import JOURNAL, HandClock, TextDecider, World

from gonogo import InspectionClassifier, Inspector, ModelFileError, PassGate, _core, layers, load
from gonogo.decision import REVIEW, Decision
from gonogo.line.configuration import Configuration
from gonogo.line.decider import Looked
from gonogo.line.drift import ODDS, Monitor, answers, likelihood_ratio, make_monitors
from gonogo.line.drift_watch import PARTS_OF_ROW, DriftWatch
from gonogo.line.files import LocalDisk
from gonogo.line.inspection import InspectorDecider
from gonogo.line.journal import Journal
from gonogo.line.segments import create_schema, read_journal
from gonogo.model_file import parse_model
from gonogo.reference import QUANTITIES, Reference, ranks

PASSED, UNKNOWN = Decision("ok", True, 5.0), Decision(REVIEW, False, 5.0, "unlike", unknown=True)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


# --- the recursion


@given(st.floats(0.001, 0.98), st.sampled_from([1.5, *ODDS, 50.0]))
def test_a_ratio_is_that_of_reliability(expected: float, odds: float) -> None:
    q = odds * expected / (1 - expected + odds * expected)
    for answer, plain in ((True, q / expected), (False, (1 - q) / (1 - expected))):
        assert math.isclose(likelihood_ratio(answer, expected, odds), plain, rel_tol=1e-12)
    mean = expected * likelihood_ratio(True, expected, odds) + (1 - expected) * likelihood_ratio(False, expected, odds)
    assert math.isclose(mean, 1.0, rel_tol=1e-12)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.floats(0.01, 0.5))
def test_a_statistic_follows_the_recursion(given_answers: list[bool], expected: float) -> None:
    monitor, by_hand = Monitor("m", expected), [0.0] * len(ODDS)
    for answer in given_answers:
        monitor.ask(answer, 1.0, "now")
        by_hand = [(1 + r) * likelihood_ratio(answer, expected, f) for r, f in zip(by_hand, ODDS, strict=True)]
    assert monitor.statistics == by_hand
    assert monitor.answers <= monitor.parts <= len(given_answers)


@pytest.mark.soak
def test_false_alarms_of_one_monitor_are_as_rare_as_promised(
    often: Callable[[int, int], int], report_figure: Callable[[str, object], None]
) -> None:
    """With the probability exactly as expected the mean lies above the level, and not far above it."""
    level, runs = often(50, 1000), often(300, 4000)
    rng = np.random.default_rng(3)
    lengths = []
    for _ in range(runs):
        monitor, parts = Monitor("m", 0.15), 0
        while monitor.statistic < level:
            monitor.ask(bool(rng.random() < 0.15), 0.0, "now")
            parts += 1
        lengths.append(parts)
    mean, error = np.mean(lengths), np.std(lengths) / math.sqrt(runs)
    report_figure(f"drift, one monitor, level {level}: parts between false alarms", f"{mean:,.0f} +- {error:,.0f}")
    assert level - 3 * error <= mean <= 3 * level


def reference_of(values: np.ndarray[Any, Any], good: int | None = None) -> Reference:
    """From brightness, contrast, sharpness and score of good parts, one row for each."""
    kept = np.sort(values, axis=0)[ranks(len(values))].T.tolist()
    count = len(values) if good is None else good
    return Reference("", count, len(values), len(values), *(tuple(column) for column in kept))


class Parts:
    """Decides as it is told: ``parts`` are rows of brightness, contrast, sharpness and score, or decisions."""

    def __init__(self, monitors: Sequence[Monitor]) -> None:
        self._monitors = monitors

    def monitors(self, _bad_share: float | None) -> list[Monitor]:
        return [replace(monitor, statistics=[0.0] * len(ODDS)) for monitor in self._monitors]

    def decide_and_measure(self, parts: Sequence[Any]) -> list[Looked]:
        return [self._looked(part) for part in parts]

    def _looked(self, part: Any) -> Looked:
        if isinstance(part, Decision):
            return Looked(part, part)
        decision = Decision("ok", True, float(part[3]))
        return Looked(decision, decision, tuple(float(value) for value in part[:3]))


def journal() -> Journal:
    database = sqlite3.connect(":memory:", isolation_level=None)
    create_schema(database)
    return Journal(database, JOURNAL, HandClock())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(line_models: dict[str, Path]) -> Any:
    """A certificate: of 1 % escape, no bad share stated."""
    return parse_model(line_models["gated"].read_bytes()).certificate


def watch(monitors: Sequence[Monitor], kept: Journal | None = None, **settings: Any) -> DriftWatch:
    configuration = Configuration(**{"drift_run_length": 10_000, **settings})
    return DriftWatch(Parts(monitors), configuration, kept or journal(), HandClock())  # type: ignore[arg-type]


@pytest.mark.soak
def test_false_alarms_of_a_line_are_as_rare_as_promised(
    made: Any, often: Callable[[int, int], int], report_figure: Callable[[str, object], None]
) -> None:
    """A new reference each time, of parts like those that follow: all monitors, their bounds, and the mean over them."""
    level, runs = often(100, 3000), often(30, 400)
    rng = np.random.default_rng(4)
    lengths = []
    for _ in range(runs):
        monitors = make_monitors(reference_of(rng.normal(size=(300, 4))), made, guarded=True, bad_share=0.02)
        looking = watch(monitors, drift_run_length=level)
        while looking.alarm is None and looking.parts < 20 * level:
            looking.decide(rng.normal(size=(50, 4)))
        lengths.append(looking.parts)
    mean, error = np.mean(lengths), np.std(lengths) / math.sqrt(runs)
    report_figure(f"drift, a line, level {level}: parts between false alarms, at least", f"{mean:,.0f} +- {error:,.0f}")
    assert mean >= level


@pytest.mark.parametrize("quantity", range(4))
@pytest.mark.parametrize("shift", [-1.5, 1.5])
def test_a_change_is_noticed_soon_and_named(made: Any, quantity: int, shift: float) -> None:
    rng = np.random.default_rng(quantity)
    looking = watch(make_monitors(reference_of(rng.normal(size=(400, 4))), made, guarded=False, bad_share=None))
    looking.decide(rng.normal(size=(300, 4)))
    assert looking.alarm is None
    moved = rng.normal(size=(60, 4))
    moved[:, quantity] += shift
    looking.decide(moved)
    assert looking.alarm is not None
    assert looking.alarm["monitors"] == [f"{QUANTITIES[quantity]} {'above' if shift > 0 else 'below'}"]
    assert f"{QUANTITIES[quantity]} " in looking.alarm["reason"]
    assert [row.kind for row in looking.take_alarm()] == ["ALARM", "DRIFT"]
    assert looking.take_alarm() == []


def test_more_unknown_parts_or_rejects_than_expected_are_noticed(made: Any) -> None:
    reference = reference_of(np.random.default_rng(1).normal(size=(300, 4)))
    monitors = make_monitors(reference, made, guarded=True, bad_share=0.02)
    assert [monitor.name for monitor in monitors][-2:] == ["unknown parts", "rejects"]
    for part, name in ((UNKNOWN, "unknown parts"), (Decision("bad", False, -5.0), "rejects")):
        looking = watch(
            [monitor for monitor in monitors if monitor.name not in ("unknown parts", "rejects")]
            + [monitor for monitor in monitors if monitor.name == name]
        )
        looking.decide([part] * 12)
        assert looking.alarm is not None
        assert looking.alarm["monitors"] == [name]
    assert "rejects" not in [m.name for m in make_monitors(reference, made, guarded=False, bad_share=None)]


# --- what follows, and what is kept


def shifted(count: int) -> np.ndarray[Any, Any]:
    rows = np.random.default_rng(9).normal(size=(count, 4))
    rows[:, 0] += 4.0
    return rows


@pytest.fixture
def monitors(made: Any) -> list[Monitor]:
    rng = np.random.default_rng(2)
    return make_monitors(reference_of(rng.normal(size=(300, 4))), made, guarded=False, bad_share=None)


WHAT_FOLLOWS = {
    "log": "Sorting goes on; the alarm stands",
    "review": "Every part goes to REVIEW",
    "stop": "Parts in hand go to REVIEW, the sorter ends and does not start again",
}


@pytest.mark.parametrize("on_alarm", WHAT_FOLLOWS)
def test_what_follows_an_alarm_lasts_until_it_is_acknowledged(monitors: list[Monitor], on_alarm: Any) -> None:
    kept = journal()
    looking = watch(monitors, kept, on_alarm=on_alarm)
    doubts = [doubt for _, doubt in looking.decide(shifted(30))]
    first = looking.parts - 1
    assert looking.alarm is not None
    assert not any(doubts[:first])
    assert all(doubts[first:]) == (on_alarm != "log")
    assert re.search(rf"\. {WHAT_FOLLOWS[on_alarm]}.* until somebody runs gonogo sort", looking.alarm["reason"])
    assert looking.stops == (on_alarm == "stop")
    kept.append(looking.take_alarm())
    again = watch(monitors, kept, on_alarm=on_alarm)
    assert (again.alarm, again.stops) == (looking.alarm, looking.stops)
    again.decide(shifted(30))
    assert again.take_alarm() == [], "one alarm until somebody has looked"
    kept.append(again.acknowledge("Ada"))
    told = kept.last("ACKNOWLEDGED")
    assert told is not None
    assert (told.body["by"], told.body["alarm"]) == ("Ada", looking.alarm)
    fresh = watch(monitors, kept, on_alarm=on_alarm)
    assert (fresh.alarm, fresh.doubt, fresh.statistic) == (None, "", 0.0)
    assert fresh.acknowledge("Ada") == []


def test_a_restart_goes_on_where_the_last_row_stands(monitors: list[Monitor]) -> None:
    rows, kept = np.random.default_rng(5).normal(size=(80, 4)), journal()
    through = watch(monitors)
    through.decide(rows)
    first = watch(monitors, kept)
    first.decide(rows[:50])
    kept.append(first.take_rows(at_end=True))
    second = watch(monitors, kept)
    second.decide(rows[50:])
    assert second.statistic == through.statistic > 0
    assert second.parts == through.parts == 80
    other = watch([replace(monitor, limit=0.123) for monitor in monitors], kept)
    assert other.statistic == 0.0, "another question begins anew"


def test_rows_come_by_parts_and_by_time(monitors: list[Monitor]) -> None:
    looking = watch(monitors)
    assert looking.take_rows() == looking.take_rows(at_end=True) == [], "nothing was seen"
    looking.decide(np.zeros((PARTS_OF_ROW - 1, 4)))
    assert looking.take_rows() == []
    looking.decide([UNKNOWN])
    (row,) = looking.take_rows()
    assert row.body["period"] == {
        "parts": PARTS_OF_ROW,
        "passed": PARTS_OF_ROW - 1,
        "unknown": 1,
        "brightness": 0.0,
        "contrast": 0.0,
        "sharpness": 0.0,
    }
    assert row.body["level"] == 10_000
    looking.decide([UNKNOWN])
    clock = looking._clock
    assert isinstance(clock, HandClock)
    clock.sleep(3601)
    (row,) = looking.take_rows()
    assert row.body["period"]["brightness"] is None


def test_a_line_that_nobody_watches_has_no_monitors(monitors: list[Monitor]) -> None:
    looking = watch(monitors, drift_run_length=0)
    looking.decide(shifted(100))
    assert (looking.alarm, looking.take_rows(at_end=True)) == (None, [])
    for wrong in ({"drift_run_length": 5}, {"bad_share": 1.0}, {"on_alarm": "shout"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Configuration(**wrong)  # type: ignore[arg-type]


# --- the reference in the model file


def test_a_reference_travels_with_the_model(line_models: dict[str, Path]) -> None:
    file = parse_model(line_models["gated"].read_bytes())
    reference, made = file.reference, file.certificate
    assert reference is not None
    assert made is not None
    assert (reference.good_parts, reference.certificate) == (made.good_parts, made.digest)
    assert reference.passed == made.good_passed
    assert 160 < reference.median("brightness") < 180
    gate = load(line_models["gated"]).gate_
    assert gate is not None
    assert gate.reference == reference
    assert parse_model(line_models["plain"].read_bytes()).reference is None


def test_exposures_are_what_their_names_say(line_models: dict[str, Path]) -> None:
    X = np.random.default_rng(0).integers(0, 256, (3, 6, 7, 1), dtype=np.uint8)
    plain = X[..., 0].astype(np.float64)
    laplacian = plain[:, :-2, 1:-1] + plain[:, 2:, 1:-1] + plain[:, 1:-1, :-2] + plain[:, 1:-1, 2:]
    laplacian -= 4 * plain[:, 1:-1, 1:-1]
    sharpness = laplacian.var(axis=(1, 2)) / plain.var(axis=(1, 2))
    expected = np.column_stack([plain.mean(axis=(1, 2)), plain.std(axis=(1, 2)), sharpness])
    np.testing.assert_allclose(load(line_models["gated"]).exposures(X), expected, rtol=1e-12)
    grey = np.repeat(X[0], 3, axis=2)
    assert _core.measure_exposure(grey) == _core.measure_exposure(X[0])
    with pytest.raises(ValueError, match="rows of numbers"):
        rows = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
        InspectionClassifier([layers.dense("classes")], epochs=1, verbose=False).fit(rows, np.arange(40) % 2).exposures(
            rows
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("certificate", "0" * 64),
        ("good_parts", 3),
        ("passed", 10),
        ("would_pass", 10**6),
        ("brightness", [1.0]),
        ("contrast", "wide"),
        ("score", None),
        ("sharpness", [math.nan]),
    ],
)
def test_a_stored_reference_that_does_not_fit_is_refused(line_models: dict[str, Path], field: str, value: Any) -> None:
    file = parse_model(line_models["gated"].read_bytes())
    assert file.reference is not None
    assert file.certificate is not None
    with pytest.raises(ValueError, match=field):
        Reference.from_json({**file.reference.to_json(), field: value}, file.certificate)
    backwards = {**file.reference.to_json(), "score": file.reference.to_json()["score"][::-1]}
    with pytest.raises(ValueError, match="ascending"):
        Reference.from_json(backwards, file.certificate)


@pytest.mark.parametrize("pictures", [1, 3])
def test_no_limit_is_exceeded_more_often_than_told_whatever_pictures_parts_have(
    line_models: dict[str, Path], pictures: int
) -> None:
    """Calibration parts show up to six pictures, the certificate holds for one: the reference must not be that of the least."""
    rng, count = np.random.default_rng(11), 900
    clf, good_parts = load(line_models["plain"]), 150
    part = np.concatenate([np.arange(500), 500 + rng.permutation(np.repeat(np.arange(good_parts), 6))])
    light = 120 * (part >= 500)[:, None, None, None].astype(np.uint8)
    X = rng.integers(0, 100, (len(part), 6, 7, 1), dtype=np.uint8) + light
    gate = PassGate(clf, "ok", 0.01, 0.95, pictures_per_part=1)
    gate.fit(X, np.where(part >= 500, "ok", "bad"), groups=part.astype(np.str_))
    saved = gate.save(line_models["plain"].with_name(f"several-{pictures}.gonogo"))
    decider = InspectorDecider(Inspector(saved))
    monitors = {monitor.name: monitor for monitor in decider.monitors(0.0001)}
    fresh = rng.integers(0, 100, (count, pictures, 6, 7, 1), dtype=np.uint8) + np.uint8(120)
    asked, yes = Counter[str](), Counter[str]()
    for looked in decider.decide_and_measure(list(fresh)):
        for monitor, answer, _ in answers(looked.asked, looked.exposure, monitors):
            asked[monitor.name] += 1
            yes[monitor.name] += answer
    assert set(asked) == set(monitors)
    for name, monitor in monitors.items():
        error = math.sqrt(monitor.expected * (1 - monitor.expected) / asked[name])
        assert yes[name] / asked[name] <= monitor.expected + 2 * error, name


def test_few_good_parts_give_no_reference(line_models: dict[str, Path]) -> None:
    rng = np.random.default_rng(77)
    y = np.where(np.arange(510) < 500, "bad", "ok")
    X = rng.integers(0, 100, (510, 6, 7, 1), dtype=np.uint8) + 120 * (y == "ok")[:, None, None, None].astype(np.uint8)
    gate = PassGate(load(line_models["plain"]), "ok", 0.01, 0.95).fit(X, y)
    assert gate.reference is None


def test_the_inspector_measures_what_the_net_reads(line_models: dict[str, Path]) -> None:
    inspector = Inspector(line_models["gated"])
    decider = InspectorDecider(inspector)
    pixels = np.random.default_rng(3).integers(0, 100, (6, 7, 1), dtype=np.uint8) + np.uint8(120)
    dark = np.zeros((6, 7, 1), np.uint8)
    good, doubtful = decider.decide_and_measure([[pixels], [dark]])
    assert good.decision == good.asked == inspector.decide(pixels)
    assert good.exposure == _core.measure_exposure(pixels)
    assert (doubtful.decision.label, doubtful.exposure) == (REVIEW, ())
    assert doubtful.asked == doubtful.decision
    assert len(decider.monitors(None)) == 8
    assert len(decider.monitors(0.02)) == 9


# --- the whole line


class Bright(TextDecider):
    """Every picture is brighter than any at the calibration; all else is as it was."""

    def monitors(self, _bad_share: float | None) -> list[Monitor]:
        limits = {"brightness above": 100.0}
        sides = [f"{quantity} {side}" for quantity in QUANTITIES for side in ("below", "above")]
        return [Monitor(name, 0.1, limits.get(name, 1e9 if name.endswith("above") else -1e9), 50.0) for name in sides]

    def decide_and_measure(self, parts: Sequence[Sequence[Any]]) -> list[Looked]:
        return [Looked(decision, decision, (200.0, 0.0, 0.0)) for decision in self.decide(parts)]


@pytest.mark.soak
def test_nothing_passes_after_an_alarm_wherever_power_is_lost(often: Callable[[int, int], int]) -> None:
    first = World(batch=2, drift_run_length=100, on_alarm="review")
    first.decider = Bright()
    for i in range(12):
        first.bring(f"{i:02}", b"ok %d" % i)
    step, cases, reviewed = 1, 0, set()
    while (world := first.copy()).run(step) is None:
        world.after_power_loss(KEEPS[step % len(KEEPS)], step)
        assert world.run() is not None
        assert world.violations() == []
        rows = list(Journal(world.database, JOURNAL, HandClock()).rows())  # type: ignore[arg-type]
        alarm = next(row for row in rows if row.kind == "ALARM")
        intents = [row for row in rows if row.kind == "INTENT" and row.sequence > alarm.sequence]
        after = [row for row in intents if row.batch != intents[0].batch]  # the first batch holds parts from before
        assert {row.body["decision"] for row in after} <= {REVIEW}
        reviewed.add(len(after))
        step, cases = step + often(7, 1), cases + 1
    assert cases > 10
    assert max(reviewed) >= 4


def decisions(out: Path) -> list[dict[str, Any]]:
    with read_journal(out / ".gonogo" / "journal.db", LocalDisk()) as kept:
        return list(kept.decisions())


def test_a_darker_lamp_is_told_and_followed(line_models: dict[str, Path], tmp_path: Path, run: Commands) -> None:
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    watched = [line_models["gated"], inbox, out, *FAST, "--drift-run-length", "10000", "--batch", "8"]
    fill(inbox, {f"a{i:02}.png": 120 for i in range(30)})
    assert run("sort", *watched)["drift"]["alarm"] is None
    fill(inbox, {f"b{i:02}.png": 150 for i in range(30)}, seed=5)
    result = run("sort", *watched)
    assert result["labels"] == {"ok": 30}, "by default only told"
    assert "brightness above" in result["drift"]["alarm"]["monitors"]
    assert "ALARM of" in run.error
    assert "brightness above" in run.error
    fill(inbox, {f"c{i:02}.png": 120 for i in range(5)}, seed=6)
    assert run("sort", *watched, "--on-alarm", "review")["labels"] == {"REVIEW": 5}
    fill(inbox, {f"d{i:02}.png": 120 for i in range(5)}, seed=7)
    result = run("sort", *watched, "--on-alarm", "stop", exit_code=5)
    assert (result["labels"], len(result["waiting"])) == ({}, 5)
    assert (
        "5 files left in the inbox that were not taken because the alarm stops the line, such as d00.png" in run.error
    )
    result = run("sort", *watched, "--on-alarm", "stop", "--acknowledge", "Ada")
    assert (result["labels"], result["drift"]["alarm"]) == ({"ok": 5}, None)
    fill(inbox, {f"e{i:02}.png": 150 for i in range(30)}, seed=8)
    result = run("sort", *watched, "--on-alarm", "stop", exit_code=5)
    done = {row["id"]: row for row in decisions(out) if row["name"].startswith("e")}
    assert result["labels"]["ok"] + result["labels"]["REVIEW"] + len(result["waiting"]) == 30
    assert sum(result["labels"].values()) % 8 == 0, "the batches in hand are finished"
    assert len(done) == sum(result["labels"].values()) >= 16, "of the batch after the one with the alarm, too"
    passed = [row["decision"] == "ok" for row in done.values()]
    assert passed == sorted(passed, reverse=True), "none passes after the alarm"
    assert {row["reason"][:11] for row in done.values() if row["decision"] == "REVIEW"} == {"drift since"}
    assert run("verify", out)["problems"] == 0
    reviewed = sqlite3.connect(out / ".gonogo" / "journal.db").execute(
        "SELECT id, reason FROM decisions WHERE decision = 'REVIEW'"
    )
    identifier, reason = reviewed.fetchone()
    assert reason.startswith("drift since")
    assert run("replay", out, identifier)["same"]


def test_the_status_tells_of_drift(line_models: dict[str, Path], tmp_path: Path, run: Commands) -> None:
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    for level, alarmed in ((120, False), (150, True)):
        fill(inbox, {f"{level}-{i:02}.png": level for i in range(20)}, seed=level)
        run("sort", line_models["gated"], inbox, out, *FAST)
        told = json.loads((out / "status.json").read_text())
        assert told["drift"]["level"] == 1_000_000
        assert bool(told["drift"]["alarm"]) == alarmed
        assert any("drift" in problem for problem in told["problems"]) == alarmed
        assert f"gonogo_drift_alarm {int(alarmed)}\n" in (out / "gonogo.prom").read_text()
    assert run("info", line_models["gated"])["reference"]["passed"] > 100
    assert run("info", line_models["plain"])["reference"] is None


@pytest.mark.parametrize("key", ["acknowledge", "approve"])
def test_a_word_of_a_person_cannot_stand_in_a_file(
    key: str, line_models: dict[str, Path], tmp_path: Path, run: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "line.toml").write_text(f'{key} = "Ada"\n')
    with pytest.raises(SystemExit):
        run("sort", line_models["gated"], tmp_path, tmp_path / "out", "--config", tmp_path / "line.toml")
    assert f"line.toml: {key}: cannot stand in a file; it is a word for one call" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("sort", line_models["gated"], tmp_path, tmp_path / "out", f"--{key}", " ")
    assert f"--{key}: found nothing, expected a few words" in capsys.readouterr().err


def test_a_model_file_with_a_damaged_reference_is_refused(line_models: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(line_models["gated"], tmp_path / "m.gonogo"))
    parts = _core.parse_model(path.read_bytes())
    metadata = {**parts["metadata"], "reference": "{}"}
    golden = parts["golden_input"], parts["golden_logits"]
    data = _core.serialise_model(parts["graph"], parts["parameters"], parts["states"], metadata, *golden)
    with pytest.raises(ModelFileError, match=r"__metadata__: reference: .*: missing"):
        parse_model(data)
    del metadata["reference"]
    data = _core.serialise_model(parts["graph"], parts["parameters"], parts["states"], metadata, *golden)
    assert parse_model(data).reference is None, "files from before there was one"
