"""The ledger of a split: who looked at which parts with which model, and what came out.

A text file, one JSON object a line; each carries the SHA-256 of the line before, so that a change is seen. What a chain
cannot show is a ledger that was deleted, cut at its end or written anew as a whole: certificates therefore name the entry
they belong to. Entries list the ids of their parts, so that any overlap of two sets is seen, whatever the model.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gonogo.certificate import canonical
from gonogo.errors import LedgerError
from gonogo.storage import append_locked

START = "0" * 64
Entry = dict[str, Any]


def read_ledger(path: str | Path) -> list[Entry]:
    """Return the entries of a ledger, oldest first; none where the file does not exist.

    Raises
    ------
    LedgerError
        A line was changed, removed, added by hand or is incomplete.
    OSError
        The file cannot be read.
    """
    file = Path(path)
    return _parse(file, file.read_bytes()) if file.exists() else []


def _parse(path: Path, content: bytes) -> list[Entry]:
    remedy = "it is kept by gonogo alone: restore the file from a backup, or calibrate on fresh parts with a new split"
    entries: list[Entry] = []
    previous = START
    lines = content.split(b"\n")
    if lines.pop():
        raise LedgerError(path, f"the last line is incomplete; {remedy}")
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            found = entry.pop("sha256")
            intact = entry["previous"] == previous and found == _digest(entry)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            intact = False
        if not intact:
            raise LedgerError(path, f"line {number} was edited, or a line before it is missing; {remedy}")
        entries.append({**entry, "sha256": found})
        previous = found
    return entries


def _digest(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(entry).encode()).hexdigest()


class Page:
    """An open ledger, locked against all other processes: what it says, and a way to add to it."""

    def __init__(self, path: Path, entries: list[Entry], write: Any) -> None:
        self.path = path
        self.entries = entries
        self._write = write

    def append(self, kind: str, parts: Sequence[str], **fields: Any) -> str:
        """Add an entry, bring it to the disk and return its digest.

        Parameters
        ----------
        kind : {"calibration", "refusal", "test"}
            What happened.
        parts : sequence of str
            Ids of the parts that were looked at.
        **fields
            Values for JSON.
        """
        now = datetime.datetime.now(datetime.UTC)
        entry = {
            "kind": kind,
            "parts": sorted(set(parts)),
            **fields,
            "time": now.isoformat(timespec="seconds"),
            "user": user(),
            "previous": self.entries[-1]["sha256"] if self.entries else START,
        }
        entry["sha256"] = _digest(entry)
        self._write((canonical(entry) + "\n").encode())
        self.entries.append(entry)
        return str(entry["sha256"])

    def overlapping(self, parts: Sequence[str], kind: str) -> list[Entry]:
        """Return the entries of a kind that looked at any of these parts."""
        ours = frozenset(parts)
        return [entry for entry in self.entries if entry["kind"] == kind and not ours.isdisjoint(entry["parts"])]


@contextmanager
def open_ledger(path: str | Path) -> Iterator[Page]:
    """Open a ledger, which need not exist, and keep other processes out until the block ends.

    Raises
    ------
    LedgerError
        As :func:`read_ledger`.
    OSError
        The file cannot be opened, locked or written; what was there stays.
    """
    with append_locked(path) as (content, write):
        yield Page(Path(path), _parse(Path(path), content), write)


def record_test(path: str | Path, parts: Sequence[str], *, model_sha256: str, preprocess_sha256: str) -> int:
    """Record that a test set was opened, and return how often any of its parts had been opened before.

    Parameters
    ----------
    path : str or Path
        The ledger.
    parts : sequence of str
        Ids of the parts.
    model_sha256, preprocess_sha256 : str
        The model that was tested.
    """
    with open_ledger(path) as page:
        before = len(page.overlapping(parts, "test"))
        page.append("test", parts, model_sha256=model_sha256, preprocess_sha256=preprocess_sha256)
    return before


def check_unused(page: Page, parts: Sequence[str], claim: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` unless a claim may be made about these parts.

    It may where no claim was made about any of them, where this very one was made before, and where it is one of the
    candidates, models or promises, that the first claim about this set of parts declared.

    Parameters
    ----------
    page : Page
        The ledger.
    parts : sequence of str
        Ids of the calibration parts.
    claim : mapping
        All that decides the outcome, as it will be written into the entry.
    """
    model = (claim["model_sha256"], claim["preprocess_sha256"])
    for entry in page.overlapping(parts, "test"):
        if (entry["model_sha256"], entry["preprocess_sha256"]) != model:
            raise ValueError(
                f"X: some of these parts were a test set of another model on {entry['time']} ({page.path}); a model that was "
                "made or chosen after a look at them cannot be certified on them: calibrate on fresh parts"
            )
    entries = page.overlapping(parts, "calibration")
    made = [
        entry["claim"] for i, entry in enumerate(entries) if entry["claim"] not in [e["claim"] for e in entries[:i]]
    ]
    if not made or claim in made:
        return
    first, when = made[0], entries[0]["time"]
    changed = [name for name in claim if first[name] != claim[name]]
    frozen = [name for name in changed if name in ("parts_sha256", "labels_sha256", "candidates", "confidence")]
    if not frozen and len(made) < first["candidates"]:
        return
    what = _CHANGES.get((frozen or changed)[0], f"with another {(frozen or changed)[0]}")
    raise ValueError(
        f"X: parts of this calibration set were used on {when} {what}, and {first['candidates']} candidate"
        f"{'s' * (first['candidates'] > 1)} had been declared ({page.path}); after a look at the result a certificate needs "
        "fresh parts: calibrate on parts that were never used, or declare candidates=M before the first calibration"
    )


# How the first use of some parts differed.
_CHANGES = {
    "model_sha256": "for another model",
    "preprocess_sha256": "for another preprocessing",
    "parts_sha256": "in another set of parts",
    "labels_sha256": "under other labels, which are frozen once parts were scored",
}


def user() -> str:
    """Return who runs this process: the name that the session gives, or else the number (``uid 0``).

    The system is not asked for a name: it may open a socket to a name service, and the sorter opens none.
    """
    return os.environ.get("LOGNAME") or os.environ.get("USER") or f"uid {os.getuid()}"
