"""Wide pictures cut into tiles of one size, each classified by itself, and what the tiles say of their picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gonogo.checks import check_integer, check_number
from gonogo.decision import most_probable_classes

_OVERLAP_MAX = 0.9


@dataclass(frozen=True)
class Tiles:
    """Tiles of a fixed size that cover a picture; a model keeps them and cuts each file so.

    Parameters
    ----------
    height, width : int
        Pixels of the file, after the region of interest is cut out and before anything is resized.
    overlap : float
        Share of a tile's side that its neighbour shows as well, from 0 to 0.9: a fault on a border is whole in one of the two
        when it is no larger than what they share.

    Raises
    ------
    ValueError
        Naming the field, what was found and what was expected.

    Examples
    --------
    >>> Tiles(4, 4).boxes(4, 10)[0].tolist()
    [[0, 0, 4, 4], [0, 4, 4, 8], [0, 6, 4, 10]]
    """

    height: int
    width: int
    overlap: float = 0.0

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            object.__setattr__(self, name, check_integer(f"tiles: {name}", getattr(self, name), 1))
        expected = f"a number from 0 to {_OVERLAP_MAX}"
        overlap = check_number("tiles: overlap", self.overlap, expected, least=0)
        if overlap > _OVERLAP_MAX:
            raise ValueError(f"tiles: overlap: found {self.overlap!r}, expected {expected}")
        object.__setattr__(self, "overlap", overlap)

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Self:
        """Return what ``to_dict`` wrote."""
        known = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(mapping, Mapping) or not {"height", "width"} <= set(mapping) <= known:
            raise ValueError(f"tiles: found {mapping!r}, expected height, width and overlap")
        return cls(**mapping)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as values for JSON."""
        return dataclasses.asdict(self)

    def boxes(self, height: int, width: int) -> NDArray[np.int32]:
        """Return the tiles of a picture of this size, which is at least as large as one tile.

        Tiles follow each other from the top left corner; the last of a row or column is moved inside, where it overlaps its
        neighbour the more. Every pixel is in a tile.

        Returns
        -------
        int32 array (rows, columns, 4)
            ``[y0, x0, y1, x1]`` of each; the last two are just outside.
        """
        if height < self.height or width < self.width:
            raise ValueError(
                f"found {height}x{width} pixels (height x width), expected at least one tile of {self.height}x{self.width}"
            )
        tops = _starts(height, self.height, self.overlap)
        lefts = _starts(width, self.width, self.overlap)
        grid = [[(top, left, top + self.height, left + self.width) for left in lefts] for top in tops]
        return np.array(grid, np.int32)


def _starts(length: int, side: int, overlap: float) -> list[int]:
    step = max(1, side - int(overlap * side))
    return [*range(0, length - side, step), length - side]


@dataclass(frozen=True)
class TilePrediction:
    """What a model says of one picture, tile by tile.

    Attributes
    ----------
    label : str
        The picture's class. Where a class means PASS, it is that class only if it is the class of every tile; otherwise it is
        the class of the most certain tile that does not pass. Where none does, it is the class with the largest mean
        probability.
    probabilities : float64 array (K,)
        Of the tile that decides: the most certain one that does not pass, or of a picture that passes the least certain one.
        Where no class means PASS, the mean of all tiles. In the order of ``classes``.
    classes : list of str
        Names of the K classes.
    tile_labels : str array (rows, columns)
        Most probable class of each tile.
    tile_probabilities : float64 array (rows, columns, K)
        In the order of ``classes``.
    boxes : int32 array (rows, columns, 4)
        ``[y0, x0, y1, x1]`` of each tile in pixels of the file.
    """

    label: str
    probabilities: NDArray[np.float64]
    classes: list[str]
    tile_labels: NDArray[np.str_]
    tile_probabilities: NDArray[np.float64]
    boxes: NDArray[np.int32]


def decide(
    shares: NDArray[np.float64],
    boxes: NDArray[np.int32],
    classes: Sequence[str],
    pass_label: str | None,
    told: NDArray[np.float64] | None = None,
) -> TilePrediction:
    """Return what the tiles of one picture say of it.

    Parameters
    ----------
    shares : float64 array (n, K)
        Probabilities of the classes for each tile, without a temperature: by them it is decided.
    boxes : int32 array (n, 4)
        Tiles row by row.
    classes : sequence of str
        Names.
    pass_label : str or None
        The class that means PASS.
    told : float64 array (n, K), optional
        Probabilities to tell, with a temperature; None: those without.
    """
    shown = shares if told is None else told
    said = most_probable_classes(shares)
    if pass_label is None:
        label, probabilities = shares.mean(axis=0).argmax(), shown.mean(axis=0)
    else:
        refused = np.flatnonzero(said != list(classes).index(pass_label))
        certainty = shares.max(axis=1)
        deciding = refused[certainty[refused].argmax()] if len(refused) else certainty.argmin()
        label, probabilities = said[deciding], shown[deciding]
    rows = len(np.unique(boxes[:, 0]))
    names = np.array(classes, np.str_)
    return TilePrediction(
        classes[int(label)],
        probabilities,
        list(classes),
        names[said].reshape(rows, -1),
        shown.reshape(rows, -1, len(classes)),
        boxes.reshape(rows, -1, 4),
    )


def as_boxes(regions: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return regions (top, left, height, width) as boxes [y0, x0, y1, x1]."""
    return np.concatenate([regions[:, :2], regions[:, :2] + regions[:, 2:]], axis=1)
