"""``gonogo synth`` and ``gonogo split``: pictures and their division."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gonogo.cli import main

Run = Callable[..., subprocess.CompletedProcess[str]]
Json = Callable[..., dict[str, Any]]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """``refused("synth", "--n", "0")`` runs a command that must fail, in this process and an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> str:
        try:
            code = main([*map(str, arguments)])
        except SystemExit as ended:  # argparse
            code = int(str(ended.code))
        assert code == 2
        return capsys.readouterr().err

    return run


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_synth_writes_class_folders_and_groups(gonogo_json: Json, tmp_path: Path) -> None:
    out = tmp_path / "new" / "castings"
    result = gonogo_json("synth", "--out", out, "--n", "40", "--size", "48", "40")
    assert result["files"] == 40
    assert result["classes"] == ["def_front", "ok_front"]
    files = {f"{path.parent.name}/{path.name}" for path in out.glob("*/*")}
    assert len(files) == 40
    assert {f"{row['class']}/{row['file']}" for row in rows_of(out / "groups.csv")} == files
    assert {path.name for path in out.iterdir()} == {"def_front", "ok_front", "groups.csv"}


def test_synth_draws_the_same_for_the_same_seed(gonogo_json: Json, tmp_path: Path) -> None:
    contents = []
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        gonogo_json("synth", "--out", tmp_path / name, "--n", "6", "--size", "32", "32", "--seed", seed)
        contents.append(
            {str(path.relative_to(tmp_path / name)): path.read_bytes() for path in (tmp_path / name).glob("**/*.*")}
        )
    assert contents[0] == contents[1] != contents[2]


def test_synth_writes_masks_elsewhere(gonogo_json: Json, tmp_path: Path) -> None:
    out, masks = tmp_path / "castings", tmp_path / "masks"
    gonogo_json("synth", "--out", out, "--n", "12", "--size", "32", "32", "--masks", masks)
    assert len(list(out.glob("*/*"))) == 12
    assert list(masks.glob("**/*.png"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--n", "0"], "--n: found '0', expected a whole number of at least 1"),
        (["--size", "4", "4"], "--size: found '4', expected a whole number from 32 to 4096"),
        (["--masks", "castings/masks"], "--masks: castings/masks lies in castings"),
        (["--masks", "castings"], "--masks: castings lies in castings"),
        (["--seed", "-1"], "--seed: found '-1'"),
    ],
)
def test_synth_refuses(refused: Callable[..., str], tmp_path: Path, options: list[str], complaint: str) -> None:
    assert refused("synth", "--out", "castings", *options).startswith(f"gonogo synth: {complaint}")
    assert list(tmp_path.iterdir()) == []


def test_synth_shows_in_a_terminal_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["synth", "--out", str(tmp_path / "castings"), "--n", "7", "--size", "32", "32"]) == 0
    shown = capsys.readouterr().err
    assert "drawing" in shown and "7/7" in shown


def test_synth_overwrites_nothing(run_gonogo: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    failed = run_gonogo("synth", "--out", tmp_path, exit_code=2)
    assert "is not empty" in failed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_split_keeps_parts_whole_and_shares_near(gonogo_json: Json, castings: Path, tmp_path: Path) -> None:
    out = tmp_path / "split.csv"
    options = ["--groups", castings / "groups.csv", "--fractions", "train=.5,validation=.2,test=.3", "--seed", "7"]
    result = gonogo_json("split", castings, *options, "--out", out)
    counts = {subset: sum(of_class.values()) for subset, of_class in result["counts"].items()}
    assert list(counts) == ["train", "validation", "test"]
    assert sum(counts.values()) == 120
    for subset, share in {"train": 0.5, "validation": 0.2, "test": 0.3}.items():
        assert counts[subset] == pytest.approx(120 * share, abs=6)
    rows = rows_of(out)
    subsets_of: dict[str, set[str]] = {}
    for row in rows:
        subsets_of.setdefault(row["group"], set()).add(row["subset"])
    assert len(rows) == 120
    assert all(len(subsets) == 1 for subsets in subsets_of.values())

    gonogo_json("split", castings, *options, "--out", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == out.read_bytes()


def test_split_needs_no_common_size(gonogo_json: Json, tmp_path: Path) -> None:
    for name, side in (("small", "32"), ("large", "48")):
        gonogo_json("synth", "--out", tmp_path / name, "--n", "20", "--size", side, side)
    mixed = tmp_path / "mixed"
    for label in ("def_front", "ok_front"):
        (mixed / label).mkdir(parents=True)
        for name in ("small", "large"):
            for path in (tmp_path / name / label).iterdir():
                (mixed / label / f"{name}-{path.name}").write_bytes(path.read_bytes())
    result = gonogo_json("split", mixed, "--fractions", "train=.5,test=.5", "--out", tmp_path / "split.csv")
    assert sum(sum(of_class.values()) for of_class in result["counts"].values()) == 40


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--fractions", "train=.6,test=.2"], "--fractions: found a sum of 0.8, expected 1"),
        (["--fractions", "train"], "--fractions: found 'train', expected NAME=VALUE"),
        (["--fractions", "train=much"], "--fractions: found 'much' for 'train', expected a finite number"),
        (["--fractions", "train=.5,train=.5"], "--fractions: 'train' is given twice"),
        (["--fractions", "train=1", "--by", "group"], "--by: found 'group', but the data has no groups"),
        (["--fractions", "train=1", "--groups", "none.csv"], "none.csv: no such file"),
        (["--fractions", "train=1", "--split", "x.csv"], "--split: this command makes a new split"),
    ],
)
def test_split_refuses(
    refused: Callable[..., str], castings: Path, tmp_path: Path, options: list[str], complaint: str
) -> None:
    said = refused("split", castings, *options, "--out", "split.csv", "--quiet")
    assert said.startswith(f"gonogo split: {complaint}")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_split_serves_training_and_test(
    gonogo_json: Json, castings: Path, small_net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = tmp_path / "split.csv"
    counts = gonogo_json("split", castings, "--fractions", "train=.5,check=.25,test=.25", "--out", split)["counts"]
    model = tmp_path / "m.gonogo"
    options = ["--model", small_net, "--epochs", "1", "--validation", "check", "--out", model]
    trained = gonogo_json("train", castings, "--split", split, *options)
    assert trained["images"] == sum(counts["train"].values())
    assert trained["validation"]["n"] == sum(counts["check"].values())
    tested = gonogo_json("evaluate", model, castings, "--split", split)
    assert tested["n"] == sum(counts["test"].values())
    for wrong, complaint in (
        (["--subset", "lot"], "--subset: 'lot' is not a subset of the split; there are: train, check, test"),
        (["--validation", "train"], "--validation: the subset 'train' is trained on; name another one"),
    ):
        again = ["train", castings, "--split", split, *wrong, "--model", small_net, "--out", tmp_path / "none.gonogo"]
        assert main([*map(str, again)]) == 2
        assert f"gonogo train: {complaint}\n" in capsys.readouterr().err
    assert not (tmp_path / "none.gonogo").exists()


def test_data_may_be_a_table(gonogo_json: Json, castings: Path, small_net: Path, tmp_path: Path) -> None:
    table = tmp_path / "pictures.csv"
    rows = [f"{path.relative_to(castings)},{path.parent.name}" for path in sorted(castings.glob("*/*"))]
    table.write_text("picture,label\n" + "\n".join(rows) + "\n")
    options = ["--root", castings, "--path-col", "picture", "--model", small_net, "--epochs", "1"]
    assert gonogo_json("train", table, *options, "--out", tmp_path / "m.gonogo")["images"] == 120
