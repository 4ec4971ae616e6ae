"""Weights that callbacks remember, and as part of their state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gonogo.training import Trainer, Weights

_NAMES = ("parameters", "states")


def weights_state(weights: Weights | None) -> dict[str, Any]:
    """Return weights as entries of a callback's state: none where there are none."""
    return {} if weights is None else dict(zip(_NAMES, weights, strict=True))


def weights_of_state(model: Trainer, state: Mapping[str, Any]) -> Weights | None:
    """Return the weights that a state holds, None where it holds none; ``ValueError`` if they are of another net."""
    if _NAMES[0] not in state:
        return None
    kept = [np.asarray(state[name]) for name in _NAMES]
    for name, found, expected in zip(_NAMES, kept, model.get_weights(), strict=True):
        if (found.dtype, found.shape) != (expected.dtype, expected.shape):
            what = f"{found.dtype} of shape {found.shape}"
            raise ValueError(f"{name}: found {what}, expected {expected.dtype} of shape {expected.shape}")
    return kept[0], kept[1]
