"""A disk in memory that loses power: what was not brought to it is gone, or some of it, in any order that a disk may choose.

Each change of a name is noted down until it is synchronised. A power loss keeps some of these changes: none, all, the first few,
or any that do not need one that is lost (a name needs its folder; the removal of a renamed file's old name needs the new one).
So a renamed file can be found under both names and never under none.
"""

from __future__ import annotations

import copy
import errno
import hashlib
import os
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gonogo.line.disk import LockedError, NotRegularError, Status

KEEPS = ("none", "all", "some", "first")


class PowerLossError(BaseException):
    """The power is gone: no code of the program may go on."""


@dataclass
class Node:
    """A file or folder."""

    inode: int
    device: int
    kind: str = "file"
    data: bytes = b""
    modified: int = 0
    on_disk: bytes | None = None  # content that survives


@dataclass
class Change:
    """A name that was made (``inode``) or removed (None), not yet on the disk."""

    path: str
    inode: int | None
    needs: list[int] = field(default_factory=list)
    number: int = 0


class SimulatedDisk:
    """As ``gonogo.line.files.Disk``. ``lose_power_at``: the step before which the power goes; ``mounts``: folder -> device."""

    def __init__(self, mounts: dict[Path, int] | None = None) -> None:
        self.mounts = {"/": 1, **{str(path): device for path, device in (mounts or {}).items()}}
        self.nodes: dict[int, Node] = {}
        self.names: dict[str, int] = {}
        self.changes: list[Change] = []
        self.names_on_disk: dict[str, int] = {}
        self.steps = 0
        self.lose_power_at: int | None = None
        self.room: int | None = None  # bytes that may still be written
        self.time = 1_000_000_000
        self.locked: set[Path] = set()
        self.reserving = False
        for mount in sorted(self.mounts):
            self.names[mount] = self._new(mount, "folder").inode
        self.sync_all()

    # --- the power

    def step(self) -> None:
        """Something that a power loss can come before."""
        self.steps += 1
        if self.lose_power_at is not None and self.steps >= self.lose_power_at:
            raise PowerLossError(f"before step {self.steps}")

    def lose_power(self, keep: str, rng: random.Random) -> None:
        """Forget what was not brought to the disk; of the rest keep what ``keep`` says."""
        kept: set[int] = set()
        first = rng.randrange(len(self.changes) + 1)
        for position, change in enumerate(self.changes):
            possible = all(need in kept or not self._is_pending(need) for need in change.needs)
            wanted = {"none": False, "all": True, "some": rng.random() < 0.5, "first": position < first}[keep]
            if possible and wanted:
                kept.add(change.number)
                self._apply(change)
        self.changes = []
        self.names = dict(self.names_on_disk)
        for node in self.nodes.values():
            if node.on_disk is not None and (keep == "none" or (keep == "some" and rng.random() < 0.5)):
                node.data = node.on_disk
            node.on_disk = None
        self.locked = set()

    def copy_of_all(self) -> SimulatedDisk:
        """Return a disk with the same content, after a power loss: nothing is on its way."""
        assert not self.changes
        other = copy.copy(self)
        other.nodes = {inode: copy.copy(node) for inode, node in self.nodes.items()}
        other.names, other.names_on_disk = dict(self.names), dict(self.names_on_disk)
        other.changes, other.locked = [], set()
        return other

    def _is_pending(self, number: int) -> bool:
        return any(change.number == number for change in self.changes)

    def _apply(self, change: Change) -> None:
        if change.inode is None:
            self.names_on_disk.pop(change.path, None)
        else:
            self.names_on_disk[change.path] = change.inode

    def sync_all(self) -> None:
        """Bring everything to the disk."""
        for change in self.changes:
            self._apply(change)
        self.changes = []
        self.names_on_disk = dict(self.names)
        for node in self.nodes.values():
            node.on_disk = None

    # --- names and contents

    def _device(self, path: str) -> int:
        inside = f"{path.rstrip('/')}/"
        mounts = sorted(self.mounts.items(), reverse=True)
        return next(device for mount, device in mounts if inside.startswith(f"{mount.rstrip('/')}/"))

    def _new(self, path: str, kind: str, data: bytes = b"") -> Node:
        self.time += 1
        inode = len(self.nodes) + 1
        self.nodes[inode] = Node(inode, self._device(path), kind, data, self.time)
        return self.nodes[inode]

    def _note(self, path: str, inode: int | None, *needs: int) -> int:
        """Change a name, which needs all earlier changes of it, and of its folder's name, to be kept."""
        around = (path, parent(path))
        before = [c.number for c in self.changes if c.path in around]
        if inode is None:  # a folder goes after what was in it
            before += [c.number for c in self.changes if parent(c.path) == path]
        number = max((c.number for c in self.changes), default=0) + 1
        self.changes.append(Change(path, inode, [*before, *needs], number))
        if inode is None:
            del self.names[path]
        else:
            self.names[path] = inode
        return number

    def _node(self, path: Path | str) -> Node:
        if str(path) not in self.names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return self.nodes[self.names[str(path)]]

    def _folder(self, path: Path | str) -> None:
        if self._node(path).kind != "folder":
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))

    def _file(self, path: Path) -> Node:
        node = self._node(path)
        if node.kind != "file":
            raise NotRegularError(str(path))
        return node

    def _write(self, node: Node, data: bytes) -> None:
        if self.room is not None:
            self.room -= len(data) - len(node.data)
            if self.room < 0:
                self.room += len(data) - len(node.data)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if node.on_disk is None:
            node.on_disk = node.data
        self.time += 1
        node.data, node.modified = data, self.time

    def put(self, path: Path, data: bytes) -> None:
        """Lay a file there, as a camera or the plant does."""
        self.make_folder(path.parent)
        self._note(str(path), self._new(str(path), "file", data).inode)

    def files(self, below: Path) -> dict[Path, bytes]:
        """All files below a folder."""
        found = {path: self.nodes[i] for path, i in self.names.items() if path.startswith(f"{below}/")}
        return {Path(path): node.data for path, node in sorted(found.items()) if node.kind == "file"}

    # --- the interface

    def scan(self, folder: Path) -> list[tuple[str, Status]]:
        self._folder(folder)
        inside = sorted(path for path in self.names if parent(path) == str(folder) and path != str(folder))
        return [(path.rpartition("/")[2], self._status(path)) for path in inside]

    def _status(self, path: Path | str) -> Status:
        node = self._node(path)
        return Status(node.kind, node.device, node.inode, len(node.data), node.modified)  # type: ignore[arg-type]

    def status(self, path: Path) -> Status | None:
        return self._status(path) if str(path) in self.names else None

    def read(self, path: Path) -> tuple[bytes, Status]:
        return self._file(path).data, self._status(path)

    def digest(self, path: Path) -> str | None:
        status = self.status(path)
        return hashlib.sha256(self._file(path).data).hexdigest() if status and status.kind == "file" else None

    def is_open_for_writing(self, path: Path) -> bool:
        self._file(path)
        return False

    def make_folder(self, path: Path) -> None:
        if str(path) not in self.names:
            self.make_folder(path.parent)
            self.step()
            self._note(str(path), self._new(str(path), "folder").inode)
        self._folder(path)

    def remove_empty_folder(self, path: Path) -> None:
        if str(path) in self.names and not self.scan(path):
            self.step()
            self._note(str(path), None)

    def move(self, source: Path, target: Path) -> None:
        node = self._node(source)
        self._folder(target.parent)
        if self._device(str(target)) != node.device:  # asked first, as by the kernel
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source), None, str(target))
        if str(target) in self.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(source), None, str(target))
        self.step()
        if self.reserving:
            self._note(str(target), self._new(str(target), "file").inode)
            self.step()
        made = self._note(str(target), node.inode)
        self._note(str(source), None, made)

    def reserves(self, folder: Path) -> bool:
        self._folder(folder)
        return self.reserving

    def copy(self, source: Path, target: Path) -> None:
        node = self._file(source)
        self._folder(target.parent)
        if str(target) in self.names:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        self.step()
        made = self._new(str(target), "file")
        self._note(str(target), made.inode)
        self.step()
        self._write(made, node.data[: len(node.data) // 2])
        self.step()
        self._write(made, node.data)
        made.on_disk = None

    def remove(self, path: Path) -> None:
        if str(path) in self.names:
            self._file(path)
            self.step()
            self._note(str(path), None)

    def read_tail(self, path: Path, count: int) -> tuple[bytes, int]:
        if str(path) not in self.names:
            return b"", 0
        data = self._file(path).data
        return data[-count:], len(data)

    def append(self, path: Path, data: bytes) -> None:
        if str(path) not in self.names:
            self.step()
            self._note(str(path), self._new(str(path), "file").inode)
        node, before = self._file(path), self._file(path).data
        self.step()
        self._write(node, before + data[: len(data) // 2])
        self.step()
        self._write(node, before + data)

    def truncate(self, path: Path, size: int) -> None:
        self.step()
        self._write(self._file(path), self._file(path).data[:size])

    def replace(self, path: Path, data: bytes) -> None:
        self.step()
        self._note(str(path), self._new(str(path), "file", data).inode)

    def publish(self, path: Path, data: bytes) -> None:
        self.replace(path, data)

    def sync_folder(self, path: Path) -> None:
        self._folder(path)
        self.step()
        self._sync(lambda change: parent(change.path) == str(path))

    def sync(self, paths: Iterable[Path]) -> None:
        for device in sorted({self._node(path).device for path in paths}):
            self.step()
            self._sync(lambda change, device=device: self._device(change.path) == device)  # type: ignore[misc]
            for node in self.nodes.values():
                if node.device == device:
                    node.on_disk = None

    def _sync(self, is_meant: object) -> None:
        """Bring changes to the disk, with those that they need."""
        wanted = {change.number for change in self.changes if is_meant(change)}  # type: ignore[operator]
        for change in reversed(self.changes):
            if change.number in wanted:
                wanted.update(change.needs)
        for change in self.changes:
            if change.number in wanted:
                self._apply(change)
        self.changes = [change for change in self.changes if change.number not in wanted]

    def free_bytes(self, path: Path) -> int:
        self._folder(path)
        return 10**12 if self.room is None else self.room

    def file_system(self, path: Path) -> str:
        self._folder(path)
        return "simulated"

    @contextmanager
    def lock(self, path: Path) -> Iterator[None]:
        if path in self.locked:
            raise LockedError(str(path))
        self.locked.add(path)
        try:
            yield
        finally:
            self.locked.discard(path)


def parent(path: str) -> str:
    """The folder of a path."""
    return path.rpartition("/")[0] or "/"
