"""Sorters are killed at drawn moments; the next start finishes, and no picture is lost, doubled or overwritten."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from line.commands import make_models, picture
from line.real_line import RealLine

Often = Callable[[int, int], int]
Report = Callable[[str, object], None]
ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = len(os.sched_getaffinity(0))  # processes side by side
# Sanitizers look for faults of memory; every kind of moment to be killed at is met in a tenth of the kills.
SCALE = 10 if os.environ.get("GONOGO_SANITIZE") else 1


@pytest.mark.soak
def test_a_preloaded_sorter_that_is_killed_loses_nothing(
    memory: Path, tmp_path: Path, often: Often, report_figure: Report
) -> None:
    began, programs = time.monotonic(), []
    for number in range(AT_ONCE):
        folders = [memory / str(number), tmp_path / str(number)]
        for folder in folders:
            folder.mkdir()
        command = [
            sys.executable,
            "-m",
            "line.killed",
            str(math.ceil(often(2000 // SCALE, 10_000) / AT_ONCE)),
            str(number),
        ]
        programs.append(
            subprocess.Popen([*command, *map(str, folders)], cwd=ROOT / "tests", stdout=subprocess.PIPE, text=True)
        )
    found = [json.loads(program.communicate()[0]) for program in programs]
    assert [problem for one in found for problem in one["problems"]] == []
    kills, again, left, pictures = (sum(one[name] for one in found) for name in ("kills", "again", "left", "pictures"))
    assert kills >= often(2000 // SCALE, 10_000)
    assert left > kills / 20, "the kills hardly ever met a sorter at work"
    report_figure(
        "kills of a preloaded sorter",
        f"{kills:,}, {again:,} of them in a recovery, {left:,} times something was unfinished; of {pictures:,} pictures 0 "
        f"lost, doubled or overwritten; {time.monotonic() - began:.0f} s",
    )


class KilledCommands:
    """Runs ``gonogo sort`` on one inbox and kills it, mostly after it has begun to look at pictures."""

    def __init__(self, folder: Path, model: Path, seed: int) -> None:
        self.draw, self.pixels = random.Random(seed), np.random.default_rng(seed)
        self.line = RealLine(folder / "in", folder / "out")
        self.good: set[bytes] = set()
        self.line.is_good = self.good.__contains__
        self.line.leave("ok/1.png", b"the plant's own")
        options = ["--settle-ms", "10", "--max-wait", "0.05", "--batch", "2", "--frozen-after", "0", "--threads", "1"]
        program = str(Path(sys.executable).with_name("gonogo"))
        self.command = [program, "sort", str(model), str(self.line.inbox), str(self.line.out), *options]
        self.length = 0.2
        self.kills = 0

    def bring(self, count: int) -> None:
        """Good, bad and damaged pictures, some under names that are taken."""
        for number in range(count):
            kind = self.draw.choice(("good", "bad", "damaged"))
            data = picture(self.pixels, 120 if kind == "good" else 0)
            self.good |= {data} if kind == "good" else set()
            name = f"{number}.png" if self.draw.random() < 0.5 else f"{self.pixels.integers(1 << 40)}.png"
            if not (self.line.inbox / name).exists():
                self.line.bring(name, data[:-9] if kind == "damaged" else data)

    def written(self) -> int:
        """When the journal was written last; 0 where there is none."""
        log = self.line.out / ".gonogo" / "journal.db-wal"
        return log.stat().st_mtime_ns if log.exists() else 0

    def kill_one(self) -> None:
        """Run the command and kill it at a drawn moment after it has written into its journal."""
        before = self.written()
        with subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sorter:
            if self.draw.random() < 0.9:
                while sorter.poll() is None and self.written() == before:
                    time.sleep(0.005)
            time.sleep(self.draw.uniform(0, self.length))
            sorter.kill()
        assert sorter.returncode in (0, -signal.SIGKILL)
        self.kills += sorter.returncode != 0
        self.length *= 0.8 if sorter.returncode == 0 else 1.05

    def run(self, kills: int) -> list[str]:
        """Kill so often, let a life in between finish, and return what is wrong then."""
        problems = []
        while self.kills < kills:
            self.bring(10)
            self.kill_one()
            while self.draw.random() < 0.75:
                self.kill_one()
            subprocess.run(self.command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            problems += self.line.violations()
        return problems


@pytest.mark.soak
def test_a_command_that_is_killed_loses_nothing(
    memory: Path, tmp_path: Path, often: Often, report_figure: Report
) -> None:
    began, model = time.monotonic(), make_models(tmp_path)["gated"]
    lanes = [KilledCommands(memory / str(number), model, number) for number in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda lane: lane.run(math.ceil(often(40 // SCALE, 500) / AT_ONCE)), lanes))
    assert found == [[]] * AT_ONCE
    kills, pictures = sum(lane.kills for lane in lanes), sum(lane.line.brought.total() for lane in lanes)
    text = f"{kills:,}; of {pictures:,} pictures 0 lost, doubled or overwritten; {time.monotonic() - began:.0f} s"
    report_figure("kills of gonogo sort", text)
