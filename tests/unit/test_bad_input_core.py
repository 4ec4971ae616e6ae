"""Arrays at the doors of the core: what is no plain array of the right kind is refused with one exception each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from gonogo import _core

pytestmark = pytest.mark.any_engine

GRAPH = _core.Graph([{"name": "last", "kind": "dense", "units": 2}], (3, 1, 1))
PARAMETERS, STATES = GRAPH.initialise("he_normal", 1)
PIXEL_GRAPH = _core.Graph(
    [{"name": "flat", "kind": "flatten"}, {"name": "last", "kind": "dense", "units": 2}], (1, 6, 4)
)
ROWS = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
TARGETS = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
INDICES = np.arange(4, dtype=np.uint32)
PICTURES = np.arange(96, dtype=np.uint8).reshape(4, 6, 4, 1)
PICTURE = PICTURES[1]


def rows_model() -> bytes:
    predictor = rows_predictor()
    return _core.serialise_model(GRAPH, PARAMETERS, STATES, {}, ROWS, predictor.logits(ROWS))


def rows_predictor(graph: _core.Graph = GRAPH) -> _core.Predictor:
    predictor = _core.Predictor(graph, 4, 1)
    predictor.load(*graph.initialise("he_normal", 1))
    return predictor


def step() -> _core.Step:
    made = _core.Step(GRAPH, (3,), 4, {"kind": "sgd"}, 1)
    made.parameters = PARAMETERS
    return made


PREDICTOR, PIXEL_PREDICTOR, CLASSIFIER = rows_predictor(), rows_predictor(PIXEL_GRAPH), _core.Classifier(rows_model())
STEP = step()


def set_parameters(value: Any) -> None:
    STEP.parameters = value


# door -> what it is called with, and an array that it takes
DOORS: dict[str, tuple[Callable[[Any], Any], NDArray[Any]]] = {
    "is_grey": (_core.is_grey, PICTURE),
    "measure_readout": (_core.measure_readout, PICTURE),
    "resize": (lambda a: _core.resize(a, 3, 3), PICTURE),
    "to_tensor": (_core.to_tensor, PICTURE),
    "warp": (lambda a: _core.warp(a, {}, 4, 4), PICTURE),
    "apply_augmentation": (lambda a: _core.apply_augmentation({}, {}, a), PICTURE),
    "decode_many": (lambda a: _core.decode_many([b""] * 4, a), np.zeros((4, 6, 4, 1), np.uint8)),
    "probabilities": (_core.probabilities, ROWS),
    "cross_entropy logits": (lambda a: _core.cross_entropy(a, TARGETS), TARGETS),
    "cross_entropy targets": (lambda a: _core.cross_entropy(TARGETS, a), TARGETS),
    "cross_entropy weights": (lambda a: _core.cross_entropy(TARGETS, TARGETS, a), np.ones(4, np.float32)),
    "step samples": (lambda a: STEP.run(a, TARGETS, INDICES, learning_rate=0.0), ROWS),
    "step targets": (lambda a: STEP.run(ROWS, a, INDICES, learning_rate=0.0), TARGETS),
    "step indices": (lambda a: STEP.run(ROWS, TARGETS, a, learning_rate=0.0), INDICES),
    "step weights": (
        lambda a: STEP.run(ROWS, TARGETS, INDICES, learning_rate=0.0, weights=a),
        np.ones(4, np.float32),
    ),
    "step occurrences": (lambda a: STEP.run(ROWS, TARGETS, INDICES, learning_rate=0.0, occurrences=a), INDICES),
    "step parameters": (set_parameters, PARAMETERS),
    "predictor load": (lambda a: rows_predictor().load(a, STATES), PARAMETERS),
    "predictor rows": (PREDICTOR.logits, ROWS),
    "predictor pictures": (PIXEL_PREDICTOR.logits, PICTURES),
    "predictor indices": (lambda a: PREDICTOR.logits(ROWS, a), INDICES),
    "classifier rows": (CLASSIFIER.logits, ROWS),
    "golden input": (lambda a: _core.serialise_model(GRAPH, PARAMETERS, STATES, {}, a, TARGETS), ROWS),
    "model parameters": (lambda a: _core.model_identity(GRAPH, a, STATES), PARAMETERS),
}


def misaligned(array: NDArray[Any]) -> NDArray[Any]:
    memory = np.zeros(array.nbytes + 1, np.uint8)
    moved = memory[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def with_gaps(array: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(array, 2, axis=-1)[..., ::2] if array.shape[-1] > 1 else np.repeat(array, 2, axis=0)[::2]


def spread(array: NDArray[Any]) -> NDArray[Any]:
    """One element seen 2^40 times along the first axis: more bytes than any machine has."""
    return as_strided(array, (2**40, *array.shape[1:]), (0, *array.strides[1:]), writeable=False)


# kind of array -> how it is made, the exception, and words of its message. Each is the same at every door.
KINDS: dict[str, tuple[Callable[[NDArray[Any]], Any], type[Exception], str]] = {
    "a list": (lambda a: a.tolist(), TypeError, "expected a NumPy array of .*, found <class 'list'>"),
    "None in its place": (lambda _: "pixels", TypeError, "expected a NumPy array of .*, found <class 'str'>"),
    "a memoryview": (memoryview, TypeError, "expected a NumPy array of .*, found <class 'memoryview'>"),
    "float64": (lambda a: a.astype(np.float64), TypeError, "native byte order, found dtype..float64"),
    "int64": (lambda a: a.astype(np.int64), TypeError, "native byte order, found dtype..int64"),
    "complex": (lambda a: a.astype(complex), TypeError, "native byte order, found dtype..complex128"),
    "objects": (lambda a: a.astype(object), TypeError, "native byte order, found dtype..O"),
    "structured": (
        lambda a: np.zeros(a.shape, [("a", np.uint8)]),
        TypeError,
        "native byte order, found dtype..*'a'",
    ),
    "one axis more": (lambda a: a[None], ValueError, r"dimensions, found|expected pictures of"),
    "one axis less": (lambda a: a[0] if a.ndim > 1 else a[0:1].reshape(()), ValueError, r"dimensions, found"),
    "negative strides": (lambda a: a[::-1], ValueError, "expected a C-contiguous, aligned array"),
    "gaps": (with_gaps, ValueError, "expected a C-contiguous, aligned array"),
    "more than memory": (spread, ValueError, "expected a C-contiguous, aligned array"),
    "a mask": (lambda a: np.ma.masked_array(a, np.ones(a.shape, bool)), ValueError, "found a masked array"),
    "an idle mask": (np.ma.masked_array, ValueError, "found a masked array"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_plain_array_is_refused(door: str, kind: str) -> None:
    call, right = DOORS[door]
    make, error, words = KINDS[kind]
    before = STEP.parameters.copy()
    with pytest.raises(error, match=words) as raised:
        call(make(right))
    assert type(raised.value) is error
    assert ": " in str(raised.value)  # the argument's name first
    np.testing.assert_array_equal(STEP.parameters, before)


@pytest.mark.parametrize("door", [door for door, (_, right) in DOORS.items() if right.itemsize > 1])
def test_swapped_and_misaligned_numbers_are_refused(door: str) -> None:
    call, right = DOORS[door]
    with pytest.raises(TypeError, match="native byte order"):
        call(right.astype(right.dtype.newbyteorder()))
    with pytest.raises(ValueError, match=r"C-contiguous, aligned array; pass numpy\.require"):
        call(misaligned(right))


@pytest.mark.parametrize("door", [door for door, (_, right) in DOORS.items() if right.ndim > 1 and right.shape[-1] > 1])
def test_fortran_order_is_refused(door: str) -> None:
    call, right = DOORS[door]
    with pytest.raises(ValueError, match="expected a C-contiguous"):
        call(np.asfortranarray(right))


@pytest.mark.parametrize("door", DOORS)
def test_no_door_writes_to_what_it_reads(door: str) -> None:
    call, right = DOORS[door]
    locked = right.copy()
    locked.flags.writeable = False
    if door == "decode_many":
        with pytest.raises(ValueError, match=r"out: .*writ"):
            call(locked)
    else:
        call(locked)
    np.testing.assert_array_equal(locked, right)


@pytest.mark.parametrize("subclass", [np.matrix, lambda a: a.view(np.memmap)], ids=["matrix", "memmap"])
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_other_subclasses_are_the_arrays_they_are(subclass: Callable[[Any], Any]) -> None:
    np.testing.assert_array_equal(PREDICTOR.logits(subclass(ROWS)), PREDICTOR.logits(ROWS))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((0, 2**31, 2**31, 1), "expected pictures of 6 x 4 x 1"),  # 2^62 pixels of no picture
        ((2, 0, 4, 1), "expected pictures of 6 x 4 x 1"),
        ((0, 0, 0, 0), "expected pictures of 6 x 4 x 1"),
        ((2**40, 0, 4, 1), "expected pictures of 6 x 4 x 1"),
    ],
)
def test_axes_of_no_length_do_not_hide_the_others(shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PIXEL_PREDICTOR.logits(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="pixels: "):
        _core.to_tensor(np.zeros((0, 2**31, 1), np.uint8))


def test_no_sample_gives_no_logits() -> None:
    assert PREDICTOR.logits(ROWS[:0]).shape == CLASSIFIER.logits(ROWS[:0]).shape == (0, 2)
    assert PREDICTOR.logits(ROWS, INDICES[:0]).shape == (0, 2)


def test_pictures_of_one_pixel_are_rows_to_every_door() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(4, 1, 1, 3)
    rows = np.stack([_core.to_tensor(pixel).reshape(-1) for pixel in pixels])
    for door in (PREDICTOR, CLASSIFIER):
        np.testing.assert_array_equal(door.logits(pixels), door.logits(rows))
    five = _core.Graph([{"name": "last", "kind": "dense", "units": 2}], (5, 1, 1))
    predictor = rows_predictor(five)
    rows = np.ones((1, 5), np.float32)
    data = _core.serialise_model(five, *five.initialise("he_normal", 1), {}, rows, predictor.logits(rows))
    for door in (predictor, _core.Classifier(data)):
        with pytest.raises(TypeError, match="samples: expected rows of 5 features of float32, found pictures of uint8"):
            door.logits(np.zeros((1, 1, 1, 5), np.uint8))


@pytest.mark.parametrize(
    "call",
    [
        lambda nan: _core.learning_rate({"kind": "step", "gamma": nan}, 0),
        lambda nan: _core.Step(GRAPH, (3,), 4, {"kind": "sgd", "momentum": nan}),
        lambda nan: _core.check_augmentation({"zoom": (nan, 1.0)}),
        lambda nan: _core.warp(PICTURE, {"gamma": nan}, 4, 4),
        lambda nan: _core.Graph([{"name": "last", "kind": "dense", "units": 2, "l2": nan}], (3, 1, 1)),
        lambda nan: STEP.run(ROWS, TARGETS, INDICES, learning_rate=nan),
    ],
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_number_that_is_none_is_called_so(call: Callable[[float], object], sign: float) -> None:
    with pytest.raises(ValueError, match=r"(found|is) NaN, expected"):
        call(float(np.copysign(np.nan, sign)))


@pytest.mark.parametrize("flag", ["false", 1, None, 0.0, np.zeros(1, bool)])
def test_only_a_truth_value_is_one(flag: Any) -> None:
    with pytest.raises(TypeError, match="optimizer: nesterov: expected True or False"):
        _core.Step(GRAPH, (3,), 4, {"kind": "sgd", "momentum": 0.5, "nesterov": flag})
    _core.Step(GRAPH, (3,), 4, {"kind": "sgd", "momentum": 0.5, "nesterov": np.True_})


def test_arrays_that_change_during_a_call_make_nonsense_but_no_crash() -> None:
    """Weights, targets, rows and pixels under the pen of another thread; indices have a test of their own."""
    rows, targets, weights = ROWS.copy(), TARGETS.copy(), np.ones(4, np.float32)
    pictures = np.zeros((64, 6, 4, 1), np.uint8)
    done = threading.Event()

    def spoil() -> None:
        number = 0
        while not done.is_set():
            number += 1
            for array in (rows, targets, weights):
                array[number % 4] = (np.nan, np.inf, -np.inf, 1e38)[number % 4]
            pictures[number % 64] = number % 256

    thread = threading.Thread(target=spoil)
    thread.start()
    try:
        for _ in range(500):
            try:
                STEP.run(rows, targets, INDICES, learning_rate=0.0, weights=weights)
            except (RuntimeError, ValueError) as error:
                assert str(error)
            assert PREDICTOR.logits(rows).shape == CLASSIFIER.logits(rows).shape == (4, 2)
            assert np.isfinite(PIXEL_PREDICTOR.logits(pictures)).all()
    finally:
        done.set()
        thread.join()
    np.testing.assert_array_equal(STEP.parameters, PARAMETERS)
