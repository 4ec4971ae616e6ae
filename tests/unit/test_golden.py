"""Activations, gradients and the first losses equal those of PyTorch (dumped by tests/golden/make_golden.py)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from gonogo import _core

GOLDEN = Path(__file__).parents[1] / "golden"
spec = importlib.util.spec_from_file_location("golden_nets", GOLDEN / "nets.py")
nets = importlib.util.module_from_spec(spec)
spec.loader.exec_module(nets)

pytestmark = pytest.mark.any_engine


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "golden.npz") as file:
        return dict(file)


def start(name):
    if name == "casting":
        graph, channels, classes, weights = nets.casting_graph(), 1, 2, None
    else:
        graph, channels, classes = nets.varied_graph(), 3, 3
        weights = nets.CLASS_WEIGHT[nets.labels(3)]
    step = _core.Step(graph, (nets.SIDE, nets.SIDE, channels), nets.BATCH, nets.ADAM, 2)
    step.parameters, step.states = graph.initialise("glorot_uniform", 11)
    labels = nets.labels(classes)
    targets = labels[:, None].astype(np.float32) if classes == 2 else np.eye(3, dtype=np.float32)[labels]
    return graph, step, nets.pictures(channels), targets, weights


@pytest.mark.parametrize("name", ["casting", "varied"])
def test_every_gradient_equals_pytorchs(golden, name):
    graph, step, pixels, targets, weights = start(name)
    step.run(pixels, targets, nets.batch(0), learning_rate=0.0, weights=weights, update=False)
    gradients, expected = step.gradients, golden[f"{name}_gradient"]
    for tensor in graph.parameters:
        part = slice(tensor["offset"], tensor["offset"] + tensor["count"])
        scale = max(np.abs(expected[part]).max(), 1e-3)
        worst = np.abs(gradients[part] - expected[part]).max() / scale
        assert worst < 1e-4, f"{tensor['name']}: {worst}"


@pytest.mark.parametrize("name", ["casting", "varied"])
def test_the_first_50_losses_equal_pytorchs(golden, name):
    _, step, pixels, targets, weights = start(name)
    losses = [
        step.run(pixels, targets, nets.batch(k), learning_rate=nets.LEARNING_RATE, weights=weights)[0]
        for k in range(nets.STEPS)
    ]
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(losses, golden[f"{name}_losses"], rtol=0, atol=1e-3)


@pytest.mark.parametrize("engine", ["ref", "best"])
def test_activations_of_the_casting_net_equal_pytorchs(golden, engine):
    graph, step, pixels, _, _ = start("casting")
    flat = step.parameters
    value = _core.to_tensor(pixels[0])
    blocks = {entry["name"]: flat[entry["offset"] : entry["offset"] + entry["count"]] for entry in graph.parameters}
    described = [
        ("conv_1", {"kind": "conv", "filters": 32, "kernel": (3, 3), "stride": (2, 2)}),
        ("conv_1_relu", {"kind": "activation", "function": "relu"}),
        ("pool_1", {"kind": "pool", "pool": "max", "kernel": (2, 2), "stride": (2, 2)}),
        ("conv_2", {"kind": "conv", "filters": 16, "kernel": (3, 3), "stride": (2, 2)}),
        ("conv_2_relu", {"kind": "activation", "function": "relu"}),
        ("pool_2", {"kind": "pool", "pool": "max", "kernel": (2, 2), "stride": (2, 2)}),
        ("flatten_1", {"kind": "flatten"}),
        ("dense_1", {"kind": "dense", "units": 128}),
        ("dense_1_relu", {"kind": "activation", "function": "relu"}),
        ("dense_2", {"kind": "dense", "units": 64}),
        ("dense_2_relu", {"kind": "activation", "function": "relu"}),
        ("dense_3", {"kind": "dense", "units": 1}),
    ]
    compared = 0
    for name, layer in described:
        own = [blocks[key] for key in (f"{name}.weight", f"{name}.bias") if key in blocks]
        parameters = np.concatenate(own) if own else np.zeros(0, np.float32)
        value = _core.run_layer({"name": name, **layer}, [value], parameters, engine=engine)["output"]
        if f"activation_{name}" in golden:
            np.testing.assert_allclose(value.reshape(-1), golden[f"activation_{name}"].reshape(-1), atol=1e-4)
            compared += 1
    assert compared == 7
    predictor = _core.Predictor(graph, 4, 1)
    predictor.load(flat, step.states)
    np.testing.assert_allclose(predictor.logits(pixels[:1])[0], golden["activation_dense_3"], atol=1e-4)
