"""Figures of an evaluation against scikit-learn."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as theirs

from gonogo.binomial import interval, upper_bound
from gonogo.metrics import Rate, class_figures, confusion_matrix, defined
from gonogo.part_results import PartResults


@st.composite
def answers(draw: Any) -> tuple[int, NDArray[np.intp], NDArray[np.intp]]:
    classes = draw(st.integers(2, 6))
    pairs = draw(st.lists(st.tuples(st.integers(0, classes - 1), st.integers(0, classes - 1)), min_size=1, max_size=80))
    truth, said = np.array(pairs, np.intp).T
    return classes, truth, said


@given(answers())
def test_the_confusion_matrix_is_scikit_learns(case: tuple[int, NDArray[np.intp], NDArray[np.intp]]) -> None:
    classes, truth, said = case
    found = confusion_matrix(truth, said, classes)
    np.testing.assert_array_equal(found, theirs.confusion_matrix(truth, said, labels=range(classes)))


@given(answers())
def test_figures_of_classes_are_scikit_learns(case: tuple[int, NDArray[np.intp], NDArray[np.intp]]) -> None:
    classes, truth, said = case
    found = class_figures(truth, said, [f"class {k}" for k in range(classes)])
    expected = theirs.precision_recall_fscore_support(truth, said, labels=range(classes), zero_division=np.nan)
    mine = [[f.precision.value, f.recall.value, f.f1, f.support] for f in found]
    np.testing.assert_allclose(np.array(mine).T[[0, 1, 3]], np.array(expected)[[0, 1, 3]], rtol=1e-12)
    # scikit-learn calls F1 undefined only where the class neither occurs nor is predicted, as here.
    f1 = theirs.f1_score(truth, said, labels=range(classes), average=None, zero_division=np.nan)
    np.testing.assert_allclose([f.f1 for f in found], f1, rtol=1e-12)


@given(answers())
def test_intervals_enclose_their_figures(case: tuple[int, NDArray[np.intp], NDArray[np.intp]]) -> None:
    classes, truth, said = case
    for figures in class_figures(truth, said, list("abcdef")[:classes]):
        told = figures.to_dict()
        json.dumps(told, allow_nan=False)
        for name in ("precision", "recall", "f1"):
            low, high = told[f"{name}_interval"]
            assert 0 <= low <= high <= 1
            assert told[name] is None or low <= told[name] <= high


@given(answers(), st.integers(0, 5))
def test_escape_and_overkill_are_shares_of_bad_and_good(
    case: tuple[int, NDArray[np.intp], NDArray[np.intp]], passing: int
) -> None:
    classes, truth, said = case
    passing %= classes
    bad, good = truth != passing, truth == passing
    parts = PartResults(list("abcdef")[:classes], [], truth, said, False)
    escapes, refused = parts.escape(passing), parts.overkill(passing)
    assert (escapes.count, escapes.of) == ((said[bad] == passing).sum(), bad.sum())
    assert (refused.count, refused.of) == ((said[good] != passing).sum(), good.sum())


def test_a_rate_tells_all_about_itself() -> None:
    rate = Rate(2, 453)
    assert rate.value == 2 / 453
    assert rate.interval == interval(2, 453)
    assert rate.upper95 == upper_bound(2, 453)
    assert str(rate) == "0.0044 (2 of 453; 95 % interval 0.0005 to 0.0159)"


def test_a_share_of_nothing_is_not_a_number_and_none_in_json() -> None:
    assert math.isnan(Rate(0, 0).value)
    assert Rate(0, 0).interval == (0, 1)
    assert str(Rate(0, 0)) == "undefined (0 of 0)"
    assert defined(math.nan) is None
    assert defined(0.25) == 0.25
    figures = class_figures(np.zeros(0, np.intp), np.zeros(0, np.intp), ["a", "b"])[0]
    assert figures.to_dict() == {
        "precision": None,
        "recall": None,
        "f1": None,
        "support": 0,
        "precision_interval": [0, 1],
        "recall_interval": [0, 1],
        "f1_interval": [0, 1],
    }


@pytest.mark.parametrize("right", [True, False])
def test_all_right_and_all_wrong_are_ones_and_zeros(right: bool) -> None:
    truth = np.repeat([0, 1], [5, 7])
    for figures in class_figures(truth, truth if right else 1 - truth, ["a", "b"]):
        assert (figures.precision.value, figures.recall.value, figures.f1) == (right, right, right)
