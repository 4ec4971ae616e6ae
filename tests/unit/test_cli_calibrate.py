"""``gonogo calibrate`` and what other commands say of a gated model."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gonogo.cli import main
from gonogo.ledger import read_ledger

Run = Callable[..., subprocess.CompletedProcess[str]]
Json = Callable[..., dict[str, Any]]

NET = """
[[layers]]
type = "flatten"

[[layers]]
type = "dense"
units = "classes"
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """700 dark bad and 200 bright good pictures; two pictures show a part, ten parts are a lot."""
    root = tmp_path_factory.mktemp("calibrate") / "parts"
    rng = np.random.default_rng(5)
    rows = [["class", "file", "group", "lot"]]
    for label, count, level in (("bad", 700, 0), ("ok", 200, 110)):
        (root / label).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 120, (6, 7), dtype=np.uint8) + np.uint8(level)
            Image.fromarray(pixels).save(root / label / f"{i:03}.png")
            rows.append([label, f"{i:03}.png", f"{label} {i // 2}", f"lot {label} {i // 20}"])
    with (root.parent / "groups.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return root


@pytest.fixture(scope="module")
def split(run_gonogo: Run, parts: Path) -> Path:
    path = parts.parent / "split.csv"
    options = ["--groups", parts.parent / "groups.csv", "--fractions", "train=.1,calibration=.9"]
    run_gonogo("split", parts, *options, "--out", path)
    return path


@pytest.fixture(scope="module")
def trained(run_gonogo: Run, parts: Path, split: Path) -> Path:
    net, path = parts.parent / "net.toml", parts.parent / "plain.gonogo"
    net.write_text(NET)
    options = ["--split", split, "--subset", "train", "--model", net, "--epochs", "30", "--learning-rate", ".02"]
    run_gonogo("train", parts, *options, "--out", path)  # the split file names the groups
    return path


def terms(escape: str = ".01", confidence: str = ".95", label: str = "ok") -> list[str]:
    return ["--pass-label", label, "--max-escape", escape, "--confidence", confidence]


@pytest.fixture(scope="module")
def gated(gonogo_json: Json, parts: Path, split: Path, trained: Path) -> dict[str, Any]:
    out = parts.parent / "gated.gonogo"
    more = ["--split", split, "--lot-col", "lot", "--groups", parts.parent / "groups.csv", "--bad-share", ".03"]
    return gonogo_json("calibrate", trained, parts, *terms(), *more, "--out", out)


def test_the_json_has_the_promise_and_its_figures(gated: dict[str, Any], split: Path) -> None:
    assert (gated["certified"], gated["escapes_allowed"], gated["defects"]) == (True, 0, 315)
    assert 0.009 < gated["escape_upper_bound"] < 0.01
    assert isinstance(gated["threshold"], float)
    assert (gated["pictures_per_part"], gated["good_parts"]) == (2, 90)
    assert gated["good_refused"] == 90 - gated["good_passed"] < 45
    assert gated["lots"] <= 35
    assert gated["lots_upper_bound"] > 0.05
    assert 0 < gated["false_omission_bound"] < 0.001
    assert gated["disjoint"] == "pixels of pictures and names of groups"
    assert gated["single_use"] == read_ledger(f"{split}.ledger")[0]["sha256"]


def test_info_prints_the_certificate_in_words(run_gonogo: Run, gonogo_json: Json, gated: dict[str, Any]) -> None:
    text = run_gonogo("info", gated["model"]).stdout
    for words in (
        f"certificate {gated['sha256']}",
        "At 95 % confidence, at most 1 % of all bad parts are called 'ok' (PASS).",
        "Shown by 315 bad parts (315 bad): 0 may lie above the threshold.",
        "A part with fewer than 2 pictures goes to REVIEW",
        "Where at most 3 % of the parts are bad",
        "lots count instead of parts",
        "It rests on this:",
        "recorded in the ledger, entry " + gated["single_use"][:16],
    ):
        assert words in text
    found = gonogo_json("info", gated["model"])
    assert found["certificate"]["threshold"] == gated["threshold"]
    assert found["pass_label"] == "ok"
    assert "seen" not in found["training"]


def test_info_of_a_plain_model_has_no_certificate(gonogo_json: Json, trained: Path) -> None:
    found = gonogo_json("info", trained)
    assert found["certificate"] is None
    assert found["training"]["pictures_seen"] == 90


def test_predict_shows_the_decision(
    run_gonogo: Run, gonogo_json: Json, gated: dict[str, Any], parts: Path, trained: Path, tmp_path: Path
) -> None:
    shown = gonogo_json("predict", gated["model"], parts / "bad" / "000.png", parts / "ok" / "000.png")["rows"]
    assert [row["decision"] for row in shown] == ["REVIEW", "REVIEW"]
    assert "found 1 picture of the part, the certificate holds for 2 or more" in shown[0]["reason"]
    out = tmp_path / "rows.csv"
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    text = run_gonogo("predict", gated["model"], parts / "ok" / "000.png", broken, "--csv", out, exit_code=2).stdout
    assert "REVIEW" in text
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [row["decision"] for row in rows] == ["REVIEW", "REVIEW"]
    assert "decision" not in gonogo_json("predict", trained, parts / "ok" / "000.png")["rows"][0]


def test_a_gate_for_single_pictures_passes_good_ones_and_reviews_what_is_not_proven(
    gonogo_json: Json, parts: Path, split: Path, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "single.gonogo"
    data = ["--split", split, "--pictures-per-part", "1", "--ledger", tmp_path / "own.ledger"]
    made = gonogo_json("calibrate", trained, parts, *terms(), *data, "--out", out)
    assert (made["pictures_per_part"], made["defects"]) == (1, 315)
    assert len(read_ledger(tmp_path / "own.ledger")) == 1
    bright = np.asarray(Image.open(parts / "ok" / "001.png"))
    Image.fromarray(bright).save(tmp_path / "proven.jpg", quality=100)
    Image.fromarray(bright).save(tmp_path / "progressive.jpg", quality=100, progressive=True)
    Image.fromarray(np.kron(bright, np.ones((8, 8), np.uint8))).save(tmp_path / "large.png")
    Image.fromarray(np.stack([bright, bright, bright // 2], axis=2)).save(tmp_path / "coloured.png")
    Image.fromarray(np.full((6, 7), 200, np.uint8)).save(tmp_path / "constant.png")
    made_now = ("proven.jpg", "progressive.jpg", "constant.png", "large.png", "coloured.png")
    files = [parts / "ok" / "001.png", parts / "bad" / "001.png", *(tmp_path / name for name in made_now)]
    rows = gonogo_json("predict", out, *files)["rows"]
    assert [row["decision"] for row in rows] == ["ok", "bad", "ok", *["REVIEW"] * 4]
    assert rows[4]["reason"] == "every pixel is the same"
    assert "has 48 x 56 pixels (height x width), those of the training 6 x 7: another camera" in rows[5]["reason"]
    assert "has colours, those of the training have none" in rows[6]["reason"]
    assert [row["reason"] == "" for row in rows] == [True] * 3 + [False] * 4


def test_too_few_parts_end_with_code_4_and_the_numbers(
    run_gonogo: Run, parts: Path, split: Path, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "none.gonogo"
    data = [trained, parts, *terms(".001"), "--split", split, "--ledger", tmp_path / "l", "--out", out, "--json"]
    failed = run_gonogo("calibrate", *data, exit_code=4)
    found = json.loads(failed.stdout)
    assert (found["certified"], found["threshold"], found["defects"]) == (False, None, 315)
    assert (found["required"], found["missing"]) == (2995, 2680)
    assert found["certifiable_escape"] == pytest.approx(1 - 0.05 ** (1 / 315))
    assert "2,680 are missing; with these alone no escape rate below 0.95 % could be certified" in failed.stderr
    assert not out.exists()
    assert read_ledger(tmp_path / "l")[0]["kind"] == "refusal"


def test_used_parts_and_edited_ledgers_are_refused(
    run_gonogo: Run, parts: Path, split: Path, trained: Path, gated: dict[str, Any], tmp_path: Path
) -> None:
    assert gated["certified"]
    other = tmp_path / "other.gonogo"
    options = ["--split", split, "--subset", "train", "--model", parts.parent / "net.toml", "--epochs", "1"]
    run_gonogo("train", parts, *options, "--seed", "9", "--out", other)
    out = tmp_path / "none.gonogo"
    failed = run_gonogo("calibrate", other, parts, *terms(".02"), "--split", split, "--out", out, exit_code=2)
    assert "were used on" in failed.stderr
    assert "calibrate on parts that were never used" in failed.stderr
    ledger = tmp_path / "edited.ledger"
    ledger.write_text(Path(f"{split}.ledger").read_text().replace("bad", "bed", 1) + "x")
    edited = [trained, parts, *terms(), "--split", split, "--ledger", ledger, "--out", out]
    assert "the last line is incomplete" in run_gonogo("calibrate", *edited, exit_code=3).stderr
    assert not out.exists()


def test_wrong_use_is_refused_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], parts: Path, split: Path, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "none.gonogo"
    before = trained.read_bytes()
    cases: list[tuple[list[Any], str]] = [
        ([*terms(confidence="95"), "--out", out], "--confidence: found '95', expected a number between 0 and 1"),
        ([*terms("0"), "--out", out], "--max-escape: found '0'"),
        ([*terms(label="good"), "--out", out], "--pass-label: the class 'good' is unknown to the model"),
        (["--max-escape", ".01", "--confidence", ".95", "--out", out], "--pass-label: missing"),
        ([*terms(), "--out", trained], "is FILE itself; model files do not change"),
        ([*terms(), "--lot-col", "batch", "--out", out], "no column 'batch'"),
        ([*terms(), "--subset", "train", "--out", out], "training or validation has seen"),
    ]
    for options, what in cases:
        given = [*options, "--split", split, "--ledger", tmp_path / "l"]
        try:
            code = main(["calibrate", *map(str, [trained, parts, *given])])
        except SystemExit as ended:  # argparse
            code = ended.code
        assert (code, what in capsys.readouterr().err) == (2, True), what
    assert trained.read_bytes() == before
    assert not out.exists()


def test_evaluate_decides_by_the_certificate_and_counts_parts(
    gonogo_json: Json, run_gonogo: Run, gated: dict[str, Any], parts: Path, split: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "looks.ledger"
    options = ["--split", split, "--subset", "train", "--ledger", ledger]
    found = gonogo_json("evaluate", gated["model"], parts, *options)
    assert (found["n"], found["by_part"]["n"]) == (90, 45), "the split file names the parts"
    assert found["gate"]["certificate"] == gated["sha256"]
    assert (found["escape"]["unit"], found["escape"]["defects"]) == ("part", 35)
    assert found["test_set_opened_before"] == 0
    text = run_gonogo("evaluate", gated["model"], parts, *options).stdout
    assert "opened 1 time before, by the ledger" in text
    assert "decided by the certificate " + gated["sha256"][:16] in text
    refused = run_gonogo("evaluate", gated["model"], parts, "--pass-label", "bad", exit_code=2).stderr
    assert "--pass-label: the certificate of the model is about 'ok'" in refused


def test_a_review_zone_and_a_guard_are_chosen_stored_and_told(
    run_gonogo: Run, gonogo_json: Json, parts: Path, split: Path, trained: Path, tmp_path: Path
) -> None:
    options = ["--split", split, "--groups", parts.parent / "groups.csv", "--ledger", tmp_path / "own.ledger"]
    wishes = ["--cost-ratio", "20", "--review-capacity", ".1", "--unknown-share", ".05"]
    made = gonogo_json("calibrate", trained, parts, *terms(), *wishes, *options, "--out", tmp_path / "more.gonogo")
    zone, guard = made["review_zone"], made["unknown_guard"]
    assert zone["upper"] >= made["threshold"] + made["guard_band"]
    assert zone["workload"] <= 0.1
    assert (guard["share"], guard["good_parts"], guard["known_pictures"]) == (0.05, 90, 20)
    told = gonogo_json("info", made["model"])
    assert (told["review_zone"], told["unknown_guard"]) == (zone, guard)
    text = run_gonogo("info", made["model"]).stdout
    assert "Review zone: PASS above" in text
    assert "Nothing is promised about finding unknown pictures." in text


def test_a_zone_or_guard_that_cannot_be_is_refused(
    capsys: pytest.CaptureFixture[str], parts: Path, split: Path, trained: Path, tmp_path: Path
) -> None:
    options = [*terms(), "--split", split, "--ledger", tmp_path / "l", "--out", tmp_path / "out.gonogo"]
    for wrong, reason in (
        (["--cost-ratio", "20"], "--review-capacity: missing beside --cost-ratio"),
        (["--cost-ratio", "-1", "--review-capacity", ".1"], "found '-1', expected a finite number above 0"),
        (["--cost-ratio", "20", "--review-capacity", "5"], "found '5', expected a number between 0 and 1"),
        (
            ["--unknown-share", ".001"],
            "--unknown-share: found 90 good calibration parts, but a share of 0.001 needs 999",
        ),
        (["--unknown-share", "2"], "found '2', expected a number between 0 and 1"),
        (["--training", str(parts)], "--training: given without --unknown-share"),
    ):
        try:
            code = main(["calibrate", *map(str, [trained, parts, *wrong, *options])])
        except SystemExit as ended:  # argparse
            code = ended.code
        assert (code, reason in capsys.readouterr().err) == (2, True), reason
    assert not (tmp_path / "out.gonogo").exists()


def test_a_guard_may_learn_from_a_folder_and_needs_one(
    capsys: pytest.CaptureFixture[str], parts: Path, trained: Path, tmp_path: Path
) -> None:
    for label, count, level in (("bad", 320, 0), ("ok", 40, 110)):
        for k in range(count):
            (tmp_path / "fresh" / label).mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(10_000 + level + k).integers(0, 120, (6, 7), dtype=np.uint8) + np.uint8(
                level
            )
            Image.fromarray(pixels).save(tmp_path / "fresh" / label / f"{k:03}.png")
    given = [
        "calibrate",
        trained,
        tmp_path / "fresh",
        *terms(),
        "--unknown-share",
        ".1",
        "--out",
        tmp_path / "m.gonogo",
    ]
    assert main([*map(str, given)]) == 2
    missing = "--training: missing beside --unknown-share; give the folder of the training pictures, or --split"
    assert missing in capsys.readouterr().err
    assert main([*map(str, [*given, "--training", parts])]) == 2
    # All 200 good ones, of which 20 were trained on.
    said = "--training: the training did not see 180 of its 200 samples of 'ok'; give what the model was trained on"
    assert said in capsys.readouterr().err


def test_lots_that_are_not_told_are_named(
    capsys: pytest.CaptureFixture[str], parts: Path, trained: Path, tmp_path: Path
) -> None:
    table = tmp_path / "data.csv"
    rows = [f"{path},{path.parent.name}" for path in sorted(parts.glob("*/00?.png"))]
    table.write_text("\n".join(["path,label,lot", *(f"{row},A" for row in rows[:-1]), f"{rows[-1]},"]))
    for data, told in (
        (parts, "--lot-col: found no table with this column; give --groups, --split, or a CSV table as DATA"),
        (table, f"{table}, line 21: {rows[-1].split(',')[0]} has no lot, expected its name"),
    ):
        given = ["calibrate", trained, data, *terms(), "--lot-col", "lot", "--out", tmp_path / "none.gonogo"]
        assert main([*map(str, given)]) == 2
        assert f"gonogo calibrate: {told}\n" in capsys.readouterr().err


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "bare"])
def test_a_table_of_data_tells_the_lots_of_whole_paths_and_bare_names(
    capsys: pytest.CaptureFixture[str], parts: Path, trained: Path, tmp_path: Path, whole: bool
) -> None:
    rows = ["picture,class,lot"]
    for path in sorted(parts.glob("*/[01]??.png")):
        name = f"{path.parent.name}{path.name}"
        (tmp_path / name).write_bytes(path.read_bytes())
        rows.append(f"{tmp_path / name if whole else name},{path.parent.name},{path.name[:2]}")
    (tmp_path / "data.csv").write_text("\n".join(rows))
    columns = ["--path-col", "picture", "--label-col", "class", "--lot-col", "lot"]
    given = ["calibrate", trained, tmp_path / "data.csv", *columns, *terms(".05"), "--out", tmp_path / "m.gonogo"]
    # Some of the pictures were trained on, which is found after the lots.
    assert main([*map(str, given)]) == 2
    assert "training or validation has seen" in capsys.readouterr().err
