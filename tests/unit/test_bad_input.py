"""Bad input at the doors of the package, beyond files: what it is, which exception it gets, and what the message says.

``test_bad_input_core.py`` does the same at the doors of the core.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from gonogo import (
    Augment,
    BackupAndRestore,
    CSVLogger,
    Dataset,
    DivergenceError,
    InspectionClassifier,
    Inspector,
    ModelCheckpoint,
    Preprocess,
    TensorBoard,
    audit,
    evaluate,
    layers,
    load,
    load_split,
    save_split,
)
from gonogo.cli.configuration import apply_configuration

pytestmark = pytest.mark.any_engine

NET = [layers.flatten(), layers.dense("classes")]
ROWS_NET = [layers.dense("classes")]
PICTURES = np.random.default_rng(0).integers(0, 255, (8, 6, 4, 1), dtype=np.uint8)
ROWS = np.random.default_rng(0).normal(size=(8, 3))
Y = [0, 1] * 4


def made(**changed: Any) -> InspectionClassifier:
    chosen: dict[str, Any] = {"model": NET, "epochs": 1, "random_state": 1, "verbose": False, "n_threads": 1}
    return InspectionClassifier(**{**chosen, **changed})


FITTED = made().fit(PICTURES, Y)
FITTED_ROWS = made(model=ROWS_NET).fit(ROWS, Y)


def refused(call: Callable[[], object], error: type[Exception], words: str) -> None:
    """Exactly this exception, one line, with these words."""
    with pytest.raises(error, match=words) as raised:
        call()
    assert type(raised.value) is error
    assert "\n" not in str(raised.value)


def masked(array: NDArray[Any]) -> Any:
    return np.ma.masked_array(array, np.arange(array.size).reshape(array.shape) % 5 == 1)


def huge(array: NDArray[Any]) -> NDArray[Any]:
    """More bytes than a process can address, whatever the machine promises to allocate."""
    return np.broadcast_to(array[0], (2**50, *array.shape[1:]))


def misaligned(array: NDArray[Any]) -> NDArray[Any]:
    moved = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


SPARSE = type("csr_matrix", (), {"toarray": None, "nnz": 3, "shape": (8, 3)})

# What stands for pictures -> exception and words, at fit, at predict and as validation data.
WRONG_PICTURES: dict[str, tuple[Any, type[Exception], str]] = {
    "int8": (PICTURES.astype(np.int8), TypeError, "found pictures of int8, expected uint8"),
    "uint16": (PICTURES.astype(np.uint16), TypeError, "found pictures of uint16, expected uint8"),
    "swapped uint16": (PICTURES.astype(">u2"), TypeError, "found pictures of >u2, expected uint8"),
    "float": (PICTURES / 255, TypeError, "found pictures of float64, expected uint8"),
    "bool": (PICTURES > 9, TypeError, "found pictures of bool, expected uint8"),
    "objects": (PICTURES.astype(object), TypeError, "found pictures of object, expected uint8"),
    "complex": (PICTURES.astype(complex), ValueError, "found an array of complex128.*Complex data not supported"),
    "no height": (PICTURES[:, :0], ValueError, r"found shape \(8, 0, 4, 1\), expected \(n, height, width\)"),
    "no channel": (PICTURES[..., :0], ValueError, r"found shape \(8, 6, 4, 0\)"),
    "two channels": (PICTURES.repeat(2, 3), ValueError, r"found shape \(8, 6, 4, 2\)"),
    "five axes": (PICTURES[None], ValueError, r"found an array of uint8 of shape \(1, 8, 6, 4, 1\)"),
    "masked": (masked(PICTURES), ValueError, "found a masked array with 39 masked values"),
    "list of masked": (list(masked(PICTURES)), ValueError, "found a masked array with 5 masked values"),
    "ragged": ([PICTURES[0], PICTURES[0, :3]], ValueError, "found a list that makes no array"),
    "pairs": ([(picture, 1) for picture in PICTURES], TypeError, r"list of pairs.*pass dataset\.images as X"),
    "more than memory": (
        huge(PICTURES),
        MemoryError,
        r"(X|images|validation_data): Unable to allocate 24.0 PiB .*pass fewer samples",
    ),
    "a generator": ((picture for picture in PICTURES), TypeError, "found a generator, expected pictures"),
    "None": (None, TypeError, "found a NoneType, expected pictures"),
    "a dict": ({"a": 1}, TypeError, "found a dict, expected pictures"),
    "a structure": (np.zeros(8, [("a", int)]), ValueError, r"found an array of \[\('a', '<i8'\)\]"),
}


@pytest.mark.parametrize("kind", WRONG_PICTURES)
def test_what_is_no_pictures_is_refused_at_each_door(kind: str) -> None:
    X, error, words = WRONG_PICTURES[kind]
    clf = made()
    refused(lambda: clf.fit(X, Y), error, words)
    assert not hasattr(clf, "classes_")
    refused(lambda: FITTED.predict(X), error, words)
    refused(lambda: clf.fit(PICTURES, Y, validation_data=(X, Y)), error, words)
    assert not hasattr(clf, "classes_")


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (PICTURES.astype(np.int8), TypeError, "images: found int8, expected a NumPy array of uint8"),
        (PICTURES.tolist(), TypeError, "images: found list, expected a NumPy array of uint8"),
        (masked(PICTURES), ValueError, "images: found a masked array with 39 masked values"),
        (PICTURES[:0], ValueError, r"images: found the shape \(0, 6, 4, 1\)"),
        (PICTURES[:, :0], ValueError, r"images: found the shape \(8, 0, 4, 1\)"),
        (huge(PICTURES), MemoryError, r"(X|images|validation_data): Unable to allocate 24.0 PiB .*pass fewer samples"),
    ],
)
def test_a_dataset_refuses_what_is_no_pictures(images: Any, error: type[Exception], words: str) -> None:
    refused(lambda: Dataset.from_arrays(images, Y, ["a", "b"]), error, words)


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (PICTURES[0].astype(float), TypeError, "image: found float64"),
        (PICTURES, TypeError, r"image: found uint8 \(8, 6, 4, 1\)"),
        (masked(PICTURES[0]), ValueError, "image: found a masked array with 5 masked values"),
        (PICTURES[0, :0], ValueError, "pixels: sides must be 1 to 16384 pixels, found 0 x 4|0"),
    ],
)
def test_an_augmentation_refuses_what_is_no_picture(image: Any, error: type[Exception], words: str) -> None:
    refused(lambda: Augment(rotation=10).apply(image, seed=1), error, words)


# What stands for rows of numbers -> exception and words.
WRONG_ROWS: dict[str, tuple[Any, type[Exception], str]] = {
    "sparse": (SPARSE(), TypeError, "found a csr_matrix, sparse input is not supported"),
    "complex": (ROWS.astype(complex), ValueError, "Complex data not supported"),
    "durations": (ROWS.astype("m8[s]"), ValueError, r"found an array of timedelta64\[s\]"),
    "dates": (ROWS.astype("M8[s]"), ValueError, r"found an array of datetime64\[s\]"),
    "texts": (np.array([["1", "2", "3"]] * 8), ValueError, r"found an array of <U1 of shape \(8, 3\)"),
    "texts as objects": (np.array([["1", 2, 3]] * 8, object), TypeError, "row 0, column 0: found '1' of type str"),
    "None": (np.array([[1, None, 3]] * 8, object), ValueError, "row 0, column 1: found None, a missing value"),
    "pandas.NA": (
        pd.DataFrame({0: pd.array([1, None] * 4, dtype="Int64"), 1: 1, 2: 2}),
        ValueError,
        "row 1, column 0: found <NA>, a missing value",
    ),
    "categories": (
        pd.DataFrame({0: pd.Categorical(["x", "y"] * 4), 1: 1, 2: 2}),
        TypeError,
        "row 0, column 0: found 'x' of type str",
    ),
    "NaN": (np.where(np.arange(8)[:, None] == 5, np.nan, ROWS), ValueError, "row 5 holds NaN"),
    "infinity": (np.where(np.arange(8)[:, None] == 5, -np.inf, ROWS), ValueError, "row 5 holds NaN, infinity"),
    "beyond float32": (np.array([[10**400, 1, 2]] * 8, object), ValueError, "row 0 holds .*beyond float32"),
    "no column": (ROWS[:, :0], ValueError, r"0 feature\(s\) \(shape=\(8, 0\)\) while a minimum of 1 is required"),
    "one axis": (ROWS[0], ValueError, r"Reshape your data: X.reshape\(1, -1\) is one sample"),
    "masked": (masked(ROWS), ValueError, "found a masked array with 5 masked values"),
    "more than memory": (huge(ROWS), MemoryError, "Unable to allocate 12.0 PiB .*pass fewer samples"),
}


@pytest.mark.parametrize("kind", WRONG_ROWS)
def test_what_is_no_rows_is_refused_at_each_door(kind: str) -> None:
    X, error, words = WRONG_ROWS[kind]
    clf = made(model=ROWS_NET)
    refused(lambda: clf.fit(X, Y), error, words)
    refused(lambda: FITTED_ROWS.predict(X), error, words)
    refused(lambda: clf.fit(ROWS, Y, validation_data=(X, Y)), error, words)
    assert not hasattr(clf, "classes_")


# Ways in which memory may hold an array; the values are the same, and so must the results be.
LAYOUTS: dict[str, Callable[[NDArray[Any]], Any]] = {
    "Fortran order": np.asfortranarray,
    "negative strides": lambda a: a[::-1].copy()[::-1],
    "gaps": lambda a: np.repeat(a, 2, axis=0)[::2],
    "misaligned": misaligned,
    "swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "memory map": lambda a: a.view(np.memmap),
    "idle mask": np.ma.masked_array,
    "lists": lambda a: a.tolist() if a.dtype != np.uint8 else list(a),
    "objects": lambda a: a.astype(object) if a.dtype != np.uint8 else a,
    "a matrix": lambda a: np.asmatrix(a) if a.ndim == 2 else a,
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("right", [PICTURES, ROWS, ROWS.astype(np.float32)], ids=["pictures", "float64", "float32"])
def test_the_layout_of_an_array_does_not_matter(layout: str, right: NDArray[Any]) -> None:
    other = LAYOUTS[layout](right)
    if isinstance(other, np.ndarray):
        other.flags.writeable = False
    expected = made(model=NET if right.ndim == 4 else ROWS_NET).fit(right, Y)
    clf = made(model=NET if right.ndim == 4 else ROWS_NET).fit(other, Y, validation_data=(other, Y))
    np.testing.assert_array_equal(clf.decision_function(other), expected.decision_function(right))


# Labels that are none -> words; the same ValueError at every door.
WRONG_LABELS: dict[str, tuple[Any, str]] = {
    "None": ([0, None] * 4, "4 labels are missing, the first is that of sample 1"),
    "NaN among texts": (["a", np.nan] * 4, "4 labels are missing, the first is that of sample 1"),
    "pandas.NA": ([pd.NA, 1] * 4, "4 labels are missing, the first is that of sample 0"),
    "missing texts": (pd.array([None, "a"] * 4, dtype="string"), "4 labels are missing"),
    "missing integers": (pd.array([None, 1] * 4, dtype="Int64"), "4 labels are missing"),
    "missing dates": (pd.to_datetime(["2020-01-01", None] * 4), "4 labels are missing"),
    "masked": (np.ma.masked_array(Y, [0, 0, 1, 0] * 2), "2 labels are missing, the first is that of sample 2"),
    "texts and numbers": (["1", 1] * 4, "found numbers and texts among the labels"),
    "booleans and numbers": ([True, 2] * 4, "found booleans and numbers among the labels"),
    "bytes": ([b"a", b"b"] * 4, r"found an array of \|S1 .*Unknown label type: bytes"),
    "dates": (np.array([1, 2] * 4, "M8[s]"), "found an array of datetime64.*Unknown label type"),
    "objects": ([object()] * 8, "found an array of object .*Unknown label type: object"),
    "fractions": ([0.5, 1] * 4, "found an array of float64 .*Unknown label type: continuous"),
    "infinity": ([np.inf, 1] * 4, "found an array of float64 .*Unknown label type: continuous"),
    "complex": ([1j, 2j] * 4, "found an array of complex128"),
    "beyond 64 bits": ([2**70, 1] * 4, "found a whole number beyond 64 bits"),
    "rounded by NumPy": ([2**63, -1] * 4, "found a whole number beyond 64 bits"),
    "cut by NumPy": (["a\0", "a"] * 4, "found a text that ends with a null character"),
    "pairs": ([(1, 2), (3, 4)] * 4, r"found an array of int64 of shape \(8, 2\)"),
    "ragged": ([[1, 2], [3]] * 4, "found no plain list"),
    "a text": ("abababab", r"found an array of <U8 of shape \(\)"),
    "a number": (3, r"found an array of int64 of shape \(\)"),
    "a dict": ({0: 1}, r"found an array of object of shape \(\)"),
    "a generator": ((label for label in Y), r"found an array of object of shape \(\)"),
}
LABEL_DOORS: dict[str, Callable[[Any], object]] = {
    "y": lambda y: made().fit(PICTURES, y),
    "y of score": lambda y: FITTED.score(PICTURES, y),
    "validation_data": lambda y: made().fit(PICTURES, Y, validation_data=(PICTURES, y)),
    "labels": lambda y: Dataset.from_arrays(PICTURES, y),
    "data": lambda y: evaluate(FITTED, (PICTURES, y)),
}


@pytest.mark.parametrize("kind", WRONG_LABELS)
@pytest.mark.parametrize("door", LABEL_DOORS)
def test_labels_that_are_none_are_refused_at_each_door(door: str, kind: str) -> None:
    labels, words = WRONG_LABELS[kind]
    refused(lambda: LABEL_DOORS[door](labels), ValueError, f"{door.split()[0]}: {words}")


@pytest.mark.parametrize("door", ["y of score", "validation_data", "data"])
def test_labels_that_training_did_not_see_are_refused(door: str) -> None:
    refused(lambda: LABEL_DOORS[door]([0, 2] * 4), ValueError, "the class '2' is unknown to the model, which has: 0, 1")


def test_whole_numbers_are_the_same_labels_as_floats_and_as_texts() -> None:
    floats = made().fit(PICTURES, [0.0, 1.0] * 4)
    expected = FITTED.score(PICTURES, Y)
    for clf in (FITTED, floats):
        for labels in (Y, [0.0, 1.0] * 4, np.array(Y, np.float32), ["0", "1"] * 4):
            assert clf.score(PICTURES, labels) == expected


@pytest.mark.parametrize("groups", [[None, "a"] * 4, [pd.NA, "a"] * 4, [np.nan, 1.0] * 4, ["", "a"] * 4])
def test_missing_groups_are_refused(groups: Any) -> None:
    refused(
        lambda: Dataset.from_arrays(PICTURES, Y, groups=np.array(groups, object)),
        ValueError,
        "groups: 4 of 8 pictures have no group, the first at position 0",
    )


# Parameters -> exception and words.
WRONG_PARAMETERS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"class_weight": {0: float("nan")}}, ValueError, "class_weight: 0: found nan, expected a finite number of 0 or"),
    ({"class_weight": {0: -1}}, ValueError, "class_weight: 0: found -1, expected a finite number of 0 or more"),
    ({"class_weight": {0: float("inf")}}, ValueError, "class_weight: 0: found inf, expected a finite number"),
    ({"class_weight": {0: 1e300}}, ValueError, r"class_weight: 0: found 1e\+300, .* within float32"),
    ({"class_weight": {0: "1"}}, ValueError, "class_weight: 0: found '1', expected a finite number"),
    ({"class_weight": {0: True}}, ValueError, "class_weight: 0: found True, expected a finite number"),
    ({"class_weight": {0: 0, 1: 0}}, ValueError, "class_weight: found 0 for each class, expected a number above 0"),
    ({"class_weight": {0: 1e-60, 1: 0}}, ValueError, "class_weight: found 0 for each class"),
    ({"class_weight": {0: 1, "0": 2}}, ValueError, "class_weight: the class '0' is given twice"),
    ({"class_weight": {2: 1}}, ValueError, "class_weight: the class '2' is unknown to the model, which has: 0, 1"),
    ({"class_weight": [1, 2]}, ValueError, r"class_weight: found \[1, 2\], expected 'balanced', a dict"),
    ({"model_params": {"drop": 1}}, ValueError, "model_params: 'custom' has no parameter 'drop'; it has: none"),
    (
        {"model_params": {"drop": 1}, "model": "casting_cnn"},
        ValueError,
        "model_params: 'casting_cnn' has no parameter 'drop'; it has: .*dropout",
    ),
    ({"model_params": [1]}, ValueError, r"model_params: found \[1\], expected a dict of parameter -> value"),
    (
        {"optimizer": {"kind": "sgd", "momentun": 1}},
        ValueError,
        "optimizer: unknown key 'momentun'.* settings are momentum, nest",
    ),
    ({"optimizer": {"kind": "sgd", "momentum": 2}}, ValueError, "optimizer: momentum: found 2, expected 0 <= momentum"),
    ({"optimizer": {"kind": "sgd", 1: 2}}, ValueError, "optimizer: unknown key 1.* settings are momentum"),
    ({"optimizer": {"kind": "adam", "learning_rate": 1}}, ValueError, "optimizer: found the key 'learning_rate'"),
    ({"schedule": {"kind": "cosine", "total_steps": 9}}, ValueError, "schedule: found the key 'total_steps'; it comes"),
    (
        {"schedule": {"kind": "cosine", "warmup": 9}},
        ValueError,
        "schedule: unknown key 'warmup'.* settings are warmup_steps",
    ),
    (
        {"schedule": {"kind": "cosine", "warmup_steps": -1}},
        ValueError,
        "schedule: warmup_steps: expected an integer of 0",
    ),
    ({"schedule": {"kind": "step", "gamma": 2}}, ValueError, "schedule: gamma: found 2, expected 0 < gamma <= 1"),
    ({"model": b"casting_cnn"}, TypeError, "model: found b'casting_cnn', expected a name"),
    ({"model": [layers.flatten(), layers.dense(5)]}, ValueError, "^layer 'dense_1': found 5 outputs for 2 classes"),
    ({"model": [layers.dense(1, name=3)]}, TypeError, "layer 1: name: found 3, expected a text"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("changed", "error", "words"), WRONG_PARAMETERS)
def test_wrong_parameters_are_named_before_the_training(
    changed: dict[str, Any], error: type[Exception], words: str
) -> None:
    clf = made(**changed)
    refused(lambda: clf.fit(PICTURES, Y), error, words)
    assert not hasattr(clf, "classes_")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"zoom": -1}, "augment: zoom: found -1, which stands for 2 to 0; expected a number from 0.001 to 10"),
        ({"zoom": 2}, "augment: zoom: found 2, which stands for -1 to 3; expected a number from 0.001 to 10"),
        ({"shift": 2}, "augment: shift: found 2; expected a number from 0 to 1"),
        ({"shift": (0.1, 3)}, r"augment: shift: found \(0.1, 3\); expected a number from 0 to 1"),
        ({"brightness": (2, 1)}, r"augment: brightness: found \(2, 1\); expected its smaller end first"),
        ({"blur": 9}, "augment: blur: found 9, which stands for 0 to 9; expected a number from 0 to 8"),
        ({"fill_value": 300}, "augment: fill_value: found 300; expected a number from 0 to 255"),
        ({"rotation": float("nan")}, "augment: rotation: found nan; expected a number from 0 to 360"),
    ],
)
def test_a_range_of_an_augmentation_is_named_as_it_was_given(fields: dict[str, Any], words: str) -> None:
    refused(lambda: Augment(**fields), ValueError, words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rotatoin = 10", "unknown key 'rotatoin', expected some of .*rotation"),
        ("shift = 2", "shift: found 2; expected a number from 0 to 1"),
        ("zoom = [2, 1]", r"zoom: found \(2, 1\); expected its smaller end first"),
        ("[augment]\nzoom = 1", "unknown key 'augment'"),
    ],
)
def test_a_file_of_an_augmentation_is_named(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    refused(lambda: Augment.from_file(path), ValueError, rf"{path}: {words}")


FLATTEN = "[[layers]]\ntype = 'flatten'\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour = 1\n" + FLATTEN, "unknown key 'colour', expected some of description, initialiser, layers"),
        ("[[layers]]\ntype = 'flaten'", "layer 1: type: found 'flaten', expected one of conv, dense"),
        (
            "[[layers]]\ntype = 'flatten'\nunits = 3",
            r"layer 1 \(flatten\): unknown key 'units', expected some of inputs",
        ),
        (FLATTEN + "[[layers]]\ntype = 'dense'", r"layer 2 \(dense\): lacks the key 'units'; it needs units"),
        (FLATTEN + "[[layers]]\ntype = 'dense'\nunits = 'u'", "layer 'dense_1': units: 'u' is not a model parameter"),
        (FLATTEN + "[[layers]]\ntype = 'dense'\nunits = 5", "layer 'dense_1': found 5 outputs for 2 classes"),
        (FLATTEN + "[[layers]]\ntype = 'dense'\nunits = 2.5", "layer 'dense_1': units: expected an integer"),
        (
            FLATTEN + "[[layers]]\ntype = 'dense'\nunits = 1\nbias = 'n'",
            "layer 'dense_1': bias: 'n' is not a model par",
        ),
        (FLATTEN + "[[layers]]\ntype = 'dense'\nunits = 1\nbias = 3", "layer 'dense_1': bias: expected True or False"),
        (FLATTEN + "[[layers]]\ntype = 'dropout'\nrate = nan", "layer 'dropout_1': rate: found NaN, expected 0 to"),
        (FLATTEN + "[[layers]]\ntype = 'flatten'\ninputs = 3", r"layer 2 \(flatten\): inputs: found 3, expected names"),
        (FLATTEN + "[[layers]]\ntype = 'flatten'\nname = 3", "layer 2: name: found 3, expected a text"),
        (
            FLATTEN + "[[layers]]\ntype = 'activation'\nfunction = 'swish'",
            "layer 'activation_1': .*found 'swish', .*relu",
        ),
        ("[[layers]]\ntype = 'conv'\nfilters = 2\nkernel = 30", "layer 'conv_1': kernel 30x30 is larger than"),
    ],
)
def test_a_file_of_a_model_is_named_with_the_layer_and_the_key(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text(text)
    clf = made(model=path)
    refused(lambda: clf.fit(PICTURES, Y), ValueError, rf"{path}: {words}")
    assert not hasattr(clf, "classes_")


@pytest.mark.parametrize("key", ["epohcs", "colour"])
def test_a_configuration_names_its_file_the_key_and_the_known_ones(key: str, tmp_path: Path) -> None:
    path = tmp_path / "line.toml"
    path.write_text(f"{key} = 3")
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int)
    refused(lambda: apply_configuration(parser, path), ValueError, rf"{path}: unknown key '{key}'.*batch-size, epochs")


def test_pictures_are_no_rows() -> None:
    refused(
        lambda: FITTED_ROWS.predict(PICTURES),
        ValueError,
        "X: found pictures of 6x4x1, expected rows of 3 features as in training",
    )


def test_arrays_that_change_during_a_call_make_nonsense_but_no_crash() -> None:
    """Pictures, rows and labels under the pen of another thread."""
    pictures, rows, labels = PICTURES.copy(), ROWS.astype(np.float32), np.array(Y)
    done = threading.Event()

    def spoil() -> None:
        number = 0
        while not done.is_set():
            number += 1
            pictures[number % 8] = number % 256
            rows[number % 8] = (np.nan, np.inf, 3e38, 0.5)[number % 4]
            labels[number % 8] = number % 3

    thread = threading.Thread(target=spoil)
    thread.start()
    try:
        for _ in range(40):
            for call in (
                lambda: made(epochs=2).fit(pictures, labels, validation_data=(pictures, labels)),
                lambda: made(epochs=2, model=ROWS_NET).fit(rows, labels),
                lambda: FITTED.score(pictures, labels),
                lambda: FITTED_ROWS.predict_proba(rows),
                lambda: Dataset.from_arrays(pictures, labels).split({"a": 0.5, "b": 0.5}),
            ):
                try:
                    call()
                except (ValueError, DivergenceError, RuntimeError) as error:
                    assert str(error)
    finally:
        done.set()
        thread.join()
    assert FITTED.predict(PICTURES).shape == (8,)


# Every door that takes the path of a file or folder -> the name of the parameter. The second argument are pictures on disk.
PATHS: dict[str, tuple[Callable[[Any, Dataset], object], str]] = {
    "folder": (lambda path, _: Dataset.from_folder(path), "root"),
    "folder with a cache": (lambda path, _: Dataset.from_folder(path, cache="cache"), "root"),
    "cache": (lambda path, data: Dataset.from_folder(data.root or "", cache=path), "cache"),
    "table": (lambda path, data: Dataset.from_csv(path, root=data.root or ""), "path"),
    "results": (lambda path, _: Dataset.from_journal(path), "out"),
    "split to read": (load_split, "path"),
    "split to write": (lambda path, data: save_split(path, {"train": data}), "path"),
    "masks": (lambda path, data: audit(data, masks=path, image_size=(6, 4)), "masks"),
    "model to read": (lambda path, _: load(path), "path"),
    "model to write": (lambda path, _: FITTED.save(path), "path"),
    "inspector": (lambda path, _: Inspector(path), "path"),
    "augment": (lambda path, _: Augment.from_file(path), "path"),
    "preprocess": (lambda path, _: Preprocess.from_file(path), "path"),
    "ledger": (lambda path, _: evaluate(FITTED, (PICTURES, Y), ledger=path), "ledger"),
    "page": (lambda path, _: evaluate(FITTED, (PICTURES, Y)).to_html(path), "path"),
    "backup": (lambda path, _: BackupAndRestore(path), "backup_dir"),
    "events": (lambda path, _: TensorBoard(path), "log_dir"),
    "checkpoints": (lambda path, _: ModelCheckpoint(path), "filepath"),
    "figures": (lambda path, _: CSVLogger(path), "filename"),
}


@pytest.mark.parametrize("door", PATHS)
def test_what_is_no_path_and_an_empty_one_are_refused_by_name(
    door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty text, as from a setting that is not set, would otherwise be the present folder."""
    for number, name in enumerate(["bad", "ok"]):
        (tmp_path / "parts" / name).mkdir(parents=True)
        Image.fromarray(PICTURES[number, :, :, 0]).save(tmp_path / "parts" / name / "0.png")
    data = Dataset.from_folder(tmp_path / "parts")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    call, parameter = PATHS[door]
    refused(lambda: call("", data), ValueError, f"^{parameter}: found an empty path, expected .*'.' is the present")
    refused(lambda: call(3, data), TypeError, f"^{parameter}: found 3, expected the path of ")
    assert not list((tmp_path / "here").iterdir())


def test_sizes_classes_and_parts_that_are_no_lists_are_refused_by_name(tmp_path: Path) -> None:
    size = r"^image_size: found 5, expected \(height, width\)"
    refused(lambda: Preprocess().apply(PICTURES[0], image_size=5), ValueError, size)  # type: ignore[arg-type]
    refused(lambda: audit(Dataset.from_arrays(PICTURES, Y), image_size=5), ValueError, size)  # type: ignore[arg-type]
    classes: Any = 3
    refused(lambda: Dataset.from_arrays(PICTURES, Y, classes), ValueError, "^classes: found 3, expected a list of at")
    line = Inspector(FITTED.save(tmp_path / "m.gonogo"))
    for parts in (None, 5, "parts"):
        words = f"^parts: found {type(parts).__name__}, expected a list"
        refused(lambda wrong=parts: line.decide_many(wrong), TypeError, words)  # type: ignore[misc]
