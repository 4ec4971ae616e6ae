"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import gc
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from gonogo.cli.failures import check_writable as check_writable_option
from gonogo.storage import append_locked, check_writable, move_without_replacing, write_atomically

TraceFunction = Callable[[FrameType, str, Any], Any]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_is_made_or_replaced(tmp_path: Path) -> None:
    target = tmp_path / "m.gonogo"
    assert write_atomically(target, b"old") == target
    write_atomically(str(target), "Prüfung\r\n")
    assert files(tmp_path) == {"m.gonogo": "Prüfung\r\n".encode()}


def test_a_new_file_has_the_rights_that_the_user_asked_for(tmp_path: Path) -> None:
    program = "import os, sys; os.umask(0o027); from gonogo.storage import write_atomically; write_atomically(sys.argv[1], b'')"
    subprocess.run([sys.executable, "-c", program, tmp_path / "f"], check=True)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["a" * 255, "é" * 127])
def test_the_longest_names_are_written(tmp_path: Path, name: str) -> None:
    write_atomically(tmp_path / name, b"x")
    assert files(tmp_path) == {name: b"x"}


@pytest.mark.parametrize("function", [lambda path: write_atomically(path, b"x"), check_writable])
def test_a_target_that_cannot_be_written_is_named(tmp_path: Path, function: object) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for target, error in (
        (tmp_path / "missing" / "m.gonogo", FileNotFoundError),
        (tmp_path / "file" / "m.gonogo", FileNotFoundError),
        (tmp_path / "folder", IsADirectoryError),
    ):
        with pytest.raises(error, match=target.name):
            function(target)  # type: ignore[operator]
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file"}
    assert not list((tmp_path / "folder").iterdir())


def test_checking_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    check_writable(tmp_path / "old")
    check_writable(tmp_path / "new")
    assert files(tmp_path) == {"old": b"old"}


def interrupted_at(moment: int, function: Callable[[], object]) -> bool:
    """Call a function and press Ctrl-C, so to speak, before its n-th line, the standard library's included."""
    left, before = moment, sys.gettrace()

    def trace(frame: FrameType, event: str, argument: object) -> TraceFunction:  # noqa: ARG001
        nonlocal left
        left -= event == "line"
        if left == 0:
            raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the interrupt came before the file had its owner
@pytest.mark.parametrize(
    ("function", "allowed"),
    [
        (lambda path: write_atomically(path, b"new"), [{"m": b"old"}, {"m": b"new"}]),
        (check_writable, [{"m": b"old"}]),
        (lambda path: check_writable_option("--out", path), [{"m": b"old"}]),
    ],
    ids=["write", "check", "check of a command"],
)
def test_an_interrupt_at_any_moment_leaves_nothing_behind(
    tmp_path: Path, function: Callable[[Path], object], allowed: list[dict[str, bytes]]
) -> None:
    moment = 0
    while True:
        (tmp_path / "m").write_bytes(b"old")
        moment += 1
        gc.disable()  # or the interrupt may come in what other libraries do at a collection
        try:
            interrupted = interrupted_at(moment, lambda: function(tmp_path / "m"))
        finally:
            gc.enable()
        assert files(tmp_path) in allowed, moment
        if not interrupted:
            break
    assert moment > 10


def test_a_full_disk_leaves_the_old_content_and_nothing_else(tmp_path: Path, unmeasured: dict[str, str]) -> None:
    target = tmp_path / "m.gonogo"
    target.write_bytes(b"old")
    program = """
import resource, signal, sys
from gonogo.storage import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(sys.argv[1], bytes(2000))
except OSError as error:
    print(error.errno, error.filename)
"""
    command = [sys.executable, "-c", program, target]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=unmeasured)
    assert done.stdout.split() == [str(errno.EFBIG), str(target)]
    assert files(tmp_path) == {"m.gonogo": b"old"}


def test_a_link_is_replaced_and_its_file_kept(tmp_path: Path) -> None:
    (tmp_path / "v1").write_bytes(b"one")
    (tmp_path / "current").symlink_to("v1")
    write_atomically(tmp_path / "current", b"two")
    assert files(tmp_path) == {"v1": b"one", "current": b"two"}
    assert not (tmp_path / "current").is_symlink()


@pytest.mark.parametrize("function", [lambda path: write_atomically(path, b"x"), check_writable])
def test_devices_and_pipes_are_never_replaced(tmp_path: Path, function: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    for name in ("pipe", "link", "stdout"):
        with pytest.raises(FileExistsError, match="a device or pipe"):
            function(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe", "stdout"]
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "stdout").is_symlink()


def test_a_system_without_renameat2_moves_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())
    for name in ("a", "b", "taken"):
        (tmp_path / name).write_text(name)
    move_without_replacing(tmp_path / "a", tmp_path / "moved")
    with pytest.raises(FileExistsError, match="taken"):
        move_without_replacing(tmp_path / "b", tmp_path / "taken")
    assert files(tmp_path) == {"moved": b"a", "b": b"b", "taken": b"taken"}


def test_a_record_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "link.ledger").symlink_to("missing/test.ledger")
    for path in (tmp_path / "missing" / "test.ledger", tmp_path / "link.ledger"):
        with pytest.raises(FileNotFoundError, match=path.name), append_locked(path):
            pass


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()], ids=["disk", "ctrl-c"]
)
def test_a_record_that_did_not_reach_the_disk_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    path = tmp_path / "test.ledger"
    path.write_bytes(b"first\n")

    def fail(_: int) -> None:
        raise error

    with append_locked(path) as (content, append), monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(type(error)) as raised:
            append(b"second\n")
    assert (content, path.read_bytes()) == (b"first\n", b"first\n")
    assert isinstance(error, KeyboardInterrupt) or raised.value.filename == str(path)  # type: ignore[attr-defined]
