"""A small task for the programs beside this file: pictures, a net, a training, and results as text that shows every bit.

Whoever imports it may be told ``--instruction-set NAME`` on the command line.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import InspectionClassifier, _core, layers

if "--instruction-set" in sys.argv:
    _core.set_instruction_limit(sys.argv[sys.argv.index("--instruction-set") + 1])

_NET = [
    layers.conv(8, 3, activation="relu"),
    layers.max_pool(2),
    layers.flatten(),
    layers.dropout(0.2),
    layers.dense("classes"),
]
PICTURES = np.random.default_rng(3).integers(0, 256, (64, 32, 32), dtype=np.uint8)
LABELS = np.arange(64) % 2


def untrained(epochs: int = 2, seed: int = 1) -> InspectionClassifier:
    """Return a classifier with two threads."""
    return InspectionClassifier(_NET, epochs=epochs, batch_size=16, random_state=seed, n_threads=2, verbose=False)


def trained(seed: int = 1) -> InspectionClassifier:
    """Return a classifier after a short training."""
    return untrained(seed=seed).fit(PICTURES, LABELS)


def digest(scores: NDArray[Any]) -> str:
    """Return a text that differs where one bit differs."""
    return hashlib.sha256(np.ascontiguousarray(scores)).hexdigest()[:16]


def scores(classifier: InspectionClassifier) -> str:
    """Return what the classifier says about the pictures, as a digest."""
    return digest(classifier.decision_function(PICTURES))


def new_step() -> tuple[_core.Step, Callable[[], str]]:
    """Return a step of the core and a function that runs it once and returns its weights, as a digest."""
    graph = _core.Graph(
        [
            {
                "name": "conv",
                "kind": "conv",
                "inputs": ["input"],
                "filters": 8,
                "kernel": (3, 3),
                "padding": (1, 1, 1, 1),
            },
            {"name": "flat", "kind": "flatten", "inputs": ["conv"]},
            {"name": "dense", "kind": "dense", "inputs": ["flat"], "units": 1},
        ],
        (1, 32, 32),
    )
    step = _core.Step(graph, (32, 32, 1), 64, {"kind": "adam"}, 2)
    step.parameters, step.states = graph.initialise("he_normal", 1)
    targets, indices = LABELS[:, None].astype(np.float32), np.arange(64, dtype=np.uint32)

    def run() -> str:
        step.run(PICTURES[..., None], targets, indices, learning_rate=0.001)
        return digest(step.parameters)

    return step, run
