"""Gradients of every kind of layer over 50 random shapes each, by the checker that ships with the library.

The double-precision reference must agree with central differences, and the engine that would train the layer with the
double-precision reference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gonogo import _core

pytestmark = pytest.mark.any_engine

CASES = 50
REFERENCE_TOLERANCE = 1e-6  # the promise is 1e-4
ENGINE_TOLERANCE = 1e-5  # float32 sums of a few thousand products; the promise is 1e-4

Layer = dict[str, Any]
Shape = tuple[int, int, int]


def draw_shape(rng: np.random.Generator, most: int = 12) -> Shape:
    return int(rng.integers(1, 19)), int(rng.integers(1, most)), int(rng.integers(1, most))


def draw_window(rng: np.random.Generator, shape: Shape, dilated: bool) -> Layer:
    """A window that fits its padded input."""
    while True:
        kernel, stride = rng.integers(1, 6, 2), rng.integers(1, 4, 2)
        dilation = rng.integers(1, 3, 2) if dilated else np.ones(2, int)
        reach = dilation * (kernel - 1) + 1
        padding = [int(rng.integers(0, reach[side // 2])) for side in range(4)]
        if shape[1] + padding[0] + padding[1] >= reach[0] and shape[2] + padding[2] + padding[3] >= reach[1]:
            return {
                "kernel": kernel.tolist(),
                "stride": stride.tolist(),
                "padding": padding,
                "dilation": dilation.tolist(),
            }


def conv(rng: np.random.Generator) -> tuple[Layer, list[Shape]]:
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    shape = (groups * int(rng.integers(1, 9)), *draw_shape(rng)[1:])
    layer = {"filters": groups * int(rng.integers(1, 13)), "groups": groups, "bias": bool(rng.integers(2))}
    return {"kind": "conv", **layer, **draw_window(rng, shape, dilated=True)}, [shape]


def conv_in_whole_vectors(rng: np.random.Generator) -> tuple[Layer, list[Shape]]:
    """Channels and filters in multiples of 16, or one channel: what vector kernels are made for."""
    shape = (int(rng.choice([1, 16, 32])), int(rng.integers(3, 11)), int(rng.integers(3, 11)))
    window = {"kernel": (3, 3), "stride": (1, 1), "padding": [int(rng.integers(2))] * 4, "dilation": (1, 1)}
    return {"kind": "conv", "filters": int(rng.choice([16, 32])), **window}, [shape]


def dense(rng: np.random.Generator) -> tuple[Layer, list[Shape]]:
    layer = {"kind": "dense", "units": int(rng.integers(1, 90)), "bias": bool(rng.integers(2))}
    return layer, [(int(rng.integers(1, 200)), 1, 1)]


def pool(kind: str) -> Callable[[np.random.Generator], tuple[Layer, list[Shape]]]:
    def draw(rng: np.random.Generator) -> tuple[Layer, list[Shape]]:
        shape = draw_shape(rng, 20)
        window = {} if kind.startswith("global") else draw_window(rng, shape, dilated=False)
        return {"kind": "pool", "pool": kind, **window}, [shape]

    return draw


def activation(function: str) -> Callable[[np.random.Generator], tuple[Layer, list[Shape]]]:
    def draw(rng: np.random.Generator) -> tuple[Layer, list[Shape]]:
        slope = {"leaky_relu": rng.uniform(0, 1), "elu": rng.uniform(0.1, 2)}.get(function, 0.0)
        return {"kind": "activation", "function": function, "slope": float(slope)}, [draw_shape(rng)]

    return draw


def flatten(rng: np.random.Generator) -> tuple[Layer, list[Shape]]:
    return {"kind": "flatten"}, [draw_shape(rng)]


def dropout(rng: np.random.Generator) -> tuple[Layer, list[Shape]]:
    return {"kind": "dropout", "rate": float(rng.uniform(0, 0.95))}, [draw_shape(rng)]


def batch_norm(rng: np.random.Generator) -> tuple[Layer, list[Shape]]:
    return {"kind": "batch_norm", "momentum": 0.9, "epsilon": float(10 ** rng.uniform(-4, -1))}, [draw_shape(rng, 8)]


def add(rng: np.random.Generator) -> tuple[Layer, list[Shape]]:
    return {"kind": "add", "inputs": ["input_1", "input_2"]}, [draw_shape(rng)] * 2


KINDS: dict[str, Callable[[np.random.Generator], tuple[Layer, list[Shape]]]] = {
    "conv": conv,
    "conv in whole vectors": conv_in_whole_vectors,
    "dense": dense,
    **{f"{kind} pool": pool(kind) for kind in ("max", "average", "global_max", "global_average")},
    **{name: activation(name) for name in ("relu", "leaky_relu", "elu", "gelu", "tanh", "sigmoid")},
    "flatten": flatten,
    "dropout": dropout,
    "batch_norm": batch_norm,
    "add": add,
}


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_agree_over_random_shapes(kind: str) -> None:
    for case in range(CASES):
        layer, inputs = KINDS[kind](np.random.default_rng([case, sum(kind.encode())]))
        result = _core.gradient_check({"name": "layer", **layer}, inputs, case)
        described = f"{layer} on {inputs} by {result['engine']}: {result}"
        assert result["reference_error"] <= REFERENCE_TOLERANCE, described
        assert result["engine_error"] <= ENGINE_TOLERANCE, described


def test_checks_are_reproducible_and_depend_on_the_seed() -> None:
    layer = {"name": "layer", "kind": "conv", "filters": 3, "kernel": (3, 3)}
    results = [_core.gradient_check(layer, [(2, 6, 5)], seed) for seed in (1, 1, 2)]
    assert results[0] == results[1]
    assert results[0] != results[2]


@pytest.mark.parametrize(
    ("layer", "inputs", "message"),
    [
        ({"kind": "dense", "units": 3}, [(2, 2, 1)], r"layer 'a': found an input of 2x2x1, expected a row of features"),
        (
            {"kind": "conv", "filters": 1, "kernel": (4, 4)},
            [(1, 3, 9)],
            r"kernel 4x4 is larger than its padded input 3x9",
        ),
        ({"kind": "flatten"}, [(1, 100, 100)], r"found an input of 1x100x100, expected 1 to 8192 elements"),
        ({"kind": "flatten"}, [(0, 1, 1)], r"found an input of 0x1x1"),
        ({"kind": "conv", "filters": 60000, "kernel": (1, 1)}, [(8, 10, 10)], r"480000 weights and 6000000 outputs"),
    ],
)
def test_layers_that_cannot_be_checked_are_refused(layer: Layer, inputs: list[Shape], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _core.gradient_check({"name": "a", **layer}, inputs, 0)
