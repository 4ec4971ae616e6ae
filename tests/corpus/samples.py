"""Numbers that pictures are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Written = tuple[str, bytes, Pixels]  # name, file, the pixels it must give
Refused = tuple[str, bytes, str, str]  # name, file, verdict, what the reason says (a regular expression)
SEED = 5


def waves(height: int, width: int, channels: int, noise: float = 6) -> Pixels:
    """A smooth picture with a little noise: (h, w, channels)."""
    rng = np.random.default_rng(SEED)
    y, x = np.mgrid[:height, :width]
    planes = [np.sin(x / (5 + 2 * k)) * np.cos(y / (7 + k)) for k in range(channels)]
    values = 127 + 90 * np.stack(planes, axis=-1) + rng.normal(0, noise, (height, width, channels))
    return np.clip(values, 0, 255).astype(np.uint8)


def packed(samples: NDArray[np.int64], depth: int) -> bytes:
    """Samples of one row, the leftmost in the highest bits."""
    bits = (samples.reshape(-1, 1) >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.astype(np.uint8).ravel()).tobytes()
