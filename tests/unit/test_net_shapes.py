"""Nets of unusual shape: the same arithmetic written as another graph must give the same loss, gradients and logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from gonogo import _core

pytestmark = pytest.mark.any_engine

SIDE, CHANNELS = 4, 2
Layer = Mapping[str, Any]


def layer(name: str, kind: str, **fields: Any) -> Layer:
    return {"name": name, "kind": kind, **fields}


def data(count: int, outputs: int, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(count)
    pictures = rng.integers(0, 256, (count, shape[1], shape[2], shape[0]), dtype=np.uint8)
    return pictures, np.eye(outputs, dtype=np.float32)[rng.integers(0, outputs, count)]


def tensors(graph: _core.Graph, block: np.ndarray) -> dict[str, np.ndarray]:
    return {item["name"]: block[item["offset"] : item["offset"] + item["count"]] for item in graph.parameters}


def outcome(
    layers: Sequence[Layer],
    count: int,
    values: dict[str, np.ndarray] | None = None,
    shape: Sequence[int] = (CHANNELS, SIDE, SIDE),
):
    """Loss, gradients by name, running statistics and logits of one step on `count` pictures; parameters by name."""
    graph = _core.Graph(layers, tuple(shape))
    block, states = graph.initialise("he_uniform", 3)
    for name, part in tensors(graph, block).items():
        part[:] = (values or {}).get(name, part)
    pictures, targets = data(count, graph.outputs, shape)
    step = _core.Step(graph, (*shape[1:], shape[0]), count, {"kind": "sgd"}, 2)
    step.parameters, step.states = block, states
    loss, _, _ = step.run(pictures, targets, np.arange(count, dtype=np.uint32), learning_rate=0.1, update=False)
    gradients = tensors(graph, step.gradients)
    step.run(pictures, targets, np.arange(count, dtype=np.uint32), learning_rate=0.0)
    predictor = _core.Predictor(graph, count, 2)
    predictor.load(step.parameters, step.states)
    return loss, gradients, step.states, predictor.logits(pictures), tensors(graph, block)


def assert_equal_nets(one: Sequence[Layer], other: Sequence[Layer], count: int) -> None:
    loss, gradients, states, logits, values = outcome(one, count)
    other_loss, other_gradients, other_states, other_logits, _ = outcome(other, count, values)
    assert other_loss == pytest.approx(loss, rel=1e-5)
    assert gradients.keys() == other_gradients.keys()
    for name, gradient in gradients.items():
        np.testing.assert_allclose(other_gradients[name], gradient, rtol=1e-3, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(other_states, states, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(other_logits, logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [1, 5, 16, 33])
def test_batch_norm_after_dense_is_batch_norm_after_a_convolution_that_sees_everything(count):
    norm, last = layer("norm", "batch_norm"), layer("last", "dense", units=3)
    tanh = layer("tanh", "activation", function="tanh")
    dense = [layer("flat", "flatten"), layer("first", "dense", units=6), norm, tanh, last]
    conv = [layer("first", "conv", filters=6, kernel=(SIDE, SIDE)), norm, tanh, last]
    assert_equal_nets(dense, conv, count)


@pytest.mark.parametrize("count", [2, 20])
def test_batch_norm_may_give_the_logits(count):
    dense = [layer("flat", "flatten"), layer("first", "dense", units=3), layer("norm", "batch_norm")]
    conv = [layer("first", "conv", filters=3, kernel=(SIDE, SIDE)), layer("norm", "batch_norm")]
    assert_equal_nets(dense, conv, count)


@pytest.mark.parametrize("count", [2, 20])
def test_the_order_in_which_branches_are_listed_changes_nothing(count):
    features = CHANNELS * SIDE * SIDE
    flat, last = layer("flat", "flatten"), layer("last", "dense", units=2)
    dense = layer("dense", "dense", units=features, inputs=["flat"])
    norm, total = layer("norm", "batch_norm", inputs=["flat"]), layer("sum", "add", inputs=["dense", "norm"])
    assert_equal_nets([flat, norm, dense, total, last], [flat, dense, norm, total, last], count)


@pytest.mark.parametrize("count", [1, 20])
def test_a_layer_added_to_itself_counts_twice(count):
    head = [
        layer("conv", "conv", filters=8, kernel=(3, 3)),
        layer("flat", "flatten"),
        layer("hidden", "dense", units=6),
    ]
    twice = [layer("double", "add", inputs=["hidden", "hidden"]), layer("last", "dense", units=2)]
    again = [
        layer("copy", "dropout", rate=0.0),
        layer("double", "add", inputs=["copy", "hidden"]),
        layer("last", "dense", units=2),
    ]
    assert_equal_nets([*head, *twice], [*head, *again], count)


@pytest.mark.parametrize("count", [1, 20])
def test_logits_may_come_from_a_convolution_or_from_pooling(count):
    conv = [layer("conv", "conv", filters=3, kernel=(SIDE, SIDE))]
    pooled = [layer("conv", "conv", filters=3, kernel=(SIDE, SIDE)), layer("pool", "pool", pool="global_average")]
    assert_equal_nets(conv, pooled, count)


@pytest.mark.parametrize("count", [1, 40])
def test_a_net_without_parameters_has_a_loss(count):
    graph = _core.Graph([layer("flat", "flatten")], (3, 1, 1))
    pictures, targets = data(count, 3, (3, 1, 1))
    step = _core.Step(graph, (1, 1, 3), count, {"kind": "adam"}, 2)
    loss, correct, norm = step.run(pictures, targets, np.arange(count, dtype=np.uint32), learning_rate=0.1)
    logits = (pictures.reshape(count, 3) / np.float32(255)).astype(np.float32)
    assert (loss, correct) == (
        pytest.approx(_core.cross_entropy(logits, targets)[0], rel=1e-6),
        _core.cross_entropy(logits, targets)[1],
    )
    assert norm == 0
