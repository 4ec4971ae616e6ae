"""A past decision made again: the picture is found by its content, the model by its digest, and both answers are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gonogo import _core
from gonogo.line.claim import Picture
from gonogo.line.decider import CHANGING, CRASHING, Decider
from gonogo.line.disk import Disk
from gonogo.line.journal import Journal, Row
from gonogo.line.outcome import Job, Outcome, decide_jobs
from gonogo.line.places import existing_journal
from gonogo.line.rebuilding import NoModel
from gonogo.line.segments import closed_segments, read_journal
from gonogo.line.verify import files_below

_SAID = ("decision", "passed", "score", "reason")
_WHO = ("model", "certificate", "version", "fingerprint")


@dataclass(frozen=True)
class Past:
    """What the journal tells of a part.

    Attributes
    ----------
    asked : Row
        The INTENT of the picture that was asked for.
    intents : list of Row
        Those of all pictures of its part, in the order in which they were decided on.
    files : dict of str -> list
        What the BATCH says of each picture, by id.
    start : mapping
        Body of the START before it.
    archived : dict of str -> Path
        Where ``gonogo archive`` moved pictures to, by id.
    """

    asked: Row
    intents: list[Row]
    files: Mapping[str, Sequence[Any]]
    start: Mapping[str, Any]
    archived: Mapping[str, Path]

    @property
    def model(self) -> str:
        """Digest of the model that decided; empty where none did."""
        return str(self.asked.body["model"])


def find_past(out: Path, identifier: str, disk: Disk, journal: Path | None = None) -> Past:
    """Return what the journal tells of a picture and the others of its part.

    Raises
    ------
    ValueError
        No picture with this id was brought to a folder.
    JournalError, OSError
        The journal cannot be read.
    """
    path = existing_journal(out, disk, journal)
    files = [path, *reversed(closed_segments(path, disk))]
    for position, file in enumerate(files):
        with read_journal(file, disk) as opened:
            rows = opened.of_picture(identifier)
            done = next((row for row in rows if row.kind == "DONE"), None)
            if done is None or done.refers is None:
                opened.check_absence(identifier)
                continue
            asked = _in_full(opened, opened.row(done.refers))
            told = {said[0]: said for said in opened.row(asked.batch or 0).body["files"]}
            found = [_intent(opened, name, asked.batch) for name in told]
        intents = [row for row in found if row is not None and row.body["part"] == asked.body["part"]]
        start = _start_before(files[position:], asked.sequence, disk)
        ids = [str(row.id) for row in intents]
        return Past(asked, intents, told, start, _archived(files[: position + 1], ids, disk))
    raise ValueError(f"ID: found no decision about {identifier!r} in {path}; decisions.csv lists the ids")


def _in_full(journal: Journal, row: Row) -> Row:
    return replace(row, body=journal.said(row))


def _intent(journal: Journal, identifier: str, batch: int | None) -> Row | None:
    """The last word about a picture of a batch."""
    rows = [row for row in journal.of_picture(identifier) if row.kind == "INTENT" and row.batch == batch]
    return _in_full(journal, rows[-1]) if rows else None


def _start_before(files: Sequence[Path], sequence: int, disk: Disk) -> Mapping[str, Any]:
    for file in files:
        with read_journal(file, disk) as opened:
            starts = [row for row in opened.rows("START") if row.sequence < sequence]
            if starts:
                return starts[-1].body
    return {}


def _archived(files: Sequence[Path], identifiers: Sequence[str], disk: Disk) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in files:
        with read_journal(file, disk) as opened:
            rows = [row for identifier in identifiers for row in opened.of_picture(identifier) if row.kind == "ARCHIVE"]
        found |= {str(row.id): Path(row.body["target"]) for row in rows if row.body["target"]}
    return found


def replay(past: Past, out: Path, decider: Decider, disk: Disk) -> dict[str, Any]:
    """Decide again about a part, and compare.

    Parameters
    ----------
    past : Past
        What the journal tells.
    out : pathlib.Path
        Where its pictures are looked for.
    decider : Decider
        With the model that decided then; ``NoModel`` where none did.
    disk : Disk
        Of the machine.

    Returns
    -------
    dict
        ``same``; ``expected``: ``"bits"`` where version and fingerprint are the recorded ones, else ``"within g/10"`` with
        ``tolerance``; ``recorded`` and ``now``; ``pictures``: one row for each picture of the part; ``differences`` in words.

    Raises
    ------
    ValueError
        The model is another one.
    FileNotFoundError
        A picture is nowhere in the output with the content that it had.
    """
    body, description = past.asked.body, dict(decider.description)
    for name in ("model", "certificate"):
        if body[name] != description[name]:
            found = f"found the {name} {_short(description[name])}, the decision was made with {_short(body[name])}"
            raise ValueError(f"FILE: {found}; name the model file that decided then")
    exact = all(body[name] == description[name] for name in ("version", "fingerprint"))
    pictures = [_picture(intent, past, out, disk, decider) for intent in past.intents]
    job = Job(body["part"], pictures, body["doubt"])
    accept = bool(past.start.get("settings", {}).get("accept_unproven", False))
    (outcomes,) = decide_jobs([job], decider, accept_unproven=accept, today=None)
    tolerance = 0.0 if exact else _core.GUARD_BAND / 10
    rows = [
        _row(intent, picture, outcome, out, tolerance)
        for intent, picture, outcome in zip(past.intents, pictures, outcomes, strict=True)
    ]
    asked = next(row for row in rows if row["id"] == past.asked.id)
    differences = [f"{row['name']}: {text}" for row in rows for text in row.pop("differences")]
    return {
        "same": not differences,
        "id": past.asked.id,
        "part": body["part"],
        "time": past.asked.time,
        "expected": "bits" if exact else "within g/10",
        "tolerance": tolerance,
        "recorded": {**asked["recorded"], **{name: body[name] for name in _WHO}},
        "now": {**asked["now"], **{name: description[name] for name in _WHO}},
        "pictures": rows,
        "differences": differences,
    }


def decider_of(past: Past, make: Callable[[], Decider]) -> Decider:
    """Return what decides as then: ``make()``, or ``NoModel`` where ``gonogo recover`` decided without a model."""
    return make() if past.model else NoModel()


def _picture(intent: Row, past: Past, out: Path, disk: Disk, decider: Decider) -> Picture:
    told = past.files[str(intent.id)]
    size, tries = int(told[4]), int(told[6])
    known = [out / intent.body["final"], *filter(None, [past.archived.get(str(intent.id))])]
    place = next(_places(intent, known, size, out, disk), None)
    if place is None:
        where = f"neither at {' or '.join(map(str, known))} nor elsewhere in the output"
        raise FileNotFoundError(
            f"picture {intent.id} ({intent.name}): its content, SHA-256 {_short(str(intent.content))}, is {where}; bring it back"
        )
    status = disk.status(place)
    if status is None:
        raise FileNotFoundError(f"{place}: taken away meanwhile; run the command again")
    picture = Picture(str(intent.id), str(intent.body["name"]), place, status, tries)
    circumstance = next((fault for fault in (CRASHING, CHANGING) if fault.fault == intent.body["cause"]), None)
    picture.read(disk, None if circumstance else decider.check)
    picture.fault = circumstance or picture.fault
    return picture


def _places(intent: Row, known: Sequence[Path], size: int, out: Path, disk: Disk) -> Iterator[Path]:
    """Where a file with the picture's content lies: at its place, or wherever the plant has put it in the output."""
    yield from (place for place in known if disk.digest(place) == intent.content)
    for path, status in files_below(out, disk):
        if status.kind == "file" and status.size == size and disk.digest(path) == intent.content:
            yield path


def _row(intent: Row, picture: Picture, outcome: Outcome, out: Path, tolerance: float) -> dict[str, Any]:
    recorded = {name: intent.body[name] for name in _SAID}
    values = (outcome.label, outcome.passed, outcome.finite_score, outcome.reason)
    now = dict(zip(_SAID, values, strict=True))
    return {
        "id": intent.id,
        "name": intent.name,
        "file": str(picture.place.relative_to(out) if picture.place.is_relative_to(out) else picture.place),
        "sha256": intent.content,
        "recorded": recorded,
        "now": now,
        "differences": list(_differences(recorded, now, tolerance)),
    }


def _differences(recorded: Mapping[str, Any], now: Mapping[str, Any], tolerance: float) -> Iterator[str]:
    """What is not as it was. Reasons tell scores, so that they are compared only where the bits must be the same."""
    for name in ("decision", "passed", *(() if tolerance else ("reason",))):
        if recorded[name] != now[name]:
            yield f"{name}: recorded {recorded[name]!r}, now {now[name]!r}"
    before, after = recorded["score"], now["score"]
    if before is None or after is None:
        if before is not after:
            yield f"score: recorded {before!r}, now {after!r}"
    elif not abs(before - after) <= tolerance:
        allowed = f", {tolerance:g} is allowed" if tolerance else ""
        yield f"score: recorded {before!r}, now {after!r}: {abs(before - after):.3g} apart{allowed}"


def _short(digest: str) -> str:
    return digest[:16] or "(none)"
