"""The two nets, the data and the recipe that are compared with PyTorch; shared by make_golden.py and the test."""

from __future__ import annotations

import numpy as np

from gonogo import _core, layers, network

SIDE = 60
IMAGES = 64
BATCH = 16
STEPS = 50
LEARNING_RATE = 5e-4
ADAM = {"kind": "adam", "epsilon": 1e-7}
CLASS_WEIGHT = np.array([0.5, 1.0, 2.0], np.float32)
L2 = 1e-3


def pictures(channels: int) -> np.ndarray:
    """Return pictures (n, side, side, channels) by integer arithmetic alone: noise over a pattern that tells the class."""
    n, y, x, c = np.indices((IMAGES, SIDE, SIDE, channels), dtype=np.uint64)
    noise = ((n * 73856093 ^ y * 19349663 ^ x * 83492791 ^ c * 2971215073) * 2654435761 >> np.uint64(16)) & np.uint64(
        127
    )
    pattern = (y * (n % np.uint64(3) + np.uint64(1)) + x * np.uint64(2)) % np.uint64(16) * np.uint64(8)
    return (noise + pattern).astype(np.uint8)


def labels(classes: int) -> np.ndarray:
    """Return the class of each picture."""
    return np.arange(IMAGES) % 3 % classes


def casting_graph() -> _core.Graph:
    """Return the casting net, small, without dropout."""
    return network.load_spec("casting_cnn").with_parameters({"dropout": 0.0}).build((1, SIDE, SIDE), 2)


def varied_graph() -> _core.Graph:
    """Return a net with every other kind of layer, three channels and three classes."""
    described = (
        layers.conv(8, 3, stride=2, padding=1, bias=False, name="stem"),
        layers.batch_norm(activation="relu", name="norm", momentum=0.9, epsilon=1e-3),
        layers.conv(8, 3, padding="same", dilation=2, l2=L2, name="dilated"),
        layers.add("norm", "dilated", activation="leaky_relu", name="sum"),
        layers.average_pool(2, name="mean"),
        layers.conv(16, 3, groups=8, stride=2, activation="gelu", name="grouped"),
        layers.conv(12, (1, 3), padding=(0, 1), activation="tanh", name="wide"),
        layers.max_pool(3, stride=2, padding=1, name="most"),
        layers.conv(10, 1, activation="sigmoid", name="point"),
        layers.global_average_pool(name="global"),
        layers.dense(16, activation="elu", name="hidden"),
        layers.dense("classes", name="logits"),
    )
    return network.ModelSpec("varied", described).build((3, SIDE, SIDE), 3)


def batch(step: int) -> np.ndarray:
    """Return the indices of a step."""
    return (np.arange(BATCH, dtype=np.uint32) + step * BATCH) % IMAGES
