"""Writes JPEG files (ITU-T T.81): with Pillow what it can write, with a small encoder of our own what it cannot."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from corpus.samples import Pixels, waves

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))
COSINES = np.array(
    [[(0.5 if u else 8**-0.5) * np.cos((2 * x + 1) * u * np.pi / 16) for x in range(8)] for u in range(8)]
)
# Codes of one length: all there is to decide is which symbols exist. The code of ones alone is free, as it must be.
DC_SYMBOLS = list(range(12))  # in 4 bits
AC_SYMBOLS = [0x00, 0xF0, *(run << 4 | size for run in range(16) for size in range(1, 11))]  # in 8 bits
Planes = list[NDArray[np.float64]]


def jpeg(height: int, width: int, mode: str, **options: object) -> bytes:
    """A file that Pillow writes; mode: L or RGB."""
    stream = io.BytesIO()
    Image.fromarray(waves(height, width, 3)).convert(mode).save(stream, "JPEG", **options)
    return stream.getvalue()


class BitWriter:
    def __init__(self) -> None:
        self.bits: list[str] = []

    def put(self, value: int, count: int) -> None:
        self.bits.append(f"{value:0{count}b}" if count else "")

    def put_magnitude(self, value: int) -> None:
        size = abs(value).bit_length()
        self.put(value if value >= 0 else value + (1 << size) - 1, size)

    def data(self) -> bytes:
        text = "".join(self.bits)
        text += "1" * (-len(text) % 8)
        return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8)).replace(b"\xff", b"\xff\x00")


def put_block(out: BitWriter, coefficients: Sequence[int], predicted: int) -> None:
    difference = coefficients[0] - predicted
    out.put(abs(difference).bit_length(), 4)
    out.put_magnitude(difference)
    run, last = 0, max((k for k in range(64) if coefficients[k]), default=0)
    for value in coefficients[1 : last + 1]:
        if value == 0:
            run += 1
            continue
        for _ in range(run // 16):
            out.put(AC_SYMBOLS.index(0xF0), 8)
        out.put(AC_SYMBOLS.index(run % 16 << 4 | abs(value).bit_length()), 8)
        out.put_magnitude(value)
        run = 0
    if last < 63:
        out.put(AC_SYMBOLS.index(0x00), 8)


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def split_planes(pixels: Pixels, sampling: Sequence[tuple[int, int]]) -> Planes:
    """Luma and colour differences (JFIF 1.02), shrunk to their share, about zero."""
    if pixels.shape[2] == 1:
        return [pixels[..., 0] - 128.0]
    r, g, b = (pixels[..., k].astype(float) for k in range(3))
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    planes = []
    horizontal_max, vertical_max = (max(factors) for factors in zip(*sampling, strict=True))
    for plane, (horizontal, vertical) in zip(
        [luma - 128, (b - luma) / 1.772, (r - luma) / 1.402], sampling, strict=True
    ):
        dy, dx = vertical_max // vertical, horizontal_max // horizontal
        padded = np.pad(plane, ((0, -plane.shape[0] % dy), (0, -plane.shape[1] % dx)), mode="edge")
        planes.append(padded.reshape(padded.shape[0] // dy, dy, padded.shape[1] // dx, dx).mean(axis=(1, 3)))
    return planes


def quantise(plane: NDArray[np.float64], rows: int, columns: int, step: int) -> list[list[list[int]]]:
    """[row][column] of blocks: 64 coefficients in zigzag order."""
    bottom, right = 8 * rows - plane.shape[0], 8 * columns - plane.shape[1]
    padded = np.pad(plane, ((0, bottom), (0, right)), mode="edge")
    blocks = padded.reshape(rows, 8, columns, 8).swapaxes(1, 2)
    levels = np.rint(COSINES @ blocks @ COSINES.T / step).astype(int).reshape(rows, columns, 64)
    return [[list(map(int, block[ZIGZAG])) for block in row] for row in levels]


def write_scan(
    components: Sequence[int], blocks: list[list[list[list[int]]]], sampling: Sequence[tuple[int, int]],
    units: tuple[int, int], restart: int,
) -> bytes:  # fmt: skip
    """Entropy-coded data; units: rows and columns of coding units."""
    parts, out, predicted = [], BitWriter(), dict.fromkeys(components, 0)
    for number in range(units[0] * units[1]):
        if restart and number and number % restart == 0:
            parts.append(out.data() + bytes([0xFF, 0xD0 + (number // restart - 1) % 8]))
            out, predicted = BitWriter(), dict.fromkeys(components, 0)
        y, x = divmod(number, units[1])
        for c in components:
            horizontal, vertical = sampling[c] if len(components) > 1 else (1, 1)
            for k in range(horizontal * vertical):
                block = blocks[c][y * vertical + k // horizontal][x * horizontal + k % horizontal]
                put_block(out, block, predicted[c])
                predicted[c] = block[0]
    return b"".join(parts) + out.data()


def encode(
    pixels: Pixels, sampling: Sequence[tuple[int, int]], *, step: int = 4, restart: int = 0, separate: bool = False,
    frame: int = 0xC0, bits: int = 8, wide_tables: bool = False,
) -> bytes:  # fmt: skip
    """Sequential JPEG. pixels: (h, w, 1 or 3); sampling: (horizontal, vertical) of each component.

    restart: coding units between restart markers; separate: one scan for each component; wide_tables: quantisation in
    16 bits.
    """
    height, width, count = pixels.shape
    horizontal_max, vertical_max = (max(factors) for factors in zip(*sampling, strict=True))
    interleaved = count > 1 and not separate
    rows, columns = -(-height // (8 * vertical_max)), -(-width // (8 * horizontal_max))
    planes = split_planes(pixels, sampling)
    blocks = [
        quantise(plane, rows * vertical, columns * horizontal, step)
        if count > 1
        else quantise(plane, -(-height // 8), -(-width // 8), step)
        for plane, (horizontal, vertical) in zip(planes, sampling, strict=True)
    ]
    table = b"\x10" + struct.pack(">64H", *[step] * 64) if wide_tables else b"\0" + bytes([step] * 64)
    shape = struct.pack(">BHHB", bits, height, width, count)
    shape += b"".join(bytes([c + 1, h << 4 | v, 0]) for c, (h, v) in enumerate(sampling))
    dc = b"\0" + bytes([0, 0, 0, len(DC_SYMBOLS)]) + bytes(12) + bytes(DC_SYMBOLS)
    ac = b"\x10" + bytes(7) + bytes([len(AC_SYMBOLS)]) + bytes(8) + bytes(AC_SYMBOLS)
    data = b"\xff\xd8" + segment(0xDB, table) + segment(frame, shape) + segment(0xC4, dc + ac)
    data += segment(0xDD, struct.pack(">H", restart)) if restart else b""
    for components in [range(count)] if interleaved else [[c] for c in range(count)]:
        header = bytes([len(components), *(value for c in components for value in (c + 1, 0)), 0, 63, 0])
        units = rows, columns
        if not interleaved:
            horizontal, vertical = sampling[components[0]]
            lines, points = -(-height * vertical // vertical_max), -(-width * horizontal // horizontal_max)
            units = -(-lines // 8), -(-points // 8)
        data += segment(0xDA, header) + write_scan(components, blocks, sampling, units, restart)
    return data + b"\xff\xd9"


def baseline_files() -> Iterator[tuple[str, bytes]]:
    yield "grey", jpeg(35, 53, "L", quality=85)
    yield "grey-1x1", jpeg(1, 1, "L")
    yield "grey-restarts", jpeg(41, 37, "L", restart_marker_blocks=3)
    yield "grey-odd-factors", encode(waves(29, 21, 1), [(2, 2)])
    yield "grey-wide-tables", encode(waves(17, 23, 1), [(1, 1)], wide_tables=True, frame=0xC1)
    yield "colour-444", jpeg(33, 17, "RGB", subsampling=0, optimize=True)
    yield "colour-422", jpeg(19, 31, "RGB", subsampling=1)
    yield "colour-420", jpeg(47, 29, "RGB", subsampling=2, quality=60)
    yield "colour-420-restarts", jpeg(40, 50, "RGB", subsampling=2, restart_marker_rows=1)
    yield "colour-420-separate", encode(waves(27, 37, 3), [(2, 2), (1, 1), (1, 1)], separate=True, restart=4)
    yield "colour-440", encode(waves(26, 19, 3), [(1, 2), (1, 1), (1, 1)])
    yield "colour-411", encode(waves(15, 40, 3), [(4, 1), (1, 1), (1, 1)], restart=1)
    yield "colour-exif", jpeg(23, 19, "RGB", exif=b"Exif\0\0" + jpeg(8, 8, "L"))
    yield "colour-rgb", jpeg(23, 19, "RGB", keep_rgb=True)


def progressive_files() -> Iterator[tuple[str, bytes]]:
    yield "grey-progressive", jpeg(35, 29, "L", progressive=True)
    yield "grey-1x1-progressive", jpeg(1, 1, "L", progressive=True)
    yield "colour-444-progressive", jpeg(21, 18, "RGB", progressive=True, subsampling=0)
    yield "colour-progressive", jpeg(33, 35, "RGB", progressive=True, subsampling=2, restart_marker_blocks=5)


def twelve_bit_file() -> bytes:
    """Valid, and refused: what stores 12 bits means another range of values."""
    return encode(waves(16, 16, 1), [(1, 1)], frame=0xC1, bits=12)
