"""How a watching line is woken, waits and is stopped, with real commands; nothing is left half done."""

from __future__ import annotations

import importlib.util
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from line.commands import FAST, make_models, picture
from line.real_line import RealLine, digest, files

from gonogo.line.files import LocalDisk
from gonogo.line.verify import verify
from gonogo.line.waking import WakefulClock


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("watching"))["gated"]


ALL = 160  # pictures


class Command:
    """``gonogo sort`` at work, and its inbox."""

    def __init__(self, folder: Path, model: Path, *options: str) -> None:
        self.line, self.draw = RealLine(folder / "in", folder / "out"), np.random.default_rng(3)
        self.line.is_good = lambda _: True
        program = str(Path(sys.executable).with_name("gonogo"))
        self.command = [program, "sort", str(model), str(self.line.inbox), str(self.line.out), *FAST, *options]
        self.command += ["--threads", "1", "--json"]

    def bring(self, count: int) -> None:
        for _ in range(count):
            data = picture(self.draw, 120)
            self.line.bring(f"{digest(data)[:20]}.png", data)

    @contextmanager
    def start(self) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
            try:
                yield program
            finally:
                program.kill()

    def sorted(self) -> int:
        return len(list((self.line.out / "ok").iterdir())) if (self.line.out / "ok").exists() else 0

    def waiting(self) -> int:
        return len(list(self.line.inbox.iterdir()))


def until(condition: Callable[[], bool], program: subprocess.Popen[str]) -> None:
    """Wait for something that a running program does."""
    while not condition():
        assert program.poll() is None, program.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("way", "number", "exit_code"),
    [
        ("--watch", signal.SIGTERM, 0),
        ("--once", signal.SIGTERM, 0),
        ("--watch", signal.SIGINT, 130),
    ],
)
def test_a_signal_finishes_the_batch_in_hand(way: str, number: int, exit_code: int, model: Path, memory: Path) -> None:
    command = Command(memory, model, way, "--batch", "2", "--frozen-after", "0")
    command.bring(ALL)
    with command.start() as program:
        until(lambda: command.sorted() >= 4, program)
        program.send_signal(number)
        out, error = program.communicate()
    assert program.returncode == exit_code, error
    result = json.loads(out)
    assert result["sorted"] == command.sorted()
    assert 4 <= result["sorted"] < ALL, "it went on, or had finished before"
    report = verify(command.line.out, LocalDisk())
    assert (report["problems"], report["pictures"]) == (0, result["sorted"]), report["rows"]
    assert files(command.line.out / "work") == []
    assert command.waiting() == ALL - result["sorted"]
    with command.start() as program:
        if way == "--watch":
            until(lambda: not command.waiting(), program)
            program.terminate()
        program.communicate()
    assert program.returncode == 0
    assert command.line.violations() == []


def test_a_watching_line_waits_for_its_inbox_and_for_pictures(model: Path, memory: Path) -> None:
    command = Command(memory, model, "--watch")
    shutil.rmtree(command.line.inbox)
    told: list[str] = []

    def complaints() -> int:
        return sum("the inbox is not there; waiting for it" in line for line in told)

    with command.start() as program:
        assert program.stderr is not None
        reading = threading.Thread(target=lambda: told.extend(program.stderr or ()))
        reading.start()
        for count in (3, 6):
            until(lambda count=count: complaints() == count // 3, program)  # type: ignore[misc]
            command.line.inbox.mkdir()
            command.bring(3)
            until(lambda count=count: command.sorted() == count and not command.waiting(), program)  # type: ignore[misc]
            if count == 3:
                command.line.inbox.rmdir()
        program.terminate()
        reading.join()
    assert program.returncode == 0
    assert complaints() == 2, told
    assert command.line.violations() == []


@pytest.mark.parametrize("place", ["inbox", "nothing"])
@pytest.mark.parametrize("installed", [True, False])
def test_a_pause_ends_with_a_picture_or_with_its_time(
    place: str, installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert importlib.util.find_spec("watchfiles"), "watchfiles is not installed; run make setup"
    (tmp_path / "inbox").mkdir()
    clock = WakefulClock(tmp_path / place)
    if not installed:
        monkeypatch.setitem(sys.modules, "watchfiles", None)
    for seconds in (0.0, 0.01, 0.1, 0.1):
        began = clock.steady()
        clock.sleep(seconds)
        assert clock.steady() - began >= 0.9 * seconds, "nothing came"
    if not installed or place == "nothing":
        return
    stop, number = threading.Event(), 0

    def come() -> None:
        nonlocal number
        while not stop.wait(0.05):
            number += 1
            (tmp_path / "inbox" / f"{number}.png").write_bytes(b"x")

    bringing = threading.Thread(target=come)
    bringing.start()
    try:
        began = clock.steady()
        clock.sleep(600)
        assert clock.steady() - began < 500, "it was not woken"
    finally:
        stop.set()
        bringing.join()
