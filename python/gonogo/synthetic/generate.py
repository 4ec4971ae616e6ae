"""From (seed, index) to a picture: which part, which view, which faults."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index as as_index

import numpy as np
import numpy.typing as npt

from .draws import BLOCK, NOISE, PART, VIEW, Draws, FloatArray
from .faults import draw_fault, paint_fault
from .part import Frame, Part, View, draw_part

#: The classes, in the order that a class folder tree gives them.
CLASSES = ("def_front", "ok_front")

# Pictures come in blocks of 40, as they would from one shift: 16 parts, four each with 1, 2, 3 and 4 pictures, all 40 in
# random order. Nine of the parts are defective, with 2 + 3*2 + 2*3 + 2*4 = 22 pictures: 55 %.
BLOCK_PICTURES = 40
BLOCK_PARTS = 16
_PICTURES_OF_PART = (1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4)
_DEFECTIVE_PARTS = (1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 1, 1, 0, 0)

SMALLEST_SIDE, LARGEST_SIDE = 32, 4096
LARGEST_INDEX = 2**40


@dataclass(frozen=True)
class Fault:
    """One fault in one picture.

    Attributes
    ----------
    kind : str
        "blowhole", "chip", "crack", "pits" or "scratch".
    y, x : float
        Its centre in pixels; pixel (0, 0) covers 0 <= y, x < 1.
    """

    kind: str
    y: float
    x: float


@dataclass(frozen=True, eq=False)
class Casting:
    """One generated picture and all that is known about it.

    Attributes
    ----------
    image : numpy.ndarray
        (height, width) uint8, grey.
    label : str
        "def_front" or "ok_front".
    group : int
        Number of the physical part: pictures of the same part share it.
    faults : tuple of Fault
        Empty for "ok_front", one to six otherwise.
    mask : numpy.ndarray
        (height, width) uint8, 255 where a fault is and 0 elsewhere.
    """

    image: npt.NDArray[np.uint8]
    label: str
    group: int
    faults: tuple[Fault, ...]
    mask: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Castings:
    """Generated pictures as arrays.

    Attributes
    ----------
    images : numpy.ndarray
        (n, height, width) uint8, grey.
    labels : numpy.ndarray
        (n,) int64, position of each picture's class in `classes`.
    groups : numpy.ndarray
        (n,) int64, number of the physical part.
    masks : numpy.ndarray
        (n, height, width) uint8, 255 where a fault is and 0 elsewhere.
    faults : tuple of tuple of Fault
        The faults of each picture.
    classes : tuple of str
        ("def_front", "ok_front").
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    masks: npt.NDArray[np.uint8]
    faults: tuple[tuple[Fault, ...], ...]
    classes: tuple[str, str] = CLASSES


def casting(index: int, *, seed: int = 0, size: tuple[int, int] = (300, 300)) -> Casting:
    """Draw one picture of an impeller-like casting, sound or faulty.

    Parameters
    ----------
    index : int
        Which picture of the endless series that `seed` names, from 0.
    seed : int, default 0
        0 <= seed < 2**64.
    size : (int, int), default (300, 300)
        (height, width) in pixels, each 32 to 4096. The part is scaled with the smaller one.

    Returns
    -------
    Casting
        A pure function of (index, seed, size): the same bytes in any order, on any machine, beside any other picture.

    Raises
    ------
    TypeError
        `index`, `seed` or an entry of `size` is not an integer.
    ValueError
        One of them is out of its range.

    Notes
    -----
    Each run of 40 pictures from a multiple of 40 shows 16 parts with one to four pictures each; 22 of the 40 are defective.
    """
    index = checked_integer("index", index, 0, LARGEST_INDEX - 1)
    seed = checked_integer("seed", seed, 0, 2**64 - 1)
    height, width = checked_size(size)

    group, defective = _part_of(index, seed)
    draws = Draws(seed, PART, group)
    part = Part.draw(draws)
    # A bad pour seldom leaves one fault alone; a part with one or two small ones is the hard case.
    count = draws.integer(1, 2) if draws.chance(0.1) else draws.integer(3, 6)
    shapes = [draw_fault(draws, part) for _ in range(count)] if defective else []

    view = View.draw(Draws(seed, VIEW, index), height, width)
    frame = Frame(view, height, width)
    picture = draw_part(part, frame)
    mask = np.zeros((height, width), dtype=np.uint8)
    faults = []
    for shape in shapes:
        paint_fault(shape, frame, picture, mask)
        y, x = frame.pixel(*shape.centre)
        faults.append(Fault(shape.kind, y, x))
    image = _expose(picture, view, Draws(seed, NOISE, index))
    return Casting(image, CLASSES[0] if defective else CLASSES[1], group, tuple(faults), mask)


def castings(n: int, *, seed: int = 0, size: tuple[int, int] = (300, 300)) -> Castings:
    """Draw the first `n` pictures of a series.

    Parameters
    ----------
    n : int
        How many, at least 1. A larger `n` only appends.
    seed : int, default 0
        0 <= seed < 2**64.
    size : (int, int), default (300, 300)
        (height, width) in pixels, each 32 to 4096.

    Returns
    -------
    Castings
        Picture i equals ``casting(i, seed=seed, size=size)``.

    Raises
    ------
    TypeError, ValueError
        As `casting`.
    """
    n = checked_integer("n", n, 1, LARGEST_INDEX)
    height, width = checked_size(size)
    images = np.empty((n, height, width), dtype=np.uint8)
    masks = np.empty((n, height, width), dtype=np.uint8)
    labels = np.empty(n, dtype=np.int64)
    groups = np.empty(n, dtype=np.int64)
    faults = []
    for i in range(n):
        one = casting(i, seed=seed, size=size)
        images[i], masks[i] = one.image, one.mask
        labels[i], groups[i] = CLASSES.index(one.label), one.group
        faults.append(one.faults)
    return Castings(images, labels, groups, masks, tuple(faults))


def checked_integer(name: str, value: int, low: int, high: int) -> int:
    """`value` as a Python integer within low .. high."""
    try:
        number = as_index(value)
    except TypeError:
        raise TypeError(f"{name}: found {value!r}, expected an integer from {low} to {high}") from None
    if not low <= number <= high:
        raise ValueError(f"{name}: found {number}, expected an integer from {low} to {high}")
    return number


def checked_size(size: tuple[int, int]) -> tuple[int, int]:
    """`size` as two Python integers, or a clear error."""
    try:
        height, width = size
    except (TypeError, ValueError):
        raise ValueError(f"size: found {size!r}, expected (height, width), for example (300, 300)") from None
    return (
        checked_integer("size[0] (height)", height, SMALLEST_SIDE, LARGEST_SIDE),
        checked_integer("size[1] (width)", width, SMALLEST_SIDE, LARGEST_SIDE),
    )


def _part_of(index: int, seed: int) -> tuple[int, bool]:
    """Group number of a picture and whether that part is defective."""
    block, place = divmod(index, BLOCK_PICTURES)
    draws = Draws(seed, BLOCK, block)
    # Part numbers are shuffled, so that neither the number of pictures nor the label can be read from them.
    numbers = draws.permutation(BLOCK_PARTS)
    parts = np.repeat(np.arange(BLOCK_PARTS), _PICTURES_OF_PART)[draws.permutation(BLOCK_PICTURES)]
    part = int(parts[place])
    return block * BLOCK_PARTS + int(numbers[part]), bool(_DEFECTIVE_PARTS[part])


def _expose(picture: FloatArray, view: View, draws: Draws) -> npt.NDArray[np.uint8]:
    """Camera noise, the softness of lens and camera, and rounding to eight bits.

    The softening comes last, as in cameras that smooth their pictures: a rotated picture then looks like an unrotated one.
    """
    picture += draws.grain(*picture.shape) * np.float32(view.noise)
    share = np.float32(view.softness)
    for line in (picture, picture.T):
        blurred = line[1:-1] * (1.0 - share)
        blurred += (line[:-2] + line[2:]) * (0.5 * share)
        line[1:-1] = blurred
    picture += np.float32(0.5)
    return np.clip(picture, 0.0, 255.0).astype(np.uint8)
