"""The trial's evidence, its figures, its exact operating characteristic, and its plan."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from gonogo.binomial import log_beta, log_beta_cdf
from gonogo.pilot import (
    CERTIFIED,
    FAILED,
    NOT_SHOWN,
    Trial,
    operating_characteristic,
    plan_trial,
    plot_operating_characteristic,
)

matplotlib.use("agg")

ONE_PERCENT = Trial(0.01, 0.95)
END = 2500
trials = st.builds(Trial, st.sampled_from([0.001, 0.01, 0.03, 0.1, 0.4]), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
counts = st.integers(0, 4000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, min(n, 120))))


def evidence_of_scipy(n: np.ndarray, k: np.ndarray, a: float, *, above: bool) -> np.ndarray:
    """The formula as reliability is written down, A = 1/2, B = 200, by SciPy's functions."""
    share = stats.beta.logsf if above else stats.beta.logcdf
    mixture = share(a, 0.5 + k, 200 + n - k) + special.betaln(0.5 + k, 200 + n - k)
    return mixture - share(a, 0.5, 200) - special.betaln(0.5, 200) - k * math.log(a) - (n - k) * math.log1p(-a)


@pytest.mark.parametrize(("escapes", "bad_parts"), [(0, 344), (1, 649), (2, 882)])
def test_so_many_bad_parts_certify_one_percent(escapes: int, bad_parts: int) -> None:
    assert ONE_PERCENT.certified_at(escapes) == bad_parts
    assert ONE_PERCENT.decide(bad_parts, escapes) == CERTIFIED
    assert ONE_PERCENT.decide(bad_parts - 1, escapes) == NOT_SHOWN
    assert ONE_PERCENT.decide(bad_parts, escapes + 1) == NOT_SHOWN


def test_many_escapes_are_a_failure_and_few_parts_show_nothing() -> None:
    assert ONE_PERCENT.failed_until(5) == 0
    assert ONE_PERCENT.failed_until(6) == 55
    assert [ONE_PERCENT.decide(n, 6) for n in (6, 55, 56)] == [FAILED, FAILED, NOT_SHOWN]
    assert [ONE_PERCENT.decide(n, 0) for n in (0, 1, 343)] == [NOT_SHOWN] * 3


@given(counts, st.sampled_from([0.003, 0.01, 0.05]))
def test_the_evidence_is_scipys(count: tuple[int, int], a: float) -> None:
    n, k = count
    trial = Trial(a, 0.95)
    for ours, above in ((trial.log_evidence_below(n, k), False), (trial.log_evidence_above(n, k), True)):
        theirs = float(evidence_of_scipy(np.array(n), np.array(k), a, above=above))
        assert not math.isfinite(theirs) or ours == pytest.approx(theirs, abs=1e-7), (
            "SciPy's may underflow, ours must not"
        )
        assert math.isfinite(ours)


@given(trials, st.integers(0, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_the_evidence_of_the_next_part_is_expected_to_be_that_of_now(trial: Trial, count: tuple[int, int]) -> None:
    """A martingale at the rate on trial, a supermartingale on the side that it speaks against."""
    n, k = count
    a = trial.max_escape
    for evidence, others in (
        (trial.log_evidence_below, (1.2 * a, 2 * a, 1.0)),
        (trial.log_evidence_above, (0.8 * a, 0.5 * a, 0.0)),
    ):
        now = evidence(n, k)
        escape, caught = math.exp(evidence(n + 1, k + 1) - now), math.exp(evidence(n + 1, k) - now)
        assert a * escape + (1 - a) * caught == pytest.approx(1.0, rel=1e-9)
        for p in others:
            assert p * escape + (1 - p) * caught <= 1 + 1e-9


@pytest.mark.parametrize("n", [1, 5, 12])
@pytest.mark.parametrize("a", [0.01, 0.2])
def test_the_expected_evidence_by_enumeration_never_exceeds_one(n: int, a: float) -> None:
    trial, k = Trial(a, 0.95), np.arange(n + 1)
    below = np.exp([trial.log_evidence_below(n, int(i)) for i in k])
    above = np.exp([trial.log_evidence_above(n, int(i)) for i in k])
    for evidence, side in ((below, 1), (above, -1)):
        means = [float(stats.binom.pmf(k, n, p) @ evidence) for p in (a, a + side * a / 2, a + side * a)]
        assert means[0] == pytest.approx(1.0, rel=1e-9)
        assert means[0] > means[1] > means[2]


@given(trials, st.integers(0, 60))
def test_the_boundaries_are_where_decisions_change(trial: Trial, escapes: int) -> None:
    n = trial.certified_at(escapes)
    assert trial.decide(n, escapes) == CERTIFIED
    assert n == escapes or trial.decide(n - 1, escapes) != CERTIFIED
    assert trial.certified_at(escapes + 1) > n
    until = trial.failed_until(escapes)
    assert until == 0 or trial.decide(until, escapes) == FAILED
    assert trial.decide(max(until + 1, escapes), escapes) != FAILED


def test_logarithms_reach_where_numbers_end() -> None:
    assert log_beta_cdf(0.1, 5000.0, 1.0) == pytest.approx(5000 * math.log(0.1), rel=1e-12)
    assert log_beta_cdf(0.001, 1.0, 3.0) == pytest.approx(math.log(-math.expm1(3 * math.log1p(-0.001))), rel=1e-12)
    assert log_beta(2.0, 3.0) == pytest.approx(math.log(1 / 12), rel=1e-12)


@pytest.mark.parametrize(
    ("field", "value"), [("max_escape", 0.0), ("max_escape", 1), ("confidence", 95), ("confidence", math.nan)]
)
def test_an_impossible_promise_is_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field}: found {value}, expected a number between 0 and 1"):
        Trial(**{field: value})
    with pytest.raises(ValueError, match="escapes: found 3 of 2 bad parts"):
        ONE_PERCENT.decide(2, 3)


@pytest.mark.parametrize(("rate", "certified"), [(0.002, 0.997), (0.003, 0.96), (0.01, 0.044)])
def test_so_often_it_is_certified(rate: float, certified: float) -> None:
    exact = operating_characteristic(ONE_PERCENT, [rate], END)
    assert exact.certified[0] == pytest.approx(certified, abs=0.005)


def test_a_model_at_the_limit_is_hardly_ever_certified_or_failed_however_long_it_lasts() -> None:
    exact = operating_characteristic(ONE_PERCENT, [0.01], 8000)
    assert 0.04 < exact.certified[0] < 0.05
    assert 0.01 < exact.failed[0] < 0.05


@pytest.mark.soak
def test_simulated_trials_end_as_computed(
    often: Callable[[int, int], int], report_figure: Callable[[str, object], None]
) -> None:
    """The simulation looks after every part, at SciPy's evidence."""
    runs, rates = often(2_000, 20_000), (0.001, 0.002, 0.003, 0.01, 0.02)
    exact = operating_characteristic(ONE_PERCENT, rates, END)
    n, k = np.meshgrid(np.arange(1, END + 1), np.arange(130), indexing="ij")
    possible, limit = k <= n, math.log(20)
    k = np.minimum(k, n)
    answers = np.zeros((END, 130), np.int8)
    answers[possible & (evidence_of_scipy(n, k, 0.01, above=False) >= limit)] = 1
    answers[possible & (evidence_of_scipy(n, k, 0.01, above=True) >= limit)] = 2
    rng = np.random.default_rng(11)
    for r, rate in enumerate(rates):
        ends = np.zeros(3, np.int64)
        for _ in range(runs // 500):
            escapes = np.cumsum(rng.random((500, END), np.float32) < rate, axis=1, dtype=np.int16)
            seen = answers[np.arange(END), np.minimum(escapes, 129)]
            ends += np.bincount(seen[np.arange(500), (seen > 0).argmax(axis=1)], minlength=3)
        chances = {"not shown": exact.not_shown[r], "certified": exact.certified[r], "failed": exact.failed[r]}
        found = ", ".join(
            f"{name} {n / runs:.4f} (exact {p:.4f})" for n, (name, p) in zip(ends, chances.items(), strict=True)
        )
        report_figure(f"{runs:,} pilots at a true escape rate of {100 * rate:g} %", found)
        for count, chance in zip(ends, chances.values(), strict=True):
            error = math.sqrt(chance * (1 - chance) / runs)
            assert abs(count / runs - chance) <= 4 * error + 0.5 / runs, found


@given(trials, st.lists(st.floats(0, 1), min_size=1, max_size=4), st.integers(1, 60))
@settings(max_examples=25)
def test_the_characteristic_is_that_of_the_enumerated_trial(trial: Trial, rates: list[float], last: int) -> None:
    exact = operating_characteristic(trial, rates, last)
    for r, p in enumerate(rates):
        open_, certified, failed = {0: 1.0}, 0.0, 0.0
        for n in range(1, last + 1):
            after: dict[int, float] = {}
            for k, chance in open_.items():
                for escapes, share in ((k, 1 - p), (k + 1, p)):
                    after[escapes] = after.get(escapes, 0.0) + chance * share
            answers = {k: trial.decide(n, k) for k in after}
            certified += sum(chance for k, chance in after.items() if answers[k] == CERTIFIED)
            failed += sum(chance for k, chance in after.items() if answers[k] == FAILED)
            open_ = {k: chance for k, chance in after.items() if answers[k] == NOT_SHOWN}
        assert exact.certified[r] == pytest.approx(certified, abs=1e-12)
        assert exact.failed[r] == pytest.approx(failed, abs=1e-12)
        assert exact.not_shown[r] == pytest.approx(1 - certified - failed, abs=1e-12)


def test_the_plan_tells_bad_parts_parts_and_months() -> None:
    made = plan_trial(ONE_PERCENT, bad_share=0.01, parts_per_day=2000, days_per_month=20)
    assert [(d.bad_parts, d.parts, d.months) for d in made.least] == [
        (344, 34_400, 0.86),
        (649, 64_900, 1.6225),
        (882, 88_200, 2.205),
    ]
    half, powered = made.needed[0.002]
    assert half is not None
    assert half.bad_parts == 344
    assert powered == made.end
    ((first, last),) = operating_characteristic(ONE_PERCENT, [0.002], made.end.bad_parts).certified_by[-2:].T
    assert first < made.power <= last
    assert made.to_dict()["bad_parts"] == made.end.bad_parts
    assert plan_trial(ONE_PERCENT, bad_share=0.01).end.months is None


def test_a_plan_with_its_own_end_says_what_comes_later() -> None:
    made = plan_trial(ONE_PERCENT, bad_share=0.01, true_escape=[0.002, 0.03, 0.002], bad_parts=400)
    assert made.end.bad_parts == 400
    assert made.needed[0.002][0] is not None
    assert made.needed[0.002][1] is None
    assert made.needed[0.03] == (None, None)
    assert list(made.characteristic.true_escape).count(0.03) == 1
    assert made.to_dict()["needed"][1] == {"true_escape": 0.03, "half": None, "power": None}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"bad_share": 0.0}, "bad_share: found 0.0"),
        ({"bad_share": 0.1, "power": 1.0}, "power: found 1.0"),
        ({"bad_share": 0.1, "true_escape": [0.01]}, r"true_escape: found 0.01, expected at least one below max_escape"),
        ({"bad_share": 0.1, "true_escape": []}, "true_escape: found none"),
        ({"bad_share": 0.1, "true_escape": [1.5]}, "true_escape: found 1.5"),
        ({"bad_share": 0.1, "parts_per_day": 0}, "parts_per_day: found 0"),
        ({"bad_share": 0.1, "days_per_month": math.inf}, "days_per_month: found inf"),
        ({"bad_share": 0.1, "bad_parts": 0}, "bad_parts: found 0"),
    ],
)
def test_an_impossible_plan_is_refused(options: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        plan_trial(ONE_PERCENT, **options)


def test_a_rate_too_close_to_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gonogo.pilot.plan._LARGEST", 1500)
    with pytest.raises(ValueError, match=r"0.009 is too close to max_escape \(0.01\)"):
        plan_trial(ONE_PERCENT, bad_share=0.1, true_escape=[0.009])


@pytest.mark.parametrize("rates", [[-0.1], [1.1], [math.nan]])
def test_an_impossible_rate_is_refused(rates: list[float]) -> None:
    with pytest.raises(ValueError, match="true_escape: found"):
        operating_characteristic(ONE_PERCENT, rates, 10)


def test_the_plot_shows_the_three_ends() -> None:
    import matplotlib.pyplot as plt

    exact = operating_characteristic(ONE_PERCENT, [0.02, 0.0, 0.01], 500)
    figure, given = plt.subplots()
    axes = plot_operating_characteristic(exact, ax=given)
    assert axes is given
    lines = {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}
    assert list(lines) == ["certified", "failed", "not shown"]
    assert lines["certified"].get_xdata().tolist() == [0.0, 1.0, 2.0]
    assert lines["certified"].get_ydata().tolist() == exact.certified[[1, 2, 0]].tolist()
    assert axes.get_ylabel() == "probability after 500 bad parts"
    figure.savefig(io.BytesIO(), format="svg")
    plt.close(figure)
    plt.close(plot_operating_characteristic(exact).get_figure())
