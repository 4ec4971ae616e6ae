"""The whole state of a training as a file, and back: what :class:`gonogo.BackupAndRestore` keeps.

A training is a pure function of its task (data, settings, net, first weights) and its state: weights, running statistics,
moments, the number of steps, the place inside the epoch with its sums, the history and what callbacks remember. Random draws
are keyed by epoch and place, so no generator has a state to be kept.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gonogo.errors import CheckpointError
from gonogo.machine import fingerprint, fingerprint_differences
from gonogo.tensor_file import Arrays, parse_tensor_file, stored_type, tensor_file_bytes

if TYPE_CHECKING:
    from gonogo.callbacks import Callback
    from gonogo.training import Labelled, Place, Trainer

_FORMAT = "gonogo checkpoint 1"
_FILE_BYTES_MAX = 8 * 1024**3  # sixteen times the weights of the largest model file
_HASHED = {
    "model": "the layers or the size of the pictures",
    "initial_weights": "the first weights",
    "data": "the samples or their labels",
    "validation": "the validation data",
    "class_weight": "the weights of the classes",
}


def describe_task(trainer: Trainer) -> dict[str, Any]:
    """Return what a training is a function of besides its state, as values for JSON. To be called before the first step."""
    settings = asdict(trainer.settings)
    del settings["threads"]  # no bit depends on it
    weights = trainer.class_weight
    task = {
        **settings,
        "model": _sha256(trainer.graph.to_json().encode()),
        "initial_weights": _sha256(*trainer.get_weights()),
        "data": _data_sha256(trainer.data),
        "validation": None if trainer.validation is None else _data_sha256(trainer.validation),
        "class_weight": None if weights is None else _sha256(weights[trainer.data.index]),
    }
    described: dict[str, Any] = json.loads(_to_json(task))  # tuples as lists, numbers as Python's: as they come back
    return described


def _data_sha256(data: Labelled) -> str:
    digest = hashlib.sha256(repr((data.samples.dtype.str, data.samples.shape[1:], len(data))).encode())
    for position in data.index.tolist():
        digest.update(data.samples[position])
    digest.update(data.targets[data.index].tobytes())
    return digest.hexdigest()


def _sha256(*blocks: bytes | NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block if isinstance(block, bytes) else block.tobytes())
    return digest.hexdigest()


def checkpoint_bytes(trainer: Trainer, task: Mapping[str, Any]) -> bytes:
    """Return the state of a training between two steps as the bytes of a file."""
    step = trainer.step
    parameters, states = trainer.get_weights()
    arrays: Arrays = {"parameters": parameters, "states": states}
    arrays |= {f"moments.{k}": block for k, block in enumerate(step.moments)}
    callbacks, blocks = callback_states(trainer)
    arrays |= blocks
    state = {
        "format": _FORMAT,
        "fingerprint": fingerprint(),
        "task": task,
        "place": asdict(trainer.place),
        "history": trainer.history.history,
        "stop_training": trainer.stop_training,
        "learning_rate_factor": trainer.learning_rate_factor,
        "image_seconds": trainer.image_seconds,
        "images": trainer.images,
        "callbacks": callbacks,
    }
    return tensor_file_bytes(arrays, {"checkpoint": _to_json(state)})


def callback_states(trainer: Trainer) -> tuple[list[dict[str, Any]], Arrays]:
    """Return what callbacks remember: names and values for JSON, and arrays.

    Raises
    ------
    TypeError
        No file holds a state: callback, key and value are named.
    """
    states: list[dict[str, Any]] = []
    arrays: Arrays = {}
    for i, (callback, values) in enumerate(_remembering(trainer.callbacks)):
        name = type(callback).__qualname__
        where = f"callbacks: {name}.get_state()"
        if not isinstance(values, Mapping):
            raise TypeError(f"{where}: found {values!r}, expected a dict, or None")
        blocks = {_text_key(where, key): value for key, value in values.items() if isinstance(value, np.ndarray)}
        for key, block in blocks.items():
            stored_type(f"{where}[{key!r}]", block)
        arrays |= {f"callbacks.{i}.{key}": block for key, block in blocks.items()}
        states.append({"name": name, "state": _plain(where, {k: v for k, v in values.items() if k not in blocks})})
    return states, arrays


def _plain(where: str, value: Any) -> Any:
    """Return a state as values that come back from JSON as they are, tuples as lists apart."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(f"{where}[{i}]", item) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {_text_key(where, key): _plain(f"{where}[{key!r}]", item) for key, item in value.items()}
    expected = "numbers, texts, True, False, None, lists and dicts of them, or an array by a name of its own"
    raise TypeError(f"{where}: found {value!r}, expected {expected}")


def _text_key(where: str, key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{where}: found the key {key!r}, expected a text: another would come back as one")
    return key


def _remembering(callbacks: Sequence[Callback]) -> list[tuple[Callback, Mapping[str, Any]]]:
    states = ((callback, callback.get_state()) for callback in callbacks)
    return [(callback, state) for callback, state in states if state is not None]


def _to_json(value: Any) -> str:
    # NaN and infinity are among the values: a loss that is none, a best figure that there is not yet.
    return json.dumps(value, separators=(",", ":"), default=lambda item: item.item())


@dataclass(frozen=True)
class Checkpoint:
    """A file that passed the checks that need no training to compare with."""

    path: Path
    state: dict[str, Any]
    arrays: Arrays

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return int(self.state["task"]["seed"])

    def refuse(self, what: str) -> CheckpointError:
        """Return the error for a field that cannot be."""
        return CheckpointError(self.path, f"{what}; remove the file to begin anew")


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a file.

    Raises
    ------
    CheckpointError
        The file is damaged, or no checkpoint.
    OSError
        It cannot be read.
    """
    if not path.is_file():
        raise CheckpointError(path, "found no regular file, expected a checkpoint")
    if (size := path.stat().st_size) > _FILE_BYTES_MAX:
        raise CheckpointError(path, f"found {size:,} bytes, expected at most {_FILE_BYTES_MAX:,}")
    try:
        arrays, texts = parse_tensor_file(path.read_bytes())
        state = json.loads(texts.get("checkpoint", "null"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(path, f"{error}; remove the file to begin anew") from None
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise CheckpointError(path, f"found no {_FORMAT!r}; it is of another version or kind, remove it to begin anew")
    checkpoint = Checkpoint(path, state, arrays)
    fields = {"fingerprint": dict, "task": dict, "place": dict, "history": dict, "callbacks": list}
    for name, kind in fields.items():
        if not isinstance(state.get(name), kind):
            raise checkpoint.refuse(f"{name}: found {state.get(name)!r}")
    seed = state["task"].get("seed")
    if type(seed) is not int or not 0 <= seed < 2**64:
        raise checkpoint.refuse(f"task: seed: found {seed!r}")
    return checkpoint


def restore(trainer: Trainer, task: Mapping[str, Any], path: Path) -> Place:
    """Bring a training that has not begun to the state in a file, and return where it goes on.

    Raises
    ------
    ValueError
        The file is of another task or of other callbacks: the first that differs is named.
    CheckpointError
        The file is damaged, or holds what no training leaves behind. The training is as before, its callbacks may not be.
    """
    checkpoint = read_checkpoint(path)
    _compare_tasks(checkpoint, task)
    place = _checked_place(trainer, checkpoint)
    _check_history(trainer, checkpoint, place)
    weights, moments = _checked_blocks(trainer, checkpoint)
    numbers = {name: _number(checkpoint, name) for name in ("learning_rate_factor", "image_seconds", "images")}
    if type(stopped := checkpoint.state.get("stop_training")) is not bool:
        raise checkpoint.refuse(f"stop_training: found {stopped!r}")
    _restore_callbacks(trainer, checkpoint)
    if differences := fingerprint_differences(checkpoint.state["fingerprint"]):
        warnings.warn(
            f"{path}: made by another version or machine: {'; '.join(differences)}. The training goes on; its result agrees "
            "within rounding, not bit for bit, with one that was never stopped",
            UserWarning,
            stacklevel=2,
        )
    trainer.set_weights(weights)
    trainer.step.moments = moments
    trainer.step.count = place.epoch * trainer.steps + place.step
    trainer.place = place
    trainer.history.epoch = list(range(place.epoch))
    trainer.history.history = checkpoint.state["history"]
    trainer.stop_training = stopped
    trainer.learning_rate_factor, trainer.image_seconds = numbers["learning_rate_factor"], numbers["image_seconds"]
    trainer.images = int(numbers["images"])
    return replace(place)


def _compare_tasks(checkpoint: Checkpoint, task: Mapping[str, Any]) -> None:
    stored = checkpoint.state["task"]
    for name, here in task.items():
        if (found := stored.get(name)) == here:
            continue
        if name in _HASHED:
            what = f"{_HASHED[name]} are others than those of the training that was stopped"
        else:
            what = f"found {here!r}, but the training that was stopped has {found!r}"
        raise ValueError(f"{name}: {what} ({checkpoint.path}); repeat its settings, or remove the file to begin anew")


def _number(checkpoint: Checkpoint, name: str) -> float:
    value = checkpoint.state.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**53:
        raise checkpoint.refuse(f"{name}: found {value!r}")
    return float(value)


def _checked_place(trainer: Trainer, checkpoint: Checkpoint) -> Place:
    stored = checkpoint.state["place"]
    expected = asdict(trainer.place)
    if set(stored) != set(expected) or any(
        type(value) not in (int, float) or (type(expected[key]) is int and type(value) is not int)
        for key, value in stored.items()
    ):
        raise checkpoint.refuse(f"place: found {stored!r}")
    place = replace(trainer.place, **stored)
    pictures = trainer.images_after(place.step)
    fits = 0 <= place.epoch <= trainer.settings.epochs and 0 <= place.step <= trainer.steps
    if not fits or place.seen != pictures or not 0 <= place.correct <= pictures:
        raise checkpoint.refuse(f"place: found {stored!r}")
    return place


def _check_history(trainer: Trainer, checkpoint: Checkpoint, place: Place) -> None:
    history = checkpoint.state["history"]
    names = set(trainer.figures) if place.epoch else set()
    rows = [
        isinstance(row, list) and [type(value) for value in row] == [float] * place.epoch for row in history.values()
    ]
    if set(history) != names or not all(rows):
        raise checkpoint.refuse(f"history: expected {place.epoch} numbers for each of {', '.join(trainer.figures)}")


def _checked_blocks(
    trainer: Trainer, checkpoint: Checkpoint
) -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], list[NDArray[np.float32]]]:
    parameters, states = trainer.get_weights()
    expected = {"parameters": parameters, "states": states}
    expected |= {f"moments.{k}": block for k, block in enumerate(trainer.step.moments)}
    found = {name: block for name, block in checkpoint.arrays.items() if not name.startswith("callbacks.")}
    if set(found) != set(expected):
        raise checkpoint.refuse(f"arrays: found {', '.join(found)}, expected {', '.join(expected)}")
    for name, block in expected.items():
        if (found[name].dtype, found[name].shape) != (block.dtype, block.shape):
            what = (
                f"found {found[name].dtype} of shape {found[name].shape}, expected {block.dtype} of shape {block.shape}"
            )
            raise checkpoint.refuse(f"{name}: {what}")
    moments = [found[name] for name in expected if name.startswith("moments.")]
    return (found["parameters"], found["states"]), moments


def _restore_callbacks(trainer: Trainer, checkpoint: Checkpoint) -> None:
    here = [callback for callback, _ in _remembering(trainer.callbacks)]
    stored = checkpoint.state["callbacks"]
    if not all(isinstance(entry, dict) and isinstance(entry.get("state"), dict) for entry in stored):
        raise checkpoint.refuse("callbacks: expected a list of names and states")
    names, found = [type(callback).__qualname__ for callback in here], [str(entry.get("name")) for entry in stored]
    if names != found:
        what = f"found {', '.join(names) or 'none'}, but the training that was stopped has {', '.join(found) or 'none'}"
        raise ValueError(f"callbacks: {what} ({checkpoint.path}); repeat them, or remove the file to begin anew")
    for i, (callback, entry) in enumerate(zip(here, stored, strict=True)):
        prefix = f"callbacks.{i}."
        kept = {key.removeprefix(prefix): value for key, value in checkpoint.arrays.items() if key.startswith(prefix)}
        try:
            callback.set_state({**entry["state"], **kept})
        except (LookupError, TypeError, ValueError) as error:
            raise checkpoint.refuse(f"callbacks: {names[i]}: {error!s}") from None
