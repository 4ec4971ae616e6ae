"""Exit codes, and the one line on standard error that goes with each."""

from __future__ import annotations

import argparse
import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gonogo import storage
from gonogo.errors import CheckpointError, JournalError, LedgerError, ModelFileError, NotCertifiable
from gonogo.line.disk import SyncError

DONE, FAILED, BAD_INPUT, REFUSED, NOT_CERTIFIABLE, PROBLEMS, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

# What the user can do about a write that failed.
_REMEDIES = {
    errno.ENOSPC: "the disk is full; make room or write elsewhere",
    errno.EDQUOT: "the disk quota is used up; make room or write elsewhere",
    errno.EFBIG: "the file would be larger than this session may write (ulimit -f)",
    errno.EROFS: "the file system is read-only; write elsewhere",
    errno.EACCES: "permission denied; change the permissions of the folder or write elsewhere",
    errno.EPERM: "permission denied; change the permissions of the folder or write elsewhere",
}
# Faults of what was asked for; all other errors of the system are failures of the machine.
_OF_INPUT = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)


# Parameters whose options are called otherwise.
_OTHER_NAMES = {
    "model_params": "--model-param",
    "random_state": "--seed",
    "n_threads": "--threads",
    "training_data": "--training",
}


# Of parameters with a name of several words, but for parts of a file's name.
_OTHER_PARAMETER = re.compile(r"(?<![\w/.'-])[a-z]+(?:_[a-z]+)+(?![\w/'-]|\.\w)")


class WriteError(Exception):
    """An output that could not be written; nothing is left half-written."""


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn errors of the system into ``WriteError`` naming ``path``."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, error.strerror or str(error))
        raise WriteError(f"{path}: cannot be written: {remedy}") from error


def check_writable(option: str, path: str | Path) -> Path:
    """Return the path of a file to write, after making sure, before long work, that it can be written.

    Raises
    ------
    ValueError
        The path is a folder, a device or a pipe, or its folder does not exist.
    WriteError
        No file can be made there.
    """
    target = Path(path)
    if target.is_dir():
        raise ValueError(f"{option}: {target} is a folder, expected the name of a file to write")
    if storage.is_special(target):
        raise ValueError(f"{option}: {target} is a device or pipe, expected the name of a file to write")
    if not target.parent.is_dir():
        raise ValueError(f"{option}: the folder {target.parent} does not exist; create it first")
    with writing(target):
        storage.check_writable(target)
    return target


def check_new_folder(option: str, path: str | Path) -> Path:
    """Return the path of a folder to fill, which must be empty or not there yet."""
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{option}: {folder} is a file, expected a folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{option}: the folder {folder} is not empty; give an empty or a new one")
    return folder


def exit_code(error: BaseException) -> int:
    """Return the code that a command ends with after ``error``."""
    if isinstance(error, (CheckpointError, JournalError, LedgerError, ModelFileError, SyncError)):
        return REFUSED
    if isinstance(error, NotCertifiable):
        return NOT_CERTIFIABLE
    if isinstance(error, (ValueError, *_OF_INPUT)):
        return BAD_INPUT
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return FAILED


def one_line(error: BaseException, parser: argparse.ArgumentParser) -> str:
    """Return what went wrong in one line, with parameters called as on the command line."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError) and error.strerror:
        name = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        told = _REMEDIES[error.errno or 0] if _is_plain(error) else error.strerror
        text = f"{name}{told[:1].lower()}{told[1:]}"
    elif isinstance(error, MemoryError):
        text = f"not enough memory: {error}; use smaller pictures, fewer of them or a smaller batch"
    elif exit_code(error) == FAILED and not isinstance(error, WriteError):
        text = f"{type(error).__name__}: {error}; run again with --debug for the whole story"
    else:
        text = str(error)
    return _as_options(" ".join(text.splitlines()), parser)


def _is_plain(error: OSError) -> bool:
    """Whether the system says of a disk that it is full, or of a folder that it is read-only, and nobody added a remedy."""
    code = error.errno or 0
    return code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS) and error.strerror == os.strerror(code)


def _as_options(text: str, parser: argparse.ArgumentParser) -> str:
    """Write ``image_size=(height, width)`` as ``--image-size height width`` and ``image_size:`` as ``--image-size:``.

    What a configuration file says is named as it stands there: ``line.toml: image-size:``.
    """
    options = {action.dest: action.option_strings[-1] for action in parser._actions if action.option_strings}
    of_file: Mapping[str, str] = getattr(parser, "of_file", {})
    options |= {name: option for name, option in _OTHER_NAMES.items() if option in options.values()}

    def option_with_value(match: re.Match[str]) -> str:
        name, value = match.groups()
        plain = re.sub(r"[^\w. ]", "", value)
        return f"{options[name]} {plain}" if name in options else match.group()

    text = re.sub(r"\b([a-z]\w*)=(\([\w, ]+\)|\[[\w, ]+\]|'\w+'|\"\w+\")", option_with_value, text)
    start = re.match(r"([a-z]\w*): ", text)
    if start and start[1] in options:
        in_file = start[1] in of_file
        rest = _OTHER_PARAMETER.sub(lambda match: options.get(match[0], match[0])[2 * in_file :], text[start.end() :])
        text = f"{of_file.get(start[1], options[start[1]])}: {rest}"
    return text
