"""Has something changed since the calibration? Monitors whose false alarms are rare by proof. docs/drift.md derives them.

Each monitor asks one question of a part, such as whether its brightness lies above that of nine of ten good calibration parts.
With probability p0 the answer is yes where nothing has changed. Its statistic follows the recursion of Shiryaev and Roberts,
R <- (1 + R) e, where e is the likelihood ratio of the answer for odds that are f times those of p0: R minus the number of parts
is then a martingale, so that the parts until R reaches A are at least A on average; the mean over monitors has the same property.

Shiryaev, "On optimum methods in quickest detection problems", Theory of Probability and its Applications 8 (1963); Roberts, "A
comparison of some control chart procedures", Technometrics 8 (1966); Pollak, "Average run lengths of an optimal method of
detecting a change in distribution", Annals of Statistics 15 (1987).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from gonogo import binomial
from gonogo.certificate import Certificate
from gonogo.decision import Decision
from gonogo.reference import QUANTITIES, Reference, ranks

ODDS = (2.0, 10.0)  # f: what a slow change does to the odds of an answer, and a sudden one
TAIL = 0.1  # share of good parts beyond a limit
CONFIDENCE = 0.95  # that no p0 is too small, although the reference is a sample
_UNKNOWN_SHARE = 0.5  # of bad parts, at most, where nobody has said


@dataclass
class Monitor:
    """One question about parts.

    Attributes
    ----------
    name : str
        ``"brightness above"``, ``"rejects"``.
    expected : float
        p0: probability of yes, at most, where nothing has changed.
    limit, typical : float or None
        What the value of a part is compared with, and the reference's median; None where the question is about decisions.
    statistics : list of float
        R for each of ``ODDS``.
    evidence : float
        Log-likelihood ratio of a slow change since ``since``; where it falls to 0 nothing speaks for one.
    since : str
        Time of the first part since then.
    parts, answers : int
        Since then: asked, and yes.
    total : float
        Sum of their values.
    """

    name: str
    expected: float
    limit: float | None = None
    typical: float | None = None
    statistics: list[float] = field(default_factory=lambda: [0.0] * len(ODDS))
    evidence: float = 0.0
    since: str = ""
    parts: int = 0
    answers: int = 0
    total: float = 0.0

    def __post_init__(self) -> None:
        self._ratios = {
            answer: [likelihood_ratio(answer, self.expected, odds) for odds in ODDS] for answer in (False, True)
        }
        self._steps = {answer: math.log(ratios[0]) for answer, ratios in self._ratios.items()}

    @property
    def statistic(self) -> float:
        """Mean over ``ODDS``."""
        return sum(self.statistics) / len(ODDS)

    def ask(self, answer: bool, value: float, time: str) -> None:
        """Count the answer about one more part."""
        self.statistics = [(1.0 + r) * e for r, e in zip(self.statistics, self._ratios[answer], strict=True)]
        self.evidence += self._steps[answer]
        if self.evidence <= 0:
            self.evidence, self.since, self.parts, self.answers, self.total = 0.0, "", 0, 0, 0.0
            return
        self.since = self.since or time
        self.parts += 1
        self.answers += answer
        self.total += value

    def words(self) -> str:
        """Return what moved, by how much and since when."""
        seen = f"{self.answers} of {self.parts} parts, expected at most {100 * self.expected:.2g} %"
        if self.limit is None or self.typical is None:
            return f"{self.name}: {seen}, since {self.since}"
        mean = self.total / max(1, self.parts)
        return f"{self.name} {self.limit:.4g}: {seen}; mean {mean:.4g}, at calibration {self.typical:.4g}; since {self.since}"

    def to_json(self) -> dict[str, Any]:
        """Return everything, for the journal."""
        return {key: value for key, value in asdict(self).items() if key != "name"}


def likelihood_ratio(answer: bool, expected: float, odds: float) -> float:
    """Return e: how much more probable an answer is where the odds of yes are ``odds`` times those of ``expected``.

    With q / (1 - q) = f p0 / (1 - p0) it is (q / p0)^x ((1 - q) / (1 - p0))^(1 - x); its mean at p0 is 1, below p0 less.
    """
    return (odds if answer else 1.0) / (1.0 + (odds - 1.0) * expected)


def make_monitors(
    reference: Reference, certificate: Certificate, *, guarded: bool, bad_share: float | None
) -> list[Monitor]:
    """Return the monitors of a line.

    Parameters
    ----------
    reference : Reference
        How good calibration parts look.
    certificate : Certificate
        Beside which it stands.
    guarded : bool
        Whether there is a guard against unknown pictures.
    bad_share : float or None
        Share of bad parts that the line has, at most; None: unknown, then rejects are not watched.
    """
    count = 2 * len(QUANTITIES) + 2
    sure = 1.0 - (1.0 - CONFIDENCE) / count
    share = _UNKNOWN_SHARE if bad_share is None else bad_share
    good_passed = binomial.lower_bound(reference.passed, reference.good_parts, sure)
    escaping = share * certificate.escape_upper_bound
    bad_among_passed = escaping / (escaping + (1.0 - share) * good_passed)

    def bounded(seen: int, parts: int) -> float:
        """The probability that was seen so often, at most, also among the few bad parts that pass."""
        return min(0.99, binomial.upper_bound(seen, parts, sure) + bad_among_passed)

    position, seen = _tail(reference.passed)
    monitors = []
    for quantity in QUANTITIES:
        values, typical = reference.values(quantity), reference.median(quantity)
        for side, limit in (("below", values[position]), ("above", values[-1 - position])):
            monitors.append(Monitor(f"{quantity} {side}", bounded(seen, reference.passed), limit, typical))
    if guarded:
        refused = reference.would_pass - reference.passed
        monitors.append(Monitor("unknown parts", bounded(refused, reference.would_pass)))
    if bad_share is not None:
        refused = reference.good_parts - reference.passed
        upper = binomial.upper_bound(refused, reference.good_parts, sure)
        monitors.append(Monitor("rejects", min(0.99, bad_share + (1.0 - bad_share) * upper)))
    return monitors


def _tail(parts: int) -> tuple[int, int]:
    """Which order statistic is the lower limit, by its position among those kept, and how many parts lie below it."""
    kept = ranks(parts)
    wanted = TAIL * (parts + 1) - 1
    position = max(i for i, rank in enumerate(kept) if i == 0 or rank <= wanted)
    return position, kept[position]


def answers(
    decision: Decision, measures: Sequence[float], monitors: Mapping[str, Monitor]
) -> Iterator[tuple[Monitor, bool, float]]:
    """Yield the monitors that a part concerns, each with the answer and the value.

    Parameters
    ----------
    decision : Decision
        About as many pictures of the part as the certificate is about.
    measures : sequence of float
        Their brightness, contrast and sharpness.
    monitors : mapping
        By name.
    """
    if decision.passed:
        for quantity, value in zip(QUANTITIES, (*measures, decision.score), strict=True):
            for side, sign in (("below", -1.0), ("above", 1.0)):
                monitor = monitors[f"{quantity} {side}"]
                yield monitor, sign * value > sign * float(monitor.limit or 0.0), value
    if "unknown parts" in monitors and (decision.passed or decision.unknown):
        yield monitors["unknown parts"], decision.unknown, 0.0
    if "rejects" in monitors:
        yield monitors["rejects"], not decision.passed, 0.0
