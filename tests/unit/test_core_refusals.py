"""The sentence that the core answers each wrong argument with: what was found and what was expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gonogo import _core

DENSE = {"name": "classes", "kind": "dense", "units": 2}
CONV = {"name": "conv", "kind": "conv", "filters": 2, "kernel": (3, 3)}
TANH = {"name": "tanh", "kind": "activation", "function": "tanh"}
ROWS = _core.Graph([DENSE], (3, 1, 1))
PARAMETERS, STATES = ROWS.initialise("he_normal", 1)
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
Y = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
PIXELS = np.zeros((4, 4, 1), np.uint8)
PICTURE = np.ones((1, 6, 6), np.float32)
THUMBNAILS = np.zeros((3, 64, 64), np.float32)
LABELS = np.arange(3, dtype=np.uint32)
NOTHING = np.zeros(0, np.float32)


def floats(*shape: int) -> Any:
    return np.ones(shape, np.float32)


def indices(*values: int) -> Any:
    return np.array(values, np.uint32)


def predict(*arguments: Any) -> Any:
    predictor = _core.Predictor(ROWS, 4, 1)
    predictor.load(PARAMETERS, STATES)
    return predictor.logits(*arguments)


def step(*arguments: Any, optimizer: dict[str, Any] | None = None, **options: Any) -> Any:
    made = _core.Step(ROWS, (3,), 4, optimizer or {"kind": "sgd"}, 1)
    made.parameters = PARAMETERS
    return made.run(*arguments, learning_rate=0.1, **options)


def run_layer(layer: dict[str, Any], inputs: Any, parameters: Any, *gradient: Any) -> Any:
    return _core.run_layer(layer, inputs, parameters, *gradient, engine="ref")


def serialise(metadata: dict[str, str], rows: int, columns: int) -> Any:
    return _core.serialise_model(ROWS, PARAMETERS, STATES, metadata, floats(4, 3), floats(rows, columns))


def decode_rows(shape: tuple[int, int]) -> Any:
    out = np.zeros((2, 4, 4, 1), np.uint8)
    return _core.decode_many([b""], out, regions=np.ones(shape, np.int32), rows=np.array([2], np.int32))


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: _core.Graph([DENSE] * 5000, (3, 1, 1)), ValueError, r"layers: found 5000, expected at most \d+"),
    (lambda: _core.Graph([{**CONV, "kernel": (3,)}], (1, 6, 6)), ValueError, "kernel: expected 2 integers, found"),
    (lambda: _core.Graph([{**DENSE, "inputs": []}], (3, 1, 1)), ValueError, "inputs: expected 1 to 2 names, found 0"),
    (lambda: _core.Graph([{**DENSE, "inputs": ["?"]}], (3, 1, 1)), ValueError, "'[?]' is not the name of an earlier"),
    (lambda: _core.Graph([{**DENSE, "name": "n" * 999}], (3, 1, 1)), ValueError, r"is longer than \d+ bytes"),
    (lambda: _core.Graph([{**DENSE, "stride": (1, 1)}], (3, 1, 1)), ValueError, "belong to 'conv' and 'pool' only"),
    (lambda: _core.Graph([{"name": "in", "kind": "input"}], (3, 1, 1)), ValueError, "kind: missing, or 'input'"),
    (lambda: _core.probabilities(floats(2, 0)), ValueError, "logits: expected at least one column"),
    (lambda: _core.cross_entropy(X, Y), ValueError, "expected as many rows as logits"),
    (lambda: _core.Predictor(ROWS, 4, -1), ValueError, r"threads: found -1, expected 0 \(one per processor\) to 256"),
    (lambda: _core.Predictor(ROWS, 4, 257), ValueError, "threads: found 257, expected 0"),
    (lambda: _core.Step(ROWS, (3,), 0, {"kind": "sgd"}), ValueError, "batch: found 0, expected at least 1"),
    (lambda: _core.Classifier(b"", 0), ValueError, "batch: found 0, expected at least 1"),
    (lambda: _core.shuffled(-1, 1), ValueError, "n: found -1, expected 0 to"),
    (lambda: _core.shuffled(3, 1, stream="deal"), ValueError, "stream: found 'deal', expected 'shuffle' or 'split'"),
    (lambda: _core.is_grey(np.zeros((4, 4, 2), np.uint8)), ValueError, "expected 1 or 3 channels .*, found 2"),
    (lambda: _core.resize(PIXELS, 3, 3, "squeeze"), ValueError, "resize_mode: found 'squeeze', expected 'pad'"),
    (lambda: _core.warp(PIXELS, {"matrix": (1, 2)}, 4, 4), ValueError, "matrix: expected 6 numbers, found 2"),
    (lambda: _core.enhance(PIXELS, {"median": 4}), ValueError, "median: found 4, expected 3 or 5"),
    (lambda: _core.enhance(PIXELS, {"local_contrast": 0.5}), ValueError, "local_contrast: found 0.5, expected 1 to"),
    (lambda: _core.enhance(PIXELS, {"gamma": "bright"}), TypeError, "gamma: expected a number, found 'bright'"),
    (lambda: _core.enhance(PIXELS, {"gamma": 11.0}), ValueError, "gamma: found 11, expected 0.1 to 10"),
    (lambda: _core.check_augmentation({"blur": (1.0,)}), ValueError, r"blur: expected a pair \(low, high\), found"),
    (lambda: decode_rows((2, 3)), ValueError, "regions, rows: expected a region"),
    (
        lambda: _core.find_siblings(floats(2, 9, 9), indices(0, 1)),
        ValueError,
        "found 9 x 9 values each, expected 64 x 64",
    ),
    (lambda: _core.find_siblings(THUMBNAILS - 1, LABELS), ValueError, "picture 0 holds a value outside 0 to 255"),
    (lambda: _core.find_siblings(THUMBNAILS, LABELS[:2]), ValueError, "labels: found 2 for 3 thumbnails"),
    (lambda: _core.find_siblings(THUMBNAILS, LABELS, neighbours=0), ValueError, "and 0 neighbours, expected"),
    (lambda: serialise({str(i): "" for i in range(999)}, 4, 2), ValueError, "metadata: found 999 entries, expected at"),
    (lambda: serialise({}, 3, 2), ValueError, r"golden_logits: expected at most \d+ rows, as many as golden_input"),
    (lambda: predict(floats(4, 2)), ValueError, "expected 3 features, found 2"),
    (lambda: predict(X, indices(0, 4)), IndexError, "indices: found 4, but there are 4 samples"),
    (lambda: step(X, Y, indices(9)), IndexError, "indices: found 9, but there are 4 samples"),
    (lambda: step(X, Y, indices(0, 1, 2, 3, 0)), ValueError, "indices: found 5, expected 1 to 4, the batch size"),
    (lambda: step(X, Y, indices(0), keys=indices(1, 2)), ValueError, "keys: expected 1 values as in indices, found 2"),
    (lambda: step(X, floats(4, 3), indices(0)), ValueError, "targets: expected 4 rows of 2 values"),
    (lambda: step(X, Y, optimizer={"kind": "best"}), ValueError, "optimizer: found 'best', expected 'sgd'"),
    (
        lambda: step(X, Y, optimizer={"kind": "adam", "nesterov": True}),
        ValueError,
        "nesterov: needs 'sgd' with momentum",
    ),
    (
        lambda: step(X * np.float32(1e30), Y * np.float32(1e30), indices(0, 1)),
        RuntimeError,
        "is not finite; lower the learning rate",
    ),
    (lambda: _core.learning_rate({"kind": "ladder"}, 1), ValueError, "schedule: found 'ladder', expected 'constant'"),
    (
        lambda: _core.learning_rate({"kind": "one_cycle", "total_steps": 9, "warmup_steps": 2}, 1),
        ValueError,
        "warmup_steps: found 2 with schedule 'one_cycle', expected 0",
    ),
    (lambda: run_layer(CONV, [], NOTHING), ValueError, "inputs: expected 1 to 2 pictures, found 0"),
    (lambda: run_layer(TANH, [floats(0, 2, 2)], NOTHING), ValueError, "inputs: found an array of 0 values"),
    (lambda: run_layer(CONV, [PICTURE], floats(3)), ValueError, "parameters: expected 20 values, found 3"),
    (lambda: run_layer(TANH, [PICTURE], NOTHING, floats(1, 2, 2)), ValueError, "output_gradient: expected the shape"),
    (lambda: run_layer({**CONV, "kernel": (9, 9)}, [PICTURE], NOTHING), ValueError, "conv"),
    (
        lambda: _core.run_layer(TANH, [PICTURE], NOTHING, engine="fast"),
        ValueError,
        "engine: found 'fast', expected 'best' or 'ref'",
    ),
]


@pytest.mark.parametrize(("call", "error", "sentence"), REFUSED, ids=[sentence for _, _, sentence in REFUSED])
def test_wrong_arguments_are_told_in_a_sentence(call: Callable[[], Any], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        call()
