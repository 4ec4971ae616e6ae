"""Progress on standard error, with tqdm and without."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gonogo import progress
from gonogo.progress import TrainingProgress, open_progress, wants_progress

PROGRAM = """
import sys
if "plain" in sys.argv:
    sys.modules["tqdm"] = None
import numpy as np
from gonogo import Callback, InspectionClassifier, layers
class Interrupt(Callback):
    def on_train_batch_end(self, batch, logs):
        if self.model.step.count == 5:
            raise KeyboardInterrupt
X = np.random.default_rng(0).normal(size=(40, 3))
clf = InspectionClassifier([layers.dense("classes")], epochs=2, batch_size=16, verbose="auto" not in sys.argv or "auto")
try:
    clf.fit(X, np.arange(40) % 2, validation_data=(X, np.arange(40) % 2), callbacks=[Interrupt()] if "stop" in sys.argv else [])
except KeyboardInterrupt:
    print("interrupted")
"""
FIGURES = r"loss \d\.\d{4}, accuracy \d\.\d{4}, validation loss \d\.\d{4}, accuracy \d\.\d{4}"


def output(*arguments: str, folder: Path) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], check=True, capture_output=True, text=True, cwd=folder
    )
    return done.stdout, done.stderr


def test_without_tqdm_each_epoch_is_a_line(tmp_path: Path) -> None:
    out, err = output("plain", folder=tmp_path)
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(rf"epoch 2/2: 40/40, [\d,]+ images/s, {FIGURES}", lines[1])


def test_with_tqdm_each_epoch_is_a_bar(tmp_path: Path) -> None:
    out, err = output(folder=tmp_path)
    assert out == ""
    last = re.split("[\r\n]", err.strip())[-1]
    assert re.fullmatch(rf"epoch 2/2 \S+ 40/40, [\d,]+ images/s, {FIGURES}", last.strip())


@pytest.mark.parametrize("how", ["plain", "bar"])
def test_an_interrupt_ends_the_line(tmp_path: Path, how: str) -> None:
    out, err = output(how, "stop", folder=tmp_path)
    assert out == "interrupted\n"
    assert err.endswith("\n")
    assert "32/40" in err.splitlines()[-1]


def test_a_pipe_is_not_bothered(tmp_path: Path) -> None:
    assert output("auto", folder=tmp_path) == ("", "")


def read_terminal(descriptor: int) -> str:
    """Part of what the other side wrote, or nothing when that is closed and all was read."""
    try:
        return os.read(descriptor, 65536).decode()
    except OSError:
        return ""


def test_a_line_in_a_terminal_is_written_over_a_few_times_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 0.1, 0.15, 0.4, 0.5, 0.55])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    line = open_progress("reading", 6)
    for _ in range(5):
        line.update(1, "")
    line.close("done")
    shown = capsys.readouterr().err.split("\r\x1b[K")
    assert [text.split(",")[0] for text in shown] == ["", "reading: 3/6", "reading: 5/6"]
    assert shown[-1].endswith("images/s, done\n")


def test_a_terminal_is_written_over(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", PROGRAM, "plain", "auto"]
    subprocess.run(command, check=True, stderr=theirs, cwd=tmp_path)
    os.close(theirs)
    shown = "".join(iter(lambda: read_terminal(ours), ""))
    os.close(ours)
    assert shown.startswith("\r\x1b[Kepoch 1/2: ")
    assert shown.count("\n") == 2


@pytest.mark.parametrize(("verbose", "wanted"), [(True, True), (1, True), (False, False), (0, False)])
def test_progress_is_shown_when_asked(verbose: bool, wanted: bool) -> None:
    assert wants_progress(verbose) is wanted


def test_the_time_of_a_validation_does_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    progress = open_progress("reading", 10)
    progress.update(10, "")
    last = progress.last
    while time.monotonic() < last + 0.01:
        pass
    before = progress.text("")
    progress.close("done")
    assert progress.text("") == before
    assert "reading" in capsys.readouterr().err
    TrainingProgress().close()
