"""Resizing, warping and augmentation against independent references: Pillow, SciPy, NumPy in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from gonogo import _core

pytestmark = pytest.mark.any_engine

SCIPY_MODES = {"nearest": "nearest", "constant": "constant", "reflect": "reflect", "wrap": "grid-wrap"}
CASTING: dict[str, Any] = {
    "rotation": 360.0,
    "shift_height": 0.05,
    "shift_width": 0.05,
    "shear": 0.05,
    "zoom": (0.95, 1.05),
    "horizontal_flip": True,
    "vertical_flip": True,
    "brightness": (0.75, 1.25),
}
sides = st.integers(2, 50)
fills = st.sampled_from(sorted(SCIPY_MODES))
seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=150, deadline=None)


def picture(seed: int, height: int, width: int, channels: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def sampled(
    pixels: NDArray[np.uint8], matrix: NDArray[np.float64], shape: tuple[int, int], fill: str, fill_value: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """SciPy's warp of one channel by a 3 x 3 matrix on (row, column), and where it can be compared.

    With a constant fill the picture ends abruptly: within 1e-4 pixels of its border either value is right."""
    values = ndimage.affine_transform(
        pixels.astype(np.float64),
        matrix[:2, :2],
        matrix[:2, 2],
        shape,
        order=1,
        mode=SCIPY_MODES[fill],
        cval=fill_value,
        prefilter=False,
    )
    comparable = np.ones(shape, bool)
    if fill == "constant":
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        points = matrix[:2] @ np.stack([rows.ravel(), columns.ravel(), np.ones(rows.size)])
        ends = np.array(pixels.shape, float)[:, None] - 1
        comparable = (np.minimum(abs(points), abs(points - ends)).min(axis=0) > 1e-4).reshape(shape)
    return values, comparable


def keras_matrix(draw: dict[str, Any], height: int, width: int) -> NDArray[np.float64]:
    """ImageDataGenerator.apply_affine_transform: rotation, shift, shear, zoom about the centre, on (row, column)."""
    theta, shear = np.deg2rad(draw["rotation"]), np.deg2rad(draw["shear"])
    rotation = np.array([[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]])
    shift = np.array([[1, 0, draw["shift_y"]], [0, 1, draw["shift_x"]], [0, 0, 1]])
    sheared = np.array([[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]])
    zoom = np.diag([draw["zoom_y"], draw["zoom_x"], 1])
    to_centre = np.array([[1, 0, height / 2 - 0.5], [0, 1, width / 2 - 0.5], [0, 0, 1]])
    return to_centre @ rotation @ shift @ sheared @ zoom @ np.linalg.inv(to_centre)


@quick
@given(seed=seeds, height=sides, width=sides, fill=fills, channels=st.sampled_from([1, 3]))
def test_augmentation_is_that_of_keras(seed: int, height: int, width: int, fill: str, channels: int) -> None:
    augment = {
        "rotation": 360.0,
        "shift_height": 0.3,
        "shift_width": 0.2,
        "shear": 30.0,
        "zoom": (0.5, 2.0),
        "horizontal_flip": True,
        "vertical_flip": True,
        "brightness": (0.5, 1.5),
        "fill": fill,
        "fill_value": 31.0,
    }
    pixels = picture(seed, height, width, channels)
    draw = _core.draw_augmentation(augment, height, width, seed=seed)
    out = _core.apply_augmentation(augment, draw, pixels)
    assert out.shape == (channels, height, width)
    matrix = keras_matrix(draw, height, width)
    for channel in range(channels):
        expected, comparable = sampled(pixels[..., channel], matrix, (height, width), fill, 31.0)
        if draw["flip_horizontal"]:
            expected, comparable = expected[:, ::-1], comparable[:, ::-1]
        if draw["flip_vertical"]:
            expected, comparable = expected[::-1], comparable[::-1]
        expected = np.clip(expected * draw["brightness"], 0, 255)
        difference = abs(255.0 * out[channel] - expected)[comparable]
        assert difference.max(initial=0) < 0.01 * max(1, draw["brightness"])


@quick
@given(
    seed=seeds,
    in_size=st.tuples(sides, sides),
    out_size=st.tuples(sides, sides),
    fill=fills,
    entries=st.tuples(*[st.floats(-3, 3)] * 4),
    offsets=st.tuples(st.floats(-400, 400), st.floats(-400, 400)),
)
def test_warp_fills_as_scipy_does(
    seed: int,
    in_size: tuple[int, int],
    out_size: tuple[int, int],
    fill: str,
    entries: tuple[float, ...],
    offsets: tuple[float, float],
) -> None:
    pixels = picture(seed, *in_size)
    xx, xy, yx, yy = entries
    parameters = {"matrix": (xx, xy, offsets[0], yx, yy, offsets[1]), "fill": fill, "fill_value": 77.0}
    out = _core.warp(pixels, parameters, *out_size)
    on_rows = np.array([[yy, yx, offsets[1]], [xy, xx, offsets[0]], [0, 0, 1]])
    expected, comparable = sampled(pixels[..., 0], on_rows, out_size, fill, 77.0)
    assert abs(255.0 * out[0] - expected)[comparable].max(initial=0) < 0.01


def test_what_lies_outside_is_continued_as_named() -> None:
    pixels = np.array([[[10], [20], [30], [40]]], np.uint8)
    continued = {
        "nearest": [10, 10, 10, 10, 20, 30, 40, 40, 40, 40],
        "constant": [5, 5, 5, 10, 20, 30, 40, 5, 5, 5],
        "reflect": [30, 20, 10, 10, 20, 30, 40, 40, 30, 20],
        "wrap": [20, 30, 40, 10, 20, 30, 40, 10, 20, 30],
    }
    for fill, expected in continued.items():
        out = _core.warp(pixels, {"matrix": (1, 0, -3, 0, 1, 0), "fill": fill, "fill_value": 5.0}, 1, 10)
        np.testing.assert_allclose(255.0 * out[0, 0], expected, atol=1e-4, err_msg=fill)


@pytest.mark.parametrize("channels", [1, 3])
def test_warp_without_change_is_the_tensor_bit_by_bit(channels: int) -> None:
    pixels = picture(3, 37, 53, channels)
    tensor = _core.to_tensor(pixels)
    np.testing.assert_allclose(tensor, pixels.transpose(2, 0, 1) / 255.0, rtol=2e-7)
    for fill in SCIPY_MODES:
        assert _core.warp(pixels, {"fill": fill}, 37, 53).tobytes() == tensor.tobytes()


def test_tone_is_applied_in_the_stated_order() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    out = _core.warp(pixels, {"brightness": 1.3, "contrast": 0.7, "gamma": 1.8}, 16, 16)
    levels = np.clip((pixels[..., 0] * 1.3 - 127.5) * 0.7 + 127.5, 0, 255)
    np.testing.assert_allclose(255.0 * out[0], 255 * (levels / 255) ** 1.8, atol=0.02)


@pytest.mark.parametrize("sigma", [0.5, 1.7, 8.0])
def test_blur_is_that_of_scipy(sigma: float) -> None:
    pixels = picture(8, 41, 30)
    out = _core.warp(pixels, {"blur_sigma": sigma}, 41, 30)
    expected = ndimage.gaussian_filter(pixels[..., 0].astype(float), sigma, mode="nearest", truncate=4.0)
    np.testing.assert_allclose(255.0 * out[0], expected, atol=1e-3)


def test_draws_depend_on_the_key_alone() -> None:
    first = _core.draw_augmentation(CASTING, 300, 300, seed=7, epoch=2, sample=11)
    assert first == _core.draw_augmentation(CASTING, 300, 300, seed=7, epoch=2, sample=11)
    for other in ({"seed": 8}, {"epoch": 3}, {"sample": 12}, {"occurrence": 1}):
        key = {"seed": 7, "epoch": 2, "sample": 11, **other}
        assert _core.draw_augmentation(CASTING, 300, 300, **key)["rotation"] != first["rotation"]


@given(seed=seeds, off=st.sampled_from(sorted(CASTING)))
def test_switching_one_field_off_changes_no_other(seed: int, off: str) -> None:
    drawn = {
        "shift_height": {"shift_y"},
        "shift_width": {"shift_x"},
        "zoom": {"zoom_y", "zoom_x"},
        "horizontal_flip": {"flip_horizontal"},
        "vertical_flip": {"flip_vertical"},
    }
    full = _core.draw_augmentation(CASTING, 64, 48, seed=seed)
    less = _core.draw_augmentation({name: value for name, value in CASTING.items() if name != off}, 64, 48, seed=seed)
    assert {name for name in full if full[name] != less[name]} <= drawn.get(off, {off})


def test_rotations_are_spread_evenly() -> None:
    turns = [_core.draw_augmentation({"rotation": 180.0}, 9, 9, seed=1, sample=i)["rotation"] for i in range(4000)]
    counts, _ = np.histogram(turns, bins=8, range=(-180, 180))
    assert counts.sum() == 4000
    assert abs(counts - 500).max() < 5 * np.sqrt(500)


@pytest.mark.parametrize(
    ("augment", "field"),
    [
        ({"rotation": -3.0}, "rotation"),
        ({"shift_width": 12.0}, "shift_width"),
        ({"zoom": (1.2, 0.8)}, "zoom"),
        ({"brightness": (float("nan"), 1.0)}, "brightness"),
        ({"fill": "mirror"}, "fill"),
    ],
)
def test_impossible_augmentation_is_refused_by_name(augment: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        _core.check_augmentation(augment)


def test_matrices_that_point_too_far_are_refused() -> None:
    with pytest.raises(ValueError, match=r"pixel \(7, 0\) to x = 35000"):
        _core.warp(picture(0, 8, 8), {"matrix": (5000, 0, 0, 0, 1, 0)}, 8, 8)


def pillow(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.int16]:
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    resized = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.int16)
    return resized.reshape(height, width, pixels.shape[2])


def assert_within_one_level(resized: NDArray[np.uint8], expected: NDArray[np.int16]) -> None:
    assert resized.shape == expected.shape
    assert abs(resized.astype(np.int16) - expected).max() <= 1


resizing = settings(max_examples=200, deadline=None)
any_size = st.tuples(st.integers(1, 130), st.integers(1, 130))


@resizing
@given(seed=seeds, in_size=any_size, out_size=any_size, channels=st.sampled_from([1, 3]))
def test_stretching_is_that_of_pillow(
    seed: int, in_size: tuple[int, int], out_size: tuple[int, int], channels: int
) -> None:
    pixels = picture(seed, *in_size, channels)
    assert_within_one_level(_core.resize(pixels, *out_size, "stretch"), pillow(pixels, *out_size))


def rounded(numerator: int, denominator: int, limit: int) -> int:
    return min(max((2 * numerator + denominator) // (2 * denominator), 1), limit)


@resizing
@given(seed=seeds, in_size=any_size, out_size=any_size)
def test_padding_keeps_the_aspect_ratio_and_repeats_the_edges(
    seed: int, in_size: tuple[int, int], out_size: tuple[int, int]
) -> None:
    (h, w), (height, width) = in_size, out_size
    pixels = picture(seed, h, w, 3)
    wide = w * height >= h * width
    inner = (rounded(h * width, w, height), width) if wide else (height, rounded(w * height, h, width))
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    margins = ((top, height - inner[0] - top), (left, width - inner[1] - left), (0, 0))
    expected = np.pad(pillow(pixels, *inner), margins, mode="edge")
    assert_within_one_level(_core.resize(pixels, height, width, "pad"), expected)


@resizing
@given(seed=seeds, in_size=any_size, out_size=any_size)
def test_cropping_keeps_the_aspect_ratio_and_the_centre(
    seed: int, in_size: tuple[int, int], out_size: tuple[int, int]
) -> None:
    (h, w), (height, width) = in_size, out_size
    pixels = picture(seed, h, w)
    wide = w * height >= h * width
    part = (h, rounded(width * h, height, w)) if wide else (rounded(height * w, width, h), w)
    top, left = (h - part[0]) // 2, (w - part[1]) // 2
    cut = np.ascontiguousarray(pixels[top : top + part[0], left : left + part[1]])
    assert_within_one_level(_core.resize(pixels, height, width, "crop"), pillow(cut, height, width))
