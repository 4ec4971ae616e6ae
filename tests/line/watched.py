"""``gonogo sort --watch`` in a child of this process, and, as a program, such a one that starts on a full disk.

Usage: python -m line.watched MODEL FOLDER LOG, FOLDER on a small disk of its own.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from gonogo.cli import main as gonogo
from gonogo.line import waiting
from line.commands import FAST, picture
from line.real_line import RealLine, files

_NOBODY = 65534


@contextmanager
def watching(
    model: Path, line: RealLine, log: Path, *options: str, without_rights: bool = False
) -> Iterator[Callable[[Callable[[], bool]], None]]:
    """Yield a way to wait for what the sorter does; it waits shorter than usual, and its words go to ``log``."""
    arguments = [
        "sort",
        model,
        line.inbox,
        line.out,
        "--watch",
        *FAST,
        "--frozen-after",
        "0",
        "--threads",
        "1",
        *options,
    ]
    child = os.fork()
    if child == 0:
        code = 1
        try:
            waiting._LEAST, waiting._PAUSE = 0.0, 0.01
            sys.stderr = log.open("w", buffering=1)
            if without_rights and os.getuid() == 0:
                os.setuid(_NOBODY)
            code = gonogo([*map(str, arguments), "--json"])
        finally:
            os._exit(code)

    def until(condition: Callable[[], bool]) -> None:
        while not condition():
            assert os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None, log.read_text()
            time.sleep(0.01)

    try:
        yield until
    finally:
        os.kill(child, signal.SIGTERM)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 0, log.read_text()


def main() -> None:
    """Start without any room, make room, and wait until all is sorted."""
    model, folder, log = map(Path, sys.argv[1:])
    line, draw, ballast = RealLine(folder / "in", folder / "out"), np.random.default_rng(1), folder / "ballast"
    line.is_good = lambda _: True
    for number in range(3):
        line.bring(f"{number}.png", picture(draw, 120))
    disk = os.statvfs(folder)
    ballast.write_bytes(bytes(disk.f_bavail * disk.f_frsize))
    with watching(model, line, log, "--reserve-mb", "1") as until:
        until(lambda: log.exists() and "waiting for it" in log.read_text())
        ballast.unlink()
        until(lambda: len(files(line.out / "ok")) == 3)
    assert line.violations() == [], line.violations()
    print(log.read_text())


if __name__ == "__main__":
    main()
