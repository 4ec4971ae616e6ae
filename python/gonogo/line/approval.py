"""Whether a model may decide: it computes what it did where it was made, and a person approved it in place of another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gonogo.errors import ModelFileError
from gonogo.line.clock import Clock
from gonogo.line.decider import Decider
from gonogo.line.disk import Disk
from gonogo.line.heads import check_heads
from gonogo.line.journal import Entry, Journal
from gonogo.line.segments import check_local, closed_segments, read_journal

_WHAT = ("model", "certificate")
NOT_KNOWN = "unknown"  # in place of a digest


def change_of_model(description: Mapping[str, Any], journal: Journal, user: str, reason: str | None) -> Entry | None:
    """Return the row that tells of another model than before; None where it is the same, or the first one of a journal.

    Parameters
    ----------
    description : mapping
        Of what shall decide now.
    journal : Journal
        Tells what decided before.
    user, reason : str
        Who approves the change, and why.

    Raises
    ------
    ValueError
        It is another model, and nobody approves of it.
    """
    earlier = list(journal.models())
    if not earlier or _identity(earlier[0]) == _identity(description):
        return None
    last = earlier[0]
    was_lost = last["model"] == NOT_KNOWN
    if was_lost and reason is None:
        raise ValueError(
            "FILE: the journal was made anew, and nothing tells which model sorted here, who approved of it, or whether an alarm "
            "of drift was standing; look into that, then add --approve 'REASON', which is written to the journal"
        )
    here = f"{description['model'][:16]} with the certificate {_short(description['certificate'])}"
    was = f"{last['model'][:16]} with the certificate {_short(last['certificate'])}"
    if reason is None:
        raise ValueError(
            f"FILE: found the model {here}, pictures were sorted here with {was}; to change it, add --approve 'REASON', "
            "which is written to the journal, or name the file that was used before"
        )
    known = not was_lost and any(_identity(row) == _identity(description) for row in earlier)
    body = {
        **description,
        "change": "rollback" if known else "change",
        "previous": last["model"],
        "previous_certificate": last["certificate"],
        "user": user,
        "reason": reason,
    }
    return Entry("MODEL", body=body)


def check_start(decider: Decider, out: Path, path: Path, disk: Disk) -> None:
    """Refuse what a start without approval would refuse because of journal and model; nothing is written.

    Parameters
    ----------
    decider : Decider
        Shall decide.
    out, path : pathlib.Path
        The output, and where its journal is or will be.
    disk : Disk
        Of the machine.

    Raises
    ------
    ValueError
        Another model decided there before.
    JournalError
        The journal is gone, damaged or of another version, or would lie on a network file system.
    ModelFileError
        The model computes something else than where it was made.
    """
    check_local(path, disk)
    check_heads(out, path, disk)
    files = closed_segments(path, disk) if disk.status(path.parent) is not None else []
    for file in (*([] if disk.status(path) is None else [path]), *reversed(files)):
        with read_journal(file, disk) as opened:
            if any(opened.models()):
                change_of_model(decider.description, opened, "", None)
                break
    decider.self_test()


def is_of_another_model(file: Journal, description: Mapping[str, Any]) -> bool:
    """Return whether another model made the last decisions that a file tells of; False where nobody knows of any."""
    last = next(file.models(), None)
    return last is not None and last["model"] != NOT_KNOWN and _identity(last) != _identity(description)


def remembered_model(said: Mapping[str, Any]) -> Entry:
    """Return the row by which a journal that was made anew tells what decided before, given what ``status.json`` holds.

    Where that is something else, or tells of an alarm of drift that stands, nobody knows, and a person has to approve of a start.
    """
    names = (*_WHAT, "version", "fingerprint")
    watch = said.get("drift") or {}
    stands = not isinstance(watch, Mapping) or bool(watch.get("alarm"))
    if stands or not said.get("model") or not all(isinstance(said.get(name), str) for name in names):
        return Entry("MODEL", body={"model": NOT_KNOWN, "certificate": "", "version": "", "fingerprint": ""})
    return Entry("MODEL", body={name: said[name] for name in names})


def self_test(decider: Decider, journal: Journal, clock: Clock) -> dict[str, Any]:
    """Have a model compute the pictures in its file, write a row about it and return what a status tells.

    Raises
    ------
    ModelFileError
        It computes something else than where it was made; an ALARM row says so.
    """
    try:
        difference = decider.self_test()
    except ModelFileError as error:
        journal.append([Entry("ALARM", body={"reason": f"self-test: {error}"})])
        raise
    journal.append(
        [Entry("SELFTEST", body={"difference": difference, "fingerprint": decider.description["fingerprint"]})]
    )
    now = clock.today()
    return {"time": now.isoformat(timespec="seconds"), "timestamp": now.timestamp(), "difference": difference}


def _identity(said: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(said[name] for name in _WHAT)


def _short(digest: str) -> str:
    return digest[:16] or "(none)"
