"""What a line that watches waits for, in place of its end: room on a disk, a folder that it may write, or an inbox on a share."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from gonogo.line.claim import PROBE, can_write, existing_folder
from gonogo.line.clock import Clock
from gonogo.line.disk import AWAY, BlockedError, Disk

_PAUSE = 1.0  # seconds between two looks
# Seconds until the line is opened again: what cannot be seen by looking shall not make it begin all the time.
_LEAST = 5.0
_ROOM = 1_000_000  # bytes, at least


def is_waited_for(error: OSError) -> bool:
    """Return whether an error passes once somebody has made room or given a right; nothing is lost meanwhile."""
    return isinstance(error, BlockedError) or error.errno in (errno.ENOSPC, errno.EDQUOT)


def is_away(error: OSError, inbox: Path) -> bool:
    """Return whether an error tells that the inbox is away, as on a share: by itself, or by the look at it now."""
    about_it = error.filename in (str(inbox), str(inbox / PROBE))
    if about_it and error.errno in AWAY and not isinstance(error, PermissionError):
        return True
    return (error.errno in AWAY or isinstance(error, FileNotFoundError)) and not can_be_seen(inbox)


def can_be_seen(inbox: Path) -> bool:
    """Return whether an inbox is there, and its share answers."""
    try:
        return inbox.exists()
    except OSError:
        return False


def wait_for_inbox(
    inbox: Path,
    *,
    clock: Clock,
    is_stopped: Callable[[], bool],
    progress: Callable[[], None],
    least: float | None = None,
) -> None:
    """Wait until an inbox can be seen, and for ``least`` seconds (default 5); else as ``wait_for``."""
    began, least = clock.steady(), _LEAST if least is None else least
    while not is_stopped():
        progress()
        if clock.steady() - began >= least and can_be_seen(inbox):
            return
        clock.sleep(_PAUSE / 2)


def wait_for(
    error: OSError,
    out: Path,
    reserve_mb: int,
    *,
    disk: Disk,
    clock: Clock,
    is_stopped: Callable[[], bool],
    progress: Callable[[], None],
) -> None:
    """Wait until what an error told of has passed, or somebody says stop.

    Parameters
    ----------
    error : OSError
        Whose file name is looked at, besides the output.
    out : pathlib.Path
        The output.
    reserve_mb : int
        Room that there must be again.
    disk, clock : Disk, Clock
        Of the machine.
    is_stopped, progress : callable
        Asked, and called, at each look.
    """
    places = [out] if error.filename is None else [out, Path(error.filename)]
    began = clock.steady()
    while not is_stopped():
        progress()
        clock.sleep(_PAUSE)
        is_blocked = error.errno == errno.ENOTDIR
        free = (_is_free(place, reserve_mb, disk, by_a_file=is_blocked) for place in places)
        if clock.steady() - began >= _LEAST and all(free):
            return


def _is_free(place: Path, reserve_mb: int, disk: Disk, *, by_a_file: bool) -> bool:
    try:
        found = disk.status(place)
        if by_a_file and found is not None and found.kind == "file":
            return False
        room = disk.free_bytes(existing_folder(place, disk))
    except OSError:
        return False
    return room >= max(_ROOM, reserve_mb * 1_000_000) and can_write(place, disk)
