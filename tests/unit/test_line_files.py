"""The one file interface of the line, on this machine's disk and on the simulated one, which must behave alike."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from line.simulated_disk import SimulatedDisk
from line.world import HandClock

from gonogo.cli.arguments import Parser
from gonogo.cli.failures import one_line
from gonogo.line.claim import can_move
from gonogo.line.disk import (
    FILE_BYTES_MAX,
    NETWORK_FILE_SYSTEMS,
    Disk,
    FileChangedError,
    LockedError,
    NotRegularError,
    SyncError,
)
from gonogo.line.files import LocalDisk
from gonogo.line.waiting import is_waited_for, wait_for

EXISTING = b"somebody else's"


@pytest.fixture(params=["local", "simulated"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Disk, Path]:
    """A disk and a folder in it."""
    disk: Any = LocalDisk() if request.param == "local" else SimulatedDisk()
    disk.make_folder(tmp_path)
    return disk, tmp_path


def test_contents_and_names(room: tuple[Disk, Path]) -> None:
    disk, folder = room
    disk.make_folder(folder / "a" / "b")
    disk.make_folder(folder / "a")
    assert disk.status(folder / "x") is None
    assert disk.status(folder / "x" / "y") is None
    disk.append(folder / "x", b"one")
    disk.append(folder / "x", b"two")
    disk.replace(folder / "y", b"whole")
    data, status = disk.read(folder / "x")
    assert (data, status.kind, status.size) == (b"onetwo", "file", 6)
    assert status == disk.status(folder / "x")
    assert disk.scan(folder)[0][0] == "a"
    assert [(name, found.kind) for name, found in disk.scan(folder)] == [("a", "folder"), ("x", "file"), ("y", "file")]
    assert disk.digest(folder / "x") == hashlib.sha256(b"onetwo").hexdigest()
    assert disk.digest(folder / "a") is disk.digest(folder / "z") is None
    assert disk.read_tail(folder / "x", 3) == (b"two", 6)
    assert disk.read_tail(folder / "x", 99) == (b"onetwo", 6)
    assert disk.read_tail(folder / "z", 3) == (b"", 0)
    disk.truncate(folder / "x", 2)
    assert disk.read(folder / "x")[0] == b"on"
    assert disk.status(folder / "x") != status
    disk.remove(folder / "x")
    disk.remove(folder / "x")
    assert disk.status(folder / "x") is None
    disk.remove_empty_folder(folder / "a")
    disk.remove_empty_folder(folder / "a" / "b")
    disk.remove_empty_folder(folder / "a" / "b")
    assert [name for name, _ in disk.scan(folder / "a")] == []
    disk.sync_folder(folder)
    disk.sync([folder, folder / "a"])
    assert disk.free_bytes(folder) > 0
    assert disk.file_system(folder) not in NETWORK_FILE_SYSTEMS
    with pytest.raises(FileNotFoundError):
        disk.read(folder / "x")
    with pytest.raises(NotRegularError):
        disk.read(folder / "a")


def test_moves_and_copies_never_replace(room: tuple[Disk, Path]) -> None:
    disk, folder = room
    disk.replace(folder / "x", b"picture")
    disk.replace(folder / "taken", EXISTING)
    before = disk.status(folder / "x")
    for act in (disk.move, disk.copy):
        with pytest.raises(FileExistsError):
            act(folder / "x", folder / "taken")
        with pytest.raises(FileNotFoundError):
            act(folder / "nothing", folder / "y")
    assert disk.read(folder / "taken")[0] == EXISTING
    disk.copy(folder / "x", folder / "copy")
    assert disk.read(folder / "copy")[0] == b"picture"
    disk.move(folder / "x", folder / "y")
    assert disk.status(folder / "x") is None
    assert disk.status(folder / "y") == before, "a move changes neither inode nor time"


def test_a_lock_is_held_by_one(room: tuple[Disk, Path]) -> None:
    disk, folder = room
    for path in (folder, folder / "lock"):
        with disk.lock(path), pytest.raises(LockedError, match=r"another gonogo|"), disk.lock(path):
            pass
        with disk.lock(path):
            pass


def renaming(code: int) -> LocalDisk:
    """A disk whose file system answers ``renameat2`` with an error."""
    disk = LocalDisk()
    call = disk._call
    disk._call = lambda name, *rest: code if name == "renameat2" else call(name, *rest)  # type: ignore[method-assign]
    return disk


@pytest.mark.parametrize("links", [True, False])
def test_file_systems_without_rename_without_replacement(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = renaming(errno.EINVAL)
    if not links:

        def link(*_: object, **__: object) -> None:
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", link)
    (tmp_path / "x").write_bytes(b"picture")
    (tmp_path / "taken").write_bytes(EXISTING)
    with pytest.raises(FileExistsError):
        disk.move(tmp_path / "x", tmp_path / "taken")
    disk.move(tmp_path / "x", tmp_path / "y")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"taken": EXISTING, "y": b"picture"}
    with pytest.raises(FileNotFoundError):
        disk.move(tmp_path / "x", tmp_path / "z")
    assert not (tmp_path / "z").exists(), "an empty file that reserved the name was left"


def test_a_second_name_is_taken_back_where_the_first_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, unlink = renaming(errno.EINVAL), Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name == "x":
            raise PermissionError(errno.EACCES, "not now")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    (tmp_path / "x").write_bytes(b"picture")
    with pytest.raises(PermissionError):
        disk.move(tmp_path / "x", tmp_path / "y")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_links_and_special_files_are_refused_and_block_nobody(tmp_path: Path) -> None:
    disk = LocalDisk()
    (tmp_path / "file").write_bytes(b"picture")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "nowhere").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "x.jpg").mkdir()
    kinds = {name: status.kind for name, status in disk.scan(tmp_path)}
    assert kinds == {"file": "file", "link": "other", "nowhere": "other", "pipe": "other", "x.jpg": "folder"}
    for name in ("link", "nowhere", "pipe", "x.jpg"):
        with pytest.raises(NotRegularError):
            disk.read(tmp_path / name)
        with pytest.raises(NotRegularError):
            disk.copy(tmp_path / name, tmp_path / "copy")
        assert disk.digest(tmp_path / name) is None


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = tmp_path / "x", os.read
    path.write_bytes(b"picture")

    def read_late(handle: int, count: int) -> bytes:
        with path.open("ab") as file:
            file.write(b"more")
        return read(handle, count)

    monkeypatch.setattr(os, "read", read_late)
    with pytest.raises(FileChangedError):
        LocalDisk().read(path)


def test_too_large_files_are_refused_before_they_are_read(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(OSError, match="expected at most") as caught:
        LocalDisk().read(tmp_path / "x")
    assert caught.value.errno == errno.EFBIG


def test_a_file_that_somebody_writes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"picture")
    disk = LocalDisk()
    assert not disk.is_open_for_writing(path)
    with path.open("ab"):
        assert disk.is_open_for_writing(path)
    with path.open("rb"):
        assert not disk.is_open_for_writing(path), "readers disturb nobody"


def test_an_append_that_fails_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, write = tmp_path / "table", os.write
    path.write_bytes(b"row 1\r\n")
    answers = iter([3])

    def write_little(handle: int, data: bytes) -> int:
        if (count := next(answers, None)) is None:
            raise OSError(errno.ENOSPC, "no room")
        return write(handle, data[:count])

    monkeypatch.setattr(os, "write", write_little)
    with pytest.raises(OSError, match="no room"):
        LocalDisk().append(path, b"row 2\r\n")
    assert path.read_bytes() == b"row 1\r\n"


def test_a_failed_synchronisation_is_an_error_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EIO, "the disk is dying")

    disk = LocalDisk()
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(SyncError, match="the disk is dying"):
        disk.sync_folder(tmp_path)
    monkeypatch.setattr(disk, "_call", lambda *_: errno.EIO)
    with pytest.raises(SyncError, match="may be lost"):
        disk.sync([tmp_path])


def test_calls_are_repeated_after_a_signal() -> None:
    disk, answers = LocalDisk(), iter([errno.EINTR, errno.EINTR, 0])

    class Library:
        @staticmethod
        def syncfs(_: int) -> int:
            ctypes.set_errno(code := next(answers))
            return -1 if code else 0

    disk._library = cast("ctypes.CDLL", Library)
    assert disk._call("syncfs", 3) == 0
    assert next(answers, None) is None


def other_file_system(folder: Path) -> Path:
    """A folder on another file system."""
    place = Path("/dev/shm")
    assert place.is_dir(), "no second file system to test with: expected /dev/shm"
    assert place.stat().st_dev != folder.stat().st_dev
    return place / f"gonogo-{os.getpid()}-{folder.name}"


def test_whether_two_folders_are_on_one_file_system_is_tried_out(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    disk, other = LocalDisk(), other_file_system(tmp_path)
    other.mkdir()
    request.addfinalizer(other.rmdir)
    (tmp_path / "a").mkdir()
    assert can_move(tmp_path, tmp_path / "a", disk)
    assert not can_move(tmp_path, other, disk)
    assert disk.file_system(other) == "tmpfs"
    assert [name for name, _ in disk.scan(tmp_path)] == ["a"]
    assert disk.scan(other) == []


@pytest.mark.parametrize("act", [LocalDisk.read, LocalDisk.digest, LocalDisk.is_open_for_writing])
def test_no_descriptor_is_left_open(act: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"picture")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    act(LocalDisk(), tmp_path / "x")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_name_that_vanishes_while_a_folder_is_looked_at_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"picture")
    scandir = os.scandir

    def late(folder: Path) -> contextlib.nullcontext[list[os.DirEntry[str]]]:
        with scandir(folder) as entries:
            found = list(entries)
        (tmp_path / "a").unlink(missing_ok=True)
        return contextlib.nullcontext(found)

    monkeypatch.setattr(os, "scandir", late)
    assert [name for name, _ in LocalDisk().scan(tmp_path)] == ["b"]


def test_a_file_that_comes_in_pieces_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"a picture in pieces")
    read = os.read
    monkeypatch.setattr(os, "read", lambda handle, count: read(handle, min(count, 4)))
    assert LocalDisk().read(tmp_path / "x")[0] == b"a picture in pieces"
    assert LocalDisk().digest(tmp_path / "x") == hashlib.sha256(b"a picture in pieces").hexdigest()


@pytest.mark.parametrize("error", [errno.EACCES, errno.EINVAL], ids=["another user's", "no leases"])
def test_where_nobody_can_tell_who_writes_rest_alone_counts(
    error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(b"picture")

    def refuse(*_: object) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("fcntl.fcntl", refuse)
    with (tmp_path / "x").open("ab"):
        assert not LocalDisk().is_open_for_writing(tmp_path / "x")


def test_what_is_no_folder_is_not_removed_as_one(room: tuple[Disk, Path]) -> None:
    disk, folder = room
    disk.append(folder / "x", b"picture")
    with pytest.raises(NotADirectoryError):
        disk.remove_empty_folder(folder / "x")
    assert disk.read(folder / "x")[0] == b"picture"


@pytest.mark.parametrize("write", ["append", "publish"])
def test_a_write_that_fails_names_the_file_and_the_remedy(
    write: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    path = tmp_path / "x"
    with pytest.raises(OSError, match="No space left") as caught:
        getattr(LocalDisk(), write)(path, b"data")
    assert one_line(caught.value, Parser()) == f"{path}: the disk is full; make room or write elsewhere"


@pytest.mark.parametrize("filename", [None, "out/ok/x.png", "out/nothing/yet/x.png"])
def test_who_waits_for_room_goes_on_when_there_is_some_or_somebody_says_stop(
    filename: str | None, tmp_path: Path
) -> None:
    out, disk, clock, looks = tmp_path / "out", LocalDisk(), HandClock(), list[float]()
    (out / "ok").mkdir(parents=True)
    room = {"until": 20.0}
    disk.free_bytes = lambda _: 0 if clock.seconds < room["until"] else 10**12  # type: ignore[method-assign]
    error = OSError(errno.ENOSPC, "full", None if filename is None else str(tmp_path / filename))
    assert is_waited_for(error)
    assert not is_waited_for(OSError(errno.EIO, "broken"))

    def wait(stop_at: float) -> float:
        progress = partial(looks.append, 0.0)
        what = {"disk": disk, "clock": clock, "is_stopped": lambda: clock.seconds >= stop_at, "progress": progress}
        wait_for(error, out, 64, **what)  # type: ignore[arg-type]
        return clock.seconds

    assert wait(1000.0) == 20.0
    assert wait(1000.0) == 25.0, "not all the time, even where nothing is seen to be wrong"
    room["until"] = 1e9
    assert wait(30.0) == 30.0
    assert len(looks) == 30, "alive at each look"
    assert [path.name for path in tmp_path.rglob("*")] in (["out", "ok"],)
