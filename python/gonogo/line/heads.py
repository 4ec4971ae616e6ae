"""Once a day the journal's head is written where the journal is not: whoever can change the journal can chain it anew.

What is written there also tells of a journal that is gone, or of rows that are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gonogo.errors import JournalError
from gonogo.line.clock import Clock
from gonogo.line.configuration import Places
from gonogo.line.disk import Disk
from gonogo.line.journal import Journal
from gonogo.line.segments import aside_start, closed_segments, read_journal

_TAIL = 400  # bytes, more than two lines have
_LINE = re.compile(r"(\S+) row (\d+) head ([0-9a-f]{64})")
_REMEDY = "put it back, name it with --journal, or run gonogo recover OUT, which starts a new one"


def heads_of(out: Path) -> Path:
    """Return where the heads of an output's journal are kept."""
    return out / ".gonogo" / "heads.log"


def write_head(disk: Disk, clock: Clock, places: Places, journal: Journal) -> str:
    """Write time, number and chain of the last row into ``OUT/.gonogo/heads.log``, once a day for each file of a journal.

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
    said = _LINE.fullmatch(last)
    is_of_this_file = said is None or journal.chain_of(int(said[2])) is not None
    if last[:10] == today.isoformat()[:10] and is_of_this_file:
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


def check_heads(out: Path, path: Path, disk: Disk) -> None:
    """Refuse a journal that is gone, or without a row that the last head tells of: it is not begun anew in silence.

    Without its file in use a journal is whole between the end of a month and the first row of the next: the closed files have all
    rows that are told of.

    Raises
    ------
    JournalError
        It is gone, is another one, or is damaged.
    """
    found = disk.status(path)
    is_there = found is not None and found.size > 0
    names = [] if disk.status(path.parent) is None else [name for name, _ in disk.scan(path.parent)]
    if (said := last_head(out, disk)) is None:
        kept = [name for name in names if name.startswith(aside_start(path))]
        if kept and not is_there:
            raise JournalError(path, f"missing, although {kept[-1]} was set aside; {_REMEDY}")
        return
    time, row, head = said.groups()
    closed = closed_segments(path, disk) if names else []
    for file in (*([path] if is_there else []), *reversed(closed)):
        with read_journal(file, disk) as opened:
            chain = opened.chain_of(int(row))
        if chain == head:
            return
        if chain is not None:
            raise JournalError(path, f"damaged: row {row} had another head on {time}, as heads.log tells; {_REMEDY}")
    told = f"although heads.log tells of {int(row):,} rows on {time[:10]}"
    raise JournalError(path, f"{'incomplete' if is_there else 'missing'}, {told}; {_REMEDY}")


def last_head(out: Path, disk: Disk) -> re.Match[str] | None:
    """Return time, number and chain of the row that the last whole line tells of; None where there is none."""
    log = disk.status(heads_of(out))
    tail = disk.read_tail(heads_of(out), _TAIL)[0] if log is not None and log.kind == "file" else b""
    lines = tail.decode("ascii", "replace").splitlines()
    return next((said for line in reversed(lines) if (said := _LINE.fullmatch(line))), None)
