"""Images per second of training; the argument is "augment" or "step"."""

import sys
import time

import numpy as np

from gonogo import _core, network
from gonogo.augment import Augment

graph = network.load_spec("casting_cnn").build((1, 300, 300), 2)
pixels = np.random.default_rng(0).integers(0, 256, (512, 300, 300, 1), dtype=np.uint8)
targets = (np.arange(512) % 2)[:, None].astype(np.float32)
step = _core.Step(graph, (300, 300, 1), 64, {"kind": "adam"}, 2)
step.parameters, step.states = graph.initialise("glorot_uniform", 0)
augment = Augment.preset("casting").core_mapping() if sys.argv[1] == "augment" else None
index = np.arange(64, dtype=np.uint32)


def run(k):
    step.run(pixels, targets, index + 64 * (k % 8), learning_rate=1e-3, augment=augment, epoch=k)


for k in range(8):
    run(k)
begun = time.perf_counter()
for k in range(48):
    run(k)
print(48 * 64 / (time.perf_counter() - begun))
