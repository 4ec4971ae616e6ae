"""What is worth knowing about a model: what it expects, what it is made of, how it was trained, and its digests."""

from __future__ import annotations

from typing import Any

from gonogo import _core, seen
from gonogo.model_file import ModelFile


def model_card(model: ModelFile) -> dict[str, Any]:
    """Return the facts of a model as plain values, the same on every machine."""
    graph: _core.Graph = _core.parse_model(model.data)["graph"]
    channels, height, width = graph.input_shape
    training = {key: value for key, value in model.training.items() if key not in ("seen", "formats")}
    kept, certificate = model.training.get("seen"), model.certificate
    return {
        "classes": model.classes,
        "pass_label": certificate.pass_label if certificate else model.training.get("pass_label"),
        "parameters": graph.parameter_count,
        "multiply_adds": graph.multiply_adds,
        "input": {
            "height": height,
            "width": width,
            "channels": channels,
            **model.preprocess,
            **model.decoding.to_dict(),
        },
        "formats": None if model.formats is None else model.formats.to_dict(),
        "layers": [{**layer, "shape": list(layer["shape"])} for layer in graph.layers],
        "training": {**training, "pictures_seen": None if kept is None else seen.count(kept)},
        "temperature": None if model.temperature is None else model.temperature.to_dict(),
        "certificate": None if certificate is None else certificate.to_dict(),
        "review_zone": None if model.review_zone is None else model.review_zone.to_dict(),
        "unknown_guard": None if model.unknown_guard is None else model.unknown_guard.to_dict(),
        "reference": None if model.reference is None else model.reference.to_dict(),
        "versions": model.versions,
        "model_sha256": model.core.model_sha256,
        "file_sha256": model.core.file_sha256,
        "bytes": len(model.data),
    }


def in_words(value: Any) -> str:
    """Return a setting of a card in a few words."""
    if isinstance(value, dict):
        parts = [item if key == "kind" else f"{key} {in_words(item)}" for key, item in value.items()]
        return ", ".join(parts) or "none"
    if isinstance(value, list):
        return " to ".join(map(str, value))
    return "none" if value is None else str(value)
