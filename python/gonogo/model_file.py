"""Model files as Python sees them: names and settings around the tensors that the core reads and writes."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gonogo import _core, seen
from gonogo.certificate import Certificate
from gonogo.checks import check_path
from gonogo.class_names import check_class_names
from gonogo.decision import Decision, Rule
from gonogo.decoding import Decoding
from gonogo.errors import ModelFileError
from gonogo.formats import Formats
from gonogo.machine import fingerprint
from gonogo.readout import PictureChecks, Readout
from gonogo.reference import Reference
from gonogo.review_zone import ReviewZone
from gonogo.temperature import Temperature
from gonogo.unknown_guard import UnknownGuard

GOLDEN_PICTURES = 8

_Beside = TypeVar("_Beside")

_FILE_BYTES_MAX = 512 * 1024 * 1024  # GNG_MODEL_FILE_BYTES_MAX of the core


@dataclass(frozen=True)
class ModelFile:
    """A model file that passed every check.

    Attributes
    ----------
    core : gonogo._core.Classifier
        The planned classifier; its self-test has passed.
    classes : list of str
        Names in the order of the outputs.
    preprocess : dict
        ``color_mode`` and the settings of ``decoding`` for picture files; empty for rows.
    training : dict
        How the model was trained.
    versions : dict
        What made the file: ``gonogo``, the version, and ``fingerprint``, see :func:`gonogo.fingerprint`. Equal trainings
        give equal files where the fingerprint is the same; elsewhere ``model_sha256`` may still be the same.
    data : bytes
        The file's content.
    certificate : Certificate or None
        Of the PASS gate, where there is one.
    review_zone : ReviewZone or None
        Beside the certificate, where one was asked for.
    temperature : Temperature or None
        Of the probabilities, where one was fitted.
    unknown_guard : UnknownGuard or None
        Beside the certificate, where one was asked for.
    reference : Reference or None
        Beside the certificate: how the good calibration parts look; None in files from before there was one.
    """

    core: _core.Classifier
    classes: list[str]
    preprocess: dict[str, Any]
    training: dict[str, Any]
    versions: dict[str, Any]
    data: bytes
    certificate: Certificate | None = None
    review_zone: ReviewZone | None = None
    unknown_guard: UnknownGuard | None = None
    temperature: Temperature | None = None
    reference: Reference | None = None

    def run(
        self, samples: NDArray[np.uint8] | NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the logits (n, outputs) of samples, and their features (n, width) where the guard wants them."""
        if self.unknown_guard is None:
            return self.core.logits(samples), None
        return self.core.logits_and_features(samples)

    def decide(self, logits: NDArray[np.float32], features: NDArray[np.float32] | None) -> Decision:
        """Return the decision about one part, given what ``run`` returned of its samples; there must be a certificate."""
        rule, scores = self.rule, logits.astype(np.float64)
        if rule is None:
            raise ValueError("the model has no certified PASS threshold; make one with gonogo calibrate")
        made = rule.decide(scores[:, 0] if scores.shape[1] == 1 else scores)
        if self.unknown_guard is None or features is None:
            return made
        return self.unknown_guard.applied(rule, made, features)

    @cached_property
    def rule(self) -> Rule | None:
        """The decision about a part; None without a certificate."""
        if self.certificate is None:
            return None
        return self.certificate.rule if self.review_zone is None else self.review_zone.applied(self.certificate.rule)

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return class probabilities (n, classes) of what ``core.logits`` returned."""
        return _core.probabilities(logits if self.temperature is None else self.temperature.correct(logits))

    @property
    def preprocess_sha256(self) -> str:
        """SHA-256 of the preprocessing and the temperature: what besides the weights a certificate is about."""
        return preprocess_digest(self.preprocess, self.temperature)

    @cached_property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of what the net reads: (height, width, channels) of pictures, (features,) of rows."""
        channels, height, width = self.core.input_shape
        return (height, width, channels) if self.preprocess else (channels,)

    @cached_property
    def decoding(self) -> Decoding:
        """How picture files become pixels; a file without a setting, from before it existed, means its default."""
        return _decoding_of(self.preprocess)

    @cached_property
    def formats(self) -> Formats | None:
        """Formats of the files of the training; None where it read none, or the file is from before they were kept."""
        return Formats.from_dict(self.training["formats"]) if "formats" in self.training else None

    @cached_property
    def checks(self) -> PictureChecks:
        """What makes files and pixels doubtful."""
        trained = Readout.from_dict(self.training["readout"]) if "readout" in self.training else None
        golden = int(_core.parse_model(self.data)["golden_input"].max()) if self.preprocess else 0
        seen, decoding = Readout(golden, None), self.decoding
        return PictureChecks(
            self.sample_shape, trained, seen, decoding.enhances, decoding.tiles is not None, self.formats
        )


def preprocess_metadata(sample_shape: tuple[int, ...], decoding: Decoding) -> dict[str, Any]:
    """Return the ``preprocess`` of a model that reads samples of this shape; rows have none."""
    if len(sample_shape) == 1:
        return {}
    return {"color_mode": "grayscale" if sample_shape[2] == 1 else "rgb", **decoding.to_dict()}


def _decoding_of(preprocess: Mapping[str, Any]) -> Decoding:
    return Decoding.from_dict({key: value for key, value in preprocess.items() if key != "color_mode"})


def model_bytes(
    graph: _core.Graph,
    weights: tuple[NDArray[np.float32], NDArray[np.float32]],
    *,
    classes: Sequence[str],
    preprocess: Mapping[str, Any],
    training: Mapping[str, Any],
    golden: NDArray[np.uint8] | NDArray[np.float32],
) -> bytes:
    """Return the bytes of a model file.

    The scores of the golden samples are computed by the very classifier that the file will make.
    """
    check_class_names(classes)
    metadata = {
        "classes": _to_json(list(classes)),
        "preprocess": _to_json(preprocess),
        "training": _to_json(training),
        "versions": _to_json({"gonogo": _core.__version__, "fingerprint": fingerprint()}),
    }
    draft = _core.Classifier(_core.serialise_model(graph, *weights, metadata), GOLDEN_PICTURES)
    return _core.serialise_model(graph, *weights, metadata, golden, draft.logits(golden))


def with_certificate(
    file: ModelFile,
    certificate: Certificate,
    zone: ReviewZone | None = None,
    guard: UnknownGuard | None = None,
    reference: Reference | None = None,
) -> bytes:
    """Return the bytes of a model file that holds the same model, a certificate, and what stands beside it."""
    parts = _core.parse_model(file.data)
    beside = {"certificate": certificate, "review_zone": zone, "unknown_guard": guard, "reference": reference}
    metadata = {key: text for key, text in parts["metadata"].items() if key not in beside}
    metadata |= {key: _to_json(made.to_json()) for key, made in beside.items() if made is not None}
    golden = parts["golden_input"], parts["golden_logits"]
    known = None if guard is None else guard.known.astype(np.float32)
    return _core.serialise_model(parts["graph"], parts["parameters"], parts["states"], metadata, *golden, known)


def with_temperature(file: ModelFile, temperature: Temperature, kept: Mapping[str, Any] | None) -> bytes:
    """Return the bytes of a model file that holds the same model, a temperature, and ``kept`` as the pictures it has seen."""
    parts = _core.parse_model(file.data)
    training = file.training if kept is None else {**file.training, "seen": kept}
    metadata = {
        **parts["metadata"],
        "temperature": _to_json(temperature.to_dict()),
        "training": _to_json(training),
    }
    golden = parts["golden_input"], parts["golden_logits"]
    return _core.serialise_model(
        parts["graph"], parts["parameters"], parts["states"], metadata, *golden, parts["known_features"]
    )


def preprocess_digest(preprocess: Mapping[str, Any], temperature: Temperature | None = None) -> str:
    """Return the SHA-256 of the way from a picture file to what the net reads, and from its scores to probabilities.

    Scores decide, probabilities are only shown; but a certificate holds for a model of which nothing changes any more.
    """
    way = _to_json(preprocess) + ("" if temperature is None else _to_json(temperature.to_dict()))
    return hashlib.sha256(way.encode()).hexdigest()


def _to_json(value: Any) -> str:
    # Numbers of NumPy are written as Python's own.
    return json.dumps(
        value,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
        default=lambda item: item.item(),
    )


def _from_json(path: str | Path, metadata: Mapping[str, str], key: str, kind: type) -> Any:
    value = json.loads(metadata.get(key, "null"))  # the core has read it as JSON before
    if not isinstance(value, kind):
        raise ModelFileError(path, f"__metadata__: {key}: expected a JSON {'list' if kind is list else 'object'}")
    return value


def read_model(path: str | Path, *, batch: int = 64, threads: int = 0) -> ModelFile:
    """Read a model file, check it and run its self-test.

    Raises
    ------
    ModelFileError
        The file is damaged, or its self-test gives other scores than those stored.
    OSError
        The file cannot be read.
    """
    file = check_path("path", path, "a model file made by save or by gonogo train")
    if not file.exists():
        raise FileNotFoundError(f"{file}: no such file; expected a model file made by save or by gonogo train")
    if file.is_dir():
        raise IsADirectoryError(f"{file}: found a folder, expected a model file made by save or by gonogo train")
    if not file.is_file():
        raise ModelFileError(path, "found something that is no regular file, expected a model file")
    if (size := file.stat().st_size) > _FILE_BYTES_MAX:
        raise ModelFileError(path, f"found {size:,} bytes, expected a model file of at most {_FILE_BYTES_MAX:,}")
    return parse_model(file.read_bytes(), path, batch=batch, threads=threads)


def parse_model(data: bytes, path: str | Path = "model", *, batch: int = 64, threads: int = 0) -> ModelFile:
    """Check the bytes of a model file; ``path`` is what errors name."""
    try:
        core = _core.Classifier(data, batch, threads)
    except (ValueError, RuntimeError) as error:
        raise ModelFileError(path, str(error)) from None
    if core.golden_count == 0:
        raise ModelFileError(
            path, "found no golden samples, expected at least one: without them no machine can be checked"
        )
    metadata = core.metadata
    classes = _from_json(path, metadata, "classes", list)
    expected = 2 if core.outputs == 1 else core.outputs
    if len(classes) != expected:
        raise ModelFileError(
            path, f"__metadata__: classes: found {len(classes)}, but the net has outputs for {expected}"
        )
    if not all(isinstance(name, str) for name in classes):
        raise ModelFileError(path, "__metadata__: classes: found something that is no text, expected names")
    try:
        check_class_names(classes)
    except ValueError as error:
        raise ModelFileError(path, f"__metadata__: {error}") from None
    parts = {key: _from_json(path, metadata, key, dict) for key in ("preprocess", "training", "versions")}
    _check_preprocess(path, parts["preprocess"], core.input_shape)
    if (passing := parts["training"].get("pass_label")) is not None and passing not in classes:
        raise ModelFileError(
            path, f"__metadata__: training: pass_label: found {passing!r}, expected one of {', '.join(classes)}"
        )
    columns, features = parts["training"].get("feature_names"), math.prod(core.input_shape)
    texts = isinstance(columns, list) and all(isinstance(name, str) for name in columns)
    if columns is not None and not (texts and len(columns) == features):
        raise ModelFileError(
            path, f"__metadata__: training: feature_names: found {columns!r}, expected {features} texts"
        )
    _check_training(path, parts["training"])
    temperature = _temperature(path, core, classes)
    certificate = _certificate(path, core, classes, preprocess_digest(parts["preprocess"], temperature))
    known = _core.parse_model(data)["known_features"] if "unknown_guard" in metadata else None
    return ModelFile(
        core,
        classes,
        **parts,
        data=data,
        certificate=certificate,
        review_zone=_beside(path, core, certificate, "review_zone", ReviewZone.from_json),
        unknown_guard=_beside(path, core, certificate, "unknown_guard", partial(UnknownGuard.from_json, known=known)),
        temperature=temperature,
        reference=_beside(path, core, certificate, "reference", Reference.from_json),
    )


def _check_training(path: str | Path, training: Mapping[str, Any]) -> None:
    try:
        if "seen" in training:
            seen.check(training["seen"])
        if "formats" in training:
            Formats.from_dict(training["formats"])
        if "readout" in training:
            Readout.from_dict(training["readout"])
    except ValueError as error:
        raise ModelFileError(path, f"__metadata__: training: {error}") from None


def _temperature(path: str | Path, core: _core.Classifier, classes: list[str]) -> Temperature | None:
    if "temperature" not in core.metadata:
        return None
    stored = _from_json(path, core.metadata, "temperature", dict)
    try:
        return Temperature.from_dict(stored, classes)
    except ValueError as error:
        raise ModelFileError(path, f"__metadata__: temperature: {error}") from None


def _certificate(
    path: str | Path, core: _core.Classifier, classes: list[str], preprocess_sha256: str
) -> Certificate | None:
    """The certificate, which must be about these very weights, this very way to them, and this very temperature."""
    if "certificate" not in core.metadata:
        return None
    stored = _from_json(path, core.metadata, "certificate", dict)
    try:
        made = Certificate.from_json(stored)
    except ValueError as error:
        raise ModelFileError(path, f"__metadata__: certificate: {error}") from None
    remedy = "calibrate this model, on fresh parts"
    if made.model_sha256 != core.model_sha256:
        found = (
            f"certificate: it belongs to other weights ({made.model_sha256[:16]}, these are {core.model_sha256[:16]})"
        )
        raise ModelFileError(path, f"__metadata__: {found}; {remedy}")
    if made.preprocess_sha256 != preprocess_sha256 or list(made.classes) != classes:
        found = "certificate: it belongs to other classes or preprocessing, or another temperature"
        raise ModelFileError(path, f"__metadata__: {found}; {remedy}")
    if made.guard_band < _core.GUARD_BAND:
        found = f"certificate: guard_band: found {made.guard_band!r}, expected at least {_core.GUARD_BAND!r}"
        raise ModelFileError(path, f"__metadata__: {found}; {remedy}")
    return made


def _beside(
    path: str | Path,
    core: _core.Classifier,
    certificate: Certificate | None,
    key: str,
    read: Callable[[Mapping[str, Any], Certificate], _Beside],
) -> _Beside | None:
    """What stands beside the certificate, and is about it."""
    if key not in core.metadata:
        return None
    if certificate is None:
        raise ModelFileError(path, f"__metadata__: {key}: found without a certificate; calibrate this model")
    stored = _from_json(path, core.metadata, key, dict)
    try:
        return read(stored, certificate)
    except ValueError as error:
        raise ModelFileError(path, f"__metadata__: {key}: {error}") from None


def _check_preprocess(path: str | Path, preprocess: Mapping[str, Any], input_shape: tuple[int, int, int]) -> None:
    channels, height, width = input_shape
    if not preprocess and (height, width) == (1, 1):
        return
    color = "grayscale" if channels == 1 else "rgb"
    if preprocess.get("color_mode") != color or "resize_mode" not in preprocess:
        expected = f"color_mode {color!r} and a resize_mode"
        raise ModelFileError(path, f"__metadata__: preprocess: found {dict(preprocess)!r}, expected {expected}")
    try:
        _decoding_of(preprocess)
    except (TypeError, ValueError) as error:
        raise ModelFileError(path, f"__metadata__: preprocess: {error}") from None
