"""After a crash: every picture that was claimed is brought to an end, or an alarm says that it cannot be found.

``work/`` is looked at first. Nothing is guessed: a name is removed only where a second one of the same file, or a copy with the
same content and the picture's id, has been seen.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from gonogo.line.claim import PROBE, Picture
from gonogo.line.disk import Status
from gonogo.line.inbox import doubt_about_views
from gonogo.line.intents import Intent, batch_folder, copy_of, done_row, gone_row
from gonogo.line.journal import TERMINAL, Entry, Row, shown
from gonogo.line.leaving import left_batches
from gonogo.line.naming import part_of
from gonogo.line.outcome import Job
from gonogo.line.sorter import Sorter
from gonogo.line.transfer import AcrossError, AlteredError


@dataclass
class _Unfinished:
    """A picture of a batch that has no end; of its part there were so many ``views``."""

    id: str
    name: str
    identity: tuple[int, ...]
    part: str
    doubt: str
    batch: int
    views: int
    claimed: list[Path] = field(default_factory=list)
    tries: int = 0
    place: Path | None = None


class Recovery:
    """Brings what a crash left to an end, with the sorter that goes on afterwards."""

    def __init__(self, sorter: Sorter) -> None:
        self._sorter = sorter
        self._disk, self._places, self._journal = sorter.disk, sorter.places, sorter.journal
        self._transfer = sorter.transfer

    def run(self) -> dict[str, int]:
        """Finish all batches without end; return how many pictures were ``finished``, ``decided`` again, ``lost``."""
        batches = self._journal.open_batches()
        self._check_reach(batches)
        unfinished = self._unfinished(batches)
        retries: list[_Unfinished] = []
        finished = lost = 0
        entries: list[Entry] = []
        folders = {self._places.work, self._places.out, self._places.inbox}
        for picture in unfinished:
            rows = self._journal.of_picture(picture.id)
            if any(row.kind in TERMINAL for row in rows):
                continue
            intent = next((row for row in reversed(rows) if row.kind == "INTENT"), None)
            entry = None
            if intent is not None:
                said = self._transfer.intent_of(intent)
                picture.place = said.place
                entry = self._fulfil(picture, said)
                folders |= {said.final.parent} if self._disk.status(said.final) is not None else set()
            if entry is None:
                retries.append(picture)
                continue
            finished += entry.kind == "DONE"
            lost += entry.kind == "LOST"
            entries.append(entry)
        if entries:
            self._disk.sync([folder for folder in folders if self._disk.status(folder) is not None])
            self._journal.append(entries)
        decided = self._decide_again(retries) + self._decide_strangers()
        ends = [Entry("END", batch=row.sequence) for row in self._journal.open_batches()]
        if ends:
            self._journal.append(ends)
        for name, status in self._claimed_files():
            if status.kind == "folder":
                self._disk.remove_empty_folder(self._places.work / name)
        self._sorter.csv.write()
        return {"finished": finished, "decided": decided, "lost": lost}

    def _check_reach(self, batches: list[Row]) -> None:
        """Raise ``FileNotFoundError`` where claimed pictures are out of reach: they would be told to be lost."""
        for batch in batches:
            work = self._places.out / batch.body["work"]
            if self._disk.status(work) is None:
                found = f"{work}: found no such folder, in which pictures lie claimed"
                raise FileNotFoundError(
                    f"{found}; bring it back, or make an empty one there, where it is gone for ever: then they are lost"
                )

    def _claimed_files(self) -> list[tuple[str, Status]]:
        return [] if self._disk.status(self._places.work) is None else self._disk.scan(self._places.work)

    def _unfinished(self, batches: list[Row]) -> list[_Unfinished]:
        found: dict[str, _Unfinished] = {}
        left = left_batches(self._journal, batches[0].sequence) if batches else set()
        for batch in batches:
            work = self._places.out / batch.body["work"]
            views = Counter(name if part is None else part for _, name, *_, part, _ in batch.body["files"])
            for identifier, name, *identity, tries, part, doubt in batch.body["files"]:
                of_part = name if part is None else part
                said = (identifier, name, tuple(identity), of_part, doubt, batch.sequence, views[of_part])
                picture = found.setdefault(identifier, _Unfinished(*said))
                picture.claimed.append(batch_folder(work, batch.sequence) / name)
                picture.tries = max(picture.tries, tries - (batch.sequence in left))
        return list(found.values())

    def _fulfil(self, picture: _Unfinished, intent: Intent) -> Entry | None:
        """Do what an INTENT says, as far as it was not done; None if the picture has to be decided on again."""
        inbox = self._places.inbox / picture.name
        if intent.by_copy:
            self._disk.remove(copy_of(intent))
        place, final = self._claimed(picture, intent.place), self._disk.status(intent.final)
        is_empty = final is not None and final.size == 0 and intent.id in intent.final.name
        if is_empty and intent.content in (self._disk.digest(intent.place), self._disk.digest(inbox)):
            self._disk.remove(intent.final)  # the name was taken, and the picture not yet moved
            final = None
        if not intent.keeps:
            self._remove_second_name(picture.name, place)
            self._remove_second_name(picture.name, final)
        if place is not None and final is not None:
            return self._choose_one(intent, place, final)
        if final is not None:
            if self._disk.digest(intent.final) == intent.content:
                return done_row(intent)
            return gone_row(intent, "the file with its final name has another content")
        if place is not None:
            if self._disk.digest(intent.place) != intent.content:
                return None
            return self._move(intent)
        if self._disk.digest(inbox) == intent.content:
            reason = "the claim had not reached the disk: it is in the inbox again"
            return Entry("RETURNED", None, intent.id, intent.sequence, shown(intent.name), body={"reason": reason})
        away = self._disk.status(self._places.inbox) is None
        elsewhere = f"; the inbox {self._places.inbox} is not there, look into it as well" if away else ""
        return gone_row(intent, f"it is neither where it was claimed nor where it should end{elsewhere}")

    def _choose_one(self, intent: Intent, place: Status, final: Status) -> Entry | None:
        """What to do where something lies at both ends."""
        if place.is_same_file(final):
            self._disk.remove(intent.place)
            return done_row(intent)
        is_copy = intent.by_copy and self._disk.digest(intent.final) == intent.content
        if is_copy and intent.keeps:
            return done_row(intent)
        if is_copy and intent.id in intent.final.name and self._disk.digest(intent.place) == intent.content:
            self._disk.remove(intent.place)
            return done_row(intent)
        return None

    def _move(self, intent: Intent) -> Entry | None:
        try:
            self._transfer.move(intent)
        except (FileExistsError, AcrossError, AlteredError):
            return None
        except FileNotFoundError:
            return gone_row(intent, "it was taken out of the folder of claimed pictures")
        self._transfer.settle([intent])
        return done_row(intent)

    def _remove_second_name(self, name: str, ours: Status | None) -> None:
        """Remove the name in the inbox of a file that was moved from there, where the removal had not reached the disk."""
        if ours is not None and ours.is_same_file(self._disk.status(self._places.inbox / name)):
            self._disk.remove(self._places.inbox / name)

    def _decide_again(self, retries: list[_Unfinished]) -> int:
        """Sort what was claimed, or looked at, and not decided on, part by part: one of them may have ended the program."""
        parts: dict[tuple[int, str], list[_Unfinished]] = {}
        for retry in retries:
            parts.setdefault((retry.batch, retry.part), []).append(retry)
        found = [
            (said, [picture for one in said if (picture := self._find(one)) is not None]) for said in parts.values()
        ]
        return sum(self._sorter.sort([self._job(said[0], pictures)]) for said, pictures in found if pictures)

    def _job(self, said: _Unfinished, pictures: list[Picture]) -> Job:
        """What is left of a part; it cannot pass without one of the pictures that it had."""
        configuration = self._sorter.configuration
        names = [part_of(picture.name, configuration.pattern) for picture in pictures]
        views = [name[1] for name in names if name is not None]
        doubt = said.doubt or doubt_about_views(views, configuration.views)
        if len(pictures) < said.views:
            doubt = doubt or f"found {len(pictures)} of the {said.views} pictures that the part had"
        return Job(said.part, pictures, doubt)

    def _find(self, retry: _Unfinished) -> Picture | None:
        """The picture in ``work/``, or as it was in the inbox; None if it was never claimed, so that it is not ours."""
        inbox = self._places.inbox / retry.name
        for place in [*retry.claimed, *filter(None, [retry.place])]:
            status = self._claimed(retry, place)
            if status is not None and status.kind == "file" and place != inbox:
                self._remove_second_name(retry.name, status)
                return Picture(retry.id, retry.name, place, status, retry.tries + 1)
        status = self._disk.status(inbox)
        if status is None or status.identity != retry.identity:
            return None
        return Picture(retry.id, retry.name, inbox, status, retry.tries + 1)

    def _claimed(self, picture: _Unfinished, place: Path) -> Status | None:
        """What lies where a picture was claimed to; an empty file that only took its name there is removed."""
        status, waiting = self._disk.status(place), self._disk.status(self._places.inbox / picture.name)
        if status is None or status.kind != "file" or status.size > 0:
            return status
        if waiting is None or waiting.identity != picture.identity or status.is_same_file(waiting):
            return status
        self._disk.remove(place)
        self._disk.sync_folder(place.parent)  # before any row from which on it would be a stranger if it came back
        return None

    def _decide_strangers(self) -> int:
        """Decide on what lies in ``work/`` and is in no row, as after the loss of a journal."""
        count, work = 0, self._places.work
        doubt = "it was found claimed, without a row that tells of it"
        found = self._claimed_files()
        for folder in [work / name for name, status in found if status.kind == "folder"]:
            files = self._disk.scan(folder)
            for name, status in files:
                self._remove_second_name(name, status)
            count += self._sorter.sort_strangers(folder, doubt) if files else 0
        if any(status.kind == "file" and name != PROBE for name, status in found):
            self._disk.remove(work / PROBE)
            count += self._sorter.sort_strangers(work, doubt)
        return count
