"""``gonogo demo`` in a small size; whether it learns well is measured in full size."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gonogo import InspectionClassifier
from gonogo.cli import demo as demo_command
from gonogo.cli import main
from gonogo.model_file import read_model

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def demo(run_gonogo: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("demo") / "made"
    return out, run_gonogo("demo", "--n", "200", "--epochs", "1", "--out", out)


def test_the_demo_leaves_all_it_made(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = demo
    names = {path.name for path in out.iterdir()}
    assert {"castings", "split.csv", "model.gonogo", "report.html", "report.txt", "predictions.csv"} <= names
    assert "certified.gonogo" not in names
    assert not list((out / "inbox").iterdir())
    assert (out / "sorted" / "dashboard.html").is_file() and (out / "sorted" / "QUARANTINE" / "cut_short.png").is_file()
    assert {"gallery.png", "mistakes.png", "confusion.png", "curves.png"} <= names
    assert len(list((out / "castings").glob("*/*.png"))) == 200


def test_the_demo_ends_with_its_summary(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, completed = demo
    text = completed.stdout
    assert "confusion" in text
    assert "escape" in text
    assert "images/s" in text
    assert str(out) in text
    assert "gonogo train" in text and f"gonogo review {out / 'sorted'}" in text
    assert "gonogo verify: clean" in text
    assert "epoch 1/1" in completed.stderr
    assert re.search(r"no certificate: found \d+ bad parts, but .* needs 59: \d+ are missing", completed.stderr)
    assert re.search(r"no certificate\nfound \d+ bad parts", text)


def test_its_model_is_the_casting_net_and_works(
    run_gonogo: Run, demo: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    out, _ = demo
    stored = json.loads(run_gonogo("info", out / "model.gonogo", "--json").stdout)
    assert stored["parameters"] == 676_945
    assert stored["training"]["augment"]["rotation"] == 360
    assert stored["pass_label"] == "ok_front"
    arguments = ["--split", out / "split.csv", "--subset", "test"]
    tested = run_gonogo("evaluate", out / "model.gonogo", out / "castings", *arguments).stdout
    first = (out / "report.txt").read_text()
    assert "test set  not opened before, by the ledger" in first
    assert "test set  opened 1 time before, by the ledger" in tested
    figures = [
        [line for line in text.strip().splitlines() if not line.startswith("test set")] for text in (first, tested)
    ]
    assert figures[0] == figures[1]


def test_with_enough_bad_parts_the_demo_ends_with_a_certificate_and_a_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(
        demo_command, "FRACTIONS", {"train": 0.05, "validation": 0.05, "calibration": 0.85, "test": 0.05}
    )
    assert main(["demo", "--n", "400", "--epochs", "1", "--out", str(tmp_path / "made"), "--json", "--quiet"]) == 0
    result = json.loads(capsys.readouterr().out)
    certificate = result["certificate"]
    assert (certificate["max_escape"], certificate["confidence"], result["refusal"]) == (0.05, 0.95, "")
    assert certificate["defects"] >= 59
    assert certificate["escape_upper_bound"] <= 0.05
    stored = read_model(tmp_path / "made" / "certified.gonogo").certificate
    assert stored is not None and stored.digest == certificate["sha256"]
    page = Path(result["report"]).read_text(encoding="utf-8")
    assert certificate["sha256"] in page and "may we ship on this?" in page
    assert f"{result['escape']['escapes']} of {result['escape']['defects']} bad parts" in page
    assert Path(result["sorted"]).is_dir() and result["problems"] == 0
    assert result["labels"]["QUARANTINE"] == 1 and sum(result["labels"].values()) == result["n"] + 1
    line = Path(result["dashboard"]).read_text(encoding="utf-8")
    assert "is it healthy?" in line and certificate["sha256"][:16] in line
    # The next demo draws its parts anew: a ledger of these, or their certificate, must not stand beside them.
    assert (tmp_path / "made" / "split.csv.ledger").is_file()
    demo_command._prepare(tmp_path / "made")
    assert not {"split.csv.ledger", "certified.gonogo"} & {path.name for path in (tmp_path / "made").iterdir()}


def test_the_demo_may_run_again_in_its_own_folder_only(
    run_gonogo: Run, demo: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    out, _ = demo
    result = json.loads(run_gonogo("demo", "--n", "120", "--epochs", "1", "--out", out, "--json", "--quiet").stdout)
    assert {"accuracy", "seconds"} <= result.keys()
    assert len(list((out / "castings").glob("*/*.png"))) == 120

    (tmp_path / "mine.txt").write_text("precious")
    failed = run_gonogo("demo", "--out", tmp_path, exit_code=2)
    assert "holds files that no demo made" in failed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(("option", "value"), [("--n", "99"), ("--epochs", "0"), ("--size", "3")])
def test_the_demo_refuses_wrong_options(run_gonogo: Run, tmp_path: Path, option: str, value: str) -> None:
    failed = run_gonogo("demo", option, value, "--out", tmp_path / "new", exit_code=2)
    assert option in failed.stderr
    assert not (tmp_path / "new").exists()


def test_without_matplotlib_the_demo_draws_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo_command, "find_spec", lambda _: None)
    assert demo_command._draw(tmp_path, InspectionClassifier(), None) == []  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
