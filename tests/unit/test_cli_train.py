"""``gonogo train`` as a user types it."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gonogo.cli import main
from gonogo.model_file import read_model

Run = Callable[..., subprocess.CompletedProcess[str]]
Json = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.any_engine


@pytest.fixture
def fast(small_net: Path) -> list[str]:
    return ["--model", str(small_net), "--epochs", "2", "--batch-size", "32"]


def groups_of(castings: Path) -> list[str]:
    return ["--groups", str(castings / "groups.csv")]


def test_train_reports_what_it_did(gonogo_json: Json, castings: Path, fast: list[str], tmp_path: Path) -> None:
    out = tmp_path / "m.gonogo"
    result = gonogo_json("train", castings, *fast, *groups_of(castings), "--validation", "0.25", "--out", out)
    assert out.is_file()
    assert result["model"] == str(out)
    # Convolution 4*(9+1), then 15*15*4 values and a bias.
    assert result["parameters"] == 40 + 901
    assert result["epochs"] == 2
    assert result["best_epoch"] in (1, 2)
    assert result["images"] + result["validation"]["n"] == 120
    assert 0 <= result["validation"]["accuracy"] <= 1
    assert result["validation"]["loss"] > 0
    assert result["images_per_second"] > 0
    assert result["seconds"] > 0
    assert result["decode_seconds"] > 0


def test_the_file_has_the_weights_of_the_best_validation_loss(
    gonogo_json: Json, castings: Path, small_net: Path, tmp_path: Path
) -> None:
    split = tmp_path / "split.csv"
    run = ["--split", str(split)]
    gonogo_json("split", castings, "--fractions", "train=.5,validation=.5", "--out", split)
    # Steps so large that the first epochs are better than the last.
    options = ["--model", small_net, "--epochs", "6", "--batch-size", "16", "--learning-rate", "0.3"]
    result = gonogo_json(
        "train", castings, *run, "--validation", "validation", *options, "--out", tmp_path / "m.gonogo"
    )
    tested = gonogo_json("evaluate", tmp_path / "m.gonogo", castings, *run, "--subset", "validation")
    assert tested["n"] == result["validation"]["n"] == 60
    assert tested["accuracy"] == pytest.approx(result["validation"]["accuracy"], abs=1e-12)


def test_equal_arguments_give_equal_files_whatever_the_threads(
    gonogo_json: Json, castings: Path, fast: list[str], tmp_path: Path
) -> None:
    contents = []
    for threads in (1, 2, 3):
        out = tmp_path / f"{threads}.gonogo"
        options = [*fast, *groups_of(castings), "--validation", "0.2", "--augment", "casting", "--seed", "7"]
        gonogo_json("train", castings, *options, "--threads", str(threads), "--out", out)
        contents.append(out.read_bytes())
    assert contents[0] == contents[1] == contents[2]
    gonogo_json("train", castings, *options, "--seed", "8", "--out", out)
    assert out.read_bytes() != contents[0]


def test_progress_goes_to_standard_error(run_gonogo: Run, castings: Path, fast: list[str], tmp_path: Path) -> None:
    told = run_gonogo("train", castings, *fast, "--out", tmp_path / "m.gonogo")
    assert "epoch 2/2" in told.stderr
    assert "images/s" in told.stdout
    silent = run_gonogo("train", castings, *fast, "--out", tmp_path / "m.gonogo", "--quiet")
    assert silent.stderr == ""


def test_options_reach_the_training(gonogo_json: Json, castings: Path, fast: list[str], tmp_path: Path) -> None:
    out = tmp_path / "m.gonogo"
    recipe = tmp_path / "augment.toml"
    recipe.write_text("rotation = 10\nbrightness = [0.9, 1.1]\n")
    options = [*fast, "--optimizer", "sgd,momentum=0.9,nesterov=true", "--schedule", "cosine,warmup_steps=2"]
    options += [
        "--class-weight",
        "def_front=2,ok_front=0.5",
        "--model-param",
        "dropout=0.4",
        "--pass-label",
        "ok_front",
    ]
    options += [
        "--augment",
        str(recipe),
        "--classes",
        "ok_front",
        "def_front",
        "--image-size",
        "48",
        "40",
        "--seed",
        "3",
    ]
    gonogo_json("train", castings, *options, "--out", out)
    stored = gonogo_json("info", out)
    assert stored["classes"] == ["ok_front", "def_front"]
    assert stored["pass_label"] == "ok_front"
    assert (stored["input"]["height"], stored["input"]["width"]) == (48, 40)
    training = stored["training"]
    assert training["optimizer"] == {"kind": "sgd", "momentum": 0.9, "nesterov": True}
    assert training["schedule"] == {"kind": "cosine", "warmup_steps": 2}
    assert training["class_weight"] == {"def_front": 2, "ok_front": 0.5}
    assert training["model_params"]["dropout"] == 0.4
    assert training["augment"] == {"rotation": 10, "brightness": [0.9, 1.1]}
    assert training["seed"] == 3


def test_a_configuration_file_stands_for_options_and_the_command_line_wins(
    gonogo_json: Json, castings: Path, small_net: Path, tmp_path: Path
) -> None:
    out = tmp_path / "m.gonogo"
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f"model = '{small_net}'\nepochs = 9\nbatch-size = 32\nclasses = ['ok_front', 'def_front']\nimage-size = [32, 32]\n"
        f"out = '{out}'\nclass-weight = 'balanced'\noptimizer = 'rmsprop'\nquiet = true\nmodel-param = ['dropout=0.2']\n"
    )
    result = gonogo_json("train", castings, "--config", recipe, "--epochs", "1", "--optimizer", "adamw")
    training = gonogo_json("info", out)["training"]
    assert result["epochs"] == 1
    assert result["classes"] == ["ok_front", "def_front"]
    assert training["optimizer"] == {"kind": "adamw"}
    assert training["class_weight"] == "balanced"
    assert training["model_params"] == {"dropout": 0.2}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("epohcs = 3", "unknown key 'epohcs'; did you mean 'epochs'?"),
        ("epochs = -3", "epochs: found '-3'"),
        ("learning-rate = nan", "learning-rate: found 'nan'"),
        ("color-mode = 'purple'", "color-mode: invalid choice"),
        ("image-size = [32]", "image-size: found [32], expected 2 values"),
        ("quiet = 'yes'", "quiet: found 'yes', expected true or false"),
        ("epochs", "not a TOML file"),
        (None, "no such file"),
    ],
)
def test_a_wrong_configuration_file_is_named(
    run_gonogo: Run, castings: Path, tmp_path: Path, text: str | None, complaint: str
) -> None:
    recipe = tmp_path / "recipe.toml"
    if text is not None:
        recipe.write_text(text)
    failed = run_gonogo("train", castings, "--config", recipe, "--out", tmp_path / "m.gonogo", exit_code=2)
    assert failed.stderr.startswith("gonogo train: ")
    assert str(recipe) in failed.stderr
    assert complaint in failed.stderr


def test_validation_takes_another_folder(gonogo_json: Json, castings: Path, fast: list[str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    gonogo_json("synth", "--out", other, "--n", "40", "--size", "64", "64", "--seed", "9")
    result = gonogo_json(
        "train", castings, *fast, *groups_of(castings), "--validation", other, "--out", tmp_path / "m.gonogo"
    )
    assert (result["images"], result["validation"]["n"]) == (120, 40)


def test_mixed_groups_are_refused_or_left_out(
    run_gonogo: Run, gonogo_json: Json, castings: Path, fast: list[str], tmp_path: Path
) -> None:
    rows = (castings / "groups.csv").read_text().splitlines()
    groups = tmp_path / "groups.csv"
    # The first good and the first bad picture are said to show one part.
    firsts = {rows.index(next(row for row in rows if row.startswith(label))) for label in ("def_front", "ok_front")}
    groups.write_text(
        "\n".join(",".join([*row.split(",")[:2], "one"]) if i in firsts else row for i, row in enumerate(rows)) + "\n"
    )
    arguments = ["train", castings, *fast, "--groups", groups, "--validation", "0.25", "--out", tmp_path / "m.gonogo"]
    refused = run_gonogo(*arguments, exit_code=2)
    assert "'one'" in refused.stderr
    assert "--on-mixed exclude" in refused.stderr
    assert gonogo_json(*arguments, "--on-mixed", "exclude")["excluded"] == 2


def test_a_diverged_training_writes_nothing(run_gonogo: Run, castings: Path, fast: list[str], tmp_path: Path) -> None:
    out = tmp_path / "m.gonogo"
    failed = run_gonogo("train", castings, *fast, "--learning-rate", "1e30", "--out", out, exit_code=2)
    assert "learning" in failed.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_diverges_later_keeps_its_best_epoch(
    castings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One step an epoch, the first a small one, the second out of the range of numbers."""
    dense = '[[layers]]\ntype = "dense"\nunits = '
    (tmp_path / "net.toml").write_text(f'[[layers]]\ntype = "flatten"\n{dense}4\n{dense}"classes"\n')
    options = ["--model", tmp_path / "net.toml", "--epochs", "4", "--batch-size", "120", "--optimizer", "sgd"]
    options += ["--schedule", "one_cycle,start_fraction=1e-33", "--learning-rate", "9e29"]
    given = ["train", castings, *options, "--validation", "0.2", "--out", tmp_path / "m.gonogo", "--json"]
    assert main([*map(str, given)]) == 0
    said = capsys.readouterr()
    assert "is not finite" in said.err and "; the best weights until then are kept\n" in said.err
    result = json.loads(said.out)
    assert result["best_epoch"] == 1 and read_model(tmp_path / "m.gonogo").training["epochs"] == 1


@pytest.mark.parametrize("validation", [[], ["--validation", "0.2"]])
def test_a_training_with_steps_that_are_too_large_keeps_the_epochs_whose_scores_are_finite(
    castings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], validation: list[str]
) -> None:
    """The weights stay finite, the scores do not: with and without an epoch after the one where they overflow."""
    dense = '[[layers]]\ntype = "dense"\nunits = '
    (tmp_path / "net.toml").write_text(f'[[layers]]\ntype = "flatten"\n{dense}4\n{dense}4\n{dense}"classes"\n')
    out = tmp_path / "m.gonogo"
    options = ["--model", tmp_path / "net.toml", "--batch-size", "120", "--optimizer", "sgd", "--json", "--out", out]
    options += [*validation, "--learning-rate", "1e5", "--epochs"]
    assert main(["train", *map(str, [castings, *options, 9])]) == 0
    said = capsys.readouterr()
    assert "is not finite; lower the learning rate" in said.err
    assert "the best weights until then are kept\n" in said.err
    completed = json.loads(said.out)["epochs"]
    assert completed == read_model(out).training["epochs"] < 9
    kept = read_model(out).core.model_sha256
    assert main(["train", *map(str, [castings, *options, completed + 1])]) == 0
    assert "is not finite; lower the learning rate" in capsys.readouterr().err
    assert read_model(out).core.model_sha256 == kept


def test_weights_that_grow_beyond_numbers_name_the_learning_rate(
    run_gonogo: Run, castings: Path, fast: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "m.gonogo"
    options = ["--epochs", "2", "--optimizer", "sgd", "--learning-rate", "1e20"]
    failed = run_gonogo("train", castings, *fast, *options, "--out", out, exit_code=2)
    assert "learning_rate=1e+20" in failed.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file(
    run_gonogo: Run, castings: Path, fast: list[str], tmp_path: Path, unmeasured: dict[str, str]
) -> None:
    out = tmp_path / "m.gonogo"
    out.write_bytes(b"the old one")

    def allow_one_kilobyte() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

    options = {"exit_code": 1, "preexec_fn": allow_one_kilobyte, "env": unmeasured}
    failed = run_gonogo("train", castings, *fast, "--out", out, "--quiet", **options)
    assert failed.stderr.startswith(f"gonogo train: {out}: cannot be written: ")
    assert failed.stderr.count("\n") == 1
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("m.gonogo", b"the old one")]


def interrupted(
    command: list[str | Path], signal_after: str, tmp_path: Path, arguments: list[str]
) -> tuple[int, str, str]:
    """Send SIGINT as soon as a line with ``signal_after`` appears on standard error."""
    program = [str(Path(sys.executable).with_name("gonogo")), *map(str, command), *arguments]
    lines = []
    with (
        (tmp_path / "stdout").open("w") as stdout,
        subprocess.Popen(program, stdout=stdout, stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if signal_after in line:
                process.send_signal(signal.SIGINT)
                break
        lines.append(process.stderr.read())
    return process.returncode, (tmp_path / "stdout").read_text(), "".join(lines)


@pytest.mark.parametrize("validation", [[], ["--validation", "0.2"]], ids=["alone", "validated"])
def test_an_interrupted_training_leaves_a_usable_model(
    gonogo_json: Json,
    castings: Path,
    small_net: Path,
    tmp_path: Path,
    instruction_set_arguments: list[str],
    validation: list[str],
) -> None:
    out = tmp_path / "m.gonogo"
    command: list[str | Path] = [
        "train",
        castings,
        "--model",
        small_net,
        "--epochs",
        "1000000",
        "--out",
        out,
        *validation,
    ]
    code, _, told = interrupted(command, "epoch 1/", tmp_path, instruction_set_arguments)
    assert code == 130, told
    assert "interrupted" in told
    assert "Traceback" not in told
    assert gonogo_json("info", out)["training"]["epochs"] >= 1
    assert gonogo_json("evaluate", out, castings)["n"] == 120


def test_an_interrupt_before_the_end_of_an_epoch_leaves_no_file(
    castings: Path, small_net: Path, tmp_path: Path, instruction_set_arguments: list[str]
) -> None:
    out = tmp_path / "out" / "m.gonogo"
    out.parent.mkdir()
    # One endless epoch: a picture a step, and a net that needs long for it.
    large = tmp_path / "large.toml"
    large.write_text(small_net.read_text().replace("filters = 4", "filters = 512").replace("stride = 2", "stride = 1"))
    command: list[str | Path] = ["train", castings, "--model", large, "--batch-size", "1", "--image-size", "512", "512"]
    code, stdout, told = interrupted([*command, "--out", out], "training large", tmp_path, instruction_set_arguments)
    assert code == 130, told
    assert stdout == ""
    assert "interrupted" in told.splitlines()[-1]
    assert list(out.parent.iterdir()) == []


def test_two_trainings_need_no_terminal_and_no_home(
    run_gonogo: Run, castings: Path, fast: list[str], tmp_path: Path
) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "TERM")}
    run_gonogo("train", castings, *fast, "--out", tmp_path / "m.gonogo", env={**environment, "LC_ALL": "C"})


def test_validation_pictures_give_the_probabilities_a_temperature(
    gonogo_json: Json, run_gonogo: Run, castings: Path, small_net: Path, tmp_path: Path
) -> None:
    out, plain = tmp_path / "m.gonogo", tmp_path / "plain.gonogo"
    options = ["--model", small_net, "--epochs", "20", "--learning-rate", "0.005", "--batch-size", "16", "--seed", "3"]
    options += [*groups_of(castings), "--validation", "0.4"]
    shares = ["--shares", "ok_front=0.9,def_front=0.1"]
    made = gonogo_json("train", castings, *options, *shares, "--out", out)["temperature"]
    assert made["shares"] == {"ok_front": 0.9, "def_front": 0.1}
    assert made["loss"] < made["loss_before"]
    assert made["parts"] < made["pictures"]
    assert gonogo_json("info", out)["temperature"] == made
    assert re.search(rf"^temperature +{made['t']:.4g}, from ", run_gonogo("info", out).stdout, re.MULTILINE)
    left = gonogo_json("train", castings, *options, "--no-temperature", "--out", plain)
    assert left["temperature"] is None
    assert left["temperature_refused"] is None
    picture = min((castings / "ok_front").iterdir())
    one, other = (gonogo_json("predict", path, picture)["rows"][0] for path in (out, plain))
    assert one["label"] == other["label"]
    assert one["probabilities"]["ok_front"] > other["probabilities"]["ok_front"]


def test_a_training_is_kept_where_no_temperature_can_be_found(
    gonogo_json: Json, castings: Path, fast: list[str], tmp_path: Path
) -> None:
    labels = tmp_path / "wrong.csv"
    names = sorted(path.relative_to(castings).as_posix() for path in castings.glob("*/*.png"))
    wrong = {"ok_front": "def_front", "def_front": "ok_front"}
    rows = [f"{castings}/{name},{wrong[name.split('/')[0]]}" for name in names]
    labels.write_text("\n".join(["path,label", *rows]) + "\n")
    options = ["--model", fast[1], "--epochs", "20", "--learning-rate", "0.005", "--validation", labels]
    found = gonogo_json("train", castings, *options, "--out", tmp_path / "m.gonogo")
    assert found["temperature"] is None
    assert "no better than chance" in found["temperature_refused"]
    assert (tmp_path / "m.gonogo").is_file()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--shares", "ok_front=0.9,def_front=0.1"], "--shares: needs a temperature"),
        (["--shares", "ok_front=0.9,def_front=0.2", "--validation", "0.2"], "--shares: found a sum of 1.1, expected 1"),
        (["--shares", "ok=0.9,def_front=0.1", "--validation", "0.2"], "expected a number for each of the classes"),
        (
            ["--shares", "ok_front=1,def_front=0", "--validation", "0.2", "--no-temperature"],
            "--shares: needs a temperature",
        ),
    ],
)
def test_shares_that_make_no_sense_are_refused_before_the_training(
    run_gonogo: Run, castings: Path, fast: list[str], tmp_path: Path, options: list[str], what: str
) -> None:
    completed = run_gonogo("train", castings, *fast, *options, "--out", tmp_path / "m.gonogo", exit_code=2)
    assert what in completed.stderr
    assert "epoch" not in completed.stderr
