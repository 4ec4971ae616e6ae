"""A line in trouble, on real files: slow writers, full disks, folders that cannot be written, clocks that step back, rivals."""

from __future__ import annotations

import datetime
import errno
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from line.commands import picture
from line.real_line import RealLine, UnsyncedDisk, digest, files
from line.watched import watching
from line.world import HandClock, TextDecider
from line.writing import content

from gonogo.errors import JournalError
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration
from gonogo.line.decider import Fault
from gonogo.line.disk import BlockedError, DiskFullError, LockedError
from gonogo.line.files import LocalDisk
from gonogo.line.segments import read_journal
from gonogo.line.sorter import Sorter
from gonogo.line.verify import verify
from gonogo.line.waiting import is_waited_for, wait_for

ROOT = Path(__file__).resolve().parents[2]


class Trusting(TextDecider):
    """Takes everything for a whole picture: only rest in the inbox keeps it from half ones."""

    def check(self, data: bytes) -> Fault | None:  # noqa: ARG002 - as a decider
        return None


@pytest.mark.soak
def test_no_partial_picture_is_decided_on(memory: Path, often: Callable[[int, int], int]) -> None:
    line = RealLine(memory / "in", memory / "out", disk=UnsyncedDisk())
    line.configuration = Configuration(settle_ms=150, max_wait=1.0, reserve_mb=0, frozen_after=0)
    line.decider, line.clock = Trusting(), Clock()
    count = often(15, 2_000)
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "line.writing", str(line.inbox), str(count), str(seed)], cwd=ROOT / "tests"
        )
        for seed in range(2)
    ]
    with line.open() as opened:
        while any(writer.poll() is None for writer in writers):
            opened.sorter.step()
            time.sleep(0.02)
        opened.once()
    assert [writer.returncode for writer in writers] == [0, 0]
    found = [path.read_bytes() for path in files(line.out / "ok")]
    assert len(found) >= 2 * count
    assert all(data == content(int(data.split()[1])) for data in found), "half a picture was decided on"
    assert not any((line.out / name).exists() for name in ("bad", "REVIEW", "QUARANTINE"))
    for data in found:
        line.brought[digest(data)] += 1
    assert line.violations() == []


class SteppingBack(Clock):
    """Each look at the day shows an earlier one, months back."""

    def __init__(self) -> None:
        self.day = datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC)

    def today(self) -> datetime.datetime:
        self.day -= datetime.timedelta(hours=7)
        return self.day

    def sleep(self, seconds: float) -> None:
        pass


def test_a_clock_that_steps_back_loses_nothing(memory: Path) -> None:
    line = RealLine(memory / "in", memory / "out", disk=UnsyncedDisk(), subfolders="day", batch=2)
    line.clock = SteppingBack()
    for life in range(4):
        for number in range(5):
            line.bring(f"{number}.png", b"ok %d %d" % (life, number))
            os.utime(line.inbox / f"{number}.png", (4e9 - number, 4e9 * (number % 2)))
        line.once()
    assert line.violations() == []
    assert len(list((line.out / "ok").iterdir())) > 4


def as_nobody(live: Callable[[], object]) -> int:
    """Live in a child without the rights of root; return 0, or 1 after an error."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            live()
            code = 0
        except OSError:
            pass
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("place", ["ok", "", ".gonogo", "work"])
def test_folders_that_cannot_be_written_lose_nothing(place: str, memory: Path) -> None:
    line = RealLine(memory / "in", memory / "out", disk=UnsyncedDisk())
    for name in ("ok", ".gonogo", "work"):
        (line.out / name).mkdir()
    for folder in (line.inbox, line.out, *line.out.iterdir()):
        folder.chmod(0o777)
    for number in range(3):
        line.bring(f"{number}.png", b"ok %d" % number)
        (line.inbox / f"{number}.png").chmod(0o644)
    (line.out / place).chmod(0o555)
    assert as_nobody(line.once) == 1
    (line.out / place).chmod(0o777)
    assert as_nobody(line.once) == 0
    assert line.violations() == []


def test_copies_are_made_from_an_inbox_that_cannot_be_written(memory: Path) -> None:
    line = RealLine(memory / "in", memory / "out", disk=UnsyncedDisk(), keeps=True)
    line.out.chmod(0o777)
    for number in range(3):
        line.bring(f"{number}.png", b"ok %d" % number)
        (line.inbox / f"{number}.png").chmod(0o444)
    line.inbox.chmod(0o555)
    before = line.inbox.stat()
    assert as_nobody(line.once) == as_nobody(line.once) == 0
    assert line.violations() == []
    assert line.inbox.stat().st_ctime_ns == before.st_ctime_ns, "not even a name came and went"


@pytest.mark.parametrize(("place", "remedy"), [("in", ", or leave pictures in INBOX with --copy"), ("out/work", "")])
def test_an_inbox_or_output_that_cannot_be_written_is_named(place: str, remedy: str, memory: Path) -> None:
    class Refusing(UnsyncedDisk):
        def append(self, path: Path, data: bytes) -> None:
            if path.parent == memory / place:
                raise OSError(errno.EACCES, "Permission denied", str(path))
            super().append(path, data)

        def move(self, source: Path, target: Path) -> None:
            if target.parent == memory / place:
                raise OSError(errno.EACCES, "Permission denied", str(source), None, str(target))
            super().move(source, target)

    line = RealLine(memory / "in", memory / "out", disk=Refusing())
    with pytest.raises(PermissionError) as caught:
        line.once()
    assert caught.value.filename == str(memory / place)
    what = "gonogo must be able to write into this folder (Permission denied); let its account write there"
    assert caught.value.strerror == what + remedy


def test_a_watching_line_waits_for_a_class_folder_that_it_cannot_write(
    line_models: dict[str, Path], memory: Path
) -> None:
    line, log, draw = RealLine(memory / "in", memory / "out"), memory / "log", np.random.default_rng(1)
    model = Path(shutil.copy(line_models["gated"], memory))
    (line.out / "ok").mkdir()
    for folder in (memory, line.inbox, line.out):
        folder.chmod(0o777)
    for number in range(3):
        line.bring(f"{number}.png", picture(draw, 120))
        (line.inbox / f"{number}.png").chmod(0o644)
    (line.out / "ok").chmod(0o555)
    line.is_good = lambda _: True
    with watching(model, line, log, "--reserve-mb", "0", without_rights=True) as until:
        until(lambda: log.exists() and "waiting for it" in log.read_text())
        (line.out / "ok").chmod(0o777)
        until(lambda: len(files(line.out / "ok")) == 3)
    (told,) = [text for text in log.read_text().splitlines() if "cannot write" in text]
    found = f"{line.out / 'ok'}: gonogo cannot write into this folder (Permission denied); let its account write there."
    assert told == f"{found} Nothing is lost: what was decided on waits in {line.out / 'work'}; waiting for it"
    with read_journal(line.out / ".gonogo" / "journal.db", LocalDisk()) as kept:
        assert [str(row.body["reason"]) in told for row in kept.rows("ALARM")] == [True]
    assert line.violations_of_files() == []


@pytest.mark.parametrize("mode", [0o555, *([0o1777] if os.getuid() == 0 else [])])  # a sticky one is of another account
def test_a_watching_line_tells_of_files_that_it_may_not_take(
    mode: int, line_models: dict[str, Path], memory: Path
) -> None:
    line, log, draw = RealLine(memory / "in", memory / "out"), memory / "log", np.random.default_rng(1)
    model = Path(shutil.copy(line_models["gated"], memory))
    for folder in (memory, line.out, line.inbox):
        folder.chmod(0o777)
    line.is_good = lambda _: True
    other = memory / "other"
    other.mkdir()
    for number in range(3):
        data = picture(draw, 120)
        (other / f"{number}.png").write_bytes(data)
        (other / f"{number}.png").chmod(0o644)
        line.brought[digest(data)] += 1
    told = f"{line.inbox}: files in the inbox cannot be taken (permission denied), such as "
    with watching(model, line, log, "--reserve-mb", "0", without_rights=True) as until:
        until(lambda: (line.out / "status.json").exists() and "watching" in (line.out / "status.json").read_text())
        other.chmod(mode)
        line.inbox.rename(memory / "before")
        other.rename(line.inbox)
        until(lambda: told in log.read_text())
        until(lambda: told in (line.out / "status.json").read_text())
        line.inbox.chmod(0o777)
        until(lambda: len(files(line.out / "ok")) == 3)
    assert log.read_text().count(told) == 1
    with read_journal(line.out / ".gonogo" / "journal.db", LocalDisk()) as journal:
        assert [str(row.body["reason"]).startswith(told) for row in journal.rows("ALARM")] == [True]
    assert line.violations_of_files() == []


@pytest.mark.parametrize("keeps", [False, True])
def test_the_folder_that_was_refused_is_named_once_and_no_other(keeps: bool, memory: Path) -> None:
    class Refusing(UnsyncedDisk):
        made = 0

        def make_folder(self, path: Path) -> None:
            self.made += path.name == "ok"
            if path.name == "ok" and self.made > keeps:  # a copy asks for its folder once more
                raise OSError(errno.EACCES, "Permission denied", str(path))
            super().make_folder(path)

        def append(self, path: Path, data: bytes) -> None:
            if path.parent.name in ("ok", "REVIEW"):
                code = errno.EACCES if path.parent.name == "ok" else errno.ENOSPC
                raise OSError(code, os.strerror(code), str(path))
            super().append(path, data)

    line = RealLine(memory / "in", memory / "out", disk=Refusing(), keeps=keeps)
    (line.out / "ok").mkdir()
    line.bring("0.png", b"ok 0")
    line.bring("1.png", b"progressive 1")
    with pytest.raises(BlockedError) as caught:
        line.once()
    assert caught.value.filename == str(line.out / "ok")
    assert caught.value.strerror is not None
    assert caught.value.strerror.count("gonogo cannot write into this folder (Permission denied)") == 1


def test_a_watching_line_ends_where_pictures_in_hand_go_away_with_the_inbox(memory: Path) -> None:
    line, looks = RealLine(memory / "in", memory / "out"), itertools.count()
    line.bring("0.png", b"ok 0")

    def finish(*_: Any) -> NoReturn:
        line.inbox.rename(memory / "away")
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(line.inbox / ".gonogo-work"))

    with pytest.raises(FileNotFoundError), line.open() as opened:
        opened.sorter.transfer.finish = finish  # type: ignore[method-assign]
        opened.watch(lambda: next(looks) > 100)
    (memory / "away").rename(line.inbox)
    line.once()
    assert line.violations() == []


@pytest.mark.parametrize("how", ["fails", "is interrupted"])
def test_where_deciding_on_a_batch_ends_early_the_next_one_is_not_begun(
    how: str, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_for, given_up = threading.Event(), threading.Event()
    begun: list[bytes] = []

    class Deciding(TextDecider):
        def decode(self, files: Sequence[bytes]) -> list[Any]:
            begun.extend(files)
            waited_for.wait()
            if how == "fails":
                raise ValueError("a broken model")
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            given_up.wait()
            return super().decode(files)

    result, close = Future.result, Sorter.close

    def waiting(future: Future[Any], timeout: float | None = None) -> Any:
        waited_for.set()
        return result(future, timeout)

    def closing(sorter: Sorter) -> None:
        given_up.set()
        close(sorter)

    line = RealLine(memory / "in", memory / "out", batch=1)
    for number in range(3):
        line.bring(f"{number}.png", b"ok %d" % number)
    with monkeypatch.context() as patch, pytest.raises((ValueError, KeyboardInterrupt)):
        patch.setattr(Future, "result", waiting)
        patch.setattr(Sorter, "close", closing)
        line.decider = Deciding()
        line.once()
    assert begun == [b"ok 0"]
    line.decider = TextDecider()
    line.once()
    assert line.violations() == []


def test_a_disk_that_does_not_answer_is_waited_for(memory: Path) -> None:
    looks: list[float] = []

    class Away(UnsyncedDisk):
        def free_bytes(self, path: Path) -> int:
            if len(looks) < 20:
                raise OSError(errno.ESTALE, "Stale file handle", str(path))
            return super().free_bytes(path)

    clock, full = HandClock(), DiskFullError(errno.ENOSPC, "the disk is full", str(memory / "gone" / "journal"))
    assert is_waited_for(full)
    look = lambda: looks.append(clock.seconds)  # noqa: E731 - one of two callables
    wait_for(full, memory, 0, disk=Away(), clock=clock, is_stopped=lambda: False, progress=look)  # type: ignore[arg-type]
    assert len(looks) == 20
    assert list(memory.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.ENOSPC, "No space left on device"),
        KeyboardInterrupt(),
        sqlite3.OperationalError("disk I/O error"),
    ],
    ids=["rights", "room", "Ctrl-C", "the journal"],
)
def test_a_picture_is_not_to_blame_for_an_end_that_is_no_crash(error: BaseException, memory: Path) -> None:
    class Refusing(UnsyncedDisk):
        refused = 0

        def make_folder(self, path: Path) -> None:
            if path == memory / "out" / "ok" and self.refused < 4:
                self.refused += 1
                raise error
            super().make_folder(path)

    line = RealLine(memory / "in", memory / "out", disk=Refusing())
    line.bring("a.png", b"ok 1")
    for _ in range(4):
        with pytest.raises((OSError, KeyboardInterrupt, JournalError)):
            line.once()
    line.once()
    assert line.violations() == []
    assert [path.name for path in (line.out / "ok").iterdir()] == ["a.png"]


def test_an_orderly_end_excuses_no_crash_before_or_after_it(memory: Path) -> None:
    ends = iter([MemoryError("a crash"), PermissionError(errno.EACCES, "Permission denied"), MemoryError("a crash")])

    class Refusing(UnsyncedDisk):
        def make_folder(self, path: Path) -> None:
            if path == memory / "out" / "ok":
                raise next(ends)
            super().make_folder(path)

    line = RealLine(memory / "in", memory / "out", disk=Refusing())
    line.bring("a.png", b"ok 1")
    for _ in range(3):
        with pytest.raises((OSError, MemoryError)):
            line.once()
    line.once()
    assert [path.name for path in (line.out / "QUARANTINE").iterdir()] == ["a.png"]
    assert "the program ended twice while it was looked at" in (line.out / "decisions.csv").read_text()


def test_what_is_no_picture_in_the_folder_of_claimed_ones_is_left_alone(memory: Path) -> None:
    line = RealLine(memory / "in", memory / "out", disk=UnsyncedDisk())
    (line.out / "work").mkdir()
    os.mkfifo(line.out / "work" / "pipe.png")
    (line.out / "work" / "link.png").symlink_to(line.inbox)
    line.bring("a.png", b"ok 1")
    (line.inbox / "a.png").rename(line.out / "work" / "a.png")
    _, recovered = line.once()
    assert recovered["decided"] == 1
    left = {"pipe.png", "link.png"}
    assert {path.name for path in (line.out / "work").iterdir()} == left
    told = verify(line.out, LocalDisk())["rows"]
    assert {(Path(row["file"]).name, row["problem"]) for row in told} == {(name, "unknown") for name in left}
    assert line.violations_of_files() == []


@pytest.mark.parametrize("subfolders", ["none", "day"])
@pytest.mark.parametrize("when", ["before the start", "meanwhile"])
def test_a_file_where_a_class_folder_belongs_is_kept_and_waited_for(when: str, subfolders: str, memory: Path) -> None:
    line = RealLine(memory / "in", memory / "out", disk=UnsyncedDisk(), subfolders=subfolders)
    line.bring("a.png", b"ok 1")

    def leave() -> None:
        line.leave("ok", b"ok, a file of the plant")

    if when == "before the start":
        leave()
    with pytest.raises(
        BlockedError, match="found a file where gonogo needs a folder; move it away, or give it"
    ) as caught:
        line.once(leave if when == "meanwhile" else lambda: None)
    assert caught.value.filename == str(line.out / "ok")
    assert len(files(line.inbox)) == (when == "before the start")
    assert ("Nothing is lost: what was decided on waits" in str(caught.value)) == (when == "meanwhile")

    clock = HandClock()

    def move_away() -> None:
        if clock.seconds == 20:
            line.foreign = {(line.out / "ok").rename(line.out / "renamed"): digest(b"ok, a file of the plant")}

    said = {"disk": LocalDisk(), "clock": clock, "is_stopped": lambda: clock.seconds > 60, "progress": move_away}
    wait_for(caught.value, line.out, 0, **said)  # type: ignore[arg-type]
    assert 20 <= clock.seconds < 60
    line.once()
    assert line.violations() == []


def test_rivals_for_one_inbox(memory: Path) -> None:
    """Many sorters at the same time, two outputs: one works, the others are told."""
    line, other = RealLine(memory / "in", memory / "out"), RealLine(memory / "none", memory / "other")
    other.inbox = line.inbox
    for number in range(20):
        line.bring(f"{number}.png", b"ok %d" % number)
    children = []
    for one in (line, other) * 3:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                one.once()
                code = 0
            except LockedError:
                code = 2
            finally:
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert set(codes) <= {0, 2}
    assert 0 in codes
    found = sorted(digest(path.read_bytes()) for out in (line.out, other.out) for path in files(out / "ok"))
    assert found == sorted(line.brought)
    for one in (line, other):
        one.once()
        assert verify(one.out, LocalDisk())["problems"] == 0


def on_a_small_disk(folder: Path, not_run: Callable[[str], NoReturn], *program: str | Path) -> str:
    """What a program says that has a disk of four megabytes in place of a folder."""
    apart = ["unshare", "--user", "--map-root-user", "--mount"]
    mount = 'mount -t tmpfs -o size=4m none "$0"'
    if subprocess.run([*apart, "sh", "-c", mount, folder], capture_output=True, check=False).returncode != 0:
        not_run("mounts")
    completed = subprocess.run(
        [*apart, "sh", "-c", f'{mount} && exec "$@"', folder, sys.executable, "-m", *program],
        cwd=ROOT / "tests",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def test_a_full_disk_loses_nothing(tmp_path: Path, not_run: Callable[[str], NoReturn]) -> None:
    """Inbox and output on a disk of a few megabytes, with more or less room left."""
    ends = on_a_small_disk(tmp_path, not_run, "line.full", tmp_path).split()
    assert (ends[0], ends[-1]) == ("full", "sorted"), "the disk was large enough, or always too small"


def test_a_watching_line_that_starts_on_a_full_disk_waits_for_room(
    line_models: dict[str, Path], tmp_path: Path, not_run: Callable[[str], NoReturn]
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    told = on_a_small_disk(small, not_run, "line.watched", line_models["gated"], small, tmp_path / "log").splitlines()
    waiting = [text for text in told if "waiting for it" in text]
    assert len(waiting) == 1, told
    assert "the disk is full; make room" in waiting[0]
    assert waiting[0].startswith(str(small / "out"))


def test_a_file_that_is_too_large_for_a_picture_goes_to_quarantine(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gonogo.line.files.FILE_BYTES_MAX", 1000)  # in place of 64 MiB
    line = RealLine(memory / "in", memory / "out", disk=UnsyncedDisk())
    line.bring("a.png", b"ok" + b"." * 1000)
    line.bring("b.png", b"ok 2")
    line.once()
    assert line.violations() == []
    assert [path.name for path in (line.out / "QUARANTINE").iterdir()] == ["a.png"]
    assert "found 1002 bytes, expected at most 1000; save the picture" in (line.out / "decisions.csv").read_text()
