"""What the line asks of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol, runtime_checkable

from gonogo.decision import Decision
from gonogo.expiry import expired
from gonogo.line.drift import Monitor

QUARANTINE = "QUARANTINE"
PROVEN, UNPROVEN = "ok", "unproven"
ANOTHER_SIZE, ANOTHER_COLOUR, BIT_DEPTH = "another-size", "another-colour", "bit-depth"
DOUBTS = frozenset({UNPROVEN, ANOTHER_SIZE, ANOTHER_COLOUR, BIT_DEPTH})  # all other faults are damage


@dataclass(frozen=True)
class Fault:
    """A picture that cannot be trusted: the word of its fault, and what was found."""

    fault: str
    reason: str


# Faults of circumstances, which nobody finds in the bytes again.
CRASHING = Fault("crash", "the program ended twice while it was looked at")
CHANGING = Fault("changing", "a program still writes into it")


class Decider(Protocol):
    """Decides on parts."""

    @property
    def labels(self) -> Sequence[str]:
        """The classes."""

    @property
    def description(self) -> Mapping[str, Any]:
        """``model``, ``certificate``, ``version`` and ``fingerprint``, for the journal."""

    @property
    def valid_until(self) -> str | None:
        """Last day of the certificate, YYYY-MM-DD; None: no end. ``decide`` itself does not look at the date."""

    def check(self, data: bytes) -> Fault | None:
        """Return what speaks against a file before it is decoded; ``fault`` is one of ``DOUBTS`` for a mere doubt."""

    def decode(self, files: Sequence[bytes]) -> list[Any]:
        """Return pixels, or a ``Fault``, which may be a mere doubt, for each file."""

    def decide(self, parts: Sequence[Sequence[Any]]) -> list[Decision]:
        """Return the decision about each part, from the pixels of all its pictures."""

    def self_test(self) -> float:
        """Compute what the model stores; return the largest difference, or raise ``ModelFileError`` where that is too large."""


def expiry_doubt(decider: Decider, today: date) -> str:
    """Return why no part passes on a day, because the certificate is over; empty where it is not."""
    return expired(decider.valid_until, today)


@dataclass(frozen=True)
class Looked:
    """What a line learns from a part.

    Attributes
    ----------
    decision : Decision
        About the part, from all its pictures.
    asked : Decision
        About as many of its pictures, the first, as the certificate is about: what the watch for drift asks its questions of,
        because the score of more pictures is lower.
    exposure : tuple of float
        Brightness, contrast and sharpness of these, on average; nothing where pixels are in doubt.
    """

    decision: Decision
    asked: Decision
    exposure: tuple[float, ...] = ()


@runtime_checkable
class Measuring(Protocol):
    """What a decider can do besides, where drift is watched for."""

    def monitors(self, bad_share: float | None) -> list[Monitor]:
        """Return what is to be watched where at most a share of the parts is bad (None: nobody said); none without reference."""

    def decide_and_measure(self, parts: Sequence[Sequence[Any]]) -> list[Looked]:
        """Return the decision about each part, with what drift is told by."""
