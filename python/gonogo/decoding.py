"""How picture files become pixels: what a data set was read with, and what a model keeps to read as its training did."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from gonogo.checks import is_integer
from gonogo.preprocess import Preprocess

ResizeMode = Literal["pad", "stretch", "crop"]

RESIZE_MODES = ("pad", "stretch", "crop")
BIT_DEPTHS = (16, 12, 10)


@dataclass(frozen=True)
class Decoding:
    """Settings of the way from a file to pixels, besides size and colour.

    Parameters
    ----------
    resize_mode : {"pad", "stretch", "crop"}
        What happens to pictures of another shape than the one wanted.
    bit_depth : {16, 12, 10}
        How many bits of 16-bit grey are in use: a value v becomes ``v >> (bit_depth - 8)``, and a picture with a value of
        ``2 ** bit_depth`` or more is bad. Pictures of 8 bits do not depend on it.
    preprocess : Preprocess, optional
        Fixed enhancement; one that changes nothing counts as None.

    Raises
    ------
    ValueError
        Naming the setting, what was found and what was expected.
    """

    resize_mode: ResizeMode = "pad"
    bit_depth: int = 16
    preprocess: Preprocess | None = None

    def __post_init__(self) -> None:
        if self.resize_mode not in RESIZE_MODES:
            raise ValueError(f"resize_mode: found {self.resize_mode!r}, expected one of {', '.join(RESIZE_MODES)}")
        if not is_integer(self.bit_depth) or self.bit_depth not in BIT_DEPTHS:
            raise ValueError(f"bit_depth: found {self.bit_depth!r}, expected 16, 12 or 10")
        object.__setattr__(self, "bit_depth", int(self.bit_depth))
        if self.preprocess is not None and not isinstance(self.preprocess, Preprocess):
            raise TypeError(f"preprocess: found {self.preprocess!r}, expected a gonogo.Preprocess or None")
        if self.preprocess == Preprocess():
            object.__setattr__(self, "preprocess", None)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as values for JSON."""
        settings: dict[str, Any] = {"resize_mode": self.resize_mode, "bit_depth": self.bit_depth}
        if self.preprocess is not None:
            settings["preprocess"] = self.preprocess.to_dict()
        return settings

    def options(self) -> dict[str, Any]:
        """Return the settings as parameters of ``Dataset.from_folder``."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Self:
        """Return the settings that ``to_dict`` wrote; what is missing has its default.

        Raises
        ------
        ValueError
            A key is unknown: pixels that were made with a setting that this version does not know would be others here.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(mapping) - known):
            raise ValueError(f"unknown key {unknown[0]!r}, expected some of {', '.join(sorted(known))}")
        settings = dict(mapping)
        if "preprocess" in settings:
            settings["preprocess"] = Preprocess.from_dict(settings["preprocess"])
        return cls(**settings)
