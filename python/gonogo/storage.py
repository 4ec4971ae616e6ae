"""Writing files whole or not at all."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gonogo.checks import check_path

_UNFINISHED = ".gonogo.tmp"  # ends the names of files that are being written


def unfinished_files(folder: Path) -> list[Path]:
    """Return the temporary files of a folder: being written now, or left by a process that was killed."""
    return sorted(folder.glob(f".*{_UNFINISHED}"))


def write_atomically(path: str | Path, content: bytes | str | Iterable[bytes | memoryview]) -> Path:
    """Write a file so that a reader, or a power cut, finds the old content or the new one, never a part.

    The content goes to a temporary file in the same folder, is brought to the disk and renamed; then the folder is
    brought to the disk as well. A link is replaced, the file that it names stays as it is.

    Parameters
    ----------
    path : str or Path
        Target; replaced when it exists. Its folder must exist.
    content : bytes, str or iterable of bytes
        Text is written as UTF-8, line ends as they are; parts one after the other, as they come.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    OSError
        Naming the target; the temporary file is gone and the target is as before.
    """
    target = _checked(path)
    whole = content.encode() if isinstance(content, str) else content
    parts = [whole] if isinstance(whole, bytes) else whole
    with _unfinished_file(target) as temporary:
        _write_new(temporary, parts)
        temporary.replace(target)
        sync_folder(target.parent)
    return target


def check_writable(path: str | Path) -> None:
    """Raise the ``OSError`` that :func:`write_atomically` would raise for this path, before long work; writes nothing."""
    with _unfinished_file(_checked(path)) as temporary:
        _write_new(temporary, [])
        temporary.unlink()


@contextmanager
def _unfinished_file(target: Path) -> Iterator[Path]:
    """The name of a file beside ``target``; the block itself makes it and takes it away.

    Where anything goes wrong before, Ctrl-C at any moment included, it is taken away here, and errors name ``target``.
    """
    temporary = target.parent / f".{secrets.token_hex(8)}{_UNFINISHED}"
    try:
        try:
            yield temporary
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error


def _checked(path: str | Path) -> Path:
    target = check_path("path", path, "a file to write")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: the folder {target.parent} does not exist; create it first")
    if target.is_dir():
        raise IsADirectoryError(f"{target}: found a folder, expected the name of a file")
    if is_special(target):
        raise FileExistsError(f"{target}: found a device or pipe, expected the name of a file; write to a file")
    return target


def is_special(path: Path) -> bool:
    """Return whether a path is a device, a pipe or a socket, or a name of a standard stream such as ``/dev/stdout``.

    A rename would put a file in their place: with the rights of root ``/dev/null`` would be gone for the whole machine.
    """
    with suppress(OSError):  # no link
        if str(path.readlink()).startswith("/proc/"):
            return True
    try:
        mode = path.stat().st_mode  # once: another process may replace or remove it meanwhile
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def move_without_replacing(source: Path, target: Path) -> None:
    """Give a file another name on the same file system, unless that name is taken; a crash leaves it under one name or both.

    Raises
    ------
    FileExistsError
        The name is taken; nothing was changed.
    OSError
        Naming the file; nothing was changed.
    """
    failed = _rename_no_replace(os.fsencode(source), os.fsencode(target))
    if failed in (errno.EINVAL, errno.ENOSYS):  # this file system, or kernel, cannot
        try:
            os.link(source, target, follow_symlinks=False)
            sync_folder(target.parent)
            source.unlink()
        except OSError as error:
            failed = error.errno or errno.EIO
        else:
            failed = 0
    if failed:
        blamed = target if failed == errno.EEXIST else source
        raise OSError(failed, os.strerror(failed), str(blamed))


def _rename_no_replace(source: bytes, target: bytes) -> int:
    """``renameat2(..., RENAME_NOREPLACE)``, which Python does not offer; return 0 or the number of the error."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # glibc before 2.28
        return errno.ENOSYS
    at_cwd, no_replace = -100, 1  # <fcntl.h>, <stdio.h>
    return ctypes.get_errno() if call(at_cwd, source, at_cwd, target, ctypes.c_uint(no_replace)) else 0


def _write_new(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    # 0o666 less the umask, as any other new file; temporary files of the standard library would be private.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with os.fdopen(handle, "wb") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def append_locked(path: str | Path) -> Iterator[tuple[bytes, Callable[[bytes], None]]]:
    """Open a file for appending, made where it does not exist, and keep other processes out until the block ends.

    Parameters
    ----------
    path : str or Path
        A file on a local disk; its folder must exist.

    Yields
    ------
    content : bytes
        What is in it.
    append : callable
        Adds bytes at the end and brings them to the disk; where that fails, the file is as before.

    Raises
    ------
    OSError
        Naming the file.
    """
    target = _checked(path)
    handle = os.open(str(target), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    with os.fdopen(handle, "r+b", buffering=0) as file:
        fcntl.flock(handle, fcntl.LOCK_EX)

        def append(data: bytes) -> None:
            size = os.fstat(handle).st_size
            try:
                written = 0
                while written < len(data):
                    written += os.write(handle, data[written:])
                os.fsync(handle)
                sync_folder(target.parent)
            except BaseException as error:
                os.ftruncate(handle, size)
                if isinstance(error, OSError):
                    raise OSError(error.errno, error.strerror, str(target)) from error
                raise

        yield file.read(), append
