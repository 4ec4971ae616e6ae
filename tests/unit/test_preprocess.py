"""Preprocess: the arithmetic against a plain definition, and the same pixels wherever pictures are read."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import gonogo as gg
from gonogo import _core, layers
from gonogo.model_file import read_model
from gonogo.synthetic import png

mpl.use("Agg")

Run = Callable[..., subprocess.CompletedProcess[str]]
Pixels = NDArray[np.uint8]

sides = st.integers(1, 40)
channels = st.sampled_from([1, 3])


def picture(seed: int, height: int, width: int, depth: int) -> Pixels:
    """Noise on a ramp, in few or many levels, so that cells have steep and flat histograms."""
    rng = np.random.default_rng(seed)
    spread = int(rng.integers(1, 128))
    ramp = np.linspace(0, rng.integers(1, 200), width)[None, :, None]
    return np.clip(ramp + rng.integers(0, spread, (height, width, depth)), 0, 255).astype(np.uint8)


# --- the definition, without regard to speed


def median_of(pixels: Pixels, side: int) -> Pixels:
    radius = side // 2
    padded = np.pad(pixels, ((radius, radius), (radius, radius), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))
    return np.median(windows.reshape(*pixels.shape, -1), axis=-1).astype(np.uint8)


def luma(pixels: Pixels) -> NDArray[np.int64]:
    if pixels.shape[2] == 1:
        return pixels[:, :, 0].astype(np.int64)
    return (pixels.astype(np.int64) @ np.array([77, 150, 29]) + 128) >> 8


def curve_of(levels: NDArray[np.int64], limit: float) -> list[int]:
    """Zuiderveld's cut histogram, summed up: the new level of each level in one cell."""
    counts = np.bincount(levels.ravel(), minlength=256).tolist()
    most = max(1, math.floor(limit * levels.size / 256))
    excess = sum(max(0, count - most) for count in counts)
    counts = [min(count, most) + excess // 256 for count in counts]
    rest = excess % 256
    for level in range(0, 256, max(1, 256 // rest) if rest else 256):
        if rest > 0:
            counts[level] += 1
            rest -= 1
    return [(2 * 255 * reached + levels.size) // (2 * levels.size) for reached in np.cumsum(counts).tolist()]


def places(side: int, cells: int) -> list[tuple[int, int, int]]:
    """For each pixel the cells whose centres lie before and after it, and the weight of the latter in 1/256."""
    found = []
    for pixel in range(side):
        before, part = divmod((2 * pixel + 1) * cells - side, 2 * side)
        weight = (part * 256 + side) // (2 * side)
        found.append((max(before, 0), min(before + 1, cells - 1), weight))
    return found


def equalised(pixels: Pixels, limit: float) -> Pixels:
    height, width = pixels.shape[:2]
    rows, columns = min(8, height), min(8, width)
    levels = luma(pixels)
    tops = [row * height // rows for row in range(rows + 1)]
    lefts = [column * width // columns for column in range(columns + 1)]
    curves = [
        [curve_of(levels[tops[i] : tops[i + 1], lefts[k] : lefts[k + 1]], limit) for k in range(columns)]
        for i in range(rows)
    ]
    result = np.empty_like(pixels)
    for y, (upper, lower, down) in enumerate(places(height, rows)):
        for x, (left, right, across) in enumerate(places(width, columns)):
            level = int(levels[y, x])
            above = (256 - across) * curves[upper][left][level] + across * curves[upper][right][level]
            below = (256 - across) * curves[lower][left][level] + across * curves[lower][right][level]
            new = ((256 - down) * above + down * below + 32768) >> 16
            result[y, x] = np.clip(pixels[y, x].astype(int) + new - level, 0, 255)
    return result


def with_gamma(pixels: Pixels, gamma: float) -> Pixels:
    return np.array([math.floor(255 * (level / 255) ** gamma + 0.5) for level in range(256)], np.uint8)[pixels]


# --- arithmetic


@pytest.mark.any_engine
@settings(max_examples=60)
@given(st.integers(0, 2**32), sides, sides, channels, st.sampled_from([3, 5]))
def test_the_median_is_that_of_numpy(seed: int, height: int, width: int, depth: int, side: int) -> None:
    pixels = picture(seed, height, width, depth)
    np.testing.assert_array_equal(gg.Preprocess(median=side).apply(pixels), median_of(pixels, side))


@pytest.mark.any_engine
@settings(max_examples=40)
@given(st.integers(0, 2**32), sides, sides, channels, st.floats(1, 256))
def test_local_contrast_is_its_definition(seed: int, height: int, width: int, depth: int, limit: float) -> None:
    pixels = picture(seed, height, width, depth)
    np.testing.assert_array_equal(gg.Preprocess(local_contrast=limit).apply(pixels), equalised(pixels, limit))


@settings(max_examples=60)
@given(st.floats(0.1, 10))
def test_gamma_is_a_table_of_rounded_levels(gamma: float) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    found, exact = gg.Preprocess(gamma=gamma).apply(levels), 255 * (levels / 255.0) ** gamma
    tie = np.abs(exact - np.floor(exact) - 0.5) < 1e-9
    np.testing.assert_array_equal(found[~tie], with_gamma(levels, gamma)[~tie])


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(8, 40), st.integers(8, 40), channels)
def test_the_steps_come_in_their_order(seed: int, height: int, width: int, depth: int) -> None:
    pixels = picture(seed, height, width, depth)
    everything = gg.Preprocess(roi=(1, 2, height - 3, width - 3), median=3, local_contrast=3.0, gamma=0.5)
    part = _core.resize(np.ascontiguousarray(pixels[1 : height - 2, 2 : width - 1]), 9, 7, "crop")
    expected = with_gamma(equalised(median_of(part, 3), 3.0), 0.5)
    np.testing.assert_array_equal(everything.apply(pixels, image_size=(9, 7), resize_mode="crop"), expected)


def test_local_contrast_shows_a_faint_mark_on_a_dark_part() -> None:
    part = np.tile(np.arange(40, 60, dtype=np.uint8), (80, 4))
    part[30:34, 30:34] += 6
    before = float(part[30:34, 30:34].mean() - part[40:44, 30:34].mean())
    after = gg.Preprocess(local_contrast=4.0).apply(part)
    assert float(after[30:34, 30:34].mean() - after[40:44, 30:34].mean()) > 2 * before


# --- regions, as the core sees them


FILE = png(np.arange(48, dtype=np.uint8).reshape(6, 8))


@pytest.mark.parametrize(
    ("regions", "rows"),
    [
        (np.zeros((1, 4), np.int32), None),
        (None, np.ones(1, np.int32)),
        (np.zeros((2, 4), np.int32), np.ones(1, np.int32)),
        (np.zeros((1, 4), np.int32), np.full(1, 2, np.int32)),
        (np.zeros((1, 4), np.int32), np.zeros(1, np.int32)),
        (np.zeros((1, 4), np.int32), np.ones(2, np.int32)),
        (np.zeros((1, 3), np.int32), np.ones(1, np.int32)),
        (np.zeros((1, 4), np.int64), np.ones(1, np.int32)),
    ],
)
def test_regions_that_do_not_fit_the_rows_are_refused(regions: Any, rows: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"regions|rows|out: has room"):
        _core.decode_many([FILE], np.zeros((1, 4, 4, 1), np.uint8), regions=regions, rows=rows)


@pytest.mark.parametrize(
    "region",
    [(-1, 0, 2, 2), (0, -1, 2, 2), (5, 0, 2, 2), (0, 7, 2, 2), (0, 0, 0, 2), (0, 0, 2, -1), (1, 1, 2**31 - 1, 1)],
)
def test_no_region_reaches_outside_of_a_picture(region: tuple[int, ...]) -> None:
    out = np.full((2, 2, 2, 1), 9, np.uint8)
    regions = np.array([(0, 0, 2, 2), region], np.int32)
    failures, _, _, _, _ = _core.decode_many([FILE], out, regions=regions, rows=np.array([2], np.int32))
    assert [failure[1] for failure in failures] == ["image-too-small"]
    assert not out.any()


# --- fields


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"roi": (0, 0, 5)}, r"roi: found \(0, 0, 5\), expected \(top, left, height, width\)"),
        ({"roi": (0, -1, 5, 5)}, "roi: found"),
        ({"roi": (0, 0, 0, 5)}, "roi: found"),
        ({"roi": (0, 0, 5.0, 5)}, "roi: found"),
        ({"roi": (2**31, 0, 5, 5)}, "roi: found"),
        ({"roi": "left"}, "roi: found"),
        ({"median": 4}, "median: found 4, expected 3 or 5"),
        ({"median": 3.0}, "median: found 3.0"),
        ({"median": True}, "median: found True"),
        ({"local_contrast": 0.5}, "local_contrast: found 0.5, expected 1 to 256"),
        ({"local_contrast": True}, "local_contrast: found True"),
        ({"local_contrast": 0}, "local_contrast: found 0"),
        ({"local_contrast": math.nan}, "local_contrast: found nan"),
        ({"gamma": 11}, "gamma: found 11, expected 0.1 to 10"),
        ({"gamma": "dark"}, "gamma: found 'dark'"),
        ({"sharpen": 1}, "unknown key 'sharpen'"),
    ],
)
def test_fields_that_make_no_sense_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=f"preprocess: {words}"):
        gg.Preprocess.from_dict(fields)


def test_what_is_no_mapping_or_no_toml_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="preprocess: found 3, expected a mapping of gamma, local_contrast, median, roi"
    ):
        gg.Preprocess.from_dict(3)  # type: ignore[arg-type]
    for content in (b"gamma 2", b"\xff\xfe"):
        (tmp_path / "work.toml").write_bytes(content)
        with pytest.raises(ValueError, match=r"work\.toml: not a TOML file: "):
            gg.Preprocess.from_file(tmp_path / "work.toml")


@given(
    st.none() | st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(1, 99), st.integers(1, 99)),
    st.none() | st.floats(1, 256),
    st.sampled_from([None, 3, 5]),
    st.none() | st.floats(0.1, 10),
)
def test_what_a_dict_says_comes_back(roi: Any, contrast: float | None, median: int | None, gamma: float | None) -> None:
    made = gg.Preprocess(roi=roi, local_contrast=contrast, median=median, gamma=gamma)
    assert gg.Preprocess.from_dict(made.to_dict()) == made
    assert eval(repr(made), {"Preprocess": gg.Preprocess}) == made


def test_a_region_that_the_picture_does_not_hold_is_refused() -> None:
    with pytest.raises(ValueError, match=r"found 6x8 pixels .*do not hold roi=\(2, 0, 5, 8\)"):
        gg.Preprocess(roi=(2, 0, 5, 8)).apply(np.zeros((6, 8), np.uint8))
    with pytest.raises(TypeError, match="image: found float64"):
        gg.Preprocess().apply(np.zeros((6, 8)))  # type: ignore[arg-type]


# --- from files to the model


def lay(root: Path, count: int = 4, colour: bool = False) -> Path:
    """Pictures of two classes and several sizes, at least 20 x 24."""
    for label in ("bad", "ok"):
        (root / label).mkdir(parents=True)
        for i in range(count):
            pixels = picture(7 * i + len(label), 20 + i, 24 + 2 * i, 3 if colour else 1)
            Image.fromarray(pixels if colour else pixels[:, :, 0]).save(root / label / f"{i}.png")
    return root


WORK = gg.Preprocess(roi=(1, 2, 18, 20), local_contrast=2.0, median=3, gamma=0.7)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("size", [None, (10, 12)])
def test_a_dataset_holds_what_apply_shows(tmp_path: Path, colour: bool, size: tuple[int, int] | None) -> None:
    root = lay(tmp_path / "parts", colour=colour)
    data = gg.Dataset.from_folder(root, image_size=size, preprocess=WORK)
    assert data.image_size == (size or (18, 20))
    assert data.paths is not None
    for path, pixels in zip(data.paths, data.images, strict=True):
        stored = np.asarray(Image.open(path))
        expected = WORK.apply(stored, image_size=size)
        np.testing.assert_array_equal(pixels, expected.reshape(pixels.shape))
    for threads in (1, 3):
        again = gg.Dataset.from_folder(root, image_size=size, preprocess=WORK, threads=threads)
        np.testing.assert_array_equal(again.images, data.images)


def test_a_picture_smaller_than_the_region_is_a_bad_file_with_its_name(tmp_path: Path) -> None:
    root = lay(tmp_path / "parts")
    wide = gg.Preprocess(roi=(0, 0, 20, 26))
    with pytest.raises(gg.DecodeError, match=r"0\.png: the picture has 20 x 24 pixels.*region of 20 x 26") as caught:
        gg.Dataset.from_folder(root, preprocess=wide)
    assert caught.value.fault == "image-too-small"
    data = gg.Dataset.from_folder(root, preprocess=wide, on_bad="skip")
    assert sorted({error.path.name for error in data.bad_files}) == ["0.png"]
    assert len(data) == 6


def test_colour_outside_of_the_region_is_not_seen(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        pixels = np.repeat(picture(1, 10, 10, 1), 3, axis=2)
        pixels[0, 0] = (255, 0, 0)
        Image.fromarray(pixels).save(tmp_path / label / "0.png")
    assert gg.Dataset.from_folder(tmp_path).color_mode == "rgb"
    assert gg.Dataset.from_folder(tmp_path, preprocess=gg.Preprocess(roi=(1, 0, 9, 10))).color_mode == "grayscale"


def test_a_model_preprocesses_files_and_takes_pixels_as_they_are(tmp_path: Path) -> None:
    root = lay(tmp_path / "parts")
    data, plain = gg.Dataset.from_folder(root, preprocess=WORK), gg.Dataset.from_folder(root, image_size=(18, 20))
    clf = gg.InspectionClassifier([layers.flatten(), layers.dense("classes")], epochs=2, random_state=1, verbose=False)
    clf.fit(data, validation_data=data)
    loaded = gg.load(clf.save(tmp_path / "m.gonogo"))
    assert data.paths is not None
    np.testing.assert_array_equal(loaded.predict_proba(data.paths), clf.predict_proba(data.images))
    np.testing.assert_array_equal(loaded.predict_proba(data), clf.predict_proba(data.images))
    with pytest.raises(
        ValueError, match=r"X: the pictures were read with preprocess None, expected .*'roi': \[1, 2, 18, 20\]"
    ):
        loaded.predict(plain)
    with pytest.raises(ValueError, match="validation_data: the pictures were read with preprocess None"):
        clf.fit(data, validation_data=plain)


def test_a_preprocess_that_does_nothing_is_none(tmp_path: Path) -> None:
    data = gg.Dataset.from_folder(lay(tmp_path / "parts"), image_size=(8, 8), preprocess=gg.Preprocess())
    assert data.decoding.preprocess is None
    with pytest.raises(TypeError, match="preprocess: found 'clahe', expected"):
        gg.Dataset.from_folder(tmp_path / "parts", preprocess="clahe")  # type: ignore[arg-type]


def test_commands_preprocess(tmp_path: Path, small_net: Path, run_gonogo: Run, gonogo_json: Callable[..., Any]) -> None:
    root, recipe, out = lay(tmp_path / "parts"), tmp_path / "work.toml", tmp_path / "m.gonogo"
    recipe.write_text("roi = [1, 2, 18, 20]\nlocal_contrast = 2.0\nmedian = 3\ngamma = 0.7\n")
    run_gonogo("train", root, "--preprocess", recipe, "--model", small_net, "--epochs", "1", "--out", out)
    assert read_model(out).decoding.preprocess == WORK
    assert gonogo_json("info", out)["input"]["preprocess"] == WORK.to_dict()
    rows = gonogo_json("predict", out, root / "bad")["rows"]
    expected = gg.load(out).predict_proba(gg.Dataset.from_folder(root, preprocess=WORK))[: len(rows)]
    np.testing.assert_array_equal([list(row["probabilities"].values()) for row in rows], expected)
    assert gonogo_json("evaluate", out, root)["n"] == 8
    recipe.write_text("median = 2\n")
    refused = run_gonogo("train", root, "--preprocess", recipe, "--out", out, exit_code=2)
    assert "work.toml: median: found 2, expected 3 or 5" in refused.stderr


def test_a_preview_shows_before_and_after() -> None:
    before, after = WORK.preview(picture(0, 30, 40, 3))
    assert (before.get_title(), after.get_title()) == ("before, 30 x 40 pixels", "after, 18 x 20 pixels")
    assert len(before.patches) == 1
    before, after = gg.Preprocess(gamma=2.0).preview(picture(0, 30, 40, 1)[:, :, 0])
    assert len(before.patches) == 0
    mpl.pyplot.close("all")
