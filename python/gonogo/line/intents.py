"""What will be done with a picture, as a row INTENT says it, the rows that end it, and the names in between."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gonogo.line.journal import Entry, shown


@dataclass(frozen=True)
class Intent:
    """What an INTENT row says, with the row's number."""

    sequence: int
    id: str
    name: str
    place: Path
    final: Path
    content: str
    label: str
    by_copy: bool
    keeps: bool


def batch_folder(work: Path, batch: int) -> Path:
    """Return where the pictures of a batch are claimed to."""
    return work / f"{batch:010d}"


def copy_of(intent: Intent) -> Path:
    """Return where a copy is made before it gets its name: beside it, since class folders may be file systems of their own."""
    return intent.final.parent / f".{intent.id}.copy"


def done_row(intent: Intent) -> Entry:
    """Return the row that says that an INTENT is fulfilled."""
    return Entry("DONE", None, intent.id, intent.sequence)


def gone_row(intent: Intent, reason: str) -> Entry:
    """Return the row for a picture that is nowhere: an alarm, unless it was the plant's to take away."""
    kind = "RETURNED" if intent.keeps else "LOST"
    return Entry(kind, None, intent.id, intent.sequence, shown(intent.name), body={"reason": reason})
