"""Layers as plain descriptions: what a model is made of, without sizes that come from the data.

A model is a list of these. Each layer reads the one before it unless ``inputs`` names others. Numbers may be given as the
name of a model parameter (``rate="dropout"``), and the units of the last dense layer as ``"classes"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Pair = int | tuple[int, int]
Number = float | str

# Not worth showing: what the functions below do when nothing else is said.
_NEUTRAL = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True, "l2": 0.0}


@dataclass(frozen=True, repr=False)
class Layer:
    """One layer. Make layers with the functions of this module.

    Attributes
    ----------
    kind : str
        Kind in the compiled core, such as ``"conv"``.
    options : dict
        Its fields; texts stand for model parameters.
    name : str or None
        Unique name; made from the kind when None.
    inputs : tuple of str
        Names of earlier layers; empty: the layer before.
    activation : str or None
        Activation applied to the output, a layer of its own in the graph.
    """

    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    inputs: tuple[str, ...] = ()
    activation: str | None = None

    def __repr__(self) -> str:
        shown = {key: value for key, value in self.options.items() if (key, value) not in _NEUTRAL.items()}
        named = {"activation": self.activation, "name": self.name, "inputs": self.inputs}
        shown |= {key: value for key, value in named.items() if value}
        return f"{self.kind}({', '.join(f'{key}={value!r}' for key, value in shown.items())})"


def _names(inputs: Sequence[str]) -> tuple[str, ...]:
    names = (inputs,) if isinstance(inputs, str) else inputs
    if not isinstance(names, (tuple, list)) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"inputs: found {inputs!r}, expected names of earlier layers")
    return tuple(names)


def conv(
    filters: int | str,
    kernel: Pair,
    *,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
    bias: bool = True,
    activation: str | None = None,
    l2: Number = 0.0,
    name: str | None = None,
    inputs: Sequence[str] = (),
) -> Layer:
    """Return a convolution.

    Parameters
    ----------
    filters : int
        Output channels.
    kernel, stride, dilation : int or (height, width)
        The window.
    padding : int, (height, width) or "same"
        Zeros on each side. ``"same"`` adds ``dilation * (kernel - 1)`` in all, half before and the rest after, so that
        the output has ``ceil(size / stride)`` rows.
    groups : int
        Divides the channels; as many groups as channels make a depthwise convolution.
    bias : bool
        Whether a bias is added.
    activation : str, optional
        ``"relu"``, ``"leaky_relu"``, ``"elu"``, ``"gelu"``, ``"tanh"`` or ``"sigmoid"``.
    l2 : float
        Adds ``l2 * sum(weight ** 2)`` to the loss.
    """
    options = {
        "filters": filters,
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "bias": bias,
        "l2": l2,
    }
    return Layer("conv", options, name, _names(inputs), activation)


def dense(
    units: int | str,
    *,
    bias: bool = True,
    activation: str | None = None,
    l2: Number = 0.0,
    name: str | None = None,
    inputs: Sequence[str] = (),
) -> Layer:
    """Return a fully connected layer of ``units``; ``"classes"`` stands for one logit per class (one for two classes)."""
    return Layer("dense", {"units": units, "bias": bias, "l2": l2}, name, _names(inputs), activation)


def activation(
    function: str, *, slope: Number | None = None, name: str | None = None, inputs: Sequence[str] = ()
) -> Layer:
    """Return an activation: relu, leaky_relu (slope 0.01), elu (alpha 1), gelu (exact), tanh or sigmoid."""
    options: dict[str, Any] = {"function": function}
    if slope is not None:
        options["slope"] = slope
    return Layer("activation", options, name, _names(inputs))


def _pool(kind: str, size: Pair, stride: Pair | None, padding: Pair, name: str | None, inputs: Sequence[str]) -> Layer:
    options = {"pool": kind, "kernel": size, "stride": size if stride is None else stride, "padding": padding}
    return Layer("pool", options, name, _names(inputs))


def max_pool(
    size: Pair = 2,
    *,
    stride: Pair | None = None,
    padding: Pair = 0,
    name: str | None = None,
    inputs: Sequence[str] = (),
) -> Layer:
    """Return a maximum over windows of ``size``; the stride is the size unless given."""
    return _pool("max", size, stride, padding, name, inputs)


def average_pool(
    size: Pair = 2,
    *,
    stride: Pair | None = None,
    padding: Pair = 0,
    name: str | None = None,
    inputs: Sequence[str] = (),
) -> Layer:
    """Return a mean over windows of ``size``, padding not counted; the stride is the size unless given."""
    return _pool("average", size, stride, padding, name, inputs)


def global_max_pool(*, name: str | None = None, inputs: Sequence[str] = ()) -> Layer:
    """Return the maximum of each channel: a row of features."""
    return Layer("pool", {"pool": "global_max"}, name, _names(inputs))


def global_average_pool(*, name: str | None = None, inputs: Sequence[str] = ()) -> Layer:
    """Return the mean of each channel: a row of features."""
    return Layer("pool", {"pool": "global_average"}, name, _names(inputs))


def flatten(*, name: str | None = None, inputs: Sequence[str] = ()) -> Layer:
    """Return all values as one row of features, in the order channels, height, width."""
    return Layer("flatten", {}, name, _names(inputs))


def dropout(rate: Number, *, name: str | None = None, inputs: Sequence[str] = ()) -> Layer:
    """Return a layer that sets a share ``rate`` of its input to zero in training and scales the rest by 1 / (1 - rate)."""
    return Layer("dropout", {"rate": rate}, name, _names(inputs))


def batch_norm(
    *,
    momentum: Number = 0.99,
    epsilon: Number = 1e-3,
    activation: str | None = None,
    name: str | None = None,
    inputs: Sequence[str] = (),
) -> Layer:
    """Return a batch normalisation with exact statistics of the whole batch; ``momentum`` as in Keras."""
    return Layer("batch_norm", {"momentum": momentum, "epsilon": epsilon}, name, _names(inputs), activation)


def add(first: str, second: str, *, activation: str | None = None, name: str | None = None) -> Layer:
    """Return the sum of two earlier layers of equal shape."""
    return Layer("add", {}, name, _names((first, second)), activation)
