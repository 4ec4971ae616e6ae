"""Model files as Python reads and writes them: names, settings, and every way in which a file can be wrong."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo import DecodeError, DivergenceError, InspectionClassifier, ModelFileError, _core, layers, load
from gonogo.class_names import check_class_names
from gonogo.errors import JournalError
from gonogo.machine import fingerprint
from gonogo.model_file import ModelFile, model_bytes, parse_model, read_model
from gonogo.network import ModelSpec

pytestmark = pytest.mark.any_engine

GRAPH = ModelSpec("mine", (layers.conv(2, 3), layers.flatten(), layers.dense("classes"))).build((1, 6, 7), 2)
ROWS = ModelSpec("rows", (layers.dense("classes"),)).build((5, 1, 1), 3)
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 6, 7, 1), dtype=np.uint8)
GREY = {"color_mode": "grayscale", "resize_mode": "pad"}


def made(**changed: Any) -> bytes:
    chosen: dict[str, Any] = {"classes": ["bad", "ok"], "preprocess": GREY, "training": {}, "golden": PICTURES}
    return model_bytes(GRAPH, GRAPH.initialise("he_normal", 1), **{**chosen, **changed})


class Raw(str):
    """Stored as it is."""


def tampered(key: str, value: Any) -> bytes:
    """A file that is whole, but whose metadata say something else."""
    parts = _core.parse_model(made())
    metadata = {**parts["metadata"], key: value if isinstance(value, Raw) else json.dumps(value)}
    golden = parts["golden_input"], parts["golden_logits"]
    return _core.serialise_model(parts["graph"], parts["parameters"], parts["states"], metadata, *golden)


def test_what_was_stored_comes_back() -> None:
    training = {"seed": 2**64 - 1, "pass_label": "ok", "rate": np.float32(0.5), "n": np.int64(3), "name": "Größe"}
    file = parse_model(made(training=training, preprocess={**GREY, "resize_mode": "crop"}))
    assert isinstance(file, ModelFile)
    assert file.classes == ["bad", "ok"]
    assert file.preprocess == {"color_mode": "grayscale", "resize_mode": "crop"}
    assert file.training == {"seed": 2**64 - 1, "pass_label": "ok", "rate": 0.5, "n": 3, "name": "Größe"}
    assert file.versions == {"gonogo": _core.__version__, "fingerprint": fingerprint()}
    assert file.sample_shape == (6, 7, 1)
    assert (file.core.golden_count, file.core.self_test()) == (3, 0)


def test_rows_have_no_preprocessing() -> None:
    golden = np.ones((2, 5), np.float32)
    data = model_bytes(
        ROWS, ROWS.initialise("he_normal", 1), classes=list("abc"), preprocess={}, training={}, golden=golden
    )
    assert parse_model(data).sample_shape == (5,)


def test_the_same_content_is_the_same_bytes() -> None:
    one = made(training={"a": 1, "b": [2, {"d": 3, "c": 4}]})
    assert one == made(training={"b": [2, {"c": 4, "d": 3}], "a": 1})


@settings(max_examples=40)
@given(st.data())
def test_no_damaged_file_gets_in(data: st.DataObject) -> None:
    whole = made()
    if data.draw(st.booleans()):
        bad = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        place = data.draw(st.integers(0, len(whole) - 1))
        bad = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    with pytest.raises(ModelFileError) as caught:
        parse_model(bad, "m.gonogo")
    assert str(caught.value).startswith("m.gonogo: ")
    assert (caught.value.path, len(caught.value.reason.splitlines())) == (Path("m.gonogo"), 1)


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("classes", ["only"], "classes: found 1, but the net has outputs for 2"),
        ("classes", ["a", "b", "c"], "classes: found 3"),
        ("classes", ["a", 1], "classes: found something that is no text"),
        ("classes", ["a", "A"], "'A' differs from 'a' in upper and lower case only"),
        ("classes", ["../../etc", "ok"], "'../../etc' contains a slash"),
        ("preprocess", {}, "preprocess: found {}, expected color_mode 'grayscale'"),
        ("preprocess", {**GREY, "color_mode": "rgb"}, "preprocess: found"),
        (
            "preprocess",
            {**GREY, "resize_mode": "squeeze"},
            "preprocess: resize_mode: found 'squeeze', expected one of pad",
        ),
        ("preprocess", {**GREY, "resize_mode": ["pad"]}, "preprocess: resize_mode: found ['pad']"),
        ("preprocess", {**GREY, "bit_depth": 14}, "preprocess: bit_depth: found 14, expected 16, 12 or 10"),
        ("preprocess", {**GREY, "sharpen": 1}, "preprocess: unknown key 'sharpen'"),
        ("training", {"pass_label": "good"}, "pass_label: found 'good', expected one of bad, ok"),
        ("training", {"pass_label": ["ok"]}, "pass_label: found"),
        ("training", {"feature_names": ["a"]}, "training: feature_names: found ['a'], expected 42 texts"),
        ("training", {"feature_names": [1] * 42}, "training: feature_names: found [1, "),
    ],
)
def test_metadata_that_cannot_be_right_are_refused(key: str, value: Any, what: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        parse_model(tampered(key, value))
    assert str(caught.value).startswith("model: __metadata__: ")
    assert what in str(caught.value)


KEYS = ("classes", "preprocess", "training", "versions", "certificate", "temperature", "unknown_guard", "review_zone")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("text", ["{half", f'{{"n": {"1" * 5000}}}', "3"])
def test_metadata_are_no_texts_that_python_could_stumble_over(key: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"metadata: {key}: "):
        tampered(key, Raw(text))


def test_without_a_certificate_no_file_decides() -> None:
    file = parse_model(made())
    with pytest.raises(ValueError, match="the model has no certified PASS threshold; make one with gonogo calibrate"):
        file.decide(file.core.logits(PICTURES[:1]), None)


@pytest.mark.parametrize("key", ["classes", "preprocess", "training", "versions"])
def test_metadata_may_not_be_missing(key: str) -> None:
    parts = _core.parse_model(made())
    metadata = {name: value for name, value in parts["metadata"].items() if name != key}
    golden = parts["golden_input"], parts["golden_logits"]
    data = _core.serialise_model(parts["graph"], parts["parameters"], parts["states"], metadata, *golden)
    with pytest.raises(ModelFileError, match=key):
        parse_model(data)


def test_a_file_without_golden_pictures_or_with_wrong_scores_is_refused() -> None:
    parts = _core.parse_model(made())
    content = parts["graph"], parts["parameters"], parts["states"], parts["metadata"]
    with pytest.raises(ModelFileError, match="golden"):
        parse_model(_core.serialise_model(*content))
    wrong = parts["golden_logits"] + np.float32(0.01)
    with pytest.raises(ModelFileError, match=r"differ.*0\.01"):
        parse_model(_core.serialise_model(*content, parts["golden_input"], wrong))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_not_stored(value: float) -> None:
    weights, states = GRAPH.initialise("he_normal", 1)
    weights[3] = value
    with pytest.raises(ValueError, match="finite"):
        model_bytes(GRAPH, (weights, states), classes=["a", "b"], preprocess=GREY, training={}, golden=PICTURES)


def test_files_that_are_no_model_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing: no such file; expected a model file"):
        load(tmp_path / "missing")
    with pytest.raises(IsADirectoryError, match="found a folder, expected a model file"):
        load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelFileError, match="no regular file"):
        load(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ModelFileError, match="huge: found 1,099,511,627,776 bytes, expected a model file of at most"):
        load(tmp_path / "huge")
    (tmp_path / "pickle").write_bytes(pickle.dumps({"weights": [1.0] * 100}))
    with pytest.raises(ModelFileError, match="pickle: "):
        load(tmp_path / "pickle")
    (tmp_path / "empty").touch()
    with pytest.raises(ModelFileError, match="empty: "):
        read_model(tmp_path / "empty")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("", "is empty"),
        ("x" * 101, "longer than 100 bytes"),
        ("ü" * 51, "longer than 100 bytes"),
        ("a/b", "a slash"),
        ("a\\b", "a slash"),
        ("a\nb", "control character"),
        ("a\x7fb", "control character"),
        ("a\x85b", "control character"),
        ("a\ud800", "invalid character"),
        (".hidden", "begins with a dot"),
        ("..", "begins with a dot"),
        ("dot.", "ends with a dot"),
        ("space ", "ends with a dot or a space"),
        ("review", "keeps for itself"),
        ("QUARANTINE", "keeps for itself"),
        ("work", "keeps for itself"),
        ("Decisions.csv", "keeps for itself"),
        ("status.json", "keeps for itself"),
        ("gonogo.prom", "keeps for itself"),
        ("NUL", "keeps for itself"),
        ("con.txt", "keeps for itself"),
        ("Com1", "keeps for itself"),
        ("lpt³", "keeps for itself"),
        ("OK", "differs from 'ok' in upper and lower case only"),
        ("ok", "'ok' is there twice"),
    ],
)
def test_class_names_must_be_names_of_folders(name: str, what: str) -> None:
    with pytest.raises(ValueError, match=what) as caught:
        check_class_names(["ok", name])
    assert "rename the class" in str(caught.value)
    with pytest.raises(ValueError, match=what):
        made(classes=["ok", name])


def test_class_names_that_differ_in_their_unicode_form_only_are_one_name_to_people() -> None:
    with pytest.raises(
        ValueError, match=r"in its Unicode form \('Gu\\xdf-e\\u0301' and 'Gu\\xdf-\\xe9'\) only; rename"
    ):
        check_class_names(["Guß-\u00e9", "Guß-e\u0301"])
    with pytest.raises(ValueError, match="in upper and lower case only"):
        check_class_names(["\u00c9", "e\u0301"])
    check_class_names(["\u00e9", "e"])


def test_ordinary_names_are_fine() -> None:
    check_class_names(["ok_front", "def front", "Lunker", "größer 2 mm", "com10", "0", "x" * 100, "a.b", "console"])


def test_weights_sharp_s_and_double_s_count_as_equal() -> None:
    with pytest.raises(ValueError, match="upper and lower case only"):
        check_class_names(["STRASSE", "straße"])


def test_a_large_picture_is_stored_once_for_the_self_test() -> None:
    """Eight golden pictures of 3 MB each would make every file 24 MB larger."""
    X = np.random.default_rng(0).integers(0, 256, (4, 1000, 1000, 3), dtype=np.uint8)
    net = [layers.conv(1, 9, stride=9), layers.global_average_pool(), layers.dense("classes")]
    clf = InspectionClassifier(net, epochs=1, random_state=1, batch_size=4).fit(X, [0, 1, 0, 1])
    assert clf._file.core.golden_count == 1
    assert len(clf._file.data) < 4_000_000


@pytest.mark.parametrize(
    "error",
    [
        DecodeError("a.png", "truncated", "found the end", 17),
        ModelFileError("m", "bad"),
        DivergenceError(3, 4, "nan"),
        JournalError("j.db", "cut"),
    ],
)
def test_errors_survive_the_way_between_processes(error: Any) -> None:
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), str(twin), vars(twin)) == (type(error), str(error), vars(error))
    assert isinstance(error, ValueError)


def test_pictures_of_one_pixel_are_rows(tmp_path: Path) -> None:
    pixels = np.arange(0, 240, 20, dtype=np.uint8).reshape(12, 1, 1, 1)
    clf = InspectionClassifier([layers.flatten(), layers.dense("classes")], epochs=3, verbose=False)
    clf.fit(pixels, ["bad"] * 6 + ["ok"] * 6).save(tmp_path / "pixel.gonogo")
    assert load(tmp_path / "pixel.gonogo").predict_proba(pixels).tolist() == clf.predict_proba(pixels).tolist()
