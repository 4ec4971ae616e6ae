"""From a model's description and the shape of the data to a checked graph."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from gonogo import _core, layers
from gonogo.checks import is_integer
from gonogo.layers import Layer

INITIALISERS = ("glorot_uniform", "glorot_normal", "he_uniform", "he_normal")
_SLOPES = {"leaky_relu": 0.01, "elu": 1.0}
_FACTORIES = {
    name: getattr(layers, name)
    for name in (
        "conv",
        "dense",
        "activation",
        "max_pool",
        "average_pool",
        "global_max_pool",
        "global_average_pool",
        "flatten",
        "dropout",
        "batch_norm",
        "add",
    )
}


@dataclass(frozen=True)
class ModelSpec:
    """A model before it meets data.

    Attributes
    ----------
    name : str
        Name of the model.
    layers : tuple of Layer
        In order.
    parameters : dict
        Values that layers refer to by name, with their defaults.
    initialiser : str
        Distribution of the first weights.
    where : str
        What errors name: the file, or the model of the package; empty for layers made in Python.
    """

    name: str
    layers: tuple[Layer, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    initialiser: str = "glorot_uniform"
    where: str = field(default="", compare=False)

    def with_parameters(self, values: Mapping[str, Any] | None) -> ModelSpec:
        """Return the spec with some parameters replaced; unknown names are errors."""
        if values is not None and not isinstance(values, Mapping):
            raise ValueError(f"model_params: found {values!r}, expected a dict of parameter -> value, or None")
        for key in values or {}:
            if key not in self.parameters:
                known = ", ".join(sorted(self.parameters)) or "none"
                raise ValueError(f"model_params: {self.name!r} has no parameter {key!r}; it has: {known}")
        return replace(self, parameters={**self.parameters, **(values or {})})

    def build(self, input_shape: tuple[int, int, int], classes: int) -> _core.Graph:
        """Return the graph for pictures of ``input_shape`` (channels, height, width) and a number of classes.

        Raises
        ------
        ValueError
            Naming the file and the layer, what was found and what was expected.
        """
        try:
            return self._build(input_shape, classes)
        except (ValueError, TypeError) as error:
            if not self.where:
                raise
            raise ValueError(f"{self.where}: {error}") from None  # in a file a wrong type is a wrong value

    def _build(self, input_shape: tuple[int, int, int], classes: int) -> _core.Graph:
        outputs = 1 if classes == 2 else classes
        made = _core_layers(self.layers, {**self.parameters, "classes": outputs})
        graph = _core.Graph(made, input_shape)
        last = made[-1]
        if last["kind"] == "activation":
            raise ValueError(
                f"layer {last['name']!r}: the last layer is an activation, but the loss takes logits; leave it out"
            )
        if graph.outputs != outputs:
            raise ValueError(
                f"layer {last['name']!r}: found {graph.outputs} outputs for {classes} classes, expected {outputs}; "
                f"end the model with dense('classes')"
            )
        return graph


def model_names() -> list[str]:
    """Return the names of the models that come with the package."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in resources.files("gonogo.models").iterdir()
        if entry.name.endswith(".toml")
    )


def load_spec(model: str | Path | Sequence[Layer] | ModelSpec) -> ModelSpec:
    """Return the spec of a model: a name from ``models/``, a TOML file, or a list of layers."""
    if isinstance(model, ModelSpec):
        return model
    if not isinstance(model, (str, Path)):
        return ModelSpec("custom", _checked_layers(model))
    if str(model) in model_names():
        text = resources.files("gonogo.models").joinpath(f"{model}.toml").read_text(encoding="utf-8")
        return parse_spec(text, str(model))
    path = Path(model)
    if path.suffix != ".toml":
        raise ValueError(f"model: found {str(model)!r}, expected one of {', '.join(model_names())}, or a .toml file")
    if not path.is_file():
        raise FileNotFoundError(f"model: the file {path} does not exist")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a TOML file: {error}") from None
    return parse_spec(text, path.stem, str(path))


def parse_spec(text: str, name: str, where: str | None = None) -> ModelSpec:
    """Return the spec in the text of a TOML file.

    Top-level keys: ``description`` (text), ``initialiser``, ``[parameters]`` and ``[[layers]]``, whose ``type`` is the
    name of a function of :mod:`gonogo.layers` and whose other keys are its arguments.
    """
    where = where or f"model {name!r}"
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{where}: not a TOML file: {error}") from None
    _refuse_unknown(where, document, {"description", "initialiser", "parameters", "layers"})
    initialiser = document.get("initialiser", "glorot_uniform")
    if initialiser not in INITIALISERS:
        raise ValueError(f"{where}: initialiser: found {initialiser!r}, expected one of {', '.join(INITIALISERS)}")
    entries = document.get("layers")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{where}: layers: found {entries!r}, expected at least one table [[layers]]")
    parameters = document.get("parameters", {})
    if not isinstance(parameters, dict) or "classes" in parameters:
        raise ValueError(f"{where}: parameters: found {parameters!r}, expected a table of values, without 'classes'")
    made = tuple(_layer_from_entry(f"{where}: layer {i}", entry) for i, entry in enumerate(entries, 1))
    return ModelSpec(name, made, parameters, initialiser, where)


def _refuse_unknown(where: str, mapping: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(mapping) - known):
        raise ValueError(f"{where}: unknown key {unknown[0]!r}, expected some of {', '.join(sorted(known))}")


def _layer_from_entry(where: str, entry: Mapping[str, Any]) -> Layer:
    kind = entry.get("type")
    if not isinstance(kind, str) or kind not in _FACTORIES:
        raise ValueError(f"{where}: type: found {kind!r}, expected one of {', '.join(_FACTORIES)}")
    factory = _FACTORIES[kind]
    _refuse_unknown(f"{where} ({kind})", entry, {"type", *inspect.signature(factory).parameters})
    arguments = {
        key: tuple(value) if isinstance(value, list) else value for key, value in entry.items() if key != "type"
    }
    needed = [key for key, one in inspect.signature(factory).parameters.items() if one.default is one.empty]
    if lacking := [key for key in needed if key not in arguments]:
        raise ValueError(f"{where} ({kind}): lacks the key {lacking[0]!r}; it needs {', '.join(needed)}")
    try:
        made = factory(**arguments)
    except TypeError as error:
        raise ValueError(f"{where} ({kind}): {error}") from None
    assert isinstance(made, Layer)
    return made


def _checked_layers(model: Any) -> tuple[Layer, ...]:
    if not isinstance(model, Sequence) or isinstance(model, (bytes, bytearray)) or not model:
        raise TypeError(f"model: found {model!r}, expected a name, a .toml file or a list of gonogo.layers")
    for entry in model:
        if not isinstance(entry, Layer):
            raise TypeError(f"model: found {entry!r} in the list, expected layers made by gonogo.layers")
    return tuple(model)


def _value(where: str, key: str, value: Any, values: Mapping[str, Any]) -> Any:
    """Resolve a text that stands for a model parameter."""
    if not isinstance(value, str) or key in ("function", "pool"):
        return value
    if value not in values:
        raise ValueError(f"{where}: {key}: {value!r} is not a model parameter; there are: {', '.join(sorted(values))}")
    return values[value]


def _pair(where: str, key: str, value: Any) -> tuple[int, int]:
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2 or not all(map(is_integer, pair)):
        raise ValueError(f"{where}: {key}: found {value!r}, expected an integer or a pair (height, width)")
    return int(pair[0]), int(pair[1])


def _window(where: str, options: dict[str, Any]) -> dict[str, Any]:
    """Bring kernel, stride, dilation and padding into the form of the core: pairs, and four paddings."""
    window: dict[str, Any] = {
        key: _pair(where, key, options[key]) for key in ("kernel", "stride", "dilation") if key in options
    }
    padding = options.get("padding", 0)
    if padding == "same":
        dilation = window.get("dilation", (1, 1))
        total = [d * (k - 1) for d, k in zip(dilation, window["kernel"], strict=True)]
        before = [size // 2 for size in total]
        window["padding"] = (before[0], total[0] - before[0], before[1], total[1] - before[1])
    else:
        height, width = _pair(where, "padding", padding)
        window["padding"] = (height, height, width, width)
    return {**options, **window}


def _core_layers(described: Sequence[Layer], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Expand activations, name layers, resolve parameters: the mappings that the core takes."""
    made: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    outputs = {"input": "input"}  # the layer whose output a name stands for: its activation, where it has one
    before = "input"
    for layer in described:
        counts[layer.kind] = counts.get(layer.kind, 0) + 1
        name = layer.name or f"{layer.kind}_{counts[layer.kind]}"
        if not isinstance(name, str):
            raise TypeError(f"layer {len(made) + 1}: name: found {name!r}, expected a text")
        where = f"layer {name!r}"
        options = {
            key: value if (key, value) == ("padding", "same") else _value(where, key, value, values)
            for key, value in layer.options.items()
        }
        if "kernel" in options:
            options = _window(where, options)
        if layer.kind == "activation" and "slope" not in options:
            options["slope"] = _SLOPES.get(options["function"], 0.0)
        for source in layer.inputs:
            if source not in outputs:
                raise ValueError(f"{where}: inputs: {source!r} is not the name of an earlier layer")
        inputs = [outputs[source] for source in layer.inputs] or [before]
        made.append({"name": name, "kind": layer.kind, "inputs": inputs, **options})
        before = name
        if layer.activation is not None:
            before = f"{name}_{layer.activation}"
            function = layer.activation
            slope = _SLOPES.get(function, 0.0)
            made.append({"name": before, "kind": "activation", "inputs": [name], "function": function, "slope": slope})
        outputs[name] = before
    return made
