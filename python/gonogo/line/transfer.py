"""From a decision to its folder: INTENT, the move, DONE. Nothing is overwritten; only a second name or copy is removed."""

from __future__ import annotations

import errno
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.decision import REVIEW
from gonogo.line.claim import Picture
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration, Places
from gonogo.line.disk import Disk, NotRegularError
from gonogo.line.journal import Entry, Journal, Row, shown
from gonogo.line.naming import final_name
from gonogo.line.outcome import Outcome

GONE = "gone"  # in place of a decision: the picture was nowhere to be found
_ATTEMPTS = 5  # to follow a file that is written again and again, or names that others take first


class AlteredError(Exception):
    """A file is no longer the one that was decided on."""


class AcrossError(Exception):
    """A class folder is on another file system than its neighbours."""


@dataclass(frozen=True)
class Intent:
    """What an INTENT row says, with the row's number."""

    sequence: int
    id: str
    name: str
    place: Path
    final: Path
    content: str
    by_copy: bool
    keeps: bool
    body: Mapping[str, Any]

    @property
    def source(self) -> str:
        """The file that was copied, where files stay in the inbox."""
        return str(self.body["source"])


@dataclass
class Transfer:
    """Carries pictures to where they belong.

    Parameters
    ----------
    disk, clock : Disk, Clock
        Of the machine.
    places : Places
        Where the line works.
    configuration : Configuration
        Of the line.
    journal : Journal
        Open for writing.
    description : mapping
        What decided: ``model``, ``certificate``, ``version``, ``fingerprint``.
    keeps : bool
        Whether pictures stay in the inbox and are copied.
    """

    disk: Disk
    clock: Clock
    places: Places
    configuration: Configuration
    journal: Journal
    description: Mapping[str, Any]
    keeps: bool = False
    _mounted: set[str] = field(default_factory=set)

    def finish(
        self, batch: int, decided: Sequence[tuple[Picture, Outcome]], more: Sequence[Entry] = (), started: float = 0.0
    ) -> list[str]:
        """Bring pictures to their folders and return the decision that each has got, ``GONE`` for one that was lost.

        Parameters
        ----------
        batch : int
            Its number; its END is written.
        decided : sequence of pairs
            Pictures and what happens with each.
        more : sequence of Entry
            Rows that are written together with DONE.
        started : float
            Steady time at which the batch began.
        """
        spent = (self.clock.steady() - started) * 1000 / max(1, len(decided))
        waiting = self._intend(batch, [(picture, outcome, picture.place) for picture, outcome in decided], spent)
        pictures = {picture.id: (picture, outcome) for picture, outcome in decided}
        ended: list[tuple[Entry, str]] = []
        for attempt in range(_ATTEMPTS + 1):
            again, settled = self._carry(waiting, pictures, check=attempt < _ATTEMPTS)
            ended += settled
            if not again:
                break
            waiting = self._intend(batch, again, spent)
        self.journal.append([*(entry for entry, _ in ended), *more, Entry("END", batch=batch)])
        return [label for _, label in ended]

    def _intend(self, batch: int, decided: Sequence[tuple[Picture, Outcome, Path]], spent: float) -> list[Intent]:
        """Write an INTENT for each and return what they say."""
        entries, planned = [], set[str]()
        firsts: dict[str, str] = {}
        for picture, outcome, place in decided:
            by_copy = self.keeps or self._is_across(place, outcome.label)
            final = self._choose(picture, outcome, planned, by_copy)
            first = firsts.setdefault(picture.content, picture.id)
            known = self.journal.first_with_content(picture.content) or (first if first != picture.id else None)
            since = picture.since
            body = {
                "name": picture.name,
                "place": str(place),
                "final": final,
                "part": shown(outcome.part),
                "decision": outcome.label,
                "passed": outcome.passed,
                "score": outcome.finite_score,
                "reason": shown(outcome.reason),
                "cause": outcome.cause,
                "doubt": outcome.doubt,
                "duplicate_of": known,
                "by_copy": by_copy,
                "keeps": self.keeps,
                "source": source_of(picture) if self.keeps else "",
                "milliseconds": round(spent, 3),
                "latency": None if since is None else round((self.clock.steady() - since) * 1000, 3),
                **self.description,
            }
            name, shown_final = shown(picture.name), shown(final)
            entries.append(Entry("INTENT", batch, picture.id, None, name, shown_final, picture.content, body=body))
        numbers = self.journal.append(entries)
        return [self.intent_of(Row(**vars(e), sequence=n)) for e, n in zip(entries, numbers, strict=True)]

    def intent_of(self, row: Row) -> Intent:
        """Return what an INTENT row says."""
        body, final = row.body, self.places.out / row.body["final"]
        names = (str(row.id), body["name"], Path(body["place"]), final, str(row.content))
        return Intent(row.sequence, *names, body["by_copy"], body["keeps"], body)

    def _choose(self, picture: Picture, outcome: Outcome, planned: set[str], by_copy: bool) -> str:
        """Return the path below OUT that a picture gets, which nothing has, had or will have."""
        folder = Path(outcome.label)
        if self.configuration.subfolders == "day":
            folder /= f"{self.clock.today():%Y-%m-%d}"
        self.disk.make_folder(self.places.out / folder)

        def is_taken(name: str) -> bool:
            path = str(folder / name)
            if path in planned or self.journal.is_final(shown(path)):
                return True
            return self.disk.status(self.places.out / path) is not None

        chosen = str(folder / final_name(picture.name, picture.id, is_taken, always=by_copy and not self.keeps))
        planned.add(chosen)
        return chosen

    def _is_across(self, place: Path, label: str) -> bool:
        return label in self._mounted or not place.is_relative_to(self.places.out)

    def _carry(
        self, intents: Sequence[Intent], pictures: Mapping[str, tuple[Picture, Outcome]], *, check: bool
    ) -> tuple[list[tuple[Picture, Outcome, Path]], list[tuple[Entry, str]]]:
        """Do what intents say; return what must be intended anew, and what is done."""
        again: list[tuple[Picture, Outcome, Path]] = []
        moved: list[Intent] = []
        done: list[tuple[Entry, str]] = []
        if any(intent.by_copy and not intent.keeps for intent in intents):
            # A copy that survives a power loss while the claim does not would be a second picture.
            self.disk.sync([self.places.work])
        for intent in intents:
            picture, outcome = pictures[intent.id]
            try:
                if check and not self._is_unaltered(intent.place, picture):
                    raise AlteredError
                self.move(intent)
                moved.append(intent)
            except FileExistsError:
                again.append((picture, outcome, intent.place))
            except AcrossError:
                self._mounted.add(outcome.label)
                again.append((picture, outcome, intent.place))
            except AlteredError:
                self._decide_again(intent, intent.place, pictures, again, done)
            except FileNotFoundError:
                done.append((gone_row(intent, "it was taken out of the folder of claimed pictures"), GONE))
        self.settle(moved)
        for intent in moved:
            if check and not intent.by_copy and not self._is_unaltered(intent.final, pictures[intent.id][0]):
                self._decide_again(intent, intent.final, pictures, again, done)
            else:
                done.append((done_row(intent), intent.body["decision"]))
        return again, done

    def _decide_again(
        self,
        intent: Intent,
        place: Path,
        pictures: Mapping[str, tuple[Picture, Outcome]],
        again: list[tuple[Picture, Outcome, Path]],
        done: list[tuple[Entry, str]],
    ) -> None:
        """Send a file that changed under our hands to people."""
        picture, outcome = pictures[intent.id]
        found, content = self.disk.status(place), self.disk.digest(place)
        if found is None or content is None:
            done.append((gone_row(intent, "it was taken away, or is no file any more"), GONE))
            return
        picture.status, picture.content = found, content
        reason = "the file changed after it had been decided on"
        again.append((picture, Outcome(outcome.part, REVIEW, False, math.nan, reason, "changed", reason), place))

    def _is_unaltered(self, path: Path, picture: Picture) -> bool:
        found = self.disk.status(path)
        return found is None or found.identity == picture.status.identity

    def move(self, intent: Intent) -> None:
        """Give a picture its final name; the first name of one that is copied stays until ``settle``.

        Raises
        ------
        FileExistsError
            Others have taken the final name.
        AcrossError
            It has to be copied, and was to be renamed.
        FileNotFoundError
            The picture is gone.
        AlteredError
            Its content is another.
        """
        self.disk.make_folder(intent.final.parent)
        if not intent.by_copy:
            try:
                self.disk.move(intent.place, intent.final)
                return
            except OSError as error:
                if error.errno == errno.EXDEV:
                    raise AcrossError from error
                raise
        copy = copy_of(intent)
        self.disk.remove(copy)
        try:
            self.disk.copy(intent.place, copy)
        except NotRegularError as error:
            raise AlteredError from error
        if self.disk.digest(copy) != intent.content:
            self.disk.remove(copy)
            raise AlteredError
        try:
            self.disk.move(copy, intent.final)
        except FileExistsError:
            self.disk.remove(copy)
            raise

    def settle(self, intents: Sequence[Intent]) -> None:
        """Bring moves to the disk, and only then remove the first names of what was copied."""
        if not intents:
            return
        places = [self.places.out, self.places.work, *{intent.final.parent for intent in intents}]
        self.disk.sync(places)
        copied = [intent for intent in intents if intent.by_copy and not intent.keeps]
        for intent in copied:
            if self.disk.digest(intent.place) == self.disk.digest(intent.final) == intent.content:
                self.disk.remove(intent.place)
        if copied:
            self.disk.sync(places)


def copy_of(intent: Intent) -> Path:
    """Return where a copy is made before it gets its name: beside it, since class folders may be file systems of their own."""
    return intent.final.parent / f".{intent.id}.copy"


def source_of(picture: Picture) -> str:
    """Return what a file in the inbox is known by after it was copied."""
    return ":".join(map(str, picture.status.identity))


def done_row(intent: Intent) -> Entry:
    """Return the row that says that an INTENT is fulfilled."""
    final = shown(intent.body["final"])
    return Entry(
        "DONE", None, intent.id, intent.sequence, shown(intent.name), final, intent.content, intent.source or None
    )


def gone_row(intent: Intent, reason: str) -> Entry:
    """Return the row for a picture that is nowhere: an alarm, unless it was the plant's to take away."""
    kind = "RETURNED" if intent.keeps else "LOST"
    return Entry(kind, None, intent.id, intent.sequence, shown(intent.name), body={"reason": reason})
