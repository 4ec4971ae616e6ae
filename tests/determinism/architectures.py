"""Nets in which every layer of ``gonogo.layers`` occurs, small enough to be run many times."""

from __future__ import annotations

from typing import Any

from gonogo import layers
from gonogo.layers import Layer

ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "tanh", "sigmoid")
LAST = layers.dense("classes")

# Name -> layers, input shape (channels, height, width), classes.
ARCHITECTURES: dict[str, tuple[list[Layer], tuple[int, int, int], int]] = {
    "rows": ([layers.dense(64, activation="relu"), LAST], (13, 1, 1), 3),
    "wide rows": ([layers.dense(150), layers.activation("tanh"), layers.dropout(0.5), LAST], (700, 1, 1), 2),
    "long rows": ([layers.dense("classes", bias=False)], (5003, 1, 1), 2),
    "one output": ([layers.flatten(), layers.dense(9, bias=False, activation="elu"), LAST], (1, 9, 11), 2),
    "convolutions": (
        [
            layers.conv(32, 3, stride=2, activation="relu"),
            layers.max_pool(2),
            layers.conv(16, 3, stride=2, activation="relu"),
            layers.max_pool(2),
            layers.flatten(),
            layers.dense(40, activation="relu"),
            LAST,
        ],
        (1, 61, 57),
        2,
    ),
    "groups and gaps": (
        [
            layers.conv(24, 3, padding="same", dilation=2, groups=3, activation="gelu"),
            layers.conv(24, (3, 5), padding=(1, 2), groups=24, bias=False),
            layers.conv(7, 1, stride=(1, 2), activation="sigmoid"),
            layers.average_pool(3, stride=2, padding=1),
            layers.flatten(),
            LAST,
        ],
        (3, 17, 20),
        5,
    ),
    "sums": (
        [
            layers.conv(16, 3, padding=1, bias=False, name="first"),
            layers.batch_norm(activation="relu", name="norm"),
            layers.conv(16, 3, padding=1, bias=False),
            layers.batch_norm(name="second"),
            layers.add("norm", "second", activation="leaky_relu"),
            layers.global_average_pool(),
            LAST,
        ],
        (3, 14, 15),
        4,
    ),
    "activations": (
        [
            layers.conv(5, 2),
            *(layers.activation(name) for name in ACTIVATIONS),
            layers.global_max_pool(),
            *(layers.activation(name) for name in ACTIVATIONS),
            LAST,
        ],
        (1, 12, 12),
        3,
    ),
}


def functions_used() -> set[Any]:
    """Kinds, activations and pools that occur."""
    described = [layer for net, _, _ in ARCHITECTURES.values() for layer in net]
    used = {layer.kind for layer in described} | {layer.activation for layer in described} - {None}
    used |= {layer.options[key] for layer in described for key in ("function", "pool") if key in layer.options}
    return used
