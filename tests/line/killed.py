"""Kills sorters at drawn moments of their lives and lets the next one finish: nothing may be lost, doubled or overwritten.

Usage: python -m line.killed KILLS SEED FOLDER OTHER, two folders on different file systems, FOLDER's best in memory. This process
loads everything once and starts no thread, so that a fork of it is a sorter within milliseconds. A kill that comes after the
sorter's end does not count.
Prints one JSON object: ``kills``, of those ``again`` during a recovery, ``left``: after how many there was something to recover,
``pictures`` and ``problems``.
"""

from __future__ import annotations

import gc
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from line.real_line import LinkingDisk, RealLine, ReservingDisk, UnsyncedDisk

KILLS_OF_ONE_OUTPUT = 4
RECOVERED = 10  # exit code
AGAIN = 0.5  # share of kills after which the next life is killed, too
ACROSS = 0.2  # share of outputs on another file system than their inbox
FROM_START = 0.2  # share of kills that may also meet a sorter while it starts
PARTS = {"part_pattern": r"(?P<part>[^_]+)_(?P<view>\w+)\.png", "views": 2, "batch": 4}
KINDS: list[dict[str, Any]] = [
    {"batch": 3},
    {"batch": 64},
    {"batch": 2, "subfolders": "day"},
    PARTS,
    {"batch": 3, "keeps": True},
]
DISKS = (UnsyncedDisk, UnsyncedDisk, UnsyncedDisk, LinkingDisk, ReservingDisk)
WORDS = (b"ok", b"ok", b"ok", b"bad", b"progressive", b"half", b"undecodable")


def end_of(child: int) -> int:
    """Wait for a child and return its exit code."""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, RECOVERED, -signal.SIGKILL), f"a sorter ended with {code}"
    return code


class Lives:
    """Starts sorters and kills them, counting from the start of a life or from its first look at the inbox.

    The lengths of both are learned: about one in ten kills comes too late.
    """

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.lengths = {True: 0.01, False: 0.01}

    def start(self, line: RealLine, begin: Callable[[], object] = lambda: None) -> int:
        """Return a child that sorts, and ends with 0, or with ``RECOVERED`` where a crash had left something to do."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _, recovered = line.once(begin)
                code = RECOVERED if any(recovered.values()) else 0
            finally:
                os._exit(code)
        return child

    def kill(self, line: RealLine, *, from_start: bool) -> bool:
        """Start a life and kill it at a drawn moment; False where it had ended before."""
        reading, writing = os.pipe()
        child = self.start(line, lambda: os.write(writing, b"!"))
        os.close(writing)
        if not from_start:
            os.read(reading, 1)
        time.sleep(self.draw.uniform(0, self.lengths[from_start]))
        os.kill(child, signal.SIGKILL)
        os.close(reading)
        code = end_of(child)
        self.lengths[from_start] *= 1.005 if code == -signal.SIGKILL else 0.95
        return code == -signal.SIGKILL


def bring(line: RealLine, draw: random.Random, first: int) -> int:
    """Bring some pictures: names that were there before, twins, damaged ones, parts of two views. Return their number."""
    count = draw.randint(4, 8)
    for number in range(first, first + count):
        content = number - 1 if draw.random() < 0.1 else number
        data = b"%b %d" % (draw.choice(WORDS), content) + b"." * draw.choice((0, 5_000))
        name = f"{draw.randint(0, 9)}.png" if line.configuration.views == 1 else f"{number // 2}_{number % 2}.png"
        if (line.inbox / name).exists():
            name = f"{number}_x.png"
        line.bring(name, data)
    return count


def main() -> None:
    """Kill, let live, look."""
    kills, draw = int(sys.argv[1]), random.Random(sys.argv[2])
    folders = [Path(name) for name in sys.argv[3:]]
    lives = Lives(draw)
    found: dict[str, Any] = {"kills": 0, "again": 0, "left": 0, "pictures": 0, "problems": []}
    gc.freeze()
    while found["kills"] < kills:
        kind = draw.choice(KINDS)
        home, away = folders[0] / "home", folders[1] / "away"
        across = draw.random() < ACROSS
        line = RealLine((away if across else home) / "in", home / "out", disk=draw.choice(DISKS)(), **kind)
        line.leave("ok/3.png", b"the plant's own")
        pictures = 0
        for _ in range(KILLS_OF_ONE_OUTPUT):
            pictures += bring(line, draw, pictures)
            if not lives.kill(line, from_start=draw.random() < FROM_START):
                continue
            found["kills"] += 1
            while draw.random() < AGAIN and lives.kill(line, from_start=True):
                found["kills"] += 1
                found["again"] += 1
            found["left"] += end_of(lives.start(line)) == RECOVERED
            found["problems"] += [f"{kind}, across {across}: {problem}" for problem in line.violations()]
        found["pictures"] += pictures
        for folder in (home, away):
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
