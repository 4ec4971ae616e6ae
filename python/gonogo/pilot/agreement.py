"""How far people agree with each other and with the model, beyond chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from gonogo.metrics import Rate, defined
from gonogo.pilot.verdicts import Part

MODEL = "the model"


@dataclass(frozen=True)
class Agreement:
    """Two judges of the same parts.

    Attributes
    ----------
    judges : (str, str)
    both_bad, only_first_bad, only_second_bad, both_good : int
        Parts.
    """

    judges: tuple[str, str]
    both_bad: int
    only_first_bad: int
    only_second_bad: int
    both_good: int

    @property
    def observed(self) -> Rate:
        """Share of parts of which both say the same."""
        same = self.both_bad + self.both_good
        return Rate(same, same + self.only_first_bad + self.only_second_bad)

    @property
    def by_chance(self) -> float:
        """Share that would be the same if they judged independently, each with the same share of bad parts as here."""
        n = self.observed.of
        first, second = self.both_bad + self.only_first_bad, self.both_bad + self.only_second_bad
        return (first * second + (n - first) * (n - second)) / n**2 if n else 1.0

    @property
    def kappa(self) -> float:
        """Cohen's kappa: 1 is full agreement, 0 chance; NaN where both call all parts the same.

        Cohen: "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20 (1960).
        """
        return self._beyond_chance(self.observed.value)

    @property
    def interval(self) -> tuple[float, float]:
        """Approximate 95 % interval of kappa; NaN where kappa is.

        The exact limits of the observed agreement, with chance held at its estimate, as Cohen does. The customary normal
        limits are too narrow where bad parts are few (they cover as little as 16 % then), and have no width at full
        agreement.
        """
        low, high = self.observed.interval
        return max(self._beyond_chance(low), -1.0), self._beyond_chance(high)

    def _beyond_chance(self, share: float) -> float:
        chance = self.by_chance
        return (share - chance) / (1.0 - chance) if chance < 1.0 else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return counts and figures; what is undefined is None."""
        return {
            "judges": list(self.judges),
            "parts": self.observed.of,
            "both_bad": self.both_bad,
            "only_first_bad": self.only_first_bad,
            "only_second_bad": self.only_second_bad,
            "both_good": self.both_good,
            "agreement": defined(self.observed.value),
            "agreement_interval": list(self.observed.interval),
            "kappa": defined(self.kappa),
            "kappa_interval": [defined(limit) for limit in self.interval],
        }


@dataclass(frozen=True)
class Reviewer:
    """One person.

    Attributes
    ----------
    name : str
    parts : int
        Looked at.
    escape, overkill : Rate
        Bad parts that the person called good, and good parts called bad; of the parts with a reference, or with more than
        half of at least two other people on one side.
    """

    name: str
    parts: int
    escape: Rate
    overkill: Rate

    def to_dict(self) -> dict[str, Any]:
        """Return the figures; a share of nothing is None."""
        return {
            "reviewer": self.name,
            "parts": self.parts,
            "escape": rate_dict(self.escape, "escapes", "bad_parts"),
            "overkill": rate_dict(self.overkill, "refused", "good_parts"),
        }


def rate_dict(rate: Rate, count: str, of: str) -> dict[str, Any]:
    """Return a share with its counts, under their names, and its 95 % interval."""
    return {count: rate.count, of: rate.of, "rate": defined(rate.value), "interval": list(rate.interval)}


def agreements(parts: Sequence[Part]) -> list[Agreement]:
    """Return how each two people agree who share parts, then each person and the model, in the order of their names."""
    people = sorted({name for part in parts for name in part.said})
    said = {name: {part.name: part.said[name] for part in parts if name in part.said} for name in people}
    model = {part.name: not part.model_passed for part in parts}
    pairs = [(one, other, said[one], said[other]) for one, other in combinations(people, 2)]
    pairs += [(name, MODEL, said[name], model) for name in people]
    made = []
    for one, other, first, second in pairs:
        both = [(bad, second[part]) for part, bad in first.items() if part in second]
        if both:
            cells = [both.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False))]
            made.append(Agreement((one, other), *cells))
    return made


def reviewers(parts: Sequence[Part]) -> list[Reviewer]:
    """Return the figures of each person, in the order of the names."""
    made = []
    for name in sorted({name for part in parts for name in part.said}):
        seen = [(part.said[name], part.bad_without(name)) for part in parts if name in part.said]
        of_bad = [said for said, truth in seen if truth is True]
        of_good = [said for said, truth in seen if truth is False]
        escape, overkill = Rate(of_bad.count(False), len(of_bad)), Rate(of_good.count(True), len(of_good))
        made.append(Reviewer(name, len(seen), escape, overkill))
    return made
