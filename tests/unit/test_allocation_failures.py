"""Memory that runs out at any moment: one MemoryError, nothing leaked, and what existed before still works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from gonogo import _core
from gonogo.synthetic import png

SHAPE = (1, 12, 12)
LAYERS = [
    {"name": "conv", "kind": "conv", "filters": 16, "kernel": (3, 3), "stride": (2, 2)},
    {"name": "relu", "kind": "activation", "function": "relu"},
    {"name": "pool", "kind": "pool", "pool": "max", "kernel": (2, 2), "stride": (2, 2)},
    {"name": "deep", "kind": "conv", "filters": 8, "kernel": (1, 1), "bias": False},
    {"name": "norm", "kind": "batch_norm"},
    {"name": "double", "kind": "add", "inputs": ["norm", "norm"]},
    {"name": "flat", "kind": "flatten"},
    {"name": "hidden", "kind": "dense", "units": 5},
    {"name": "drop", "kind": "dropout", "rate": 0.5},
    {"name": "classes", "kind": "dense", "units": 2},
]
PICTURES = np.arange(5 * 144, dtype=np.uint32).astype(np.uint8).reshape(5, 12, 12, 1)
TARGETS = np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 1]]
INDICES = np.arange(5, dtype=np.uint32)


@pytest.fixture(autouse=True)
def hook_off() -> Iterator[None]:
    yield
    _core.fail_nth_allocation(0)


def graph() -> _core.Graph:
    return _core.Graph(LAYERS, SHAPE)


GRAPH = graph()
PARAMETERS, STATES = GRAPH.initialise("he_normal", 1)


def model_bytes() -> bytes:
    predictor = _core.Predictor(GRAPH, 5, 1)
    predictor.load(PARAMETERS, STATES)
    return _core.serialise_model(
        GRAPH, PARAMETERS, STATES, {"x.key": "value"}, PICTURES[:3], predictor.logits(PICTURES[:3])
    )


DATA = model_bytes()
JSON = GRAPH.to_json()


def one_layer(engine: str) -> dict[str, Any]:
    inputs = [np.ones((1, 6, 6), np.float32)]
    conv = {"name": "conv", "kind": "conv", "filters": 2, "kernel": (3, 3)}
    return _core.run_layer(conv, inputs, np.ones(20, np.float32), np.ones((2, 4, 4), np.float32), engine=engine)


CALLS: dict[str, Callable[[], Any]] = {
    "graph": graph,
    "graph from JSON": lambda: _core.Graph.from_json(JSON),
    "graph to JSON": GRAPH.to_json,
    "step": lambda: _core.Step(GRAPH, (12, 12, 1), 5, {"kind": "adam"}, 2),
    "predictor": lambda: _core.Predictor(GRAPH, 5, 2),
    "parse": lambda: _core.parse_model(DATA),
    "serialise": lambda: _core.serialise_model(GRAPH, PARAMETERS, STATES, {"x.key": "value"}),
    "identity": lambda: _core.model_identity(GRAPH, PARAMETERS, STATES),
    "classifier": lambda: _core.Classifier(DATA, 5, 2),
    "one layer, reference": lambda: one_layer("ref"),
    "one layer, best": lambda: one_layer("best"),
    "gradient check": lambda: _core.gradient_check(
        {"name": "t", "kind": "activation", "function": "tanh"}, [(1, 2, 2)], 0
    ),
    "warp": lambda: _core.warp(PICTURES[0], {"blur_sigma": 1.0}, 8, 8),
    "resize": lambda: _core.resize(PICTURES[0], 5, 7),
    "enhance": lambda: _core.enhance(np.zeros((5, 6, 3), np.uint8), {"median": 5, "local_contrast": 2.0}),
    "decode regions": lambda: _core.decode_many(
        [png(np.zeros((5, 6), np.uint8))],
        np.zeros((2, 3, 3, 1), np.uint8),
        regions=np.array([[0, 0, 3, 3], [2, 3, 3, 3]], np.int32),
        rows=np.array([2], np.int32),
        enhancement={"median": 3},
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_allocation_may_fail(name):
    CALLS[name]()  # what is made once for the process
    before = _core.live_allocations()
    for nth in range(1, 2000):
        _core.fail_nth_allocation(nth)
        try:
            CALLS[name]()
            break
        except MemoryError as error:
            assert str(error)
        finally:
            _core.fail_nth_allocation(0)
        assert _core.live_allocations() == before, f"allocation {nth}"
    assert nth > 1
    assert _core.live_allocations() == before


def test_a_step_and_a_predictor_survive_exhausted_memory():
    step = _core.Step(GRAPH, (12, 12, 1), 5, {"kind": "adam"}, 2)
    step.parameters, step.states = PARAMETERS, STATES
    predictor = _core.Predictor(GRAPH, 5, 2)
    predictor.load(PARAMETERS, STATES)
    logits = predictor.logits(PICTURES)
    step.run(PICTURES, TARGETS, INDICES, learning_rate=0.1)
    expected = step.parameters
    for nth in range(1, 100):
        _core.fail_nth_allocation(nth)
        step.parameters, step.states, step.count = PARAMETERS, STATES, 0
        step.moments = [np.zeros_like(PARAMETERS)] * 2
        try:
            step.run(PICTURES, TARGETS, INDICES, learning_rate=0.1)
            found = predictor.logits(PICTURES)
            break
        except MemoryError:
            assert step.count in (0, 1)
    _core.fail_nth_allocation(0)
    np.testing.assert_array_equal(found, logits)
    np.testing.assert_array_equal(step.parameters, expected)
