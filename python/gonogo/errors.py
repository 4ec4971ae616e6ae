"""Exceptions of the package. All derive from ``ValueError`` and carry fields beside their sentence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any


def in_one_line(text: str) -> str:
    """Return text from a table, or a file's name, as a message can show it: quoted where it holds control characters."""
    return text if text.isprintable() else repr(text)


class CheckpointError(ValueError):
    """A file of a stopped training that is damaged, hostile or of another version.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    reason : str
        What was found, what was expected and what to do.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        self.path = Path(path)
        self.reason = reason
        super().__init__(f"{self.path}: {reason}")

    def __reduce__(self) -> tuple[type[CheckpointError], tuple[Path, str]]:
        return type(self), (self.path, self.reason)


class DecodeError(ValueError):
    """A picture file that cannot be trusted.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    fault : str
        Code of the fault, as ``gonogo inspect`` prints it, such as ``"truncated"``.
    reason : str
        What was found, what was expected and what to do.
    offset : int
        Byte at which the fault was noticed.
    """

    def __init__(self, path: str | Path, fault: str, reason: str, offset: int) -> None:
        self.path = Path(path)
        self.fault = fault
        self.reason = reason
        self.offset = offset
        super().__init__(f"{in_one_line(str(self.path))}: {reason}")

    def __reduce__(self) -> tuple[type[DecodeError], tuple[Path, str, str, int]]:
        return type(self), (self.path, self.fault, self.reason, self.offset)


class DivergenceError(ValueError):
    """A training whose loss is no longer a finite number, mostly because its steps are too large.

    Attributes
    ----------
    epoch, step : int
        Where it happened, both counted from 0; the weights are those before this step, or, where only the validation shows
        that they have grown beyond numbers, those after the epoch's last step.
    reason : str
        What was found and what to do.
    """

    def __init__(self, epoch: int, step: int, reason: str) -> None:
        self.epoch = epoch
        self.step = step
        self.reason = reason
        super().__init__(f"training: epoch {epoch + 1}, step {step + 1}: {reason}")

    def __reduce__(self) -> tuple[type[DivergenceError], tuple[int, int, str]]:
        return type(self), (self.epoch, self.step, self.reason)


class JournalError(ValueError):
    """A journal of the line that is damaged, of another version, or in a place where it cannot be kept safely.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    reason : str
        What was found and what to do.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        self.path = Path(path)
        self.reason = reason
        super().__init__(f"{self.path}: {reason}")

    def __reduce__(self) -> tuple[type[JournalError], tuple[Path, str]]:
        return type(self), (self.path, self.reason)


class JournalVersionError(JournalError):
    """A journal that another version of gonogo wrote: sound, but not to be read by this one."""


class JournalAccessError(JournalError):
    """A journal that the system does not let this process open or write, which says nothing about its content."""


class ModelFileError(ValueError):
    """A model file that is damaged, hostile or made for something else.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    reason : str
        What was found, what was expected and what to do.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        self.path = Path(path)
        self.reason = reason
        super().__init__(f"{self.path}: {reason}")

    def __reduce__(self) -> tuple[type[ModelFileError], tuple[Path, str]]:
        return type(self), (self.path, self.reason)


class NotCertifiable(ValueError):  # noqa: N818 - the interface calls it so
    """Data that are too few for the promise that was asked for.

    Attributes
    ----------
    defects : int
        Bad calibration parts that were found; of the fault class that lacks most, where each is certified by itself.
    required : int
        Bad parts that the promise needs at least, of that class.
    missing : int
        ``required - defects``.
    certifiable_escape : float
        The smallest escape rate that these parts could certify at the same confidence; 1 where there is none.
    missing_by_class : dict of str -> int
        Bad parts that are missing of each fault class that has too few; empty where all classes are certified together.
    max_escape, confidence : float
        What was asked for.
    reason : str
        What was found, what is needed and what to do.
    """

    def __init__(
        self,
        reason: str,
        *,
        defects: int,
        required: int,
        certifiable_escape: float,
        max_escape: float,
        confidence: float,
        missing_by_class: Mapping[str, int] | None = None,
    ) -> None:
        self.reason = reason
        self.defects = defects
        self.required = required
        self.missing = required - defects
        self.certifiable_escape = certifiable_escape
        self.max_escape = max_escape
        self.confidence = confidence
        self.missing_by_class = dict(missing_by_class or {})
        super().__init__(reason)

    def __reduce__(self) -> tuple[Any, ...]:
        names = ("defects", "required", "certifiable_escape", "max_escape", "confidence", "missing_by_class")
        return partial(type(self), **{name: getattr(self, name) for name in names}), (self.reason,)


class LedgerError(ValueError):
    """A ledger that was changed by other means than appending to it, or cannot be read.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    reason : str
        What was found, what was expected and what to do.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        self.path = Path(path)
        self.reason = reason
        super().__init__(f"{self.path}: {reason}")

    def __reduce__(self) -> tuple[type[LedgerError], tuple[Path, str]]:
        return type(self), (self.path, self.reason)
