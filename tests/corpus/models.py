"""Small model files: pictures and rows, with and without golden inputs, every kind of layer."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from gonogo import _core

PICTURE_LAYERS: list[dict[str, Any]] = [
    {"name": "conv_1", "kind": "conv", "filters": 4, "kernel": (3, 3), "padding": (1, 1, 1, 1), "bias": False},
    {"name": "norm_1", "kind": "batch_norm"},
    {"name": "relu_1", "kind": "activation", "function": "relu"},
    {"name": "pool_1", "kind": "pool", "pool": "max", "kernel": (2, 2), "stride": (2, 2)},
    {"name": "flatten", "kind": "flatten"},
    {"name": "dropout", "kind": "dropout", "rate": 0.5},
    {"name": "logits", "kind": "dense", "units": 3},
]
ROW_LAYERS: list[dict[str, Any]] = [
    {"name": "hidden", "kind": "dense", "units": 4},
    {"name": "elu", "kind": "activation", "function": "elu", "slope": 1.0},
    {"name": "logits", "kind": "dense", "units": 1, "bias": False},
]
METADATA = {"classes": '["ok","Grat","Ri\u00df"]', "versions": '{"gonogo":"0.1.0"}', "x.note": "line 1\nline 2\t\u20ac"}


def model_files() -> dict[str, bytes]:
    """Name -> file; the golden logits are those that this machine computes."""
    rng = np.random.default_rng(3)
    files = {}
    for name, layers, shape in (("pictures", PICTURE_LAYERS, (1, 6, 8)), ("rows", ROW_LAYERS, (5, 1, 1))):
        graph = _core.Graph(layers, shape)
        parameters, states = graph.initialise("glorot_uniform", 7)
        parameters += rng.normal(0, 0.1, parameters.shape).astype(np.float32)
        states += rng.uniform(0, 0.5, states.shape).astype(np.float32)
        plain = _core.serialise_model(graph, parameters, states, {})
        files[name] = plain
        if name == "pictures":
            golden = rng.integers(0, 256, (2, 6, 8, 1), dtype=np.uint8)
            logits = _core.Classifier(plain).logits(golden)
            files["pictures-golden"] = _core.serialise_model(graph, parameters, states, METADATA, golden, logits)
        else:
            known = rng.normal(size=(3, 4)).astype(np.float32)
            files["rows-known"] = _core.serialise_model(graph, parameters, states, METADATA, None, None, known)
    return files


def with_training(file: bytes, name: str, stored: Any = None, *, kept: bool = True) -> bytes:
    """A model file whose record of the training holds something else under a name, or, ``kept`` being False, nothing."""
    parts = _core.parse_model(file)
    training = {**json.loads(parts["metadata"]["training"]), name: stored}
    if not kept:
        del training[name]
    metadata = {**parts["metadata"], "training": json.dumps(training)}
    golden = parts["golden_input"], parts["golden_logits"]
    return _core.serialise_model(parts["graph"], parts["parameters"], parts["states"], metadata, *golden)
