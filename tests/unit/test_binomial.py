"""Exact binomial limits against SciPy, to 1e-9."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binomtest

from gonogo.binomial import beta_cdf, beta_quantile, interval, upper_bound

shares = st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
confidences = st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999])


@given(shares, confidences)
def test_limits_are_clopper_and_pearsons(share: tuple[int, int], confidence: float) -> None:
    successes, n = share
    exact = binomtest(successes, n).proportion_ci(confidence, "exact")
    assert interval(successes, n, confidence) == pytest.approx((exact.low, exact.high), abs=1e-9)
    one_sided = binomtest(successes, n, alternative="less").proportion_ci(confidence, "exact")
    assert upper_bound(successes, n, confidence) == pytest.approx(one_sided.high, abs=1e-9)


@given(st.floats(0, 1), st.floats(0.5, 5000), st.floats(0.5, 5000))
def test_the_distribution_is_scipys(x: float, a: float, b: float) -> None:
    assert beta_cdf(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), abs=1e-9)


@given(st.floats(1e-6, 1 - 1e-6), st.floats(0.5, 1000), st.floats(0.5, 1000))
def test_the_quantile_inverts_the_distribution(p: float, a: float, b: float) -> None:
    assert beta_quantile(p, a, b) == pytest.approx(stats.beta.ppf(p, a, b), abs=1e-9)


@pytest.mark.parametrize(
    ("successes", "n", "bound"), [(0, 299, 0.00997), (1, 473, 0.01), (5, 1049, 0.01), (0, 100, 0.0295)]
)
def test_the_figures_of_the_one_percent_rule(successes: int, n: int, bound: float) -> None:
    assert upper_bound(successes, n) == pytest.approx(bound, rel=5e-3)
    assert successes == 0 or upper_bound(successes, n) <= 0.01


@given(shares)
def test_limits_enclose_the_share_and_mirror_each_other(share: tuple[int, int]) -> None:
    successes, n = share
    low, high = interval(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert interval(n - successes, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_large_counts_are_fine() -> None:
    exact = binomtest(500_000, 1_000_000).proportion_ci(0.95, "exact")
    assert interval(500_000, 1_000_000) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_nothing_seen_says_nothing() -> None:
    assert interval(0, 0) == (0, 1)
    assert upper_bound(0, 0) == 1


@pytest.mark.parametrize(
    ("successes", "n", "confidence"), [(-1, 3, 0.9), (4, 3, 0.9), (1, 3, 0.0), (1, 3, 1.0), (1, 3, 95)]
)
def test_impossible_questions_are_refused(successes: int, n: int, confidence: float) -> None:
    for limit in (interval, upper_bound):
        with pytest.raises(ValueError, match="found"):
            limit(successes, n, confidence)
