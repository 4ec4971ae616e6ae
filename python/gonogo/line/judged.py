"""Pictures whose class people have said: what a next training can learn from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from gonogo.line.decided import Decided, History, open_history
from gonogo.line.files import LocalDisk
from gonogo.line.places import existing_journal
from gonogo.line.verdicts import NOTHING, UNCLEAR, VerdictRow, read_verdicts


@dataclass(frozen=True)
class Judged:
    """A picture with a verdict.

    Attributes
    ----------
    path : pathlib.Path
        Where it was brought to.
    verdict : str
        The class.
    part : str
        The part that it shows; parts of which two pictures have the same content are one.
    fault : str
        Why it cannot be used: it is no longer there, or its content changed; empty where nothing speaks against it.
    """

    path: Path
    verdict: str
    part: str
    fault: str = ""


def judged_pictures(out: Path, journal: Path | None = None, *, blind: bool = False) -> list[Judged]:
    """Return the pictures of an output on whose class more than half of their reviewers agree, by their places.

    Pictures with the same content are one, at the place of the first of them. Those on which people disagree, or which most found
    unclear, are left out.

    Parameters
    ----------
    out : pathlib.Path
        What ``gonogo sort`` has filled.
    journal : pathlib.Path, optional
        Where the journal is kept, if not in the output.
    blind : bool
        Count verdicts only of people who had not seen the model's decision.

    Raises
    ------
    JournalError, OSError
        Journal or verdicts are missing, damaged, or cannot be read.
    """
    disk = LocalDisk()
    path = existing_journal(out, disk, journal)
    with open_history(path, disk) as history:
        opened = read_verdicts(path, disk)
        if opened is None:
            return []
        with opened as verdicts:
            rows = [row for row in verdicts.standing() if row.shown == NOTHING or not blind]
        pictures = history.by_id({row.id for row in rows})
        parts = _joined(list(pictures.values()), history)
    agreed, found, seen = _agreed(rows), [], set[str]()
    for picture in sorted(pictures.values(), key=lambda p: (p.time, p.id)):
        content, place = picture.sha256, out / picture.place
        if content in agreed and content not in seen:
            fault = _fault(disk.digest(place), content)
            found.append(Judged(place, agreed[content], parts[picture.part], fault))
        seen.add(content)
    return sorted(found, key=lambda one: str(one.path))


def _agreed(rows: list[VerdictRow]) -> dict[str, str]:
    """Content -> the class that more than half of the reviewers say, each with the last word."""
    said: dict[str, dict[str, str]] = {}
    for row in rows:
        said.setdefault(row.sha256, {})[row.reviewer] = row.verdict
    best = {content: (Counter(words.values()).most_common(1)[0], len(words)) for content, words in said.items()}
    return {content: word for content, ((word, count), of) in best.items() if 2 * count > of and word != UNCLEAR}


def _joined(pictures: list[Decided], history: History) -> dict[str, str]:
    """Part -> the name of all parts that are the same by content seen before."""
    first_of: dict[str, str] = {}

    def first(part: str) -> str:
        while (other := first_of.setdefault(part, part)) != part:
            part = other
        return part

    originals = history.by_id({p.duplicate_of for p in pictures if p.duplicate_of is not None})
    for picture in pictures:
        other = originals.get(picture.duplicate_of or "")
        names = sorted({first(picture.part), first(picture.part if other is None else other.part)})
        first_of[names[-1]] = names[0]
    return {part: first(part) for part in list(first_of)}


def _fault(digest: str | None, content: str) -> str:
    if digest is None:
        return "it is no longer where the line brought it to; put it back, or take the verdict back"
    return "" if digest == content else "its content is another than the one that was judged"
