"""What counts as a number in a parameter, Python's own and NumPy's, never a bool; and what as a path and as a size."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

THREADS_MAX = 256  # GNG_THREADS_MAX of the core
SIDE_MAX = 16384  # GNG_IMAGE_SIDE_MAX of the core


def is_integer(value: Any) -> TypeGuard[int]:
    """Whether ``value`` is an integer."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether ``value`` is a floating-point number, NaN and infinity among them, or an integer that can become one."""
    if is_integer(value):
        return abs(value) <= sys.float_info.max
    return isinstance(value, (float, np.floating))


def check_integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return ``value`` as Python's int; raise ``ValueError`` unless it is an integer from ``least`` to ``most``."""
    if not is_integer(value) or value < least or (most is not None and value > most):
        expected = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name}: found {value!r}, expected an integer {expected}")
    return int(value)


def check_threads(n_threads: Any) -> int:
    """Return the parameter ``n_threads`` as the core takes it: None becomes 0, which is one for each processor."""
    return 0 if n_threads is None else check_integer("n_threads", n_threads, 1, THREADS_MAX)


def check_number(
    name: str, value: Any, expected: str, *, above: float | None = None, least: float | None = None
) -> float:
    """Return ``value`` as Python's float; raise ``ValueError`` unless it is finite and within the limits."""
    fits = is_number(value) and math.isfinite(value)
    if not fits or (above is not None and value <= above) or (least is not None and value < least):
        raise ValueError(f"{name}: found {value!r}, expected {expected}")
    return float(value)


def check_path(name: str, path: Any, expected: str) -> Path:
    """Return a path; ``TypeError`` for what is none, ``ValueError`` for an empty text, which would be the present folder."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{name}: found {path!r}, expected the path of {expected}")
    if path == "":
        raise ValueError(f"{name}: found an empty path, expected {expected}; '.' is the present folder")
    return Path(path)


def check_image_size(size: Any) -> None:
    """Raise ``ValueError`` unless ``size`` is a height and a width that pictures can have."""
    pair = isinstance(size, (tuple, list)) and len(size) == 2
    if not pair or not all(is_integer(side) and 1 <= side <= SIDE_MAX for side in size):
        raise ValueError(f"image_size: found {size!r}, expected (height, width), integers from 1 to {SIDE_MAX}")
