"""One person goes through pictures that the line decided on; what they say is on the disk at once."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

from gonogo.decision import REVIEW
from gonogo.errors import DecodeError
from gonogo.labelling.session import check_reviewer
from gonogo.line.decided import Decided, Facts, History, facts_of, open_history
from gonogo.line.decider import QUARANTINE
from gonogo.line.disk import Disk, FileChangedError, NotRegularError
from gonogo.line.journal import Among
from gonogo.line.verdicts import UNCLEAR, Selection, Verdicts

_QUEUE: tuple[Among, ...] = ("REVIEW", "AUDIT")
_NOTHING_WAITS = "Nothing waits for you here: all pictures that are still at their places have your verdict."
_MADE_ANEW = " Left out are those from before the journal was made anew: nothing tells which model decided on them."


class ReviewSession:
    """Pictures to review; the page is that of ``gonogo label``. All methods may be called from any thread.

    A picture's id is its place in the order of showing: first those in REVIEW, then those marked for an audit, each the oldest
    first. Before them come files that lie in REVIEW from before the journal was made anew. Blind, the order is mixed by parts, so
    that neither place nor neighbours tell a decision. Each reviewer sees what they have not judged yet, and, blind, only pictures
    whose decision they were never shown. Damaged pictures (QUARANTINE) and those that are no longer at their places are left out.

    Parameters
    ----------
    out, journal : pathlib.Path
        What ``gonogo sort`` has filled, and its journal.
    disk : Disk
        Of the machine.
    verdicts : Verdicts
        Open for adding.
    everything : bool
        All pictures that the present model decided on, instead of those that wait for people.
    blind : bool
        Whether decisions stay hidden.

    Attributes
    ----------
    facts : Facts
        Classes and what else is known of the model.
    reviewer : str
        Who is looking; empty until ``begin``.
    """

    def __init__(
        self, out: Path, journal: Path, disk: Disk, verdicts: Verdicts, *, everything: bool, blind: bool
    ) -> None:
        self._out, self._journal, self._disk, self._verdicts = out, journal, disk, verdicts
        self._everything, self._blind = everything, blind
        self._selection: Selection = "all" if everything else "queue"
        self._lock = threading.Lock()
        self._items: list[Decided] = []
        self._said: dict[str, str] = {}
        self._undo: list[int] = []
        self._nothing = _NOTHING_WAITS
        self.reviewer = ""
        with open_history(journal, disk) as history:
            self.facts: Facts = facts_of(history, out, disk)
            if everything and history.was_made_anew:
                self._nothing += _MADE_ANEW

    def begin(self, reviewer: str) -> dict[str, Any]:
        """Take note of who is looking, find what they have not judged, and return ``state``.

        Called again, it adds what came meanwhile; pictures keep their ids. Another name begins anew.
        """
        name = check_reviewer(reviewer)
        with self._lock:
            if name != self.reviewer:
                self.reviewer, self._items, self._said, self._undo = name, [], {}, []
            with open_history(self._journal, self._disk) as history:
                self._items += self._new(history)
        return self.state()

    def state(self) -> dict[str, Any]:
        """Return what the page may know; no decision is in it."""
        with self._lock:
            return {
                "title": "Review pictures, blind" if self._blind else "Review pictures",
                "classes": self.facts.classes,
                "reviewer": self.reviewer,
                "verdicts": [self._said.get(item.id, "") for item in self._items],
                "suspects": 0,
                "reveals": "never" if self._blind else "at once",
                "empty": self._nothing,
            }

    def counts(self) -> dict[str, int]:
        """Return how many pictures there are, how many were judged and how many of these found unclear: nothing that tells how
        decisions and verdicts agree."""
        with self._lock:
            said = list(self._said.values())
            return {"pictures": len(self._items), "judged": len(said), "unclear": said.count(UNCLEAR)}

    def judge(self, number: int, corrected: str, reviewer: str) -> None:
        """Record what a picture shows; when this returns it is on the disk.

        Raises
        ------
        ValueError
            There is no such picture or class, or somebody else is looking.
        JournalError
            The verdicts cannot be written; nothing was recorded.
        """
        if corrected not in (*self.facts.classes, UNCLEAR):
            expected = ", ".join(self.facts.classes)
            raise ValueError(f"corrected: found {corrected!r}, expected {expected} or {UNCLEAR}")
        with self._lock:
            if check_reviewer(reviewer) != self.reviewer:
                raise ValueError(f"reviewer: found {reviewer!r}, but {self.reviewer!r} is looking; open the page again")
            item = self._item(number)
            self._verdicts.judge(self.reviewer, item.id, item.sha256, corrected, self._selection)
            self._said[item.id] = corrected
            self._undo.append(number)

    def undo(self) -> dict[str, Any] | None:
        """Take the last verdict of this session back; None where there is none."""
        with self._lock:
            if not self._undo:
                return None
            number = self._undo[-1]
            item = self._items[number]
            self._verdicts.withdraw(self.reviewer, item.id, item.sha256, self._selection)
            self._undo.pop()
            self._undo = [other for other in self._undo if other != number]
            self._said.pop(item.id, None)
            return {"id": number, "corrected": ""}

    def reveal(self, number: int) -> dict[str, Any]:
        """Return what was decided on a picture, once it is on the disk that it was shown; blind, raise ``ValueError``."""
        if self._blind:
            raise ValueError("the decision stays hidden: this review is blind")
        with self._lock:
            item = self._item(number)
            self._verdicts.tell(self.reviewer, item.id, item.sha256, self._selection)
        decided = f"{item.decision} (PASS)" if item.passed else item.decision
        facts = [("decided", decided)]
        facts += [("because", item.reason)] if item.reason else []
        facts += [("score", f"{item.score:.4g}")] if item.score is not None else []
        facts += [("part", item.part)] if item.part and item.part != item.name else []
        confirms = item.decision if item.decision in self.facts.classes else ""
        return {
            "facts": [*facts, ("file", item.name), ("time", item.time[:19].replace("T", " "))],
            "confirms": confirms,
        }

    def content(self, number: int) -> bytes:
        """Return the file of a picture, which must be the one that was decided on; see ``labelling.page.Judging``."""
        with self._lock:
            item = self._items[number]
        path = self._out / item.place
        try:
            data, _ = self._disk.read(path)
        except (NotRegularError, FileChangedError, OSError):
            raise DecodeError(path, "unreadable", "it is no longer at its place, or cannot be read", 0) from None
        if hashlib.sha256(data).hexdigest() != item.sha256:
            raise DecodeError(path, "altered", "its content is another than when it was decided on", 0)
        return data

    def _item(self, number: int) -> Decided:
        if number >= len(self._items):
            raise ValueError(f"id: found {number}, expected less than {len(self._items)}")
        return self._items[number]

    def _new(self, history: History) -> list[Decided]:
        """What the reviewer has to look at and what is not among the items yet."""
        judged = self._verdicts.standing(self.reviewer)
        if self._blind:
            judged += [row for row in self._verdicts.rows(self.reviewer) if row.event == "SHOWN"]
        # By its content a file is known that was judged before the journal was made anew.
        passed_over = {item.id for item in self._items} | {row.id for row in judged} | {row.sha256 for row in judged}
        if self._everything:
            found = [item for item in history.decided() if item.model == self.facts.model]
        else:
            waiting = {item.id: item for among in _QUEUE for item in history.decided(among)}
            found = [*history.listed_in(REVIEW), *waiting.values()]
        found = [
            item
            for item in found
            if item.id not in passed_over
            and item.decision != QUARANTINE
            and self._disk.status(self._out / item.place) is not None
        ]
        return sorted(found, key=_mixed) if self._blind else found


def _mixed(item: Decided) -> tuple[bytes, str]:
    return hashlib.sha256(f"{item.batch}/{item.part}".encode()).digest(), item.id
