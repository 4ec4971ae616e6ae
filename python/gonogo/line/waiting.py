"""What a line that watches waits for, in place of its end: room on a disk, or a folder of the output that it may write."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from gonogo.line.claim import can_write, existing_folder
from gonogo.line.clock import Clock
from gonogo.line.disk import BlockedError, Disk

_PAUSE = 1.0  # seconds between two looks
# Seconds until the line is opened again: what cannot be seen by looking shall not make it begin all the time.
_LEAST = 5.0
_ROOM = 1_000_000  # bytes, at least


def is_waited_for(error: OSError) -> bool:
    """Return whether an error passes once somebody has made room or given a right; nothing is lost meanwhile."""
    return isinstance(error, BlockedError) or error.errno in (errno.ENOSPC, errno.EDQUOT)


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
