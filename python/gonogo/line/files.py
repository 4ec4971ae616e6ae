"""The disk of this machine: the only module of the room that touches files.

System calls that Python lacks are made through the C library's own symbols, where preloaded libraries see them.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from gonogo.line.disk import FILE_BYTES_MAX, FileChangedError, LockedError, NotRegularError, Status, SyncError
from gonogo.storage import write_atomically

_CHUNK = 1024 * 1024
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
_KINDS: dict[int, Literal["file", "folder"]] = {stat.S_IFREG: "file", stat.S_IFDIR: "folder"}


class LocalDisk:
    """The disk of this machine."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._reserving: set[int] = set()

    def scan(self, folder: Path) -> list[tuple[str, Status]]:
        """As ``Disk`` says."""
        found = []
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    found.append((entry.name, _status(entry.stat(follow_symlinks=False))))
                except FileNotFoundError:
                    continue
        return sorted(found)

    def status(self, path: Path) -> Status | None:
        """As ``Disk`` says."""
        try:
            return _status(os.lstat(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, path: Path) -> tuple[bytes, Status]:
        """As ``Disk`` says."""
        with _Opened(path) as (handle, before):
            if before.size > FILE_BYTES_MAX:
                raise OSError(errno.EFBIG, f"found {before.size} bytes, expected at most {FILE_BYTES_MAX}", str(path))
            data = os.read(handle, before.size + 1)  # one more than there should be
            while len(data) < before.size and (part := os.read(handle, before.size + 1 - len(data))):
                data += part
            if _status(os.fstat(handle)).identity != before.identity or len(data) != before.size:
                raise FileChangedError(f"{path}: changed while it was read")
        return data, before

    def digest(self, path: Path) -> str | None:
        """As ``Disk`` says."""
        try:
            with _Opened(path) as (handle, _):
                digest = hashlib.sha256()
                while part := os.read(handle, _CHUNK):
                    digest.update(part)
                return digest.hexdigest()
        except (FileNotFoundError, NotADirectoryError, NotRegularError):
            return None

    def is_open_for_writing(self, path: Path) -> bool:
        """As ``Disk`` says."""
        with _Opened(path) as (handle, _):
            try:
                fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            except BlockingIOError:
                return True
            except OSError:  # another user's file, or a file system without leases
                return False
            fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
            return False

    def make_folder(self, path: Path) -> None:
        """As ``Disk`` says."""
        path.mkdir(parents=True, exist_ok=True)

    def remove_empty_folder(self, path: Path) -> None:
        """As ``Disk`` says."""
        try:
            path.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise

    def move(self, source: Path, target: Path) -> None:
        """As ``Disk`` says.

        Where the file system knows no rename without replacement a second name is made, which fails if it is taken, and the
        first removed; where it knows no second names either, an empty file reserves the target and is then replaced.
        """
        code = self._call(
            "renameat2", _AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE
        )
        if code in (errno.EINVAL, errno.ENOSYS):
            self._move_by_link(source, target)
        elif code:
            raise OSError(code, os.strerror(code), str(source), None, str(target))

    def _move_by_link(self, source: Path, target: Path) -> None:
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            self._move_by_reserving(source, target)
        else:
            self._remove_first_name(source, target)

    def _remove_first_name(self, source: Path, target: Path) -> None:
        try:
            source.unlink(missing_ok=True)
        except OSError:
            found = self.status(target)
            if found is not None and found.is_same_file(self.status(source)):
                target.unlink()  # or one picture would be taken for two
            raise

    def _move_by_reserving(self, source: Path, target: Path) -> None:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            reserved = _status(os.fstat(handle))
        finally:
            os.close(handle)
        self._reserving.add(reserved.device)
        try:
            source.rename(target)
        except OSError:
            if reserved.is_same_file(self.status(target)):  # servers have been seen to fail and do it all the same
                target.unlink()
            raise

    def reserves(self, folder: Path) -> bool:
        """As ``Disk`` says."""
        return bool(self._reserving) and folder.stat().st_dev in self._reserving

    def copy(self, source: Path, target: Path) -> None:
        """As ``Disk`` says."""
        with _Opened(source) as (handle, _):
            out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            try:
                while part := os.read(handle, _CHUNK):
                    _write_all(out, part, target)
                _fsync(out, target)
            finally:
                os.close(out)

    def remove(self, path: Path) -> None:
        """As ``Disk`` says."""
        path.unlink(missing_ok=True)

    def read_tail(self, path: Path, count: int) -> tuple[bytes, int]:
        """As ``Disk`` says."""
        try:
            with _Opened(path) as (handle, status):
                return os.pread(handle, count, max(0, status.size - count)), status.size
        except FileNotFoundError:
            return b"", 0

    def append(self, path: Path, data: bytes) -> None:
        """As ``Disk`` says."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(path, flags, 0o666)
        try:
            size = os.fstat(handle).st_size
            try:
                _write_all(handle, data, path)
            except OSError:
                os.ftruncate(handle, size)
                raise
        finally:
            os.close(handle)

    def truncate(self, path: Path, size: int) -> None:
        """As ``Disk`` says."""
        os.truncate(path, size)

    def replace(self, path: Path, data: bytes) -> None:
        """As ``Disk`` says."""
        write_atomically(path, data)

    def publish(self, path: Path, data: bytes) -> None:
        """As ``Disk`` says."""
        unfinished = path.with_name(f".{path.name}.new")  # always the same name: one that a crash leaves is used again
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(unfinished, flags, 0o666)
        try:
            with suppress(OSError):  # file systems without rights
                os.fchmod(handle, 0o644)
            _write_all(handle, data, path)
        finally:
            os.close(handle)
        try:
            unfinished.replace(path)
        except IsADirectoryError:
            expected = "found a folder, expected a file that gonogo writes; move it away"
            raise IsADirectoryError(errno.EISDIR, expected, str(path)) from None

    def sync_folder(self, path: Path) -> None:
        """As ``Disk`` says."""
        with _handle(path) as handle:
            _fsync(handle, path)

    def sync(self, paths: Iterable[Path]) -> None:
        """As ``Disk`` says."""
        for path in {path.stat().st_dev: path for path in paths}.values():
            with _handle(path) as handle:
                if code := self._call("syncfs", handle):
                    raise SyncError(f"{path}: {os.strerror(code)}; what was written last may be lost")

    def free_bytes(self, path: Path) -> int:
        """As ``Disk`` says."""
        room = os.statvfs(path)
        return room.f_bavail * room.f_frsize

    def file_system(self, path: Path) -> str:
        """As ``Disk`` says."""
        place, best, kind = os.path.realpath(path), "", ""
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            fields, _, rest = line.partition(" - ")
            mount = fields.split()[4].encode("utf-8", "surrogateescape").decode("unicode_escape")
            if f"{place}/".startswith(f"{mount.rstrip('/')}/") and len(mount) >= len(best):
                best, kind = mount, rest.split()[0]
        return kind

    @contextmanager
    def lock(self, path: Path) -> Iterator[None]:
        """As ``Disk`` says."""
        flags = os.O_RDONLY | os.O_DIRECTORY if path.is_dir() else os.O_RDWR | os.O_CREAT
        handle = os.open(path, flags | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LockedError(f"{path}: another gonogo works here; wait for it or stop it") from None
            yield
        finally:
            os.close(handle)

    def _call(self, name: str, *arguments: int | bytes) -> int:
        """Call a function of the C library, again where a signal came in between, and return its error, 0 if it succeeded."""
        while getattr(self._library, name)(*arguments):
            if (code := ctypes.get_errno()) != errno.EINTR:
                return code
        return 0


def _status(found: os.stat_result) -> Status:
    return Status(
        _KINDS.get(stat.S_IFMT(found.st_mode), "other"), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    )


class _Opened:
    """A regular file open for reading: no link is followed, and a pipe put in its place blocks nobody."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> tuple[int, Status]:
        try:
            self._handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                expected = "found a link or a special file, expected a regular file"
                raise NotRegularError(f"{self._path}: {expected}") from None
            raise
        try:
            status = _status(os.fstat(self._handle))
            if status.kind != "file":
                raise NotRegularError(f"{self._path}: found a folder or a special file, expected a regular file")
        except BaseException:
            os.close(self._handle)
            raise
        return self._handle, status

    def __exit__(self, *raised: object) -> None:
        os.close(self._handle)


@contextmanager
def _handle(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes, path: Path) -> None:
    written = 0
    while written < len(data):
        try:
            written += os.write(handle, data[written:])
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None


def _fsync(handle: int, path: Path) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        raise SyncError(f"{path}: {error.strerror}; what was written last may be lost") from error
