"""Pixels -> PNG files."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(image: NDArray[np.uint8], level: int = 1) -> bytes:
    """Encode a picture as PNG.

    Parameters
    ----------
    image : numpy.ndarray
        (height, width) or (height, width, 1) grey, (height, width, 3) RGB; uint8.
    level : int, default 1
        Effort of the compression, 0 (none) to 9.

    Returns
    -------
    bytes
        A PNG of 8 bits a channel (ISO/IEC 15948), not interlaced. The pixels come back bit for bit; the compressed bytes may
        differ between versions of zlib.
    """
    height, width = image.shape[:2]
    channels = 3 if image.ndim == 3 and image.shape[2] == 3 else 1
    flat = image.reshape(height, width * channels)
    # Filter type 1, Sub: each pixel minus its left neighbour, modulo 256; the type stands before each row.
    rows = np.empty((height, 1 + width * channels), dtype=np.uint8)
    rows[:, 0] = 1
    rows[:, 1 : 1 + channels] = flat[:, :channels]
    np.subtract(flat[:, channels:], flat[:, :-channels], out=rows[:, 1 + channels :])
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    body = zlib.compress(rows.tobytes(), level)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    """Length, type, data and CRC-32 over type and data."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
