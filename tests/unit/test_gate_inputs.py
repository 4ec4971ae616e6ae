"""What a gate takes besides plain arrays and what it answers, and its certificates in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gonogo import Dataset, PassGate
from gonogo.certificate_words import promise
from gonogo.decision import best_classes
from gonogo.errors import DecodeError
from gonogo.gate.opening import open_test_set

pytestmark = pytest.mark.any_engine


class Scores:
    """A classifier that was handed its scores: one column for each class, or one for the second of two."""

    def __init__(self, *classes: str) -> None:
        self.classes_ = np.array(classes)

    def decision_function(self, X: Any) -> Any:
        return np.asarray(X, np.float64)


class Brightness:
    """Bright pictures are ok; takes arrays, paths and a Dataset."""

    classes_ = np.array(["bad", "ok"])

    def decision_function(self, X: Any) -> Any:
        if isinstance(X, Dataset):
            X = X.pixels[X.index]
        elif isinstance(X, list):
            X = np.stack([np.asarray(Image.open(path)) for path in X])[..., None]
        return np.asarray(X, np.float64).mean(axis=(1, 2, 3)) - 100


ONE_COLUMN = Scores("bad", "ok")
X = np.concatenate([np.linspace(-4, 4, 300), [5.0, 6.0]])[:, None]
Y = ["bad"] * 300 + ["ok"] * 2
LABELS = np.repeat(["crack", "ok", "scratch"], [700, 50, 500])
Z = np.random.default_rng(1).normal(0, 1, (1250, 3)) + 4 * (LABELS[:, None] == np.array(["crack", "ok", "scratch"]))


def pictures(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(2).integers(0, 120, (count, 5, 4, 1), dtype=np.uint8)


def test_one_column_of_scores_is_that_of_the_second_class() -> None:
    gate = PassGate(ONE_COLUMN, "ok", 0.01, 0.95)
    assert repr(gate) == "PassGate(pass_label='ok', max_escape=0.01, confidence=0.95, not calibrated)"
    assert gate.fit(X, Y).threshold_ == 4.0
    assert repr(gate).endswith(", calibrated)")
    np.testing.assert_array_equal(gate.score(X), X[:, 0])
    np.testing.assert_array_equal(PassGate(ONE_COLUMN, "bad", 0.01, 0.95).score(X), -X[:, 0])


def test_a_classifier_must_give_one_score_for_each_sample() -> None:
    class Forgetful(Scores):
        def decision_function(self, X: Any) -> Any:
            return super().decision_function(X)[1:]

    with pytest.raises(ValueError, match="clf: found 301 scores for 302 samples, expected one for each"):
        PassGate(Forgetful("bad", "ok"), "ok", 0.01, 0.95).fit(X, Y)


@pytest.mark.parametrize("classes", [["ok"], ["ok", "bad", "ok"]])
def test_classes_must_be_several_and_different(classes: list[str]) -> None:
    with pytest.raises(ValueError, match="expected at least two with different names"):
        PassGate(Scores(*classes), "ok", 0.01, 0.95).fit(X, Y)


def test_a_dataset_brings_its_labels_and_groups() -> None:
    shown, labels = pictures(602), ["bad"] * 600 + ["ok"] * 2
    shown[600:] += 100
    groups = [f"part {i // 2}" for i in range(602)]
    data = Dataset.from_arrays(shown, labels, groups=groups)
    gate = PassGate(Brightness(), "ok", 0.01, 0.95).fit(data)
    assert (gate.certificate_["defects"], gate.certificate_["pictures_per_part"]) == (300, 2)
    assert gate.decide(data) == gate.decide(shown, groups), "each with the other picture of its part"
    assert [decision.label for decision in gate.decide(data)][600:] == ["ok"] * 2
    with pytest.raises(ValueError, match="y: a Dataset brings its own labels; leave y out"):
        gate.fit(data, labels)


def test_files_are_the_same_parts_as_their_pixels(tmp_path: Path) -> None:
    shown = pictures(301)
    paths = [tmp_path / f"{i:03}.png" for i in range(301)]
    for path, pixels in zip(paths, shown, strict=True):
        Image.fromarray(pixels[..., 0]).save(path)
    labels = ["bad"] * 300 + ["ok"]
    gate = PassGate(Brightness(), "ok", 0.01, 0.95)
    assert gate.fit(paths, labels).threshold_ == gate.fit(shown, labels).threshold_
    paths[7].write_bytes(paths[7].read_bytes()[:-9])
    Image.fromarray(shown[7, :, :, 0]).save(tmp_path / "whole.png")

    class Lenient(Brightness):
        def decision_function(self, X: Any) -> Any:
            return super().decision_function([tmp_path / "whole.png" if path == paths[7] else path for path in X])

    with pytest.raises(DecodeError, match=r"007\.png"):
        PassGate(Lenient(), "ok", 0.01, 0.95).fit(paths, labels)


def test_nothing_is_recorded_where_there_is_no_ledger(tmp_path: Path) -> None:
    assert open_test_set(ONE_COLUMN, X, Y) is None
    ledger = tmp_path / "parts.ledger"
    assert [open_test_set(ONE_COLUMN, X, Y, ledger=ledger) for _ in range(2)] == [0, 1]


def test_the_most_probable_class_is_the_first_of_equals() -> None:
    assert best_classes(np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]])).tolist() == [0, 1]


def test_the_words_tell_a_pooled_promise_from_one_for_each_fault_class() -> None:
    clf = Scores("crack", "ok", "scratch")
    pooled, single, joint = (
        promise(PassGate(clf, "ok", 0.01, 0.95, **options).fit(Z, LABELS).certificate)
        for options in ({}, {"per_class": True}, {"joint": True})
    )
    mixture = "It holds for the mixture of faults above; where another mixture is produced, certify each class."
    alone = "Each fault class holds by itself; that all hold at once is not promised at this confidence."
    together = "All fault classes hold at once: any mixture of them is covered."
    assert [[mixture in lines, alone in lines, together in lines] for lines in (pooled, single, joint)] == np.eye(
        3, dtype=bool
    ).tolist()
    assert [line.split(",")[0] for line in single if line.startswith("  ")] == [
        "  crack: 2 of 700 allowed",
        "  scratch: 1 of 500 allowed",
    ]


def test_the_words_say_what_was_not_given() -> None:
    lines = promise(PassGate(ONE_COLUMN, "ok", 0.01, 0.95).fit(X[:300], Y[:300]).certificate)
    assert "The classifier is a foreign one: nothing is added for differences between machines." in lines
    assert "How many of the passed parts are bad depends on the share of bad parts, which was not stated." in lines
    assert not any("good part" in line or "lot" in line or "pictures" in line for line in lines)
