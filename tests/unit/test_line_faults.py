"""Each call of a sorter fails, once, or is its last; the next start finishes, and no picture is lost, doubled or overwritten."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from line.commands import make_models, picture
from line.real_line import RealLine

ROOT = Path(__file__).resolve().parents[2]
FEW, ALL = 320, 0
AT_ONCE = len(os.sched_getaffinity(0))  # processes side by side
OURS = {"renameat2", "syncfs-folder", "fsync-folder", "mkdir", "rmdir", "unlink", "write", "read"}
OF_SQLITE = {"pwrite64", "pread64", "fdatasync", "ftruncate64", "open64"}
KINDS = {"kill before", "kill after", "half", "EACCES", "EINTR", "EIO", "ENOSPC", "EXDEV"}


@pytest.fixture(scope="session")
def shim(compile_c: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that lets calls fail."""
    library = tmp_path_factory.mktemp("shim") / "faults.so"
    options = ("-Wshadow", "-Wconversion", "-fno-sanitize=all", "-shared", "-ldl")
    compile_c(ROOT / "tests" / "line" / "faults.c", library, *options)
    return library


@pytest.mark.soak
def test_a_call_that_fails_loses_nothing(
    shim: Path,
    memory: Path,
    tmp_path: Path,
    often: Callable[[int, int], int],
    report_figure: Callable[[str, object], None],
) -> None:
    began, programs = time.monotonic(), []
    preloaded = " ".join(filter(None, [os.environ.get("LD_PRELOAD"), str(shim)]))
    for part in range(AT_ONCE):
        folders = [memory / str(part), tmp_path / str(part)]
        for folder in folders:
            folder.mkdir()
        command = [sys.executable, "-m", "line.faulty", *map(str, (often(FEW, ALL), 1, part, AT_ONCE, *folders))]
        programs.append(
            subprocess.Popen(
                command,
                cwd=ROOT / "tests",
                env={**os.environ, "LD_PRELOAD": preloaded},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    found = [json.loads(program.communicate()[0]) for program in programs]
    assert [problem for one in found for problem in one["problems"]] == []
    assert len({one["possible"] for one in found}) == 1
    possible, met = found[0]["possible"], sum((Counter(one["met"]) for one in found), Counter[str]())
    assert set(found[0]["names"]) >= OURS | OF_SQLITE
    assert set(met) == KINDS
    runs = met.total()
    assert runs >= 0.9 * (often(FEW, ALL) or possible)
    report_figure(
        "calls that failed",
        f"{runs:,} of {possible:,} (each call of 18 lives x each fault), 0 pictures lost, doubled or overwritten; "
        f"{time.monotonic() - began:.0f} s",
    )


# Call, fault as strace says it, exit code. Of fdatasync only those of SQLite's log: it looks at no failure of a folder.
INJECTED = [
    ("renameat2", "signal=KILL:when=2", -signal.SIGKILL),
    ("renameat2", "error=EIO:when=3", 1),
    ("syncfs", "error=EIO:when=1", 3),
    ("fdatasync", "error=EIO:when=2", 3),
    ("pwrite64", "error=ENOSPC:when=30", 1),
    ("fsync", "error=EIO:when=1", 3),
]


@pytest.mark.parametrize(("call", "fault", "exit_code"), INJECTED)
def test_what_another_program_lets_fail_loses_nothing(
    call: str, fault: str, exit_code: int, memory: Path, tmp_path: Path, not_run: Callable[[str], NoReturn]
) -> None:
    """The same with strace in place of the shim, as a check of the shim, and with the real command."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed; apt-get install strace")
    if subprocess.run(["strace", "-o", os.devnull, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        not_run("ptrace")
    model, draw = make_models(tmp_path)["gated"], np.random.default_rng(5)
    line, good = RealLine(memory / "in", memory / "out"), set[bytes]()
    line.is_good = good.__contains__
    for number in range(6):
        data = picture(draw, 120 * (number % 2))
        good |= {data} if number % 2 else set()
        line.bring(f"{number}.png", data)
    program = Path(sys.executable).with_name("gonogo")
    command = [program, "sort", model, line.inbox, line.out, "--settle-ms", "10", "--batch", "2", "--threads", "1"]
    watched = ["strace", "-f", "-qq", "-o", tmp_path / "calls", "-e", f"trace={call}", "-e", f"inject={call}:{fault}"]
    if call == "fdatasync":
        watched += ["-P", line.out / ".gonogo" / "journal.db-wal"]
    completed = subprocess.run([*watched, *command], capture_output=True, text=True, check=False)
    assert completed.returncode == exit_code, completed.stderr
    told = [text for text in completed.stderr.splitlines() if not text.startswith("journal: ")]  # its head, once a day
    assert len(told) == (exit_code > 0), completed.stderr
    subprocess.run(command, check=True, capture_output=True)
    assert line.violations() == []
