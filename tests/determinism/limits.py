"""What one process finds out at one limit of the instruction set; run by the tests, because a process fixes its limit once.

    python limits.py LIMIT FOLDER SIDE

FOLDER holds model files and ``pictures.npz`` with pictures for each; SIDE is that of the casting net's pictures. Prints one
JSON object.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from architectures import ARCHITECTURES
from numpy.typing import NDArray

import gonogo
from gonogo import _core
from gonogo.network import ModelSpec, load_spec

NEIGHBOURS = (1, 2, 3, 7, 16, 33, 64)
Floats = NDArray[np.float32]
Score = Callable[[NDArray[Any]], Floats]


def samples_for(shape: tuple[int, int, int]) -> NDArray[Any]:
    """64 pictures, or rows where the shape is that of features."""
    generator = np.random.default_rng(list(shape))
    channels, height, width = shape
    if height == width == 1:
        return generator.normal(size=(64, channels)).astype(np.float32)
    return generator.integers(0, 256, (64, height, width, channels), dtype=np.uint8)


def scorers(graph: _core.Graph) -> Iterator[tuple[str, Score]]:
    """The ways to score: as in validation, and as a stored model with folded batch normalisation; several plans of each."""
    weights, states = graph.initialise("he_normal", 5)
    generator = np.random.default_rng(0)
    states = generator.uniform(0.5, 1.5, states.shape).astype(np.float32)
    data = _core.serialise_model(graph, weights, states, {})
    for batch, threads in ((64, 1), (64, 3), (1, 1), (7, 2), (33, 2)):
        predictor = _core.Predictor(graph, batch, threads)
        predictor.load(weights, states)
        yield f"predictor of {batch}", predictor.logits
        yield f"classifier of {batch}", _core.Classifier(data, batch, threads).logits


def neighbours(name: str, graph: _core.Graph) -> Iterator[str]:
    """Yield where a score depends on how many pictures, or which others, it was asked for with."""
    samples = samples_for(graph.input_shape)
    generator = np.random.default_rng(1)
    expected: dict[str, Floats] = {}
    for scorer, score in scorers(graph):
        alone = expected.setdefault(scorer.split()[0], score(samples))
        for count in NEIGHBOURS:
            chosen = generator.permutation(64)[:count]
            found = score(np.ascontiguousarray(samples[chosen]))
            if found.tobytes() != alone[chosen].tobytes():
                yield f"{name}, {scorer}, {count} pictures: {np.abs(found - alone[chosen]).max():g}"


def margins(logits: Floats) -> NDArray[np.float64]:
    """Score of the first class against all others; for two classes the logit."""
    wide = logits.astype(np.float64)
    return wide[:, 0] if wide.shape[1] == 1 else wide[:, 0] - np.log(np.exp(wide[:, 1:]).sum(axis=1))


def stored(folder: Path) -> dict[str, list[float]]:
    """Scores of the stored models on the stored pictures."""
    with np.load(folder / "pictures.npz") as pictures:
        return {
            name: margins(_core.Classifier((folder / f"{name}.gonogo").read_bytes()).logits(pictures[name])).tolist()
            for name in pictures.files
        }


def trained(threads: int) -> tuple[str, list[float], Floats]:
    """Digest of all that a training gives, the losses of its epochs, and its scores."""
    net, (channels, height, width), classes = ARCHITECTURES["sums"]
    generator = np.random.default_rng(4)
    labels = np.arange(43) % classes
    pictures = generator.integers(0, 160, (43, height, width, channels), dtype=np.uint8)
    pictures[np.arange(43), labels] += 95
    classifier = gonogo.InspectionClassifier(
        model=[*net[:-1], gonogo.layers.dense(12, activation="relu"), gonogo.layers.dropout(0.2), net[-1]],
        augment=gonogo.Augment(rotation=10, brightness=0.2, noise=2),
        epochs=4,
        batch_size=16,
        random_state=3,
        n_threads=threads,
        verbose=False,
    )
    classifier.fit(pictures, labels, validation_data=(pictures[:9], labels[:9]))
    scores = classifier.decision_function(pictures).astype(np.float32)
    losses = classifier.history_.history["loss"]
    kept = [classifier._file.data, np.array(losses).tobytes(), scores.tobytes()]
    return hashlib.sha256(b"".join(kept)).hexdigest(), losses, scores


def main(limit: str, folder: Path, side: int) -> None:
    _core.set_instruction_limit(limit)
    wrong: list[str] = []
    for name, (net, shape, classes) in ARCHITECTURES.items():
        wrong += neighbours(name, ModelSpec(name, tuple(net)).build(shape, classes))
    wrong += neighbours("casting_cnn", load_spec("casting_cnn").build((1, side, side), 2))
    runs = [trained(threads) for threads in (1, 2, 5, 2)]
    found = {
        "limit": _core.instruction_set(),
        "dependent": wrong,
        "digests": sorted({digest for digest, _, _ in runs}),
        "losses": runs[0][1],
        "scores": runs[0][2].ravel().tolist(),
        "stored": stored(folder),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
