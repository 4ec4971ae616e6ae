"""The guard against unknown pictures: its promise about known good parts, and what it refuses."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gonogo import Dataset, InspectionClassifier, Inspector, ModelFileError, PassGate, _core, evaluate, layers, load
from gonogo.certificate_words import guard_words
from gonogo.decision import REVIEW, Decision, Rule
from gonogo.model_file import parse_model
from gonogo.unknown_guard import NEIGHBOURS, UnknownGuard, allowed_parts, distances, normalised

pytestmark = pytest.mark.any_engine

ANYTHING = Rule(["bad", "ok"], 1, -math.inf, 0.0, 1, "")
PASSED = Decision("ok", True, 1.0)


def rows(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Good rows point one way, bad ones another."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    X = rng.normal(size=(n, 6)) + np.where(y[:, None] == 1, [4, 4, 0, 0, 0, 0], [-4, 0, 4, 0, 0, 0])
    return X.astype(np.float32), y


TRAINING, CALIBRATION = rows(900, 1), rows(700, 2)
NET = [layers.dense(12), layers.activation("tanh"), layers.dense("classes")]


@pytest.fixture(scope="module")
def trained() -> InspectionClassifier:
    return InspectionClassifier(NET, epochs=8, learning_rate=0.01, random_state=1, verbose=False).fit(*TRAINING)


def guarded(clf: InspectionClassifier, share: float = 0.05, **options: Any) -> PassGate:
    gate = PassGate(clf, "1", 0.01, 0.95, unknown_share=share, **options)
    return gate.fit(*CALIBRATION, training_data=TRAINING)


@pytest.fixture(scope="module")
def gate(trained: InspectionClassifier) -> PassGate:
    return guarded(trained)


def guard_of(gate: PassGate) -> UnknownGuard:
    assert gate.unknown_guard is not None
    return gate.unknown_guard


def test_features_are_what_the_last_layer_reads(trained: InspectionClassifier) -> None:
    X, core = TRAINING[0][:70], trained.model_file.core
    logits, features = core.logits_and_features(X)
    assert logits.tobytes() == core.logits(X).tobytes(), "wanting features changes no bit"
    parts = _core.parse_model(trained.model_file.data)
    weight = parts["parameters"][-13:-1]
    np.testing.assert_allclose(features @ weight + parts["parameters"][-1], logits[:, 0], rtol=1e-4, atol=1e-4)
    for alone in (0, 33, 69):
        assert core.logits_and_features(X[alone : alone + 1])[1].tobytes() == features[alone].tobytes()
    assert trained.features(X).tobytes() == features.tobytes()
    assert trained.features(X[:0]).shape == (0, 12)


def with_known_features(data: bytes) -> bytes:
    """A model file that has got a tensor more at its end, and the right hash for it."""
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    header["known.features"] = {"dtype": "F32", "shape": [1, 2], "data_offsets": [len(body), len(body) + 8]}
    header["__metadata__"]["file_sha256"] = "0" * 64
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    whole = struct.pack("<Q", len(text)) + text + body + bytes(8)
    return whole.replace(
        b'"file_sha256":"' + b"0" * 64, b'"file_sha256":"' + hashlib.sha256(whole).hexdigest().encode()
    )


def test_a_net_that_ends_otherwise_has_no_features() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 255, (60, 6, 6, 1), dtype=np.uint8), np.repeat(["bad", "ok"], 30)
    net = [layers.conv(1, 3), layers.global_average_pool(), layers.flatten()]
    clf = InspectionClassifier(net, epochs=1, random_state=1, verbose=False).fit(X, y)
    assert clf.model_file.core.features == 0
    with pytest.raises(RuntimeError, match="the last layer of the net is not a dense one"):
        clf.features(X)
    parts = _core.parse_model(clf.model_file.data)
    golden = parts["golden_input"], parts["golden_logits"]
    whole = parts["graph"], parts["parameters"], parts["states"], parts["metadata"], *golden
    with pytest.raises(ValueError, match="known features: the last layer is not a dense one: the net has none"):
        _core.serialise_model(*whole, np.zeros((1, 0), np.float32))
    with pytest.raises(_core.CoreError, match="the last layer is not a dense one: the net has no features"):
        _core.parse_model(with_known_features(clf.model_file.data))
    with pytest.raises(ValueError, match="unknown_share: the last layer of the net reads no row of values"):
        PassGate(clf, "ok", 0.01, 0.95, unknown_share=0.1).fit(X, y, training_data=(X, y))


def test_at_most_the_stated_share_of_known_good_parts_goes_to_review() -> None:
    """2,000 calibrations and a new good part each: the share is j / (n + 1), within four standard errors on both sides."""
    rng, draws, n = np.random.default_rng(3), 2000, 59
    for share in (0.05, 0.1):
        expected = allowed_parts(share, n) / (n + 1)
        away = rng.exponential(size=(draws, n + 1))
        limits = np.sort(away[:, :n])[:, n - allowed_parts(share, n)]
        found = (away[:, n] > limits).mean()
        assert expected <= share
        assert abs(found - expected) <= 4 * math.sqrt(expected * (1 - expected) / draws)
        tied = np.rint(away)
        limits = np.sort(tied[:, :n])[:, n - allowed_parts(share, n)]
        assert (tied[:, n] > limits).mean() <= expected + 4 * math.sqrt(expected / draws), "ties only make it less"


def test_the_guard_says_what_the_p_value_says(trained: InspectionClassifier, gate: PassGate) -> None:
    guard, (X, y) = guard_of(gate), CALIBRATION
    calibration = distances(guard.known, trained.features(X[y == 1]), NEIGHBOURS)
    fresh = rows(400, 5)[0]
    away = distances(guard.known, trained.features(fresh), NEIGHBOURS)
    p = (1 + (calibration >= away[:, None]).sum(axis=1)) / (len(calibration) + 1)
    features = trained.features(fresh)
    said = [not guard.applied(ANYTHING, PASSED, features[i : i + 1]).passed for i in range(len(fresh))]
    assert said == (p <= guard.share).tolist()
    assert (1 + (calibration >= calibration[:, None]).sum(axis=1) - 1 <= guard.allowed).mean() <= guard.share


@given(st.integers(1, 3000), st.floats(1e-4, 0.9999))
def test_the_number_allowed_never_exceeds_the_share(n: int, share: float) -> None:
    allowed = allowed_parts(share, n)
    assert Fraction(allowed, n + 1) <= Fraction(repr(share)) < Fraction(allowed + 1, n + 1)


def test_a_share_is_the_decimal_number_that_was_stated() -> None:
    assert allowed_parts(0.29, 99) == 29, "0.29 * 100 is 28.999999999999996"
    assert allowed_parts(0.07, 99) == 7


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_distances_are_exact_and_do_not_depend_on_company_or_order(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    known = normalised(rng.normal(size=(9, 5)).astype(np.float32))
    features = rng.normal(size=(7, 5)).astype(np.float32)
    found = distances(known, features, k)
    exact = [
        sorted(sum((a - b) ** 2 for a, b in zip(row, other, strict=True)) for other in known.astype(int).tolist())[
            k - 1
        ]
        for row in normalised(features).astype(int).tolist()
    ]
    assert found.tolist() == exact
    order = rng.permutation(7)
    assert distances(known[rng.permutation(9)], features[order], k).tolist() == found[order].tolist()
    assert distances(known, features[:1], k)[0] == found[0]


def test_numbers_that_are_not_finite_are_review(gate: PassGate) -> None:
    guard = guard_of(gate)
    for odd in (math.nan, math.inf, -math.inf):
        features = np.ones((2, 12), np.float32)
        features[1, 3] = odd
        said = guard.applied(ANYTHING, PASSED, features)
        assert (said.label, said.passed, said.reason) == (REVIEW, False, "a feature is not a finite number")
    assert np.isfinite(distances(guard.known, np.zeros((1, 12), np.float32), 1)).all(), "a net may see nothing at all"


def test_it_only_takes_parts_out_of_pass(gate: PassGate) -> None:
    far = -guard_of(gate).known[:1].astype(np.float32)
    for said in (Decision("bad", False, -3.0), Decision(REVIEW, False, 0.0, "because")):
        assert guard_of(gate).applied(ANYTHING, said, far) is said
    review = guard_of(gate).applied(ANYTHING, PASSED, far)
    assert (review.label, review.score) == (REVIEW, PASSED.score)
    assert "unlike the good parts of the training (p <= 0.05: as far as at most" in review.reason


def test_a_part_is_as_far_as_its_farthest_picture(trained: InspectionClassifier) -> None:
    (X, y), (T, t) = CALIBRATION, TRAINING
    keep = np.concatenate([np.flatnonzero(y == label)[:300] for label in (0, 1)])
    X, y = X[keep], y[keep]
    gate = PassGate(trained, "1", 0.02, 0.9, unknown_share=0.1)
    gate.fit(X, y, groups=np.arange(len(y)) // 2, training_data=(T, t))
    guard = guard_of(gate)
    away = distances(guard.known, trained.features(X[y == 1]), NEIGHBOURS).reshape(-1, 2).max(axis=1)
    assert guard.good_parts == len(away)
    assert (away > guard.limit).sum() == guard.allowed - 1
    far, near = -guard.known[0], guard.known[0]
    said = guard.applied(ANYTHING, PASSED, np.stack([near, far]).astype(np.float32))
    assert not said.passed
    assert guard.applied(ANYTHING, PASSED, np.stack([near, near]).astype(np.float32)).passed


def test_it_travels_with_the_model_and_decides_alike_everywhere(gate: PassGate, tmp_path: Path) -> None:
    path = gate.save(tmp_path / "guarded.gonogo")
    clf, line = load(path), Inspector(path)
    assert clf.gate_ is not None
    strange = (np.random.default_rng(6).normal(size=(200, 6)) * 5).astype(np.float32)
    X = np.concatenate([strange, rows(200, 7)[0]])
    said = gate.decide(X)
    assert clf.gate_.decide(X) == said == [line.decide(row) for row in X]
    unlike = [decision for decision in said if "unlike the good parts" in decision.reason]
    assert len(unlike) > 20
    plain = PassGate(gate.clf, "1", 0.01, 0.95).fit(*CALIBRATION)
    assert [d for d, kept in zip(plain.decide(X), said, strict=True) if d.label != kept.label and not d.passed] == []
    report = evaluate(clf, (X, np.array([d.label == "1" for d in plain.decide(X)]).astype(int).astype(str)), clf.gate_)
    assert report.parts is not None
    assert report.parts.reviewed.count == sum(decision.label == REVIEW for decision in said)
    again = clf.gate_.save(tmp_path / "again.gonogo")
    assert again.read_bytes() == path.read_bytes()
    assert plain.save(tmp_path / "plain.gonogo").stat().st_size < path.stat().st_size
    assert (guard_of(clf.gate_).known == guard_of(gate).known).all()


def test_equal_calibrations_give_equal_files(trained: InspectionClassifier, gate: PassGate, tmp_path: Path) -> None:
    one, two = tmp_path / "one.gonogo", tmp_path / "two.gonogo"
    gate.save(one)
    guarded(trained).save(two)
    assert one.read_bytes() == two.read_bytes()


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch, trained: InspectionClassifier) -> None:
    monkeypatch.setattr("gonogo.gate.unknown.KNOWN_MOST", 50)
    assert guard_of(guarded(trained)).known.shape == (50, 12)


def test_pictures_of_something_else_are_flagged_far_more_often_than_good_ones(castings: Path) -> None:
    """Castings in negative, and cut in the middle with the halves exchanged; tests/bench/unknown.py has real pictures."""
    parts = Dataset.from_folder(castings, groups=castings / "groups.csv").split(
        {"train": 0.4, "calibration": 0.35, "test": 0.25}, seed=2
    )
    net = [
        layers.conv(8, 3, stride=2, activation="relu"),
        layers.max_pool(4),
        layers.flatten(),
        layers.dense(32, activation="relu"),
        layers.dense("classes"),
    ]
    clf = InspectionClassifier(net, epochs=15, learning_rate=0.003, random_state=1, verbose=False).fit(parts["train"])
    gate = PassGate(clf, "ok_front", 0.5, 0.9, unknown_share=0.2).fit(
        parts["calibration"], training_data=parts["train"]
    )
    guard = guard_of(gate)

    def flagged(images: NDArray[np.uint8]) -> float:
        features = clf.features(images)
        said = [guard.applied(ANYTHING, PASSED, features[i : i + 1]).passed for i in range(len(images))]
        return 1 - float(np.mean(said))

    test = parts["test"]
    good = test.images[test.labels == test.classes.index("ok_front")]
    upper, lower = np.split(good, 2, axis=1)
    assert flagged(good) <= 0.5
    assert flagged(255 - good) >= 0.9
    assert flagged(np.concatenate([lower, upper], axis=1)) >= 0.9


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"unknown_share": 0}, {}, "unknown_share: found 0, expected a share"),
    ({"unknown_share": 1.0}, {}, "unknown_share: found 1.0, expected a share"),
    ({"unknown_share": math.nan}, {}, "unknown_share: found nan"),
    ({"unknown_share": "1 %"}, {}, "unknown_share: found '1 %'"),
    ({"unknown_share": 0.001}, {}, "a share of 0.001 needs 999; add good parts"),
    ({"unknown_share": 0.05}, {"training_data": None}, "training_data: missing beside unknown_share"),
    ({}, {}, "training_data: given without unknown_share"),
    ({"unknown_share": 0.05}, {"training_data": CALIBRATION}, "are calibration samples too"),
    ({"unknown_share": 0.05}, {"training_data": rows(300, 9)}, "the training did not see"),
    ({"unknown_share": 0.05}, {"training_data": (TRAINING[0], TRAINING[1][:5])}, "found 5 labels for 900 samples"),
    ({"unknown_share": 0.05}, {"training_data": (TRAINING[0], TRAINING[1] * 0)}, "found 0 samples of '1', expected at least 5"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "fit", "reason"), REFUSED, ids=[reason for _, _, reason in REFUSED])
def test_bad_values_are_refused_in_a_sentence(
    trained: InspectionClassifier, options: dict[str, Any], fit: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError) as caught:
        PassGate(trained, "1", 0.01, 0.95, **options).fit(*CALIBRATION, **{"training_data": TRAINING, **fit})
    assert reason in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_no_training_data_or_no_net_is_refused(trained: InspectionClassifier) -> None:
    with pytest.raises(TypeError, match="training_data: found a ndarray, expected a Dataset or a pair"):
        PassGate(trained, "1", 0.01, 0.95, unknown_share=0.05).fit(*CALIBRATION, training_data=TRAINING[0])

    class Foreign:
        classes_ = np.array([0, 1])

        def decision_function(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
            return np.asarray(X[:, 0], np.float64)

    with pytest.raises(ValueError, match="unknown_share: found a Foreign as classifier, expected an Inspection"):
        PassGate(Foreign(), "1", 0.01, 0.95, unknown_share=0.05).fit(*CALIBRATION, training_data=TRAINING)


def test_training_data_without_the_class_that_passes_are_refused(trained: InspectionClassifier) -> None:
    data = Dataset.from_arrays(np.zeros((4, 6, 7, 1), np.uint8), ["bad", "worse"] * 2)
    with pytest.raises(ValueError, match="training_data: found the classes bad, worse, expected '1' among them"):
        PassGate(trained, "1", 0.01, 0.95, unknown_share=0.05).fit(*CALIBRATION, training_data=data)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (700, "X: a feature of a calibration sample is not a finite number; find out why before calibrating"),
        ((TRAINING[1] == 1).sum(), "training_data: a feature of a sample is not a finite number"),
    ],
)
def test_features_that_are_no_numbers_make_no_guard(
    trained: InspectionClassifier, monkeypatch: pytest.MonkeyPatch, samples: int, reason: str
) -> None:
    """Another net, or another machine, may overflow where the scores do not."""

    def overflowing(self: InspectionClassifier, X: Any) -> Any:
        found = features(self, X)
        if len(found) == samples:
            found[7, 3] = np.inf
        return found

    features = InspectionClassifier.features
    monkeypatch.setattr(InspectionClassifier, "features", overflowing)
    with pytest.raises(ValueError, match=reason):
        guarded(trained)


def forged(gate: PassGate, tmp_path: Path, known: Callable[[Any], Any], **changed: Any) -> bytes:
    parts = _core.parse_model(gate.save(tmp_path / "model.gonogo").read_bytes())
    metadata = parts["metadata"]
    metadata["unknown_guard"] = json.dumps({**json.loads(metadata["unknown_guard"]), **changed})
    golden = parts["golden_input"], parts["golden_logits"]
    tensors = parts["graph"], parts["parameters"], parts["states"]
    return _core.serialise_model(*tensors, metadata, *golden, known(parts["known_features"]))


FORGED: list[tuple[Callable[[Any], Any], dict[str, Any], str]] = [
    (lambda _: None, {}, "found no tensor of known features"),
    (lambda known: known[:4].copy(), {}, "neighbours: found 5"),
    (lambda known: known * np.float32(0.37), {}, "features that are not normalised"),
    (lambda known: known * 9, {}, "features that are not normalised"),
    (lambda known: known, {"certificate": "0" * 64}, "certificate: found '0000"),
    (lambda known: known, {"share": 1.0}, "share: found 1.0"),
    (lambda known: known, {"share": 1e-5}, "good_parts: found"),
    (lambda known: known, {"neighbours": 0}, "neighbours: found 0"),
    (lambda known: known, {"good_parts": 99}, "good_parts: found 99"),
    (lambda known: known, {"limit": "nan"}, "limit: found 'nan'"),
    (lambda known: known, {"limit": (-1.0).hex()}, "limit: found -1.0"),
    (lambda known: known, {"limit": (1e300).hex()}, "limit: found 1e+300"),
    (lambda known: known, {"surplus": 1}, "surplus: unknown"),
]


@pytest.mark.parametrize(("known", "changed", "reason"), FORGED, ids=[reason for _, _, reason in FORGED])
def test_a_guard_that_does_not_fit_is_refused(
    gate: PassGate, tmp_path: Path, known: Callable[[Any], Any], changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ModelFileError, match="__metadata__: unknown_guard: ") as caught:
        parse_model(forged(gate, tmp_path, known, **changed))
    assert reason in str(caught.value)


def test_odd_tensors_of_known_features_are_refused(gate: PassGate, tmp_path: Path) -> None:
    for known in (np.zeros((4, 11), np.float32), np.zeros((4097, 12), np.float32)):
        with pytest.raises(ValueError, match="known_features: found the shape"):
            forged(gate, tmp_path, lambda _, known=known: known)  # type: ignore[misc]
    with pytest.raises(ValueError, match=r"known.features: value 5 is NaN"):
        forged(gate, tmp_path, lambda known: np.where(np.arange(known.size).reshape(known.shape) == 5, np.nan, known))


def test_the_words_promise_about_known_good_parts_alone(gate: PassGate) -> None:
    words = " ".join(guard_words(dataclasses.replace(guard_of(gate), share=0.0123)))
    assert "at most 1.23 % of known good parts goes to REVIEW for it" in words
    assert "Nothing is promised about finding unknown pictures." in words
