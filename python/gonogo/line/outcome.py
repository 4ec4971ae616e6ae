"""From the pictures of parts to what happens with each: any doubt ends in REVIEW, any damage in QUARANTINE, never in PASS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from gonogo.decision import REVIEW, Decision, which_picture
from gonogo.line.claim import Picture
from gonogo.line.decider import DOUBTS, QUARANTINE, UNPROVEN, Decider, Fault, expiry_doubt
from gonogo.line.drift_watch import DriftWatch


@dataclass(frozen=True)
class Job:
    """A part whose pictures are in hand.

    Attributes
    ----------
    name : str
        Of the part.
    pictures : list of Picture
        In the order of their views.
    doubt : str
        Why it cannot pass; empty where nothing speaks against it.
    """

    name: str
    pictures: list[Picture]
    doubt: str = ""


@dataclass(frozen=True)
class Outcome:
    """What happens with one picture: its folder (a class, REVIEW or QUARANTINE) and why; ``cause`` is a short word for it.

    ``doubt`` is what kept the part from being decided on, whatever its pictures show.
    """

    part: str
    label: str
    passed: bool
    score: float
    reason: str
    cause: str = ""
    doubt: str = ""

    @property
    def finite_score(self) -> float | None:
        """The score; None where there is none, since JSON has no NaN."""
        return self.score if math.isfinite(self.score) else None


def decide_jobs(
    jobs: Sequence[Job],
    decider: Decider,
    *,
    accept_unproven: bool,
    today: date | None,
    drift: DriftWatch | None = None,
) -> list[list[Outcome]]:
    """Return for each part what happens with each of its pictures, which have been read; ``drift`` looks on.

    After the last day of the certificate that is a doubt about every part, which the journal keeps like any other. ``today`` is
    None where a decision of the past is repeated: the doubt that it was made with counts then.
    """
    over = "" if today is None else expiry_doubt(decider, today)
    if doubt := over or ("" if drift is None else drift.doubt):
        jobs = [replace(job, doubt=job.doubt or doubt) for job in jobs]
    sound = [picture for job in jobs for picture in job.pictures if not picture.is_damaged]
    decoded = dict(zip((picture.id for picture in sound), decider.decode([p.data for p in sound]), strict=True))
    for picture in sound:
        found, known = decoded[picture.id], picture.fault
        if isinstance(found, Fault) and (found.fault not in DOUBTS or known is None or known.fault == UNPROVEN):
            picture.fault = found
    doubts = [_doubt(job, accept_unproven) for job in jobs]
    decidable = [job for job, doubt in zip(jobs, doubts, strict=True) if doubt is None]
    parts = [[decoded[picture.id] for picture in job.pictures] for job in decidable]
    said = iter([(made, "") for made in decider.decide(parts)] if drift is None else drift.decide(parts))
    return [
        _decided(job, *next(said), decider) if doubt is None else _outcomes(job, _review(doubt), doubt.fault)
        for job, doubt in zip(jobs, doubts, strict=True)
    ]


def _decided(job: Job, decision: Decision, doubt: str, decider: Decider) -> list[Outcome]:
    """What happens with a part that was decided on, unless a doubt came up meanwhile."""
    if doubt:
        return _outcomes(replace(job, doubt=doubt), _review(Fault("doubt", doubt)), "doubt")
    return _outcomes(job, _checked(decision, decider))


def _doubt(job: Job, accept_unproven: bool) -> Fault | None:
    """Why nobody needs to look at the pixels of a part."""
    if any(picture.is_damaged for picture in job.pictures):
        return Fault("doubt", "another picture of the part is damaged")
    accepted = UNPROVEN if accept_unproven else ""
    for number, picture in enumerate(job.pictures, 1):
        if picture.fault is not None and picture.fault.fault != accepted:
            return replace(picture.fault, reason=which_picture(number, len(job.pictures)) + picture.fault.reason)
    return Fault("doubt", job.doubt) if job.doubt else None


def _checked(decision: Decision, decider: Decider) -> Decision:
    if decision.label != REVIEW and decision.label not in decider.labels:
        reason = f"found the decision {decision.label!r}, which is none of the model's classes"
        return Decision(REVIEW, False, math.nan, reason)
    return decision


def _review(doubt: Fault) -> Decision:
    return Decision(REVIEW, False, math.nan, doubt.reason)


def _outcomes(job: Job, decision: Decision, cause: str = "") -> list[Outcome]:
    if decision.label == REVIEW and not cause:
        cause = "unknown" if decision.unknown else "pixels" if decision.doubtful else "score"
    return [
        Outcome(job.name, QUARANTINE, False, math.nan, picture.fault.reason, picture.fault.fault, job.doubt)
        if picture.is_damaged and picture.fault is not None
        else Outcome(job.name, decision.label, decision.passed, decision.score, decision.reason, cause, job.doubt)
        for picture in job.pictures
    ]
