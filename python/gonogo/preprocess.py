"""Fixed enhancement of pictures, the same at training and on the line: region of interest, median, local contrast, gamma."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.checks import check_image_size, check_path, is_integer, is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Region = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True, repr=False)
class Preprocess:
    """What is done to every picture before a net sees it; a model keeps it and does it to each file that it reads.

    The order is: region of interest, resizing to the size of the data set, median, local contrast, gamma. All arithmetic is in
    integers or without the system's mathematics library: the same bits on every machine.

    Parameters
    ----------
    roi : (top, left, height, width), optional
        Region of interest, in pixels of the file; what lies outside is not seen. A picture that does not hold it is a bad file.
    local_contrast : float, optional
        Limit of CLAHE, contrast-limited adaptive histogram equalisation [1]_, on 8 x 8 cells: how many pixels of a cell may have
        one level, as a multiple of their average number. 1 changes hardly anything, 2 to 4 are usual, 256 (the most) does not
        limit. Of colours the luma is equalised.
    median : {3, 5}, optional
        Side of the window of a median filter, which removes single bad pixels and keeps edges.
    gamma : float, optional
        Exponent on the value between 0 and 1, from 0.1 to 10: below 1 dark parts become lighter.

    Raises
    ------
    ValueError
        Naming the field, what was found and what was expected.

    References
    ----------
    .. [1] K. Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994, pp. 474-485.

    Examples
    --------
    >>> Preprocess(roi=(0, 20, 260, 260), local_contrast=2.0)
    Preprocess(roi=(0, 20, 260, 260), local_contrast=2.0)
    """

    roi: Region | None = None
    local_contrast: float | None = None
    median: int | None = None
    gamma: float | None = None

    def __post_init__(self) -> None:
        if self.roi is not None:
            object.__setattr__(self, "roi", _checked_region(self.roi))
        for name in ("local_contrast", "gamma"):
            value = getattr(self, name)
            if value is not None:
                if not is_number(value) or value == 0:
                    raise ValueError(f"preprocess: {name}: found {value!r}, expected a number above 0, or None")
                object.__setattr__(self, name, float(value))
        if self.median is not None:
            if not is_integer(self.median) or self.median not in (3, 5):
                raise ValueError(f"preprocess: median: found {self.median!r}, expected 3 or 5, or None")
            object.__setattr__(self, "median", int(self.median))
        try:
            _core.enhance(np.zeros((1, 1, 1), np.uint8), self.enhancement())
        except ValueError as error:
            raise ValueError(f"preprocess: {error}") from None

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any], where: str = "preprocess") -> Self:
        """Return what ``to_dict`` wrote, or what a TOML file says; a list counts as the four numbers of ``roi``."""
        known = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(mapping, Mapping):
            raise ValueError(f"{where}: found {mapping!r}, expected a mapping of {', '.join(sorted(known))}")
        if unknown := sorted(set(mapping) - known):
            raise ValueError(f"{where}: unknown key {unknown[0]!r}, expected some of {', '.join(sorted(known))}")
        try:
            return cls(**mapping)
        except ValueError as error:
            raise ValueError(f"{where}: {str(error).removeprefix('preprocess: ')}") from None

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read the fields from a TOML file."""
        try:
            mapping = tomllib.loads(check_path("path", path, "a TOML file").read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: not a TOML file: {error}") from None
        return cls.from_dict(mapping, str(path))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set, as values for JSON."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: list(value) if name == "roi" else value for name, value in given.items() if value is not None}

    def __repr__(self) -> str:
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return f"Preprocess({', '.join(f'{name}={value!r}' for name, value in given.items() if value is not None)})"

    def without_roi(self) -> Self:
        """Return what is done to a region that is cut out already."""
        return dataclasses.replace(self, roi=None)

    def enhancement(self) -> dict[str, Any]:
        """Return what follows the resizing in the form the compiled core takes."""
        return {
            "median": self.median or 0,
            "local_contrast": self.local_contrast or 0.0,
            "gamma": 1.0 if self.gamma is None else self.gamma,
        }

    def apply(
        self, image: NDArray[np.uint8], *, image_size: tuple[int, int] | None = None, resize_mode: str = "pad"
    ) -> NDArray[np.uint8]:
        """Return what a net would see of one picture.

        Parameters
        ----------
        image : uint8 array (height, width) or (height, width, channels)
            Grey or RGB, as it is in the file.
        image_size : (height, width), optional
            Size to which the region is brought before it is enhanced; None: its own.
        resize_mode : {"pad", "stretch", "crop"}
            What happens to another aspect ratio.

        Returns
        -------
        uint8 array (height, width) or (height, width, channels)

        Raises
        ------
        TypeError, ValueError
            ``image`` is no picture, or does not hold ``roi``.
        """
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim not in (2, 3):
            found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
            raise TypeError(
                f"image: found {found}, expected a uint8 array (height, width) or (height, width, channels)"
            )
        pixels = image if image.ndim == 3 else image[:, :, None]
        if self.roi is not None:
            pixels = pixels[self._slices(pixels)]
        pixels = np.ascontiguousarray(pixels)
        if image_size is not None:
            check_image_size(image_size)
            pixels = _core.resize(pixels, *image_size, resize_mode)
        pixels = _core.enhance(pixels, self.enhancement())
        return pixels if image.ndim == 3 else pixels[:, :, 0]

    def _slices(self, pixels: NDArray[np.uint8]) -> tuple[slice, slice]:
        top, left, height, width = self.roi or (0, 0, *pixels.shape[:2])
        if top + height > pixels.shape[0] or left + width > pixels.shape[1]:
            raise ValueError(
                f"image: found {pixels.shape[0]}x{pixels.shape[1]} pixels (height x width), which do not hold "
                f"roi={self.roi!r} (top, left, height, width)"
            )
        return slice(top, top + height), slice(left, left + width)

    def preview(self, image: NDArray[np.uint8]) -> tuple[Axes, Axes]:
        """Draw one picture before, with the region marked, and after; needs matplotlib.

        Parameters
        ----------
        image : uint8 array (height, width) or (height, width, channels)
            Grey or RGB, as it is in the file.

        Returns
        -------
        tuple of two matplotlib Axes
        """
        import matplotlib.pyplot as plt
        from matplotlib.patches import Rectangle

        after = self.apply(image)
        figure, axes = plt.subplots(1, 2, figsize=(9, 4.8), layout="constrained")
        for ax, pixels, title in zip(axes, (image, after), ("before", "after"), strict=True):
            grey = pixels.ndim == 2 or pixels.shape[2] == 1
            ax.imshow(pixels.reshape(pixels.shape[:2]) if grey else pixels, cmap="gray", vmin=0, vmax=255)
            ax.set_title(f"{title}, {pixels.shape[0]} x {pixels.shape[1]} pixels", fontsize=11)
            ax.set_axis_off()
        if self.roi is not None:
            top, left, height, width = self.roi
            frame = Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor="#E69F00", linewidth=2)
            axes[0].add_patch(frame)
        figure.suptitle(repr(self), fontsize=10, wrap=True)
        return axes[0], axes[1]


def _checked_region(roi: Any) -> Region:
    """Return a region as four integers of Python."""
    expected = "expected (top, left, height, width), integers of pixels, the first two 0 or more, the others 1 or more"
    if not isinstance(roi, (tuple, list)) or len(roi) != 4 or not all(is_integer(side) for side in roi):
        raise ValueError(f"preprocess: roi: found {roi!r}, {expected}")
    top, left, height, width = map(int, roi)
    if min(top, left) < 0 or min(height, width) < 1 or max(top + height, left + width) > 2**31 - 1:
        raise ValueError(f"preprocess: roi: found {roi!r}, {expected}")
    return top, left, height, width
