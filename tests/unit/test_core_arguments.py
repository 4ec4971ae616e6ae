"""What the core does with wrong arguments: an exception that says so, whatever is passed, and nothing changed."""

from __future__ import annotations

import copy
import ctypes
import ctypes.util
import signal
import threading
import unittest.mock
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo import _core

ROWS = [{"name": "classes", "kind": "dense", "units": 2}]
GRAPH = _core.Graph(ROWS, (3, 1, 1))
PARAMETERS, STATES = GRAPH.initialise("he_normal", 1)
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
Y = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
MANY = np.random.default_rng(1).normal(size=(37, 1)).astype(np.float32)
INDICES = np.arange(4, dtype=np.uint32)
DATA = _core.serialise_model(GRAPH, PARAMETERS, STATES, {}, X, X @ PARAMETERS[:6].reshape(2, 3).T)
LAYER = {"name": "tanh", "kind": "activation", "function": "tanh"}
PIXELS = np.zeros((4, 4, 1), np.uint8)


def new_step(**optimizer: Any) -> _core.Step:
    step = _core.Step(GRAPH, (3,), 4, {"kind": "adam", **optimizer}, 1)
    step.parameters = PARAMETERS
    return step


def new_predictor() -> _core.Predictor:
    predictor = _core.Predictor(GRAPH, 4, 1)
    predictor.load(PARAMETERS, STATES)
    return predictor


STEP, PREDICTOR, CLASSIFIER = new_step(), new_predictor(), _core.Classifier(DATA, 4, 1)

# Every callable with arguments that work; one or two of them are replaced by something else.
CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "set_instruction_limit": (_core.set_instruction_limit, ("no such set",), {}),
    "fail_nth_allocation": (_core.fail_nth_allocation, (0,), {}),
    "shuffled": (_core.shuffled, (5, 1), {"epoch": 0, "stream": "split"}),
    "learning_rate": (_core.learning_rate, ({"kind": "cosine", "total_steps": 5}, 1), {}),
    "inspect": (_core.inspect, (b"",), {}),
    "decode": (_core.decode, (b"", 1), {}),
    "decode_many": (_core.decode_many, ([b""], np.zeros((1, 4, 4, 1), np.uint8)), {"mode": "pad", "threads": 1}),
    "is_grey": (_core.is_grey, (PIXELS,), {}),
    "measure_readout": (_core.measure_readout, (PIXELS,), {}),
    "resize": (_core.resize, (PIXELS, 3, 3), {"mode": "pad"}),
    "enhance": (_core.enhance, (PIXELS, {"median": 3, "local_contrast": 2.0, "gamma": 2.0}), {}),
    "to_tensor": (_core.to_tensor, (PIXELS,), {}),
    "warp": (_core.warp, (PIXELS, {"gamma": 1.1, "matrix": (1, 0, 0, 0, 1, 0)}, 4, 4), {}),
    "draw_augmentation": (_core.draw_augmentation, ({"rotation": 5.0}, 4, 4), {"seed": 1, "epoch": 1}),
    "apply_augmentation": (_core.apply_augmentation, ({"rotation": 5.0}, {"rotation": 3.0}, PIXELS), {}),
    "check_augmentation": (_core.check_augmentation, ({"zoom": (0.9, 1.1)},), {}),
    "Graph": (_core.Graph, (ROWS, (3, 1, 1)), {}),
    "from_json": (_core.Graph.from_json, (GRAPH.to_json(),), {}),
    "initialise": (GRAPH.initialise, ("he_normal", 1), {}),
    "gradient_check": (_core.gradient_check, (LAYER, [(1, 2, 2)], 1), {}),
    "run_layer": (
        _core.run_layer,
        (LAYER, [np.ones((1, 2, 2), np.float32)], np.zeros(0, np.float32)),
        {"engine": "ref", "seed": 1},
    ),
    "probabilities": (_core.probabilities, (X,), {}),
    "cross_entropy": (_core.cross_entropy, (Y, Y, np.ones(4, np.float32)), {}),
    "Step": (_core.Step, (GRAPH, (3,), 4, {"kind": "sgd", "momentum": 0.5}, 1), {}),
    "run": (
        STEP.run,
        (X, Y, INDICES),
        {"learning_rate": 0.0, "weights": None, "occurrences": None, "augment": None, "epoch": 1, "dropout_seed": 1},
    ),
    "parameters": (lambda value: setattr(STEP, "parameters", value), (PARAMETERS,), {}),
    "states": (lambda value: setattr(STEP, "states", value), (STATES,), {}),
    "moments": (lambda value: setattr(STEP, "moments", value), ([PARAMETERS, PARAMETERS],), {}),
    "count": (lambda value: setattr(STEP, "count", value), (1,), {}),
    "Predictor": (_core.Predictor, (GRAPH, 4, 1), {}),
    "load": (PREDICTOR.load, (PARAMETERS, STATES), {}),
    "predictor logits": (PREDICTOR.logits, (X, INDICES), {}),
    "parse_model": (_core.parse_model, (DATA,), {}),
    "serialise_model": (_core.serialise_model, (GRAPH, PARAMETERS, STATES, {}, X, Y, X), {}),
    "model_identity": (_core.model_identity, (GRAPH, PARAMETERS, STATES), {}),
    "Classifier": (_core.Classifier, (DATA, 4, 1), {}),
    "logits and features": (CLASSIFIER.logits_and_features, (X,), {}),
    "classifier logits": (CLASSIFIER.logits, (X,), {}),
}


class Pretender:
    """Has everything a mapping, a sequence, a number and a buffer of pictures might be asked for, and all of it wrong."""

    __array_interface__ = "nonsense"

    def __getitem__(self, key: object) -> object:
        raise KeyError(key)

    def items(self) -> list[int]:
        return [1, 2]

    def keys(self) -> int:
        return 3

    def __len__(self) -> int:
        return 3

    def __index__(self) -> int:
        raise TypeError("no integer")

    def __float__(self) -> float:
        raise TypeError("no number")


class OddDict(dict):
    def items(self) -> list[int]:
        return [1, (2,), ()]


def wrong_things() -> st.SearchStrategy[Any]:
    numbers = st.one_of(
        st.integers(-3, 40),
        st.sampled_from([-(2**70), -(2**31), 2**32, 2**63, 2**64 - 1, 2**70]),
        st.floats(),
        st.booleans(),
        st.none(),
        st.complex_numbers(),
    )
    kinds = st.sampled_from([np.uint8, np.uint32, np.float32, np.float64, np.bool_, object])
    arrays = st.builds(lambda shape, kind: np.zeros(shape, kind), st.lists(st.integers(0, 4), max_size=4), kinds)
    odd = [
        Pretender(),
        OddDict(a=1),
        unittest.mock.Mock(spec=_core.Graph),
        X[:, ::2],
        X.astype(">f4"),
        X.T,
        memoryview(b"ab"),
        bytearray(b"GNG"),
        _core,
        int,
        GRAPH,
    ]
    texts = st.one_of(st.text(max_size=5), st.binary(max_size=5), st.sampled_from(["a\0", "\ud800", "pad", "adam"]))
    simple = st.one_of(numbers, texts, arrays, st.sampled_from(odd))
    return st.one_of(
        simple,
        st.lists(simple, max_size=4),
        st.dictionaries(st.one_of(texts, st.sampled_from(["kind", "name", "rate"])), simple, max_size=3),
    )


@pytest.mark.parametrize("name", CALLS)
@given(data=st.data())
@settings(max_examples=40)
def test_wrong_arguments_raise_what_a_caller_can_expect(name, data):
    call, arguments, options = CALLS[name]
    places = [*range(len(arguments)), *options]
    place = data.draw(st.sampled_from(places))
    value = data.draw(wrong_things())
    changed, keywords = list(arguments), dict(options)
    if isinstance(place, int):
        changed[place] = value
    else:
        keywords[place] = value
    try:
        call(*changed, **keywords)
    except (
        TypeError,
        ValueError,
        OverflowError,
        IndexError,
        RuntimeError,
        MemoryError,
        BufferError,
        KeyError,
    ) as error:
        assert str(error)
    finally:
        _core.fail_nth_allocation(0)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1", None])
def test_a_seed_is_never_cut_or_wrapped(seed):
    calls = [
        lambda: _core.shuffled(3, seed),
        lambda: GRAPH.initialise("he_normal", seed),
        lambda: _core.gradient_check(LAYER, [(1, 2, 2)], seed),
        lambda: STEP.run(X, Y, INDICES, learning_rate=0.0, dropout_seed=seed),
        lambda: _core.learning_rate({}, seed),
    ]
    for call in calls:
        with pytest.raises((TypeError, ValueError), match="expected an integer of 0 to"):
            call()


def test_an_epoch_beyond_32_bits_is_refused_not_wrapped():
    with pytest.raises(ValueError, match="epoch: expected an integer of 0 to 4294967295, found 4294967296"):
        _core.shuffled(3, 1, epoch=2**32)


def test_only_a_graph_passes_for_a_graph():
    with pytest.raises(TypeError, match=r"graph: expected a gonogo\._core\.Graph, found .*Mock"):
        _core.Predictor(unittest.mock.Mock(spec=_core.Graph))


def test_names_do_not_end_at_a_null_character():
    with pytest.raises(ValueError, match="name"):
        _core.Graph([{"name": "a\0b", "kind": "dense", "units": 2}], (3, 1, 1))
    with pytest.raises(TypeError, match="kind"):
        _core.Graph([{"name": "a", "kind": "dense\0", "units": 2}], (3, 1, 1))


def test_a_mapping_with_items_of_its_own_is_read_by_its_keys():
    with pytest.raises(ValueError, match="schedule: unknown key 'a'"):
        _core.learning_rate(OddDict(a=1), 0)


def test_handles_cannot_be_copied_into_something_half_made():
    for handle in (GRAPH, STEP, PREDICTOR, CLASSIFIER):
        with pytest.raises(TypeError):
            copy.copy(handle)


def test_a_step_planned_for_rows_refuses_pictures_and_their_augmentation():
    step, pictures = new_step(), np.zeros((4, 1, 1, 3), np.uint8)
    with pytest.raises(ValueError, match="samples: found pictures, but the step was planned for rows"):
        step.run(pictures, Y, INDICES, learning_rate=0.1, augment={"blur": (1.0, 3.0)})
    with pytest.raises(ValueError, match="samples: found rows, but the step was planned for pictures"):
        _core.Step(GRAPH, (1, 1, 3), 4, {"kind": "sgd"}).run(X, Y, INDICES, learning_rate=0.1)


def test_indices_that_change_during_a_step_never_leave_the_targets():
    graph = _core.Graph(
        [{"name": "flat", "kind": "flatten"}, {"name": "last", "kind": "dense", "units": 2}], (1, 64, 64)
    )
    step = _core.Step(graph, (64, 64, 1), 256, {"kind": "sgd"}, 2)
    pictures, targets = np.zeros((256, 64, 64, 1), np.uint8), np.eye(2, dtype=np.float32)[np.arange(256) % 2]
    indices, done = np.arange(256, dtype=np.uint32), threading.Event()

    def spoil() -> None:
        while not done.is_set():
            indices[255] = 4_000_000_000
            indices[255] = 3

    thread = threading.Thread(target=spoil)
    thread.start()
    try:
        for _ in range(200):
            try:
                loss, _, _ = step.run(pictures, targets, indices, learning_rate=0.0)
                assert np.isfinite(loss)
            except (IndexError, ValueError) as error:
                assert "4000000000" in str(error)
    finally:
        done.set()
        thread.join()


def test_moments_are_taken_over_together_or_not_at_all():
    step = new_step()
    before = step.moments
    with pytest.raises(ValueError, match="moments"):
        step.moments = [PARAMETERS, PARAMETERS[:-1].copy()]
    np.testing.assert_array_equal(step.moments, before)


@pytest.mark.parametrize("field", ["parameters", "states", "moments", "count"])
def test_what_a_training_consists_of_cannot_be_deleted(field):
    with pytest.raises(AttributeError, match=f"{field} cannot be deleted"):
        delattr(STEP, field)


def test_a_count_that_bias_correction_cannot_use_is_refused():
    step = new_step()
    with pytest.raises(ValueError, match="count: expected an integer of 0 to 9007199254740992"):
        step.count = 2**64 - 1
    step.count = 2**53
    step.run(X, Y, INDICES, learning_rate=0.1)
    assert np.isfinite(step.parameters).all()


def test_a_schedule_of_steps_answers_at_once_however_late():
    schedule = {"kind": "step", "learning_rate": 0.5, "gamma": 1.0, "step_size": 1, "total_steps": 2**63}
    assert _core.learning_rate(schedule, 2**62) == 0.5
    assert _core.learning_rate({**schedule, "gamma": 0.5, "step_size": 10}, 29) == 0.125


def test_steps_past_the_end_get_the_last_rate():
    schedule = {"kind": "cosine", "learning_rate": 0.5, "total_steps": 10, "final_fraction": 0.25}
    assert _core.learning_rate(schedule, 9) == _core.learning_rate(schedule, 10) == 0.125
    assert _core.learning_rate(schedule, 2**63) == 0.125


def test_a_predictor_without_parameters_gives_no_logits():
    predictor = _core.Predictor(GRAPH, 4, 1)
    with pytest.raises(RuntimeError, match="no parameters; call load"):
        predictor.logits(X)


def test_a_refused_load_changes_no_logits():
    predictor = new_predictor()
    before = predictor.logits(X)
    with pytest.raises(ValueError, match="states: expected 0 values"):
        predictor.load(2 * PARAMETERS, np.zeros(1, np.float32))
    np.testing.assert_array_equal(predictor.logits(X), before)


def test_a_model_is_read_from_a_copy_of_a_buffer_that_may_change():
    assert _core.parse_model(bytearray(DATA))["model_sha256"] == _core.parse_model(DATA)["model_sha256"]
    with pytest.raises(TypeError, match="data: expected bytes"):
        _core.parse_model([1, 2, 3])


def big_predictor() -> tuple[_core.Predictor, np.ndarray]:
    layers = [
        {"name": "conv", "kind": "conv", "filters": 16, "kernel": (3, 3)},
        {"name": "flat", "kind": "flatten"},
        {"name": "last", "kind": "dense", "units": 2},
    ]
    graph = _core.Graph(layers, (1, 64, 64))
    predictor = _core.Predictor(graph, 16, 2)
    predictor.load(*graph.initialise("he_normal", 1))
    return predictor, np.zeros((64, 64, 64, 1), np.uint8)


def test_a_signal_handler_may_not_enter_the_call_it_interrupts():
    predictor, pictures = big_predictor()
    many, found = np.zeros((4000, 64, 64, 1), np.uint8), []

    def handle(*_: object) -> None:
        try:
            found.append(predictor.logits(pictures[:1]))
        except RuntimeError as error:
            found.append(error)

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.06, 0.06)
        for _ in range(50):
            predictor.logits(many)
            if any(isinstance(item, RuntimeError) for item in found):
                break
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert any("in the middle of a call" in str(item) for item in found)


def test_interrupts_at_any_moment_raise_and_leave_everything_usable():
    predictor, pictures = big_predictor()
    expected = predictor.logits(pictures)
    signal_before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    interrupts = 0
    try:
        for attempt in range(30):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.051 + 0.001 * attempt)
                while True:
                    predictor.logits(pictures)
            except KeyboardInterrupt:
                interrupts += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal_before)
    assert interrupts == 30
    np.testing.assert_array_equal(predictor.logits(pictures), expected)


def everything_computed() -> list[bytes | str]:
    step = new_step(clip_norm=0.1)
    results = [step.run(X, Y, INDICES, learning_rate=0.1) for _ in range(3)]
    predictor = _core.Predictor(GRAPH, 4, 1)
    predictor.load(step.parameters, step.states)
    logits = predictor.logits(X)
    augment = {"rotation": 20.0}
    draw = _core.draw_augmentation(augment, 4, 4, seed=3)
    pictures = np.arange(16, dtype=np.uint8).reshape(4, 4, 1)
    shares = {"momentum": 0.99, "epsilon": 0.001}
    described = _core.Graph(
        [{"name": "norm", "kind": "batch_norm", **shares}, {"name": "row", "kind": "flatten"}], (2, 1, 1)
    )
    numbers = [
        *results,
        _core.cross_entropy(logits, Y)[0],
        _core.cross_entropy(MANY, (MANY > 0.5).astype(np.float32))[0],
        _core.learning_rate({"kind": "cosine", "total_steps": 100, "learning_rate": 0.1}, 33),
        *(draw[key] for key in ("rotation", "zoom_y")),
    ]
    arrays = [
        *(np.array(number, np.float64) for number in numbers),
        step.parameters,
        logits,
        _core.probabilities(logits),
        _core.Classifier(DATA, 4, 1).logits(X),
        GRAPH.initialise("glorot_normal", 5)[0],
        _core.apply_augmentation(augment, draw, pictures),
    ]
    texts = [described.to_json(), _core.Graph.from_json(described.to_json()).to_json()]
    return [*(array.tobytes() for array in arrays), *texts]


@pytest.mark.parametrize("mode", [0x400, 0x800, 0xC00], ids=["down", "up", "towards zero"])
def test_the_rounding_mode_of_the_caller_changes_no_result(mode):
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    expected = everything_computed()
    assert library.fesetround(mode) == 0
    try:
        found = everything_computed()
    finally:
        library.fesetround(0)
    assert found == expected
