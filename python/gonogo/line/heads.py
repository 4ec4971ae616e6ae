"""Once a day the journal's head is written where the journal is not: whoever can change the journal can chain it anew."""

from __future__ import annotations

from gonogo.line.clock import Clock
from gonogo.line.configuration import Places
from gonogo.line.disk import Disk
from gonogo.line.journal import Journal

_TAIL = 200  # bytes, more than a line has


def write_head(disk: Disk, clock: Clock, places: Places, journal: Journal) -> str:
    """Write time, number and chain of the last row into ``OUT/.gonogo/heads.log``, at most once a day.

    Returns
    -------
    str
        The line, for the log of the service, which lies elsewhere; empty where today's is written already.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    path, today = places.keeping / "heads.log", clock.today()
    tail, _ = disk.read_tail(path, _TAIL)
    last = tail.decode("ascii", "replace").strip().rpartition("\n")[2]
    if last[:10] == today.isoformat()[:10]:
        return ""
    line = f"{today.isoformat(timespec='seconds')} row {journal.sequence} head {journal.head}"
    torn = b"\n" if tail and not tail.endswith(b"\n") else b""
    disk.append(path, torn + f"{line}\n".encode())
    return line
