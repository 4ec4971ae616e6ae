"""Where a trial stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.checks import check_integer
from gonogo.metrics import Rate
from gonogo.pilot.agreement import Agreement, Reviewer, agreements, rate_dict, reviewers
from gonogo.pilot.e_process import CERTIFIED, FAILED, NOT_SHOWN, Trial
from gonogo.pilot.verdicts import Part, Verdict, parts_of


@dataclass(frozen=True)
class Status:
    """Result of :func:`trial_status`.

    Attributes
    ----------
    trial : Trial
        The promise.
    decision : str
        ``"certified"``, ``"failed"``, ``"not shown yet"``, or, at the planned end, ``"not shown"``.
    decided_by : Part or None
        The part with whose verdict the decision fell, where the table has times; it stands, whatever comes later.
    parts : int
        Different parts.
    disputed : list of str
        Parts on which people disagree and no reference decides. For a certificate each that the model passed counts as an
        escape; for a failure each that it refused counts as a bad part that was caught.
    escape, overkill : Rate
        Of the model, on undisputed parts.
    log_evidence_below, log_evidence_above : float
        Logarithms of the evidence that the escape rate is below, and above, the one on trial, now.
    missing : int
        Bad parts that would certify, now, if no escape comes; 0 where the decision is ``"certified"``.
    agreements : list of Agreement
    reviewers : list of Reviewer
    warnings : list of str
        What makes the figures doubtful.
    """

    trial: Trial
    decision: str
    decided_by: Part | None
    parts: int
    disputed: list[str]
    escape: Rate
    overkill: Rate
    log_evidence_below: float
    log_evidence_above: float
    missing: int
    agreements: list[Agreement]
    reviewers: list[Reviewer]
    warnings: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the status as numbers, lists and dicts."""
        by = self.decided_by
        return {
            "decision": self.decision,
            "max_escape": self.trial.max_escape,
            "confidence": self.trial.confidence,
            "parts": self.parts,
            "bad_parts": self.escape.of,
            "escapes": self.escape.count,
            "missing": self.missing,
            "decided_by": None if by is None or by.time is None else {"part": by.name, "time": by.time.isoformat()},
            "disputed": self.disputed,
            "log_evidence_below": self.log_evidence_below,
            "log_evidence_above": self.log_evidence_above,
            "log_evidence_needed": -math.log(1.0 - self.trial.confidence),
            "escape": rate_dict(self.escape, "escapes", "bad_parts"),
            "overkill": rate_dict(self.overkill, "refused", "good_parts"),
            "agreement": [pair.to_dict() for pair in self.agreements],
            "reviewers": [person.to_dict() for person in self.reviewers],
            "warnings": self.warnings,
        }


def trial_status(
    verdicts: Sequence[Verdict], trial: Trial, *, planned_bad_parts: int | None = None, source: str = "verdicts"
) -> Status:
    """Return where a trial stands.

    Parameters
    ----------
    verdicts : sequence of Verdict
        Of people who did not see the model's answer, for all parts that they looked at; their order does not matter.
    trial : Trial
        The promise.
    planned_bad_parts : int, optional
        Planned end: from then on an open trial is ``"not shown"``.
    source : str
        Where the verdicts come from, for messages.

    Returns
    -------
    Status
        With times, the first decision on the way stands; without, the counts decide.

    Raises
    ------
    ValueError
        Rows that contradict each other.
    """
    end = None if planned_bad_parts is None else check_integer("planned_bad_parts", planned_bad_parts, 1)
    parts = parts_of(verdicts, source)
    # Disputed parts are counted against whatever is to be shown.
    against_certificate = [part for part in parts if part.bad or (part.bad is None and part.model_passed)]
    against_failure = [part for part in parts if part.bad or (part.bad is None and not part.model_passed)]
    timed = bool(parts) and parts[0].time is not None
    decision, by = NOT_SHOWN, None
    decided = [
        (part.time, part.name, answer, part)
        for counted, answer in ((against_certificate, CERTIFIED), (against_failure, FAILED))
        if (part := _deciding(trial, counted, answer, timed)) is not None
    ]
    if decided:
        decision, first = min(decided, key=lambda found: found[:2])[2:] if timed else decided[0][2:]
        by = first if timed else None
    bad = [part for part in parts if part.bad]
    good = [part for part in parts if part.bad is False]
    escape = Rate(_passed(bad), len(bad))
    if decision == NOT_SHOWN and end is not None and escape.of >= end:
        decision = "not shown"
    n, k = len(against_certificate), _passed(against_certificate)
    return Status(
        trial=trial,
        decision=decision,
        decided_by=by,
        parts=len(parts),
        disputed=[part.name for part in parts if part.bad is None],
        escape=escape,
        overkill=Rate(len(good) - _passed(good), len(good)),
        log_evidence_below=trial.log_evidence_below(n, k),
        log_evidence_above=trial.log_evidence_above(len(against_failure), _passed(against_failure)),
        missing=0 if decision == CERTIFIED else max(trial.certified_at(k) - n, 0),
        agreements=agreements(parts),
        reviewers=reviewers(parts),
        warnings=_warnings(parts),
    )


def _passed(parts: Sequence[Part]) -> int:
    return sum(part.model_passed for part in parts)


def _deciding(trial: Trial, bad: Sequence[Part], answer: str, timed: bool) -> Part | None:
    """Return the bad part with which the trial had this answer, looking at each in turn, or without times at the last."""
    if not timed:
        return bad[-1] if bad and trial.decide(len(bad), _passed(bad)) == answer else None
    escapes = 0
    certified_at, failed_until = trial.certified_at(0), 0
    for n, part in enumerate(bad, start=1):
        if part.model_passed:
            escapes += 1
            certified_at, failed_until = trial.certified_at(escapes), trial.failed_until(escapes)
        if n >= certified_at if answer == CERTIFIED else n <= failed_until:
            return part
    return None


def _warnings(parts: Sequence[Part]) -> list[str]:
    made = []
    if parts and not any(part.model_passed for part in parts):
        made.append(
            "no part that the model passed is in the table: escapes can only be found among those; "
            "people must look at all parts, or at parts chosen without regard to the model's answer"
        )
    if parts and all(part.bad for part in parts):
        made.append("no good part is in the table: a table of all parts that people looked at would show overkill, too")
    if (disputed := sum(part.bad is None for part in parts)) > 0:
        made.append(
            f"{disputed:,} of {len(parts):,} parts are disputed and count against what is to be shown; "
            "examine them and fill in the column reference"
        )
    if parts and len({name for part in parts for name in part.said}) == 1:
        made.append("one person looked: how many bad parts people themselves let pass stays unknown")
    return made
