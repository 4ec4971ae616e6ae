"""The deployment face: decisions from a file, doubts to REVIEW, and certificates that belong to the file they are in."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from gonogo import (
    Dataset,
    Decision,
    InspectionClassifier,
    Inspector,
    ModelFileError,
    PassGate,
    Preprocess,
    Tiles,
    _core,
    layers,
)
from gonogo.certificate import Certificate
from gonogo.certificate_words import assumptions, promise
from gonogo.cli.predict import predict
from gonogo.decision import REVIEW, doubt_about
from gonogo.model_file import parse_model
from gonogo.seen import extend

pytestmark = pytest.mark.any_engine


def pictures(n: int, seed: int, channels: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Dark pictures are bad, bright ones ok; all are different."""
    rng = np.random.default_rng(seed)
    ok = rng.random(n) < 0.3
    dark = rng.integers(0, 120, (n, 6, 7, channels), dtype=np.uint8)
    return dark + 90 * ok[:, None, None, None].astype(np.uint8), np.where(ok, "ok", "bad")


def calibrated(channels: int = 1, views: int = 1) -> PassGate:
    net = [layers.flatten(), layers.dense("classes")]
    clf = InspectionClassifier(net, epochs=12, learning_rate=0.02, random_state=3, verbose=False)
    clf.fit(*pictures(200, 1, channels))
    X, y = pictures(500 * views, 3, channels)
    y = np.repeat(y[::views], views)
    X = np.where((y == "ok")[:, None, None, None], X % 120 + 90, X % 120).astype(np.uint8)
    return PassGate(clf, "ok", 0.01, 0.95, bad_share=0.02).fit(X, y, groups=np.arange(500 * views) // views)


@pytest.fixture(scope="module")
def gate() -> PassGate:
    return calibrated()


@pytest.fixture(scope="module")
def line(gate: PassGate, tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    return Inspector(gate.save(tmp_path_factory.mktemp("gated") / "parts.gonogo"))


def test_it_decides_as_the_gate_did(gate: PassGate, line: Inspector) -> None:
    X, y = pictures(60, 9)
    said = gate.decide(X)
    assert [line.decide(picture) for picture in X] == said
    assert [line.decide(picture[..., 0]) for picture in X] == said, "grey needs no axis of channels"
    assert line.decide_many(list(X)) == said
    passed = [decision for decision, label in zip(said, y, strict=True) if label == "ok" and decision.passed]
    assert passed
    assert passed[0] == Decision("ok", True, passed[0].score, "", gate.certificate_["sha256"])
    limit = gate.threshold_ + gate.guard_band_
    assert all((decision.score > limit) == decision.passed for decision in said)


def test_a_picture_of_fewer_bits_than_the_training_had_is_for_people(line: Inspector) -> None:
    picture = pictures(1, 0)[0][0] % 120 + 130
    dark = line.decide([picture, picture >> 4])
    assert (dark.label, dark.passed) == ("REVIEW", False)
    assert dark.reason.startswith(f"picture 2 of 2: its brightest pixel has {(picture >> 4).max()} of 255, expected ")
    assert line.decide_many([[picture >> 4]])[0].label == "REVIEW"
    with pytest.raises(ValueError, match="another bit depth"):
        line.predict_proba(picture >> 4)
    assert "brightest" not in line.decide(picture >> 2).reason, "half as bright and again is no other depth"


BRIGHT = pictures(1, 0)[0][0] % 120 + 130
DOUBTS: list[tuple[Any, str]] = [
    (BRIGHT[:-1], "found a picture of 5x7x1, expected 6x7x1"),
    (BRIGHT.swapaxes(0, 1), "found a picture of 7x6x1"),
    (np.repeat(BRIGHT, 3, axis=2), "found a picture of 6x7x3"),
    (BRIGHT.astype(np.float32), "found pixels of float32, expected uint8"),
    (BRIGHT.astype(np.uint16), "found pixels of uint16"),
    (BRIGHT.astype(bool), "found pixels of bool"),
    (np.full((6, 7), 200, np.uint8), "every pixel is the same"),
    (np.full((6, 7, 1), math.nan), "found pixels of float64"),
    (np.zeros((0, 7, 1), np.uint8), "found a picture of 0x7x1"),
    (np.zeros((), np.uint8), "found a picture of "),
    (np.ma.masked_equal(BRIGHT, 3), "found a masked array"),
    (None, "found a NoneType, expected an array"),
    ("part.png", "found a str"),
    ([], "found no picture of the part"),
    ([BRIGHT, BRIGHT[:-1]], "picture 2 of 2: found a picture of 5x7x1"),
    (np.zeros((0, 6, 7, 1), np.uint8), "found no picture of the part"),
]


@pytest.mark.parametrize(("pixels", "reason"), DOUBTS, ids=[reason for _, reason in DOUBTS])
def test_every_doubt_is_review_with_its_reason(line: Inspector, gate: PassGate, pixels: Any, reason: str) -> None:
    decision = line.decide(pixels)
    assert (decision.label, decision.passed) == (REVIEW, False)
    assert reason in decision.reason
    assert math.isnan(decision.score)
    assert decision.certificate == gate.certificate_["sha256"]


IMMENSE = """
import resource, sys
import numpy as np
import gonogo
line = gonogo.Inspector(sys.argv[1], n_threads=1)
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
found = line.decide(np.broadcast_to(np.uint8(3), (10**9, 6, 7, 1)))
print(found.label, found.doubtful, found.reason)
"""


def test_more_pictures_than_a_part_may_have_are_refused_before_one_is_looked_at(gate: PassGate, tmp_path: Path) -> None:
    saved = gate.save(tmp_path / "m.gonogo")
    ended = subprocess.run([sys.executable, "-c", IMMENSE, str(saved)], capture_output=True, text=True, check=False)
    expected = "REVIEW True found 1,000,000,000 pictures of the part, expected at most 1,000"
    assert ended.stdout.strip() == expected, ended.stderr


def test_as_many_pictures_as_a_part_may_have_are_decided_on(line: Inspector) -> None:
    assert not line.decide([BRIGHT] * 1000).doubtful
    assert line.decide([BRIGHT] * 1001).doubtful


def test_classes_are_told_and_no_probability_of_what_is_in_doubt(line: Inspector) -> None:
    assert line.classes == ["bad", "ok"]
    with pytest.raises(ValueError, match="pixels: every pixel is the same"):
        line.predict_proba(np.full((6, 7), 200, np.uint8))


def test_doubts_among_many_parts_do_not_touch_the_others(line: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gonogo.inspector._GROUP_BYTES", 100)
    X, _ = pictures(20, 3)
    parts: list[Any] = [*([doubtful] for doubtful, _ in DOUBTS[:3]), *X[:9], [X[9], X[10]], *X[11:], "part.png"]
    together, alone = line.decide_many(parts), [line.decide(part) for part in parts]
    assert list(map(repr, together)) == list(map(repr, alone)), "NaN is not equal to itself"
    assert line.decide_many([]) == []


def test_layout_of_the_memory_does_not_matter(line: Inspector) -> None:
    twisted = np.asfortranarray(BRIGHT)
    backwards = BRIGHT[::-1].copy()[::-1]
    assert line.decide(BRIGHT).passed
    assert line.decide(twisted) == line.decide(backwards) == line.decide(BRIGHT)
    assert line.decide([BRIGHT]) == line.decide((BRIGHT,)) == line.decide(BRIGHT[None]) == line.decide(BRIGHT)


def test_a_colour_that_is_everywhere_the_same_is_a_constant_picture(tmp_path: Path) -> None:
    line = Inspector(calibrated(channels=3).save(tmp_path / "rgb.gonogo"))
    assert (
        line.decide(np.broadcast_to(np.array([200, 10, 250], np.uint8), (6, 7, 3))).reason == "every pixel is the same"
    )


def test_a_decision_allocates_nothing_of_the_size_of_a_picture(tmp_path: Path) -> None:
    rng, y = np.random.default_rng(5), np.where(np.arange(60) < 40, "bad", "ok")
    X = rng.integers(0, 100, (60, 200, 300, 1), dtype=np.uint8) + 100 * (y == "ok")[:, None, None, None].astype(
        np.uint8
    )
    clf = InspectionClassifier(
        [layers.max_pool(10), layers.flatten(), layers.dense("classes")], epochs=1, verbose=False
    )
    clf.fit(X[::2], y[::2])
    line = Inspector(PassGate(clf, "ok", 0.6, 0.6).fit(X[1::2], y[1::2]).save(tmp_path / "m.gonogo"), n_threads=1)
    line.decide(X[0])
    tracemalloc.start()
    try:
        begun = tracemalloc.get_traced_memory()[0]
        for picture in X:
            line.decide(picture)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Logits, margins and the decision itself; a picture has 60,000 bytes.
    assert peak - begun < 8_000
    assert held - begun < 4_000


@pytest.mark.parametrize("channels", [1, 3])
def test_one_other_pixel_is_enough_not_to_be_constant(channels: int) -> None:
    picture = np.full((5, 6, channels), 7, np.uint8)
    assert doubt_about(picture, picture.shape) == "every pixel is the same"
    assert doubt_about(np.empty((0, 6, channels), np.uint8), (0, 6, channels)) == "every pixel is the same"
    for place in np.ndindex(picture.shape):
        other = picture.copy()
        other[place] += 1
        assert doubt_about(other, picture.shape) == ""


def test_a_part_of_several_views_needs_them_all(tmp_path: Path) -> None:
    line = Inspector(calibrated(views=2).save(tmp_path / "views.gonogo"))
    bright, dark = BRIGHT, BRIGHT - np.uint8(130)
    assert line.decide([bright, bright + np.uint8(1)]).label == "ok"
    mixed = line.decide([bright, dark])
    assert (mixed.label, mixed.reason) == ("bad", "")
    assert mixed.score == line.decide([dark, dark]).score
    for pixels in (bright, [bright], dark):
        decision = line.decide(pixels)
        assert decision.label == REVIEW
        assert decision.reason == "found 1 picture of the part, the certificate holds for 2 or more"


@given(st.integers(0, 2**32))
def test_what_is_added_to_a_part_never_makes_it_pass(line: Inspector, seed: int) -> None:
    X, _ = pictures(2, seed)
    both = line.decide(list(X))
    assert both.passed == all(line.decide(view).passed for view in X)
    assert both.score == min(line.decide(view).score for view in X)


def test_without_a_certificate_nothing_passes(tmp_path: Path) -> None:
    X, y = pictures(200, 1)
    clf = InspectionClassifier([layers.flatten(), layers.dense("classes")], epochs=1, random_state=1, verbose=False)
    line = Inspector(clf.fit(X, y).save(tmp_path / "bare.gonogo"))
    decision = line.decide(X[0])
    assert (decision.label, decision.passed, decision.certificate) == (REVIEW, False, "")
    assert "no certified PASS threshold; make one with gonogo calibrate" in decision.reason
    assert "no certificate" in repr(line)


def test_rows_of_numbers_are_decided_on_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 900)
    X = (rng.normal(size=(900, 3)) + 5 * y[:, None]).astype(np.float32)
    clf = InspectionClassifier(epochs=10, random_state=1, verbose=False).fit(X[:200], y[:200])
    gate = PassGate(clf, 1, 0.01, 0.95).fit(X[200:], y[200:])  # type: ignore[arg-type]
    line = Inspector(gate.save(tmp_path / "rows.gonogo"))
    assert [line.decide(row) for row in X[:20]] == gate.decide(X[:20])
    assert line.decide(X[0].astype(np.float64)) == line.decide(X[0])
    for row in (np.array([1, np.nan, 2]), np.array([1, 1e300, 2])):
        assert line.decide(row).reason == "found NaN, infinity or a number beyond float32"
    assert "expected 3 numbers" in line.decide(X[0, :2]).reason
    assert "expected 3 numbers" in line.decide(np.array(["1", "2", "3"])).reason


def with_metadata(gate: PassGate, tmp_path: Path, key: str, text: str, weights: Any = None) -> bytes:
    """The gated model file with something else in its metadata, sealed as a whole file."""
    parts = _core.parse_model(gate.save(tmp_path / "model.gonogo").read_bytes())
    parameters = parts["parameters"] if weights is None else weights
    metadata = {**parts["metadata"], key: text}
    draft = _core.Classifier(_core.serialise_model(parts["graph"], parameters, parts["states"], metadata))
    golden = parts["golden_input"], draft.logits(parts["golden_input"])
    return _core.serialise_model(parts["graph"], parameters, parts["states"], metadata, *golden)


def test_a_certificate_that_belongs_to_other_weights_is_refused(gate: PassGate, tmp_path: Path) -> None:
    certificate = json.dumps(gate.certificate.to_json())
    other = gate.clf.model_file
    weights = _core.parse_model(other.data)["parameters"] * np.float32(1.5)
    data = with_metadata(gate, tmp_path, "certificate", certificate, weights)
    with pytest.raises(ModelFileError, match="certificate: it belongs to other weights") as caught:
        parse_model(data)
    assert "calibrate this model, on fresh parts" in str(caught.value)
    stretched = json.dumps({**other.preprocess, "resize_mode": "stretch"})
    with pytest.raises(ModelFileError, match="belongs to other classes or preprocessing"):
        parse_model(with_metadata(gate, tmp_path, "preprocess", stretched))
    with pytest.raises(ModelFileError, match="belongs to other classes"):
        parse_model(with_metadata(gate, tmp_path, "classes", '["bad","good"]'))


FORGED: list[tuple[dict[str, Any], str]] = [
    ({"threshold": "0x1.0p+0"}, "threshold: found '0x1.0p"),
    ({"threshold": 1.5}, "threshold: found '1.5', expected a hexadecimal"),
    ({"threshold": "nan"}, "threshold: found 'nan'"),
    ({"threshold": "-0x1.9000000000000p+6"}, "threshold: found -100.0, which does not fit"),
    ({"guard_band": "0x0.0p+0"}, "guard_band: found 0.0, expected at least 0.001"),
    ({"max_escape": 0.001}, "which does not certify 0.001"),
    ({"max_escape": 0}, "max_escape: found 0"),
    ({"confidence": 1.0}, "confidence: found 1.0"),
    ({"confidence": "0.95"}, "confidence: found '0.95', expected float"),
    ({"candidates": 0}, "candidates: found 0"),
    ({"good_parts": 10**18}, "good_parts: found"),
    ({"candidates": 50}, "which does not certify"),
    ({"joint": True}, "joint: found True"),
    ({"per_class": 1}, "per_class: found '1', expected bool"),
    ({"claims": []}, "claims: found"),
    ({"claims": [1]}, "claims: found"),
    ({"claims": [{}]}, "claims: "),
    ({"pass_label": "good"}, "classes: found"),
    ({"defects_by_class": {"bad": 9}}, "defects: found"),
    ({"defects_by_class": {"good": 9}}, "defects_by_class: found"),
    ({"pictures_per_part": 0}, "pictures_per_part: found 0"),
    ({"good_passed": 10**6}, "good_passed: found"),
    ({"bad_share": None}, "false_omission_bound: found"),
    ({"surplus": 1}, "surplus: unknown"),
    ({"disjoint": None}, "disjoint: found"),
]


@pytest.mark.parametrize(("changed", "what"), FORGED, ids=[what for _, what in FORGED])
def test_a_certificate_whose_figures_do_not_fit_is_refused(
    gate: PassGate, tmp_path: Path, changed: dict[str, Any], what: str
) -> None:
    text = json.dumps({**gate.certificate.to_json(), **changed})
    with pytest.raises(ModelFileError, match="__metadata__: certificate: ") as caught:
        parse_model(with_metadata(gate, tmp_path, "certificate", text))
    assert what in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_forged_claim_is_refused(gate: PassGate, tmp_path: Path) -> None:
    stored = gate.certificate.to_json()
    for changed in ({"escapes_allowed": 9}, {"escape_upper_bound": 0.001}, {"defects": 10_000}, {"faults": ["good"]}):
        claims = [{**stored["claims"][0], **changed}]
        with pytest.raises(ModelFileError, match="certificate: "):
            parse_model(with_metadata(gate, tmp_path, "certificate", json.dumps({**stored, "claims": claims})))


def test_a_missing_field_is_named(gate: PassGate) -> None:
    for name in gate.certificate.to_json():
        stored = gate.certificate.to_json()
        del stored[name]
        with pytest.raises(ValueError, match=f"{name}: missing"):
            Certificate.from_json(stored)


def test_a_record_of_what_was_seen_must_be_readable(gate: PassGate, tmp_path: Path) -> None:
    training = gate.clf.model_file.training
    for seen in (
        {},
        None,
        [],
        {"pictures": {"count": 1, "bytes": 8, "digests": "AA=="}, "groups": None},
        {"pictures": {"count": 1, "bytes": 3, "digests": "AAAA"}, "groups": None},
    ):
        text = json.dumps({**training, "seen": seen})
        with pytest.raises(ModelFileError, match="training: seen: found a record that cannot be read"):
            parse_model(with_metadata(gate, tmp_path, "training", text))
    assert extend(None, [b"0" * 32], None) is None, "where nothing was recorded, more would look like all"


def test_the_words_tell_the_promise_its_evidence_and_its_assumptions(gate: PassGate) -> None:
    made = gate.certificate
    words = " ".join(promise(made))
    for text in (
        "At 95 % confidence, at most 1 % of all bad parts are called 'ok' (PASS).",
        f"Shown by {made.defects} bad parts ({made.defects} bad): 0 may lie above the threshold.",
        "That bounds the escape rate by 0.8",
        "overkill",
        "Where at most 2 % of the parts are bad, at most 0.0",
    ):
        assert text in words
    needs = " ".join(assumptions(made))
    for text in ("independent", "compared by pixels of pictures", "frozen", "single use not enforced", "fresh parts"):
        assert text in needs


def test_the_words_never_promise_more_than_was_shown(gate: PassGate) -> None:
    made = dataclasses.replace(gate.certificate, confidence=0.99999, max_escape=0.0123443, bad_share=0.000123443)
    words = " ".join(promise(made))
    assert "At 99.999 % confidence, at most 1.23443 % of all bad parts" in words
    assert "Where at most 0.0123443 % of the parts are bad" in words


def scenes(root: Path, n: int, seed: int) -> None:
    """Pictures of 14 x 20 pixels; whether a part is ok shows in the middle alone, around it lies noise."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        label = ("bad", "ok")[i % 2]
        pixels = rng.integers(0, 255, (14, 20), dtype=np.uint8)
        pixels[2:10, 3:15] = rng.integers(0, 100, (8, 12)) + 150 * (i % 2)
        (root / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / label / f"{seed}-{i}.png")


CUTS = {
    "region": {"preprocess": Preprocess(roi=(2, 3, 8, 12), median=3, gamma=0.8)},
    "region brought to another size": {"preprocess": Preprocess(roi=(2, 3, 8, 12)), "image_size": (6, 9)},
    "enhanced whole": {"preprocess": Preprocess(median=3)},
    "tiles of a region": {"preprocess": Preprocess(roi=(2, 3, 8, 12), gamma=1.2), "tiles": Tiles(8, 6)},
}


@pytest.mark.parametrize("options", CUTS.values(), ids=CUTS)
def test_pixels_are_treated_as_those_of_a_file(options: dict[str, Any], tmp_path: Path) -> None:
    """What files of these pixels get from ``gonogo predict`` and from the gate, whatever the training did to its pictures."""
    scenes(tmp_path / "train", 60, 1)
    scenes(tmp_path / "calibration", 80, 2)
    scenes(tmp_path / "line", 20, 3)
    net = [layers.flatten(), layers.dense("classes")]
    clf = InspectionClassifier(net, epochs=25, learning_rate=0.02, random_state=1, verbose=False, pass_label="ok")
    read = {name: Dataset.from_folder(tmp_path / name, **options) for name in ("train", "calibration", "line")}
    clf.fit(read["train"])
    gate = PassGate(clf, "ok", 0.2, 0.8).fit(read["calibration"])
    line = Inspector(gate.save(tmp_path / "model.gonogo"))
    files = sorted((tmp_path / "line").rglob("*.png"))
    raw = [np.asarray(Image.open(file)) for file in files]
    said = [line.decide(pixels) for pixels in raw]
    assert {decision.passed for decision in said} == {True, False}
    rows = predict(line.model_file, files)
    assert [(row["decision"], row["score"], row["reason"]) for row in rows] == [
        (decision.label, decision.score, decision.reason) for decision in said
    ]
    by_file = dict(zip(map(str, read["line"].paths or ()), gate.decide(read["line"]), strict=False))
    assert [by_file[str(file)] for file in files] == said
    assert line.decide(raw[0][..., None]) == said[0]
    odd = line.decide(raw[0][:7])
    assert (odd.label, odd.passed) == (REVIEW, False)
    if line.model_file.decoding.size is not None:
        assert "has 7 x 20 pixels (height x width), those of the training 14 x 20" in odd.reason
    inside = raw[1].copy()
    inside[2:10, 3:15] = 200
    if "roi" in str(options) and "roi=None" not in str(options):
        assert line.decide(inside).reason == "every pixel is the same"
    assert line.decide(raw[0].astype(np.float32)).reason == "found pixels of float32, expected uint8"
    assert line.decide(np.stack([raw[0]] * 3, axis=2)).label == REVIEW


def test_no_training_code_stands_behind_it(gate: PassGate, tmp_path: Path) -> None:
    """Loaded by itself, without the package's face, the inspector brings neither training nor data."""
    path = gate.save(tmp_path / "parts.gonogo")
    package = str(Path(_core.__file__).parent)
    program = f"""
import sys, types
face = types.ModuleType("gonogo")
face.__path__ = [{package!r}]
sys.modules["gonogo"] = face
import numpy as np
from gonogo.inspector import Inspector
print(Inspector({str(path)!r}).decide(np.arange(42, dtype=np.uint8).reshape(6, 7)).label)
print(*sorted(name.split(".")[1] for name in sys.modules if name.startswith("gonogo.")))
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    label, modules = done.stdout.splitlines()
    assert label == "bad"
    assert "_core" in modules.split()
    assert not {"data", "network", "training", "classifier", "gate", "augment", "callbacks"} & set(modules.split())
