"""A corpus of picture files of every accepted kind, written here, and what becomes of it when it is damaged."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gonogo import _core
from gonogo.decoding import Decoding
from gonogo.pictures import inspect_files, read_pictures

pytestmark = pytest.mark.any_engine

Pixels = NDArray[np.uint8]
SEED = 5


def waves(height: int, width: int, channels: int, noise: float = 6) -> Pixels:
    rng = np.random.default_rng(SEED)
    y, x = np.mgrid[:height, :width]
    planes = [np.sin(x / (5 + 2 * k)) * np.cos(y / (7 + k)) for k in range(channels)]
    values = 127 + 90 * np.stack(planes, axis=-1) + rng.normal(0, noise, (height, width, channels))
    return np.clip(values, 0, 255).astype(np.uint8)


def jpeg(height: int, width: int, mode: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(waves(height, width, 3)).convert(mode).save(stream, "JPEG", **options)
    return stream.getvalue()


# --- PNG -------------------------------------------------------------------------------------------------------------

PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def packed(samples: NDArray[np.int64], depth: int) -> bytes:
    """Samples of one row, the leftmost in the highest bits."""
    bits = (samples.reshape(-1, 1) >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.astype(np.uint8).ravel()).tobytes()


def filtered(row: bytes, above: bytes, kind: int, step: int) -> bytes:
    """One row after PNG's filter 0, 1 (left), 2 (above) or 3 (mean of both)."""
    out = bytearray([kind])
    for i, value in enumerate(row):
        left = row[i - step] if i >= step else 0
        out.append((value - (0, left, above[i], (left + above[i]) // 2)[kind]) % 256)
    return bytes(out)


def png(samples: NDArray[np.int64], colour_type: int, depth: int, interlaced: bool, palette: bytes = b"") -> bytes:
    """samples: (h, w, samples of a pixel)."""
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
    chunks = [(b"IHDR", header), (b"tEXt", b"Comment\0made for a test")] + ([(b"PLTE", palette)] if palette else [])
    chunks += [(b"IDAT", stream[: len(stream) // 2]), (b"IDAT", stream[len(stream) // 2 :]), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*item) for item in chunks)


def png_files() -> Iterator[tuple[str, bytes, Pixels]]:
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


# --- BMP -------------------------------------------------------------------------------------------------------------


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


def bmp_files() -> Iterator[tuple[str, bytes, Pixels]]:
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
    spare = np.concatenate([pixels[..., ::-1], rng.integers(0, 256, (height, width, 1)).astype(np.uint8)], axis=2)
    yield "bmp-32", bmp([row.tobytes() for row in spare], width, 32, top_down=True), pixels
    for opaque in (0, 255):
        spare[..., 3] = opaque
        rows, masks = [row.tobytes() for row in spare], (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
        yield f"bmp-32-v3-alpha-{opaque}", bmp(rows, width, 32, 56, masks=masks), pixels
        yield f"bmp-32-v4-alpha-{opaque}", bmp(rows, width, 32, 108, masks=masks), pixels


# --- TIFF ------------------------------------------------------------------------------------------------------------


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


def tiff_files() -> Iterator[tuple[str, bytes, Pixels]]:
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


# --- the corpus ------------------------------------------------------------------------------------------------------

BASELINE = {
    "grey": jpeg(35, 53, "L", quality=85),
    "grey-1x1": jpeg(1, 1, "L"),
    "grey-restarts": jpeg(41, 37, "L", restart_marker_blocks=3),
    "colour-444": jpeg(33, 17, "RGB", subsampling=0, optimize=True),
    "colour-422": jpeg(19, 31, "RGB", subsampling=1),
    "colour-420": jpeg(47, 29, "RGB", subsampling=2, quality=60),
    "colour-420-restarts": jpeg(40, 50, "RGB", subsampling=2, restart_marker_rows=1),
    "colour-exif": jpeg(23, 19, "RGB", exif=b"Exif\0\0" + jpeg(8, 8, "L")),
    "colour-rgb": jpeg(23, 19, "RGB", keep_rgb=True),
}
PROGRESSIVE = {
    "grey-progressive": jpeg(35, 29, "L", progressive=True),
    "colour-progressive": jpeg(33, 35, "RGB", progressive=True, subsampling=2, restart_marker_blocks=5),
}
EXACT = {name: (data, pixels) for source in (png_files, bmp_files, tiff_files) for name, data, pixels in source()}
CORPUS = BASELINE | PROGRESSIVE | {name: data for name, (data, _) in EXACT.items()}
NOT_BY_PILLOW = ("tiff-turned",)  # it turns such pictures


def whole(data: bytes) -> Pixels | None:
    """The pixels, None where the file is refused."""
    try:
        return _core.decode(data, 3)
    except _core.CoreError:
        return None


def verdict(data: bytes) -> str:
    """After structure and pixels."""
    (found,) = _core.check_many([data], 1)
    assert bool(found["reason"]) == (found["verdict"] != "ok")
    return str(found["verdict"])


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a figure where it is seen."""

    def tell(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}")

    return tell


@pytest.mark.parametrize("name", EXACT)
def test_pixels_are_those_that_were_written(name: str) -> None:
    data, pixels = EXACT[name]
    found = _core.inspect(data)
    assert (found["verdict"], found["reason"]) == ("ok", "")
    assert (found["height"], found["width"]) == pixels.shape[:2]
    assert np.array_equal(_core.decode(data, 3), pixels)
    luma = (pixels.astype(int) @ [77, 150, 29] + 128) >> 8
    assert np.array_equal(_core.decode(data, 1)[..., 0], luma)


@pytest.mark.parametrize("name", [name for name in EXACT if name not in NOT_BY_PILLOW])
def test_pixels_are_those_that_pillow_reads(name: str) -> None:
    data, pixels = EXACT[name]
    with Image.open(io.BytesIO(data)) as opened:
        if opened.mode.startswith("I;16") or opened.mode == "I":
            expected = (np.asarray(opened).astype(int) >> 8)[..., None].repeat(3, axis=2)
        else:
            expected = np.asarray(opened.convert("RGB"))
    assert np.array_equal(pixels, expected)


@pytest.mark.parametrize("kind", ["TIFF", "BMP"])
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_files_that_pillow_wrote(kind: str, mode: str) -> None:
    if (kind, mode) == ("BMP", "I;16"):
        return
    values = waves(40, 30, 3) if mode == "RGB" else waves(40, 30, 1)[..., 0]
    source = Image.fromarray(values.astype(np.uint16) * 256 if mode == "I;16" else values)
    stream = io.BytesIO()
    source.save(stream, kind)
    assert verdict(stream.getvalue()) == "ok"
    expected = values if mode == "RGB" else values[..., None].repeat(3, axis=2)
    assert np.array_equal(_core.decode(stream.getvalue(), 3), expected)


def test_truncated_files_are_refused_or_unchanged(say: Callable[[str], None]) -> None:
    refused = same = other = 0
    for data in CORPUS.values():
        pixels = whole(data)
        for length in range(len(data)):
            found = whole(data[:length])
            if found is None:
                refused += 1
            elif np.array_equal(found, pixels):
                same += 1
            else:
                other += 1
    say(f"truncations of {len(CORPUS)} files: {refused} refused, {same} pixel-identical, {other} with other pixels")
    assert other == 0
    assert refused > 10_000


def test_truncated_jpegs_with_an_end_marker_are_refused(say: Callable[[str], None]) -> None:
    """A truncated file that some tool finished with an end marker, so that its structure is whole."""
    refused = other = 0
    for data in BASELINE.values():
        pixels = whole(data)
        start = data.rindex(b"\xff\xda") + 2
        for length in range(start, len(data) - 2):
            found = whole(data[:length] + b"\xff\xd9")
            refused += found is None
            other += found is not None and not np.array_equal(found, pixels)
    say(
        f"truncations with an end marker of {len(BASELINE)} baseline JPEGs: {refused} refused, {other} with other pixels"
    )
    assert other == 0


def test_every_flipped_bit_of_a_png_is_refused(say: Callable[[str], None]) -> None:
    refused = accepted = 0
    for name, (data, _) in EXACT.items():
        if not name.startswith("png"):
            continue
        changed = bytearray(data)
        for bit in range(8 * len(data)):
            changed[bit // 8] ^= 1 << bit % 8
            fine = whole(bytes(changed)) is not None
            accepted += fine
            refused += not fine
            changed[bit // 8] ^= 1 << bit % 8
    say(f"single-bit flips of PNG files: {refused} refused, {accepted} accepted")
    assert accepted == 0


def large_jpegs() -> list[bytes]:
    options = [
        ("L", {"quality": 85}), ("L", {"quality": 95, "optimize": True}), ("L", {"restart_marker_blocks": 7}),
        ("RGB", {"subsampling": 0}), ("RGB", {"subsampling": 2, "optimize": True}), ("RGB", {"restart_marker_rows": 1}),
    ]  # fmt: skip
    return [jpeg(150, 210, mode, **rest) for mode, rest in options]  # type: ignore[arg-type]


def test_baseline_jpegs_that_lost_their_middle_are_refused(say: Callable[[str], None]) -> None:
    """Lost: from 256 bytes on. Zeroed: from 32 bytes on."""
    rng = random.Random(SEED)
    counts = {"lost": 0, "zeroed": 0}
    accepted = 0
    for data in large_jpegs():
        start, end = data.rindex(b"\xff\xda") + 14, len(data) - 2
        for least, what in ((256, "lost"), (32, "zeroed")):
            for _ in range(400):
                size = rng.randint(least, (end - start) // 2)
                at = rng.randint(start, end - size)
                changed = data[:at] + bytes(size if what == "zeroed" else 0) + data[at + size :]
                counts[what] += 1
                accepted += _core.inspect(changed)["fault"] == "ok"
    say(f"baseline JPEGs without their middle: {counts['lost']} lost, {counts['zeroed']} zeroed, {accepted} accepted")
    assert accepted == 0


DECODE_ALL = """
import hashlib, pathlib, sys
from gonogo import _core
files = [path.read_bytes() for path in sorted(pathlib.Path(sys.argv[1]).iterdir())]
for _ in range(100):
    print(hashlib.sha256(b"".join(_core.decode(data, 3).tobytes() for data in files)).hexdigest())
"""


def test_pixels_do_not_depend_on_what_memory_held_before(tmp_path: Path) -> None:
    """glibc fills memory that it hands out, or takes back, with the byte of this variable (mallopt, M_PERTURB)."""
    for name, data in CORPUS.items():
        (tmp_path / name.replace("<", "little").replace(">", "big")).write_bytes(data)
    hashes: set[str] = set()
    for filling in ("0", "85", "170", "255"):
        completed = subprocess.run(
            [sys.executable, "-c", DECODE_ALL, str(tmp_path)],
            env={**os.environ, "MALLOC_PERTURB_": filling},
            check=True,
            capture_output=True,
            text=True,
        )
        hashes.update(completed.stdout.split())
    assert len(hashes) == 1


def test_progressive_pictures_are_unproven_and_read() -> None:
    for data in PROGRESSIVE.values():
        assert verdict(data) == "unproven"
        found = _core.inspect(data)
        assert data[found["offset"] : found["offset"] + 2] == b"\xff\xc2"
        assert "progressive" in found["reason"]
        assert whole(data) is not None


def test_bmp_whose_room_was_reserved_is_unproven() -> None:
    data, _ = EXACT["bmp-24-40"]
    filled = len(data) // 2
    reserved = data[:filled] + bytes(len(data) - filled)
    assert (verdict(data), verdict(reserved)) == ("ok", "unproven")
    assert _core.inspect(reserved)["offset"] == len(data)


def test_bytes_behind_a_picture_do_not_matter() -> None:
    for name, data in CORPUS.items():
        longer = _core.inspect(data + b"\0camera data")
        assert longer["verdict"] == ("unproven" if name in PROGRESSIVE else "ok")
        assert longer["picture_bytes"] == _core.inspect(data)["picture_bytes"] <= len(data)
        assert np.array_equal(_core.decode(data + b"\0camera data", 3), _core.decode(data, 3))
    first, second = BASELINE["grey"], BASELINE["colour-420"]
    found = _core.inspect(first + second)
    assert (found["verdict"], found["offset"]) == ("unproven", len(first))
    index = b"\xff\xe2\x00\x08MPF\0MM"
    assert _core.inspect(first[:2] + index + first[2:] + second)["verdict"] == "ok"


@pytest.mark.parametrize("bit_depth", [16, 12, 10])
def test_deep_pictures_are_shifted_and_values_beyond_their_depth_refused(bit_depth: int, tmp_path: Path) -> None:
    values = np.arange(0, 2**bit_depth, 2 ** (bit_depth - 8) // 2).reshape(16, 32, 1)
    for name, good, bad in (
        ("a.png", png(values, 0, 16, True), png(np.full((16, 32, 1), 2**bit_depth % 2**16), 0, 16, False)),
        (
            "a.tif",
            tiff(values.astype(np.uint16), ">", 5, True),
            tiff((values + 2**bit_depth // 2).astype(np.uint16), "<", 5, False),
        ),
    ):
        assert np.array_equal(_core.decode(good, 1, bit_depth), values >> (bit_depth - 8))
        path = tmp_path / name
        path.write_bytes(good)
        assert np.array_equal(
            read_pictures([path], decoding=Decoding(bit_depth=bit_depth)).images[0], values >> (bit_depth - 8)
        )
        if bit_depth < 16:
            with pytest.raises(
                _core.CoreError, match=f"expected at most {2**bit_depth - 1} for a bit depth of {bit_depth}"
            ):
                _core.decode(bad, 1, bit_depth)
            path.write_bytes(bad)
            assert [said.verdict for said in inspect_files([path], bit_depth=bit_depth)] == ["pixels"]


def test_other_bit_depths_are_refused(tmp_path: Path) -> None:
    data = EXACT["png-0-16"][0]
    out = np.zeros((1, 13, 11, 1), np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(data)
    for call in (
        lambda: _core.decode(data, 1, 8),
        lambda: _core.check_many([data], 1, 14),
        lambda: _core.decode_many([data], out, bit_depth=0),
        lambda: Decoding(bit_depth=8),
        lambda: inspect_files([path], bit_depth=8),
    ):
        with pytest.raises(ValueError, match="bit_depth"):
            call()


def test_only_bytes_are_inspected() -> None:
    data = BASELINE["grey"]
    assert np.array_equal(_core.decode(bytearray(data), 1), _core.decode(memoryview(data), 1))
    for wrong in ("text", None, [1, 2, 3]):
        with pytest.raises(TypeError, match="expected bytes"):
            _core.inspect(wrong)
        with pytest.raises(TypeError, match="expected bytes"):
            _core.check_many([data, wrong])


def test_every_file_gets_a_verdict(tmp_path: Path) -> None:
    good, bad, late = tmp_path / "good.jpg", tmp_path / "bad.jpg", tmp_path / "late.png"
    good.write_bytes(BASELINE["grey"] + b"tail")
    bad.write_bytes(BASELINE["grey"][:-40])
    late.write_bytes(png(np.ones((3, 3, 1), np.int64), 3, 8, False, palette=b"\1\2\3"))  # seen in the pixels alone
    done: list[int] = []
    said = inspect_files([good, tmp_path / "none.png", bad, late], progress=done.append)
    assert [row.verdict for row in said] == ["ok", "unreadable", "truncated", "pixels"]
    assert [row.bad for row in said] == [False, True, True, True]
    assert said[0].reason == "complete JPEG, 35 x 53 pixels; 4 bytes behind the picture are not looked at"
    assert said[0].offset == len(BASELINE["grey"])
    assert said[2].reason.startswith("JPEG, byte ")
    assert said[3].reason.startswith(f"PNG, byte {said[3].offset}: row 0 uses colour 1 of a palette of 1")
    assert sum(done) == 4


def test_command_inspects_files_and_folders(
    tmp_path: Path, run_gonogo: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    folder = tmp_path / "parts" / "day 1"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(BASELINE["grey"])
    (folder / "b.JPEG").write_bytes(PROGRESSIVE["grey-progressive"])
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "notes.txt").write_text("none of our business")
    result = json.loads(run_gonogo("inspect", tmp_path / "parts", "--json").stdout)
    assert [(Path(row["file"]).name, row["verdict"]) for row in result["rows"]] == [
        ("a.jpg", "ok"),
        ("b.JPEG", "unproven"),
    ]
    assert (result["files"], result["ok"], result["unproven"], result["bad"]) == (2, 1, 1, 0)
    broken = tmp_path / "broken.png"
    broken.write_bytes(EXACT["png-0-8"][0][:-5])
    completed = run_gonogo("inspect", broken, folder, "--json", exit_code=5)
    rows = json.loads(completed.stdout)["rows"]
    assert rows[0]["verdict"] == "truncated" and "copy" in rows[0]["reason"] and rows[0]["offset"] > 0
    assert "1 of 3 files are bad" in completed.stderr
    text = run_gonogo("inspect", folder).stdout
    assert "unproven" in text and "a.jpg" in text
    (tmp_path / "empty").mkdir()
    assert "hold no picture" in run_gonogo("inspect", tmp_path / "empty", exit_code=2).stderr
    deep = tmp_path / "deep.png"
    deep.write_bytes(EXACT["png-0-16"][0])
    run_gonogo("inspect", deep)
    run_gonogo("inspect", deep, "--bit-depth", "12", exit_code=5)


def test_command_accepts_every_real_picture(
    data_folder: Path, run_gonogo: Callable[..., subprocess.CompletedProcess[str]], say: Callable[[str], None]
) -> None:
    result = json.loads(run_gonogo("inspect", data_folder, "--json").stdout)
    say(
        f"real pictures: {result['files']} inspected, {result['ok']} ok, {result['unproven']} unproven, {result['bad']} bad"
    )
    assert result["ok"] == result["files"] == 12_621
