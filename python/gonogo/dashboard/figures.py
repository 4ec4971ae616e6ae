"""Figures of a line from its counts by hour: how much, how fast, how many of what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gonogo.decision import REVIEW
from gonogo.line.decider import QUARANTINE
from gonogo.line.hourly import Key, quantile, score_edge

HOURS = 48
_BINS = 40  # of the chart of scores


@dataclass(frozen=True)
class Latency:
    """Half, and 99 of 100, pictures took no longer, in milliseconds; None where none was counted."""

    median: float | None
    slow: float | None


class Figures:
    """Sums over the counts of ``Journal.hourly``.

    Parameters
    ----------
    counts : mapping
        By (hour, label, measure, bin).
    at : datetime
        Now, with its time zone.
    """

    def __init__(self, counts: Mapping[Key, int], at: datetime) -> None:
        self._counts, self._at = counts, at
        self.pictures: Counter[tuple[datetime, str]] = Counter()
        self.passed: Counter[datetime] = Counter()
        for (hour, label, measure, _), count in counts.items():
            if measure == "pictures":
                self.pictures[_start(hour), label] += count
            elif measure == "passed":
                self.passed[_start(hour)] += count

    @property
    def labels(self) -> list[str]:
        """Decisions that occurred: classes by name, then REVIEW and QUARANTINE."""
        found = {label for _, label in self.pictures}
        return sorted(found - {REVIEW, QUARANTINE}) + [name for name in (REVIEW, QUARANTINE) if name in found]

    def total(self, since: datetime) -> int:
        """Return the pictures of the hours that end after a moment."""
        return sum(count for (hour, _), count in self.pictures.items() if hour + timedelta(hours=1) > since)

    def not_passed(self, since: datetime) -> tuple[int, int]:
        """Return how many pictures of the hours that end after a moment did not pass, and of how many."""
        of = self.total(since)
        passed = sum(count for hour, count in self.passed.items() if hour + timedelta(hours=1) > since)
        return of - passed, of

    def rows(self, measure: str, since: datetime) -> int:
        """Return how many rows of a kind (``lost``, ``alarm``, ``audit``) there are since a moment."""
        return sum(n for (hour, _, what, _), n in self._counts.items() if what == measure and _start(hour) >= since)

    def by_hour(self) -> tuple[list[datetime], dict[str, list[int]]]:
        """Return the last hours, the present one at the end, and the pictures of each group in them."""
        now = self._at.replace(minute=0, second=0, microsecond=0)
        hours = [now - timedelta(hours=back) for back in range(HOURS - 1, -1, -1)]
        place = {hour: k for k, hour in enumerate(hours)}
        return hours, self._grouped(len(hours), lambda hour: place.get(hour.astimezone(self._at.tzinfo)))

    def by_day(self, days: int) -> tuple[list[datetime], dict[str, list[int]]]:
        """Return the last days, today at the end, and the pictures of each group in them."""
        today = self._at.replace(hour=0, minute=0, second=0, microsecond=0)
        found = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
        place = {f"{day:%Y-%m-%d}": k for k, day in enumerate(found)}
        return found, self._grouped(len(found), lambda hour: place.get(f"{hour:%Y-%m-%d}"))

    def labels_by_day(self, days: int) -> dict[str, Counter[str]]:
        """Return the pictures of each decision by day (``2026-03-14``), the newest day first, without days without pictures."""
        found: dict[str, Counter[str]] = {}
        for (hour, label), count in self.pictures.items():
            found.setdefault(f"{hour:%Y-%m-%d}", Counter())[label] += count
        return dict(sorted(found.items(), reverse=True)[:days])

    def _grouped(self, columns: int, place: Callable[[datetime], int | None]) -> dict[str, list[int]]:
        groups = {name: [0] * columns for name in ("passed", "other", REVIEW, QUARANTINE)}
        for (hour, label), count in self.pictures.items():
            if (k := place(hour)) is not None:
                groups[label if label in groups else "other"][k] += count
        for hour, count in self.passed.items():
            if (k := place(hour)) is not None:
                groups["passed"][k] += count
                groups["other"][k] -= count
        return groups

    def latency(self, measure: str, since: datetime) -> Latency:
        """Return how long pictures took: ``latency`` from the last change of a file, or ``milliseconds`` of work."""
        bins: Counter[int] = Counter()
        for (hour, _, what, position), count in self._counts.items():
            if what == measure and _start(hour) + timedelta(hours=1) > since:
                bins[int(position)] += count
        return Latency(quantile(bins, 0.5), quantile(bins, 0.99))

    def causes(self, since: datetime) -> Counter[tuple[str, str]]:
        """Return how many pictures went to REVIEW and QUARANTINE for which cause."""
        found: Counter[tuple[str, str]] = Counter()
        for (hour, label, measure, cause), count in self._counts.items():
            if measure == "cause" and _start(hour) >= since:
                found[label, str(cause)] += count
        return found

    def scores(self, reference: NDArray[np.float64] | None) -> Scores | None:
        """Return how scores are distributed beside the reference's; None where there is none."""
        bins: dict[str, Counter[int]] = {}
        for (_, label, measure, position), count in self._counts.items():
            if measure == "score":
                bins.setdefault(label, Counter())[int(position)] += count
        if not bins:
            return None
        middles = {label: _middles(found) for label, found in bins.items()}
        every = np.concatenate([values for values, _ in middles.values()])
        weights = np.concatenate([counts for _, counts in middles.values()])
        low, high = _range(every, weights)
        if reference is not None and len(reference):
            low, high = min(low, float(reference.min())), max(high, float(reference.max()))
        pad = max(0.03 * (high - low), 1e-3)
        edges = np.linspace(low - pad, high + pad, _BINS + 1)
        total = weights.sum()
        counted = {
            label: 100 * np.histogram(np.clip(values, edges[0], edges[-1]), edges, weights=counts)[0] / total
            for label, (values, counts) in middles.items()
        }
        before = (
            None
            if reference is None or not len(reference)
            else 100 * np.histogram(reference, edges)[0] / len(reference)
        )
        return Scores(edges, counted, before, int(total))


@dataclass(frozen=True)
class Scores:
    """Distribution of the scores, in percent.

    Attributes
    ----------
    edges : float64 array (bins + 1,)
    shares : dict of str -> float64 array (bins,)
        By decision.
    reference : float64 array (bins,) or None
    pictures : int
    """

    edges: NDArray[np.float64]
    shares: dict[str, NDArray[np.float64]]
    reference: NDArray[np.float64] | None
    pictures: int


def _middles(bins: Mapping[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = np.array([(score_edge(k) + score_edge(k + 1)) / 2 for k in bins])
    return values, np.array(list(bins.values()), np.float64)


def _range(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Where all but one score in a thousand on either side lie: one stray value must not squeeze the others."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order]) / weights.sum()
    first, last = np.searchsorted(below, [0.001, 0.999])
    return float(values[order][first]), float(values[order][min(last, len(order) - 1)])


@lru_cache(maxsize=4096)
def _start(hour: str) -> datetime:
    """The beginning of an hour as ``Journal.hourly`` writes it, with its time zone."""
    return datetime.fromisoformat(f"{hour[:13]}:00:00{hour[13:]}")
