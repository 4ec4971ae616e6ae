"""``gonogo replay``: on the recorded machine the same decision to the last bit, elsewhere within g/10; what differs is told."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from line.commands import FAST, Commands, crash, fill

from gonogo import Inspector, _core
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration
from gonogo.line.files import LocalDisk
from gonogo.line.inspection import InspectorDecider
from gonogo.line.journal import Journal, Row
from gonogo.line.running import open_line
from gonogo.model_file import parse_model, with_certificate

PAIRS = ["--part-pattern", r"(?P<part>\d+)_(?P<view>\w)[.]png", "--views", "2"]
LEVELS = {"1_a.png": 120, "1_b.png": 120, "2_a.png": 120, "2_b.png": 0, "3_a.png": 120}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


@pytest.fixture
def out(line_models: dict[str, Path], tmp_path: Path, run: Commands) -> Path:
    """A whole good part, one with a bad view, one with a missing view, and a damaged picture."""
    inbox = fill(tmp_path / "inbox", LEVELS)
    (inbox / "4_a.png").write_bytes((inbox / "1_a.png").read_bytes()[:-20])
    run("sort", line_models["gated"], inbox, tmp_path / "out", *FAST, *PAIRS)
    return tmp_path / "out"


def decided(out: Path) -> dict[str, dict[str, Any]]:
    """The rows of the view, by name."""
    with sqlite3.connect(out / ".gonogo" / "journal.db") as database:
        database.row_factory = sqlite3.Row
        return {row["name"]: dict(row) for row in database.execute("SELECT * FROM decisions")}


def test_every_decision_comes_again_to_the_last_bit(out: Path, run: Commands) -> None:
    rows = decided(out)
    assert {row["decision"] for row in rows.values()} == {"ok", "bad", "REVIEW", "QUARANTINE"}
    for name, row in rows.items():
        result = run("replay", out, row["id"])
        assert (result["same"], result["expected"], result["same_model_file"]) == (True, "bits", True), name
        assert result["now"]["score"] == row["score"]
        assert result["recorded"]["reason"] == result["now"]["reason"] == row["reason"]
        views = {"1": 2, "2": 2, "3": 1, "4": 1}[row["part"]]
        assert len(result["pictures"]) == views


def test_a_picture_is_found_wherever_the_plant_put_it(out: Path, run: Commands, line_models: dict[str, Path]) -> None:
    row = decided(out)["1_a.png"]
    (out / "shelf").mkdir()
    (out / "ok" / "1_a.png").rename(out / "shelf" / "renamed.png")
    result = run("replay", out, row["id"], line_models["gated"])
    assert result["same"]
    assert result["pictures"][0]["file"] == "shelf/renamed.png"
    (out / "shelf" / "renamed.png").unlink()
    run("replay", out, row["id"], exit_code=2)
    assert "1_a.png): its content, SHA-256" in run.error


def test_another_model_or_id_is_refused(out: Path, run: Commands, line_models: dict[str, Path], tmp_path: Path) -> None:
    identifier = decided(out)["1_a.png"]["id"]
    run("replay", out, identifier, line_models["plain"], exit_code=2)
    assert "FILE: found the certificate (none), the decision was made with" in run.error
    run("replay", out, identifier, tmp_path / "nowhere.gonogo", exit_code=2)
    assert "FILE: found no file" in run.error
    run("replay", out, "nobody", exit_code=2)
    assert "ID: found no decision about 'nobody'" in run.error


def test_elsewhere_a_tenth_of_the_guard_band_is_allowed(
    out: Path, run: Commands, run_gonogo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = decided(out)["1_a.png"]
    # Another engine, and so another fingerprint.
    there = json.loads(run_gonogo("replay", out, row["id"], "--instruction-set", "sse41", "--json").stdout)
    assert (there["same"], there["expected"]) == (True, "within g/10")
    assert there["recorded"]["fingerprint"] != there["now"]["fingerprint"]
    monkeypatch.setattr(InspectorDecider, "description", property(_of_another_version))
    assert run("replay", out, row["id"])["tolerance"] == pytest.approx(_core.GUARD_BAND / 10)
    monkeypatch.setattr(Journal, "said", _with_score_moved(0.9e-4))
    assert run("replay", out, row["id"])["same"]
    monkeypatch.setattr(Journal, "said", _with_score_moved(1.1e-4))
    assert not run("replay", out, row["id"], exit_code=5)["same"]


def _of_another_version(decider: InspectorDecider) -> dict[str, str]:
    return {**decider._description, "version": "0.0.1"}


def _with_score_moved(by: float) -> Callable[..., Any]:
    read = Journal.said

    def said(journal: Journal, intent: Row) -> dict[str, Any]:
        body = read(journal, intent)
        return body if body["score"] is None else {**body, "score": body["score"] + by}

    return said


def test_one_bit_of_a_score_is_a_difference(out: Path, run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    row = decided(out)["2_b.png"]
    monkeypatch.setattr(Journal, "said", _with_score_moved(1e-9))
    result = run("replay", out, row["id"], exit_code=5)
    assert result["expected"] == "bits"
    assert "score: recorded" in result["differences"][0]


def test_what_recover_decided_without_a_model_is_replayed_without_one(
    line_models: dict[str, Path], tmp_path: Path, run: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, out = fill(tmp_path / "inbox", {"a.png": 120}), tmp_path / "out"
    crash(run, line_models["gated"], inbox, out, monkeypatch)
    run("recover", out)
    result = run("replay", out, decided(out)["a.png"]["id"])
    assert result["same"]
    assert result["now"]["model"] == ""


def test_a_model_without_gate_is_replayed_by_its_class(
    line_models: dict[str, Path], tmp_path: Path, run: Commands
) -> None:
    inbox, out = fill(tmp_path / "inbox", {"a.png": 120}), tmp_path / "out"
    model = Path(shutil.copy(line_models["plain"], tmp_path / "own.gonogo"))
    run("sort", model, inbox, out, "--no-gate", *FAST)
    identifier = decided(out)["a.png"]["id"]
    assert run("replay", out, identifier)["same"]
    model.unlink()
    run("replay", out, identifier, exit_code=2)
    assert run("replay", out, identifier, line_models["plain"])["same_model_file"]


def test_a_frozen_camera_is_doubted_again(line_models: dict[str, Path], tmp_path: Path, run: Commands) -> None:
    inbox, out = fill(tmp_path / "inbox", {"a.png": 120}), tmp_path / "out"
    for name in ("b.png", "c.png"):
        shutil.copy(inbox / "a.png", inbox / name)
    run("sort", line_models["gated"], inbox, out, "--frozen-after", "3", *FAST)
    row = decided(out)["c.png"]
    assert "the camera may be frozen" in row["reason"]
    assert run("replay", out, row["id"])["same"]


def test_another_decision_and_a_score_where_there_was_none_are_differences(
    out: Path, run: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, read = decided(out)["2_b.png"], Journal.said
    monkeypatch.setattr(
        Journal, "said", lambda *where: {**read(*where), "decision": "ok", "passed": True, "score": None}
    )
    differences = run("replay", out, row["id"], exit_code=5)["differences"]
    assert {
        "2_b.png: decision: recorded 'ok', now 'bad'",
        "2_b.png: passed: recorded True, now False",
        f"2_b.png: score: recorded None, now {row['score']!r}",
    } <= set(differences)


def test_what_is_taken_away_during_a_replay_is_told(out: Path, run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = LocalDisk.digest

    def taken(disk: LocalDisk, path: Path) -> str | None:
        found = digest(disk, path)
        path.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(LocalDisk, "digest", taken)
    run("replay", out, decided(out)["1_a.png"]["id"], exit_code=2)
    assert "1_a.png: taken away meanwhile; run the command again" in run.error


def test_what_recover_found_without_a_journal_is_replayed_without_a_start(
    line_models: dict[str, Path], tmp_path: Path, run: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, out = fill(tmp_path / "inbox", {"a.png": 120}), tmp_path / "out"
    crash(run, line_models["gated"], inbox, out, monkeypatch)
    for file in (out / ".gonogo").glob("journal.db*"):
        file.unlink()
    assert run("recover", out)["decided"] == 1
    row = decided(out)["a.png"]
    assert (row["decision"], row["reason"]) == ("REVIEW", "it was found claimed, without a row that tells of it")
    assert run("replay", out, row["id"])["same"]


def test_another_file_with_the_same_model_and_certificate_is_told(
    out: Path, run: Commands, line_models: dict[str, Path], tmp_path: Path
) -> None:
    file = parse_model(line_models["gated"].read_bytes())
    assert file.certificate is not None and file.reference is not None
    (tmp_path / "other.gonogo").write_bytes(with_certificate(file, file.certificate))
    result = run("replay", out, decided(out)["1_a.png"]["id"], tmp_path / "other.gonogo")
    assert (result["same"], result["same_model_file"]) == (True, False)
    assert run.error == (
        f"{tmp_path / 'other.gonogo'}: the same model and certificate, but not the very file that decided then\n"
    )


def test_a_line_that_python_ran_names_no_model_file(
    line_models: dict[str, Path], tmp_path: Path, run: Commands
) -> None:
    inbox, out = fill(tmp_path / "inbox", {"a.png": 120}), tmp_path / "out"
    decider = InspectorDecider(Inspector(line_models["gated"]))
    with open_line(inbox, out, Configuration(settle_ms=0), decider, disk=LocalDisk(), clock=Clock()) as line:
        assert line.once() == []
    identifier = decided(out)["a.png"]["id"]
    run("replay", out, identifier, exit_code=2)
    assert "FILE: missing, and the journal names none; name the model file with model_sha256" in run.error
    assert run("replay", out, identifier, line_models["gated"])["same"]
