"""Wrong use and bad input: one clear line, the right exit code, nothing half-written, no traceback."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import gonogo
from gonogo.cli import main
from gonogo.cli.configuration import apply_configuration
from gonogo.cli.failures import FAILED, exit_code, one_line
from gonogo.cli.inspect import _pictures_below

Run = Callable[..., subprocess.CompletedProcess[str]]


def refused(run_gonogo: Run, *arguments: str | Path, exit_code: int = 2, **options: object) -> str:
    """Run a command that must fail and return its one line."""
    failed = run_gonogo(*arguments, exit_code=exit_code, **options)
    assert failed.stdout == ""
    assert "Traceback" not in failed.stderr
    *remarks, line = failed.stderr.splitlines()
    assert line.startswith(f"gonogo {arguments[0]}: "), failed.stderr
    assert not any(remark.startswith("gonogo") for remark in remarks)
    return line


@pytest.fixture
def pictures(castings: Path, tmp_path: Path) -> Path:
    """Two classes of two pictures each, to be spoiled."""
    root = tmp_path / "pictures"
    for label in ("def_front", "ok_front"):
        (root / label).mkdir(parents=True)
        for path in sorted((castings / label).iterdir())[:2]:
            shutil.copy(path, root / label)
    return root


def spoil_nothing_there(root: Path) -> None:
    shutil.rmtree(root)


def spoil_is_a_file(root: Path) -> None:
    shutil.rmtree(root)
    root.write_text("no folder")


def spoil_empty(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def spoil_no_class_folders(root: Path) -> None:
    for path in root.glob("*/*"):
        path.rename(root / path.name)
    for path in root.iterdir():
        if path.is_dir():
            path.rmdir()


def spoil_one_class(root: Path) -> None:
    shutil.rmtree(root / "def_front")


def spoil_empty_class(root: Path) -> None:
    (root / "scrap").mkdir()


def spoil_zero_bytes(root: Path) -> None:
    (root / "ok_front" / "a.png").touch()


def spoil_truncated(root: Path) -> None:
    path = min((root / "ok_front").iterdir())
    path.write_bytes(path.read_bytes()[:-30])


def spoil_text_named_png(root: Path) -> None:
    (root / "ok_front" / "a.png").write_text("hello")


def spoil_picture_named_txt(root: Path) -> None:
    path = min((root / "ok_front").iterdir())
    path.rename(path.with_suffix(".txt"))


def spoil_folder_named_png(root: Path) -> None:
    (root / "ok_front" / "a.png").mkdir()


def spoil_dangling_link(root: Path) -> None:
    (root / "ok_front" / "a.png").symlink_to("nowhere.png")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (spoil_nothing_there, "pictures: no such folder"),
        (spoil_is_a_file, "pictures: is not a folder"),
        (spoil_empty, "pictures: found no folder, expected one folder of pictures per class"),
        (spoil_no_class_folders, "pictures: found pictures but no folder"),
        (spoil_one_class, "found only the class 'ok_front', expected at least two"),
        (spoil_empty_class, "scrap: found no picture of this class"),
        (spoil_zero_bytes, "a.png: the file is empty (0 bytes)"),
        (spoil_truncated, ".png: PNG"),
        (spoil_text_named_png, "a.png: the content is no picture format known here"),
        (spoil_picture_named_txt, ".txt: found the ending '.txt'"),
        (spoil_folder_named_png, "a.png: found a folder among pictures"),
        (spoil_dangling_link, "a.png: "),
    ],
)
def test_bad_data_is_named(
    run_gonogo: Run, pictures: Path, small_net: Path, spoil: Callable[[Path], None], complaint: str
) -> None:
    spoil(pictures)
    out = pictures.with_name("m.gonogo")
    line = refused(run_gonogo, "train", pictures, "--model", small_net, "--epochs", "1", "--out", out)
    assert complaint in line
    assert not out.exists()


def test_pictures_of_several_sizes_need_a_size(run_gonogo: Run, pictures: Path, small_net: Path) -> None:
    run_gonogo("synth", "--out", pictures.with_name("other"), "--n", "4", "--size", "40", "50")
    other = min(pictures.with_name("other").glob("ok_front/*"))
    other.rename(pictures / "ok_front" / "z.png")
    arguments = ["train", pictures, "--model", small_net, "--epochs", "1", "--out", pictures.with_name("m.gonogo")]
    line = refused(run_gonogo, *arguments)
    assert "64x64" in line
    assert "40x50" in line
    assert "--image-size" in line
    run_gonogo(*arguments, "--image-size", "64", "64")


def test_bad_files_can_be_skipped_and_are_listed(run_gonogo: Run, pictures: Path, small_net: Path) -> None:
    for number in range(12):
        (pictures / "ok_front" / f"{number}a.png").touch()
    arguments = ["train", pictures, "--model", small_net, "--epochs", "1", "--out", pictures.with_name("m.gonogo")]
    completed = run_gonogo(*arguments, "--on-bad", "skip", "--json")
    assert '"bad_files": 12' in completed.stdout
    assert completed.stderr.count("a.png: the file is empty") == 10
    assert "left out: 2 more bad files\n" in completed.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--learning-rate", "nan"], "--learning-rate: found 'nan', expected a finite number above 0"),
        (["--learning-rate", "inf"], "--learning-rate: found 'inf'"),
        (["--learning-rate", "fast"], "--learning-rate: found 'fast'"),
        (["--epochs", "-3"], "--epochs: found '-3', expected a whole number of at least 1"),
        (["--epochs", "2.5"], "--epochs: found '2.5'"),
        (["--batch-size", "0"], "--batch-size: found '0'"),
        (["--threads", "0"], "--threads: found '0'"),
        (["--threads", "257"], "--threads: found '257', expected a whole number from 1 to 256"),
        (["--seed", "-1"], "--seed: found '-1'"),
        (["--model", "resnet"], "--model: found 'resnet', expected one of casting_cnn"),
        (["--model", "none.toml"], "--model: the file none.toml does not exist"),
        (["--model-param", "dropout"], "--model-param: found 'dropout', expected NAME=VALUE"),
        (["--model-param", "drop=0.1"], "--model-param: 'small' has no parameter 'drop'; it has: dropout"),
        (["--classes", "ok_front", "scrap"], "no folder 'scrap'"),
        (["--pass-label", "fine"], "--pass-label: the class 'fine' is unknown"),
        (["--class-weight", "fine=2"], "--class-weight: the class 'fine' is unknown"),
        (["--class-weight", "even"], "--class-weight: found 'even', expected NAME=VALUE"),
        (["--class-weight", "ok_front=nan"], "--class-weight: found 'nan' for 'ok_front'"),
        (["--optimizer", "newton"], "--optimizer: found 'newton', expected one of sgd"),
        (["--optimizer", "sgd,momentun=0.9"], "--optimizer: unknown key 'momentun'"),
        (["--schedule", "sawtooth"], "--schedule: found 'sawtooth'"),
        (["--schedule", "cosine,speed=1"], "--schedule: unknown key 'speed'"),
        (["--augment", "steel"], "--augment: found 'steel', expected one of casting, none or a TOML file"),
        (["--augment", "none.toml"], "--augment: none.toml: No such file"),
        (["--preprocess", "none.toml"], "--preprocess: none.toml: No such file"),
        (["--classes", "ok_front=a", "ok_front=b"], "--classes: a folder is named twice, expected each once"),
        (["--validation", "1.5"], "--validation: found the share 1.5"),
        (["--validation", "later"], "--validation: found 'later', expected a share such as 0.2"),
        (["--patience", "3"], "--patience: needs validation pictures"),
        (["--split", "none.csv"], "none.csv: no such file"),
        (["--subset", "train"], "--subset: given without --split"),
        (["--groups", "none.csv"], "none.csv: no such file"),
        (["--image-size", "0", "5"], "--image-size: found '0'"),
        (["--image-size", "5", "16385"], "--image-size: found '16385', expected a whole number from 1 to 16384"),
        (["--color-mode", "purple"], "--color-mode: invalid choice: 'purple'"),
        (["--precision", "bfloat16"], "unknown argument '--precision'"),
        (["--epoch", "3"], "unknown argument '--epoch'"),
        (["--instruction-set", "neon"], "--instruction-set: invalid choice: 'neon'"),
    ],
)
def test_a_wrong_option_is_named(
    castings: Path,
    small_net: Path,
    tmp_path: Path,
    options: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    model = [] if "--model" in options else ["--model", str(small_net)]
    try:
        code = main(["train", str(castings), *model, "--out", "m.gonogo", *options])
    except SystemExit as ended:  # argparse
        code = int(str(ended.code))
    *remarks, line = capsys.readouterr().err.splitlines()
    assert (code, line.startswith("gonogo train: "), complaint in line) == (2, True, True), line
    assert not any(remark.startswith(("gonogo", "Traceback")) for remark in remarks)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("out", "complaint", "exit_code"),
    [
        ("missing/m.gonogo", "--out: the folder missing does not exist", 2),
        (".", "--out: . is a folder", 2),
        ("pipe", "--out: pipe is a device or pipe", 2),
        # Nobody can make a file there, not even root.
        ("/proc/m.gonogo", "/proc/m.gonogo: cannot be written", 1),
    ],
)
def test_an_output_that_cannot_be_written_is_named_before_the_work(
    run_gonogo: Run, castings: Path, tmp_path: Path, out: str, complaint: str, exit_code: int
) -> None:
    os.mkfifo(tmp_path / "pipe")
    failed = run_gonogo("train", castings, "--epochs", "1000000", "--out", out, exit_code=exit_code, cwd=tmp_path)
    assert failed.stderr.startswith(f"gonogo train: {complaint}")
    assert failed.stderr.count("\n") == 1


def test_train_needs_an_output(run_gonogo: Run, castings: Path) -> None:
    assert "--out: missing" in refused(run_gonogo, "train", castings)


def test_debug_shows_the_traceback(run_gonogo: Run, tmp_path: Path) -> None:
    failed = run_gonogo("train", tmp_path, "--out", tmp_path / "m.gonogo", "--debug", exit_code=2)
    assert "Traceback" in failed.stderr


@pytest.mark.parametrize("command", ["locate", "trian", ""])
def test_an_unknown_command_is_refused(run_gonogo: Run, command: str) -> None:
    failed = run_gonogo(command, exit_code=2)
    assert failed.stderr.startswith(f"gonogo: COMMAND: invalid choice: '{command}'")
    assert failed.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        *("demo", "synth", "split", "train", "evaluate", "compare", "predict", "info", "inspect", "selftest"),
        *("cross-validate", "label", "relabel", "review", "dashboard", "sort"),
        *("verify", "recover", "replay", "archive", "stream", "mqtt"),
    ],
)
def test_help_teaches_with_examples(run_gonogo: Run, command: str) -> None:
    text = run_gonogo(command, "--help").stdout
    assert text.startswith(f"usage: gonogo {command} ")
    assert f"examples:\n  gonogo {command}" in text
    assert "--json" in text


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["demo"],
        ["synth"],
        ["split"],
        ["train"],
        ["evaluate"],
        ["compare"],
        ["predict"],
        ["info"],
        ["inspect"],
        ["selftest"],
    ],
)
def test_help_fits_a_terminal_of_80_columns(
    run_gonogo: Run, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = run_gonogo(*command, "--help").stdout
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_help_of_evaluate_says_that_the_model_decides_about_pictures(run_gonogo: Run) -> None:
    text = " ".join(run_gonogo("evaluate", "--help").stdout.split())
    assert "height and width that pictures are brought to (default: those of the model)" in text


def test_the_version_is_that_of_the_package() -> None:
    command = [sys.executable, "-m", "gonogo", "--version"]
    completed = subprocess.run(command, check=True, capture_output=True, text=True)
    assert completed.stdout == f"gonogo {gonogo.__version__}\n"


def test_a_split_that_cannot_be_is_refused_before_any_picture_is_read(tmp_path: Path, run_gonogo: Run) -> None:
    """No picture is there to be read: the complaint is about the options all the same."""
    data, out = tmp_path / "nothing", tmp_path / "split.csv"
    refused = run_gonogo("split", data, "--fractions", "a=.5,b=.6", "--out", out, exit_code=2)
    assert "--fractions: found a sum of 1.1, expected 1" in refused.stderr
    refused = run_gonogo("split", data, "--fractions", "a=.5,b=.5", "--by", "group", "--out", out, exit_code=2)
    assert "--by: found 'group'" in refused.stderr
    assert "give --groups" in refused.stderr


def test_one_file_is_not_called_files(castings: Path, model: Path, tmp_path: Path, run_gonogo: Run) -> None:
    picture = next((castings / "ok_front").iterdir())
    assert run_gonogo("inspect", picture).stderr.startswith("1 file: 1 ok")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    assert "1 of 1 file is bad" in run_gonogo("inspect", bad, exit_code=5).stderr
    assert "1 of 1 file could not be classified" in run_gonogo("predict", model, bad, exit_code=2).stderr


def test_an_error_that_nobody_foresaw_is_one_line_and_a_failure() -> None:
    error = RuntimeError("the core\nis odd")
    said = one_line(error, argparse.ArgumentParser())
    assert said == "RuntimeError: the core is odd; run again with --debug for the whole story"
    assert exit_code(error) == FAILED


def test_an_interrupt_before_a_command_begins_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gonogo.cli.build_parser", lambda: signal.raise_signal(signal.SIGINT))
    assert main(["synth"]) == 130
    assert capsys.readouterr().err == "gonogo: interrupted\n"


@pytest.mark.parametrize("command", ["synth", "demo"])
def test_a_file_is_no_folder_to_fill(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    assert main([command, "--out", str(tmp_path / "mine.txt")]) == 2
    assert f"gonogo {command}: --out: {tmp_path / 'mine.txt'} is a file, expected a folder" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_a_folder_that_went_away_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        _pictures_below(tmp_path / "gone")
    assert one_line(raised.value, argparse.ArgumentParser()) == f"{tmp_path / 'gone'}: no such file or directory"


def configured(tmp_path: Path, text: str) -> argparse.Namespace:
    """What a command would be given by a configuration file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--class-weight")
    parser.add_argument("--model-param", action="append")
    (tmp_path / "recipe.toml").write_text(text)
    apply_configuration(parser, tmp_path / "recipe.toml")
    return parser.parse_args([])


def test_a_table_in_a_configuration_file_stands_for_values_by_name(tmp_path: Path) -> None:
    found = configured(tmp_path, "class-weight = {ok = 2, bad = 0.5}\nmodel-param = {dropout = 0.2, wide = true}\n")
    assert (found.class_weight, found.model_param) == ("ok=2,bad=0.5", ["dropout=0.2", "wide=true"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("epochs = [1, 2]", r"recipe\.toml: epochs: found \[1, 2\], expected one value"),
        ("epochs = 1979-05-27", r"recipe\.toml: epochs: found datetime\.date\(.*\), expected text or a number"),
    ],
)
def test_a_value_of_another_kind_in_a_configuration_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        configured(tmp_path, text)
