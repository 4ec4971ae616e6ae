"""What a model file says about its training: how, on which data, and with which samples it can be checked.

No date, speed or thread count, so that equal trainings give equal files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import _core, seen
from gonogo.data import Dataset
from gonogo.formats import Formats
from gonogo.labels import class_name
from gonogo.model_file import GOLDEN_PICTURES
from gonogo.readout import Readout
from gonogo.settings import Settings
from gonogo.training import Labelled, Samples

_GOLDEN_BYTES = 4 * 1024 * 1024  # of golden samples in a model file, or one sample where that is larger


def describe_training(
    settings: Settings, data: Labelled, labels: NDArray[np.intp], classes: Sequence[str]
) -> dict[str, Any]:
    """Return settings, pictures by class, SHA-256 of samples and labels in their order, and what pictures were like, for JSON."""
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    return {
        "images": len(data),
        "class_counts": dict(zip(classes, counts, strict=True)),
        "batch_size": settings.batch_size,
        "steps_per_epoch": settings.steps_per_epoch,
        "optimizer": dict(settings.optimizer),
        "learning_rate": float(settings.learning_rate),
        "schedule": dict(settings.schedule),
        "seed": settings.seed,
        "data_sha256": data_digest(data, labels),
        **({} if data.formats is None else {"formats": Formats.of(data.formats).to_dict()}),
        **({} if data.readouts is None else {"readout": Readout.of(data.readouts, data.samples.shape[1]).to_dict()}),
    }


def data_digest(data: Labelled, labels: NDArray[np.intp]) -> str:
    """Return the SHA-256 of samples and labels, in their order."""
    digest = hashlib.sha256()
    for position in data.index.tolist():
        digest.update(data.samples[position])
    digest.update(labels.astype("<i8").tobytes())
    return digest.hexdigest()


def describe_seen(data: Labelled, validation: Labelled | None, *given: Any) -> dict[str, Any]:
    """Return digests of all samples of training and validation, and of the names of their groups.

    Parameters
    ----------
    data, validation : Labelled
        The samples.
    *given : Any
        X and validation_data as the user gave them: a Dataset may bring groups.
    """
    used = [data] if validation is None else [data, validation]
    samples = (hashlib.sha256(part.samples[i]).digest() for part in used for i in part.index.tolist())
    named = [part.named_groups for part in given if isinstance(part, Dataset)]
    groups = [names.tolist() for names in named if names is not None]
    return seen.record(samples, [name for names in groups for name in names] if groups else None)


def plain_weights(class_weight: str | Mapping[Any, float] | None) -> str | dict[str, float] | None:
    """Return the parameter ``class_weight`` with classes as texts."""
    if isinstance(class_weight, Mapping):
        return {class_name(name): float(weight) for name, weight in class_weight.items()}
    return class_weight


def golden_samples(data: Labelled, labels: NDArray[np.intp]) -> Samples:
    """Return the first samples of each class in turn: what a self-test runs."""
    # Not np.unique: its loop for numbers (NumPy 2.4) aborts the process when Python ends while a daemon thread is in it.
    positions = [np.flatnonzero(labels == label) for label in range(int(labels.max()) + 1)]
    order = [p[i] for i in range(max(map(len, positions))) for p in positions if i < len(p)]
    count = max(1, min(GOLDEN_PICTURES, _GOLDEN_BYTES // data.samples[0].nbytes))
    golden: Samples = data.samples[data.index[order[:count]]]
    if golden.shape[1:3] == (1, 1):  # a model file knows pictures of one pixel as rows
        return np.stack([_core.to_tensor(pixel).reshape(-1) for pixel in golden])
    return golden
