"""Writes BMP files: every depth, header and mask that is read."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from corpus.samples import SEED, Pixels, Refused, Written, packed


def bmp(
    rows: list[bytes], width: int, bits: int, header_bytes: int = 40, top_down: bool = False, palette: bytes = b"",
    masks: tuple[int, ...] = (), gap: int = 0,
) -> bytes:  # fmt: skip
    """rows: from top to bottom, without padding; masks: red, green, blue and, in large headers, alpha."""
    stored = b"".join(row + bytes(-len(row) % 4) for row in (rows if top_down else rows[::-1]))
    behind = b"".join(struct.pack("<I", mask) for mask in masks)
    if header_bytes == 12:
        header = struct.pack("<IHHHH", 12, width, len(rows), 1, bits)
    else:
        height, compression = (-len(rows) if top_down else len(rows)), (3 if masks else 0)
        colours = len(palette) // 4
        header = struct.pack(
            "<IiiHHIIiiII", header_bytes, width, height, 1, bits, compression, len(stored), 2835, 2835, colours, 0
        )
        if header_bytes > 40:
            header, behind = (header + behind).ljust(header_bytes, b"\0"), b""
    offset = 14 + len(header) + len(behind) + len(palette) + gap
    start = struct.pack("<2sIII", b"BM", offset + len(stored), 0, offset)
    return start + header + behind + palette + bytes(gap) + stored


def bmp_files() -> Iterator[Written]:
    rng = np.random.default_rng(SEED)
    height, width = 9, 13
    colours = rng.integers(1, 256, (256, 3)).astype(np.uint8)
    quads = np.concatenate([colours[:, ::-1], np.zeros((256, 1), np.uint8)], axis=1)
    for bits in (1, 4, 8):
        indices = rng.integers(0, 2**bits, (height, width))
        rows = [packed(row, bits) for row in indices]
        pixels = colours[indices]
        yield f"bmp-{bits}", bmp(rows, width, bits, palette=quads[: 2**bits].tobytes()), pixels
        core = bmp(rows, width, bits, header_bytes=12, palette=colours[: 2**bits, ::-1].tobytes())
        yield f"bmp-{bits}-core", core, pixels
        yield f"bmp-{bits}-v5", bmp(rows, width, bits, 124, True, quads[: 2**bits].tobytes(), gap=8), pixels
    for name, masks in (("555", ()), ("565", (0xF800, 0x07E0, 0x001F))):
        five = rng.integers(0, 32, (height, width, 3))
        most = np.array([31, 63 if masks else 31, 31])
        five[..., 1] *= 2 if masks else 1
        words = five[..., 0] << (11 if masks else 10) | five[..., 1] << 5 | five[..., 2]
        rows = [row.astype("<u2").tobytes() for row in words]
        yield f"bmp-16-{name}", bmp(rows, width, 16, masks=masks), (five * 255 // most).astype(np.uint8)
    pixels = rng.integers(1, 256, (height, width, 3)).astype(np.uint8)
    bgr = [row[:, ::-1].tobytes() for row in pixels]
    for header_bytes in (12, 40, 56, 108, 124):
        yield f"bmp-24-{header_bytes}", bmp(bgr, width, 24, header_bytes), pixels
    yield from sizes_in_use(bgr, quads, pixels)
    spare = np.concatenate([pixels[..., ::-1], rng.integers(0, 256, (height, width, 1)).astype(np.uint8)], axis=2)
    yield "bmp-32", bmp([row.tobytes() for row in spare], width, 32, top_down=True), pixels
    for opaque in (0, 255):
        spare[..., 3] = opaque
        rows, masks = [row.tobytes() for row in spare], (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
        yield f"bmp-32-v3-alpha-{opaque}", bmp(rows, width, 32, 56, masks=masks), pixels
        yield f"bmp-32-v4-alpha-{opaque}", bmp(rows, width, 32, 108, masks=masks), pixels


FILE_BYTES, WIDTH, BITS, PIXEL_BYTES, PROFILE_BYTES = 2, 18, 28, 34, 130


def with_fields(data: bytes, fields: dict[int, int]) -> bytes:
    """The file with other numbers of four bytes, by their places."""
    changed = bytearray(data)
    for at, value in fields.items():
        struct.pack_into("<I", changed, at, value)
    return bytes(changed)


def sizes_in_use(bgr: list[bytes], quads: NDArray[np.uint8], pixels: Pixels) -> Iterator[Written]:
    """What writers say of the sizes of file and pixels: nothing, without what fills up rows, with what fills up the file."""
    height, width = pixels.shape[:2]
    whole = bmp(bgr, width, 24)
    stored, plain = len(whole) - 54, height * width * 3
    yield "bmp-sizes-none", with_fields(whole, {FILE_BYTES: 0, PIXEL_BYTES: 0}), pixels
    yield "bmp-sizes-of-file", with_fields(whole, {PIXEL_BYTES: 0}), pixels
    yield "bmp-sizes-of-headers", with_fields(whole, {FILE_BYTES: 54, PIXEL_BYTES: 0}), pixels
    yield "bmp-sizes-of-pixels", with_fields(whole, {FILE_BYTES: stored, PIXEL_BYTES: 0}), pixels
    yield "bmp-sizes-without-filling", with_fields(whole, {FILE_BYTES: 54 + plain, PIXEL_BYTES: plain}), pixels
    filling = -len(whole) % 4
    filled = with_fields(whole, {FILE_BYTES: len(whole) + filling, PIXEL_BYTES: stored + filling})
    yield "bmp-sizes-filled", filled + bytes(filling), pixels
    profile = with_fields(bmp(bgr, width, 24, 124), {PIXEL_BYTES: 0, PROFILE_BYTES: 99}) + bytes(99)
    yield "bmp-sizes-profile", with_fields(profile, {FILE_BYTES: len(profile)}), pixels
    grey = quads[:, :1].repeat(4, axis=1)
    indices = pixels[..., 0]
    indexed = bmp([row.tobytes() for row in indices], width, 8, palette=grey.tobytes())
    without_palette = with_fields(indexed, {FILE_BYTES: len(indexed) - grey.size, PIXEL_BYTES: 0})
    yield "bmp-sizes-without-palette", without_palette, grey[indices, :3]


def bmp_refused() -> Iterator[Refused]:
    """Files whose fields contradict each other."""
    rows = [row.tobytes() for row in np.random.default_rng(SEED).integers(1, 256, (8, 3 * 16)).astype(np.uint8)]
    whole = bmp(rows, 16, 24)
    for name, fields in (("width", {WIDTH: 8}), ("bits", {BITS: 16})):
        promises = f"the header promises {8 * 3 * 16} bytes of pixels"
        yield f"bmp-other-{name}", with_fields(whole, fields), "structure", promises
        by_file = with_fields(whole, fields | {PIXEL_BYTES: 0})
        yield f"bmp-other-{name}-by-file", by_file, "structure", f"the header promises {len(whole)} bytes of file"
    halves = [row[:32] for row in rows]
    for name, masks in (("apart", (0xF800, 0x03E0, 0x001F)), ("unequal", (0x7800, 0x07E0, 0x001F))):
        yield f"bmp-masks-{name}", bmp(halves, 16, 16, masks=masks), "unsupported", "expected neighbours of equal width"
