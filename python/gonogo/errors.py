"""Exceptions of the package. All derive from ``ValueError`` and carry fields beside their sentence."""

from __future__ import annotations

from pathlib import Path


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
        super().__init__(f"{self.path}: {reason}")

    def __reduce__(self) -> tuple[type[DecodeError], tuple[Path, str, str, int]]:
        return type(self), (self.path, self.fault, self.reason, self.offset)


class DivergenceError(ValueError):
    """A training whose loss is no longer a finite number, mostly because its steps are too large.

    Attributes
    ----------
    epoch, step : int
        Where it happened, both counted from 0; the weights are those before this step.
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
