"""Honest evaluation: what is counted, how sure it is, and that labels cannot come off their predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gonogo import Dataset, LedgerError, PassGate, audit, evaluate, load_split, save_split
from gonogo.ledger import read_ledger
from gonogo.macro import macro_figures
from gonogo.metrics import Rate
from gonogo.part_results import decide_parts, without_threshold
from gonogo.resampling import design_effect, draws_of_parts


class Scores:
    """X holds the logits of the classes, one column each."""

    def __init__(self, classes: list[str], pass_label: str | None = "ok") -> None:
        self.classes_ = np.array(classes)
        self.pass_label = pass_label

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        X = np.asarray(X, np.float64)
        return X[:, 1] - X[:, 0] if X.shape[1] == 2 else X

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        z = np.exp(np.asarray(X, np.float64))
        return np.asarray(z / z.sum(axis=1, keepdims=True))


def rows(margins: Any) -> NDArray[np.float64]:
    return np.stack([np.zeros(len(margins)), np.asarray(margins, np.float64)], axis=1)


TWO = Scores(["bad", "ok"])
# Parts a (bad, one picture escapes), b (bad, both escape), c (good, one refused), d (good).
GROUPS = ["a", "a", "b", "b", "c", "c", "d"]
LABELS = ["bad"] * 4 + ["ok"] * 3
MARGINS = [-1.5, 2.0, 1.0, 3.0, 2.0, -1.0, 4.0]


def test_escape_and_overkill_count_parts_and_a_part_passes_only_with_all_its_pictures() -> None:
    found = evaluate(TWO, (rows(MARGINS), LABELS), groups=GROUPS)
    assert found.escape is not None
    assert found.overkill is not None
    assert (found.escape.count, found.escape.of) == (1, 2)
    assert (found.overkill.count, found.overkill.of) == (1, 2)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["n"] == 7
    assert told["by_part"]["n"] == 4
    assert told["by_part"]["accuracy"] == 0.5
    assert told["by_part"]["accuracy_interval"] == list(Rate(2, 4).interval)
    assert told["by_part"]["confusion"] == [[1, 1], [1, 1]]
    assert told["escape"]["unit"] == told["overkill"]["unit"] == "part"
    assert told["interval_unit"] == "picture, with a design effect: approximate"
    assert found.parts is not None
    assert found.parts.names == ["a", "b", "c", "d"]
    text = str(found)
    assert "by part   0.5000 (2 of 4 parts; 95 % interval" in text
    assert "accuracy  0.4286 (3 of 7 pictures; approximate 95 % interval" in text
    assert "escape    0.5000 (1 of 2 parts;" in text


def test_groups_of_one_picture_each_are_exact() -> None:
    X, y = rows(MARGINS), LABELS
    alone = evaluate(TWO, (X, y))
    found = evaluate(TWO, (X, y), groups=list("abcdefg"))
    assert found.accuracy == alone.accuracy
    assert not found.accuracy.approximate
    assert found.to_dict()["interval_unit"] == "part (each shows one picture)"
    assert "taken for a part" in alone.to_dict()["interval_unit"]
    assert alone.to_dict()["by_part"] is None


def test_copies_of_pictures_make_no_interval_narrower() -> None:
    rng = np.random.default_rng(0)
    margins, labels = rng.normal(1, 1, 60), ["ok"] * 60
    once = evaluate(TWO, (rows(margins), labels))
    often = evaluate(TWO, (rows(np.repeat(margins, 5)), labels * 5), groups=np.repeat(np.arange(60), 5))
    assert often.accuracy.design_effect == pytest.approx(5, rel=0.02)
    np.testing.assert_allclose(often.accuracy.interval, once.accuracy.interval, atol=2e-3)
    naive = Rate(often.accuracy.count, often.accuracy.of).interval
    assert naive[1] - naive[0] < 0.6 * (often.accuracy.interval[1] - often.accuracy.interval[0])
    assert often.parts is not None
    assert once.parts is not None
    assert often.parts.accuracy == once.parts.accuracy


def test_intervals_by_picture_cover_where_pictures_hang_together() -> None:
    """200 data sets of 80 parts with 6 pictures each: naive limits cover half of the time, those here nearly 95 %."""
    rng, covered, naive = np.random.default_rng(1), 0, 0
    part_of = np.repeat(np.arange(80), 6)
    for _ in range(200):
        hit = rng.random(480) < np.repeat(rng.beta(0.8, 0.2, 80), 6)
        for effect in (design_effect(hit, np.ones(480, bool), part_of), None):
            low, high = Rate(int(hit.sum()), 480, effect).interval
            if effect is None:
                naive += low <= 0.8 <= high
            else:
                covered += low <= 0.8 <= high
    assert covered >= 180
    assert naive <= 160


@given(st.permutations(["crack", "ok", "pore", "scratch"]), st.integers(0, 2**32))
def test_the_order_of_classes_changes_nothing_but_the_order(order: list[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = ["crack", "ok", "pore", "scratch"]
    X = rng.normal(0, 1, (30, 4))
    truth = [names[k] for k in rng.integers(0, 4, 30)]
    groups = [f"{label} {i % 3}" for i, label in enumerate(truth)]
    one = evaluate(Scores(names), (X, truth), groups=groups)
    other = evaluate(Scores(order), (X[:, [names.index(name) for name in order]], truth), groups=groups)
    assert (one.accuracy, one.escape, one.overkill) == (other.accuracy, other.escape, other.overkill)
    assert {f.name: f for f in one.per_class} == {f.name: f for f in other.per_class}
    assert [one.classes[k] for k in one.predicted] == [other.classes[k] for k in other.predicted]


def test_a_data_set_with_classes_in_another_order_is_matched_by_name() -> None:
    pixels = np.zeros((4, 8, 8, 1), np.uint8)

    class Bright:
        classes_ = np.array(["bad", "ok"])

        def predict_proba(self, X: Any) -> NDArray[np.float64]:
            assert len(X) == 4
            return np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])

    data = Dataset.from_arrays(pixels, ["bad", "bad", "ok", "ok"], classes=["ok", "bad"])
    assert data.classes == ["ok", "bad"]
    found = evaluate(Bright(), data)
    assert found.classes == ["bad", "ok"]
    np.testing.assert_array_equal(found.confusion, [[2, 0], [1, 1]])


def test_the_gate_decides_where_one_is_given() -> None:
    bad = np.linspace(-4, 1.5, 300)
    gate = PassGate(TWO, "ok", 0.01, 0.95).fit(rows(np.r_[bad, 5.0, 6.0]), ["bad"] * 300 + ["ok"] * 2)
    found = evaluate(TWO, (rows(MARGINS), LABELS), gate, groups=GROUPS)
    assert found.escape is not None
    assert (found.escape.count, found.escape.of) == (0, 2), "one picture of b does not exceed 1.5"
    told = found.to_dict()
    assert told["gate"]["certificate"] == gate.certificate_["sha256"]
    assert told["gate"]["review"] == 1
    assert "decided by the certificate" in str(found)
    with pytest.raises(ValueError, match="gate: it was calibrated on another classifier"):
        evaluate(Scores(["bad", "ok"]), (rows(MARGINS), LABELS), gate)


def test_an_audit_needs_a_dataset() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (8, 12, 12, 1), np.uint8)
    data = Dataset.from_arrays(pixels, ["bad", "ok"] * 4)
    with pytest.raises(TypeError, match="without: needs the pictures as a Dataset, found a tuple"):
        evaluate(TWO, (rows(MARGINS), LABELS), without=audit(data))


def test_a_part_with_one_leaked_picture_is_left_out_as_a_whole() -> None:
    found = evaluate(TWO, (rows(MARGINS), LABELS), groups=GROUPS)
    clean = found.select(np.arange(7) != 2)
    alone = evaluate(TWO, (rows(MARGINS)[[0, 1, 4, 5, 6]], ["bad"] * 2 + ["ok"] * 3), groups=list("aaccd"))
    assert clean.to_dict() == alone.to_dict()
    assert clean.parts is not None
    assert clean.parts.names == ["a", "c", "d"]


@pytest.mark.parametrize(
    ("groups", "what"),
    [
        (["a"] * 7, "groups: the part 'a' has the labels 'bad' and 'ok'"),
        (["a"], "groups: found the shape"),
        (["a", "", "b", "b", "c", "c", "d"], "groups: 1 of 7 samples have no group"),
    ],
)
def test_bad_groups_are_named(groups: list[str], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        evaluate(TWO, (rows(MARGINS), LABELS), groups=groups)


def test_columns_that_do_not_fit_the_classes_are_refused() -> None:
    clf = Scores(["bad", "ok", "odd"])
    with pytest.raises(ValueError, match="expected one column for each of the 3 classes"):
        evaluate(clf, (rows(MARGINS), LABELS))


def test_probabilities_that_are_no_numbers_are_no_verdict() -> None:
    X = rows(MARGINS)
    X[6] = np.nan
    with pytest.raises(ValueError, match="the probabilities of sample 6 are NaN"):
        evaluate(TWO, (X, LABELS))


def test_scores_that_are_no_numbers_go_to_review() -> None:
    rule = without_threshold(["bad", "ok"], 1)
    scores = np.array([np.nan, 2.0, 3.0, np.inf, 1.0, -1.0])
    assert decide_parts(rule, scores, np.array([1, 1, 0, 2, 3, 3]), 4).tolist() == [1, -1, -1, 0]


def test_macro_figures_are_scikit_learns_and_their_limits_come_from_parts() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    rng = np.random.default_rng(3)
    part_of = np.repeat(np.arange(50), 4)
    truth = np.repeat(rng.integers(0, 3, 50), 4)
    said = np.where(np.repeat(rng.random(50) < 0.7, 4), truth, rng.integers(0, 3, 200))
    found = macro_figures(truth, said, 3, part_of)
    expected = precision_recall_fscore_support(truth, said, average="macro")[:3]
    np.testing.assert_allclose([found[name].value for name in ("precision", "recall", "f1")], expected, rtol=1e-12)
    alone = macro_figures(truth, said, 3, np.arange(200))
    width = [m["f1"].interval[1] - m["f1"].interval[0] for m in (found, alone)]
    assert found["f1"].interval[0] < found["f1"].value < found["f1"].interval[1]
    assert width[0] > 1.4 * width[1]
    assert found == macro_figures(truth, said, 3, part_of)
    assert found["f1"].interval != macro_figures(truth, said, 3, part_of, seed=1)["f1"].interval


def test_each_draw_has_as_many_parts_as_there_are_and_the_words_are_fixed() -> None:
    draws = list(draws_of_parts(5, 0, 400))
    assert {int(draw.sum()) for draw in draws} == {5}
    np.testing.assert_allclose(np.mean(draws, axis=0), 1, atol=0.15)
    np.testing.assert_array_equal(draws, list(draws_of_parts(5, 0, 400)))


@pytest.fixture
def saved_split(tmp_path: Path) -> dict[str, Dataset]:
    from PIL import Image

    rng = np.random.default_rng(2)
    for label in ("bad", "ok"):
        (tmp_path / "parts" / label).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(rng.integers(0, 256, (4, 4), dtype=np.uint8)).save(tmp_path / "parts" / label / f"{i}.png")
    data = Dataset.from_folder(tmp_path / "parts")
    save_split(tmp_path / "split.csv", data.split({"train": 0.5, "test": 0.5}))
    return load_split(tmp_path / "split.csv", data)


class Even:
    classes_ = np.array(["bad", "ok"])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        return np.full((len(X), 2), 0.5)


def test_opening_the_test_subset_of_a_saved_split_is_recorded_and_told(
    saved_split: dict[str, Dataset], tmp_path: Path
) -> None:
    ledger = tmp_path / "split.csv.ledger"
    assert evaluate(Even(), saved_split["train"]).openings is None
    assert not ledger.exists()
    first, second = (evaluate(Even(), saved_split["test"]) for _ in range(2))
    assert (first.openings, second.openings) == (0, 1)
    assert [(entry["kind"], len(entry["parts"])) for entry in read_ledger(ledger)] == [("test", 10)] * 2
    assert "test set  opened 1 time before, by the ledger; a choice made after a look" in str(second)
    assert second.to_dict()["test_set_opened_before"] == 1


def test_a_ledger_can_be_named_and_an_edited_one_is_refused(tmp_path: Path) -> None:
    ledger = tmp_path / "mine.ledger"
    X, y = rows(MARGINS), LABELS
    assert [evaluate(TWO, (X, y), groups=GROUPS, ledger=ledger).openings for _ in range(3)] == [0, 1, 2]
    assert len(read_ledger(ledger)[0]["parts"]) == 4
    ledger.write_bytes(ledger.read_bytes().replace(b'"test"', b'"tost"', 1))
    with pytest.raises(LedgerError, match="line 1 was edited"):
        evaluate(TWO, (X, y), ledger=ledger)
