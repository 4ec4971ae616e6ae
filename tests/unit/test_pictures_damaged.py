"""What becomes of the corpus when it is damaged: refused, or the same pixels."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from corpus.jpeg import jpeg
from corpus.pictures import BASELINE, CORPUS, EXACT, PROGRESSIVE, damaged_twins
from corpus.png import chunk
from corpus.samples import SEED, Pixels
from PIL import Image

from gonogo import _core

Report = Callable[[str, object], None]
Often = Callable[[int, int], int]


def whole(data: bytes) -> Pixels | None:
    """The pixels, None where the file is refused."""
    try:
        return _core.decode(data, 3)
    except _core.CoreError:
        return None


def test_truncated_files_are_refused_or_unchanged(report_figure: Report) -> None:
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
    report_figure(
        f"truncations of {len(CORPUS)} files", f"{refused} refused, {same} pixel-identical, {other} with other pixels"
    )
    assert other == 0
    assert refused > 10_000


def test_truncated_jpegs_with_an_end_marker_are_refused(report_figure: Report) -> None:
    """A truncated file that some tool finished with an end marker, so that its structure is whole."""
    refused = other = 0
    for data in BASELINE.values():
        pixels = whole(data)
        start = data.rindex(b"\xff\xda") + 2
        for length in range(start, len(data) - 2):
            found = whole(data[:length] + b"\xff\xd9")
            refused += found is None
            other += found is not None and not np.array_equal(found, pixels)
    report_figure(
        f"truncations of {len(BASELINE)} baseline JPEGs, end marker added",
        f"{refused} refused, {other} with other pixels",
    )
    assert other == 0


def test_every_flipped_bit_of_a_png_is_refused(report_figure: Report) -> None:
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
    report_figure("single-bit flips of PNG files", f"{refused} refused, {accepted} accepted")
    assert accepted == 0
    assert refused > 10_000


def structure_of(data: bytes) -> Iterable[int]:
    """The bytes of headers, directory and lists. The palette of a BMP has colours, as pixels have."""
    if data[:2] == b"BM":
        (header_bytes,) = struct.unpack_from("<I", data, 14)
        return range(14 + header_bytes + (12 if header_bytes == 40 and data[30] == 3 else 0))
    (directory,) = struct.unpack_from("<I" if data[:2] == b"II" else ">I", data, 4)
    with Image.open(io.BytesIO(data)) as picture:
        first = picture.tag_v2[273][0]
    return [*range(8), *range(directory, len(data))] if directory > first else range(first)


# What nothing else in such a file tells of, with the number of flips: whether 0 is black or white (grey TIFF of 8 bits); where
# pixels begin behind bytes that nobody uses; that a palette follows a header of version 5 and not 4; how many bits a pixel has
# where a BMP states no size, or none but that of the file with a profile.
UNTOLD = {
    **{name: 1 for name in EXACT if name.startswith("tiff") and "1x16" not in name and "3x8" not in name},
    "tiff-page": 2, "tiff-thumbnail": 2, "bmp-1-v5": 3, "bmp-4-v5": 2, "bmp-8-v5": 2,
    "bmp-sizes-none": 1, "bmp-sizes-of-headers": 1, "bmp-sizes-profile": 6,
}  # fmt: skip


def test_flipped_bits_of_headers_and_directories_do_not_pass_with_other_pixels(report_figure: Report) -> None:
    """At the same size: a picture of another size is seen as such."""
    counts = {"refused": 0, "pixel-identical": 0, "another size": 0, "other pixels": 0}
    for name, (data, pixels) in EXACT.items():
        if name.startswith("png"):
            continue
        changed, other = bytearray(data), 0
        for bit in (8 * at + i for at in structure_of(data) for i in range(8)):
            changed[bit // 8] ^= 1 << bit % 8
            found = whole(bytes(changed))
            changed[bit // 8] ^= 1 << bit % 8
            if found is None:
                counts["refused"] += 1
            elif found.shape != pixels.shape:
                counts["another size"] += 1
            elif np.array_equal(found, pixels):
                counts["pixel-identical"] += 1
            else:
                other += 1
        counts["other pixels"] += other
        assert other <= UNTOLD.get(name, 0), name
    report_figure(
        "single-bit flips of TIFF and BMP headers, directories and lists",
        ", ".join(f"{count} {what}" for what, count in counts.items()),
    )
    assert counts["refused"] > 10_000


def large_jpegs() -> list[bytes]:
    options = [
        ("L", {"quality": 85}), ("L", {"quality": 95, "optimize": True}), ("L", {"restart_marker_blocks": 7}),
        ("RGB", {"subsampling": 0}), ("RGB", {"subsampling": 2, "optimize": True}), ("RGB", {"restart_marker_rows": 1}),
    ]  # fmt: skip
    return [jpeg(150, 210, mode, **rest) for mode, rest in options]  # type: ignore[arg-type]


def test_baseline_jpegs_that_lost_their_middle_are_refused(report_figure: Report) -> None:
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
    report_figure(
        "baseline JPEGs without their middle", f"{counts['lost']} lost, {counts['zeroed']} zeroed, {accepted} accepted"
    )
    assert accepted == 0


# What a baseline JPEG cannot hide. Changed bits, and a few bytes lost in the middle, can by chance leave a valid file.
LOSSES = ("cut", "cut-and-ended", "beginning-lost", "half-twice")


@pytest.mark.soak
def test_damaged_twins_do_not_pass_with_other_pixels(often: Often, report_figure: Report) -> None:
    """PNG proves all of its bytes, a baseline JPEG that nothing is missing."""
    counts = {"refused": 0, "pixel-identical": 0, "other pixels": 0}
    for name, data in CORPUS.items():
        if not (png := name.startswith("png")) and name not in BASELINE:
            continue
        pixels = whole(data)
        for seed in range(often(20, 400)):
            for what, twin in damaged_twins(data, seed):
                found = whole(twin)
                if found is None:
                    counts["refused"] += 1
                elif np.array_equal(found, pixels):
                    counts["pixel-identical"] += 1
                elif png or what in LOSSES:
                    counts["other pixels"] += 1
    report_figure("damaged twins", ", ".join(f"{count} {what}" for what, count in counts.items()))
    assert counts["other pixels"] == 0


def test_progressive_jpegs_that_lost_their_middle_are_refused(report_figure: Report) -> None:
    """Every scan is followed to its last block before a sample is rebuilt."""
    rng = random.Random(SEED)
    lost = accepted = 0
    for mode, options in (("L", {}), ("RGB", {"subsampling": 0}), ("RGB", {"restart_marker_rows": 2})):
        data = jpeg(150, 210, mode, quality=90, progressive=True, **options)
        start, end = data.index(b"\xff\xda") + 14, len(data) - 2
        for _ in range(400):
            size = rng.randint(256, (end - start) // 2)
            at = rng.randint(start, end - size)
            lost += 1
            accepted += whole(data[:at] + data[at + size :]) is not None
    report_figure("progressive JPEGs without their middle", f"{lost} lost, {accepted} accepted")
    assert accepted == 0


def test_flipped_bits_of_progressive_jpegs_change_no_size_and_mostly_are_refused(report_figure: Report) -> None:
    """No checksum tells of a changed bit; that codes, runs and blocks no longer add up does in most cases."""
    counts = {"refused": 0, "pixel-identical": 0, "other pixels": 0}
    for data in PROGRESSIVE.values():
        pixels = whole(data)
        assert pixels is not None
        changed = bytearray(data)
        for bit in range(8 * data.index(b"\xff\xc4"), 8 * len(data)):
            changed[bit // 8] ^= 1 << bit % 8
            found = whole(bytes(changed))
            if found is not None:
                assert found.shape == pixels.shape
            same = found is not None and np.array_equal(found, pixels)
            counts["refused" if found is None else "pixel-identical" if same else "other pixels"] += 1
            changed[bit // 8] ^= 1 << bit % 8
    report_figure(
        "single-bit flips of progressive JPEGs", ", ".join(f"{count} {what}" for what, count in counts.items())
    )
    assert counts["refused"] > counts["other pixels"]


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that promise much, or inflate to more than they promise."""
    row, zeros = 1 + 7000 * 3, zlib.compress(bytes(60_000_000), 9)
    for interlaced in (0, 1):
        yield f"png-too-few-{interlaced}", png_of(7000, 7000, 2, zlib.compress(bytes(row)), interlaced)
        yield f"png-too-many-{interlaced}", png_of(64, 64, 2, zeros, interlaced)
    yield "png-side", png_of(16_385, 1, 0, zlib.compress(bytes(16_386)), 0)
    yield "png-area", png_of(16_000, 16_000, 0, zeros, 0)
    grey = BASELINE["grey"]
    at = grey.index(b"\xff\xc0") + 5
    for height, width in ((7000, 7000), (65_535, 65_535), (16_384, 3000)):
        yield f"jpeg-{height}", grey[:at] + struct.pack(">HH", height, width) + grey[at + 4 :]
    for name, at in (("grey-progressive", 5), ("colour-progressive", 5)):
        data = PROGRESSIVE[name]
        at += data.index(b"\xff\xc2")
        yield f"jpeg-{name}", data[:at] + struct.pack(">HH", 7000, 7000) + data[at + 4 :]
    for name in ("bmp-24-40", "bmp-1", "bmp-32"):
        data = EXACT[name][0]
        yield name, data[:18] + struct.pack("<ii", 7000, 7000) + data[26:]


def png_of(height: int, width: int, colour_type: int, stream: bytes, interlaced: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, interlaced)
    chunks = [(b"IHDR", header), (b"IDAT", stream), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*item) for item in chunks)


DECODE_ONE = """
import resource, sys, time
from pathlib import Path
from gonogo import _core
data = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
used = time.process_time()
try:
    _core.decode(data, 3)
    print("accepted")
except _core.CoreError as error:
    print("refused")
print(1000 * (time.process_time() - used))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.soak
def test_bombs_are_refused_without_much_memory(
    run_small: Callable[..., str], tmp_path: Path, often: Often, report_figure: Report
) -> None:
    slowest = largest = 0.0
    for name, data in bombs():
        path = tmp_path / name
        path.write_bytes(data)
        said, milliseconds, mebibytes = run_small(DECODE_ONE, path).split()
        assert said == "refused", name
        assert float(mebibytes) < 64, name
        assert float(milliseconds) < often(10**6, 50), name  # of processor time, and not in make test
        slowest, largest = max(slowest, float(milliseconds)), max(largest, float(mebibytes))
    report_figure("bombs", f"all refused, {largest:.0f} MiB and {slowest:.1f} ms of processor time at most")
