"""A line on real files, with the decider of texts: what comes in, lives of the sorter, and what must be true at the end."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration
from gonogo.line.files import LocalDisk
from gonogo.line.running import Line, open_line
from gonogo.line.sorter import Counts
from gonogo.line.verify import verify
from line.world import TextDecider

# In an output, besides pictures.
OURS = frozenset({".gonogo", "decisions.csv", "status.json", ".status.json.new", "gonogo.prom", ".gonogo.prom.new"})


class RestlessClock(Clock):
    """Nobody waits."""

    def sleep(self, seconds: float) -> None:
        pass


class UnsyncedDisk(LocalDisk):
    """A kill takes nothing that the kernel holds, so nobody waits for a disk that is busy with other things."""

    def sync(self, paths: Iterable[Path]) -> None:
        pass


class ReservingDisk(UnsyncedDisk):
    """As on a file system without a rename that replaces nothing, and without second names."""

    def move(self, source: Path, target: Path) -> None:
        self._move_by_reserving(source, target)


class LinkingDisk(UnsyncedDisk):
    """As on a file system without a rename that replaces nothing."""

    def move(self, source: Path, target: Path) -> None:
        self._move_by_link(source, target)


class RealLine:
    """An inbox and an output, and the pictures that were brought; ``keeps``: pictures stay in the inbox."""

    def __init__(
        self, inbox: Path, out: Path, *, disk: LocalDisk | None = None, keeps: bool = False, **settings: Any
    ) -> None:
        self.inbox, self.out, self.disk, self.keeps = inbox, out, disk or LocalDisk(), keeps
        fast = {"settle_ms": 0, "max_wait": 0.0, "part_timeout": 0.0, "reserve_mb": 0, "frozen_after": 0}
        self.configuration = Configuration(**{**fast, **settings})
        self.clock: Clock = RestlessClock()
        self.decider = TextDecider()
        self.is_good: Callable[[bytes], bool] = lambda data: data.startswith(b"ok")
        self.brought: Counter[str] = Counter()
        self.foreign: dict[Path, str] = {}
        inbox.mkdir(parents=True)
        out.mkdir(parents=True)

    def bring(self, name: str | bytes, data: bytes) -> None:
        """A camera brings a picture, whole."""
        path = self.inbox / (name if isinstance(name, str) else name.decode("utf-8", "surrogateescape"))
        assert not path.exists()
        path.write_bytes(data)
        self.brought[digest(data)] += 1

    def leave(self, place: str, data: bytes) -> None:
        """The plant keeps a file of its own in the output."""
        path = self.out / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.foreign[path] = digest(data)

    def open(self) -> AbstractContextManager[Line]:
        """The sorter, after it has finished what a crash left."""
        return open_line(
            self.inbox,
            self.out,
            self.configuration,
            self.decider,
            disk=self.disk,
            clock=self.clock,
            keeps=self.keeps,
            settings={"copy": self.keeps},
        )

    def once(self, begin: Callable[[], object] = lambda: None) -> tuple[Counts, dict[str, int]]:
        """One life of the sorter, until the inbox is empty; return what it counted, and what a crash had left to do.

        ``begin`` is called when that is done, before new pictures are looked at.
        """
        with self.open() as line:
            begin()
            line.once()
            return line.sorter.counts, line.recovered

    def violations(self) -> list[str]:
        """What the promises forbid, once nothing is left to do: by ``verify``, and apart from it by the files themselves."""
        found = verify(self.out, LocalDisk())
        problems = [f"{row['file']}: {row['problem']}: {row['reason']}" for row in found["rows"]]
        problems += [f"verify: {name} {found[name]}" for name in ("missing", "moved", "alarms") if found[name]]
        wanted = self.brought.total()
        problems += [f"verify: {found['pictures']} of {wanted} pictures"] * (found["pictures"] != wanted)
        return problems + self.violations_of_files()

    def violations_of_files(self) -> list[str]:
        """Every picture lies in one folder, once, with the bytes that it was brought with; nothing else was touched."""
        kept = {path: digest(path.read_bytes()) for path in self.foreign if path.exists()}
        problems = [f"{path}: was overwritten" for path, data in self.foreign.items() if kept.get(path) != data]
        ours = {
            path: data for path in files(self.out, OURS) if path not in self.foreign for data in [path.read_bytes()]
        }
        names = {path: digest(data) for path, data in ours.items()}
        there = Counter(names.values())
        for content in self.brought | there:
            known, seen = self.brought[content], there[content]
            if known != seen:
                places = [str(path) for path, found in names.items() if found == content]
                problems.append(f"{content[:12]}: brought {known} times, found {seen} times: {places}")
        problems += [f"{path}: was left" for path in names if path.is_relative_to(self.out / "work")]
        passed = {path: data for path, data in ours.items() if path.is_relative_to(self.out / "ok")}
        problems += [f"{path}: passed" for path, data in passed.items() if not self.is_good(data)]
        waiting = Counter(digest(path.read_bytes()) for path in files(self.inbox))
        if waiting != (self.brought if self.keeps else Counter()):
            problems.append(f"in the inbox: {sorted(map(str, files(self.inbox)))}")
        return problems


def digest(data: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(data).hexdigest()


def files(folder: Path, without: frozenset[str] = frozenset()) -> list[Path]:
    """Regular files below a folder, but for some names in the folder itself."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        if place == str(folder):
            folders[:], names = ([name for name in some if name not in without] for some in (folders, names))
        found += [Path(place, name) for name in names if stat.S_ISREG(Path(place, name).lstat().st_mode)]
    return found
