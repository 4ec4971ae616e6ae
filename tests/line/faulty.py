"""Lets calls of a sorter fail, one at a time, and lets the next sorter finish: nothing may be lost, doubled or overwritten.

Usage: python -m line.faulty RUNS SEED PART PARTS FOLDER OTHER, with faults.c preloaded; FOLDER and OTHER are on different file
systems. Each run is one call of one kind of line with one fault; with fewer runs than there are, every name of a call and every
fault has its share. RUNS 0: all. Of these, this process takes every PARTS-th, from number PART. Prints one JSON object:
``possible``, ``met`` (fault -> runs), ``names`` of calls and ``problems``.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import random
import shutil
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.cli.failures import REFUSED, exit_code
from gonogo.errors import JournalError
from gonogo.line.disk import LockedError, SyncError
from line.real_line import LinkingDisk, RealLine, ReservingDisk

KILL_BEFORE, KILL_AFTER, FAIL, SHORTEN = 1, 2, 3, 4
# Not among them: SQLite's own of a folder (fdatasync-folder), whose failure it does not look at; gonogo does it once more.
SYNCS = ("fsync", "fsync-folder", "fdatasync", "syncfs-folder")
# Name of a call, or its beginning -> errors that it may have.
ERRORS = {
    **dict.fromkeys(("open", "mkdir"), (errno.EACCES, errno.EINTR, errno.EIO, errno.ENOSPC)),
    **dict.fromkeys(("read", "pread"), (errno.EINTR, errno.EIO)),
    **dict.fromkeys(("write", "pwrite", "ftruncate", "truncate"), (errno.EINTR, errno.EIO, errno.ENOSPC)),
    **dict.fromkeys(("fsync", "fdatasync", "syncfs"), (errno.EINTR, errno.EIO, errno.ENOSPC)),
    **dict.fromkeys(("rename", "link"), (errno.EACCES, errno.EINTR, errno.EIO, errno.ENOSPC, errno.EXDEV)),
    **dict.fromkeys(("unlink", "rmdir"), (errno.EACCES, errno.EINTR, errno.EIO)),
}
EXPECTED = (OSError, JournalError, LockedError, SyncError)
UNKNOWN = 99  # exit code of an error that nobody expects


@dataclass(frozen=True)
class Fault:
    """What happens to a call: ``kind`` and, of a failure, the number of the error."""

    kind: int
    error: int = 0

    def __str__(self) -> str:
        names = {KILL_BEFORE: "kill before", KILL_AFTER: "kill after", SHORTEN: "half"}
        return names.get(self.kind) or errno.errorcode[self.error]


def faults_of(name: str) -> list[Fault]:
    """What can happen to a call."""
    errors = next(found for start, found in ERRORS.items() if name.startswith(start))
    faults = [Fault(KILL_BEFORE), Fault(KILL_AFTER), *(Fault(FAIL, error) for error in errors)]
    return faults + [Fault(SHORTEN)] * name.startswith(("read", "pread", "write", "pwrite"))


class Shim:
    """The preloaded library."""

    def __init__(self) -> None:
        library = ctypes.CDLL(os.environ["LD_PRELOAD"].split()[-1])
        self._arm, self._said = library.faults_arm, library.faults_said
        self._arm.argtypes = [ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_int]
        self._said.restype = ctypes.c_char_p

    def run(
        self, live: Callable[[], object], name: str = "", call: int = 0, fault: Fault | None = None
    ) -> tuple[int, list[str]]:
        """Live in a child whose n-th call of a name meets a fault; return its exit code (negative: a signal) and its calls."""
        child = os.fork()
        if child == 0:
            code = 0
            self._arm(name.encode(), call, fault.kind if fault else 0, fault.error if fault else 0)
            try:
                live()
            except BaseException as error:  # noqa: BLE001 - whatever it was, the parent must hear of it
                code = exit_code(error) if isinstance(error, EXPECTED) else UNKNOWN
                if code == UNKNOWN:
                    print(repr(error), file=sys.stderr, flush=True)
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return code, self._said().decode().split()


class Trial:
    """Lines of one kind; the same each time."""

    def __init__(self, shim: Shim, home: Path, away: Path, settings: dict[str, Any]) -> None:
        self.shim, self.home, self.away = shim, home, away
        self.settings = dict(settings)
        self.across = self.settings.pop("across", False)
        self.killed_at = self.settings.pop("killed_at", None)

    def fresh(self) -> RealLine:
        """Four pictures, one damaged, two the same, under a name that is taken; after a crash, where that is asked for."""
        for folder in (self.home, self.away):
            shutil.rmtree(folder, ignore_errors=True)
        line = RealLine((self.away if self.across else self.home) / "in", self.home / "out", **self.settings)
        line.leave("ok/1_a.png", b"the plant's own")
        for name, data in (("1_a", b"ok 1"), ("1_b", b"bad 2"), ("2_a", b"half 3"), ("2_b", b"ok 1")):
            line.bring(f"{name}.png", data)
        if self.killed_at is not None:
            code, _ = self.shim.run(line.once, *self.killed_at, Fault(KILL_BEFORE))
            assert code == -signal.SIGKILL
        return line

    def calls(self) -> list[str]:
        """The calls of an undisturbed life."""
        line = self.fresh()
        code, names = self.shim.run(line.once)
        assert (code, line.violations()) == (0, [])
        return names

    def meet(self, name: str, call: int, fault: Fault) -> list[str] | None:
        """One life that meets a fault, and one that does not; return what is wrong then, None if the fault was not met.

        How often SQLite writes differs a little from life to life: the rows hold times.
        """
        line = self.fresh()
        code, names = self.shim.run(line.once, name, call, fault)
        if names.count(name) < call:
            return None
        problems = []
        if fault.kind in (KILL_BEFORE, KILL_AFTER):
            problems += [f"ended with {code}"] * (code != -signal.SIGKILL)
        elif name in SYNCS and fault.error != errno.EINTR:
            problems += [f"ended with {code}, expected {REFUSED}"] * (code != REFUSED)
        else:
            problems += [f"ended with {code}"] * (code < 0 or code == UNKNOWN)
        code, _ = self.shim.run(line.once)
        return problems + (line.violations() if code == 0 else [f"the next start ended with {code}"])


def kinds(shim: Shim, home: Path, away: Path) -> dict[str, Trial]:
    """Lines to try, also ones that a crash has left while pictures were claimed, and while they were moved."""
    found = {
        "plain": Trial(shim, home, away, {"batch": 2}),
        "another disk": Trial(shim, home, away, {"batch": 2, "across": True}),
        "copies": Trial(shim, home, away, {"batch": 2, "keeps": True}),
        "parts": Trial(shim, home, away, {"batch": 4, "views": 2, "part_pattern": r"(?P<part>\d)_(?P<view>\w)\.png"}),
        "second names": Trial(shim, home, away, {"batch": 2, "disk": LinkingDisk()}),
        "names taken by empty files": Trial(shim, home, away, {"batch": 2, "disk": ReservingDisk()}),
    }
    for name in list(found):
        trial, move = (
            found[name],
            {"second names": "linkat", "names taken by empty files": "rename"}.get(name, "renameat2"),
        )
        moves = trial.calls().count(move)
        for at, label in ((moves // 2, "in the middle"), (moves, "near the end")):
            settings = {**trial.settings, "across": trial.across, "killed_at": (move, at)}
            found[f"{name}, after a crash {label}"] = Trial(shim, home, away, settings)
    return found


Run = tuple[str, str, int, Fault]  # kind of line, name, number of the call, fault


def chosen(possible: list[Run], count: int, draw: random.Random) -> list[Run]:
    """Runs of every name of a call and every fault, in turn; all where ``count`` is 0."""
    if not count:
        return possible
    strata: dict[tuple[str, Fault], list[Run]] = defaultdict(list)
    for run in draw.sample(possible, len(possible)):
        strata[run[1], run[3]].append(run)
    runs: list[Run] = []
    while len(runs) < count:
        runs += [waiting.pop() for waiting in strata.values() if waiting]
    return runs[:count]


def main() -> None:
    """Count the calls, then let them fail."""
    count, draw, part, parts = int(sys.argv[1]), random.Random(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    home, away = (Path(name) / "line" for name in sys.argv[5:])
    gc.freeze()
    trials = kinds(Shim(), home, away)
    calls = {kind: Counter(trial.calls()) for kind, trial in trials.items()}
    possible = [
        (kind, name, call, fault)
        for kind, names in calls.items()
        for name, times in names.items()
        for call in range(1, times + 1)
        for fault in faults_of(name)
    ]
    met: Counter[str] = Counter()
    problems = []

    for kind, name, call, fault in chosen(possible, count, draw)[part::parts]:
        found = trials[kind].meet(name, call, fault)
        met[str(fault)] += found is not None
        problems += [f"{kind}, {name} {call}, {fault}: {problem}" for problem in found or []]
    names = sorted({name for names in calls.values() for name in names})
    print(json.dumps({"possible": len(possible), "met": met, "names": names, "problems": problems}))


if __name__ == "__main__":
    main()
