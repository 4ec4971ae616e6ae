"""Inspecting and decoding files that Pillow wrote, compared with what Pillow reads from them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from gonogo import _core

pytestmark = pytest.mark.any_engine

sides = st.integers(1, 70)
seeds = st.integers(0, 2**32 - 1)
# The tolerances below are measured, so the examples are the same in every run.
quick = settings(max_examples=100, deadline=None, derandomize=True)


def picture(seed: int, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Waves with noise: neither flat nor impossible to compress."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / rng.uniform(3, 20)) * np.cos(y / rng.uniform(3, 20)) for _ in range(channels)]
    values = 127 + 100 * np.stack(waves, axis=-1) + rng.normal(0, 6, (height, width, channels))
    return np.clip(values, 0, 255).astype(np.uint8)


def image(seed: int, height: int, width: int, mode: str) -> Image.Image:
    """A picture in one of Pillow's modes; those with alpha are opaque, ``Pn`` has a palette of n colours."""
    if mode in ("L", "LA", "1"):
        return Image.fromarray(picture(seed, height, width, 1)[..., 0]).convert(mode)
    colour = Image.fromarray(picture(seed, height, width, 3))
    return colour.quantize(int(mode[1:])) if mode.startswith("P") else colour.convert(mode)


def file_of(source: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    source.save(stream, kind, **options)
    return stream.getvalue()


def read_by_pillow(data: bytes) -> NDArray[np.int32]:
    with Image.open(io.BytesIO(data)) as opened:
        return np.asarray(opened.convert("RGB")).astype(np.int32)


def luma(rgb: NDArray[Any]) -> NDArray[np.int32]:
    return (rgb.astype(np.int32) @ np.array([77, 150, 29]) + 128) >> 8


jpeg_options = st.fixed_dictionaries(
    {"quality": st.integers(20, 98), "progressive": st.booleans(), "optimize": st.booleans()},
    optional={"restart_marker_rows": st.integers(1, 3), "restart_marker_blocks": st.integers(1, 9)},
)


@quick
@given(seeds, sides, sides, jpeg_options)
def test_grey_jpeg_is_within_two_levels(seed: int, height: int, width: int, options: dict[str, Any]) -> None:
    data = file_of(image(seed, height, width, "L"), "JPEG", **options)
    found = _core.inspect(data)
    assert (found["format"], found["fault"], found["channels"]) == ("JPEG", "ok", 1)
    assert (found["height"], found["width"], found["progressive"]) == (height, width, options["progressive"])
    assert found["picture_bytes"] == len(data)
    assert np.abs(_core.decode(data, 3) - read_by_pillow(data)).max() <= 2


@quick
@given(seeds, sides, sides, jpeg_options, st.sampled_from([0, 1, 2]))
def test_colour_jpeg_keeps_its_luma_within_two_levels(
    seed: int, height: int, width: int, options: dict[str, Any], subsampling: int
) -> None:
    data = file_of(image(seed, height, width, "RGB"), "JPEG", subsampling=subsampling, **options)
    found, expected = _core.decode(data, 3), read_by_pillow(data)
    assert np.abs(luma(found) - luma(expected)).max() <= 2
    if subsampling == 0:
        # One level of difference in luma and one in a colour difference, which counts 1.772 times, add up to three.
        # Subsampled colours are interpolated differently, so only their luma is compared.
        assert np.abs(found - expected).max() <= 3
    assert np.array_equal(_core.decode(data, 1)[..., 0], luma(found))


@quick
@given(seeds, sides, sides, jpeg_options)
def test_rgb_jpeg_without_colour_conversion(seed: int, height: int, width: int, options: dict[str, Any]) -> None:
    data = file_of(image(seed, height, width, "RGB"), "JPEG", keep_rgb=True, **options)
    assert np.abs(_core.decode(data, 3) - read_by_pillow(data)).max() <= 2


@quick
@given(seeds, sides, sides, st.sampled_from(["1", "L", "LA", "RGB", "RGBA", "P2", "P5", "P16", "P200"]), st.booleans())
def test_png_is_identical(seed: int, height: int, width: int, mode: str, optimize: bool) -> None:
    data = file_of(image(seed, height, width, mode), "PNG", optimize=optimize)
    expected = read_by_pillow(data)
    assert _core.inspect(data)["fault"] == "ok"
    assert np.array_equal(_core.decode(data, 3), expected)
    assert np.array_equal(_core.decode(data, 1)[..., 0], luma(expected))


@quick
@given(seeds, sides, sides, st.sampled_from(["L", "RGB", "RGBA", "P2", "P5", "P200"]))
def test_bmp_is_identical(seed: int, height: int, width: int, mode: str) -> None:
    data = file_of(image(seed, height, width, mode), "BMP")
    assert _core.inspect(data)["fault"] == "ok"
    assert np.array_equal(_core.decode(data, 3), read_by_pillow(data))


def small_files() -> Iterator[tuple[str, bytes]]:
    for progressive in (False, True):
        for mode in ("L", "RGB"):
            name = f"{mode}{'-progressive' if progressive else ''}"
            thumbnail = b"Exif\0\0" + file_of(image(9, 8, 8, "L"), "JPEG")
            yield name, file_of(image(3, 19, 23, mode), "JPEG", progressive=progressive, exif=thumbnail)
    for mode in ("L", "RGBA", "P5"):
        yield f"{mode}-png", file_of(image(3, 9, 13, mode), "PNG")
    yield "bmp", file_of(image(3, 9, 13, "RGB"), "BMP")


SMALL_FILES = dict(small_files())


@pytest.mark.parametrize("name", SMALL_FILES)
def test_no_truncated_file_is_decoded(name: str) -> None:
    data = SMALL_FILES[name]
    whole = _core.decode(data, 3)
    assert np.array_equal(_core.decode(data + b"appended by a camera", 3), whole)
    for length in range(len(data)):
        assert _core.inspect(data[:length])["fault"] in ("empty", "truncated")
        with pytest.raises(_core.CoreError, match="copy"):
            _core.decode(data[:length], 3)


@pytest.mark.parametrize("name", ["L-png", "P5-png"])
def test_every_flipped_bit_of_a_png_is_noticed(name: str) -> None:
    data = bytearray(SMALL_FILES[name])
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        assert _core.inspect(bytes(data))["fault"] != "ok"
        data[bit // 8] ^= 1 << bit % 8


def unsupported_files() -> Iterator[tuple[str, bytes, str, str]]:
    colour, grey = image(1, 9, 9, "RGB"), image(1, 9, 9, "L")
    yield "cmyk", file_of(colour.convert("CMYK"), "JPEG"), "unsupported", "convert the picture to grey or RGB"
    yield "animation", file_of(colour, "PNG", save_all=True, append_images=[colour.rotate(90)]), "unsupported", "frame"
    yield "gif", file_of(grey, "GIF"), "unknown-format", "the content is GIF, .* save it as PNG"
    yield "compressed tiff", file_of(grey, "TIFF", compression="tiff_lzw"), "unsupported", "re-save it as PNG"
    yield "text", b"not a picture", "unknown-format", "no picture format known here"
    yield "empty", b"", "empty", "0 bytes"


@pytest.mark.parametrize(
    ("data", "fault", "reason"), [pytest.param(*rest, id=name) for name, *rest in unsupported_files()]
)
def test_what_is_not_supported_names_its_remedy(data: bytes, fault: str, reason: str) -> None:
    assert _core.inspect(data)["fault"] == fault
    with pytest.raises(_core.CoreError, match=reason) as raised:
        _core.decode(data, 1)
    assert str(raised.value) == _core.inspect(data)["reason"]


def test_transparent_pixels_are_refused() -> None:
    see_through = image(1, 9, 9, "RGBA")
    see_through.putpixel((4, 4), (1, 2, 3, 254))
    grey = image(1, 9, 9, "L")
    for data in (file_of(see_through, "PNG"), file_of(grey, "PNG", transparency=grey.getpixel((4, 4)))):
        with pytest.raises(_core.CoreError, match="without transparency"):
            _core.decode(data, 3)


def test_decode_many_reports_bad_files_and_goes_on() -> None:
    good, colour = image(1, 9, 9, "L"), image(1, 9, 9, "RGB")
    files = [file_of(good, "PNG"), b"", file_of(colour, "PNG"), file_of(good, "JPEG")[:-9], file_of(good, "BMP")]
    files.append(file_of(good, "JPEG", progressive=True))
    for threads in (1, 2):
        out = np.full((6, 9, 9, 3), 7, np.uint8)
        failures, grey, formats, readouts, doubts = _core.decode_many(files, out, threads=threads)
        assert [(index, fault) for index, fault, _, _ in failures] == [(1, "empty"), (3, "truncated")]
        assert grey.tolist() == [True, True, False, True, True, True]
        assert formats.tolist() == [[9, 9, 0], [0, 0, 0], [9, 9, 1], [0, 0, 0], [9, 9, 0], [9, 9, 0]]
        assert readouts.tolist() == [
            list(_core.measure_readout(picture)) if picture.any() else [0, 0] for picture in out
        ]
        assert not out[1].any() and not out[3].any()
        assert np.array_equal(out[0], np.asarray(good.convert("RGB")))
        assert np.array_equal(out[2], np.asarray(colour))
        assert np.array_equal(out[4], out[0])
        assert doubts == [(5, _core.inspect(files[5])["reason"])]


def real_pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp"))


def test_no_real_picture_is_refused(data_folder: Path) -> None:
    paths = real_pictures(data_folder)
    assert len(paths) > 10_000
    refused = [f"{path}: {found['reason']}" for path in paths if (found := _core.inspect(path.read_bytes()))["reason"]]
    assert refused == []


def test_real_pictures_look_as_pillow_reads_them(data_folder: Path) -> None:
    for path in real_pictures(data_folder)[::150]:
        data = path.read_bytes()
        found, expected = _core.decode(data, 3), read_by_pillow(data)
        assert np.abs(luma(found) - luma(expected)).max() <= (0 if path.suffix.lower() == ".png" else 2), path
