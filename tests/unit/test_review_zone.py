"""The review zone: what people look at, chosen from costs and capacity, and never at the expense of the certificate."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gonogo import InspectionClassifier, Inspector, PassGate, _core, binomial, evaluate, layers, load
from gonogo.certificate_words import promise, zone_words
from gonogo.decision import REVIEW, Rule
from gonogo.errors import ModelFileError
from gonogo.gate.plots import cost_curve, escape_bounds, simultaneous_margin
from gonogo.gate.zone import lowest_within
from gonogo.model_file import parse_model

pytestmark = pytest.mark.any_engine


class Scores:
    """A classifier that was handed its scores: X holds the margin of ``ok``, or a column for each class."""

    def __init__(self, *classes: str) -> None:
        self.classes_ = np.array(classes)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        X = np.asarray(X, np.float64)
        return X[:, 0] if X.shape[1] == 1 else X


TWO = Scores("bad", "ok")


def calibrated(
    bad: Any, good: Any, ratio: float = 20.0, capacity: float = 0.05, escape: float = 0.01, **options: Any
) -> PassGate:
    X = np.concatenate([bad, good])[:, None]
    y = ["bad"] * len(bad) + ["ok"] * len(good)
    gate = PassGate(TWO, "ok", escape, 0.95, cost_ratio=ratio, review_capacity=capacity, **options)
    return gate.fit(X, y)


def zone_of(gate: PassGate) -> dict[str, Any]:
    assert gate.review_zone_ is not None
    return gate.review_zone_


BAD = np.linspace(-10, 0, 300)
GOOD = np.linspace(-5, 15, 2001)  # 500 of them are not above the worst bad part


def test_good_parts_nearest_to_pass_are_looked_at_as_far_as_people_can() -> None:
    gate = calibrated(BAD, GOOD, capacity=0.1, bad_share=0.01)
    zone = zone_of(gate)
    assert (zone["upper"], gate.threshold_) == (0.0, 0.0)
    assert zone["workload"] <= 0.1
    assert zone["workload"] + 2 / 2001 > 0.1, "one more good part would not have fitted"
    assert zone["good_reviewed"] + zone["good_passed"] < 2001
    rejected = 2001 - zone["good_reviewed"] - zone["good_passed"]
    assert zone["overkill"] == rejected / 2001
    assert zone["cost"] == pytest.approx(0.99 * zone["overkill"])
    low, high = zone["workload_interval"]
    assert low < zone["workload"] < high
    assert zone["overkill_interval"] == list(binomial.interval(rejected, 2001, 0.95))
    labels = {score: gate.decide([[score]])[0] for score in (zone["lower"], zone["lower"] + 1e-9, 0.0, 1e-9, math.nan)}
    assert [decision.label for decision in labels.values()] == ["bad", REVIEW, REVIEW, "ok", REVIEW]
    assert "lies in the review zone" in labels[0.0].reason


def test_without_a_stated_share_the_mix_is_that_of_the_calibration() -> None:
    zone = zone_of(calibrated(BAD, GOOD))
    assert (zone["bad_share"], zone["bad_share_stated"]) == (300 / 2301, False)


def test_a_limit_above_the_certified_one_catches_bad_parts_where_that_is_worth_it() -> None:
    bad = np.append(np.linspace(-10, 0, 472), 5.0)  # 473 parts: one may lie above the threshold
    gate = calibrated(bad, GOOD, ratio=1000.0, capacity=0.4, bad_share=0.05)
    zone = zone_of(gate)
    assert (gate.threshold_, zone["upper"], zone["bad_passed"]) == (0.0, 5.0, 0)
    assert [d.label for d in gate.decide([[4.0], [5.0], [5.1]])] == [REVIEW, REVIEW, "ok"]
    assert gate.certificate_["escapes_observed"] == 1, "the certificate is about its own threshold"
    cheap = zone_of(calibrated(bad, GOOD, ratio=0.1, capacity=0.4, bad_share=0.05))
    assert (cheap["upper"], cheap["bad_passed"]) == (0.0, 1)


def test_the_zone_is_the_cheapest_of_all(draws: int = 15) -> None:
    """Against trying every pair of thresholds that lies between scores."""
    rng = np.random.default_rng(4)
    for _ in range(draws):
        bad, good = rng.normal(-2, 2, 40).round(1), rng.normal(2, 2, 60).round(1)
        ratio, capacity, share = 10 ** rng.uniform(-1, 2), rng.uniform(0.02, 0.6), rng.uniform(0.05, 0.5)
        gate = calibrated(bad, good, ratio, capacity, escape=0.2, bad_share=share)
        zone, least = zone_of(gate), math.inf
        ends = np.unique(np.concatenate([bad, good, [-99.0]]))
        for upper in ends[ends >= gate.threshold_]:
            for lower in ends[ends <= upper]:
                shares = [
                    ((x > lower) & ((x <= upper) | (x <= 0))).mean() for x in (bad, good)
                ]  # PASS needs the higher logit too
                if share * shares[0] + (1 - share) * shares[1] <= capacity * (1 + 1e-9):
                    escaped = ((bad > upper) & (bad > 0)).mean()
                    least = min(least, share * ratio * escaped + (1 - share) * (good <= lower).mean())
        if math.isinf(least):  # what is above the certified limit without being PASS is more than people can look at
            continue
        assert zone["cost"] == pytest.approx(least)
        assert zone["workload"] <= capacity * (1 + 1e-9)


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-5, 5),
    st.floats(allow_nan=True),
    st.floats(allow_nan=True),
)
def test_no_zone_ever_passes_what_the_certificate_does_not(
    score: float, threshold: float, above: float, review: float
) -> None:
    plain = Rule(["bad", "ok"], 1, threshold, 0.001, 1, "")
    zoned = dataclasses.replace(plain, pass_above=above, review_above=review)
    said = zoned.decide(np.array([score]))
    assert not said.passed or plain.decide(np.array([score])).passed
    assert said.label in ("bad", REVIEW) or said.passed


def test_the_class_of_a_part_below_the_zone_is_its_most_probable_fault() -> None:
    rule = Rule(["crack", "ok", "dent"], 1, 5.0, 0.0, 1, "", review_above=3.0)
    assert rule.decide(np.array([[0.0, 2.0, 1.0]])).label == "dent", "though PASS is the most probable class"
    assert rule.decide(np.array([[9.0, 2.0, 1.0]])).label == "crack"
    assert rule.decide(np.array([[0.0, 9.0, 0.0], [0.0, 1.0, 1.5]])).label == "dent"
    assert rule.decide(np.array([[0.0, 5.0, 0.0]])).label == REVIEW
    low = Rule(["crack", "ok", "dent"], 1, -5.0, 0.0, 1, "", review_above=-6.0)
    assert low.decide(np.array([[0.1, 0.0, 0.0]])).label == REVIEW, "PASS is not the most probable class"


def test_equal_scores_go_together() -> None:
    scores, good = np.array([3.0, 2.0, 2.0, 1.0]), np.ones(4, np.bool_)
    weights = np.full(4, 0.25)
    assert lowest_within(scores, weights, good, 3.0, 0.5) == 2.5
    assert lowest_within(scores, weights, good, 3.0, 0.75) == 1.5
    assert lowest_within(scores, weights, good, 3.0, 0.2) == 3.0
    assert lowest_within(scores, weights, good, 2.5, 1.0) == np.nextafter(1.0, 0.0)
    assert lowest_within(scores, weights, ~good, 3.0, 1.0) == 3.0, "looking at bad parts saves nothing"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"cost_ratio": 20}, "review_capacity: missing beside cost_ratio"),
        ({"review_capacity": 0.1}, "cost_ratio: missing beside review_capacity"),
        ({"cost_ratio": 0, "review_capacity": 0.1}, "cost_ratio: found 0, expected a number above 0"),
        ({"cost_ratio": math.nan, "review_capacity": 0.1}, "cost_ratio: found nan"),
        ({"cost_ratio": True, "review_capacity": 0.1}, "cost_ratio: found True"),
        ({"cost_ratio": 20, "review_capacity": 0}, "review_capacity: found 0, expected a share"),
        ({"cost_ratio": 20, "review_capacity": 1.0}, "review_capacity: found 1.0, expected a share"),
        ({"cost_ratio": 20, "review_capacity": "5 %"}, "review_capacity: found '5 %'"),
    ],
)
def test_bad_values_are_refused_in_a_sentence(options: dict[str, Any], reason: str) -> None:
    X, y = np.concatenate([BAD, GOOD])[:, None], ["bad"] * 300 + ["ok"] * 2001
    with pytest.raises(ValueError, match=reason) as caught:
        PassGate(TWO, "ok", 0.01, 0.95, **options).fit(X, y)
    assert len(str(caught.value).splitlines()) == 1


def test_a_zone_needs_good_parts() -> None:
    with pytest.raises(ValueError, match="cost_ratio: found no good part"):
        calibrated(BAD, [])


def trained_gate(**options: Any) -> PassGate:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [500, 700])
    X = (rng.normal(size=(1200, 3)) + 1.5 * y[:, None]).astype(np.float32)
    order = rng.permutation(1200)
    X, y = X[order], y[order]
    net = [layers.dense("classes")]
    clf = InspectionClassifier(net, epochs=10, random_state=1, verbose=False).fit(X[:400], y[:400])
    return PassGate(clf, "1", 0.05, 0.95, **options).fit(X[400:], y[400:])


@pytest.fixture(scope="module")
def gate() -> PassGate:
    return trained_gate(cost_ratio=20, review_capacity=0.2, bad_share=0.03)


def test_the_zone_travels_with_the_model_bit_by_bit(gate: PassGate, tmp_path: Path) -> None:
    path = gate.save(tmp_path / "zoned.gonogo")
    loaded = load(path).gate_
    assert loaded is not None
    assert loaded.review_zone == gate.review_zone
    assert (loaded.cost_ratio, loaded.review_capacity) == (20, 0.2)
    rows = np.random.default_rng(8).normal(1, 2, (300, 3)).astype(np.float32)
    said = gate.decide(rows)
    line = Inspector(path)
    assert [line.decide(row) for row in rows] == loaded.decide(rows) == said
    assert {decision.label for decision in said} == {"0", "1", REVIEW}
    truth = np.array([decision.label == "1" for decision in said]).astype(int)
    report = evaluate(load(path), (rows, truth.astype(str)), loaded)
    assert report.parts is not None
    assert report.parts.reviewed.count == sum(decision.label == REVIEW for decision in said)
    again = PassGate(load(path), "1", 0.05, 0.95)
    again.__dict__ |= {"_made": gate.certificate}
    assert "review_zone" not in parse_model(again.save(tmp_path / "plain.gonogo").read_bytes()).core.metadata


FORGED: list[tuple[dict[str, Any], str]] = [
    ({"upper": (-100.0).hex()}, "upper: found -100.0, which does not fit"),
    ({"lower": (100.0).hex()}, "lower: found 100.0"),
    ({"lower": 1.5}, "lower: found '1.5', expected a hexadecimal"),
    ({"certificate": "0" * 64}, "certificate: found '0000"),
    ({"good_parts": 1}, "good_parts: found 1"),
    ({"bad_parts": 1}, "bad_parts: found 1"),
    ({"bad_passed": 10**6}, "bad_passed: found"),
    ({"good_passed": 10**6}, "good_passed: found"),
    ({"cost_ratio": 0.0}, "cost_ratio: found 0.0"),
    ({"review_capacity": 1}, "review_capacity: found 1"),
    ({"bad_share": 0.0}, "bad_share: found 0.0"),
    ({"confidence": 1.0}, "confidence: found 1.0"),
    ({"surplus": 1}, "surplus: unknown"),
]


def with_metadata(gate: PassGate, tmp_path: Path, **texts: str | None) -> bytes:
    parts = _core.parse_model(gate.save(tmp_path / "model.gonogo").read_bytes())
    metadata = {key: text for key, text in {**parts["metadata"], **texts}.items() if text is not None}
    golden = parts["golden_input"], parts["golden_logits"]
    return _core.serialise_model(parts["graph"], parts["parameters"], parts["states"], metadata, *golden)


@pytest.mark.parametrize(("changed", "what"), FORGED, ids=[what for _, what in FORGED])
def test_a_zone_that_does_not_fit_is_refused(
    gate: PassGate, tmp_path: Path, changed: dict[str, Any], what: str
) -> None:
    assert gate.review_zone is not None
    text = json.dumps({**gate.review_zone.to_json(), **changed})
    with pytest.raises(ModelFileError, match="__metadata__: review_zone: ") as caught:
        parse_model(with_metadata(gate, tmp_path, review_zone=text))
    assert what in str(caught.value)


def test_a_zone_without_a_certificate_is_refused(gate: PassGate, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="review_zone: found without a certificate"):
        parse_model(with_metadata(gate, tmp_path, certificate=None))


def test_the_words_tell_both_thresholds_and_that_intervals_are_pointwise(gate: PassGate) -> None:
    made, zone = gate.certificate, gate.review_zone
    assert zone is not None
    words = " ".join(zone_words(zone, made))
    for text in (
        f"PASS above {zone.upper:.6g}, REVIEW above {zone.lower:.6g}, a fault class up to it.",
        "escapes 20 times as dear",
        "people who look at 20 % of the parts",
        "if 3 % are bad (as stated)",
        f"Good parts that get a fault class: {zone.good_rejected}",
        "The intervals are pointwise",
    ):
        assert text in words
    assert "takes them to hold back good and bad parts alike" in " ".join(promise(made))
    raised = dataclasses.replace(zone, upper=zone.upper + 1)
    assert "voids no promise" in zone_words(raised, made)[-1]


def test_the_simultaneous_bound_holds_at_all_thresholds_at_once() -> None:
    """Of 2,000 calibrations at most 5 % (and four standard errors) may break it somewhere; the pointwise one breaks more."""
    rng, n, draws = np.random.default_rng(11), 60, 2000
    scores = np.sort(rng.uniform(size=(draws, n)))[:, ::-1]  # P(score > t) = 1 - t
    above = np.arange(n)
    pointwise = np.array([binomial.upper_bound(k, n, 0.95) for k in above.tolist()])
    broken = (1 - scores > above / n + simultaneous_margin(n, 0.95)).any(axis=1).mean()
    assert broken <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / draws)
    assert (1 - scores > pointwise).any(axis=1).mean() > 0.15
    thresholds, observed, bound, band = escape_bounds(scores[0], 0.95)
    assert (np.diff(thresholds) < 0).all()
    assert (observed == np.searchsorted(-scores[0], -thresholds) / n).all()
    assert (bound == pointwise[np.rint(observed * n).astype(int)]).all()
    assert (band >= observed).all()


def test_the_cost_curve_passes_through_the_chosen_zone(gate: PassGate) -> None:
    zone = gate.review_zone
    assert zone is not None
    workload, cost, limits = cost_curve(gate._evidence, zone)
    nearest = np.abs(workload - zone.workload).argmin()
    assert cost[nearest] == pytest.approx(zone.cost, abs=2e-3)
    assert ((limits[:, 0] <= cost) & (cost <= limits[:, 1])).all()


def test_the_plots_say_what_their_bands_mean(gate: PassGate, tmp_path: Path) -> None:
    bound, cost = Figure(), Figure()
    texts = [text.get_text() for text in gate.plot_bound(bound.subplots()).get_legend().get_texts()]
    assert any("simultaneous" in text for text in texts)
    assert any("pointwise" in text for text in texts)
    texts = [text.get_text() for text in gate.plot_cost(cost.subplots()).get_legend().get_texts()]
    assert "95 % interval, pointwise" in texts
    for figure in (bound, cost):
        figure.savefig(tmp_path / "plot.png")
    loaded = load(gate.save(tmp_path / "zoned.gonogo")).gate_
    assert loaded is not None
    with pytest.raises(ValueError, match="a model file keeps no scores"):
        loaded.plot_bound()
    with pytest.raises(ValueError, match="no review zone; give cost_ratio"):
        PassGate.plot_cost(trained_gate())


def test_a_plot_makes_its_own_axes_and_bad_parts_may_all_score_alike() -> None:
    import matplotlib.pyplot as plt

    scores = np.r_[np.full(400, -1.0), 3.0, 4.0]
    axes = PassGate(TWO, "ok", 0.01, 0.95).fit(scores[:, None], ["bad"] * 400 + ["ok"] * 2).plot_bound()
    assert axes.figure is plt.gcf()
    low, high = axes.get_xlim()
    assert low <= -1 <= high
    plt.close("all")
