"""The answer that the page begins with: is the line healthy, and what needs a person now?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gonogo.dashboard.figures import Figures
from gonogo.dashboard.reading import LineState
from gonogo.expiry import SOON, days_left, validity
from gonogo.line.decider import QUARANTINE
from gonogo.pilot import FAILED

_LATE = 600.0  # seconds that a file may wait before somebody should look
_RECENT = timedelta(days=1)
_FAULTY_SHARE = 0.02  # of the last day in QUARANTINE that is no accident any more


@dataclass(frozen=True)
class Point:
    """Something that needs a person: what it is, and what to do; ``urgent`` where the line should not go on without."""

    words: str
    advice: str
    urgent: bool = False


@dataclass(frozen=True)
class Answer:
    """One word, its reason in one sentence, and the points."""

    word: str
    sentence: str
    points: list[Point]


def answer(line: LineState, figures: Figures) -> Answer:
    """Return whether a line is healthy."""
    points = [*_of_the_line(line, figures), *_of_decisions(line, figures)]
    urgent = [point for point in points if point.urgent]
    doing = _doing(line, figures)
    if urgent:
        return Answer("NO", f"{urgent[0].words}; {doing}.", sorted(points, key=lambda point: not point.urgent))
    if points:
        asked = "one thing asks" if len(points) == 1 else f"{len(points)} things ask"
        return Answer("YES", f"{doing}; {asked} for a person.", points)
    return Answer("YES", f"{doing}; nothing waits for a person.", [])


def _doing(line: LineState, figures: Figures) -> str:
    today = figures.total(line.at - timedelta(days=1))
    if line.running:
        return f"pictures are being sorted, {today:,} in the last 24 hours"
    return (
        f"no sorter is at work; the last picture was sorted {ago(line.last, line.at)}"
        if line.last
        else "nothing was sorted yet"
    )


def _of_the_line(line: LineState, figures: Figures) -> list[Point]:
    """What is wrong with the machine, the camera or the disk."""
    since, points = line.at - _RECENT, []
    is_kept_waiting = line.waits_for and line.free >= line.reserve  # that of room is told below
    if line.start.get("settings", {}).get("watch") and (is_kept_waiting or not line.running):
        points.append(_of_a_sorter_away(line.waits_for))
    if lost := figures.rows("lost", since):
        points.append(
            Point(
                f"{counted(lost, 'picture')} could not be found after being claimed in the last day",
                "Somebody or something takes files out of the work folder; gonogo verify names them.",
                urgent=True,
            )
        )
    failed = next((alarm for alarm in line.alarms if alarm.reason.startswith("self-test:")), None)
    if failed is not None and failed.time > str(line.selftest.get("time", "")):
        points.append(
            Point(
                "the last self-test failed",
                "This machine computes other scores than those stored in the model.",
                urgent=True,
            )
        )
    if line.free < line.reserve:
        points.append(
            Point(
                f"the disk has {size(line.free)} of room, less than the {size(line.reserve)} kept in reserve",
                "Nothing is taken from the inbox until there is room.",
                urgent=True,
            )
        )
    elif line.free < 10 * line.reserve:
        points.append(Point(f"the disk has only {size(line.free)} of room", "Archive old pictures, or add room."))
    waited = line.inbox.oldest
    if waited is not None and waited > _LATE:
        what = f"a file has waited in the inbox for {duration(waited)}"
        if line.running:
            points.append(
                Point(what, "See whether a program still writes it, or whether its part lacks a picture.", urgent=True)
            )
        else:
            points.append(Point(f"{what}, and no sorter is at work", "Start gonogo sort.", urgent=True))
    if drifted := line.drift[0].body["alarm"] if line.drift else None:
        points.append(
            Point(
                f"drift since {drifted['time'][:16].replace('T', ' ')}: {', '.join(drifted['monitors'])}",
                "See Drift below; then gonogo sort --acknowledge NAME.",
                urgent=True,
            )
        )
    for view, repeats in line.frozen.items():
        which = f"the camera of the view {view}" if view else "the camera"
        points.append(
            Point(
                f"{which} may be frozen: the same picture at least {repeats} times in a row",
                "Every part goes to REVIEW until it shows another picture. See to camera, cable and the program that saves.",
                urgent=True,
            )
        )
    if line.rebuilt:
        points.append(
            Point(
                f"the journal was lost or damaged, and made anew {ago(line.rebuilt, line.at)}",
                "Nothing tells which model sorted here, or whether an alarm was standing. Look into that, then gonogo sort "
                "--approve REASON.",
                urgent=True,
            )
        )
    if alarms := figures.rows("alarm", since):
        points.append(
            Point(
                f"{counted(alarms, 'alarm')} in the last day: {line.alarms[0].reason if line.alarms else ''}",
                "See Alarms below.",
            )
        )
    return points


def _of_a_sorter_away(waits_for: str) -> Point:
    """A sorter that waits lets others work in its place meanwhile."""
    if waits_for:
        advice = (
            "See to that: the sorter goes on by itself. If it was ended meanwhile, start gonogo sort --watch again."
        )
        return Point(f"the sorter waits for what it told last: {waits_for}", advice, urgent=True)
    return Point("the sorter that watches the inbox is not at work", "Start gonogo sort --watch again.", urgent=True)


def _of_decisions(line: LineState, figures: Figures) -> list[Point]:
    """What waits for people, and what makes decisions doubtful."""
    points = []
    since = line.at - _RECENT
    if line.queue.count:
        more = "at least " if line.queue.more else ""
        points.append(
            Point(
                f"{more}{counted(line.queue.count, 'picture')} in REVIEW without a verdict, the oldest from "
                f"{ago(line.queue.oldest, line.at)}",
                f"Look at them: gonogo review {line.name}",
            )
        )
    if line.queue.listed:
        points.append(
            Point(
                f"{counted(line.queue.listed, 'file')} in REVIEW from before the journal was made anew, without a verdict",
                f"Nothing tells why they are there. Look at them: gonogo review {line.name}",
            )
        )
    total = figures.total(since)
    damaged = sum(n for (label, _), n in figures.causes(since).items() if label == QUARANTINE)
    if damaged and damaged >= max(3.0, _FAULTY_SHARE * total):
        points.append(
            Point(
                f"{counted(damaged, 'damaged file')} in the last day",
                "See Damage and doubt below: camera, cable or copying.",
            )
        )
    if line.start and not line.start.get("certificate"):
        points.append(
            Point(
                "the model has no certificate: PASS is its most probable class and nothing is promised",
                "Run gonogo calibrate, and sort without --no-gate.",
            )
        )
    if (point := _of_certificate(line)) is not None:
        points.append(point)
    if line.pilot is not None and line.pilot.decision == FAILED:
        points.append(
            Point(
                "the trial against human inspection failed",
                "Do not rely on PASS: gonogo pilot status tells more.",
                urgent=True,
            )
        )
    return points


def _of_certificate(line: LineState) -> Point | None:
    """What its last day asks for: nothing until it comes near."""
    last, today = line.valid_until, line.at.date()
    if last is None or (left := days_left(last, today)) > SOON:
        return None
    if left >= 0:
        return Point(
            f"the certificate is {validity(last, today)}",
            "Collect fresh parts and run gonogo calibrate; from the day after, every part goes to REVIEW.",
        )
    return Point(
        f"the certificate was valid until {last}: every part goes to REVIEW",
        "Run gonogo calibrate on fresh parts, then gonogo sort with the new file and --approve REASON.",
        urgent=True,
    )


def counted(number: int, noun: str) -> str:
    """Return ``1 picture`` or ``2,000 pictures``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return ``40 s``, ``12 min``, ``5 h`` or ``3 days``."""
    for longest, length, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < longest:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"


def ago(time: str, at: datetime) -> str:
    """Return how long ago a time of the journal was."""
    seconds = (at - datetime.fromisoformat(time)).total_seconds()
    return "just now" if seconds < 10 else f"{duration(seconds)} ago"


def size(count: int) -> str:
    """Return a number of bytes in MB or GB."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
