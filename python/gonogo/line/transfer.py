"""From a decision to its folder: INTENT, the move, DONE. Nothing is overwritten; only a second name or copy is removed."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.decision import REVIEW
from gonogo.line.claim import Picture, can_write
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration, Places
from gonogo.line.disk import BlockedError, Disk, NotRegularError, Status
from gonogo.line.intents import Intent, batch_folder, copy_of, done_row, gone_row
from gonogo.line.journal import Entry, Journal, Row, shown
from gonogo.line.naming import final_name
from gonogo.line.outcome import Outcome
from gonogo.line.places import below

GONE = "gone"  # in place of a decision: the picture was nowhere to be found
_ATTEMPTS = 5  # to follow a file that is written again and again, or names that others take first
_RESTLESS = "a program writes into this file, or takes its names, again and again; end that program: the picture waits"

_IN_THE_WAY = "found a file where gonogo needs a folder; move it away, or give it another name"
_Decided = tuple[Picture, Outcome, Path]  # a picture, what happens with it, and where it is


class AlteredError(Exception):
    """A file is no longer the one that was decided on."""


class AcrossError(Exception):
    """A class folder is on another file system than its neighbours."""


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
    _model: int | None = None

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

        Raises
        ------
        BlockedError
            A folder cannot be written, or somebody never lets a file alone.
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
        else:  # the batch stays open: without an end of its own no picture may be left behind
            raise BlockedError(errno.EBUSY, _RESTLESS, str(waiting[0].place))
        self.journal.append([*(entry for entry, _ in ended), *more, Entry("END", batch=batch)])
        return [label for _, label in ended]

    def _intend(self, batch: int, decided: Sequence[_Decided], spent: float) -> list[Intent]:
        """Write an INTENT for each and return what they say."""
        copied = [self.keeps or self._is_across(place, outcome.label) for _, outcome, place in decided]
        finals = self._choose(decided, copied)
        firsts = self.journal.first_with([picture.content for picture, _, _ in decided])
        usual, model, now = f"{batch_folder(self.places.work, batch)}/", self._model_row(), self.clock.steady()
        entries, intents = [], []
        for (picture, outcome, place), by_copy, (final, target) in zip(decided, copied, finals, strict=True):
            first = firsts.setdefault(picture.content, picture.id)
            name, path = shown(picture.name), shown(final)
            body = {
                "name": picture.name if name != picture.name else None,
                "final": final if path != final else None,
                "place": below(self.places.out, place) if str(place) != usual + picture.name else None,
                "part": shown(outcome.part) if outcome.part != picture.name else None,
                "decision": outcome.label,
                "passed": outcome.passed or None,
                "score": outcome.finite_score,
                "reason": shown(outcome.reason) or None,
                "cause": outcome.cause or None,
                "doubt": outcome.doubt or None,
                "duplicate_of": first if first != picture.id else None,
                "by_copy": by_copy or None,
                "keeps": self.keeps or None,
                "milliseconds": round(spent, 2),
                "latency": None if picture.since is None else round((now - picture.since) * 1000),
            }
            said = {key: value for key, value in body.items() if value is not None}
            source = source_of(picture.status) if self.keeps else None
            entries.append(Entry("INTENT", batch, picture.id, model, name, path, picture.content, source, said))
            intents.append((picture.id, picture.name, place, target, picture.content, outcome.label, by_copy))
        numbers = self.journal.append(entries)
        return [Intent(number, *intent, self.keeps) for intent, number in zip(intents, numbers, strict=True)]

    def _model_row(self) -> int:
        """Return the number of the row that tells what decides, written where the journal's last one tells of something else."""
        if self._model is None:
            last, described = self.journal.last("MODEL"), dict(self.description)
            is_same = last is not None and {key: last.body.get(key) for key in described} == described
            self._model = (
                last.sequence if last is not None and is_same else self.journal.append([model_row(described)])[0]
            )
        return self._model

    def intent_of(self, row: Row) -> Intent:
        """Return what an INTENT row says."""
        body, final = row.body, self.places.out / row.exact_final
        if "place" in body or row.batch is None:
            place = self.places.out / body["place"]
        else:
            work = self.places.out / self.journal.row(row.batch).body["work"]
            place = batch_folder(work, row.batch) / row.exact_name
        names = (str(row.id), row.exact_name, place, final, str(row.content), str(body["decision"]))
        return Intent(row.sequence, *names, bool(body.get("by_copy")), bool(body.get("keeps")))

    def _choose(self, decided: Sequence[_Decided], copied: Sequence[bool]) -> list[tuple[str, Path]]:
        """Return for each picture the path below OUT that it gets, which nothing has, had or will have, and the whole path."""
        day = f"{self.clock.today():%Y-%m-%d}" if self.configuration.subfolders == "day" else ""
        labels = {outcome.label for _, outcome, _ in decided}
        folders = {label: str(Path(label, day)) for label in sorted(labels)}
        places = {label: self.places.out / folder for label, folder in folders.items()}
        for place in places.values():
            self._make_folder(place)
        # What a crash leaves of a name that was taken by an empty file is known by the id in it.
        reserving = {label for label, place in places.items() if self.disk.reserves(place)}
        wanted = {f"{folders[outcome.label]}/{picture.name}" for picture, outcome, _ in decided}
        known = self.journal.finals([shown(path) for path in wanted])
        planned: dict[str, Path] = {}  # in order
        free: dict[str, Path] = {}

        def is_taken(path: str) -> bool:
            if path in planned or (shown(path) in known if path in wanted else self.journal.finals([shown(path)])):
                return True
            free[path] = self.places.out / path
            return self.disk.status(free[path]) is not None

        for (picture, outcome, _), by_copy in zip(decided, copied, strict=True):
            folder = folders[outcome.label]
            try:
                name = final_name(
                    picture.name,
                    picture.id,
                    lambda name, folder=folder: is_taken(f"{folder}/{name}"),  # type: ignore[misc]
                    always=(by_copy and not self.keeps) or outcome.label in reserving,
                )
            except OSError as error:
                self._refuse(error, [places[outcome.label]])
                raise
            planned[f"{folder}/{name}"] = free[f"{folder}/{name}"]
        return list(planned.items())

    def _is_across(self, place: Path, label: str) -> bool:
        return label in self._mounted or not str(place).startswith(f"{self.places.out}/")

    def _carry(
        self, intents: Sequence[Intent], pictures: Mapping[str, tuple[Picture, Outcome]], *, check: bool
    ) -> tuple[list[_Decided], list[tuple[Entry, str]]]:
        """Do what intents say; return what must be intended anew, and what is done."""
        again: list[_Decided] = []
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
                done.append((done_row(intent), intent.label))
        return again, done

    def _decide_again(
        self,
        intent: Intent,
        place: Path,
        pictures: Mapping[str, tuple[Picture, Outcome]],
        again: list[_Decided],
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
        BlockedError
            The final folder cannot be written.
        """
        try:
            self._move(intent)
        except OSError as error:
            self._refuse(error, [intent.final.parent, *([] if intent.keeps else [intent.place.parent])])
            raise

    def _refuse(self, error: OSError, folders: Iterable[Path]) -> None:
        """Raise ``BlockedError``, which names the folder, where an error is the refusal of one of these."""
        refused = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and not isinstance(error, BlockedError)
        folder = next((path for path in folders if refused and not can_write(path, self.disk)), None)
        if folder is not None:
            found = f"gonogo cannot write into this folder ({error.strerror}); let its account write there"
            raise BlockedError(error.errno, f"{found}{self._comfort}", str(folder)) from error

    @property
    def _comfort(self) -> str:
        return "" if self.keeps else f". Nothing is lost: what was decided on waits in {self.places.work}"

    def check_folders(self, labels: Iterable[str]) -> None:
        """Raise ``BlockedError`` where a file lies in the place of a class folder, before anything is taken."""
        for label in labels:
            found = self.disk.status(self.places.out / label)
            if found is not None and found.kind == "file":
                raise BlockedError(errno.ENOTDIR, _IN_THE_WAY, str(self.places.out / label))

    def _make_folder(self, folder: Path) -> None:
        try:
            self.disk.make_folder(folder)
        except (FileExistsError, NotADirectoryError) as error:
            while self.disk.status(folder) is None:
                folder = folder.parent
            raise BlockedError(errno.ENOTDIR, f"{_IN_THE_WAY}{self._comfort}", str(folder)) from error
        except OSError as error:
            self._refuse(error, [folder])
            raise

    def _move(self, intent: Intent) -> None:
        if not intent.by_copy:
            try:
                self._rename(intent.place, intent.final)
                return
            except OSError as error:
                if error.errno == errno.EXDEV:
                    raise AcrossError from error
                raise
        self._make_folder(intent.final.parent)
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

    def _rename(self, source: Path, target: Path) -> None:
        try:
            self.disk.move(source, target)
        except FileNotFoundError:  # the source, or the folder, which the plant may have removed
            self._make_folder(target.parent)
            self.disk.move(source, target)

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


def source_of(status: Status) -> str:
    """Return what a file in the inbox is known by after it was copied."""
    return ":".join(map(str, status.identity))


def model_row(description: Mapping[str, Any]) -> Entry:
    """Return the row that says what decides from now on."""
    return Entry("MODEL", body=dict(description))
