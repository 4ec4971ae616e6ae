"""Probabilities that mean something: the temperature, its prior correction, and what it must never touch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from gonogo import Dataset, InspectionClassifier, Inspector, ModelFileError, PassGate, _core, evaluate, layers, load
from gonogo.model_file import parse_model
from gonogo.temperature import Temperature, prior_offsets
from gonogo.temperature_fit import TrainingMix, fit_temperature

NAMES = ["bad", "ok", "worse"]


def mix(*shares: float) -> dict[str, float]:
    return dict(zip(NAMES, shares, strict=False))


def drawn(n: int, t: float, shares: NDArray[np.float64], seed: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Scores t times as sure as they may be, for a net trained on equal shares, and labels of the given mix."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(len(shares), n, p=shares)
    # Of normal evidence around one corner for each class the true scores are a multiple of the evidence.
    evidence = rng.normal(0, 1, (n, len(shares))) + 1.5 * np.eye(len(shares))[labels]
    return t * 1.5 * evidence, labels.astype(np.intp)


def equal(classes: int, **weights: float) -> TrainingMix:
    names = NAMES[:classes]
    return TrainingMix(dict.fromkeys(names, 1 / classes), {k: weights.get(k, 1.0) for k in names})


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.2, 0.5, 0.3)])
@pytest.mark.parametrize("t", [0.4, 1.0, 3.0])
def test_the_temperature_that_made_the_scores_is_found(t: float, shares: tuple[float, ...]) -> None:
    scores, labels = drawn(20_000, t, np.array(shares), 1)
    given_scores = scores[:, 1] - scores[:, 0] if len(shares) == 2 else scores
    found = fit_temperature(given_scores, labels, len(labels), NAMES[: len(shares)], equal(len(shares)), None)
    assert found.t == pytest.approx(t, rel=0.03)
    assert found.loss <= found.loss_before
    assert not found.bounded


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 3), st.floats(0.2, 5), st.floats(0.3, 3))
def test_it_is_the_minimum_that_scipy_finds(seed: int, classes: int, t: float, weight: float) -> None:
    scores, labels = drawn(60, t, np.full(classes, 1 / classes), seed)
    training = equal(classes, ok=weight)
    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        return
    found = fit_temperature(scores, labels, 60, NAMES[:classes], training, None)
    own = dict(zip(NAMES, (counts / 60).tolist(), strict=False))
    offsets = prior_offsets(own, training.shares, training.weights)

    def loss(log_t: float) -> float:
        return float(-log_softmax(scores / np.exp(log_t) + offsets, axis=1)[np.arange(60), labels].mean())

    assert found.loss == pytest.approx(loss(np.log(found.t)), rel=1e-5)
    assert found.loss_before == pytest.approx(loss(0), rel=1e-5)
    if not found.bounded:
        best = minimize_scalar(loss, bounds=(-6.9, 6.9), method="bounded", options={"xatol": 1e-10})
        assert found.loss <= best.fun * (1 + 2e-5)


def test_the_mix_in_use_changes_the_probabilities_as_bayes_says() -> None:
    """Trained on equal shares with weight 3 for bad, used where 1 % is bad: as frequent as it says."""
    rng = np.random.default_rng(2)
    n, shares = 400_000, np.array([0.01, 0.99])
    labels = rng.choice(2, n, p=shares)
    evidence = rng.normal(0, 1, n) + np.where(labels == 1, 1, -1)
    z = 2 * evidence - np.log(3)  # what a net that minimises the weighted loss answers
    made = Temperature(
        1.0, mix(0.01, 0.99), mix(0.5, 0.5), mix(3.0, 1.0), pictures=1, parts=1, loss_before=0, loss=0, bounded=False
    )
    told = _core.probabilities(made.correct(z.astype(np.float32)[:, None]))[:, 0]
    for low, high in ((0.005, 0.02), (0.05, 0.2), (0.3, 0.6)):
        within = (told > low) & (told < high)
        assert (labels[within] == 0).mean() == pytest.approx(told[within].mean(), rel=0.12)
    plain = _core.probabilities(z.astype(np.float32)[:, None])[:, 0]
    assert plain[(plain > 0.3) & (plain < 0.6)].mean() > 10 * (labels[(plain > 0.3) & (plain < 0.6)] == 0).mean()


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_probabilities_are_the_softmax_of_the_formula(outputs: int) -> None:
    rng = np.random.default_rng(3)
    classes = max(2, outputs)
    logits = rng.normal(0, 3, (50, outputs)).astype(np.float32)
    in_use, train, weight = rng.dirichlet(np.ones(classes)), rng.dirichlet(np.ones(classes)), rng.random(classes) + 0.5
    made = Temperature(
        1.7, mix(*in_use), mix(*train), mix(*weight), pictures=9, parts=4, loss_before=1, loss=1, bounded=False
    )
    z = np.concatenate([np.zeros((50, 1)), logits], axis=1) if outputs == 1 else logits
    expected = softmax(z / 1.7 + np.log(in_use / (weight * train)), axis=1)
    np.testing.assert_allclose(_core.probabilities(made.correct(logits)), expected, rtol=2e-6)


def test_without_a_mistake_the_temperature_stays_as_sure_as_the_number_of_parts_allows() -> None:
    scores, labels = np.r_[np.full(30, -2.0), np.full(30, 2.0)], np.repeat([0, 1], 30)
    for parts in (10, 60):
        found = fit_temperature(scores, labels, parts, NAMES[:2], equal(2), None)
        assert found.bounded
        assert 1 / (1 + np.exp(-2 / found.t)) == pytest.approx((parts + 1) / (parts + 2), abs=1e-5)
    assert "as small as they allow" in str(found)


BAD_FITS: list[tuple[dict[str, Any], str]] = [
    ({"scores": np.r_[1.0, 2.0, -1.0, -2.0]}, "validation: the scores tell the classes apart no better than chance"),
    ({"scores": np.ones(4)}, "validation: the scores tell the classes apart no better than chance"),
    ({"scores": np.r_[np.nan, 1, 1, 1]}, "validation: a score is not a finite number"),
    ({"labels": np.ones(4, np.intp)}, "validation: found no picture of the class 'bad'"),
    ({"shares": {"bad": 0.5, "ok": 0.6}}, "shares: found a sum of 1.1, expected 1"),
    ({"shares": {"bad": 0.5}}, "shares: found .*, expected a number for each of the classes bad, ok"),
    ({"shares": {"bad": 0.0, "ok": 1.0}}, "shares: found 0.0 for 'bad', expected a number above 0"),
    ({"shares": {"bad": float("nan"), "ok": 1.0}}, "shares: found nan for 'bad'"),
    ({"shares": 0.99}, "shares: found 0.99, expected a number for each"),
]


@pytest.mark.parametrize(("changed", "what"), BAD_FITS)
def test_what_cannot_be_fitted_is_named(changed: dict[str, Any], what: str) -> None:
    sound: dict[str, Any] = {"scores": np.r_[-1.0, 2.0, -0.5, 2.0], "labels": np.array([0, 0, 1, 1]), "shares": None}
    fit_temperature(**sound, parts=4, classes=NAMES[:2], training=equal(2))
    with pytest.raises(ValueError, match=what):
        fit_temperature(**{**sound, **changed}, parts=4, classes=NAMES[:2], training=equal(2))


def pictures(n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Bright pictures are mostly ok."""
    rng = np.random.default_rng(seed)
    level = rng.random(n)
    noise = rng.integers(0, 30, (n, 6, 7, 1))
    return (200 * level[:, None, None, None] + noise).astype(np.uint8), np.where(
        level + rng.normal(0, 0.2, n) > 0.5, "ok", "bad"
    )


@pytest.fixture(scope="module")
def plain() -> bytes:
    net = [layers.flatten(), layers.dense("classes")]
    clf = InspectionClassifier(
        net, epochs=80, learning_rate=0.01, random_state=3, class_weight={"bad": 3}, pass_label="ok"
    )
    clf.fit(*pictures(200, 1), validation_data=pictures(60, 5))
    return clf.model_file.data


@pytest.fixture
def clf(plain: bytes, tmp_path: Path) -> InspectionClassifier:
    path = tmp_path / "plain.gonogo"
    path.write_bytes(plain)
    return load(path)


def test_without_one_probabilities_are_those_of_the_scores(clf: InspectionClassifier) -> None:
    X, _ = pictures(50, 4)
    assert clf.temperature_ is None
    logits = clf.decision_function(X).astype(np.float32)[:, None]
    np.testing.assert_array_equal(clf.predict_proba(X), _core.probabilities(logits))


def test_it_is_kept_in_the_file_and_every_face_uses_it(clf: InspectionClassifier, tmp_path: Path) -> None:
    X, y = pictures(80, 4)
    before, scores = clf.predict_proba(X), clf.decision_function(X)
    assert clf.fit_temperature(pictures(300, 2), {"ok": 0.9, "bad": 0.1}) is clf
    after = clf.predict_proba(X)
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_array_equal(clf.decision_function(X), scores)
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[before.argmax(axis=1)])
    np.testing.assert_array_equal(clf.probabilities_of(scores), after)
    again, line = load(clf.save(tmp_path / "t.gonogo")), Inspector(tmp_path / "t.gonogo")
    np.testing.assert_array_equal(again.predict_proba(X), after)
    np.testing.assert_array_equal(line.predict_proba(list(X)), after)
    np.testing.assert_array_equal(line.predict_proba(X[3]), after[3:4])
    assert again.temperature_ == clf.temperature_
    report = evaluate(again, (X, y), groups=np.arange(80))
    np.testing.assert_array_equal(report.probabilities, after)
    assert report.parts is not None
    np.testing.assert_array_equal(report.predicted, before.argmax(axis=1))
    np.testing.assert_array_equal(report.parts.predicted, report.predicted)


def test_the_training_mix_and_weights_come_from_the_file(clf: InspectionClassifier) -> None:
    _, y = pictures(200, 1)
    made = clf.fit_temperature(pictures(300, 2)).temperature_
    assert made is not None
    assert made.training_shares == {"bad": np.mean(y == "bad"), "ok": np.mean(y == "ok")}
    assert made.class_weight == {"bad": 3.0, "ok": 1.0}
    assert made.shares == made.training_shares
    assert (made.pictures, made.parts) == (300, 300)
    # A weight of 3 has the net call too much bad; corrected, the mean probability is the share.
    X, y = pictures(4000, 8)
    assert clf.predict_proba(X)[:, 0].mean() == pytest.approx(np.mean(y == "bad"), abs=0.05)


def test_the_same_pictures_give_the_same_file(clf: InspectionClassifier) -> None:
    first = clf.fit_temperature(pictures(300, 2)).model_file.data
    assert clf.fit_temperature(pictures(300, 2)).model_file.data == first
    X, y = pictures(300, 2)
    assert clf.fit_temperature(Dataset.from_arrays(X, y, classes=["ok", "bad"])).model_file.data == first


def test_a_calibrated_model_takes_no_other_temperature(clf: InspectionClassifier, tmp_path: Path) -> None:
    X, y = pictures(1200, 3)
    clf.fit_temperature(pictures(300, 2))
    gate = PassGate(clf, "ok", 0.05, 0.9).fit(X, y)
    threshold = gate.threshold_
    kept = load(gate.save(tmp_path / "gated.gonogo"))
    assert kept.temperature_ == clf.temperature_
    with pytest.raises(ValueError, match=r"its gate is calibrated.*calibrate on fresh parts"):
        kept.fit_temperature(pictures(300, 2))
    clf.fit_temperature(pictures(300, 2), {"ok": 0.9, "bad": 0.1})
    with pytest.raises(ValueError, match="got a temperature or was trained again after the calibration; calibrate it"):
        _ = gate.threshold_
    # The scores did not change, and so would the threshold not.
    assert PassGate(clf, "ok", 0.05, 0.9).fit(X, y).threshold_ == threshold


def edited(data: bytes, change: Any) -> bytes:
    parts = _core.parse_model(data)
    metadata = dict(parts["metadata"])
    change(metadata)
    golden = parts["golden_input"], parts["golden_logits"]
    return _core.serialise_model(parts["graph"], parts["parameters"], parts["states"], metadata, *golden)


def with_field(name: str, value: Any) -> Any:
    def change(metadata: dict[str, str]) -> None:
        metadata["temperature"] = json.dumps({**json.loads(metadata["temperature"]), name: value})

    return change


@pytest.mark.parametrize("change", [with_field("t", 9.0), lambda metadata: metadata.pop("temperature")])
def test_a_certificate_belongs_to_one_temperature(clf: InspectionClassifier, tmp_path: Path, change: Any) -> None:
    clf.fit_temperature(pictures(300, 2))
    path = PassGate(clf, "ok", 0.05, 0.9).fit(*pictures(1200, 3)).save(tmp_path / "g.gonogo")
    parse_model(path.read_bytes())
    with pytest.raises(ModelFileError, match=r"certificate: it belongs to .* or another temperature"):
        parse_model(edited(path.read_bytes(), change))


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("t", 0, "t: found 0, expected a number above 0"),
        ("t", "1", "t: found '1'"),
        ("t", -1.0, r"t: found -1\.0"),
        ("shares", {"bad": 0.5, "ok": 0.4}, "shares: found a sum of 0.9"),
        ("shares", {"bad": 0.5, "fine": 0.5}, "shares: found .*classes bad, ok"),
        ("class_weight", {"bad": 0, "ok": 1}, "class_weight: found 0 for 'bad'"),
        ("training_shares", None, "training_shares: found 'None'"),
        ("pictures", 2.5, "pictures: found '2.5'"),
        ("parts", 0, "parts: found 0"),
        ("bounded", 1, "bounded: found '1'"),
        ("extra", 1, "extra: unknown"),
    ],
)
def test_a_damaged_temperature_is_refused(clf: InspectionClassifier, name: str, value: Any, what: str) -> None:
    data = clf.fit_temperature(pictures(300, 2)).model_file.data
    with pytest.raises(ModelFileError, match=f"__metadata__: temperature: .*{what}"):
        parse_model(edited(data, with_field(name, value)))


def test_the_pictures_of_the_fit_count_as_seen(clf: InspectionClassifier) -> None:
    X, y = pictures(1200, 3)
    clf.fit_temperature((X[:100], y[:100]))
    with pytest.raises(ValueError, match="training or validation has seen 100 of 1,200 pictures"):
        PassGate(clf, "ok", 0.05, 0.9).fit(X, y)
    for seed in (1, 5):  # those of the training and its validation are not forgotten
        with pytest.raises(ValueError, match="training or validation has seen"):
            PassGate(clf, "ok", 0.05, 0.9).fit(*pictures(200 if seed == 1 else 60, seed))


def test_groups_of_the_fit_count_as_seen(clf: InspectionClassifier) -> None:
    X, y = pictures(60, 6)
    bright = y == "ok"
    names = np.array([f"{label} {i // 3}" for label in ("ok", "bad") for i in range((y == label).sum())])
    X, y = np.concatenate([X[bright], X[~bright]]), np.concatenate([y[bright], y[~bright]])
    made = clf.fit_temperature(Dataset.from_arrays(X, y, groups=names)).temperature_
    assert made is not None
    assert (made.pictures, made.parts) == (60, len(set(names)))
    X, y = pictures(1200, 3)
    with pytest.raises(ValueError, match="groups: training or validation has seen 1 of 1,200 parts, such as 'ok 1'"):
        PassGate(clf, "ok", 0.05, 0.9).fit(X, y, groups=["ok 1", *map(str, range(1199))])


def test_the_training_pictures_themselves_are_refused(clf: InspectionClassifier) -> None:
    with pytest.raises(ValueError, match="validation: these are the training pictures"):
        clf.fit_temperature(pictures(200, 1))


def test_a_class_of_weight_0_and_a_file_without_counts_are_refused() -> None:
    net = [layers.flatten(), layers.dense("classes")]
    clf = InspectionClassifier(net, epochs=1, random_state=3, class_weight={"bad": 0})
    clf.fit(*pictures(50, 1))
    with pytest.raises(ValueError, match="its class 'bad' had the weight 0 in training"):
        clf.fit_temperature(pictures(50, 2))

    def forget(metadata: dict[str, str]) -> None:
        training = json.loads(metadata["training"])
        del training["class_counts"]
        metadata["training"] = json.dumps(training)

    clf._replace_model(_file=parse_model(edited(clf.model_file.data, forget)))
    with pytest.raises(ValueError, match="does not tell how many pictures of each class"):
        clf.fit_temperature(pictures(50, 2))


def test_another_training_forgets_it(clf: InspectionClassifier) -> None:
    clf.fit_temperature(pictures(300, 2))
    clf.set_params(model=[layers.flatten(), layers.dense("classes")], epochs=1).fit(*pictures(50, 1))
    assert clf.temperature_ is None
