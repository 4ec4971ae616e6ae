"""Reliability diagrams and calibration errors, by simulation and by hand."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

import json
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve

from gonogo import InspectionClassifier, evaluate, layers
from gonogo.reliability import mix_weights, reliability


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=300), st.integers(1, 3))
def test_bins_have_equal_mass_and_keep_equal_probabilities_together(rows: list[tuple[int, bool]], views: int) -> None:
    level, true = (np.array(column) for column in zip(*rows, strict=True))
    told, part_of = level / 20, np.arange(len(rows)) // views
    found = reliability(told, true, part_of)
    bins = min(10, max(1, (part_of[-1] + 1) // 10))
    assert 1 <= len(found.mass) <= bins
    assert found.mass.sum() == pytest.approx(1)
    assert (np.diff(found.told) > 0).all()
    largest = np.bincount(level).max() / len(level)
    assert found.mass.max() <= 1 / bins + largest + 1 / len(level) + 1e-9
    assert found.error == pytest.approx(float((found.mass * np.abs(found.told - found.found)).sum()))
    assert (found.found_interval[:, 0] <= found.found + 1e-12).all()
    assert (found.found_interval[:, 1] >= found.found - 1e-12).all()
    order = np.random.default_rng(0).permutation(len(rows))
    again = reliability(told[order], true[order], part_of[order])
    assert again.error == pytest.approx(found.error, abs=1e-12)


def test_figures_by_hand() -> None:
    told, true = np.repeat([0.2, 0.9], 50), np.r_[np.arange(50) < 10, np.arange(50) < 40]
    found = reliability(told, true, np.arange(100))
    np.testing.assert_allclose([found.told, found.found, found.mass], [[0.2, 0.9], [0.2, 0.8], [0.5, 0.5]])
    assert found.error == pytest.approx(0.05)
    assert found.error < found.error_by_chance
    assert found.error_interval[0] == 0
    # In a mix with three times as many of the lower probability.
    weighted = reliability(told, true, np.arange(100), np.repeat([3.0, 1.0], 50))
    assert weighted.error == pytest.approx(0.025)
    json.dumps(found.to_dict(), allow_nan=False)
    assert "0.0500 (approximate 95 % interval 0.0000 to" in str(found)


def test_weights_stand_for_another_mix() -> None:
    truth = np.array([0, 0, 0, 1])
    weights = mix_weights(truth, ["ok", "bad"], {"ok": 0.99, "bad": 0.01})
    assert weights is not None
    np.testing.assert_allclose(weights / weights.sum(), [0.33, 0.33, 0.33, 0.01])
    assert mix_weights(truth, ["ok", "bad"], None) is None


@pytest.mark.soak
@pytest.mark.parametrize(("power", "views"), [(1.0, 1), (1.0, 4), (0.5, 1), (0.5, 4)])
def test_the_interval_covers_the_true_error(
    power: float, views: int, often: Callable[[int, int], int], report_figure: Callable[[str, object], None]
) -> None:
    """Perfect probabilities, and probabilities twice as sure as they may be; one picture of each part, and four."""

    def truly(told: Any) -> Any:
        odds = (told / (1 - told)) ** power
        return odds / (1 + odds)

    rng = np.random.default_rng(3)
    many = np.sort(np.clip(rng.beta(0.6, 0.6, 200_000), 1e-6, 1 - 1e-6))
    error = float(np.mean([abs(np.mean(part - truly(part))) for part in np.array_split(many, 10)]))
    runs, covered, alarms = often(12, 1000), 0, 0
    for run in range(runs):
        told = np.clip(rng.beta(0.6, 0.6, 300), 1e-6, 1 - 1e-6)
        true = rng.random(300) < truly(told)
        found = reliability(np.repeat(told, views), np.repeat(true, views), np.arange(300 * views) // views, seed=run)
        covered += found.error_interval[0] - 1e-9 <= error <= found.error_interval[1] + 1e-9
        alarms += found.error > found.error_by_chance
    report_figure(
        f"calibration error {error:.3f}, {views} pictures of a part",
        f"interval covers it in {covered / runs:.1%}, above chance in {alarms / runs:.1%} of {runs:,} samples",
    )
    assert covered >= 0.75 * runs
    assert alarms <= 0.2 * runs if power == 1 else alarms >= 0.7 * runs


class Given:
    classes_ = np.array(["bad", "ok"])

    def predict_proba(self, X: Any) -> Any:
        return X


def test_a_report_tells_and_draws_reliability_and_precision() -> None:
    rng = np.random.default_rng(1)
    ok = rng.random(400)
    X, y = np.stack([1 - ok, ok], axis=1), np.where(rng.random(400) < ok, "ok", "bad")
    report = evaluate(Given(), (X, y), pass_label="ok", groups=np.arange(400))
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))["reliability"]
    assert told["classes"]["ok"]["error"] == pytest.approx(told["classes"]["bad"]["error"])
    assert told["classes"]["ok"]["error"] < told["classes"]["ok"]["error_by_chance"]
    assert told["mix"] is None
    assert "equal mass" in told["estimator"]
    for plot in (report.plot_reliability, report.plot_precision_recall, report.plot_roc):
        axes = plt.subplots()[1]
        assert plot(ax=axes) is axes
        assert [text.get_text().split(",")[0] for text in axes.get_legend().get_texts()] == ["ok"]
        axes.figure.draw_without_rendering()
    precision, recall, _ = precision_recall_curve(y == "ok", ok)
    drawn = report.plot_precision_recall().lines[0]
    np.testing.assert_allclose(np.asarray(drawn.get_xdata())[1:], recall[:-1][::-1], atol=1e-12)
    np.testing.assert_allclose(np.asarray(drawn.get_ydata())[1:], precision[:-1][::-1], atol=1e-12)
    several = evaluate(Given(), (X, y))
    assert len(several.plot_reliability().get_legend().get_texts()) == 2
    plt.close("all")


def test_the_names_of_many_classes_stand_beside_the_plot() -> None:
    class Several:
        classes_ = np.array([f"class {k}" for k in range(7)])

        def predict_proba(self, X: Any) -> Any:
            return X

    X, y = np.random.default_rng(2).dirichlet(np.ones(7), 140), Several.classes_[np.arange(140) % 7]
    report = evaluate(Several(), (X, y))
    for plot in (report.plot_reliability, report.plot_precision_recall, report.plot_roc):
        axes = plot()
        axes.figure.draw_without_rendering()
        assert len(axes.get_legend().get_texts()) == 7
        assert axes.get_legend().get_window_extent().x0 > axes.get_window_extent().x1
    plt.close("all")


def test_a_temperature_makes_probabilities_reliable_in_the_mix_that_they_are_for() -> None:
    def rows(n: int, seed: int) -> tuple[Any, Any]:
        """Overlapping classes in 40 columns of which 39 are noise: little data, so a net grows too sure."""
        rng = np.random.default_rng(seed)
        y = rng.random(n) < 0.5
        X = rng.normal(0, 1, (n, 40))
        X[:, 0] += 1.5 * y
        return X, np.where(y, "ok", "bad")

    net = [layers.dense(32, activation="relu"), layers.dense("classes")]
    clf = InspectionClassifier(net, epochs=60, learning_rate=0.005, random_state=1, pass_label="ok")
    clf.fit(*rows(200, 1))
    before = evaluate(clf, rows(2000, 3)).reliability["ok"]
    assert before.error_interval[0] > 0.05
    clf.fit_temperature(rows(1000, 2))
    after = evaluate(clf, rows(2000, 3)).reliability["ok"]
    assert after.error < before.error / 3
    clf.fit_temperature(rows(1000, 2), {"ok": 0.9, "bad": 0.1})
    report = evaluate(clf, rows(2000, 3))
    assert report.to_dict()["reliability"]["mix"] == {"bad": 0.1, "ok": 0.9}
    assert report.reliability["ok"].error < before.error / 3
    assert report.reliability["ok"].told.mean() > 0.8
