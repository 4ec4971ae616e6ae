"""Files of stopped trainings: what fits, what is refused by name, and every way in which the bytes can be wrong."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gonogo as gg
from gonogo import layers
from gonogo.checkpoint import read_checkpoint
from gonogo.tensor_file import parse_tensor_file, tensor_file_bytes

pytestmark = pytest.mark.any_engine

NET = [layers.dense(3, activation="tanh"), layers.dense("classes")]
X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
Y = np.arange(20) % 2


class Stop(gg.Callback):
    def on_train_batch_end(self, *_: object) -> None:
        if self.model.step.count == 6:  # of which five were kept
            raise KeyboardInterrupt


def fit(folder: Path, *callbacks: gg.Callback, **changed: Any) -> gg.InspectionClassifier:
    """Two epochs of four steps; those data and settings that are not given are always the same."""
    data = {"X": X, "y": Y, "validation_data": (X, Y)} | {key: changed.pop(key) for key in ("X", "y") if key in changed}
    if "validation_data" in changed:
        data["validation_data"] = changed.pop("validation_data")
    options: dict[str, Any] = {"model": NET, "epochs": 2, "batch_size": 5, "random_state": 3}
    watching = changed.pop("watching", [gg.EarlyStopping(restore_best_weights=True, patience=9)])
    backup = gg.BackupAndRestore(folder, save_freq=1)
    return gg.InspectionClassifier(**{**options, **changed}).fit(**data, callbacks=[*watching, backup, *callbacks])


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a training stopped in its second epoch, after the first of four steps."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(KeyboardInterrupt):
        fit(folder, Stop())
    return (folder / "training.safetensors").read_bytes()


@pytest.fixture
def kept(stopped: bytes, tmp_path: Path) -> Path:
    (tmp_path / "training.safetensors").write_bytes(stopped)
    return tmp_path


def changed_state(data: bytes, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> bytes:
    """A file whose checksum is right, but whose content somebody has changed."""
    arrays, texts = parse_tensor_file(data)
    state = json.loads(texts["checkpoint"])
    change(state, arrays)
    return tensor_file_bytes(arrays, {"checkpoint": json.dumps(state)})


def other(**values: Any) -> dict[str, Any]:
    return values


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (other(epochs=3), "epochs: found 3, but the training that was stopped has 2"),
        (other(batch_size=4), "batch_size: found 4"),
        (other(learning_rate=0.1), r"learning_rate: found 0\.1, but the training that was stopped has 0\.001"),
        (
            other(optimizer="sgd"),
            "optimizer: found {'kind': 'sgd'}, but the training that was stopped has {'kind': 'adam'}",
        ),
        (other(optimizer={"kind": "adam", "beta_1": 0.8}), "optimizer: found"),
        (other(schedule="cosine"), "schedule: found"),
        (other(random_state=4), "seed: found 4"),
        (other(steps_per_epoch=4), "steps_per_epoch: found 4, but the training that was stopped has None"),
        (other(class_weight="balanced"), "class_weight: the weights of the classes are others"),
        (
            other(model=[layers.dense(4), layers.dense("classes")]),
            "model: the layers or the size of the pictures are others",
        ),
        (other(y=1 - Y), "data: the samples or their labels are others"),
        (other(X=X * 2), "data: the samples or their labels are others"),
        (other(X=X[:19], y=Y[:19], epochs=2), "data: the samples"),
        (other(validation_data=(X[1:], Y[1:])), "validation: the validation data are others"),
        (other(validation_data=None, watching=[]), "validation: the validation data are others"),
        (other(watching=[]), "callbacks: found none, but the training that was stopped has EarlyStopping"),
        (
            other(watching=[gg.EarlyStopping(), gg.TerminateOnNaN()]),
            "callbacks: found EarlyStopping, TerminateOnNaN, but",
        ),
        (other(watching=[gg.EarlyStopping("loss")]), "callbacks: EarlyStopping: monitor: found 'val_loss'"),
        (
            other(watching=[gg.EarlyStopping(patience=77)]),
            "callbacks: EarlyStopping: patience: found 77, but the training",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_another_training_is_refused_by_the_name_of_what_differs(
    kept: Path, changed: dict[str, Any], what: str
) -> None:
    before = (kept / "training.safetensors").read_bytes()
    with pytest.raises(ValueError, match=what):
        fit(kept, **changed)
    assert (kept / "training.safetensors").read_bytes() == before


def test_another_initialiser_is_refused(kept: Path, tmp_path: Path) -> None:
    spec = "initialiser = 'he_normal'\n[[layers]]\ntype = 'dense'\nunits = 3\nactivation = 'tanh'\n"
    (tmp_path / "net.toml").write_text(spec + "[[layers]]\ntype = 'dense'\nunits = 'classes'\n")
    with pytest.raises(ValueError, match="initial_weights: the first weights are others"):
        fit(kept, model=tmp_path / "net.toml")


def test_the_number_of_threads_may_be_another(kept: Path, tmp_path: Path) -> None:
    assert fit(kept, n_threads=3)._file.data == fit(tmp_path / "new", n_threads=1)._file.data


def test_another_fingerprint_is_a_warning(kept: Path, stopped: bytes, tmp_path: Path) -> None:
    def elsewhere(state: dict[str, Any], _: Any) -> None:
        state["fingerprint"]["caches"] = "L1 1 KiB/1"

    (kept / "training.safetensors").write_bytes(changed_state(stopped, elsewhere))
    with pytest.warns(
        UserWarning, match=r"caches \(L1 1 KiB/1, here .*\)\. The training goes on; its result agrees within"
    ):
        resumed = fit(kept)
    assert resumed._file.data == fit(tmp_path / "new")._file.data


CHANGES: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "format": lambda state, _: state.update(format="gonogo checkpoint 99"),
    "place: epoch": lambda state, _: state["place"].update(epoch=3),
    "place: negative": lambda state, _: state["place"].update(epoch=-1),
    "place: step": lambda state, _: state["place"].update(step=5),
    "place: seen": lambda state, _: state["place"].update(seen=6),
    "place: correct": lambda state, _: state["place"].update(correct=6),
    "place: type": lambda state, _: state["place"].update(step=1.0),
    "place: text": lambda state, _: state["place"].update(loss_sum="0"),
    "place: keys": lambda state, _: state["place"].pop("seen"),
    "place": lambda state, _: state.update(place=3),
    "history: length": lambda state, _: state["history"]["loss"].append(0.5),
    "history: key": lambda state, _: state["history"].update(speed=[1.0]),
    "history: type": lambda state, _: state["history"].update(loss=["x"]),
    "history": lambda state, _: state.pop("history"),
    "stop_training": lambda state, _: state.update(stop_training=1),
    "learning_rate_factor": lambda state, _: state.update(learning_rate_factor=float("nan")),
    "images": lambda state, _: state.update(images=-1),
    "image_seconds": lambda state, _: state.update(image_seconds=True),
    "task: seed": lambda state, _: state["task"].update(seed=-1),
    "task": lambda state, _: state.update(task=[]),
    "fingerprint": lambda state, _: state.update(fingerprint="x"),
    "callbacks: list": lambda state, _: state.update(callbacks={}),
    "callbacks: state": lambda state, _: state["callbacks"][0].pop("state"),
    "callbacks: missing": lambda state, _: state["callbacks"][0]["state"].pop("best"),
    "callbacks: text": lambda state, _: state["callbacks"][0]["state"].update(best="low"),
    "callbacks: array": lambda _, arrays: arrays.update({"callbacks.0.parameters": np.zeros(3, np.float32)}),
    "callbacks: half": lambda _, arrays: arrays.pop("callbacks.0.states"),
    "parameters: shape": lambda _, arrays: arrays.update(parameters=arrays["parameters"][1:]),
    "parameters: type": lambda _, arrays: arrays.update(parameters=arrays["parameters"].astype(np.float64)),
    "moments: one": lambda _, arrays: arrays.pop("moments.1"),
    "moments: more": lambda _, arrays: arrays.update({"moments.2": arrays["moments.1"]}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_content_that_no_training_leaves_is_refused(kept: Path, stopped: bytes, name: str) -> None:
    (kept / "training.safetensors").write_bytes(changed_state(stopped, CHANGES[name]))
    clf = gg.InspectionClassifier()
    with pytest.raises(gg.CheckpointError, match=r"training\.safetensors: .*remove .* to begin anew"):
        clf = fit(kept)
    assert not hasattr(clf, "classes_")


def test_every_truncation_and_every_flipped_bit_is_refused(
    stopped: bytes, report_figure: Callable[[str, object], None]
) -> None:
    refused = 0
    damaged = [stopped[:end] for end in range(len(stopped))]
    flips = np.random.default_rng(0).integers(0, 8, len(stopped))
    damaged += [stopped[:i] + bytes([stopped[i] ^ 1 << bit]) + stopped[i + 1 :] for i, bit in enumerate(flips.tolist())]
    damaged += [stopped + b"\0", b"\0" * 16, b"\xff" * 64, b"PK\3\4" + stopped]
    for data in damaged:
        with pytest.raises(ValueError):
            parse_tensor_file(data)
        refused += 1
    report_figure("checkpoints cut off or with a flipped bit that were refused", f"{refused:,} of {len(damaged):,}")


def test_other_files_are_refused(tmp_path: Path, kept: Path) -> None:
    model = fit(tmp_path / "x").save(tmp_path / "m.gonogo")
    for path in (model, tmp_path, Path("/dev/null")):
        with pytest.raises(gg.CheckpointError):
            read_checkpoint(path)
    with pytest.raises(gg.CheckpointError) as caught:
        read_checkpoint(tmp_path)
    assert (caught.value.path, str(pickle.loads(pickle.dumps(caught.value)))) == (tmp_path, str(caught.value))
    # Larger than any checkpoint can be, without taking room on the disk.
    with (kept / "training.safetensors").open("r+b") as file:
        file.truncate(9 * 1024**3)
    with pytest.raises(gg.CheckpointError, match="expected at most"):
        read_checkpoint(kept / "training.safetensors")


def test_a_folder_that_cannot_be_written_is_refused_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((FileExistsError, NotADirectoryError)):
        fit(tmp_path / "file")


@pytest.mark.parametrize("save_freq", [0, -1, 1.5, "step", None, True])
def test_a_frequency_is_epoch_or_a_number_of_steps(tmp_path: Path, save_freq: Any) -> None:
    with pytest.raises(ValueError, match="save_freq: found"):
        gg.BackupAndRestore(tmp_path, save_freq)


ARRAYS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda name: name != "__metadata__"),
    st.tuples(st.sampled_from(["u1", "<i4", ">i8", "<f4", "f8"]), st.lists(st.integers(0, 3), max_size=3), st.binary()),
    max_size=4,
)


@given(made=ARRAYS, text=st.text(st.characters(exclude_categories=["Cs"])))
def test_arrays_and_texts_come_back(made: dict[str, Any], text: str) -> None:
    arrays = {}
    for name, (kind, shape, fill) in made.items():
        size = int(np.prod(shape, dtype=int)) * np.dtype(kind).itemsize
        arrays[name] = np.frombuffer((fill * size or bytes(size))[:size], kind).reshape(shape)
    found, texts = parse_tensor_file(tensor_file_bytes(arrays, {"t": text}))
    assert texts == {"t": text}
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype.newbyteorder("="))
        assert found[name].tobytes() == array.astype(found[name].dtype).tobytes()


def sealed(header: str, data: bytes = b"") -> bytes:
    """A file with any header; ``SEAL`` becomes the entry of the right checksum."""
    zeros = header.replace("SEAL", '"sha256":"' + "0" * 64 + '"').encode()
    whole = len(zeros).to_bytes(8, "little") + zeros + data
    return whole.replace(b"0" * 64, hashlib.sha256(whole).hexdigest().encode(), 1)


ONE = '{"__metadata__":{SEAL},"a":%s}'


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (sealed("[" * 100_000), "header: expected JSON"),
        (sealed("[]"), "header: expected a JSON object"),
        (sealed('{"__metadata__":{SEAL},"__metadata__":{}}'), "a name appears twice"),
        (sealed("{}"), "__metadata__: expected an object of texts"),
        (sealed('{"__metadata__":{"x":1}}'), "__metadata__: expected an object of texts"),
        (sealed('{"__metadata__":{"x":"1"}}'), "sha256: expected 64 hexadecimal digits"),
        (sealed('{"__metadata__":{"sha256":"abc"}}'), "sha256: expected 64 hexadecimal digits"),
        (sealed(ONE % "3"), "a: expected dtype, shape and data_offsets"),
        (sealed(ONE % '{"dtype":"U8","shape":[0]}'), "a: expected dtype, shape and data_offsets"),
        (sealed(ONE % '{"dtype":"F16","shape":[0],"data_offsets":[0,0]}'), "a: dtype: found 'F16'"),
        (sealed(ONE % '{"dtype":["U8"],"shape":[0],"data_offsets":[0,0]}'), "a: dtype: found"),
        (sealed(ONE % '{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}'), "a: expected a shape"),
        (sealed(ONE % '{"dtype":"U8","shape":[true],"data_offsets":[0,1]}', b"x"), "a: expected a shape"),
        (sealed(ONE % '{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}', b"x"), "a: expected a shape"),
        (
            sealed(ONE % (f'{{"dtype":"U8","shape":[{",".join("1" * 33)}],"data_offsets":[0,1]}}'), b"x"),
            "at most 32 sides",
        ),
        (sealed(ONE % '{"dtype":"U8","shape":[1],"data_offsets":[0]}', b"x"), "a: expected a shape"),
        (sealed(ONE % '{"dtype":"U8","shape":[2],"data_offsets":[0,2]}', b"x"), "a: data_offsets: found"),
        (sealed(ONE % '{"dtype":"U8","shape":[1],"data_offsets":[1,2]}', b"xy"), "a: data_offsets: found"),
        (sealed(ONE % '{"dtype":"U8","shape":[1],"data_offsets":[0,1]}', b"xy"), "found 2 bytes of data, expected 1"),
        (sealed(ONE % '{"dtype":"F64","shape":[1099511627776,1099511627776],"data_offsets":[0,0]}'), "data_offsets"),
        (sealed(ONE % '{"dtype":"F64","shape":[0,1099511627776,1099511627776],"data_offsets":[0,0]}'), "."),
        ((2**63).to_bytes(8, "little") + b"{}", "end before the header"),
        ((65 << 20).to_bytes(8, "little") + bytes(65 << 20), "header: found 68,157,440 bytes"),
        (b"", "end before the header"),
    ],
    ids=range(24),
)
def test_hostile_layouts_are_refused(data: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        parse_tensor_file(data)


def test_a_changed_byte_of_the_data_is_noticed() -> None:
    whole = tensor_file_bytes({"a": np.arange(4, dtype=np.int32)}, {})
    with pytest.raises(ValueError, match="the file is damaged"):
        parse_tensor_file(whole[:-1] + b"\x01")


def test_types_that_the_layout_lacks_are_refused() -> None:
    with pytest.raises(TypeError, match="a: found an array of complex128, expected uint8"):
        tensor_file_bytes({"a": np.zeros(1, complex)}, {})
