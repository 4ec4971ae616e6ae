"""Blind verdicts about all parts of a line, as the rows of a trial against human inspection."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gonogo.line.decided import Decided, History, facts_of, open_history
from gonogo.line.disk import Disk
from gonogo.line.verdicts import NOTHING, UNCLEAR, VerdictRow, read_verdicts
from gonogo.pilot.verdicts import Verdict

# A part: the pictures that were decided on together.
_Key = tuple[int, str]


@dataclass(frozen=True)
class PilotVerdicts:
    """Rows for ``trial_status``, and what was left out of them.

    Attributes
    ----------
    verdicts : list of Verdict
        One for each part and reviewer.
    left_out : dict of str -> int
        Reason -> verdicts or looks at parts.
    """

    verdicts: list[Verdict]
    left_out: dict[str, int]


def pilot_verdicts(out: Path, journal: Path, disk: Disk, pass_label: str | None = None) -> PilotVerdicts:
    """Return what people said blind (``gonogo review OUT --all --blind``) of the parts that the present model decided on.

    A part is bad for a person who called one of its pictures anything but the PASS class, and good if all were called that.
    Content that was seen before counts once.

    Parameters
    ----------
    out, journal : pathlib.Path
        What ``gonogo sort`` has filled, and its journal.
    disk : Disk
        Of the machine.
    pass_label : str, optional
        The class that means PASS; None: as the model says.

    Raises
    ------
    ValueError
        The model names no PASS class, or has no class of this name.
    JournalError, OSError
        Journal or verdicts cannot be read.
    """
    left_out: Counter[str] = Counter()
    with open_history(journal, disk) as history:
        facts = facts_of(history, out, disk)
        passing = pass_label or facts.pass_label
        if passing is None:
            raise ValueError("pass_label: the model names no PASS class; say which class means PASS")
        if passing not in facts.classes:
            raise ValueError(f"pass_label: found {passing!r}, expected one of {', '.join(facts.classes)}")
        opened = read_verdicts(journal, disk)
        if opened is None:
            return PilotVerdicts([], {})
        with opened as verdicts:
            rows = verdicts.standing()
        decided = history.by_id({row.id for row in rows})
        looks: dict[tuple[_Key, str], list[VerdictRow]] = {}
        for row in rows:
            if why := _excluded(row, decided.get(row.id), facts.model):
                left_out[why] += 1
            else:
                looks.setdefault((_key(decided[row.id]), row.reviewer), []).append(row)
        whole = _pictures_of_parts(history, {key for key, _ in looks})
    names = _names(whole)
    made: list[Verdict] = []
    for (key, reviewer), said in looks.items():
        bad = any(row.verdict not in (passing, UNCLEAR) for row in said)
        if not bad and any(row.verdict == UNCLEAR for row in said):
            left_out["looks at parts that a person found unclear: examine these parts"] += 1
        elif not bad and len(said) < len(whole[key]):
            left_out["looks at parts of which not all pictures were judged"] += 1
        else:
            time = datetime.fromisoformat(max(row.time for row in said))
            made.append(Verdict(names[key], decided[said[0].id].passed, bad, reviewer, time, line=said[-1].sequence))
    return PilotVerdicts(made, dict(left_out))


def _excluded(row: VerdictRow, picture: Decided | None, model: str) -> str:
    """Why a verdict says nothing about the trial."""
    if row.selection != "all":
        return "verdicts on pictures that were chosen by the model's answer (without --all)"
    if row.shown != NOTHING:
        return "verdicts of people who had seen the model's answer (without --blind)"
    if picture is None or picture.model != model:
        return "verdicts on what another model decided"
    return "verdicts on content that was seen before" if picture.duplicate_of else ""


def _key(picture: Decided) -> _Key:
    return picture.batch, picture.part


def _pictures_of_parts(history: History, keys: set[_Key]) -> dict[_Key, list[str]]:
    """The ids of the pictures of each part that were decided on."""
    batches = {batch: history.ids_by_part(batch) for batch in sorted({batch for batch, _ in keys})}
    ids = {key: batches[key[0]].get(key[1], []) for key in keys}
    done = history.by_id(identifier for members in ids.values() for identifier in members)
    return {key: [identifier for identifier in members if identifier in done] for key, members in ids.items()}


def _names(whole: dict[_Key, list[str]]) -> dict[_Key, str]:
    """Parts by their names, with the id of their first picture where a name came more than once."""
    times = Counter(part for _, part in whole)
    return {key: key[1] if times[key[1]] == 1 else f"{key[1]} ({min(ids)})" for key, ids in whole.items()}
