"""Writes TIFF files: one page of uncompressed strips in either byte order."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from corpus.samples import SEED, Written


def tiff(
    pixels: NDArray[np.integer],
    order: str,
    strip_rows: int,
    directory_first: bool,
    photometric: int | None = None,
    orientation: int = 1,
) -> bytes:
    """pixels: (h, w, 1 or 3), uint8 or uint16."""
    height, width, samples = pixels.shape
    bits = 8 * pixels.itemsize
    strips = [pixels[y : y + strip_rows].astype(pixels.dtype.newbyteorder(order)) for y in range(0, height, strip_rows)]
    data = [strip.tobytes() for strip in strips]
    if photometric is None:
        photometric = 2 if samples == 3 else 1
    short, long = f"{order}H", f"{order}I"
    entries = 11
    directory_bytes = 2 + 12 * entries + 4
    lists_bytes = 8 * len(data) + 2 * samples
    directory = 8 if directory_first else 8 + sum(map(len, data))
    lists = directory + directory_bytes
    first = lists + lists_bytes if directory_first else 8
    offsets = [first + sum(map(len, data[:i])) for i in range(len(data))]

    def entry(tag: int, kind: int, values: list[int], at: int = 0) -> bytes:
        value = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        return struct.pack(f"{order}HHI", tag, kind, len(values)) + (
            value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(long, at)
        )

    sizes = [len(strip) for strip in data]
    table = struct.pack(short, entries) + b"".join([
        entry(256, 3, [width]), entry(257, 4, [height]), entry(258, 3, [bits] * samples, lists + 8 * len(data)),
        entry(259, 3, [1]), entry(262, 3, [photometric]), entry(273, 4, offsets, lists), entry(274, 3, [orientation]),
        entry(277, 3, [samples]), entry(278, 4, [strip_rows]), entry(279, 4, sizes, lists + 4 * len(data)),
        entry(284, 3, [1]),
    ]) + struct.pack(long, 0)  # fmt: skip
    table += struct.pack(f"{order}{2 * len(data)}I", *offsets, *sizes)
    table += struct.pack(f"{order}{samples}H", *[bits] * samples)
    start = (b"II" if order == "<" else b"MM") + struct.pack(short, 42) + struct.pack(long, directory)
    return start + (table + b"".join(data) if directory_first else b"".join(data) + table)


def tiff_files() -> Iterator[Written]:
    rng = np.random.default_rng(SEED)
    for order in "<>":
        for samples, kind in ((1, np.uint8), (1, np.uint16), (3, np.uint8)):
            for strip_rows, first in ((4, True), (100, False)):
                values = rng.integers(1, np.iinfo(kind).max, (9, 7, samples)).astype(kind)
                pixels = (values >> 8 * (values.itemsize - 1)).astype(np.uint8).repeat(3 // samples, axis=2)
                name = f"tiff-{order}-{samples}x{8 * values.itemsize}-{strip_rows}"
                yield name, tiff(values, order, strip_rows, first), pixels
    values = rng.integers(1, 255, (9, 7, 1)).astype(np.uint8)
    yield "tiff-inverted", tiff(values, "<", 3, True, photometric=0), (255 - values).repeat(3, axis=2)
    yield "tiff-turned", tiff(values, ">", 9, False, orientation=6), values.repeat(3, axis=2)
