"""From the scores of pictures to what becomes of parts: the unit that a plant ships, and that intervals count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo.decision import Decision, Rule, samples_of_parts
from gonogo.metrics import ClassFigures, Rate, class_figures, confusion_matrix, defined


@dataclass(frozen=True)
class PartResults:
    """Truth and decision of each part.

    Attributes
    ----------
    classes : list of str
    names : list of str
        The group of each part; empty where each picture counts as one.
    truth, predicted : intp arrays (parts,)
        Positions in ``classes``; -1 is REVIEW.
    grouped : bool
        Whether groups say which pictures are one part; otherwise each picture counts as one.
    """

    classes: list[str]
    names: list[str]
    truth: NDArray[np.intp]
    predicted: NDArray[np.intp]
    grouped: bool

    def __len__(self) -> int:
        return len(self.truth)

    def select(self, kept: NDArray[np.bool_]) -> PartResults:
        """Return the results of some parts, bool (parts,)."""
        names = [name for name, keep in zip(self.names, kept.tolist(), strict=True) if keep] if self.grouped else []
        return PartResults(self.classes, names, self.truth[kept], self.predicted[kept], self.grouped)

    @property
    def accuracy(self) -> Rate:
        """Share of parts that got their class."""
        return Rate(int((self.truth == self.predicted).sum()), len(self))

    @property
    def reviewed(self) -> Rate:
        """Share of parts that go to REVIEW."""
        return Rate(int((self.predicted < 0).sum()), len(self))

    @property
    def per_class(self) -> list[ClassFigures]:
        """Precision, recall, F1 and support of each class, in parts."""
        return class_figures(self.truth, self.predicted, self.classes)

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts (classes, classes): rows are the truth; parts that go to REVIEW are in none."""
        decided = self.predicted >= 0
        return confusion_matrix(self.truth[decided], self.predicted[decided], len(self.classes))

    def escape(self, passing: int) -> Rate:
        """Share of bad parts that pass: P(PASS | bad)."""
        bad = self.truth != passing
        return Rate(int((bad & (self.predicted == passing)).sum()), int(bad.sum()))

    def overkill(self, passing: int) -> Rate:
        """Share of good parts that do not pass: P(not PASS | good)."""
        good = self.truth == passing
        return Rate(int((good & (self.predicted != passing)).sum()), int(good.sum()))

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "n": len(self),
            "accuracy": defined(self.accuracy.value),
            "accuracy_interval": list(self.accuracy.interval),
            "confusion": self.confusion.tolist(),
            "per_class": {figures.name: figures.to_dict() for figures in self.per_class},
            "review": self.reviewed.count,
        }


def decide_parts(rule: Rule, scores: NDArray[np.float64], part_of: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return the class that a rule gives each part, -1 for REVIEW, intp (count,).

    Parameters
    ----------
    rule : Rule
        Of a model without a certificate; a gate decides by itself.
    scores : float64 array (n,) or (n, classes)
        Of each picture.
    part_of : intp array (n,)
        The part of each picture.
    count : int
        Parts.
    """
    return class_positions(rule.classes, [rule.decide(scores[own]) for own in samples_of_parts(part_of, count)])


def class_positions(classes: Sequence[str], decisions: Sequence[Decision]) -> NDArray[np.intp]:
    """Return the position of each decision among the classes, -1 for REVIEW, intp (parts,)."""
    position = {name: i for i, name in enumerate(classes)}
    return np.array([position.get(decision.label, -1) for decision in decisions], np.intp)


def without_threshold(classes: Sequence[str], passing: int) -> Rule:
    """Return the rule of a model that has no certified threshold: PASS where each picture is most probably PASS."""
    return Rule(classes, passing, -float("inf"), 0.0, 1, "")


def most_probable(probabilities: NDArray[np.float64], part_of: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return for each part the class of the highest mean probability, for models without a PASS class, intp (count,)."""
    sums = np.zeros((count, probabilities.shape[1]))
    np.add.at(sums, part_of, probabilities)
    return np.asarray(sums.argmax(axis=1))
