"""Memory that runs out at any moment: one MemoryError, nothing leaked, and what existed before still works."""

from __future__ import annotations

import ctypes
import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gonogo import _core

ROOT = Path(__file__).resolve().parents[2]
SHAPE = (1, 12, 12)
LAYERS = [
    {"name": "conv", "kind": "conv", "filters": 16, "kernel": (3, 3), "stride": (2, 2)},
    {"name": "relu", "kind": "activation", "function": "relu"},
    {"name": "pool", "kind": "pool", "pool": "max", "kernel": (2, 2), "stride": (2, 2)},
    {"name": "deep", "kind": "conv", "filters": 8, "kernel": (1, 1), "bias": False},
    {"name": "norm", "kind": "batch_norm"},
    {"name": "double", "kind": "add", "inputs": ["norm", "norm"]},
    {"name": "flat", "kind": "flatten"},
    {"name": "hidden", "kind": "dense", "units": 5},
    {"name": "drop", "kind": "dropout", "rate": 0.5},
    {"name": "classes", "kind": "dense", "units": 2},
]
PICTURES = np.arange(5 * 144, dtype=np.uint32).astype(np.uint8).reshape(5, 12, 12, 1)
TARGETS = np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 1]]
INDICES = np.arange(5, dtype=np.uint32)
AUGMENT = {"rotation": 10.0, "blur": (0.5, 1.0)}
DRAW = _core.draw_augmentation(AUGMENT, 12, 12)


def picture_file(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PICTURES[0, :, :, 0]).save(stream, kind)
    return stream.getvalue()


FILES = [picture_file("PNG"), picture_file("JPEG"), picture_file("BMP"), picture_file("PNG")[:-9]]
GRAPH = _core.Graph(LAYERS, SHAPE)
PARAMETERS, STATES = GRAPH.initialise("he_normal", 1)
STEP = _core.Step(GRAPH, (12, 12, 1), 5, {"kind": "adam"}, 2)
PREDICTOR = _core.Predictor(GRAPH, 5, 2)
PREDICTOR.load(PARAMETERS, STATES)
LOGITS = PREDICTOR.logits(PICTURES)
MODEL = (GRAPH, PARAMETERS, STATES, {"x.key": "value"}, PICTURES[:3], LOGITS[:3], np.eye(5, dtype=np.float32))
DATA = _core.serialise_model(*MODEL)
JSON = GRAPH.to_json()
THUMBNAILS = np.random.default_rng(0).integers(0, 256, (5, 64, 64)).astype(np.float32)
CLASSIFIER = _core.Classifier(DATA, 5, 2)


def one_layer(engine: str) -> dict[str, Any]:
    inputs = [np.ones((1, 6, 6), np.float32)]
    conv = {"name": "conv", "kind": "conv", "filters": 2, "kernel": (3, 3)}
    return _core.run_layer(conv, inputs, np.ones(20, np.float32), np.ones((2, 4, 4), np.float32), engine=engine)


def run_step() -> tuple[Any, ...]:
    STEP.parameters, STEP.states, STEP.count = PARAMETERS, STATES, 0
    STEP.moments = [np.zeros_like(PARAMETERS)] * 2
    options = {"keys": INDICES, "occurrences": INDICES, "weights": np.ones(5, np.float32), "augment": AUGMENT}
    result = STEP.run(PICTURES, TARGETS, INDICES, learning_rate=0.1, **options)
    return result, STEP.parameters, STEP.states, STEP.moments


def decode_many() -> tuple[Any, ...]:
    out = np.empty((4, 9, 10, 3), np.uint8)
    return (*_core.decode_many(FILES, out, threads=2), out)


def decode_regions() -> tuple[Any, ...]:
    out = np.empty((2, 3, 3, 1), np.uint8)
    regions = np.array([[0, 0, 3, 3], [2, 3, 3, 3]], np.int32)
    options = {"regions": regions, "rows": np.array([2], np.int32), "enhancement": {"median": 3}}
    return (*_core.decode_many(FILES[:1], out, **options), out)


# Every function, type, method and property of the extension; what stands behind a colon tells two calls apart.
CALLS: dict[str, Callable[[], Any]] = {
    "Classifier": lambda: _core.Classifier(DATA, 5, 2).self_test(),
    "Classifier.logits": lambda: CLASSIFIER.logits(PICTURES),
    "Classifier.logits_and_features": lambda: CLASSIFIER.logits_and_features(PICTURES),
    "Classifier.self_test": CLASSIFIER.self_test,
    "Graph": lambda: _core.Graph(LAYERS, SHAPE),
    "Graph.from_json": lambda: _core.Graph.from_json(JSON),
    "Graph.initialise": lambda: GRAPH.initialise("he_normal", 1),
    "Graph.to_json": GRAPH.to_json,
    "Predictor": lambda: _core.Predictor(GRAPH, 5, 2).operations,
    "Predictor.load": lambda: PREDICTOR.load(PARAMETERS, STATES),
    "Predictor.logits": lambda: PREDICTOR.logits(PICTURES),
    "Predictor.logits: indices": lambda: PREDICTOR.logits(PICTURES, INDICES[::-1].copy()),
    "Step": lambda: _core.Step(GRAPH, (12, 12, 1), 5, {"kind": "adam"}, 2).operations,
    "Step.run": run_step,
    "allocation_count": lambda: type(_core.allocation_count()),
    "apply_augmentation": lambda: _core.apply_augmentation(AUGMENT, DRAW, PICTURES[0]),
    "check_augmentation": lambda: _core.check_augmentation(AUGMENT),
    "check_many": lambda: _core.check_many(FILES, 2),
    "cpu_count": _core.cpu_count,
    "cross_entropy": lambda: _core.cross_entropy(LOGITS, TARGETS),
    "decode: JPEG": lambda: _core.decode(FILES[1], 3),
    "decode: PNG": lambda: _core.decode(FILES[0], 1),
    "decode_many": decode_many,
    "decode_many: regions": decode_regions,
    "describe_machine": _core.describe_machine,
    "describe_pictures": lambda: _core.describe_pictures(FILES, 2),
    "draw_augmentation": lambda: _core.draw_augmentation(AUGMENT, 12, 12, seed=3),
    "enhance": lambda: _core.enhance(PICTURES[0], {"median": 5, "local_contrast": 2.0}),
    "exchange_arithmetic": lambda: type(_core.exchange_arithmetic()),
    "fail_nth_allocation": lambda: _core.fail_nth_allocation(0),
    "find_siblings": lambda: _core.find_siblings(THUMBNAILS, INDICES, 2, 2),
    "gradient_check": lambda: _core.gradient_check(
        {"name": "t", "kind": "activation", "function": "tanh"}, [(1, 2, 2)], 0
    ),
    "inspect": lambda: _core.inspect(FILES[0]),
    "instruction_set": _core.instruction_set,
    "instruction_sets": _core.instruction_sets,
    "is_grey": lambda: _core.is_grey(PICTURES[0]),
    "learning_rate": lambda: _core.learning_rate({"kind": "cosine", "learning_rate": 1.0, "total_steps": 9}, 3),
    "live_allocations": lambda: type(_core.live_allocations()),
    "measure_exposure": lambda: _core.measure_exposure(np.repeat(PICTURES[0], 3, axis=2)),
    "measure_readout": lambda: _core.measure_readout(PICTURES[0]),
    "model_identity": lambda: _core.model_identity(GRAPH, PARAMETERS, STATES),
    "parse_model": lambda: _core.parse_model(DATA),
    "probabilities": lambda: _core.probabilities(LOGITS),
    "resize": lambda: _core.resize(PICTURES[0], 5, 7),
    "run_layer: best": lambda: one_layer("best"),
    "run_layer: ref": lambda: one_layer("ref"),
    "serialise_model": lambda: _core.serialise_model(*MODEL),
    "set_instruction_limit": lambda: _core.set_instruction_limit(_core.instruction_set()),
    "shuffled": lambda: _core.shuffled(10, 1),
    "to_tensor": lambda: _core.to_tensor(PICTURES[0]),
    "warp": lambda: _core.warp(PICTURES[0], {"blur_sigma": 1.0}, 8, 8),
}
for owner in (CLASSIFIER, GRAPH, PREDICTOR, STEP):
    for attribute, value in vars(type(owner)).items():
        if not attribute.startswith("__") and not callable(value) and not isinstance(value, staticmethod):
            CALLS[f"{type(owner).__name__}.{attribute}"] = lambda owner=owner, name=attribute: getattr(owner, name)

# These alone ask for memory of the core's own, or whether there is some; the rest makes Python objects at most.
ASK = {
    "Classifier",
    "Classifier.logits",
    "Classifier.logits_and_features",
    "Classifier.self_test",
    "Graph",
    "Graph.from_json",
    "Graph.to_json",
    "Predictor",
    "Predictor.load",
    "Predictor.logits",
    "Step",
    "Step.run",
    "apply_augmentation",
    "check_many",
    "decode",
    "decode_many",
    "describe_pictures",
    "enhance",
    "find_siblings",
    "gradient_check",
    "measure_exposure",
    "model_identity",
    "parse_model",
    "resize",
    "run_layer",
    "serialise_model",
    "warp",
}


@pytest.fixture(autouse=True)
def hook_off() -> Iterator[None]:
    yield
    _core.fail_nth_allocation(0)


@pytest.fixture(scope="module")
def allocator_library(compile_c: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("allocator") / "python_allocator.so"
    compile_c(ROOT / "tests" / "c" / "python_allocator.c", library, "-shared")
    return library


@pytest.fixture(scope="module")
def python_allocator(allocator_library: Path) -> ctypes.PyDLL:
    allocator = ctypes.PyDLL(str(allocator_library))
    allocator.python_allocator_fail.argtypes = [ctypes.c_ulong]
    allocator.python_allocator_fail.restype = None
    return allocator


def plain(value: Any) -> Any:
    """Something that compares equal if and only if the results are the same, down to the bits."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, _core.Graph):
        return value.to_json()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def declared_in_headers(root: Path) -> set[str]:
    """Functions of the public headers whose result must be looked at."""
    headers = re.findall(r'^#include "(.+)"', (root / "gonogo.h").read_text(), re.MULTILINE)
    texts = (re.sub(r"#define.*", "", (root / header).read_text()) for header in headers)
    return {name for text in texts for name in re.findall(r"GNG_MUST_CHECK\s+\w+\s+\**(gng_\w+)\(", text)}


def test_no_public_function_is_missing_from_the_c_program():
    program = (ROOT / "tests" / "c" / "test_allocation_failures.c").read_text()
    assert set(re.findall(r'\{"(gng_\w+)", \w+, (?:NOTHING|SOMETHING)\}', program)) == declared_in_headers(
        ROOT / "csrc"
    )


def test_functions_are_found_in_headers(tmp_path):
    (tmp_path / "gonogo.h").write_text('#include "room/one.h"\n#include "room/two.h"\n')
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "one.h").write_text(
        "#define GNG_MUST_CHECK gng_not(me)\nGNG_MUST_CHECK gng_status gng_one(int a);\nvoid gng_other(void);\n"
    )
    (tmp_path / "room" / "two.h").write_text("GNG_MUST_CHECK bool\n    gng_two(\n    int b);\n")
    assert declared_in_headers(tmp_path) == {"gng_one", "gng_two"}


def test_no_entry_of_the_extension_is_missing():
    expected = set()
    for name, value in vars(_core).items():
        if isinstance(value, type) and value is not _core.CoreError:
            expected |= {name} | {f"{name}.{attribute}" for attribute in vars(value) if not attribute.startswith("__")}
        elif callable(value) and value is not _core.CoreError:
            expected.add(name)
    assert {name.split(":")[0] for name in CALLS} == expected


@pytest.mark.parametrize("name", CALLS)
def test_every_allocation_of_the_core_may_fail(name):
    expected = plain(CALLS[name]())
    before = _core.live_allocations()
    for nth in range(1, 2000):
        _core.fail_nth_allocation(nth)
        try:
            result = CALLS[name]()
            break
        except MemoryError as error:
            assert str(error)
        finally:
            _core.fail_nth_allocation(0)
        assert _core.live_allocations() == before, f"allocation {nth}"
    assert plain(result) == expected
    assert (nth > 1) == (name.split(":")[0] in ASK)
    del result
    assert _core.live_allocations() == before


@pytest.mark.parametrize("name", CALLS)
def test_every_allocation_of_the_interpreter_may_fail(name, python_allocator):
    call, fail, restore = CALLS[name], python_allocator.python_allocator_fail, python_allocator.python_allocator_restore
    expected = plain(call())
    before = _core.live_allocations()
    for nth in range(1, 5000):
        fail(nth)
        try:
            result = call()
        except MemoryError:
            result = MemoryError
        finally:
            failed = restore()
        # The interpreter does without some of its memory, and so may the call, with the same result.
        assert result is MemoryError or plain(result) == expected, f"allocation {nth}"
        if not failed:
            break
        del result
        assert _core.live_allocations() == before, f"allocation {nth}"
    assert plain(call()) == expected


def test_every_allocation_of_an_import_may_fail(allocator_library):
    program = [sys.executable, str(ROOT / "tests" / "programs" / "import_without_memory.py"), str(allocator_library)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    first, again = map(int, done.stdout.split())
    assert min(first, again) > 50
    assert set(done.stderr.split()) <= {"MemoryError"}, "NumPy's own, printed before its ImportError"


def test_a_failed_step_can_be_repeated():
    expected = plain(run_step())
    for nth in range(1, 100):
        _core.fail_nth_allocation(nth)
        try:
            found = run_step()
            break
        except MemoryError:
            assert STEP.count in (0, 1)
    _core.fail_nth_allocation(0)
    assert plain(found) == expected
