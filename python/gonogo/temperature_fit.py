"""Fitting the temperature: a convex problem in one number, solved by bisection."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gonogo.labels import class_weights
from gonogo.model_file import ModelFile
from gonogo.temperature import Temperature, check_by_class, prior_offsets

_T_MOST = 1000.0  # and 1 / _T_MOST the least
_HALVINGS = 60  # of the interval of log t, 14 wide: to less than a rounding error
_DIGITS = 6  # of t: more than any validation set determines, and the same on all machines


@dataclass(frozen=True)
class TrainingMix:
    """What the loss of a training was weighted by: the share of each class, and its weight."""

    shares: Mapping[str, float]
    weights: Mapping[str, float]

    @classmethod
    def of(cls, file: ModelFile) -> TrainingMix:
        """Return the mix that a model file tells of.

        Raises
        ------
        ValueError
            It tells of none, or a class had the weight 0.
        """
        counts = file.training.get("class_counts")
        try:
            check_by_class("class_counts", counts, file.classes)
        except ValueError:
            raise ValueError(
                "clf: its model does not tell how many pictures of each class it was trained on; train it again"
            ) from None
        assert isinstance(counts, Mapping)
        number = [int(counts[name]) for name in file.classes]
        labels = np.repeat(np.arange(len(number), dtype=np.intp), number)
        found = class_weights(file.training.get("class_weight"), labels, np.array(file.classes))
        weights = [1.0] * len(number) if found is None else [float(weight) for weight in found]
        if 0 in weights:
            raise ValueError(
                f"clf: its class {file.classes[weights.index(0)]!r} had the weight 0 in training, and scores without meaning; "
                "train it with a weight above 0"
            )
        total = sum(number)
        shares = {name: n / total for name, n in zip(file.classes, number, strict=True)}
        return cls(shares, dict(zip(file.classes, weights, strict=True)))


def fit_temperature(
    scores: NDArray[np.float64],
    labels: NDArray[np.intp],
    parts: int,
    classes: Sequence[str],
    training: TrainingMix,
    shares: Mapping[str, float] | None,
) -> Temperature:
    """Return the temperature of the largest unweighted likelihood.

    During the fit the share in use is that of each class among these pictures: the mix that they were drawn from. Only the
    probabilities of the result are for ``shares``.

    Parameters
    ----------
    scores : float64 array (n,) or (n, classes)
        Logit of the second of two classes, or one for each class.
    labels : intp array (n,)
        Positions in ``classes``.
    parts : int
        How many parts the pictures show.
    classes : sequence of str
        Names.
    training : TrainingMix
        Of the net that gave the scores.
    shares : mapping of str -> float or None
        Mix that the probabilities are to be for; None: that of the training pictures.

    Raises
    ------
    ValueError
        The shares are none, a class has no picture, a score is not finite, or the scores are no better than chance.
    """
    mix = training.shares if shares is None else shares
    check_by_class("shares", mix, classes)
    counts = np.bincount(labels, minlength=len(classes))
    if not counts.all():
        missing = classes[int(counts.argmin())]
        raise ValueError(f"validation: found no picture of the class {missing!r}, expected some of each class")
    if not np.isfinite(scores).all():
        raise ValueError("validation: a score is not a finite number; give samples like those of the training")
    columns = np.stack([np.zeros(len(scores)), scores], axis=1) if scores.ndim == 1 else scores
    own = {name: int(n) / len(labels) for name, n in zip(classes, counts, strict=True)}
    fit = _Likelihood(columns, labels, prior_offsets(own, training.shares, training.weights))
    if fit.slope(1 / _T_MOST) >= 0:
        raise ValueError(
            "validation: the scores tell the classes apart no better than chance, so no temperature gives them a meaning; "
            "train longer, or look at the labels"
        )
    if bounded := fit.all_right or fit.slope(_T_MOST) < 0:
        certain = (parts + 1) / (parts + 2)
        inverse = _rising_root(lambda beta: fit.mean_probability(beta) - certain)
    else:
        inverse = _rising_root(fit.slope)
    t = float(f"{1 / inverse:.{_DIGITS}g}")
    return Temperature(
        t=t,
        shares={name: float(mix[name]) for name in classes},
        training_shares=dict(training.shares),
        class_weight=dict(training.weights),
        pictures=len(labels),
        parts=parts,
        loss_before=_rounded(fit.loss(1.0)),
        loss=_rounded(fit.loss(1 / t)),
        bounded=bool(bounded),
    )


class _Likelihood:
    """Mean negative log-likelihood of softmax(beta z + offsets), convex in beta = 1 / t.

    All scores are taken relative to that of the truth, whose score is then 0.
    """

    def __init__(self, scores: NDArray[np.float64], labels: NDArray[np.intp], offsets: NDArray[np.float64]) -> None:
        rows = np.arange(len(labels))
        self.relative = scores - scores[rows, labels][:, None]
        self.offsets = offsets - offsets[labels][:, None]
        self.all_right = bool((self.relative <= 0).all())

    def _terms(self, beta: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Exponentials, scaled so that none overflows, and the logarithm of the scale."""
        exponents = beta * self.relative + self.offsets
        largest = exponents.max(axis=1)
        return np.exp(exponents - largest[:, None]), largest

    def loss(self, beta: float) -> float:
        terms, largest = self._terms(beta)
        return float((np.log(terms.sum(axis=1)) + largest).mean())

    def slope(self, beta: float) -> float:
        """Derivative of the loss, which rises with beta."""
        terms, _ = self._terms(beta)
        return float(((terms * self.relative).sum(axis=1) / terms.sum(axis=1)).mean())

    def mean_probability(self, beta: float) -> float:
        """Mean probability of the truth; it rises with beta where the truth has the highest score everywhere."""
        terms, largest = self._terms(beta)
        return float((np.exp(-largest) / terms.sum(axis=1)).mean())


def _rising_root(function: Callable[[float], float]) -> float:
    """Return where a rising function crosses 0 between 1 / _T_MOST and _T_MOST, or the end that is nearer to it."""
    low, high = -math.log(_T_MOST), math.log(_T_MOST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if function(math.exp(middle)) < 0 else (low, middle)
    return math.exp((low + high) / 2)


def _rounded(loss: float) -> float:
    return float(f"{loss:.{_DIGITS}g}")
