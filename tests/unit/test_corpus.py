"""Good files of every kind: the pixels that were written, and those that Pillow reads."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from corpus.pictures import CORPUS, EXACT
from corpus.samples import SEED, waves
from numpy.typing import NDArray
from PIL import Image

from gonogo import _core

Report = Callable[[str, object], None]
Often = Callable[[int, int], int]
NOT_BY_PILLOW = ("tiff-turned",)  # it turns such pictures


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
    assert np.array_equal(pixels, read_by_pillow(data))


KINDS = ("PNG", "BMP", "TIFF", "JPEG")


def drawn_by_pillow(rng: random.Random, kind: str) -> bytes:
    """A valid file of random size, mode and options."""
    height, width = rng.randint(1, 70), rng.randint(1, 70)
    modes = {
        "PNG": ["L", "RGB", "I;16", "1", "P", "RGBA", "LA"],
        "BMP": ["L", "RGB", "1", "P"],
        "TIFF": ["L", "RGB", "I;16"],
    }
    mode = rng.choice(modes.get(kind, ["L", "RGB"]))
    values = np.roll(waves(height, width, 3, noise=rng.choice([0, 6, 60])), rng.randrange(width), axis=1)
    deep = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    picture = deep if mode == "I;16" else Image.fromarray(values).convert(mode)
    options: dict[str, object] = {}
    if kind == "PNG":
        options = {"compress_level": rng.randint(0, 9), "optimize": rng.random() < 0.3}
    elif kind == "JPEG":
        options = {"quality": rng.randint(20, 100), "optimize": rng.random() < 0.5, "progressive": rng.random() < 0.3}
        options |= {"subsampling": rng.randint(0, 2)} if mode == "RGB" else {}
        options |= {"restart_marker_blocks": rng.randint(1, 9)} if rng.random() < 0.3 else {}
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def read_by_pillow(data: bytes | Path) -> NDArray[np.int_]:
    with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as opened:
        if opened.mode.startswith("I;16"):
            return (np.asarray(opened).astype(int) >> 8)[..., None].repeat(3, axis=2)
        return np.asarray(opened.convert("RGB")).astype(int)


class JpegDifferences:
    """The largest ones, in levels.

    Two exact decoders may round each of Y, Cb and Cr differently by one, which is up to three levels of blue. Luma is
    compared where neither decoder had to clip a colour.
    """

    def __init__(self) -> None:
        self.files = self.grey = self.colour = 0
        self.luma = 0.0
        self.channels = np.zeros(3, int)

    def add(self, data: bytes) -> None:
        self.files += 1
        found, expected = _core.decode(data, 3).astype(int), read_by_pillow(data)
        differences = abs(found - expected)
        frame = min(at for marker in (b"\xff\xc0", b"\xff\xc1", b"\xff\xc2") if (at := data.find(marker)) >= 0)
        if data[frame + 9] == 1:
            self.grey = max(self.grey, int(differences.max()))
        elif data[frame + 11] == 0x11:
            self.colour = max(self.colour, int(differences.max()))
        else:
            inside = ((np.minimum(found, expected) > 0) & (np.maximum(found, expected) < 255)).all(axis=2)
            luma = abs((found - expected) @ np.array([0.299, 0.587, 0.114]))[inside]
            self.luma = max(self.luma, float(luma.max(initial=0)))
            self.channels = np.maximum(self.channels, differences.max(axis=(0, 1)))

    def check(self) -> None:
        assert self.grey <= 2
        assert self.colour <= 3
        assert self.luma <= 2

    def __str__(self) -> str:
        red, green, blue = self.channels
        return (
            f"{self.files} files; at most {self.grey} levels for grey, {self.colour} for 4:4:4; subsampled: luma "
            f"{self.luma:.1f}, red {red}, green {green}, blue {blue}"
        )


@pytest.mark.soak
def test_files_that_pillow_wrote_give_the_pixels_that_pillow_reads(often: Often, report_figure: Report) -> None:
    rng, differences, identical = random.Random(SEED), JpegDifferences(), 0
    for number in range(often(800, 12_000)):
        kind = KINDS[number % len(KINDS)]
        data = drawn_by_pillow(rng, kind)
        (found,) = _core.check_many([data], 1)
        # Progressive files, and BMP files that end in black.
        assert found["verdict"] == "ok" or (found["verdict"] == "unproven" and kind in ("JPEG", "BMP")), found["reason"]
        if kind == "JPEG":
            differences.add(data)
        else:
            assert np.array_equal(_core.decode(data, 3), read_by_pillow(data)), number
            identical += 1
    report_figure("PNG, BMP and TIFF against Pillow", f"{identical} files identical")
    report_figure("JPEG against Pillow", differences)
    differences.check()


@pytest.mark.soak
def test_real_pictures_give_the_pixels_that_pillow_reads(
    data_folder: Path, often: Often, report_figure: Report
) -> None:
    paths = sorted(path for path in data_folder.rglob("*") if path.suffix in (".jpeg", ".jpg"))
    count = often(200, len(paths))
    differences = JpegDifferences()
    for path in paths[:: len(paths) // count][:count]:
        differences.add(path.read_bytes())
    report_figure("real JPEGs against Pillow", differences)
    assert differences.files == count
    differences.check()


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
