"""From the scores of a part's pictures to PASS, a fault class or REVIEW: the one rule of calibration and production."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

REVIEW = "REVIEW"
CONSTANT = "every pixel is the same"


@dataclass(frozen=True)
class Decision:
    """What happens to one part.

    Attributes
    ----------
    label : str
        A class, or ``"REVIEW"``.
    passed : bool
        Whether the part is PASS.
    score : float
        Margin of the PASS class at the part's least PASS-like picture, in logits; NaN where there is none.
    reason : str
        Why a person has to look; empty for PASS and for fault classes.
    certificate : str
        Digest of the certificate that the decision rests on; empty where there is none.
    unknown : bool
        Whether the part is unlike the good parts of the training, which is the reason then.
    doubtful : bool
        Whether its pictures are such that no score counts: of another format, not proven complete, constant, dark, cut short,
        no pictures at all.
    """

    label: str
    passed: bool
    score: float
    reason: str = ""
    certificate: str = ""
    unknown: bool = False
    doubtful: bool = False


def which_picture(number: int, count: int) -> str:
    """Return how a reason begins that is about one picture of a part, counted from 1; empty where the part has no other."""
    return f"picture {number} of {count}: " if count > 1 else ""


def margins(scores: NDArray[np.float64], passing: int) -> NDArray[np.float64]:
    """Return the margin of the PASS class, z_pass - log(sum of exp(z) of the others), float64 (n,).

    For two classes it is the logit of PASS against the other. Unlike a softmax probability it does not saturate.

    Parameters
    ----------
    scores : float64 array (n,) or (n, classes)
        Logit of the second of two classes, or one logit for each class.
    passing : int
        Position of the PASS class.
    """
    if scores.ndim == 1:
        return scores if passing == 1 else -scores
    others = np.delete(scores, passing, axis=1)
    largest = others.max(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):  # infinities give NaN, which is never PASS
        summed = np.log(np.exp(others - largest[:, None]).sum(axis=1))
        return np.asarray(scores[:, passing] - (largest + summed))


def best_classes(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the position of the class with the highest score, the first of equals, intp (n,)."""
    return (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)


def _fault_classes(scores: NDArray[np.float64], passing: int) -> NDArray[np.intp]:
    """The most probable class of each sample besides PASS."""
    if scores.ndim == 1:
        return np.full(len(scores), 1 - passing, np.intp)
    others = scores.copy()
    others[:, passing] = -np.inf
    return np.asarray(others.argmax(axis=1))


def most_probable_classes(shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the position of the most probable class of each sample, the first of equals, intp (n,).

    Parameters
    ----------
    shares : float64 array (n, classes)
        Probabilities.

    Raises
    ------
    ValueError
        A probability is NaN, which is no verdict: by position alone it would be the first class, perhaps PASS.
    """
    if (lost := np.flatnonzero(np.isnan(shares).any(axis=1))).size:
        raise ValueError(
            f"X: the probabilities of sample {lost[0]} are NaN ({lost.size} in all), which happens where values are too large "
            "for a net; give samples like those of the training"
        )
    return np.asarray(shares.argmax(axis=1))


@dataclass(frozen=True)
class Rule:
    """The decision about a part, given the scores of its pictures.

    Attributes
    ----------
    classes : sequence of str
        Names, in the order of the scores.
    passing : int
        Position of the PASS class.
    threshold, guard_band : float
        A picture is PASS only if its margin exceeds their sum.
    pictures_per_part : int
        A part with fewer pictures goes to REVIEW.
    certificate : str
        Digest of the certificate.
    pass_above : float
        PASS needs a score above this too: it can raise what threshold and guard band ask for, never lower it.
    review_above : float or None
        What is not PASS goes to REVIEW above this score, and to a fault class up to it. None: there is no review zone; then
        REVIEW is what is most probably PASS and yet not PASS.
    """

    classes: Sequence[str]
    passing: int
    threshold: float
    guard_band: float
    pictures_per_part: int
    certificate: str
    pass_above: float = -math.inf
    review_above: float | None = None

    @property
    def limit(self) -> float:
        """What the score of a PASS picture exceeds."""
        return max(self.threshold + self.guard_band, self.pass_above)

    def passes(self, margin: NDArray[np.float64], best: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return for each picture whether it is PASS; written so that NaN is not."""
        above = margin > self.limit
        return np.asarray(above & np.isfinite(margin) & (best == self.passing))

    def decide(self, scores: NDArray[np.float64]) -> Decision:
        """Return the decision about one part.

        Parameters
        ----------
        scores : float64 array (v,) or (v, classes)
            Of each of its v pictures.
        """
        margin, best = margins(scores, self.passing), best_classes(scores)
        least = float(margin.min()) if len(margin) else float("nan")
        if len(margin) < self.pictures_per_part:
            found = f"found {len(margin)} picture{'s' * (len(margin) != 1)} of the part"
            return self.review(f"{found}, the certificate holds for {self.pictures_per_part} or more", least)
        if not np.isfinite(margin).all():
            return self.review("a score is not a finite number", least)
        if self.passes(margin, best).all():
            return Decision(self.classes[self.passing], True, least, "", self.certificate)
        if self.review_above is not None:
            if least > self.review_above:
                zone = f"above {self.review_above:.6g} and not PASS, which begins above {self.limit:.6g}"
                return self.review(f"the score {least:.6g} lies in the review zone ({zone})", least)
            return self._fault(int(_fault_classes(scores, self.passing)[margin.argmin()]), least)
        faulty = np.flatnonzero(best != self.passing)
        if len(faulty):
            return self._fault(int(best[faulty[margin[faulty].argmin()]]), least)
        return self.review(f"the score {least:.6g} does not exceed {self.limit:.6g} (threshold + guard band)", least)

    def _fault(self, position: int, score: float) -> Decision:
        return Decision(self.classes[position], False, score, "", self.certificate)

    def review(self, reason: str, score: float = float("nan")) -> Decision:
        """Return REVIEW with its reason."""
        return Decision(REVIEW, False, score, reason, self.certificate)


def samples_of_parts(part_of: NDArray[np.intp], count: int) -> list[NDArray[np.intp]]:
    """Return the positions of the samples of each of ``count`` parts, given the part of each sample, numbered from 0."""
    order = np.argsort(part_of, kind="stable")
    edges = np.searchsorted(part_of[order], np.arange(count + 1))
    return [order[edges[i] : edges[i + 1]] for i in range(count)]


def doubt_about(sample: Any, shape: tuple[int, ...]) -> str:
    """Return why a sample cannot be decided on by a model that reads samples of ``shape``; empty where it can.

    Parameters
    ----------
    sample : uint8 array (height, width[, channels]), or numbers (features,)
        One picture, or one row.
    shape : tuple of int
        (height, width, channels), or (features,).
    """
    if not isinstance(sample, np.ndarray):
        return f"found a {type(sample).__name__}, expected an array"
    if isinstance(sample, np.ma.MaskedArray):
        return "found a masked array, expected plain values"
    if len(shape) == 1:
        if sample.shape != shape or sample.dtype.kind not in "fiub":
            return f"found {sample.dtype} of shape {sample.shape}, expected {shape[0]} numbers"
        with np.errstate(over="ignore"):
            finite = np.isfinite(sample.astype(np.float32)).all()
        return "" if finite else "found NaN, infinity or a number beyond float32"
    if sample.dtype != np.uint8:
        return f"found pixels of {sample.dtype}, expected uint8"
    found = (*sample.shape, 1) if sample.ndim == 2 else sample.shape
    if found != shape:
        return f"found a picture of {_size(sample.shape)}, expected {_size(shape)} (height x width x channels)"
    return CONSTANT if _is_constant(sample) else ""


def _is_constant(picture: NDArray[np.uint8]) -> bool:
    """Whether all pixels are the same, without an array of the picture's size."""
    if picture.size == 0:
        return True
    if (picture[0] != picture[0, 0]).any():
        return False
    channels = [picture] if picture.ndim == 2 else [picture[:, :, k] for k in range(picture.shape[2])]
    return all(channel.min() == channel.max() for channel in channels)


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
