"""From the inbox into the line's hands: the pictures of parts are read once, and claimed.

A part that loses one of its pictures on the way is decided on by people: what the others show says nothing about the whole part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gonogo.line.claim import BUSY, Picture, claim
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration, Places
from gonogo.line.decider import CHANGING, CRASHING, Decider
from gonogo.line.disk import Disk, FileChangedError, NotRegularError
from gonogo.line.inbox import Inbox
from gonogo.line.journal import Entry, shown
from gonogo.line.outcome import Job

TRIES_MAX = 2  # a picture whose decoding ended the program twice is not decoded again
_TAKEN = {"reason": "it was taken out of the folder of claimed pictures"}
_INCOMPLETE = "a picture of the part was taken away"


class Intake:
    """Reads and claims pictures.

    Parameters
    ----------
    disk, clock : Disk, Clock
        Of the machine.
    places : Places
        Where the line works.
    configuration : Configuration
        Of the line.
    decider : Decider
        Which checks files.
    inbox : Inbox
        Where what cannot be taken waits on.
    """

    def __init__(
        self,
        disk: Disk,
        clock: Clock,
        places: Places,
        configuration: Configuration,
        decider: Decider,
        inbox: Inbox,
    ) -> None:
        self._disk, self._clock, self._places = disk, clock, places
        self._configuration, self._decider, self._inbox = configuration, decider, inbox
        self._gone: list[Entry] = []

    def take_gone(self) -> list[Entry]:
        """Return the rows about claimed pictures that others have taken away, once."""
        gone, self._gone = self._gone, []
        return gone

    def read(self, job: Job) -> Job | None:
        """Read the pictures of a part; None where it has to wait in the inbox, or was taken from there."""
        there = []
        for picture in job.pictures:
            check = self._decider.check if picture.tries <= TRIES_MAX else None
            try:
                picture.read(self._disk, check)
            except FileNotFoundError:
                if not self._is_claimed(picture):
                    return None
                self._tell_gone(picture)
                continue
            except (FileChangedError, NotRegularError, OSError) as error:
                claimed = self._is_claimed(picture)
                if claimed and isinstance(error, FileChangedError):
                    self._mark_changing(picture)
                    there.append(picture)
                    continue
                if claimed or (isinstance(error, OSError) and error.errno not in BUSY):
                    raise
                self._let_wait(picture, error)
                return None
            there.append(picture)
            if check is None:
                picture.fault = CRASHING
            elif picture.is_damaged and not self._is_claimed(picture) and not self._is_overdue(picture):
                self._inbox.put_back(picture.name, picture.fault.reason if picture.fault else "")
                return None
        return _with(job, there)

    def claim(self, jobs: Sequence[Job], folder: Path) -> list[Job]:
        """Claim the pictures of parts; those that cannot be claimed are missing in theirs."""
        self._disk.make_folder(folder)
        claimed = [self._claim(job, folder) for job in jobs]
        return [job for job in claimed if job is not None]

    def _claim(self, job: Job, folder: Path) -> Job | None:
        ours: list[Picture] = []
        doubt = job.doubt
        for picture in job.pictures:
            try:
                is_ours = self._is_claimed(picture) or claim(picture, folder, self._disk)
            except PermissionError:
                self._inbox.forbid(picture.name, "taken")
                if not ours:  # nothing is taken yet: the whole part waits
                    return None
            else:
                if is_ours:
                    ours.append(picture)
                    continue
                self._inbox.put_back(picture.name)
            doubt = doubt or "a picture of the part could not be taken from the inbox"
        there = []
        for picture in ours:
            if not picture.content:
                try:
                    doubt = self._read_again(picture) or doubt
                except FileNotFoundError:
                    self._tell_gone(picture)
                    continue
            there.append(picture)
        return _with(Job(job.name, ours, doubt), there)

    def _let_wait(self, picture: Picture, error: Exception) -> None:
        if isinstance(error, PermissionError):
            self._inbox.forbid(picture.name, "read")
        else:
            self._inbox.put_back(picture.name)

    def _is_claimed(self, picture: Picture) -> bool:
        return picture.place.parent != self._places.inbox

    def _is_overdue(self, picture: Picture) -> bool:
        file = self._inbox.waiting.get(picture.name)
        return file is not None and self._clock.steady() - file.since >= self._configuration.max_wait

    def _read_again(self, picture: Picture) -> str:
        """Read a picture that changed between reading and claiming; return why it cannot pass even if it is sound now."""
        try:
            picture.read(self._disk, self._decider.check)
        except FileChangedError:
            self._mark_changing(picture)
        return "the file changed while it was taken"

    def _mark_changing(self, picture: Picture) -> None:
        """Let a claimed picture that changed while it was read be quarantined as it is now."""
        picture.fault = CHANGING
        picture.status = self._disk.status(picture.place) or picture.status
        picture.content = self._disk.digest(picture.place) or hashlib.sha256(b"").hexdigest()

    def _tell_gone(self, picture: Picture) -> None:
        self._gone.append(Entry("LOST", None, picture.id, None, shown(picture.name), body=_TAKEN))


def _with(job: Job, there: list[Picture]) -> Job | None:
    """A part with those of its pictures that are there; None where none is."""
    if len(there) < len(job.pictures):
        job = replace(job, pictures=there, doubt=job.doubt or _INCOMPLETE)
    return job if there else None
