"""Writes PNG files: every colour type and depth that is read, plain and interlaced."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from corpus.samples import SEED, Refused, Written, packed

PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def filtered(row: bytes, above: bytes, kind: int, step: int) -> bytes:
    """One row after PNG's filter 0, 1 (left), 2 (above) or 3 (mean of both)."""
    out = bytearray([kind])
    for i, value in enumerate(row):
        left = row[i - step] if i >= step else 0
        out.append((value - (0, left, above[i], (left + above[i]) // 2)[kind]) % 256)
    return bytes(out)


def png(
    samples: NDArray[np.int64],
    colour_type: int,
    depth: int,
    interlaced: bool,
    palette: bytes = b"",
    behind: bytes = b"",
    between: bytes = b"",
) -> bytes:
    """samples: (h, w, samples of a pixel); behind, between: bytes behind and in front of the checksum of the data."""
    height, width, count = samples.shape
    step = max(1, count * depth // 8)
    data = b""
    for x, y, dx, dy in PASSES if interlaced else ((0, 0, 1, 1),):
        rows = [packed(row, depth) for row in samples[y::dy, x::dx]] if width > x else []
        above = bytes(len(rows[0])) if rows else b""
        for number, row in enumerate(rows):
            data += filtered(row, above, number % 4, step)
            above = row
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, interlaced)
    stream = zlib.compress(data)
    stream = stream[:-4] + between + stream[-4:] + behind
    chunks = [(b"IHDR", header), (b"tEXt", b"Comment\0made for a test")] + ([(b"PLTE", palette)] if palette else [])
    chunks += [(b"IDAT", stream[: len(stream) // 2]), (b"IDAT", stream[len(stream) // 2 :]), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*item) for item in chunks)


def png_files() -> Iterator[Written]:
    """Every colour type and depth that is read, plain and interlaced, with its pixels."""
    rng = np.random.default_rng(SEED)
    palette = rng.integers(0, 256, (256, 3)).astype(np.uint8)
    kinds = [(0, d) for d in (1, 2, 4, 8, 16)] + [(2, 8), (4, 8), (6, 8)] + [(3, d) for d in (1, 2, 4, 8)]
    for colour_type, depth in kinds:
        for interlaced in (False, True):
            samples = rng.integers(0, 2**depth, (13, 11, {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type]))
            if colour_type in (4, 6):
                samples[..., -1] = 255
            colours = palette[: 2**depth].tobytes() if colour_type == 3 else b""
            if colour_type == 3:
                pixels = palette[samples[..., 0]]
            elif depth == 16:
                pixels = (samples >> 8).repeat(3, axis=2)
            else:
                scaled = samples * 255 // (2**depth - 1)
                pixels = scaled[..., :3] if scaled.shape[2] > 2 else scaled[..., :1].repeat(3, axis=2)
            name = f"png-{colour_type}-{depth}{'-interlaced' if interlaced else ''}"
            yield name, png(samples, colour_type, depth, interlaced, colours), pixels.astype(np.uint8)


def png_refused() -> Iterator[Refused]:
    """Files whose compressed data end before or behind their chunks."""
    samples = np.random.default_rng(SEED).integers(0, 256, (13, 11, 1))
    sum_of_pixels = png(samples, 0, 8, False)[-20:-16]
    for behind in (b"\0", b"camera data", b"other data" + sum_of_pixels):
        told = rf"the compressed data are whole, .* \(bytes: {len(behind)}\)"
        yield f"png-{len(behind)}-behind", png(samples, 0, 8, False, behind=behind), "structure", told
    for between in (b"\0", b"camera data"):
        name = f"png-{len(between)}-before-checksum"
        yield name, png(samples, 0, 8, False, between=between), "checksum", "the pixels have checksum"
