"""Curves and their areas against scikit-learn."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from gonogo import PassGate, evaluate
from gonogo.curves import curve


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), max_size=60))
def test_areas_are_scikit_learns_also_with_ties(rows: list[tuple[int, bool]]) -> None:
    scores, positive = (np.array(column) for column in zip(*rows, (0, True), (0, False), strict=True))
    found = curve(scores.astype(np.float64), positive, np.arange(len(scores)))
    assert found.roc_auc == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
    assert found.average_precision == pytest.approx(average_precision_score(positive, scores), abs=1e-12)
    rates = roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose(np.r_[0, found.false_positive_rate], rates[0], atol=1e-12)
    np.testing.assert_allclose(np.r_[0, found.recall], rates[1], atol=1e-12)


def test_limits_come_from_parts_and_enclose_the_area() -> None:
    rng = np.random.default_rng(0)
    positive = np.repeat(rng.random(40) < 0.5, 5)
    scores = np.repeat(rng.normal(0, 1, 40), 5) + positive
    by_part, alone = curve(scores, positive, np.repeat(np.arange(40), 5)), curve(scores, positive, np.arange(200))
    low, high = by_part.roc_auc_interval
    assert low < by_part.roc_auc < high
    assert high - low > 1.5 * (alone.roc_auc_interval[1] - alone.roc_auc_interval[0])


class Given:
    classes_ = np.array(["bad", "ok", "worse"])

    def predict_proba(self, X: Any) -> Any:
        return X


class Two(Given):
    classes_ = np.array(["bad", "ok"])


def test_a_report_has_the_areas_of_each_class_and_draws_them() -> None:
    rng = np.random.default_rng(1)
    X, y = rng.dirichlet(np.ones(3), 50), np.array(["bad", "ok"])[rng.integers(0, 2, 50)]
    report = evaluate(Given(), (X, y))
    told = report.to_dict()["curves"]
    others = np.log(X[:, 1] / (X[:, 0] + X[:, 2]))
    assert told["ok"]["roc_auc"] == pytest.approx(roc_auc_score(y == "ok", others))
    assert told["worse"]["roc_auc"] is None
    axes = plt.subplots()[1]
    assert report.plot_roc(ax=axes) is axes
    assert len(axes.get_legend().get_texts()) == 3
    assert f"ok, area {told['ok']['roc_auc']:.4f}" in [text.get_text() for text in axes.get_legend().get_texts()]
    plt.close("all")


def test_scores_are_drawn_for_good_and_bad_and_need_a_pass_class() -> None:
    rng = np.random.default_rng(1)
    X, y = rng.dirichlet(np.ones(3), 50), np.array(["bad", "ok"])[rng.integers(0, 2, 50)]
    axes = plt.subplots()[1]
    assert evaluate(Given(), (X, y), pass_label="ok").plot_scores(ax=axes) is axes
    told = [text.get_text() for text in axes.get_legend().get_texts()]
    assert told == [f"good, {(y == 'ok').sum()}", f"bad, {(y == 'bad').sum()}"]
    assert sum(bar.get_height() for bar in axes.patches if hasattr(bar, "get_height")) == (y == "ok").sum()
    rows = np.r_[np.linspace(0.01, 0.4, 300), 0.9, 0.8][:, None] * [-1, 1] + [1, 0]
    clf, labels = Two(), ["bad"] * 300 + ["ok"] * 2
    report = evaluate(clf, (rows, labels), PassGate(clf, "ok", 0.01, 0.95).fit(rows, labels))
    drawn = report.plot_scores().get_legend().get_texts()
    assert f"PASS above {np.log(0.4 / 0.6):.4g}" in [text.get_text() for text in drawn]
    with pytest.raises(ValueError, match="pass_label: no PASS class is known"):
        evaluate(Given(), (X, y)).plot_scores()
    plt.close("all")
