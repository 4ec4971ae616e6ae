"""How good calibration parts look: what a line compares its pictures with, to notice that light, focus or parts have changed.

It stands beside the certificate in the model file and changes no decision. docs/drift.md tells how it is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from gonogo.certificate import Certificate
from gonogo.checks import is_number
from gonogo.stored_fields import read_fields

QUANTITIES = ("brightness", "contrast", "sharpness", "score")
PARTS_LEAST = 20  # with fewer nothing can be told from chance
_RANKS = 200  # distances between the order statistics that are kept


def ranks(parts: int) -> list[int]:
    """Return which order statistics are kept, from 0, of so many parts: all of up to 201, else 201 at equal distances."""
    if parts <= _RANKS + 1:
        return list(range(parts))
    return [(2 * i * (parts - 1) + _RANKS) // (2 * _RANKS) for i in range(_RANKS + 1)]


@dataclass(frozen=True)
class Reference:
    """Order statistics of the good calibration parts that the gate passes, by as many pictures as the certificate is about.

    Attributes
    ----------
    certificate : str
        Digest of the certificate that it stands beside.
    good_parts : int
        Good calibration parts.
    would_pass : int
        Those of them that the threshold passes, and the review zone.
    passed : int
        Those of them that the guard against unknown pictures passes too; all where there is no guard.
    brightness, contrast, sharpness : tuple of float
        Mean grey level, its deviation, and the variance of the Laplacian over that of the levels, each the mean over the pictures
        of a part as the net reads them: of the parts with the ``ranks``, in ascending order.
    score : tuple of float
        The same of the parts' scores.
    """

    certificate: str
    good_parts: int
    would_pass: int
    passed: int
    brightness: tuple[float, ...]
    contrast: tuple[float, ...]
    sharpness: tuple[float, ...]
    score: tuple[float, ...]

    def values(self, quantity: str) -> tuple[float, ...]:
        """Return the order statistics of one of ``QUANTITIES``."""
        return tuple(getattr(self, quantity))

    def median(self, quantity: str) -> float:
        """Return the middle one."""
        kept = self.values(quantity)
        return kept[len(kept) // 2]

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, and of each quantity the values that a tenth, a half and nine tenths of the parts stay below."""
        plain: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for quantity in QUANTITIES:
            kept = self.values(quantity)
            plain[quantity] = [kept[round(share * (len(kept) - 1))] for share in (0.1, 0.5, 0.9)]
        return plain

    def to_json(self) -> dict[str, Any]:
        """Return what is stored."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], certificate: Certificate) -> Reference:
        """Return a stored reference.

        Raises
        ------
        ValueError
            Naming the field that is missing, unknown, of the wrong type, or at odds with the others or the certificate.
        """
        reference = cls(**read_fields(stored, cls))
        holds = {
            "certificate": reference.certificate == certificate.digest,
            "good_parts": reference.good_parts == certificate.good_parts,
            "would_pass": reference.passed <= reference.would_pass <= reference.good_parts,
            "passed": reference.passed >= PARTS_LEAST,
        }
        if wrong := next((name for name, fits in holds.items() if not fits), None):
            raise ValueError(f"{wrong}: found {getattr(reference, wrong)!r}, which does not fit the other fields")
        for quantity in QUANTITIES:
            kept = reference.values(quantity)
            finite = all(is_number(value) and math.isfinite(value) for value in kept)
            if len(kept) != len(ranks(reference.passed)) or not finite or list(kept) != sorted(kept):
                raise ValueError(f"{quantity}: found {str(list(kept))[:60]}, expected numbers in ascending order")
        return reference
