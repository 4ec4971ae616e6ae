"""Writes golden.npz: what PyTorch computes for the nets of nets.py.

Run with torch==2.13.0 and gonogo installed: ``python tests/golden/make_golden.py``. Gradients are those of the first batch,
losses those of 50 steps of Adam from the same initial weights, augmentation and dropout off.
"""

from __future__ import annotations

from pathlib import Path

import nets
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own name for it

torch.manual_seed(0)
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


def parameters_of(graph) -> dict[str, torch.Tensor]:
    flat, _ = graph.initialise("glorot_uniform", 11)
    return {
        entry["name"]: torch.tensor(
            flat[entry["offset"] : entry["offset"] + entry["count"]].reshape(entry["shape"]), requires_grad=True
        )
        for entry in graph.parameters
    }


def casting(x: torch.Tensor, p: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    a = {}
    a["conv_1_relu"] = F.relu(F.conv2d(x, p["conv_1.weight"], p["conv_1.bias"], stride=2))
    a["pool_1"] = F.max_pool2d(a["conv_1_relu"], 2)
    a["conv_2_relu"] = F.relu(F.conv2d(a["pool_1"], p["conv_2.weight"], p["conv_2.bias"], stride=2))
    a["pool_2"] = F.max_pool2d(a["conv_2_relu"], 2)
    flat = a["pool_2"].flatten(1)
    a["dense_1_relu"] = F.relu(F.linear(flat, p["dense_1.weight"], p["dense_1.bias"]))
    a["dense_2_relu"] = F.relu(F.linear(a["dense_1_relu"], p["dense_2.weight"], p["dense_2.bias"]))
    a["dense_3"] = F.linear(a["dense_2_relu"], p["dense_3.weight"], p["dense_3.bias"])
    return a


def varied(x: torch.Tensor, p: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    a = {}
    stem = F.conv2d(x, p["stem.weight"], None, stride=2, padding=1)
    norm = F.relu(F.batch_norm(stem, None, None, p["norm.gamma"], p["norm.beta"], training=True, eps=1e-3))
    dilated = F.conv2d(norm, p["dilated.weight"], p["dilated.bias"], padding=2, dilation=2)
    total = F.leaky_relu(norm + dilated, 0.01)
    mean = F.avg_pool2d(total, 2)
    grouped = F.gelu(F.conv2d(mean, p["grouped.weight"], p["grouped.bias"], stride=2, groups=8))
    wide = torch.tanh(F.conv2d(grouped, p["wide.weight"], p["wide.bias"], padding=(0, 1)))
    most = F.max_pool2d(wide, 3, stride=2, padding=1)
    point = torch.sigmoid(F.conv2d(most, p["point.weight"], p["point.bias"]))
    hidden = F.elu(F.linear(point.mean((2, 3)), p["hidden.weight"], p["hidden.bias"]))
    a["logits"] = F.linear(hidden, p["logits.weight"], p["logits.bias"])
    return a


def casting_loss(p, x, y):
    return F.binary_cross_entropy_with_logits(casting(x, p)["dense_3"][:, 0], y.float())


def varied_loss(p, x, y):
    each = F.cross_entropy(varied(x, p)["logits"], y, reduction="none") * torch.tensor(nets.CLASS_WEIGHT)[y]
    return each.mean() + nets.L2 * (p["dilated.weight"] ** 2).sum()


class KerasAdam:
    """Adam with Keras's epsilon, added to the uncorrected root; torch.optim.Adam adds it to the corrected one."""

    def __init__(self, parameters):
        self.parameters = list(parameters)
        self.mean = [torch.zeros_like(tensor) for tensor in self.parameters]
        self.square = [torch.zeros_like(tensor) for tensor in self.parameters]
        self.count = 0

    @torch.no_grad()
    def step(self):
        self.count += 1
        rate = nets.LEARNING_RATE * (1 - 0.999**self.count) ** 0.5 / (1 - 0.9**self.count)
        for tensor, mean, square in zip(self.parameters, self.mean, self.square, strict=True):
            mean.lerp_(tensor.grad, 0.1)
            square.lerp_(tensor.grad**2, 0.001)
            tensor -= rate * mean / (square.sqrt() + nets.ADAM["epsilon"])


def golden(graph, loss_of, channels: int, classes: int) -> dict[str, np.ndarray]:
    pixels = torch.tensor(nets.pictures(channels).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))
    y = torch.tensor(nets.labels(classes))
    p = parameters_of(graph)
    optimizer = KerasAdam(p.values())
    losses, gradient = [], None
    for step in range(nets.STEPS):
        index = torch.tensor(nets.batch(step).astype(np.int64))
        for tensor in p.values():
            tensor.grad = None
        loss = loss_of(p, pixels[index], y[index])
        loss.backward()
        if gradient is None:
            parts = [p[entry["name"]].grad.clone() for entry in graph.parameters]
            # The core adds the gradient of L2 in the optimizer.
            for part, entry in zip(parts, graph.parameters, strict=True):
                if entry["name"] == "dilated.weight":
                    part -= 2 * nets.L2 * p["dilated.weight"].detach()
            gradient = torch.cat([part.flatten() for part in parts])
        optimizer.step()
        losses.append(loss.item())
    return {"gradient": gradient.numpy(), "losses": np.array(losses)}


if __name__ == "__main__":
    result = {}
    for name, graph, loss_of, channels, classes in (
        ("casting", nets.casting_graph(), casting_loss, 1, 2),
        ("varied", nets.varied_graph(), varied_loss, 3, 3),
    ):
        for key, value in golden(graph, loss_of, channels, classes).items():
            result[f"{name}_{key}"] = value
    first = torch.tensor(nets.pictures(1)[:1].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255))
    with torch.no_grad():
        for key, value in casting(first, parameters_of(nets.casting_graph())).items():
            result[f"activation_{key}"] = value[0].numpy()
    np.savez_compressed(Path(__file__).with_name("golden.npz"), **result)
