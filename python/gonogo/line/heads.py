"""Once a day the journal's head is written where the journal is not: whoever can change the journal can chain it anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gonogo.line.clock import Clock
from gonogo.line.configuration import Places
from gonogo.line.disk import Disk
from gonogo.line.journal import Journal

_TAIL = 200  # bytes, more than a line has
_LINE = re.compile(r"(\S+) row (\d+) head ([0-9a-f]{64})")


def heads_of(out: Path) -> Path:
    """Return where the heads of an output's journal are kept."""
    return out / ".gonogo" / "heads.log"


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
    path, today = heads_of(places.out), clock.today()
    tail, _ = disk.read_tail(path, _TAIL)
    last = tail.decode("ascii", "replace").strip().rpartition("\n")[2]
    if last[:10] == today.isoformat()[:10]:
        return ""
    line = f"{today.isoformat(timespec='seconds')} row {journal.sequence} head {journal.head}"
    torn = b"\n" if tail and not tail.endswith(b"\n") else b""
    disk.append(path, torn + f"{line}\n".encode())
    return line


def head_faults(out: Path, disk: Disk, journal: Journal) -> Iterator[str]:
    """Yield which rows of a file of the journal had another chain when their head was written; torn lines are passed over."""
    if disk.status(heads_of(out)) is None:
        return
    data, _ = disk.read(heads_of(out))
    for line in data.decode("ascii", "replace").splitlines():
        if said := _LINE.fullmatch(line):
            chain = journal.chain_of(int(said[2]))
            if chain is not None and chain != said[3]:
                yield f"row {said[2]} had another head on {said[1]}, as heads.log tells: rows were written anew"
