"""A camera that shows the same picture again and again: equal bytes, not pictures that look alike, which good parts do."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gonogo.line.configuration import Configuration
from gonogo.line.journal import Entry, Journal, shown
from gonogo.line.naming import part_of
from gonogo.line.outcome import Job


@dataclass
class _View:
    """What a view has shown last, and how often in a row."""

    picture: str = ""
    content: str = ""
    repeats: int = 0


class FrozenCamera:
    """Watches each view of the parts by itself: one camera may freeze while the others go on.

    Parameters
    ----------
    configuration : Configuration
        After how many equal pictures a camera is frozen, and how names tell views.
    journal : Journal
        From whose last pictures is gone on.
    """

    def __init__(self, configuration: Configuration, journal: Journal) -> None:
        self._limit, self._pattern = configuration.frozen_after, configuration.pattern
        self._names_views = "view" in configuration.pattern_groups
        self._views: dict[str, _View] = {}
        for identifier, name, content in journal.last_contents(self._limit * configuration.views):
            self._seen(identifier, name, content)

    def look(self, job: Job) -> tuple[Job, list[Entry]]:
        """Return a part, doubted where a view shows the same bytes too often in a row, and the alarm that says so once."""
        alarms: list[Entry] = []
        doubt = job.doubt
        for picture in job.pictures:
            repeats = self._seen(picture.id, picture.name, picture.content)
            if self._limit and repeats >= self._limit:
                doubt = doubt or f"the same picture {repeats} times in a row: the camera may be frozen"
                if repeats == self._limit:
                    alarms.append(Entry("ALARM", name=shown(picture.name), body={"reason": doubt}))
        return replace(job, doubt=doubt), alarms

    def _seen(self, identifier: str, name: str, content: str) -> int:
        """How often in a row its view has shown a picture; one that is decided on again counts once."""
        told = part_of(name, self._pattern) if self._names_views else None
        view = self._views.setdefault(told[1] if told else "", _View())
        if view.content != content:
            view.repeats = 0
        if view.picture != identifier:
            view.repeats += 1
        view.picture, view.content = identifier, content
        return view.repeats
