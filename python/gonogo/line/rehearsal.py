"""What a line would do, without doing it: nothing is claimed, moved, copied or written."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from gonogo.line.claim import Picture, is_in_use
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration
from gonogo.line.decider import Decider
from gonogo.line.disk import Disk, FileChangedError, NotRegularError
from gonogo.line.inbox import Inbox, Part
from gonogo.line.outcome import Job, decide_jobs


def rehearse(
    inbox: Path, configuration: Configuration, decider: Decider, *, disk: Disk, clock: Clock
) -> list[dict[str, Any]]:
    """Return a row for each picture of the inbox: ``file``, ``part``, ``decision``, ``score`` and ``reason``.

    Files that change, are in use or whose part is incomplete when they are looked at have the decision None.
    """
    looks = Inbox(disk, clock, inbox, configuration)
    looks.look()
    names = set(looks.waiting)
    clock.sleep(configuration.settle_ms / 1000 + 0.001)
    rows: dict[str, dict[str, Any]] = {}
    for part in looks.look(names):
        rows |= _rows(part, inbox, configuration, decider, disk, clock.today().date())
    waiting = {"part": "", "decision": None, "score": None, "reason": "it is not ready, or its part is not complete"}
    return [{"file": name, **rows.get(name, waiting)} for name in sorted(names)]


def _rows(
    part: Part, inbox: Path, configuration: Configuration, decider: Decider, disk: Disk, today: date
) -> dict[str, dict[str, Any]]:
    pictures: list[Picture] = []
    for file in part.files:
        picture = Picture(file.name, file.name, inbox / file.name, file.status)
        try:
            if is_in_use(picture.place, disk):
                return {}
            picture.read(disk, decider.check)
        except (OSError, FileChangedError, NotRegularError):
            return {}
        pictures.append(picture)
    (outcomes,) = decide_jobs(
        [Job(part.name, pictures, part.doubt)], decider, accept_unproven=configuration.accept_unproven, today=today
    )
    return {
        picture.name: {"part": said.part, "decision": said.label, "score": said.finite_score, "reason": said.reason}
        for picture, said in zip(pictures, outcomes, strict=True)
    }
