"""The PASS gate: what it promises, with any classifier, and everything that it refuses."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gonogo import Dataset, InspectionClassifier, NotCertifiable, PassGate, _core, layers, load
from gonogo.certificate import Certificate
from gonogo.decision import REVIEW, Rule, best_classes, margins
from gonogo.seen import find, record

pytestmark = pytest.mark.any_engine


class Scores:
    """A classifier that was handed its scores: X holds the margin of ``ok``, or a column for each class."""

    def __init__(self, classes: list[Any]) -> None:
        self.classes_ = np.array(classes)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        X = np.asarray(X, np.float64)
        return X[:, 0] if X.shape[1] == 1 else X


class Probabilities:
    """A classifier that has probabilities alone."""

    classes_ = np.array(["bad", "ok"])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        return np.stack([1 - X[:, 0], X[:, 0]], axis=1)


TWO = Scores(["bad", "ok"])


def parts(bad: Any, good: Any = (5.0, 6.0, 7.0, 8.0)) -> tuple[NDArray[np.float64], list[str]]:
    """Rows with one score each, and their labels."""
    return np.concatenate([bad, good])[:, None].astype(np.float64), ["bad"] * len(bad) + ["ok"] * len(good)


BAD = np.linspace(-4, 4, 300)


def test_the_certificate_tells_the_promise_and_its_evidence() -> None:
    gate = PassGate(TWO, "ok", 0.01, 0.95, bad_share=0.05).fit(*parts(BAD))
    found = gate.certificate_
    assert gate.threshold_ == found["threshold"] == 4.0
    assert {name: found[name] for name in ("defects", "escapes_allowed", "good_parts", "good_passed")} == {
        "defects": 300,
        "escapes_allowed": 0,
        "good_parts": 4,
        "good_passed": 4,
    }
    assert found["escape_upper_bound"] == pytest.approx(1 - 0.05 ** (1 / 300), abs=1e-12)
    assert 0 < found["false_omission_bound"] < 0.05
    assert (found["guard_band"], found["single_use"], found["disjoint"]) == (0.0, "", "")
    assert [d.label for d in gate.decide([[4.0], [4.0000001], [-1.0], [math.nan], [math.inf]])] == [
        REVIEW,
        "ok",
        "bad",
        REVIEW,
        REVIEW,
    ]
    assert all(decision.certificate == found["sha256"] for decision in gate.decide([[4.0], [5.0]]))


def test_there_is_no_threshold_before_a_certificate() -> None:
    gate = PassGate(TWO, "ok", 0.01, 0.95)
    for attribute in ("threshold_", "certificate_", "guard_band_"):
        with pytest.raises(ValueError, match="no certificate yet"):
            getattr(gate, attribute)
    with pytest.raises(ValueError, match="no certificate yet"):
        gate.decide([[1.0]])
    gate.fit(*parts(BAD))
    with pytest.raises(NotCertifiable) as caught:
        gate.fit(*parts(BAD[:100]))
    assert caught.value.missing == 199
    with pytest.raises(ValueError, match="no certificate yet"):
        gate.decide([[1.0]])
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (str(twin), vars(twin)) == (str(caught.value), vars(caught.value))


def test_the_pass_class_may_be_either_and_labels_may_be_numbers() -> None:
    scores = np.concatenate([BAD, [5.0, 6.0]])[:, None]
    labels = np.array([1] * 300 + [0] * 2)
    gate = PassGate(Scores([0, 1]), 0, 0.01, 0.95).fit(-scores, labels)  # type: ignore[arg-type]
    assert gate.threshold_ == 4.0
    assert [d.label for d in gate.decide([[-4.5], [-3.0], [2.0]])] == ["0", REVIEW, "1"]


def test_the_margin_is_against_all_other_classes_together() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(0, 300, (100, 4))
    expected = [row[2] - np.logaddexp.reduce(np.delete(row, 2)) for row in z]
    np.testing.assert_allclose(margins(z, 2), expected, rtol=1e-12, atol=1e-12)
    two = np.array([3.0, -2.0])
    np.testing.assert_array_equal(margins(two, 1), two)
    np.testing.assert_array_equal(margins(two, 0), -two)
    np.testing.assert_allclose(margins(np.array([[0.0, 3.0], [0.0, -2.0]]), 1), two)
    assert best_classes(np.array([0.0, 0.1, -0.1])).tolist() == [0, 1, 0], "the first of equals"


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=3, max_size=3), st.integers(0, 2))
def test_scores_that_are_no_numbers_never_pass(row: list[float], passing: int) -> None:
    decision = Rule(["a", "b", "c"], passing, -math.inf, 0.0, 1, "").decide(np.array([row]))
    if not np.isfinite(row).all():
        assert not decision.passed or math.isfinite(decision.score)
    if any(math.isnan(value) for value in row):
        assert (decision.label, decision.passed) == (REVIEW, False)
    assert (decision.label == REVIEW) == (decision.reason != "")


def test_pass_needs_the_highest_score_of_all_classes() -> None:
    rule = Rule(["crack", "ok", "scratch"], 1, -5.0, 0.0, 1, "")
    assert rule.decide(np.array([[1.0, 1.1, 0.0]])).label == "ok"
    assert rule.decide(np.array([[1.2, 1.1, 0.0]])).label == "crack", "above the threshold, but not the best class"
    assert rule.decide(np.array([[1.1, 1.1, 0.0]])).label == "crack", "the first of equals"


def test_many_classes_are_certified_together_or_each_by_itself() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat(["crack", "ok", "scratch"], [700, 50, 500])
    z = rng.normal(0, 1, (1250, 3)) + 4 * (labels[:, None] == np.array(["crack", "ok", "scratch"]))
    clf = Scores(["crack", "ok", "scratch"])
    pooled = PassGate(clf, "ok", 0.01, 0.95).fit(z, labels).certificate
    single = PassGate(clf, "ok", 0.01, 0.95, per_class=True).fit(z, labels).certificate
    joint = PassGate(clf, "ok", 0.01, 0.95, joint=True).fit(z, labels).certificate
    score = margins(z, 1)
    assert pooled.threshold == np.sort(score[labels != "ok"])[-1 - pooled.escapes_allowed]
    assert (pooled.escapes_allowed, [c.escapes_allowed for c in single.claims]) == (6, [2, 1])
    expected = max(np.sort(score[labels == "crack"])[-3], np.sort(score[labels == "scratch"])[-2])
    assert single.threshold == expected
    assert (joint.per_class, joint.joint, [c.escapes_allowed for c in joint.claims]) == (True, True, [1, 0])
    assert joint.threshold >= single.threshold
    assert pooled.defects_by_class == {"crack": 700, "scratch": 500}


def test_a_classifier_of_probabilities_works_and_saturation_only_ties() -> None:
    p = np.concatenate([np.linspace(0, 0.5, 299), [1.0, 0.9]])[:, None]
    gate = PassGate(Probabilities(), "ok", 0.01, 0.95).fit(p, ["bad"] * 299 + ["ok"] * 2)
    assert gate.threshold_ == pytest.approx(0.0)
    assert [d.label for d in gate.decide(np.array([[1.0], [0.5], [0.9]]))] == ["ok", "bad", "ok"]


def test_a_part_counts_with_its_least_pass_like_picture() -> None:
    rng = np.random.default_rng(2)
    pictures = rng.normal(size=(900, 1))
    groups = np.repeat(np.arange(300), 3)
    order = rng.permutation(900)
    labels = np.array(["bad"] * 900)
    gate = PassGate(TWO, "ok", 0.01, 0.95).fit(pictures[order], labels[order], groups=groups[order])
    assert gate.threshold_ == pictures[:, 0].reshape(300, 3).min(axis=1).max()
    assert gate.certificate_["pictures_per_part"] == 3
    assert gate.certificate_["defects"] == 300
    said = gate.decide([[9.0], [9.0], [9.0], [9.0], [9.0], [-9.0], [9.0], [9.0]], groups=list("aaabbbcc"))
    assert [d.label for d in said] == ["ok"] * 3 + ["bad"] * 3 + [REVIEW] * 2
    assert "found 2 pictures of the part, the certificate holds for 3 or more" in said[-1].reason
    assert gate.decide([[9.0]] * 5, groups=["a"] * 5)[0].passed, "more pictures can only be stricter"


def test_a_part_with_more_pictures_than_promised_counts_with_those_that_pass_most_easily() -> None:
    sizes = np.arange(300) % 3 + 2
    groups = np.repeat(np.arange(300), sizes)
    pictures = np.random.default_rng(3).normal(size=(len(groups), 1))
    of_part = [pictures[groups == part, 0] for part in range(300)]
    X, y = np.concatenate([pictures, np.full((6, 1), 7.0)]), ["bad"] * len(groups) + ["ok"] * 6
    names = [*groups.tolist(), *(["good"] * 6)]
    gate = PassGate(TWO, "ok", 0.01, 0.95).fit(X, y, groups=names)
    assert gate.certificate_["pictures_per_part"] == 2
    assert gate.threshold_ == max(np.sort(mine)[-2] for mine in of_part)
    one = PassGate(TWO, "ok", 0.01, 0.95, pictures_per_part=1).fit(X, y, groups=names)
    assert one.threshold_ == pictures.max()
    with pytest.raises(ValueError, match="pictures_per_part: found 3, but a calibration part has 2"):
        PassGate(TWO, "ok", 0.01, 0.95, pictures_per_part=3).fit(X, y, groups=names)


def test_lots_tell_what_they_would_be_worth() -> None:
    X, y = parts(BAD)
    lots = [f"lot {i % 30}" for i in range(300)] + ["lot 31"] * 4
    found = PassGate(TWO, "ok", 0.01, 0.95).fit(X, y, lots=lots).certificate_
    assert found["lots"] == 30
    assert found["lots_upper_bound"] == pytest.approx(1 - 0.05 ** (1 / 30), abs=1e-9)
    assert found["escape_upper_bound"] < 0.01
    with pytest.raises(ValueError, match=r"lots: found the shape \(2,\)"):
        PassGate(TWO, "ok", 0.01, 0.95).fit(X, y, lots=["a", "b"])
    with pytest.raises(ValueError, match="in two lots"):
        PassGate(TWO, "ok", 0.01, 0.95).fit(X, y, groups=[f"{i // 2}" for i in range(304)], lots=lots)


def test_bad_input_is_refused_in_a_sentence() -> None:
    X, y = parts(BAD)
    nan = X.copy()
    nan[7] = math.nan
    infinite = X.copy()
    infinite[7] = math.inf
    cases: list[tuple[dict[str, Any], tuple[Any, ...], dict[str, Any], str]] = [
        (
            {"pass_label": "good"},
            (X, y),
            {},
            "pass_label: the class 'good' is unknown to the model, which has: bad, ok",
        ),
        ({"confidence": 1.0}, (X, y), {}, "confidence: found 1.0, expected a number between 0 and 1"),
        ({"confidence": 0.0}, (X, y), {}, "confidence: found 0.0"),
        ({"confidence": 95}, (X, y), {}, "confidence: found 95"),
        ({"max_escape": 0}, (X, y), {}, "max_escape: found 0"),
        ({"max_escape": True}, (X, y), {}, "max_escape: found True"),
        ({"candidates": 0}, (X, y), {}, "candidates: found 0"),
        ({"pictures_per_part": 0}, (X, y), {}, "pictures_per_part: found 0"),
        ({"bad_share": 1.5}, (X, y), {}, "bad_share: found 1.5"),
        ({"bad_share": 0.1}, (X[:300], y[:300]), {}, "bad_share: found no good part"),
        ({}, (X[300:], y[300:]), {}, "no bad part; the threshold is set by bad parts"),
        ({}, (np.zeros_like(X), y), {}, "all 304 parts have the score 0: the classifier does not tell them apart"),
        ({}, (nan, y), {}, r"the score of sample 7 is NaN \(1 in all\)"),
        ({}, (infinite, y), {}, "the score of a bad part is infinite"),
        ({}, (X, [*y[:-1], "odd"]), {}, "y: the class 'odd' is unknown to the model"),
        ({}, (X, y[:-1]), {}, r"y: found labels of shape \(303,\), expected one for each of 304"),
        ({}, (X, None), {}, "y: found no labels"),
        ({}, (X[:0], []), {}, "X: found no sample"),
        ({}, (X, y), {"groups": ["a"] * 304}, "the part 'a' has the labels 'bad' and 'ok', expected one"),
        ({}, (X, y), {"groups": ["a"] * 3}, "groups: found the shape"),
        ({}, (X, y), {"groups": [None] + ["a"] * 303}, "groups: 1 of 304 samples have no group"),
    ]
    for options, data, more, what in cases:
        chosen = {"pass_label": "ok", "max_escape": 0.01, "confidence": 0.95, **options}
        with pytest.raises(ValueError, match=what):
            PassGate(TWO, **chosen).fit(*data, **more)


def test_what_is_no_classifier_is_refused() -> None:
    X, y = parts(BAD)
    with pytest.raises(ValueError, match="without classes_, expected a fitted classifier"):
        PassGate(object(), "ok", 0.01, 0.95).fit(X, y)
    silent = type("Silent", (), {"classes_": np.array(["bad", "ok"])})()
    with pytest.raises(TypeError, match="expected one with decision_function or predict_proba"):
        PassGate(silent, "ok", 0.01, 0.95).fit(X, y)
    with pytest.raises(ValueError, match="expected one column for each of the 4 classes"):
        PassGate(Scores(list("abcd")), "a", 0.01, 0.95).fit(np.zeros((3, 6)), list("abc"))


def test_a_gate_of_scikit_learn_keeps_the_promise_on_fresh_parts() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 6000)
    X = rng.normal(size=(6000, 3)) + 2 * y[:, None]
    clf = LogisticRegression().fit(X[:500], y[:500])
    gate = PassGate(clf, 1, 0.02, 0.95).fit(X[500:3000], y[500:3000])  # type: ignore[arg-type]
    passed = np.array([decision.passed for decision in gate.decide(X[3000:])])
    assert passed[y[3000:] == 0].mean() <= 0.03
    with pytest.raises(ValueError, match="found a LogisticRegression, expected an InspectionClassifier"):
        gate.save("nowhere.gonogo")


# --- our own classifier


def pictures(n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Dark pictures are bad, bright ones ok; all are different."""
    rng = np.random.default_rng(seed)
    ok = rng.random(n) < 0.3
    return rng.integers(0, 120, (n, 6, 7), dtype=np.uint8) + 90 * ok[:, None, None].astype(np.uint8), np.where(
        ok, "ok", "bad"
    )


@pytest.fixture(scope="module")
def trained() -> InspectionClassifier:
    X, y = pictures(200, 1)
    net = [layers.flatten(), layers.dense("classes")]
    clf = InspectionClassifier(net, epochs=12, learning_rate=0.02, random_state=3, verbose=False)
    return clf.fit(X, y, validation_data=pictures(40, 2))


@pytest.fixture(scope="module")
def gate(trained: InspectionClassifier) -> PassGate:
    return PassGate(trained, "ok", 0.01, 0.95).fit(*pictures(500, 3))


def test_the_gate_travels_with_the_model(trained: InspectionClassifier, gate: PassGate, tmp_path: Path) -> None:
    path = gate.save(tmp_path / "gated.gonogo")
    model = load(path)
    kept = model.gate_
    assert kept is not None
    assert kept.certificate_ == gate.certificate_
    assert gate.certificate_["guard_band"] == _core.GUARD_BAND == 1e-3
    assert gate.certificate_["disjoint"] == "pixels of pictures"
    X, _ = pictures(50, 4)
    assert kept.decide(X) == gate.decide(X)
    assert {d.label for d in gate.decide(X)} >= {"bad", "ok"}
    assert model.pass_label == "ok"
    assert model.save(tmp_path / "again.gonogo").read_bytes() == path.read_bytes()
    assert trained.gate_ is None
    assert model.model_file.core.model_sha256 == trained.model_file.core.model_sha256
    assert pickle.loads(pickle.dumps(model)).gate_.certificate_ == gate.certificate_


@pytest.mark.parametrize("bits", ["0x1.0000000000001p+0", "-0x1.fffffffffffffp-3", "0x0.0p+0", "0x1.921fb54442d18p+1"])
def test_threshold_and_guard_band_are_stored_bit_by_bit(gate: PassGate, bits: str) -> None:
    stored = gate.certificate.to_json()
    for entry in (stored, *stored["claims"]):
        entry["threshold"] = bits
    read = Certificate.from_json(stored)
    assert read.threshold.hex() == bits
    assert read.to_json() == stored
    assert Certificate.from_json(gate.certificate.to_json()) == gate.certificate


def test_parts_that_the_training_saw_are_refused(trained: InspectionClassifier) -> None:
    fresh, labels = pictures(500, 5)
    for n, seed in ((200, 1), (40, 2)):  # training, validation
        old, old_labels = pictures(n, seed)
        X, y = np.concatenate([fresh, old[:3]]), np.concatenate([labels, old_labels[:3]])
        with pytest.raises(ValueError, match="has seen 3 of 503 pictures, the first at position 500") as caught:
            PassGate(trained, "ok", 0.01, 0.95).fit(X, y)
        assert "split by part before training" in str(caught.value)


def test_groups_that_the_training_saw_are_refused() -> None:
    X, y = pictures(200, 1)
    train = Dataset.from_arrays(X, y, groups=[f"part {i // 2}" for i in np.argsort(np.argsort(y, kind="stable"))])
    net = [layers.flatten(), layers.dense("classes")]
    clf = InspectionClassifier(net, epochs=1, random_state=3, verbose=False).fit(train)
    X, y = pictures(500, 6)
    names = [f"new {i}" for i in range(499)]
    with pytest.raises(ValueError, match="has seen 1 of 500 parts, such as 'part 7'") as caught:
        PassGate(clf, "ok", 0.01, 0.95).fit(X, y, groups=[*names, "part 7"])
    assert "rename the groups" in str(caught.value)
    other = PassGate(clf, "ok", 0.01, 0.95)
    with pytest.raises(ValueError, match=r"has seen 1 of 500 parts"):
        other.fit(Dataset.from_arrays(X, y, groups=["part 7", *names]))
    made = other.fit(X, y, groups=[*names, "new 499"])
    assert made.certificate_["disjoint"] == "pixels of pictures and names of groups"


def test_a_model_that_was_trained_again_loses_its_gate() -> None:
    X, y = pictures(100, 1)
    net = [layers.flatten(), layers.dense("classes")]
    clf = InspectionClassifier(net, epochs=1, random_state=3, verbose=False).fit(X, y)
    gate = PassGate(clf, "ok", 0.01, 0.95).fit(*pictures(500, 3))
    clf.set_params(random_state=4).fit(X, y)
    for use in (lambda: gate.decide(X), lambda: gate.threshold_, lambda: gate.save("nowhere.gonogo")):
        with pytest.raises(ValueError, match="trained again after the calibration; calibrate it on fresh parts"):
            use()


@given(
    st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=50, unique=True),
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5) | st.none(),
)
def test_what_a_training_saw_is_found_again(digests: list[bytes], groups: list[str] | None) -> None:
    half = digests[: (len(digests) + 1) // 2]
    kept = record(half, groups)
    assert find(kept, "pictures", digests) == list(range(len(half)))
    assert (find(kept, "groups", []) is None) == (groups is None)
    assert find(None, "pictures", digests) is None


def test_the_record_of_a_large_training_fits_into_a_header() -> None:
    def digests(n: int) -> list[bytes]:
        return [i.to_bytes(4, "little") * 8 for i in range(n)]

    for n, length in ((1_000, 8), (61_000, 8), (90_000, 5)):
        packed = record(digests(n), None)["pictures"]
        assert (packed["count"], packed["bytes"]) == (n, length)
        assert len(packed["digests"]) < 700_000
    assert record(digests(100_000), None)["pictures"] is None


def test_a_picture_in_an_array_counts_once() -> None:
    class Brightness:
        classes_ = np.array(["bad", "ok"])

        def decision_function(self, X: NDArray[np.uint8]) -> NDArray[np.float64]:
            return np.asarray(X.mean(axis=(1, 2, 3)), np.float64)

    pictures = np.random.default_rng(0).integers(0, 200, (300, 4, 4, 1), dtype=np.uint8)
    labels = np.array(["bad"] * 299 + ["ok"])
    assert PassGate(Brightness(), "ok", 0.01, 0.95).fit(pictures, labels).certificate.defects == 299
    pictures[298] = pictures[3]
    with pytest.raises(
        ValueError, match="X: picture 3 and picture 298 hold the same pixels but count as two bad parts"
    ):
        PassGate(Brightness(), "ok", 0.01, 0.95).fit(pictures, labels)
