"""The answer that a page begins with: may parts be shipped on this model's PASS?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonogo import binomial
from gonogo.audit import AuditReport
from gonogo.certificate_words import stated
from gonogo.metrics import Rate

if TYPE_CHECKING:
    from gonogo.report import Report

_TARGET, _CONFIDENCE = 0.01, 0.95  # of the certificate that the advice names


@dataclass(frozen=True)
class Verdict:
    """An answer of one word, its reason in one sentence, and what to do; plain text."""

    word: str
    sentence: str
    advice: str = ""


def verdict(report: Report) -> Verdict:
    """Return whether parts may be shipped on the PASS of the model."""
    escape, overkill = report.escape, report.overkill
    if escape is None or overkill is None:
        return Verdict(
            "OPEN",
            "this page cannot say it, because no class is named as PASS; the right class was found for "
            f"{share(report.accuracy, 'picture' if report.unit == 'part' else report.unit)}.",
            "Name the class of good parts: gonogo evaluate ... --pass-label CLASS.",
        )
    passed = f"{counted(escape, f'bad {report.unit}')} passed{_figures(escape)}"
    refused = f"{counted(overkill, f'good {report.unit}')} did not{_figures(overkill)}"
    seen = f"in this test {passed}, and {refused}."
    made = report.certificate
    if made is None:
        need = binomial.smallest_sample(_TARGET, 1 - _CONFIDENCE)
        advice = (
            f"gonogo calibrate certifies a PASS threshold: a limit of {stated(_TARGET)} at {stated(_CONFIDENCE)} confidence "
            f"needs {need} bad parts that the model has never seen. Until then, people look at every part."
        )
        if report.unit == "tile":
            advice = "These are tiles of pictures; a certificate is about whole parts."
        return Verdict("NO", f"nothing is promised yet: the model has no certified PASS threshold; {seen}", advice)
    promised = (
        f"at most {stated(made.max_escape)} of bad parts are passed as {made.pass_label}, "
        f"at {stated(made.confidence)} confidence"
    )
    if calibration := _calibration_leak(report):
        return Verdict(
            "NO",
            f"the certificate ({promised}) rests on parts that training has not seen, but the audit found siblings of training "
            f"pictures among those it was calibrated on: {calibration}",
            "Split by the groups that gonogo audit --groups-out writes, train again, and calibrate on fresh parts.",
        )
    if escape.of and binomial.lower_bound(escape.count, escape.of) > made.max_escape:
        return Verdict(
            "NO",
            f"this test contradicts the certificate ({promised}): {seen}",
            "The parts of the test are not like those of the calibration, or an assumption of the certificate is broken. "
            "Find out which before anything is shipped.",
        )
    return Verdict(
        "YES", f"within this promise: {promised}; {seen}", "The promise holds as long as its assumptions do, see below."
    )


def _calibration_leak(report: Report) -> str:
    leaks = report.audit.leaks if isinstance(report.audit, AuditReport) else {}
    found = leaks.get("calibration")
    return f"{share(found, 'picture')}." if found is not None and found.count else ""


def open_points(report: Report) -> list[str]:
    """Return what a reader has to know or to do before relying on the figures; plain text."""
    points = []
    escape, made = report.escape, report.certificate
    if report.parts is not None and not report.parts.grouped:
        points.append(
            "No groups say which pictures show one part: each picture was taken for a part. With several pictures of one part "
            "the intervals are too narrow, and related pictures may be on both sides of the split."
        )
    if report.audit is None:
        points.append(
            "The pictures were not audited: whether parts of this test were among the training pictures is not known. "
            "gonogo evaluate ... --split SPLIT --audit looks."
        )
    elif report.independent is not None and len(report.independent) < len(report):
        lost = len(report) - len(report.independent)
        again = report.independent.escape
        told = "" if again is None else f" Without them {counted(again, f'bad {report.unit}')} passed{_figures(again)}."
        points.append(
            f"{lost:,} of the {len(report):,} pictures show a part that is also among the training pictures, which makes the "
            f"figures too good.{told}"
        )
    if report.openings is None:
        points.append("No ledger was kept: how often these parts have been used as a test before is not known.")
    elif report.openings:
        times = "once" if report.openings == 1 else f"{report.openings} times"
        points.append(
            f"This test set was opened {times} before; a choice made after a look makes its figures too good."
        )
    if escape is not None and escape.of == 0:
        points.append(f"There is no bad {report.unit} in this test: it says nothing about escapes.")
    elif escape is not None and made is not None and escape.value > made.max_escape:
        points.append(
            f"More bad {report.unit}s passed than the promised {stated(made.max_escape)}; where few are tested, chance alone "
            "does that."
        )
    if made is not None:
        if not made.single_use:
            points.append("The calibration left no record in a ledger: that its parts were used once is not enforced.")
        if not made.disjoint:
            points.append("Whether calibration parts were among the training pictures was not checked.")
        elif made.audited is None:
            points.append(
                "The calibration parts were not audited: siblings of training pictures under other names are not found without."
            )
        if made.lots is None:
            points.append(
                "Lots were not given: how much the promise weakens if parts of one lot are alike is not known."
            )
    return points


def share(rate: Rate, noun: str) -> str:
    """Return ``1 of 88 bad parts (1.1 %; 95 % interval 0.0 to 6.2 %)``; exact figures are in the tables."""
    return counted(rate, noun) + _figures(rate)


def counted(rate: Rate, noun: str) -> str:
    """Return ``1 of 88 bad parts``."""
    return f"{rate.count:,} of {rate.of:,} {noun}{'s' * (rate.of != 1)}"


def _figures(rate: Rate) -> str:
    if rate.of == 0:
        return ""
    low, high = rate.interval
    return (
        f" ({percent(rate.value)}; {'approximate ' * rate.approximate}95 % interval {100 * low:.1f} to {percent(high)})"
    )


def percent(value: float) -> str:
    """Return a share in percent; only what is certain is called 0 or 100."""
    shown = f"{100 * value:.1f}"
    if shown == "100.0" and value < 1:
        shown = "99.9"
    elif shown == "0.0" and value > 0:
        shown = "0.1"
    return f"{shown} %"
