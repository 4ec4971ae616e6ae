"""Watching a line for drift: monitors asked about each part, rows in the journal, an alarm, and what follows from it.

A DRIFT row is written every thousand parts or every hour, at an alarm, when a person acknowledges one, and at the end; the
monitors go on from the last one after a restart, as far as their question is still the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from gonogo.decision import Decision
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration
from gonogo.line.decider import Decider, Looked, Measuring
from gonogo.line.drift import Monitor, answers
from gonogo.line.journal import Entry, Journal
from gonogo.reference import QUANTITIES

PARTS_OF_ROW = 1000
_SECONDS_OF_ROW = 3600.0
_RECENT = 50  # parts whose means an alarm tells
_NAMED = 3  # monitors in words, at most
_PIXELS = QUANTITIES[:3]
_FOLLOWS = {
    "log": "Sorting goes on; the alarm stands",
    "review": "Every part goes to REVIEW",
    "stop": "Parts in hand go to REVIEW, the sorter ends and does not start again",
}


class DriftWatch:
    """The watch over one line.

    Parameters
    ----------
    decider : Measuring
        Decides on parts and measures them.
    configuration : Configuration
        Of the line.
    journal : Journal
        Whose last DRIFT row is gone on from.
    clock : Clock
        Of the machine.
    """

    def __init__(self, decider: Measuring, configuration: Configuration, journal: Journal, clock: Clock) -> None:
        self._decider, self._configuration, self._clock = decider, configuration, clock
        level = configuration.drift_run_length
        self.monitors: dict[str, Monitor] = {
            monitor.name: monitor for monitor in (decider.monitors(configuration.bad_share) if level else [])
        }
        last = journal.last("DRIFT", of_all=True)
        before: Mapping[str, Any] = {} if last is None else last.body
        self.alarm: dict[str, Any] | None = before.get("alarm")
        self.parts = int(before.get("parts", 0))
        for name, kept in before.get("monitors", {}).items():
            _restore(self.monitors.get(name), kept)
        self._new_alarm: list[Entry] = []
        self._recent: deque[Sequence[float]] = deque(maxlen=_RECENT)
        self._begin_period()

    def _begin_period(self) -> None:
        self._written = self._clock.steady()
        self._period = {"parts": 0, "passed": 0, "unknown": 0}
        self._sums, self._measured = [0.0] * len(_PIXELS), 0

    @property
    def statistic(self) -> float:
        """Mean over the monitors; 0 without any."""
        return sum(monitor.statistic for monitor in self.monitors.values()) / max(1, len(self.monitors))

    @property
    def doubt(self) -> str:
        """Why no part can pass; empty where nothing speaks against it."""
        if self.alarm is None or self._configuration.on_alarm == "log":
            return ""
        return f"drift since {self.alarm['time']}: {', '.join(self.alarm['monitors'])}; see the alarm in the journal"

    @property
    def problem(self) -> str:
        """The alarm in words; empty without one."""
        return "" if self.alarm is None else f"ALARM of {self.alarm['time']}: {self.alarm['reason']}"

    @property
    def figures(self) -> dict[str, Any] | None:
        """``statistic``, ``level`` and ``alarm`` (or None), for a status; None where nothing is watched and no alarm stands."""
        if not self.monitors and self.alarm is None:
            return None
        level = self._configuration.drift_run_length
        return {"statistic": self.statistic, "level": level, "alarm": self.alarm}

    @property
    def stops(self) -> bool:
        """Whether the sorter has to end."""
        return self.alarm is not None and self._configuration.on_alarm == "stop"

    def decide(self, parts: Sequence[Sequence[Any]]) -> list[tuple[Decision, str]]:
        """Return for each part its decision and the doubt that drift raises about it."""
        time = self._clock.today().isoformat(timespec="milliseconds")
        found = []
        for looked in self._decider.decide_and_measure(parts):
            self._count(looked.decision, looked.exposure)
            if self.alarm is None and self.monitors:
                self._ask(looked, time)
            found.append((looked.decision, self.doubt))
        return found

    def _count(self, decision: Decision, measures: Sequence[float]) -> None:
        self._period["parts"] += 1
        self._period["passed"] += decision.passed
        self._period["unknown"] += decision.unknown
        if measures:
            self._measured += 1
            self._sums = [total + value for total, value in zip(self._sums, measures, strict=True)]
            self._recent.append(measures)

    def _ask(self, looked: Looked, time: str) -> None:
        self.parts += 1
        for monitor, answer, value in answers(looked.asked, looked.exposure, self.monitors):
            monitor.ask(answer, value, time)
        if self.statistic < self._configuration.drift_run_length:
            return
        ranked = sorted(self.monitors.values(), key=lambda monitor: -monitor.statistic)
        moved = [monitor for monitor in ranked[:_NAMED] if monitor.statistic >= ranked[0].statistic / 2]
        reason = f"drift: {'; '.join(monitor.words() for monitor in moved)}. {self._lately()}"
        reason += f"{_FOLLOWS[self._configuration.on_alarm]} until somebody runs gonogo sort with --acknowledge NAME"
        self.alarm = {"time": time, "reason": reason, "monitors": [monitor.name for monitor in moved]}
        self._new_alarm = [Entry("ALARM", body={"reason": reason}), self._row()]

    def _lately(self) -> str:
        """How all parts have looked lately, those that did not pass among them."""
        if not self._recent:
            return ""
        means = [sum(column) / len(self._recent) for column in zip(*self._recent, strict=True)]
        typical = [self.monitors[f"{name} below"].typical or 0.0 for name in _PIXELS]
        told = zip(_PIXELS, means, typical, strict=True)
        words = ", ".join(f"{name} {mean:.4g} (at calibration {usual:.4g})" for name, mean, usual in told)
        return f"The last {len(self._recent)} parts: {words}. "

    def take_alarm(self) -> list[Entry]:
        """Return the rows of an alarm that was just raised, once; they come before any row that follows from it."""
        rows, self._new_alarm = self._new_alarm, []
        return rows

    def take_rows(self, *, at_end: bool = False) -> list[Entry]:
        """Return the DRIFT row where one is due."""
        parts, seconds = self._period["parts"], self._clock.steady() - self._written
        is_due = at_end or parts >= PARTS_OF_ROW or seconds >= _SECONDS_OF_ROW
        return [self._row()] if is_due and parts and (self.monitors or self.alarm) else []

    def acknowledge(self, name: str) -> list[Entry]:
        """Return the rows that say that a person has looked into an alarm; the monitors begin anew. None without alarm."""
        if self.alarm is None:
            return []
        entry = Entry("ACKNOWLEDGED", body={"by": name, "alarm": self.alarm})
        self.alarm, self.parts = None, 0
        self.monitors = {
            name: Monitor(name, monitor.expected, monitor.limit, monitor.typical)
            for name, monitor in self.monitors.items()
        }
        return [entry, self._row()]

    def _row(self) -> Entry:
        means = {
            name: total / self._measured if self._measured else None
            for name, total in zip(_PIXELS, self._sums, strict=True)
        }
        body = {
            "statistic": self.statistic,
            "level": self._configuration.drift_run_length,
            "parts": self.parts,
            "monitors": {name: monitor.to_json() for name, monitor in self.monitors.items()},
            "period": {**self._period, **means},
            "alarm": self.alarm,
        }
        self._begin_period()
        return Entry("DRIFT", body=body)


def watch_line(decider: Decider, configuration: Configuration, journal: Journal, clock: Clock) -> DriftWatch | None:
    """Return the watch over a line; None where what decides cannot measure."""
    return DriftWatch(decider, configuration, journal, clock) if isinstance(decider, Measuring) else None


def _restore(monitor: Monitor | None, kept: Mapping[str, Any]) -> None:
    """Go on from a row, where the question is still the same."""
    if monitor is not None and (kept["expected"], kept["limit"]) == (monitor.expected, monitor.limit):
        for name, value in kept.items():
            setattr(monitor, name, value)
