"""The guard against unknown pictures: how far a picture is from the good ones of the training, as the net's last layer sees it.

It only ever takes a part out of PASS. docs/certificate.md tells what it promises, which is not that it finds unknown pictures.

The distance to the k-th nearest neighbour is that of Sun, Ming, Zhu and Li: "Out-of-distribution detection with deep nearest
neighbors" (ICML 2022); the share is that of a conformal p-value (Vovk, Gammerman, Shafer: "Algorithmic learning in a random
world", 2005).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo.certificate import Certificate
from gonogo.decision import Decision, Rule
from gonogo.stored_fields import read_fields

NEIGHBOURS = 5
KNOWN_MOST = 1024  # pictures that a model file keeps
KNOWN_VALUES_MOST = 2**21  # and values of all of them: 8 MiB
_UNIT = 32767.0  # length of a normalised row
_CHUNK_VALUES = 2**22


def normalised(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return rows of length 1, as whole numbers of 1/32767: what is computed with them is exact, in any order.

    Parameters
    ----------
    features : float32 array (n, width)
        What a last layer reads of each picture. A row of zeros stays one; rows that are not finite become NaN.

    Returns
    -------
    float64 array (n, width)
        Whole numbers.
    """
    wide = features.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.sqrt((wide * wide).sum(axis=1, keepdims=True))
        return np.asarray(np.rint(wide / np.where(lengths == 0, 1.0, lengths) * _UNIT))


def distances(known: NDArray[np.float64], features: NDArray[np.float32], neighbours: int) -> NDArray[np.float64]:
    """Return the squared distance of each row to the k-th nearest of the known ones, in units of 1/32767 squared.

    All sums are whole numbers below 2**53: neither the order of summation nor the number of threads changes a bit.

    Parameters
    ----------
    known : float64 array (m, width)
        What ``normalised`` returned; m is at least ``neighbours``.
    features : float32 array (n, width)
    neighbours : int
        k.

    Returns
    -------
    float64 array (n,)
        NaN for a row that is not finite.
    """
    lengths = (known * known).sum(axis=1)
    found = np.empty(len(features))
    step = max(1, _CHUNK_VALUES // max(known.shape))
    for first in range(0, len(features), step):
        rows = normalised(features[first : first + step])
        finite = np.isfinite(rows).all(axis=1)
        rows[~finite] = 0.0
        squared = (rows * rows).sum(axis=1)[:, None] + lengths - 2.0 * (rows @ known.T)
        nearest = np.partition(squared, neighbours - 1, axis=1)[:, neighbours - 1]
        found[first : first + step] = np.where(finite, nearest, np.nan)
    return found


def allowed_parts(share: float, good_parts: int) -> int:
    """Return how many of n + 1 parts the guard may send to REVIEW: the largest j with j / (n + 1) <= share."""
    return math.floor(Fraction(repr(float(share))) * (good_parts + 1))


@dataclass(frozen=True)
class UnknownGuard:
    """Which parts are too far from what the net knows.

    Attributes
    ----------
    certificate : str
        Digest of the certificate that it stands beside.
    share : float
        Share of known good parts that may go to REVIEW for this reason.
    neighbours : int
        k of the distance.
    good_parts : int
        Good calibration parts.
    limit : float
        The ``allowed``-th largest distance among them; REVIEW needs a larger one. Squared, in units of 1/32767.
    known : float64 array (m, width)
        Normalised rows of good training pictures, see ``normalised``.
    """

    certificate: str
    share: float
    neighbours: int
    good_parts: int
    limit: float
    known: NDArray[np.float64]

    @property
    def allowed(self) -> int:
        """How many of the good calibration parts and a new one the guard sends to REVIEW, at most."""
        return allowed_parts(self.share, self.good_parts)

    def applied(self, rule: Rule, decision: Decision, features: NDArray[np.float32]) -> Decision:
        """Return the decision about a part after a look at the features (v, width) of its v pictures."""
        if not decision.passed:
            return decision
        farthest = float(distances(self.known, features, self.neighbours).max())
        # Written so that NaN is not PASS.
        if farthest <= self.limit:
            return decision
        if math.isnan(farthest):
            return rule.review("a feature is not a finite number", decision.score)
        p = f"p <= {self.share:g}: as far as at most {self.allowed - 1:,} of {self.good_parts:,} good calibration parts"
        return replace(rule.review(f"unlike the good parts of the training ({p})", decision.score), unknown=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, without the features."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "known"}
        return {**plain, "distance": math.sqrt(self.limit) / _UNIT, "known_pictures": len(self.known)}

    def to_json(self) -> dict[str, Any]:
        """Return what is stored beside the features."""
        plain = {field.name: getattr(self, field.name) for field in fields(Stored)}
        return {**plain, "limit": float(self.limit).hex()}

    @classmethod
    def from_json(
        cls, stored: Mapping[str, Any], certificate: Certificate, known: NDArray[np.float32] | None
    ) -> UnknownGuard:
        """Return a stored guard.

        Raises
        ------
        ValueError
            Naming the field that is missing, unknown, of the wrong type, or at odds with the others or the certificate.
        """
        values = read_fields(stored, Stored, ("limit",))
        if known is None:
            raise ValueError("known: found no tensor of known features")
        guard = cls(**values, known=known.astype(np.float64))
        whole = (guard.known == np.rint(guard.known)).all() and (np.abs(guard.known) <= _UNIT).all()
        holds = {
            "certificate": guard.certificate == certificate.digest,
            "share": 0 < guard.share < 1,
            "neighbours": 1 <= guard.neighbours <= len(guard.known),
            "good_parts": guard.good_parts == certificate.good_parts and guard.allowed >= 1,
            "limit": 0 <= guard.limit <= 5 * _UNIT**2,
        }
        if wrong := next((name for name, fits in holds.items() if not fits), None):
            raise ValueError(f"{wrong}: found {getattr(guard, wrong)!r}, which does not fit the other fields")
        if not whole:
            raise ValueError("known: found features that are not normalised")
        return guard


@dataclass(frozen=True)
class Stored:
    """The fields of a guard that are kept as JSON; see :class:`UnknownGuard`."""

    certificate: str
    share: float
    neighbours: int
    good_parts: int
    limit: float
