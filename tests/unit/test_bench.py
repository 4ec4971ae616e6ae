"""``gonogo bench``: figures are measured on real files, and say what they are."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from gonogo import _core
from gonogo.benchmarks import line
from gonogo.benchmarks.line import PassEverything, Run, castings, measure, noise, sort_many
from gonogo.line.files import LocalDisk
from gonogo.line.verify import verify

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_the_line_is_measured_and_leaves_nothing(run_gonogo: Command, tmp_path: Path) -> None:
    done = run_gonogo("bench", "line", "--pictures", "24", "--batch", "8", "--dir", tmp_path, "--json")
    result = json.loads(done.stdout)
    assert list(tmp_path.iterdir()) == []
    figures = {row["name"]: row["value"] for row in result["rows"]}
    assert all(value > 0 for value in figures.values())
    assert {row["goal"] for row in result["rows"]} >= {">= 1,000", "<= 564", ">= 80"}
    assert "resident memory after 24" in figures


def test_wrong_names_and_folders_are_refused(run_gonogo: Command, tmp_path: Path) -> None:
    assert "NAME: found 'lime', expected some of line" in run_gonogo("bench", "lime", exit_code=2).stderr
    assert "--dir: found no folder" in run_gonogo("bench", "--dir", tmp_path / "none", exit_code=2).stderr


def test_all_pictures_are_sorted_in_slices(tmp_path: Path) -> None:
    told: list[str] = []
    run = sort_many(tmp_path, 50, noise(), PassEverything(), told.append, batch=16)
    assert (run.pictures, len(run.memory), len(told)) == (50, 1, 1)
    assert run.rate > 0
    assert run.bytes_per_picture > 100
    found = verify(tmp_path / "out", LocalDisk())
    assert (found["problems"], found["pictures"], found["missing"]) == (0, 50, 50)


def test_growth_is_told_of_long_runs_only() -> None:
    assert Run(memory={100: 5}).growth is None
    assert Run(memory={100: 5, 10: 3}).growth == 2


def test_a_long_run_has_a_row_of_its_growth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "SETTLED", 8)
    monkeypatch.setattr(line, "_SLICE", 8)
    monkeypatch.setattr(line, "speed_of", lambda *_: 100.0)
    rows = measure(tmp_path, pictures=16, threads=1, tell=lambda _: None, batch=8)
    names = [row["name"] for row in rows]
    assert names[2:5] == ["growth of resident memory", "resident memory after 8", "resident memory after 16"]
    assert rows[2]["value"] == pytest.approx(rows[4]["value"] - rows[3]["value"])
    assert (rows[2]["unit"], rows[2]["goal"]) == ("MiB", "<= 5")


def test_pictures_of_the_benchmark_are_sound_and_differ() -> None:
    files = list(islice(castings(), 40))
    assert len(set(files)) == 40
    assert {_core.inspect(data)["verdict"] for data in files} == {"ok"}
