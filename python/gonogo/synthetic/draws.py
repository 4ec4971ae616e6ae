"""Keyed random numbers and the few functions that the drawing needs, in plain IEEE arithmetic.

NumPy promises the bit streams of its generators for ever, but neither the distributions built on them nor the last bit of
its sines and exponentials. Everything here is therefore made of raw Philox words and of ``+ - * /`` and ``sqrt``, which IEEE
754 rounds exactly: a picture has the same bytes on every machine and with every NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, overload

import numpy as np
import numpy.typing as npt

# Not at first use, as NumPy would: while it loads this part of itself, Ctrl-C goes unheard.
from numpy.random import Philox

FloatArray = npt.NDArray[np.float32]
_T = TypeVar("_T")

# Streams keep what is drawn for a block of pictures, for a part, for a view and for its camera noise apart.
BLOCK, PART, VIEW, NOISE = range(4)

# Taylor coefficients of cos(2 pi t) in powers of t^2: (-1)^k (2 pi)^(2k) / (2k)!. Eleven terms leave 1e-10 at |t| = 1/2.
_COSINE = [1.0]
for _k in range(1, 12):
    _COSINE.append(-_COSINE[-1] * 39.47841760435743 / ((2 * _k - 1) * (2 * _k)))


class Draws:
    """Random numbers that are a pure function of (seed, stream, index).

    Parameters
    ----------
    seed : int
        0 <= seed < 2**64.
    stream : int
        One of ``BLOCK``, ``PART``, ``VIEW``, ``NOISE``.
    index : int
        0 <= index < 2**48.

    References
    ----------
    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox4x64-10).
    """

    def __init__(self, seed: int, stream: int, index: int) -> None:
        self._words = Philox(counter=0, key=np.array([seed, stream << 48 | index], dtype=np.uint64))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """One number in [low, high), from the upper 53 bits of a word."""
        return low + (high - low) * ((int(self._words.random_raw()) >> 11) * 2.0**-53)

    def integer(self, low: int, high: int) -> int:
        """One integer in low .. high, both included (modulo bias below 2**-50 for the ranges used here)."""
        return low + int(self._words.random_raw()) % (high - low + 1)

    def choice(self, options: Sequence[_T]) -> _T:
        """One of `options`, all equally likely."""
        return options[self.integer(0, len(options) - 1)]

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.uniform() < probability

    def permutation(self, n: int) -> npt.NDArray[np.intp]:
        """The numbers 0 .. n-1 in random order: ranks of n words."""
        return np.argsort(self._words.random_raw(n), kind="stable")

    def field(self, *shape: int) -> FloatArray:
        """Array of independent numbers in [-1, 1), float32, from the upper 24 bits of a word each."""
        words = self._words.random_raw(int(np.prod(shape))) >> np.uint64(40)
        return (words.astype(np.float32) * np.float32(2.0**-23) - np.float32(1.0)).reshape(shape)

    def grain(self, height: int, width: int) -> FloatArray:
        """Camera noise: (height, width) float32, mean 0, standard deviation 1: four bytes added, close to normal."""
        count = height * width
        quads = self._words.random_raw((count + 1) // 2).astype("<u8").view("<u4")[:count]
        pairs = (quads & 0x00FF00FF) + (quads >> 8 & 0x00FF00FF)
        total = ((pairs & 0xFFFF) + (pairs >> 16)).astype(np.float32)
        # The sum of four bytes has mean 510 and variance 4 (256^2 - 1) / 12 = 21845.
        total -= np.float32(510.0)
        total *= np.float32(1.0 / 147.8005412)
        return total.reshape(height, width)


@overload
def cosine(turns: float) -> float: ...
@overload
def cosine(turns: FloatArray) -> FloatArray: ...
def cosine(turns: float | FloatArray) -> float | FloatArray:
    """cos(2 pi turns), from a polynomial; the argument counts full turns."""
    t = turns - np.floor(turns + 0.5) if isinstance(turns, np.ndarray) else turns - float(np.floor(turns + 0.5))
    square = t * t
    value = square * _COSINE[-1]
    for coefficient in _COSINE[-2:0:-1]:
        value = (value + coefficient) * square
    return value + 1.0


def sine(turns: float) -> float:
    """sin(2 pi turns)."""
    return cosine(turns - 0.25)


def turns_of(u: FloatArray, v: FloatArray) -> FloatArray:
    """Angle of (u, v) in turns, [0, 1), to within 2e-6.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 4.4.47, in the first octant, and mirrored from there.
    """
    x, y = np.abs(u), np.abs(v)
    a = np.minimum(x, y) / np.maximum(np.maximum(x, y), np.float32(1e-9))
    square = a * a
    turns = square * np.float32(0.0208351)
    for coefficient in (-0.0851330, 0.1801410, -0.3302995):
        turns += np.float32(coefficient)
        turns *= square
    turns += np.float32(0.9998660)
    turns *= a
    turns *= np.float32(0.15915494)
    # |steep - turns| mirrors at the diagonal without a branch, and so on for the axes.
    turns = np.abs((y > x) * np.float32(0.25) - turns)
    turns = np.abs((u < 0) * np.float32(0.5) - turns)
    turns = np.abs((v < 0) * np.float32(1.0) - turns)
    return np.minimum(turns, np.float32(0.9999999))


def step(x: FloatArray, edge: float, width: float) -> FloatArray:
    """Smooth step from 0 to 1, centred on `edge`, `width` wide: 3 t^2 - 2 t^3."""
    t: FloatArray = np.clip((x - edge) / width + 0.5, 0.0, 1.0).astype(np.float32)
    value: FloatArray = t * t * (3.0 - 2.0 * t)
    return value


def band(x: FloatArray, low: float, high: float, width: float) -> FloatArray:
    """1 between `low` and `high`, 0 outside, with edges `width` wide."""
    return step(x, low, width) - step(x, high, width)


def bump(x: FloatArray) -> FloatArray:
    """(1 - x^2)^2 inside [-1, 1] and 0 outside: a bell without an exponential."""
    inside = np.maximum(1.0 - x * x, 0.0)
    value: FloatArray = inside * inside
    return value


def enlarge(coarse: FloatArray, height: int, width: int) -> FloatArray:
    """Bilinear enlargement of a coarse grid to (height, width): soft blotches from few numbers."""
    rows, columns = coarse.shape

    def positions(count: int, cells: int) -> tuple[npt.NDArray[np.intp], FloatArray]:
        at = np.arange(count, dtype=np.float32) * np.float32((cells - 1) / count)
        below = at.astype(np.intp)
        return below, at - below.astype(np.float32)

    y, fy = positions(height, rows)
    x, fx = positions(width, columns)
    tall = coarse[y] + (coarse[y + 1] - coarse[y]) * fy[:, None]
    differences = (tall[:, 1:] - tall[:, :-1])[:, x]
    differences *= fx
    differences += tall[:, x]
    return differences
