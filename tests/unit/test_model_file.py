"""Model files through the extension, read a second time by plain Python: json, hashlib and NumPy alone."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gonogo import _core

pytestmark = pytest.mark.any_engine

LAYERS: list[dict[str, Any]] = [
    {"name": "conv_1", "kind": "conv", "filters": 4, "kernel": (3, 3), "padding": (1, 1, 1, 1), "bias": False},
    {"name": "norm_1", "kind": "batch_norm"},
    {"name": "relu_1", "kind": "activation", "function": "relu"},
    {"name": "pool_1", "kind": "pool", "pool": "max", "kernel": (2, 2), "stride": (2, 2)},
    {"name": "flatten", "kind": "flatten"},
    {"name": "dropout", "kind": "dropout", "rate": 0.5},
    {"name": "logits", "kind": "dense", "units": 3},
]
METADATA = {"classes": '["ok","Grat","Riß"]', "versions": '{"gonogo":"0.1.0"}', "x.note": "line 1\nline 2\t\u20ac"}

strict = settings(max_examples=150, deadline=None)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
without_nul = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


class Example:
    """A small net with golden pictures whose logits are the ones this machine computes."""

    def __init__(self) -> None:
        self.graph = _core.Graph(LAYERS, (1, 6, 8))
        rng = np.random.default_rng(3)
        self.parameters, self.states = self.graph.initialise("glorot_uniform", 7)
        self.parameters += rng.normal(0, 0.1, self.parameters.shape).astype(np.float32)
        self.states += rng.uniform(0, 0.5, self.states.shape).astype(np.float32)
        self.golden = rng.integers(0, 256, (2, 6, 8, 1), dtype=np.uint8)
        self.logits = _core.Classifier(self.serialise({})).logits(self.golden)
        self.data = self.serialise(METADATA, self.golden, self.logits)

    def serialise(self, metadata: dict[str, str], *golden: NDArray[Any]) -> bytes:
        return _core.serialise_model(self.graph, self.parameters, self.states, metadata, *golden)


@pytest.fixture(scope="module")
def example() -> Example:
    return Example()


def read_plainly(data: bytes) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    body, tensors, end = data[8 + length :], {}, 0
    for name, entry in header.items():
        begin, stop = entry["data_offsets"]
        assert begin == end, "a hole or an overlap"
        dtype = {"F32": "<f4", "U8": "u1"}[entry["dtype"]]
        tensors[name] = np.frombuffer(body[begin:stop], dtype).reshape(entry["shape"])
        end = stop
    assert end == len(body) and length % 8 == 0
    return metadata, tensors


def seal(data: bytes) -> bytes:
    """Put the right hash into a changed file."""
    blank = re.sub(rb'("file_sha256":")[^"]*"', rb"\g<1>" + b"0" * 64 + b'"', data, count=1)
    return blank.replace(
        b'"file_sha256":"' + b"0" * 64, b'"file_sha256":"' + hashlib.sha256(blank).hexdigest().encode(), 1
    )


def test_plain_python_reads_what_was_written(example: Example) -> None:
    metadata, tensors = read_plainly(example.data)
    expected = {
        item["name"]: block[item["offset"] : item["offset"] + item["count"]].reshape(item["shape"])
        for items, block in ((example.graph.parameters, example.parameters), (example.graph.states, example.states))
        for item in items
    }
    expected |= {"golden.logits": example.logits, "golden.input": example.golden}
    assert list(tensors) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(tensors[name], values, err_msg=name)
    assert {key: metadata.pop(key) for key in METADATA} == METADATA
    assert metadata.pop("format") == "gonogo 1"
    assert metadata.pop("spec") == example.graph.to_json()
    assert json.loads(metadata.pop("golden")) == {"input_sha256": hashlib.sha256(example.golden.tobytes()).hexdigest()}
    assert metadata.keys() == {"file_sha256", "model_sha256"}


def test_hashes_are_those_of_hashlib(example: Example) -> None:
    metadata, _ = read_plainly(example.data)
    blank = example.data.replace(metadata["file_sha256"].encode(), b"0" * 64)
    assert metadata["file_sha256"] == hashlib.sha256(blank).hexdigest()
    parts = example.graph.to_json().encode(), example.parameters.tobytes(), example.states.tobytes()
    identity = hashlib.sha256(b"".join(parts)).hexdigest()
    assert metadata["model_sha256"] == identity
    assert _core.model_identity(example.graph, example.parameters, example.states) == identity


def test_parse_gives_back_what_was_serialised(example: Example) -> None:
    model = _core.parse_model(example.data)
    np.testing.assert_array_equal(model["parameters"], example.parameters)
    np.testing.assert_array_equal(model["states"], example.states)
    np.testing.assert_array_equal(model["golden_input"], example.golden)
    np.testing.assert_array_equal(model["golden_logits"], example.logits)
    assert model["metadata"] == METADATA
    assert model["graph"].to_json() == example.graph.to_json()
    again = _core.serialise_model(
        model["graph"],
        model["parameters"],
        model["states"],
        dict(reversed(model["metadata"].items())),
        model["golden_input"],
        model["golden_logits"],
    )
    assert again == example.data


def test_spec_is_compact_json_that_leads_back(example: Example) -> None:
    text = example.graph.to_json()
    spec = json.loads(text)
    assert spec["input"] == [1, 6, 8]
    assert [layer["name"] for layer in spec["layers"]] == [layer["name"] for layer in LAYERS]
    assert json.dumps(spec, separators=(",", ":")) == text
    assert _core.Graph.from_json(json.dumps(spec, indent=2, sort_keys=True)).to_json() == text


def test_classifier_runs_the_file(example: Example) -> None:
    classifier = _core.Classifier(example.data, batch=2, threads=1)
    assert classifier.self_test() == 0
    assert classifier.metadata == METADATA
    assert classifier.model_sha256 == _core.parse_model(example.data)["model_sha256"]
    pictures = np.random.default_rng(5).integers(0, 256, (33, 6, 8, 1), dtype=np.uint8)
    together = classifier.logits(pictures)
    for count in (1, 2, 3, 7, 16):
        np.testing.assert_array_equal(_core.Classifier(example.data, batch=count, threads=2).logits(pictures), together)
    predictor = _core.Predictor(example.graph)
    predictor.load(example.parameters, example.states)
    np.testing.assert_allclose(together, predictor.logits(pictures), rtol=0, atol=1e-5)


def test_golden_logits_of_another_machine_are_refused(example: Example) -> None:
    wrong = example.logits.copy()
    wrong[1, 2] += 2e-4
    with pytest.raises((_core.CoreError, RuntimeError), match=r"golden"):
        _core.Classifier(example.serialise(METADATA, example.golden, wrong))


@pytest.mark.parametrize(
    ("find", "replace", "code"),
    [
        (b"gonogo 1", b"gonogo 2", "UNSUPPORTED"),
        (b'"x.note"', b'"y.note"', "FORMAT"),
        (b'\\"kind\\":\\"conv\\"', b'\\"kind\\":\\"exec\\"', "UNSUPPORTED"),
        (b'"shape":[4,1,3,3]', b'"shape":[4,3,1,3]', "FORMAT"),
        (b'"dtype":"F32"', b'"dtype":"F64"', "UNSUPPORTED"),
    ],
)
def test_forgeries_with_a_right_hash_are_refused(example: Example, find: bytes, replace: bytes, code: str) -> None:
    assert find in example.data
    with pytest.raises(_core.CoreError) as raised:
        _core.parse_model(seal(example.data.replace(find, replace, 1)))
    assert raised.value.code == code
    assert "\n" not in str(raised.value)


def test_weights_that_are_not_numbers_are_refused(example: Example) -> None:
    (length,) = struct.unpack("<Q", example.data[:8])
    data = bytearray(example.data)
    data[8 + length : 12 + length] = struct.pack("<f", float("nan"))
    with pytest.raises(_core.CoreError, match=r"conv_1\.weight: value 0 is NaN"):
        _core.parse_model(seal(bytes(data)))
    bad = example.parameters.copy()
    bad[0] = np.inf
    with pytest.raises(ValueError, match=r"conv_1\.weight: value 0 is infinite"):
        _core.serialise_model(example.graph, bad, example.states, {})


@given(position=st.integers(0, 2**31), bit=st.integers(0, 7))
@strict
def test_a_flipped_bit_is_refused(example: Example, position: int, bit: int) -> None:
    data = bytearray(example.data)
    data[position % len(data)] ^= 1 << bit
    with pytest.raises(_core.CoreError):
        _core.parse_model(bytes(data))


@given(length=st.integers(0, 2**31))
@strict
def test_a_truncated_file_is_refused(example: Example, length: int) -> None:
    with pytest.raises(_core.CoreError) as raised:
        _core.parse_model(example.data[: length % len(example.data)])
    assert raised.value.code == "TRUNCATED"


@given(note=without_nul, key=st.from_regex(r"x\.[A-Za-z0-9._-]{1,61}", fullmatch=True))
@strict
def test_free_texts_come_back_unchanged(example: Example, note: str, key: str) -> None:
    data = example.serialise({key: note})
    assert _core.parse_model(data)["metadata"] == {key: note}
    assert read_plainly(data)[0][key] == note


@given(value=st.dictionaries(st.text(max_size=5), json_values, max_size=4), plain=st.booleans())
@strict
def test_json_of_python_is_accepted(example: Example, value: dict[str, Any], plain: bool) -> None:
    text = json.dumps(value, ensure_ascii=plain)
    if "\\u0000" in text or re.search(r"\\ud[89ab]|[\ud800-\udfff]", text):
        return  # surrogates and NUL have tests of their own
    assert _core.parse_model(example.serialise({"training": text}))["metadata"]["training"] == text


@given(
    value=st.dictionaries(st.text('ab\u20ac"\\', max_size=3), json_values, min_size=1, max_size=3),
    position=st.integers(0, 2**16),
    character=st.sampled_from(list('{}[]:,"\\u0019eE.+- tfn')),
    insert=st.booleans(),
)
@strict
def test_what_python_refuses_is_refused(
    example: Example, value: dict[str, Any], position: int, character: str, insert: bool
) -> None:
    text = json.dumps(value)
    at = position % len(text)
    text = text[:at] + character + text[at + (not insert) :]
    try:
        _core.serialise_model(example.graph, example.parameters, example.states, {"training": text})
    except ValueError:
        return
    assert isinstance(json.loads(text, parse_constant=float), dict)
    pairs: list[list[tuple[str, Any]]] = []
    json.loads(text, object_pairs_hook=pairs.append)
    assert all(len(dict(items)) == len(items) for items in pairs), "a key stands twice"


@pytest.mark.parametrize("key", ["format", "spec", "file_sha256", "model_sha256", "golden", "note", "x.", "x.a b"])
def test_keys_of_the_library_and_unknown_ones_are_refused(example: Example, key: str) -> None:
    with pytest.raises(ValueError, match="metadata"):
        example.serialise({key: "{}"})
