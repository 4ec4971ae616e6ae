"""The corpus of pictures: good ones of every kind, and what damage makes of them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from corpus.bmp import bmp_files, bmp_refused
from corpus.jpeg import baseline_files, jpeg, progressive_files, twelve_bit_file
from corpus.png import png_files, png_refused
from corpus.tiff import tiff_files, tiff_refused

BASELINE = dict(baseline_files())
PROGRESSIVE = dict(progressive_files())
EXACT = {name: (data, pixels) for source in (png_files, bmp_files, tiff_files) for name, data, pixels in source()}
CORPUS = BASELINE | PROGRESSIVE | {name: data for name, (data, _) in EXACT.items()}
CONTRADICTING = {
    name: (data, verdict, told)
    for source in (png_refused, bmp_refused, tiff_refused)
    for name, data, verdict, told in source()
}
REFUSED = {"grey-12-bit": twelve_bit_file(), "grey-cmyk": jpeg(9, 9, "CMYK")}


def damaged_twins(data: bytes, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Damage as transfers, disks and interrupted writers make it; (what happened, file)."""
    rng = random.Random(seed)
    size, half = len(data), len(data) // 2
    at, end = sorted(rng.sample(range(1, size), 2))
    yield "cut", data[:half]
    yield "cut-and-ended", data[:half] + data[-12:]
    yield "middle-lost", data[:at] + data[end:]
    yield "middle-zeroed", data[:at] + bytes(end - at) + data[end:]
    yield "half-twice", data[:half] + data
    yield "beginning-lost", data[1:]
    yield "tail", data + b"\0camera data"
    yield "behind-another", data + data
    yield "line-ends", data.replace(b"\n", b"\r\n")
    yield "bytes-swapped", bytes(data[i ^ 1] for i in range(size & ~1))
    changed = bytearray(data)
    changed[rng.randrange(min(64, size))] ^= 1 << rng.randrange(8)
    yield "header-bit", bytes(changed)
