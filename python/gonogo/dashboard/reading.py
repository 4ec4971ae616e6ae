"""What there is to know about a line, read from journal, verdicts and folders in a fraction of a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.decision import REVIEW
from gonogo.line.approval import NOT_KNOWN
from gonogo.line.configuration import Configuration, configuration_of
from gonogo.line.decided import Decided, Facts, History, facts_of, open_history
from gonogo.line.disk import Disk, FileChangedError, NotRegularError
from gonogo.line.frozen_camera import FrozenCamera
from gonogo.line.heads import check_heads
from gonogo.line.hourly import Key
from gonogo.line.journal import Row
from gonogo.line.naming import is_ignored
from gonogo.line.status import last_status
from gonogo.line.verdicts import read_verdicts
from gonogo.line.verify import is_running
from gonogo.pilot import Status, Trial, trial_status
from gonogo.reviewing import pilot_verdicts

DAYS = 14  # that the page looks back
THUMBNAILS = 24
_SIDE = 112  # pixels of a thumbnail
_LOOKED_AT = 2000  # newest pictures in REVIEW; with more waiting, the page says "at least"
_ALARMS = 12
_DRIFT_ROWS = 48


@dataclass(frozen=True)
class Waiting:
    """A picture that waits for a person, small; no pixels where it cannot be shown."""

    picture: Decided
    pixels: NDArray[np.uint8] | None


@dataclass(frozen=True)
class Queue:
    """Pictures in REVIEW without a verdict, that are still at their places.

    Attributes
    ----------
    count : int
        So many; at least so many where ``more``.
    more : bool
        Whether older ones were not looked at.
    oldest : str
        Time of the oldest that was looked at; empty where there is none.
    newest : sequence of Waiting
    listed : int
        Files without a verdict that lie there from before the journal was made anew, besides ``count``.
    """

    count: int
    more: bool
    oldest: str
    newest: Sequence[Waiting]
    listed: int = 0


@dataclass(frozen=True)
class Alarm:
    """Something that a person had to know."""

    time: str
    kind: str
    name: str
    reason: str


@dataclass(frozen=True)
class Inbox:
    """Files in the inbox.

    Attributes
    ----------
    files : int
        That will be looked at; None where there is no inbox.
    oldest : float or None
        Seconds since the last change of the one that has waited longest.
    """

    files: int | None
    oldest: float | None


@dataclass(frozen=True)
class LineState:
    """All that the page shows.

    Attributes
    ----------
    at : datetime
        Now, with its time zone.
    name : str
        Of the output.
    running : bool
        Whether a sorter is at work.
    start : mapping
        Body of the last START row, with its ``time``; empty where there is none.
    model : mapping
        Body of the last MODEL row, with its ``time``; empty where there is none.
    facts : Facts
    hours : Counter
        Counts of the last ``DAYS`` days, see ``Journal.hourly``.
    last : str
        Time of the last decision; empty where there is none.
    inbox : Inbox
    queue : Queue
    alarms : list of Alarm
        The last ones, the newest first.
    selftest : mapping
        The last self-test that was passed, with its ``time``; empty where there is none.
    drift : list of Row
        How the watch for drift stood, the newest first.
    frozen : mapping
        Views that show the same picture again and again, and how often, see ``FrozenCamera.frozen``.
    free, reserve : int
        Bytes on the disk of the output, and how many are kept.
    pilot : Status or None
        Of a trial against human inspection, where people judged blind.
    verdicts : int
        Of people that stand.
    """

    at: datetime
    name: str
    running: bool
    start: Mapping[str, Any]
    model: Mapping[str, Any]
    facts: Facts
    hours: Counter[Key]
    last: str
    inbox: Inbox
    queue: Queue
    alarms: list[Alarm]
    selftest: Mapping[str, Any]
    drift: list[Row]
    frozen: Mapping[str, int]
    free: int
    reserve: int
    pilot: Status | None
    verdicts: int
    waits_for: str = ""

    @property
    def rebuilt(self) -> str:
        """When the journal was made anew, so that nothing tells what decided before; empty where somebody has approved since."""
        return str(self.model["time"]) if self.model.get("model") == NOT_KNOWN else ""

    @property
    def valid_until(self) -> str | None:
        """Last day of the certificate that is in use; None: no end."""
        last: str | None = self.start.get("facts", {}).get("valid_until")
        return last


def read_line(out: Path, journal: Path, disk: Disk, at: datetime) -> LineState:
    """Return what there is to know about a line.

    Parameters
    ----------
    out, journal : pathlib.Path
        What ``gonogo sort`` has filled, and its journal.
    disk : Disk
        Of the machine.
    at : datetime
        Now, with its time zone.

    Raises
    ------
    JournalError
        The journal or the verdicts are damaged, or the journal is gone.
    OSError
        There is no journal, or the output cannot be read.
    """
    check_heads(out, journal, disk)
    with open_history(journal, disk) as history:
        facts, start = facts_of(history, out, disk), history.last_start() or {}
        settings = start.get("settings", {})
        standing = []
        if (opened := read_verdicts(journal, disk)) is not None:
            with opened as verdicts:
                standing = verdicts.standing()
        return LineState(
            at=at,
            name=out.absolute().name,
            running=is_running(out, disk),
            start=start,
            model=_newest(history, "MODEL"),
            facts=facts,
            hours=history.hourly(f"{at - timedelta(days=DAYS):%Y-%m-%d}"),
            last=history.last_time(),
            inbox=_inbox(Path(start["inbox"]), disk, at, keeps=bool(settings.get("copy")))
            if start
            else Inbox(None, None),
            queue=_queue(
                history, {said for row in standing for said in (row.id, row.sha256)}, out, disk, facts.bit_depth
            ),
            alarms=[_alarm(row) for row in history.newest(_ALARMS, "ALARM", "LOST")],
            selftest=_newest(history, "SELFTEST"),
            drift=history.newest(_DRIFT_ROWS, "DRIFT"),
            frozen=FrozenCamera(configuration_of(start), history).frozen,
            free=disk.free_bytes(out),
            reserve=int(settings.get("reserve_mb", Configuration().reserve_mb)) * 1_000_000,
            pilot=_pilot(out, journal, disk, facts) if any(row.selection == "all" for row in standing) else None,
            verdicts=len(standing),
            waits_for=_waits_for(out, disk),
        )


def _newest(history: History, kind: str) -> dict[str, Any]:
    return next(({**row.body, "time": row.time} for row in history.newest(1, kind)), {})


def _waits_for(out: Path, disk: Disk) -> str:
    told = last_status(out, disk)
    problems = told.get("problems")
    return str(problems[0]) if told.get("state") == "waiting" and isinstance(problems, list) and problems else ""


def _alarm(row: Row) -> Alarm:
    return Alarm(row.time, row.kind, row.name or "", str(row.body.get("reason", "")))


def _inbox(inbox: Path, disk: Disk, at: datetime, *, keeps: bool) -> Inbox:
    try:
        found = disk.scan(inbox)
    except OSError:
        return Inbox(None, None)
    times = [status.modified for name, status in found if status.kind == "file" and not is_ignored(name)]
    if keeps:  # what is done stays there: its age says nothing
        return Inbox(len(times), None)
    return Inbox(len(times), max(0.0, at.timestamp() - min(times) / 1e9) if times else None)


def _queue(history: History, judged: set[str], out: Path, disk: Disk, bit_depth: int) -> Queue:
    """The newest pictures in REVIEW first; ``judged`` are ids and contents of pictures, since ids may be lost."""
    waiting, looked = [], 0
    for identifier, final in history.newest_in(REVIEW):
        if looked == _LOOKED_AT:
            break
        looked += 1
        # Names that are no text are not shown as they are; these are taken to be there.
        if identifier not in judged and ("\\udc" in final or disk.status(out / final) is not None):
            waiting.append(identifier)
    newest = list(history.by_id(waiting[:THUMBNAILS]).values())
    oldest = "" if not waiting else history.by_id(waiting[-1:])[waiting[-1]].time
    shown = [Waiting(picture, _thumbnail(out / picture.place, disk, bit_depth)) for picture in newest]
    listed = [one for one in history.listed_in(REVIEW) if one.id not in judged]
    there = sum(disk.status(out / one.place) is not None for one in listed)
    return Queue(len(waiting), looked == _LOOKED_AT, oldest, shown, there)


def _thumbnail(path: Path, disk: Disk, bit_depth: int) -> NDArray[np.uint8] | None:
    """The decoder's pixels, small; a browser would show the file otherwise than the net saw it."""
    try:
        data, _ = disk.read(path)
        pixels = _core.decode(data, 3, bit_depth)
    except (_core.CoreError, NotRegularError, FileChangedError, OSError):
        return None
    if _core.is_grey(pixels):
        pixels = np.ascontiguousarray(pixels[:, :, :1])
    scale = _SIDE / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return _core.resize(pixels, height, width, "stretch")


def _pilot(out: Path, journal: Path, disk: Disk, facts: Facts) -> Status | None:
    """The trial at the promise of the certificate, or at 1 % and 95 %."""
    if facts.pass_label is None:
        return None
    found = pilot_verdicts(out, journal, disk)
    return trial_status(found.verdicts, Trial(0.01, 0.95)) if found.verdicts else None
