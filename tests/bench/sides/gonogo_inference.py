"""Microseconds per picture from uint8 pixels to a logit, one thread; the argument is the batch size."""

import sys

import numpy as np
from clock import measure

from gonogo import _core, network
from gonogo.model_file import model_bytes

batch = int(sys.argv[1])
graph = network.load_spec("casting_cnn").build((1, 300, 300), 2)
pixels = np.random.default_rng(0).integers(0, 256, (batch, 300, 300, 1), dtype=np.uint8)
weights = graph.initialise("glorot_uniform", 0)
data = model_bytes(graph, weights, classes=["a", "b"], preprocess={}, training={}, golden=pixels[:1])
classifier = _core.Classifier(data, batch, 1)
measure(lambda: classifier.logits(pixels), batch)
