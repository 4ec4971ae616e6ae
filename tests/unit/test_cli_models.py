"""What is done with a model file: ``gonogo evaluate``, ``predict``, ``info`` and ``selftest``."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gonogo import InspectionClassifier, _core, layers
from gonogo.cli import main
from gonogo.cli import predict as predict_command
from gonogo.cli.predict import predict
from gonogo.model_file import model_bytes, parse_model, read_model
from gonogo.network import ModelSpec
from gonogo.synthetic import png

Run = Callable[..., subprocess.CompletedProcess[str]]
Json = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.any_engine


@pytest.fixture
def damaged(model: Path, tmp_path: Path) -> Path:
    """The model with one bit of its last byte turned."""
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    path = tmp_path / "damaged.gonogo"
    path.write_bytes(content)
    return path


def first_picture(castings: Path, label: str = "ok_front") -> Path:
    return min((castings / label).iterdir())


def test_evaluate_counts_every_picture(gonogo_json: Json, castings: Path, model: Path) -> None:
    result = gonogo_json("evaluate", model, castings)
    assert result["n"] == 120
    assert result["classes"] == ["def_front", "ok_front"]
    confusion = result["confusion"]
    truth = [len(list((castings / name).iterdir())) for name in result["classes"]]
    assert [sum(row) for row in confusion] == truth
    assert result["accuracy"] == pytest.approx((confusion[0][0] + confusion[1][1]) / 120)
    for row, name in enumerate(result["classes"]):
        figures = result["per_class"][name]
        assert figures["support"] == truth[row]
        assert figures["recall"] == pytest.approx(confusion[row][row] / truth[row])
        assert {"precision", "f1"} <= figures.keys()


def test_evaluate_knows_the_pass_class_of_the_model_or_of_the_option(
    gonogo_json: Json, castings: Path, model: Path
) -> None:
    stored = gonogo_json("evaluate", model, castings)
    (caught, escaped), (refused, passed) = stored["confusion"]
    assert stored["escape"]["escapes"] == escaped
    assert stored["escape"]["defects"] == escaped + caught
    assert 0 <= stored["escape"]["rate"] <= stored["escape"]["upper95"] <= 1
    assert (stored["overkill"]["refused"], stored["overkill"]["good"]) == (refused, refused + passed)
    other = gonogo_json("evaluate", model, castings, "--pass-label", "def_front")
    assert (other["escape"]["escapes"], other["escape"]["defects"]) == (refused, refused + passed)


def test_evaluate_prints_a_table(run_gonogo: Run, castings: Path, model: Path) -> None:
    text = run_gonogo("evaluate", model, castings).stdout
    assert "precision" in text
    assert "confusion" in text


def test_evaluate_writes_a_page_into_a_new_folder(
    gonogo_json: Json, run_gonogo: Run, castings: Path, model: Path, tmp_path: Path
) -> None:
    result = gonogo_json("evaluate", model, castings, "--report", tmp_path / "made")
    assert result["report"] == str(tmp_path / "made" / "report.html")
    page = (tmp_path / "made" / "report.html").read_text(encoding="utf-8")
    assert f"{result['escape']['escapes']} of {result['escape']['defects']} bad" in page
    failed = run_gonogo("evaluate", model, castings, "--report", tmp_path / "made", exit_code=2)
    assert "is not empty; give an empty or a new one" in failed.stderr


def test_evaluate_brings_pictures_to_the_size_of_the_model(gonogo_json: Json, model: Path, tmp_path: Path) -> None:
    larger = tmp_path / "larger"
    gonogo_json("synth", "--out", larger, "--n", "40", "--size", "80", "70")
    assert gonogo_json("evaluate", model, larger)["n"] == 40


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--image-size", "10", "10"], "--image-size: found (10, 10), but the model reads pictures with (64, 64)"),
        (["--color-mode", "rgb"], "--color-mode: found rgb"),
        (["--pass-label", "fine"], "--pass-label: the class 'fine' is unknown to the model"),
        (["--subset", "test"], "--subset: given without --split"),
        (["--classes", "ok_front=good", "def_front"], "'good' is unknown to the model"),
    ],
)
def test_evaluate_refuses_what_contradicts_the_model(
    run_gonogo: Run, castings: Path, model: Path, options: list[str], complaint: str
) -> None:
    failed = run_gonogo("evaluate", model, castings, *options, "--quiet", exit_code=2)
    assert complaint in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_predict_agrees_with_evaluate(gonogo_json: Json, castings: Path, model: Path) -> None:
    confusion = gonogo_json("evaluate", model, castings)["confusion"]
    for row, name in enumerate(["def_front", "ok_front"]):
        rows = gonogo_json("predict", model, castings / name)["rows"]
        said = [entry["label"] for entry in rows]
        assert [said.count("def_front"), said.count("ok_front")] == confusion[row]
        for entry in rows:
            assert sum(entry["probabilities"].values()) == pytest.approx(1)
            assert max(entry["probabilities"], key=entry["probabilities"].get) == entry["label"]


def test_predict_keeps_the_order_of_the_files_and_searches_folders(
    gonogo_json: Json, castings: Path, model: Path
) -> None:
    single = first_picture(castings)
    rows = gonogo_json("predict", model, single, castings / "def_front", single)["rows"]
    inside = sorted(map(str, (castings / "def_front").iterdir()))
    assert [row["file"] for row in rows] == [str(single), *inside, str(single)]


def test_a_bad_picture_never_stops_the_others(run_gonogo: Run, castings: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "truncated.png").write_bytes(first_picture(castings).read_bytes()[:-20])
    (tmp_path / "text.jpg").write_text("no picture")
    shutil.copy(first_picture(castings), tmp_path / "really-a-png.jpg")
    names = ["empty.png", "truncated.png", "text.jpg", "missing.png", "really-a-png.jpg"]
    completed = run_gonogo("predict", model, *[tmp_path / name for name in names], "--json", exit_code=2)
    rows = json.loads(completed.stdout)["rows"]
    assert [("error" in row, "label" in row) for row in rows] == [(True, False)] * 4 + [(False, True)]
    assert all(row["error"] and row["fault"] for row in rows[:4])
    assert completed.stderr.splitlines() == ["gonogo predict: 4 of 5 files could not be classified; their rows say why"]


def test_a_picture_without_finite_scores_has_no_class(tmp_path: Path) -> None:
    graph = ModelSpec("large", (layers.flatten(), layers.dense(2), layers.dense("classes"))).build((1, 4, 4), 2)
    parameters, states = graph.initialise("he_normal", 1)
    huge = np.where(parameters != 0, np.float32(3e38), np.float32(0))  # biases stay 0, and black has the score 0
    huge[np.flatnonzero(huge)[-1]] *= -1  # white: infinity less infinity
    black = np.zeros((1, 4, 4, 1), np.uint8)
    settings = {"color_mode": "grayscale", "resize_mode": "pad"}
    data = model_bytes(graph, (huge, states), classes=["ok", "bad"], preprocess=settings, training={}, golden=black)
    files = [tmp_path / "black.png", tmp_path / "white.png"]
    for file, level in zip(files, (0, 255), strict=True):
        file.write_bytes(png(np.full((4, 4), level, np.uint8)))
    first, second = predict(parse_model(data), files)
    assert first["probabilities"] == {"ok": 0.5, "bad": 0.5}
    assert second["fault"] == "not-finite"
    assert "label" not in second


def test_bad_pictures_alone_have_rows_too(run_gonogo: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    completed = run_gonogo("predict", model, tmp_path, "--json", exit_code=2)
    assert [row["file"] for row in json.loads(completed.stdout)["rows"]] == [str(tmp_path / "empty.png")]


def test_predict_writes_a_table_that_no_spreadsheet_takes_for_formulas(
    run_gonogo: Run, castings: Path, model: Path, tmp_path: Path
) -> None:
    names = ["=1+1.png", "+1.png", "-1.png", "@sum.png", 'a,b "c".png', "plain.png"]
    for name in names:
        shutil.copy(first_picture(castings), tmp_path / name)
    (tmp_path / "=bad.png").touch()
    table = tmp_path / "rows.csv"
    run_gonogo("predict", model, "--csv", table, "--", *names, "=bad.png", cwd=tmp_path, exit_code=2)
    content = table.read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n") == 8
    rows = list(csv.DictReader(content.decode().splitlines(keepends=True)))
    assert list(rows[0]) == ["file", "label", "probability_def_front", "probability_ok_front", "error"]
    assert [row["file"] for row in rows] == [
        *(f"'{name}" if name[0] in "=+-@" else name for name in names),
        "'=bad.png",
    ]
    assert rows[-1]["label"] == ""
    assert "empty" in rows[-1]["error"]
    assert float(rows[0]["probability_def_front"]) + float(rows[0]["probability_ok_front"]) == pytest.approx(1)


def test_predict_is_quiet_when_its_reader_goes(
    castings: Path, model: Path, instruction_set_arguments: list[str]
) -> None:
    command = [Path(sys.executable).with_name("gonogo"), "predict", model, castings / "ok_front"]
    with subprocess.Popen(
        [*map(str, command), *instruction_set_arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_file_names_that_are_no_text_are_shown(run_gonogo: Run, castings: Path, model: Path, tmp_path: Path) -> None:
    odd = Path(str(tmp_path) + "/caf\udce9.png")
    shutil.copy(first_picture(castings), odd)
    table = tmp_path / "rows.csv"
    completed = run_gonogo("predict", model, tmp_path, "--csv", table)
    assert "\\udce9" in completed.stdout
    assert b"caf\\udce9.png" in table.read_bytes()
    rows = json.loads(run_gonogo("predict", model, tmp_path, "--json").stdout)["rows"]
    assert rows[0]["file"] == str(odd)


def test_info_tells_what_is_in_the_file(gonogo_json: Json, run_gonogo: Run, model: Path) -> None:
    result = gonogo_json("info", model)
    assert result["classes"] == ["def_front", "ok_front"]
    assert result["pass_label"] == "ok_front"
    assert result["parameters"] == 941 == sum(layer["parameters"] for layer in result["layers"])
    assert result["input"]["color_mode"] == "grayscale"
    assert result["training"]["epochs"] == 2
    assert result["bytes"] == model.stat().st_size
    assert len(result["model_sha256"]) == len(result["file_sha256"]) == 64
    text = run_gonogo("info", model).stdout
    assert "def_front, ok_front" in text
    assert result["model_sha256"] in text
    assert "conv_1" in text
    assert result["fingerprint_differences"] == []
    assert f"fingerprint {result['versions']['fingerprint']['digest']}, that of this machine" in text


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({"gonogo": "0.0.9"}, "gonogo 0.0.9, without a fingerprint"),
        (
            {"gonogo": "9.1", "fingerprint": {"digest": "0f", "caches": "L1 1 KiB/1"}},
            "here others: .*caches .L1 1 KiB/1",
        ),
        ({"fingerprint": "odd"}, "of an unknown version, without a fingerprint"),
    ],
)
def test_info_says_when_a_model_comes_from_elsewhere(
    run_gonogo: Run, model: Path, tmp_path: Path, versions: dict[str, Any], said: str
) -> None:
    parts = _core.parse_model(model.read_bytes())
    metadata = {**parts["metadata"], "versions": json.dumps(versions)}
    golden = parts["golden_input"], parts["golden_logits"]
    other = tmp_path / "other.gonogo"
    other.write_bytes(_core.serialise_model(parts["graph"], parts["parameters"], parts["states"], metadata, *golden))
    assert re.search(said, run_gonogo("info", other).stdout)


def test_selftest_checks_this_machine(gonogo_json: Json, run_gonogo: Run) -> None:
    result = gonogo_json("selftest")
    assert result["ok"] is True
    assert 0 <= result["max_abs_diff"] < 1e-4
    by_name = {check["name"]: check for check in result["checks"]}
    assert by_name["training with 1 and 2 threads"]["difference"] == 0
    assert {"conv", "dense", "relu", "max", "add"} <= {name.split(":")[0] for name in by_name}
    text = run_gonogo("selftest").stdout
    assert "self-test passed" in text
    assert f"fingerprint {result['fingerprint']['digest']}" in text


def test_selftest_checks_a_model(gonogo_json: Json, model: Path) -> None:
    result = gonogo_json("selftest", model)
    assert result["ok"] is True
    assert result["max_abs_diff"] <= 1e-4
    assert result["fingerprint"]["instruction_set"] == result["machine"]["instruction_set"]


def test_selftest_refuses_a_damaged_model(run_gonogo: Run, damaged: Path) -> None:
    completed = run_gonogo("selftest", damaged, "--json", exit_code=3)
    result = json.loads(completed.stdout)
    assert result["ok"] is False
    assert str(damaged) in result["error"]
    assert "FAILED" in run_gonogo("selftest", damaged, exit_code=3).stdout


@pytest.mark.parametrize("command", ["info", "predict", "evaluate"])
def test_a_damaged_model_is_refused(run_gonogo: Run, castings: Path, damaged: Path, command: str) -> None:
    data = {"info": [], "predict": [first_picture(castings)], "evaluate": [castings]}[command]
    failed = run_gonogo(command, damaged, *data, exit_code=3)
    assert failed.stderr.startswith(f"gonogo {command}: {damaged}: ")
    assert failed.stderr.count("\n") == 1
    assert failed.stdout == ""


def test_a_missing_model_is_bad_input(run_gonogo: Run, tmp_path: Path) -> None:
    failed = run_gonogo("info", tmp_path / "none.gonogo", exit_code=2)
    assert "does not exist" in failed.stderr


def test_a_model_of_rows_is_not_asked_about_pictures(
    castings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.random.default_rng(0).normal(size=(8, 3))
    path = tmp_path / "rows.gonogo"
    InspectionClassifier([layers.dense("classes")], epochs=1, verbose=False).fit(rows, [0, 1] * 4).save(path)
    assert main(["predict", str(path), str(first_picture(castings))]) == 2
    said = f"FILE: {path} is a model of rows of numbers, not of pictures; use it from Python\n"
    assert said in capsys.readouterr().err


def test_a_folder_without_pictures_is_named(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "notes.txt").write_text("no picture")
    assert main(["predict", str(model), str(tmp_path)]) == 2
    assert f"PATH: the folder {tmp_path} holds no picture (" in capsys.readouterr().err


def test_a_file_that_becomes_a_picture_meanwhile_has_no_wrong_row(
    model: Path, castings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / "late.png", predict_command.read_pictures

    def written_behind(*arguments: Any, **options: Any) -> Any:
        try:
            return read(*arguments, **options)
        finally:
            shutil.copy(first_picture(castings), path)

    monkeypatch.setattr(predict_command, "read_pictures", written_behind)
    with pytest.raises(ValueError, match="none of the 1 files is a good picture"):
        predict(read_model(model), [path])
    assert predict(read_model(model), [path])[0]["label"] in ("def_front", "ok_front")
