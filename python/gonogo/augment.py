"""What may happen to a training picture: the ranges from which each epoch's changes are drawn."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.arrays import plain_array
from gonogo.checks import check_path, is_number

Fill = Literal["nearest", "constant", "reflect", "wrap"]
Range = float | tuple[float, float]


def _range(value: Range, about: float | None) -> tuple[float, float]:
    if isinstance(value, tuple):
        return value
    return (0.0, value) if about is None else (about - value, about + value)


# What a single number r stands for: the range about - r to about + r, or 0 to r where there is no ``about``.
_RANGES: dict[str, float | None] = {
    "zoom": 1.0,
    "brightness": 1.0,
    "contrast": 1.0,
    "gamma": 1.0,
    "blur": None,
    "noise": None,
}


def _number(field: str, value: Any) -> float:
    """Return a number as Python's own, which JSON knows."""
    if not is_number(value):
        raise ValueError(f"augment: {field}: found {value!r}, expected a number")
    return float(value) if isinstance(value, np.generic) else value


def _number_or_pair(field: str, value: Any) -> Range:
    if not isinstance(value, (tuple, list)):
        return _number(field, value)
    if len(value) != 2:
        raise ValueError(f"augment: {field}: found {value!r}, expected a number or a pair of numbers")
    return _number(field, value[0]), _number(field, value[1])


def _flag(field: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"augment: {field}: found {value!r}, expected True or False")
    return bool(value)


def _fill(field: str, value: Any) -> str:
    if value not in get_args(Fill):
        raise ValueError(f"augment: {field}: found {value!r}, expected one of {', '.join(get_args(Fill))}")
    return str(value)


# The core checks the ranges.
_CHECKS: dict[str, Callable[[str, Any], object]] = {
    "fill": _fill,
    **dict.fromkeys(("rotation", "shear", "fill_value"), _number),
    **dict.fromkeys(("shift", *_RANGES), _number_or_pair),
    **dict.fromkeys(("horizontal_flip", "vertical_flip"), _flag),
}


@dataclass(frozen=True, kw_only=True, repr=False)
class Augment:
    """Random changes of training pictures, in Keras's units and order.

    Rotation, shift, shear and zoom are one affine map about the centre, then come flips, then brightness (Keras'
    ``ImageDataGenerator``); contrast, gamma, blur and noise follow. Every draw is a pure function of seed, epoch and
    picture. Validation and test pictures are never changed.

    Parameters
    ----------
    rotation : float
        Degrees: uniform in [-rotation, rotation].
    shift : float or (float, float)
        Fraction of the side, or of (height, width): uniform in [-shift, shift].
    shear : float
        Degrees: uniform in [-shear, shear].
    zoom : float or (float, float)
        Factor: ``0.05`` is uniform in [0.95, 1.05]; a pair is the range. Drawn for each axis by itself, as Keras does.
    horizontal_flip, vertical_flip : bool
        With probability one half.
    brightness, contrast, gamma : float or (float, float)
        Factor, factor about mid-grey, exponent on the value between 0 and 1: ``0.2`` is [0.8, 1.2]; a pair is the range.
    blur : float or (float, float)
        Standard deviation in pixels: ``1.5`` is [0, 1.5]; at most 8.
    noise : float or (float, float)
        Standard deviation in grey levels: ``4`` is [0, 4].
    fill : {"nearest", "constant", "reflect", "wrap"}
        What lies outside the picture.
    fill_value : float
        Grey level 0 to 255 for ``fill="constant"``.

    Raises
    ------
    ValueError
        Naming the field, what was found and what was expected.

    Examples
    --------
    >>> Augment(rotation=360, shift=0.05, brightness=(0.75, 1.25), horizontal_flip=True).brightness
    (0.75, 1.25)
    """

    rotation: float = 0.0
    shift: Range = 0.0
    shear: float = 0.0
    zoom: Range = 0.0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    brightness: Range = 0.0
    contrast: Range = 0.0
    gamma: Range = 0.0
    blur: Range = 0.0
    noise: Range = 0.0
    fill: Fill = "nearest"
    fill_value: float = 0.0

    def __post_init__(self) -> None:
        for field, check in _CHECKS.items():
            object.__setattr__(self, field, check(field, getattr(self, field)))
        for field in _CHECKS:
            self._check_limits(field)

    def _check_limits(self, field: str) -> None:
        """Refuse a field by its own name and value, whatever the core calls what it stands for."""
        value = getattr(self, field)
        names = ("shift_height", "shift_width") if field == "shift" else (field,)
        alone = {name: entry for name, entry in self.core_mapping().items() if name in names}
        try:
            _core.check_augmentation(alone)
        except ValueError as error:
            expected = str(error).partition("expected ")[2]
            low_high = alone.get(field)
            meant = ""
            if isinstance(low_high, tuple) and not isinstance(value, tuple):
                meant = f", which stands for {low_high[0]:g} to {low_high[1]:g}"
            raise ValueError(f"augment: {field}: found {value!r}{meant}; expected {expected}") from None

    @classmethod
    def preset(cls, name: str) -> Self:
        """Return a named setting.

        ``"casting"``: any rotation, shift, shear and zoom 0.05, both flips, brightness 0.75 to 1.25, for round parts
        under changing light. ``"none"``: nothing happens.
        """
        presets: dict[str, dict[str, Any]] = {
            "none": {},
            "casting": {
                "rotation": 360,
                "shift": 0.05,
                "shear": 0.05,
                "zoom": 0.05,
                "horizontal_flip": True,
                "vertical_flip": True,
                "brightness": (0.75, 1.25),
            },
        }
        if name not in presets:
            raise ValueError(f"augment: found {name!r}, expected one of {', '.join(sorted(presets))} or a TOML file")
        return cls(**presets[name])

    @classmethod
    def from_mapping(cls, mapping: dict[str, Any], where: str = "augment") -> Self:
        """Build from a mapping of field names, such as the content of a TOML file; lists count as pairs."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(mapping) - known):
            raise ValueError(f"{where}: unknown key {unknown[0]!r}, expected some of {', '.join(sorted(known))}")
        try:
            return cls(**mapping)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{where}: {str(error).removeprefix('augment: ')}") from None

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read the fields from a TOML file."""
        try:
            mapping = tomllib.loads(check_path("path", path, "a TOML file").read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: not a TOML file: {error}") from None
        return cls.from_mapping(mapping, str(path))

    def __repr__(self) -> str:
        return f"Augment({', '.join(f'{field}={value!r}' for field, value in self.to_dict().items())})"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are not neutral."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }

    def core_mapping(self) -> dict[str, Any]:
        """Return the fields in the form the compiled core takes."""
        height, width = self.shift if isinstance(self.shift, tuple) else (self.shift, self.shift)
        ranges = {field: _range(getattr(self, field), about) for field, about in _RANGES.items()}
        return {
            "rotation": self.rotation,
            "shift_height": height,
            "shift_width": width,
            "shear": self.shear,
            "horizontal_flip": self.horizontal_flip,
            "vertical_flip": self.vertical_flip,
            **ranges,
            "fill": self.fill,
            "fill_value": self.fill_value,
        }

    def apply(self, image: NDArray[np.uint8], *, seed: int, epoch: int = 0, sample: int = 0) -> NDArray[np.uint8]:
        """Return one drawn change of a picture.

        Parameters
        ----------
        image : uint8 array (height, width) or (height, width, channels)
            Grey or RGB.
        seed, epoch, sample : int
            Key of the draw.

        Returns
        -------
        uint8 array
            Same shape as ``image``.
        """
        plain_array("image", image)
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim not in (2, 3):
            found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
            raise TypeError(
                f"image: found {found}, expected a uint8 array (height, width) or (height, width, channels)"
            )
        pixels = np.ascontiguousarray(image if image.ndim == 3 else image[:, :, None])
        mapping = self.core_mapping()
        draw = _core.draw_augmentation(mapping, *pixels.shape[:2], seed=seed, epoch=epoch, sample=sample)
        planes = _core.apply_augmentation(mapping, draw, pixels)
        changed = np.rint(planes.transpose(1, 2, 0) * 255).astype(np.uint8)
        return np.ascontiguousarray(changed.reshape(image.shape))

    def preview(self, image: NDArray[np.uint8], n: int = 16, seed: int = 0) -> NDArray[np.uint8]:
        """Return ``n`` drawn changes of one picture, as n epochs of a training would see it.

        Parameters
        ----------
        image : uint8 array (height, width) or (height, width, channels)
            Grey or RGB.
        n : int
            How many, at least 1.
        seed : int
            Key of the draws.

        Returns
        -------
        uint8 array (n, height, width) or (n, height, width, channels)
        """
        if n < 1:
            raise ValueError(f"n: found {n}, expected at least 1")
        return np.stack([self.apply(image, seed=seed, epoch=epoch) for epoch in range(n)])
