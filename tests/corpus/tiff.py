"""Writes TIFF files: one page of uncompressed strips in either byte order."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from corpus.samples import SEED, Refused, Written

STRIP_OFFSETS, STRIP_BYTES, DIRECTORY = 273, 279, 8


def tiff(
    pixels: NDArray[np.integer],
    order: str,
    strip_rows: int,
    directory_first: bool,
    photometric: int | None = None,
    orientation: int = 1,
    others: Mapping[int, int] | None = None,
) -> bytes:
    """pixels: (h, w, 1 or 3), uint8 or uint16; others: more fields, by their tags."""
    height, width, samples = pixels.shape
    bits = 8 * pixels.itemsize
    strips = [pixels[y : y + strip_rows].astype(pixels.dtype.newbyteorder(order)) for y in range(0, height, strip_rows)]
    data = [strip.tobytes() for strip in strips]
    if photometric is None:
        photometric = 2 if samples == 3 else 1
    short, long = f"{order}H", f"{order}I"
    others = others or {}
    entries = 11 + len(others)
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
    fields = [
        entry(256, 3, [width]), entry(257, 4, [height]), entry(258, 3, [bits] * samples, lists + 8 * len(data)),
        entry(259, 3, [1]), entry(262, 3, [photometric]), entry(273, 4, offsets, lists), entry(274, 3, [orientation]),
        entry(277, 3, [samples]), entry(278, 4, [strip_rows]), entry(279, 4, sizes, lists + 4 * len(data)),
        entry(284, 3, [1]), *(entry(tag, 4, [value]) for tag, value in others.items()),
    ]  # fmt: skip
    fields.sort(key=lambda field: struct.unpack(short, field[:2]))
    table = struct.pack(short, entries) + b"".join(fields) + struct.pack(long, 0)
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
    yield "tiff-page", tiff(values, "<", 9, True, others={254: 2}), values.repeat(3, axis=2)
    filled = tiff(values, "<", 4, True) + bytes(3 * 7)
    sizes = struct.pack("<III", 28, 28, 7)
    assert filled.count(sizes) == 1
    yield "tiff-filled", filled.replace(sizes, struct.pack("<III", 28, 28, 28)), values.repeat(3, axis=2)
    yield "tiff-thumbnail", tiff(values, "<", 9, True, others={330: DIRECTORY}), values.repeat(3, axis=2)


def with_value(data: bytes, tag: int, value: int) -> bytes:
    """A little-endian file whose directory is at its beginning, with another value of a field that has one LONG."""
    at = data.index(struct.pack("<HHI", tag, 4, 1), DIRECTORY)
    return data[: at + 8] + struct.pack("<I", value) + data[at + 12 :]


def tiff_refused() -> Iterator[Refused]:
    """Files that contradict themselves, or are of another picture than the one that is meant."""
    values = np.random.default_rng(SEED).integers(1, 255, (9, 7, 1)).astype(np.uint8)
    whole, strips = tiff(values, "<", 9, True), tiff(values, "<", 4, True)
    overlaps = "overlaps the directory at byte 8 or a list of it"
    yield "tiff-strip-in-directory", with_value(whole, STRIP_OFFSETS, 12), "structure", overlaps
    yield "tiff-strip-in-header", with_value(whole, STRIP_OFFSETS, 4), "structure", "behind the header"
    end = len(whole) - values.size
    touching = with_value(with_value(whole, STRIP_OFFSETS, end - 11), STRIP_BYTES, values.size)
    yield "tiff-strip-touching-directory", touching, "structure", overlaps
    offsets = strips.index(struct.pack("<HHI", STRIP_OFFSETS, 4, 3)) + 8
    (lists,) = struct.unpack_from("<I", strips, offsets)
    own_list = strips[:lists] + struct.pack("<I", lists) + strips[lists + 4 :]
    yield "tiff-strip-in-its-list", own_list, "structure", overlaps
    for name, places in (("overlapping", (0, 27, 56)), ("out-of-order", (0, 32, 28))):
        offsets_given = struct.pack("<III", *(len(strips) - values.size + place for place in places))
        wrong = strips[:lists] + offsets_given + strips[lists + 12 :]
        yield f"tiff-strips-{name}", wrong, "structure", "behind the header and the strip before"
    yield "tiff-strip-too-large", with_value(whole, 257, 8), "structure", "strip 0 has 63 bytes .* expected 56"
    for tag, count in ((259, 2), (258, 4)):
        at = whole.index(struct.pack("<HHI", tag, 3, 1), DIRECTORY) + 4
        many = whole[:at] + struct.pack("<I", count) + whole[at + 4 :]
        yield f"tiff-{tag}-{count}-values", many, "header", f"type 3 and {count} values"
    colours = tiff(values.repeat(3, axis=2), "<", 9, True)
    at = colours.index(struct.pack("<HHI", 258, 3, 3), DIRECTORY) + 4
    two = colours[:at] + struct.pack("<IHH", 2, 8, 8) + colours[at + 8 :]
    yield "tiff-depths-of-two-samples", two, "header", "has 2 values for 3 samples"
    skipped = tiff(
        values, "<", 9, True, others={305: end + 50}
    )  # the name of the program: made 13 letters inside the pixels
    at = skipped.index(struct.pack("<HHI", 305, 4, 1), DIRECTORY)
    named = skipped[:at] + struct.pack("<HHI", 305, 2, 13) + skipped[at + 8 :]
    yield "tiff-strip-in-skipped-list", named, "structure", overlaps
    yield "tiff-strip-beyond-file", with_value(whole, STRIP_OFFSETS, end + 1), "truncated", "a strip of pixels"
    for name, kind in (("reduced", {254: 1}), ("mask", {254: 4}), ("old-reduced", {255: 2})):
        yield f"tiff-{name}", tiff(values, "<", 9, True, others=kind), "unsupported", "a reduced copy or a mask"
