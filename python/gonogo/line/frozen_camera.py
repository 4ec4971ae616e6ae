"""A camera that shows the same picture again and again: equal bytes, not pictures that look alike, which good parts do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from gonogo.line.configuration import Configuration
from gonogo.line.journal import Entry, shown
from gonogo.line.naming import part_of
from gonogo.line.outcome import Job


@dataclass
class _View:
    """What a view has shown last, and how often in a row."""

    picture: str = ""
    content: str = ""
    repeats: int = 0


class Contents(Protocol):
    """What knows which pictures came last: a journal."""

    def last_contents(self, count: int) -> list[tuple[str, str, str]]:
        """Return id, shown name and SHA-256 of the last pictures that were decided on, in their order."""


class Repeats:
    """Counts how often in a row each view has shown the same bytes.

    Parameters
    ----------
    limit : int
        So many in a row are a frozen camera; 0: never.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._views: dict[str, _View] = {}

    @property
    def frozen(self) -> dict[str, int]:
        """How often in a row each frozen view has shown the same, at least."""
        return {name: view.repeats for name, view in self._views.items() if self._limit and view.repeats >= self._limit}

    def count(self, view: str, picture: str, content: str) -> int:
        """Return how often in a row a view has shown a picture, which is given by its id and its SHA-256.

        One that is decided on again counts once.
        """
        last = self._views.setdefault(view, _View())
        if last.content != content:
            last.repeats = 0
        if last.picture != picture:
            last.repeats += 1
        last.picture, last.content = picture, content
        return last.repeats

    def doubt(self, repeats: int) -> str:
        """Return why a part cannot pass whose picture was shown so often; empty where that is no frozen camera."""
        if not self._limit or repeats < self._limit:
            return ""
        return f"the same picture {repeats} times in a row: the camera may be frozen"


class FrozenCamera:
    """Watches each view of the parts by itself: one camera may freeze while the others go on.

    Parameters
    ----------
    configuration : Configuration
        After how many equal pictures a camera is frozen, and how names tell views.
    journal : Contents
        From whose last pictures is gone on.
    """

    def __init__(self, configuration: Configuration, journal: Contents) -> None:
        self._limit, self._pattern = configuration.frozen_after, configuration.pattern
        self._names_views = "view" in configuration.pattern_groups
        self._repeats = Repeats(self._limit)
        for identifier, name, content in journal.last_contents(self._limit * configuration.views):
            self._seen(identifier, name, content)

    @property
    def frozen(self) -> dict[str, int]:
        """How often in a row each frozen view has shown the same, at least; its name is empty where names tell no view."""
        return self._repeats.frozen

    def look(self, job: Job) -> tuple[Job, list[Entry]]:
        """Return a part, doubted where a view shows the same bytes too often in a row, and the alarm that says so once."""
        alarms: list[Entry] = []
        doubt = job.doubt
        for picture in job.pictures:
            repeats = self._seen(picture.id, picture.name, picture.content)
            if found := self._repeats.doubt(repeats):
                doubt = doubt or found
                if repeats == self._limit:
                    alarms.append(Entry("ALARM", name=shown(picture.name), body={"reason": doubt}))
        return job if doubt == job.doubt else replace(job, doubt=doubt), alarms

    def _seen(self, identifier: str, name: str, content: str) -> int:
        """How often in a row its view has shown a picture."""
        told = part_of(name, self._pattern) if self._names_views else None
        return self._repeats.count(told[1] if told else "", identifier, content)
