"""What the pixels alone tell of a picture's way from the camera: read with another bit depth it is dark, cut short it ends in one
value.

Both are measured on what a net's input is made of: after the region was cut out and brought to the net's size, and before it is
enhanced. That picture exists wherever pictures are read: files of a training are decoded, resized and enhanced in one go, and
what an inspector is given may have the net's size already. Padding repeats the border, so that constant rows stay constant.
Enhancement would hide both: local contrast and gamma make dark pictures light, and rows of one value uneven.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.checks import is_integer
from gonogo.decision import CONSTANT, doubt_about
from gonogo.formats import Formats

_DEPTH_FACTOR = 8  # between 1, the same depth, and 16, 12 bits that are read as 16


@dataclass(frozen=True)
class Readout:
    """Extremes of the pictures that a model was trained on. Pictures of one colour do not count: they say nothing.

    Parameters
    ----------
    brightest : int
        The largest level, 0 to 255.
    bottom_rows : int or None
        The largest number of last rows of one colour, the same in all of them; None: not known, and any number is right.
    """

    brightest: int
    bottom_rows: int | None

    @classmethod
    def of(cls, readouts: NDArray[np.int32], height: int) -> Self:
        """Return what a training saw, given brightest level and bottom rows of each picture, int32 (n, 2)."""
        told = readouts[readouts[:, 1] < height]
        brightest, bottom_rows = told.max(axis=0, initial=0).tolist()
        return cls(brightest, bottom_rows)

    @classmethod
    def from_dict(cls, stored: Any) -> Self:
        """Return what ``to_dict`` wrote; raise ``ValueError`` where that is something else."""
        if (
            not isinstance(stored, Mapping)
            or set(stored) != {"brightest", "bottom_rows"}
            or not all(is_integer(value) and value >= 0 for value in stored.values())
            or stored["brightest"] > 255
        ):
            raise ValueError(f"readout: found {stored!r}, expected brightest (0 to 255) and bottom_rows (0 or more)")
        return cls(**stored)

    def to_dict(self) -> dict[str, Any]:
        """Return the extremes as values for JSON."""
        return {"brightest": self.brightest, "bottom_rows": self.bottom_rows}

    def doubt_about(self, readout: Sequence[int], height: int) -> str:
        """Return why a picture of so many rows needs a person, given its brightest level and bottom rows; empty where not."""
        brightest, bottom_rows = readout
        if bottom_rows >= height:
            return CONSTANT
        if brightest * _DEPTH_FACTOR < self.brightest:
            least = -(-self.brightest // _DEPTH_FACTOR)
            return (
                f"its brightest pixel has {brightest} of 255, expected {least} or more, an eighth of what training had: is the "
                "light out, or has the camera another bit depth?"
            )
        if self.bottom_rows is not None and bottom_rows > self.bottom_rows:
            rows = "row has" if bottom_rows == 1 else f"{bottom_rows} rows have"
            return (
                f"its last {rows} one value, pictures of the training had at most {self.bottom_rows} such rows of {height}: was "
                "the transfer cut short?"
            )
        return ""


def measure(samples: NDArray[np.uint8], index: NDArray[np.uint32]) -> NDArray[np.int32]:
    """Return brightest level and bottom rows of some of the pictures (m, height, width, channels), int32 (n, 2)."""
    found = [_core.measure_readout(np.ascontiguousarray(samples[position])) for position in index.tolist()]
    return np.array(found, np.int32).reshape(-1, 2)


@dataclass(frozen=True)
class PictureChecks:
    """The one place where files and pixels raise a doubt, for calibration, evaluation and production alike.

    Parameters
    ----------
    shape : tuple of int
        Of what the net reads: (height, width, channels), or (features,).
    trained : Readout or None
        What the training saw before enhancement; None in files from before it was kept.
    golden : Readout
        What the pictures that the model keeps for its self-test show, as the net reads them.
    enhanced : bool
        Whether the model enhances pictures.
    tiled : bool
        Whether what the net reads are tiles: one of them may well be dark.
    formats : Formats or None
        Of the files of the training; None where that was not recorded.
    """

    shape: tuple[int, ...]
    trained: Readout | None
    golden: Readout
    enhanced: bool
    tiled: bool
    formats: Formats | None

    def doubt_about_file(self, file: NDArray[np.int32] | None, unproven: str) -> str:
        """Return why a file needs a person whatever its pixels show; empty where it does not.

        Parameters
        ----------
        file : int32 array (3,) or None
            Height, width, and 1 where a pixel is coloured, else 0; None: not known.
        unproven : str
            Why it cannot be proven complete; empty where it can.
        """
        return ("" if file is None or self.formats is None else self.formats.doubt_about(file)) or unproven

    def doubt_about(self, sample: Any, readout: Sequence[int] | None = None, brightest: int | None = None) -> str:
        """Return why what the net reads cannot be decided on; empty where it can.

        Parameters
        ----------
        sample : uint8 array (height, width[, channels]), or numbers (features,)
            What the net reads of one picture, or one row.
        readout : (brightest, bottom_rows), optional
            Of the picture before its enhancement; None: not known, as of arrays that are given as the net reads them.
        brightest : int, optional
            Level in all tiles of the picture, as the net reads them; None: not known.
        """
        return doubt_about(sample, self.shape) or self.doubt_about_levels(sample, readout, brightest)

    def doubt_about_levels(
        self, sample: Any, readout: Sequence[int] | None = None, brightest: int | None = None
    ) -> str:
        """Return the same of a sample that is known to be what the net can read, and not constant."""
        if len(self.shape) == 1:
            return ""
        height = self.shape[0]
        if readout is not None and self.trained is not None:
            return self.trained.doubt_about(readout, height)
        if readout is not None and readout[1] >= height:
            return CONSTANT
        known = self.golden if self.enhanced or self.trained is None else self.trained
        level, bottom_rows = _core.measure_readout(np.ascontiguousarray(sample).reshape(self.shape))
        if self.tiled:
            level = 255 if brightest is None else brightest
        return known.doubt_about((level, bottom_rows), height)
