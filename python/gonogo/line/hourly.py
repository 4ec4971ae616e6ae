"""Counts by hour, so that a page over a million pictures need not read their rows: what is counted, and where bins begin.

Everything follows from the rows of the journal; the writer adds a batch's counts in the transaction that adds its rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

TIME_STEPS = 20  # bins of a decade, each 12 % wide
SCORE_STEPS = 20  # bins of a unit of asinh(score): 0.05 wide at 0, 5 % of the score far from it
_TIME_BINS = (-2 * TIME_STEPS, 8 * TIME_STEPS)  # 10 microseconds to a day
_SCORE_BINS = (-20 * SCORE_STEPS, 20 * SCORE_STEPS)

# hour, label, measure, bin; the hour as in "2026-03-14T12+02:00"
Key = tuple[str, str, str, str | int]


def counts(rows: Iterable[tuple[str, str, Mapping[str, Any] | None]]) -> Counter[Key]:
    """Return how often each thing happened.

    Parameters
    ----------
    rows : iterable of (time, kind, said)
        ``said`` is what the INTENT says that a DONE row refers to.
    """
    found: Counter[Key] = Counter()
    for time, kind, said in rows:
        hour = time[:13] + time[23:]
        if kind == "DONE" and said is not None:
            found.update((hour, said["decision"], measure, where) for measure, where in _of_picture(said))
        elif kind in ("LOST", "RETURNED", "ALARM", "AUDIT"):
            found[hour, "", kind.lower(), ""] += 1
    return found


def _of_picture(said: Mapping[str, Any]) -> Iterator[tuple[str, str | int]]:
    yield "pictures", ""
    for measure, is_so in (("passed", said.get("passed")), ("duplicates", said.get("duplicate_of"))):
        if is_so:
            yield measure, ""
    if cause := said.get("cause"):
        yield "cause", cause
    for measure in ("milliseconds", "latency"):
        if (value := said.get(measure)) is not None:
            yield measure, time_bin(value)
    if (score := said.get("score")) is not None:
        yield "score", score_bin(score)


def time_bin(milliseconds: float) -> int:
    """Return the bin of a time: bin b begins at 10^(b / 20) milliseconds and ends where the next one begins."""
    if milliseconds <= 0:
        return _TIME_BINS[0]
    return _within(math.floor(TIME_STEPS * math.log10(milliseconds)), _TIME_BINS)


def time_edge(position: int) -> float:
    """Return where a bin of times begins, in milliseconds."""
    return math.pow(10.0, position / TIME_STEPS)


def score_bin(score: float) -> int:
    """Return the bin of a score: bin b begins at sinh(b / 20) and ends where the next one begins."""
    return _within(math.floor(SCORE_STEPS * math.asinh(score)), _SCORE_BINS)


def score_edge(position: int) -> float:
    """Return where a bin of scores begins."""
    return math.sinh(position / SCORE_STEPS)


def quantile(bins: Mapping[int, int], share: float) -> float | None:
    """Return the time, in milliseconds, that a share of the counted ones stays below, to 12 %; None where none was counted.

    Parameters
    ----------
    bins : mapping of int -> int
        Counts by the bins of ``time_bin``.
    share : float
        0.5 for the median, 0.99 for the time that one in a hundred exceeds.
    """
    wanted, seen = share * sum(bins.values()), 0
    for position in sorted(bins):
        seen += bins[position]
        if seen >= wanted:
            return time_edge(position + 1)
    return None


def _within(position: int, bins: tuple[int, int]) -> int:
    return min(max(position, bins[0]), bins[1])
