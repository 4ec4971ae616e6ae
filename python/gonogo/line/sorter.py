"""The sorter: finds pictures that are ready, claims them, has them decided on, and brings them to their folders."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.decision import REVIEW
from gonogo.line.claim import Picture, is_in_use
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration, Places
from gonogo.line.csv_log import CsvLog
from gonogo.line.decider import QUARANTINE, Decider
from gonogo.line.disk import Disk, DiskFullError, Status
from gonogo.line.drift_watch import DriftWatch
from gonogo.line.frozen_camera import FrozenCamera
from gonogo.line.inbox import Inbox, Part
from gonogo.line.intake import Intake
from gonogo.line.intents import batch_folder
from gonogo.line.journal import Entry, Journal, shown
from gonogo.line.naming import part_of
from gonogo.line.outcome import Job, Outcome, decide_jobs
from gonogo.line.places import below
from gonogo.line.transfer import GONE, Transfer, source_of

_BATCH_BYTES = 128 * 1024 * 1024  # of pictures; two batches are in memory
_FULL = "disk-full"  # of an ALARM


@dataclass
class Counts:
    """What became of the pictures of this run."""

    sorted: int = 0
    review: int = 0
    quarantined: int = 0
    lost: int = 0
    labels: dict[str, int] = field(default_factory=dict)

    def add(self, labels: Sequence[str]) -> None:
        """Count what ``Transfer.finish`` says."""
        for label in labels:
            if label == GONE:
                self.lost += 1
                continue
            self.labels[label] = self.labels.get(label, 0) + 1
            self.sorted += label not in (REVIEW, QUARANTINE)
            self.review += label == REVIEW
            self.quarantined += label == QUARANTINE


@dataclass
class Batch:
    """Parts that are in hand: its number, rows that are written at its end, the steady time at which it began.

    ``alarm``: rows of an alarm that came up with it. ``failed``: nobody has got its outcomes, and nobody will.
    """

    number: int
    jobs: list[Job]
    more: list[Entry]
    started: float
    outcomes: Callable[[], list[list[Outcome]]] = list
    alarm: list[Entry] = field(default_factory=list)
    failed: bool = False


class Sorter:
    """Sorts one inbox. The caller holds its lock.

    Parameters
    ----------
    disk, clock : Disk, Clock
        Of the machine.
    places : Places
        Where it works.
    configuration : Configuration
        Its settings.
    decider : Decider
        Decides on parts.
    journal : Journal
        Open for writing.
    keeps : bool
        Whether pictures stay in the inbox and are copied.
    drift : DriftWatch, optional
        Looks on.
    """

    def __init__(
        self,
        disk: Disk,
        clock: Clock,
        places: Places,
        configuration: Configuration,
        decider: Decider,
        journal: Journal,
        *,
        keeps: bool = False,
        drift: DriftWatch | None = None,
    ) -> None:
        self.disk, self.clock, self.places, self.configuration = disk, clock, places, configuration
        self.decider, self.journal, self.keeps, self.drift = decider, journal, keeps, drift
        self.counts = Counts()
        self.inbox = Inbox(disk, clock, places.inbox, configuration)
        if keeps:
            self.inbox.is_known = self._is_known
        self.intake = Intake(disk, clock, places, configuration, decider, self.inbox)
        self.transfer = Transfer(disk, clock, places, configuration, journal, decider.description, keeps)
        self.csv = CsvLog(disk, places.csv, journal, configuration)
        self._known: set[tuple[int, ...]] = set()
        self._thread: ThreadPoolExecutor | None = None
        self.in_hand: set[int] = set()  # numbers of batches that have no END
        self.is_stopped: Callable[[], bool] = lambda: False
        self.after_batch: Callable[[], None] = lambda: None
        self._camera = FrozenCamera(configuration, journal)
        segment = journal.last("SEGMENT")
        self._mark = "" if segment is None else str(segment.body["mark"])
        last = journal.last("BATCH")
        self._number = 0 if last is None else int(last.body["next"])
        told = journal.last("ALARM")
        is_newer = told is not None and (last is None or last.sequence < told.sequence)
        self.is_full = told is not None and is_newer and told.body.get("cause") == _FULL  # already before this start

    def step(self, only: Sequence[str] | None = None) -> int:
        """Look at the inbox once and sort what is ready; return how many pictures were taken.

        Parameters
        ----------
        only : sequence of str, optional
            Names; others are left alone.

        Raises
        ------
        DiskFullError
            There is less room than is kept in reserve; nothing was taken.
        """
        parts = self.inbox.look(only)
        taken, before = 0, None
        while parts or before is not None:
            batch = None
            if self.stops or self.is_stopped():
                parts = []
            if parts:
                chosen = self._take(parts)
                parts = parts[len(chosen) :]
                try:
                    batch = self._next(chosen)
                except (DiskFullError, FileNotFoundError):  # waited for by a line that watches
                    if before is not None:
                        self._end(before, before.outcomes())
                    raise
            if batch is not None:
                self._decide_meanwhile(batch, before)
            if before is not None:
                taken += self._end(before, self._outcomes(before))
            before = batch
        return taken

    def _next(self, parts: Sequence[Part]) -> Batch | None:
        jobs = [job for part in parts if (job := self._job(part)) is not None]
        if not jobs:
            return None
        self.check_room()
        return self._begin(jobs)

    def _decide_meanwhile(self, batch: Batch, before: Batch | None = None) -> None:
        """Have a thread decide, while this one handles the files of the batches before and after.

        Where deciding on the batch ``before`` fails, or is not waited for, this one is not begun: what holds its pictures would
        be read in vain, and a picture that ends the program would have one try more than is counted.
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "decider")

        def decide() -> list[list[Outcome]]:
            if before is not None and before.failed:
                raise CancelledError
            try:
                return self._decide(batch)
            except BaseException:
                batch.failed = True
                raise

        batch.outcomes = self._thread.submit(decide).result

    def _outcomes(self, batch: Batch) -> list[list[Outcome]]:
        """Wait for what is decided on a batch."""
        try:
            return batch.outcomes()
        except BaseException:
            batch.failed = True
            raise

    def _decide(self, batch: Batch) -> list[list[Outcome]]:
        unproven = self.configuration.accept_unproven
        today = self.clock.today().date()
        outcomes = decide_jobs(batch.jobs, self.decider, accept_unproven=unproven, today=today, drift=self.drift)
        if self.drift is not None:
            batch.alarm, rows = self.drift.take_alarm(), self.drift.take_rows()
            batch.more += rows
        return outcomes

    @property
    def stops(self) -> bool:
        """Whether drift ends the sorting until a person has looked into it."""
        return self.drift is not None and self.drift.stops

    def check_room(self) -> None:
        """Raise ``DiskFullError`` where the reserve is touched, which an ALARM row tells once, until there is room again."""
        reserve = self.configuration.reserve_mb
        for place in (self.places.work, self.places.out, self.places.journal.parent):
            if (free := self.disk.free_bytes(place)) < reserve * 1_000_000:
                found = f"found {free / 1e6:.0f} MB of room, {reserve} MB are kept in reserve; make room"
                if not self.is_full:
                    self.journal.append([Entry("ALARM", body={"reason": f"{shown(place)}: {found}", "cause": _FULL})])
                self.is_full = True
                raise DiskFullError(errno.ENOSPC, found, str(place))
        self.is_full = False

    def close(self) -> None:
        """Wait for the thread that decides."""
        if self._thread is not None:
            self._thread.shutdown()

    def new_id(self) -> str:
        """Return an id that no picture of this journal has."""
        self._number += 1
        return f"{self._mark}{self._number:06x}"

    def _take(self, parts: Sequence[Part]) -> list[Part]:
        """Whole parts from the front, up to a batch."""
        chosen: list[Part] = []
        count = size = 0
        for part in parts:
            count += len(part.files)
            size += sum(file.status.size for file in part.files)
            if chosen and (count > self.configuration.batch or size > _BATCH_BYTES):
                break
            chosen.append(part)
        return chosen

    def _job(self, part: Part) -> Job | None:
        """A part with ids, unless somebody still has a hand on one of its files."""
        places = [self.places.inbox / file.name for file in part.files]
        in_use = [file for file, place in zip(part.files, places, strict=True) if is_in_use(place, self.disk)]
        for file in in_use:
            if self.inbox.may_read(file.name):
                self.inbox.put_back(file.name)
            else:
                self.inbox.forbid(file.name, "read")
        if in_use:
            return None
        pictures = [
            Picture(self.new_id(), file.name, place, file.status, since=file.since)
            for file, place in zip(part.files, places, strict=True)
        ]
        return Job(part.name, pictures, part.doubt)

    def sort(self, jobs: Sequence[Job]) -> int:
        """Sort parts, from the row that says that they are looked at to the one that says that all is done."""
        batch = self._begin(jobs)
        if self._thread is None:
            return self._end(batch, self._decide(batch))
        self._decide_meanwhile(batch)  # by the thread that may be deciding on other batches: one decides at a time
        return self._end(batch, batch.outcomes())

    def _begin(self, jobs: Sequence[Job]) -> Batch:
        """Read and claim pictures."""
        started = self.clock.steady()
        # Before anybody looks into a file: what ends the program is known by its row when it starts again.
        number = self.journal.append([batch_row(jobs, self.places, self._number)])[0]
        self.in_hand.add(number)
        ready = [read for job in jobs if (read := self.intake.read(job)) is not None]
        if not self.keeps:
            ready = self.intake.claim(ready, batch_folder(self.places.work, number))
        watched = [self._camera.look(job) for job in ready]
        gone = self.intake.take_gone()
        self.counts.lost += len(gone)
        more = [*gone, *(alarm for _, alarms in watched for alarm in alarms)]
        return Batch(number, [job for job, _ in watched], more, started)

    def _end(self, batch: Batch, outcomes: Sequence[Sequence[Outcome]]) -> int:
        """Bring pictures to their folders; an alarm is told before anything that follows from it."""
        self.journal.append(batch.alarm)
        more, decided = list(batch.more), []
        for job, said in zip(batch.jobs, outcomes, strict=True):
            more += self._audits(job, said)
            for picture, outcome in zip(job.pictures, said, strict=True):
                picture.data = b""
                decided.append((picture, outcome))
        self.counts.add(self.transfer.finish(batch.number, decided, more, batch.started))
        self.in_hand.remove(batch.number)
        for picture, _ in decided:
            if self.keeps:
                self._known.add(picture.status.identity)
            self.inbox.finish(picture.name)
        if not self.keeps:
            folder = batch_folder(self.places.work, batch.number)
            self.sort_strangers(folder, "it was written anew after it had been copied")
            self.disk.remove_empty_folder(folder)
        self.csv.write()
        self.after_batch()
        return len(decided)

    def sort_strangers(self, folder: Path, doubt: str) -> int:
        """Send what still lies in a folder of ``work/`` to people: nobody decided on this content. Return how many these are."""
        count = 0
        for name, status in self.disk.scan(folder):
            if status.kind == "file":
                part = part_of(name, self.configuration.pattern)
                picture = Picture(self.new_id(), name, folder / name, status)
                count += self.sort([Job(name if part is None else part[0], [picture], doubt)])
        return count

    def _audits(self, job: Job, outcomes: Sequence[Outcome]) -> list[Entry]:
        """Mark a share of the passed parts for people, by a number that nobody can steer: a picture's own SHA-256."""
        if not all(outcome.passed for outcome in outcomes):
            return []
        drawn = int(job.pictures[0].content[:13], 16) < self.configuration.audit_share * 16**13
        return [Entry("AUDIT", id=picture.id, name=shown(picture.name)) for picture in job.pictures if drawn]

    def _is_known(self, name: str, status: Status) -> bool:
        """Whether a file that stays in the inbox is done: by the journal, and once per run by its content."""
        if status.identity in self._known:
            return True
        content = self.journal.content_of(source_of(status))
        if content is None:
            return False
        try:
            is_same = self.disk.digest(self.places.inbox / name) == content
        except OSError:  # asked again at the next look: nothing is copied twice because it could not be read once
            return True
        if is_same:
            self._known.add(status.identity)
        return is_same


def batch_row(jobs: Sequence[Job], places: Places, number: int) -> Entry:
    """Return the row that says that parts are looked at from now on; ``number`` is that of the last id."""
    files = [
        [
            *(picture.id, picture.name, *picture.status.identity, picture.tries),
            *(None if job.name == picture.name else job.name, job.doubt),
        ]
        for job in jobs
        for picture in job.pictures
    ]
    return Entry("BATCH", body={"files": files, "next": number, "work": below(places.out, places.work)})


def start_row(
    places: Places, settings: dict[str, Any], description: dict[str, Any], user: str, facts: Mapping[str, Any]
) -> Entry:
    """Return the row that says that a sorter began, with what, and who began it."""
    where = {"inbox": str(places.inbox), "work": below(places.out, places.work), "out": str(places.out)}
    return Entry("START", body={**where, "settings": settings, "user": user, "facts": dict(facts), **description})
