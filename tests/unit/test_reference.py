"""Every layer against an independent definition in NumPy, in double precision: the reference, and the engine of choice."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gonogo import _core

pytestmark = pytest.mark.any_engine

Floats = NDArray[np.float64]
Layer = dict[str, Any]
NONE = np.zeros(0, np.float32)

engines = pytest.mark.parametrize("engine", ["ref", "best"])
shapes = st.tuples(st.integers(1, 20), st.integers(1, 12), st.integers(1, 12))
seeds = st.integers(0, 2**32 - 1)


def draw(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def run(layer: Layer, inputs: list[NDArray[np.float32]], parameters: NDArray[np.float32] = NONE, **options: Any) -> Any:
    return _core.run_layer({"name": "layer", **layer}, inputs, parameters, **options)


def assert_close(found: NDArray[np.float32], expected: Floats, tolerance: float = 1e-5) -> None:
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


@st.composite
def windows(draw_: st.DrawFn, dilated: bool) -> Layer:
    kernel = [draw_(st.integers(1, 5)) for _ in range(2)]
    dilation = [draw_(st.integers(1, 2 if dilated else 1)) for _ in range(2)]
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return {
        "kernel": kernel,
        "dilation": dilation,
        "stride": [draw_(st.integers(1, 3)) for _ in range(2)],
        "padding": [draw_(st.integers(0, reach[side // 2])) for side in range(4)],
    }


def cut(x: Floats, window: Layer, filler: float) -> Floats:
    """All windows of a picture: (channels, rows, columns, R, S)."""
    top, bottom, left, right = window["padding"]
    padded = np.pad(x, [(0, 0), (top, bottom), (left, right)], constant_values=filler)
    reach = [d * (k - 1) + 1 for d, k in zip(window["dilation"], window["kernel"], strict=True)]
    assume(padded.shape[1] >= reach[0] and padded.shape[2] >= reach[1])
    views = sliding_window_view(padded, reach, axis=(1, 2))
    steps, gaps = window["stride"], window["dilation"]
    return views[:, :: steps[0], :: steps[1], :: gaps[0], :: gaps[1]]


def convolve(x: Floats, weight: Floats, layer: Layer) -> Floats:
    groups = layer["groups"]
    parts = zip(np.split(cut(x, layer, 0.0), groups), np.split(weight, groups), strict=True)
    return np.concatenate([np.einsum("cyxrs,fcrs->fyx", part, filters) for part, filters in parts])


@engines
@given(st.data(), st.integers(1, 3), windows(dilated=True), st.booleans(), seeds)
@settings(max_examples=80, deadline=None)
def test_convolution(engine: str, data: st.DataObject, groups: int, window: Layer, bias: bool, seed: int) -> None:
    channels, filters = (groups * data.draw(st.integers(1, 17)) for _ in range(2))
    shape = (channels, data.draw(st.integers(1, 10)), data.draw(st.integers(1, 10)))
    layer = {"kind": "conv", "filters": filters, "groups": groups, "bias": bias, **window}
    x, weight = draw(seed, *shape), draw(seed, filters, channels // groups, *window["kernel"])
    offsets = draw(seed, filters) if bias else NONE
    linear = convolve(x.astype(float), weight.astype(float), layer)
    expected = linear + (offsets.astype(float)[:, None, None] if bias else 0)
    dy = draw(seed + 1, *expected.shape)
    result = run(layer, [x], np.concatenate([weight.ravel(), offsets]), output_gradient=dy, engine=engine)
    assert_close(result["output"], expected)
    # A bilinear function: the gradients with respect to x and to the weight give sum(dy * y) back.
    total, scale = float((dy * linear).sum()), 1e-5 * float(np.abs(dy * linear).sum() + 1) * math.sqrt(weight[0].size)
    assert float((result["input_gradients"][0].astype(float) * x).sum()) == pytest.approx(total, abs=scale)
    assert float(result["gradient"][: weight.size].astype(float) @ weight.ravel()) == pytest.approx(total, abs=scale)
    if bias:
        assert_close(result["gradient"][weight.size :], dy.astype(float).sum((1, 2)), 1e-5)


@engines
@given(st.integers(1, 300), st.integers(1, 70), st.booleans(), seeds)
@settings(max_examples=60, deadline=None)
def test_dense(engine: str, features: int, units: int, bias: bool, seed: int) -> None:
    x, weight = draw(seed, features, 1, 1), draw(seed, units, features)
    offsets, dy = draw(seed, units) if bias else NONE, draw(seed + 1, units, 1, 1)
    parameters = np.concatenate([weight.ravel(), offsets])
    result = run({"kind": "dense", "units": units, "bias": bias}, [x], parameters, output_gradient=dy, engine=engine)
    row, column = x.ravel().astype(float), dy.ravel().astype(float)
    assert_close(result["output"].ravel(), weight.astype(float) @ row + (offsets if bias else 0))
    assert_close(result["input_gradients"][0].ravel(), column @ weight.astype(float))
    assert_close(result["gradient"][: weight.size].reshape(units, features), np.outer(column, row))
    assert_close(result["gradient"][weight.size :], column if bias else np.zeros(0))


@engines
@pytest.mark.parametrize("kind", ["max", "average"])
@given(shapes, windows(dilated=False), seeds)
@settings(max_examples=60, deadline=None)
def test_pooling(engine: str, kind: str, shape: tuple[int, int, int], window: Layer, seed: int) -> None:
    x = draw(seed, *shape)
    parts = cut(x.astype(float), window, math.nan)
    expected = np.nanmax(parts, (3, 4)) if kind == "max" else np.nanmean(parts, (3, 4))
    assert_close(run({"kind": "pool", "pool": kind, **window}, [x], engine=engine)["output"], expected)


@engines
@given(shapes, seeds)
@settings(max_examples=30, deadline=None)
def test_global_pooling(engine: str, shape: tuple[int, int, int], seed: int) -> None:
    x = draw(seed, *shape)
    largest = run({"kind": "pool", "pool": "global_max"}, [x], engine=engine)["output"]
    average = run({"kind": "pool", "pool": "global_average"}, [x], engine=engine)["output"]
    assert_close(largest, x.astype(float).max((1, 2), keepdims=True))
    assert_close(average, x.astype(float).mean((1, 2), keepdims=True))


@engines
@given(st.tuples(st.integers(1, 18), st.integers(2, 9), st.integers(2, 9)), seeds)
@settings(max_examples=40, deadline=None)
def test_of_equal_maxima_the_first_gets_the_gradient(engine: str, shape: tuple[int, int, int], seed: int) -> None:
    x = np.random.default_rng(seed).integers(0, 3, shape).astype(np.float32)
    window = {"kernel": (2, 2), "stride": (2, 2)}
    rows, columns = shape[1] // 2, shape[2] // 2
    dy = draw(seed, shape[0], rows, columns)
    expected = np.zeros(shape)
    for c, y, column in np.ndindex(shape[0], rows, columns):
        part = x[c, 2 * y : 2 * y + 2, 2 * column : 2 * column + 2]
        r, s = np.unravel_index(int(part.argmax()), (2, 2))
        expected[c, 2 * y + r, 2 * column + s] = dy[c, y, column]
    result = run({"kind": "pool", "pool": "max", **window}, [x], output_gradient=dy, engine=engine)
    assert_close(result["input_gradients"][0], expected)


ACTIVATIONS = {
    "relu": lambda x, _: max(x, 0.0),
    "leaky_relu": lambda x, slope: x if x > 0 else slope * x,
    "elu": lambda x, slope: x if x > 0 else slope * math.expm1(x),
    "gelu": lambda x, _: x * math.erfc(-x / math.sqrt(2)) / 2,
    "tanh": lambda x, _: math.tanh(x),
    "sigmoid": lambda x, _: 1 / (1 + math.exp(-x)),
}


@engines
@pytest.mark.parametrize("function", ACTIVATIONS)
def test_activations(engine: str, function: str) -> None:
    x = np.concatenate([np.linspace(-30, 30, 601), [0.0, -0.0, 1e-6, -1e-6, 1e-30]]).astype(np.float32)
    expected = np.array([ACTIVATIONS[function](float(value), 0.25) for value in x])
    layer = {"kind": "activation", "function": function, "slope": 0.25}
    found = run(layer, [x[:, None, None]], engine=engine)["output"].ravel()
    # Exact to the last bit but for underflow; oneDNN's error function is a polynomial good to 5e-7.
    relative, absolute = (2e-7, 2.0**-126) if engine == "ref" else (2e-6, 1e-6)
    np.testing.assert_allclose(found, expected, rtol=relative, atol=absolute)


@engines
@given(shapes, seeds)
@settings(max_examples=20, deadline=None)
def test_flatten_is_in_the_order_of_channels_rows_and_columns(
    engine: str, shape: tuple[int, int, int], seed: int
) -> None:
    x = draw(seed, *shape)
    dy = draw(seed + 1, x.size, 1, 1)
    result = run({"kind": "flatten"}, [x], output_gradient=dy, engine=engine)
    np.testing.assert_array_equal(result["output"].ravel(), x.ravel())
    np.testing.assert_array_equal(result["input_gradients"][0].ravel(), dy.ravel())


@engines
@given(shapes, seeds)
@settings(max_examples=20, deadline=None)
def test_add(engine: str, shape: tuple[int, int, int], seed: int) -> None:
    a, b, dy = (draw(seed + i, *shape) for i in range(3))
    result = run({"kind": "add", "inputs": ["input_1", "input_2"]}, [a, b], output_gradient=dy, engine=engine)
    np.testing.assert_array_equal(result["output"], a + b)
    for gradient in result["input_gradients"]:
        np.testing.assert_array_equal(gradient, dy)


@engines
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_dropout_keeps_the_said_share_and_passes_gradients_through_the_same_mask(engine: str, rate: float) -> None:
    x = np.ones((16, 40, 40), np.float32)
    layer = {"kind": "dropout", "rate": rate}
    result = run(layer, [x], output_gradient=x, engine=engine, training=True, seed=3)
    kept = result["output"] != 0
    assert abs(kept.mean() - (1 - rate)) <= 4 * math.sqrt(rate * (1 - rate) / x.size)
    np.testing.assert_allclose(result["output"][kept], 1 / (1 - rate), rtol=1e-6)
    np.testing.assert_array_equal(result["output"], result["input_gradients"][0])
    again, other = (run(layer, [x], engine=engine, training=True, seed=seed)["output"] for seed in (3, 4))
    np.testing.assert_array_equal(again, result["output"])
    assert rate == 0 or (other != result["output"]).any()
    np.testing.assert_array_equal(run(layer, [x], engine=engine)["output"], x)


@given(st.integers(1, 6), st.integers(1, 5), seeds)
@settings(max_examples=60, deadline=None)
def test_cross_entropy_and_probabilities(outputs: int, rows: int, seed: int) -> None:
    logits = 4 * draw(seed, rows, outputs)
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, max(outputs, 2), rows)
    weights = rng.uniform(0, 2, rows).astype(np.float32)
    wide = logits.astype(float)
    both = np.concatenate([np.zeros((rows, 1)), wide], 1) if outputs == 1 else wide
    expected = np.exp(both - both.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(_core.probabilities(logits), expected, rtol=1e-12)
    targets = (labels[:, None] if outputs == 1 else np.eye(outputs)[labels]).astype(np.float32)
    loss, correct = _core.cross_entropy(logits, targets, weights)
    assert loss == pytest.approx(float((-np.log(expected[np.arange(rows), labels]) * weights).mean()), rel=1e-9)
    assert correct == (expected.argmax(1) == labels).sum()
    assert _core.cross_entropy(logits, targets)[1] == correct
