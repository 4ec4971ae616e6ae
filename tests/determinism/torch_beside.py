"""Results and settings of PyTorch before and after gonogo worked in the same process; the first argument is alone or beside."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import numpy as np
import torch


def results() -> dict[str, Any]:
    """Digests of a net's passes, of numbers below the normal range, and the threads in use."""
    torch.manual_seed(3)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(16 * 9 * 9, 5),
    )
    pictures = torch.rand(6, 3, 20, 20, requires_grad=True)
    logits = net(pictures)
    logits.square().mean().backward()
    tensors = [logits, pictures.grad, *(parameter.grad for parameter in net.parameters())]
    small = torch.full((1000,), 1e-38) * 1e-3
    tensors += [small, torch.rand(300, 300) @ torch.rand(300, 300)]
    digest = hashlib.sha256(b"".join(tensor.detach().numpy().tobytes() for tensor in tensors)).hexdigest()
    return {"digest": digest, "denormals": bool((small > 0).all()), "threads": torch.get_num_threads()}


def work_of_gonogo() -> None:
    import gonogo

    pictures = np.random.default_rng(0).integers(0, 255, (40, 24, 24), dtype=np.uint8)
    layers = [gonogo.layers.conv(8, 3, activation="relu"), gonogo.layers.flatten(), gonogo.layers.dense("classes")]
    classifier = gonogo.InspectionClassifier(layers, epochs=2, random_state=1, verbose=False, n_threads=2)
    classifier.fit(pictures, np.arange(40) % 2).predict(pictures)


runs = [results()]
if sys.argv[1] == "beside":
    work_of_gonogo()
    runs.append(results())
print(json.dumps(runs))
