"""The exact rule: its figures, its agreement with SciPy, and its promise in simulated calibrations."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from gonogo import NotCertifiable, binomial
from gonogo.certificate import Claim
from gonogo.gate.exact_rule import Target, certify, false_omission_bound, lots_upper_bound

ONE_PERCENT = Target(0.01, 0.95)
risks = st.sampled_from([0.001, 0.01, 0.05, 0.1, 0.2])
shares = st.sampled_from([0.001, 0.005, 0.01, 0.02, 0.05, 0.1])


def certified(scores: np.ndarray, target: Target = ONE_PERCENT) -> Claim:
    (claim,) = certify(scores, np.zeros(len(scores), np.intp), ["bad"], target)
    return claim


@pytest.mark.parametrize(
    ("n", "k", "bound"),
    [(299, 0, 0.00997), (473, 1, 0.01), (628, 2, 0.01), (773, 3, 0.01), (1049, 5, 0.01)],
)
def test_the_figures_of_one_percent_at_95_percent(n: int, k: int, bound: float) -> None:
    claim = certified(np.arange(float(n)))
    assert (claim.defects, claim.escapes_allowed, claim.threshold) == (n, k, float(n - 1 - k))
    assert claim.escape_upper_bound == pytest.approx(bound, rel=5e-3)
    assert claim.escape_upper_bound <= 0.01
    fewer = binomial.allowed_successes(n - 1, 0.01, 1 - 0.95)
    assert fewer == (k - 1 if k else None), "one part less allows one escape less"


def test_bounds_are_those_of_the_allowed_number() -> None:
    assert binomial.upper_bound(0, 299) == pytest.approx(0.00997, abs=5e-6)
    assert binomial.upper_bound(5, 1049) == pytest.approx(0.0100, abs=5e-5)
    assert binomial.upper_bound(0, 100) == pytest.approx(0.0295, abs=5e-5)
    tied = certified(np.concatenate([np.zeros(1000), np.ones(49)]))
    assert tied.threshold == 1.0, "none of the parts lies above"
    assert tied.escape_upper_bound == pytest.approx(binomial.upper_bound(5, 1049), abs=1e-12)


def test_the_least_target_has_a_number_of_parts() -> None:
    Target(1e-6, 0.95).check()
    with pytest.raises(
        NotCertifiable, match=r"at most 1e-06 at confidence 0\.99999 needs 11,512,920: 11,512,919 are missing"
    ):
        certified(np.zeros(1), Target(1e-6, 0.99999))


@given(st.integers(1, 5000), shares, risks)
def test_the_allowed_number_is_scipys(n: int, share: float, risk: float) -> None:
    k = binomial.allowed_successes(n, share, risk)
    below = stats.binom.cdf(np.arange(-1, n + 1), n, share)
    assume(np.abs(below - risk).min() > 1e-12)
    largest = int((below <= risk).sum()) - 2
    assert k == (largest if largest >= 0 else None)


@given(st.integers(0, 3000), st.integers(1, 3000), st.floats(0, 1))
def test_the_binomial_distribution_is_scipys(k: int, n: int, share: float) -> None:
    assert binomial.binomial_cdf(k, n, share) == pytest.approx(stats.binom.cdf(k, n, share), abs=1e-9)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), risks)
def test_the_lower_bound_is_scipys(share: tuple[int, int], risk: float) -> None:
    exact = stats.binomtest(*share, alternative="greater").proportion_ci(1 - risk, "exact")
    assert binomial.lower_bound(*share, 1 - risk) == pytest.approx(exact.low, abs=1e-9)


@given(shares, risks)
def test_the_smallest_sample_is_the_smallest(share: float, risk: float) -> None:
    n = binomial.smallest_sample(share, risk)
    assert binomial.allowed_successes(n, share, risk) == 0
    assert n == 1 or binomial.allowed_successes(n - 1, share, risk) is None


def test_too_few_parts_are_refused_with_the_numbers_that_help() -> None:
    for n, missing, certifiable in ((100, 199, "2.96 %"), (73, 226, "4.03 %"), (298, 1, "1.01 %"), (1, 298, "95.00 %")):
        with pytest.raises(NotCertifiable) as caught:
            certified(np.arange(float(n)))
        refusal = caught.value
        assert (refusal.defects, refusal.required, refusal.missing) == (n, 299, missing)
        assert refusal.certifiable_escape == pytest.approx(1 - 0.05 ** (1 / n), abs=1e-12)
        assert f"{missing} are missing" in str(refusal)
        assert f"no escape rate below {certifiable} " in str(refusal)
        offered = math.ceil(refusal.certifiable_escape * 1e4) / 1e4
        assert certified(np.arange(float(n)), Target(offered, 0.95)).escapes_allowed == 0, "the offer holds"


def test_the_refusal_of_single_classes_names_each() -> None:
    faults = np.repeat([0, 1, 2], [299, 10, 20])
    with pytest.raises(NotCertifiable, match="of scratch") as caught:
        certify(np.zeros(329), faults, ["blowhole", "scratch", "crack"], Target(0.01, 0.95, per_class=True))
    assert caught.value.missing_by_class == {"scratch": 289, "crack": 279}
    with pytest.raises(NotCertifiable) as caught:
        certify(np.zeros(299), np.zeros(299, np.intp), ["a", "b"], Target(0.01, 0.95, per_class=True))
    assert (caught.value.missing_by_class, caught.value.certifiable_escape) == ({"b": 299}, 1.0)


def test_joint_claims_and_candidates_share_the_risk() -> None:
    scores, faults = np.arange(1200.0), np.arange(1200) % 2
    single = certify(scores, faults, ["a", "b"], Target(0.01, 0.95, per_class=True))
    joint = certify(scores, faults, ["a", "b"], Target(0.01, 0.95, per_class=True, joint=True))
    assert [claim.escapes_allowed for claim in single] == [1, 1]
    assert [claim.threshold for claim in single] == [1196.0, 1197.0]
    assert [claim.escapes_allowed for claim in joint] == [1, 1]
    assert joint[0].escape_upper_bound == pytest.approx(binomial.upper_bound(1, 600, 0.975), abs=1e-12)
    with pytest.raises(NotCertifiable) as caught:
        certified(np.arange(458.0), Target(0.01, 0.95, candidates=5))
    assert caught.value.required == 459, "459 bad parts for 99 % confidence, which five candidates ask for"


@given(st.data())
def test_a_higher_bad_score_never_lowers_the_threshold(data: st.DataObject) -> None:
    scores = np.array(data.draw(st.lists(st.integers(-5, 5), min_size=30, max_size=120)), np.float64)
    target = Target(0.1, data.draw(st.sampled_from([0.8, 0.9, 0.95])), candidates=1)
    raised = scores.copy()
    raised[data.draw(st.integers(0, len(scores) - 1))] += data.draw(st.integers(0, 10))
    before = certified(scores, target)
    assert certified(raised, target).threshold >= before.threshold
    assert certified(scores[::-1].copy(), target) == before, "the order of the parts does not matter"
    assert (scores > before.threshold).sum() <= before.escapes_allowed
    assert before.escape_upper_bound <= 0.1
    stricter = Target(target.max_escape / 2, target.confidence)
    try:
        assert certified(scores, stricter).threshold >= before.threshold
    except NotCertifiable as refusal:
        assert refusal.certifiable_escape > stricter.max_escape


@given(st.lists(st.integers(-5, 5), min_size=60, max_size=120), st.integers(1, 4))
def test_classes_and_candidates_only_ever_raise_the_threshold(values: list[int], candidates: int) -> None:
    scores, faults = np.array(values, np.float64), np.arange(len(values)) % 2
    pooled = certified(scores, Target(0.2, 0.9))
    single = certify(scores, faults, ["a", "b"], Target(0.2, 0.9, per_class=True, candidates=candidates))
    several = certified(scores, Target(0.2, 0.9, candidates=candidates))
    assert several.threshold >= pooled.threshold
    assert max(claim.threshold for claim in single) >= min(claim.threshold for claim in single)
    for claim, mine in zip(single, (scores[faults == 0], scores[faults == 1]), strict=True):
        assert (mine > max(c.threshold for c in single)).sum() <= claim.escapes_allowed


def test_the_false_omission_bound_is_the_formula() -> None:
    claim = certified(np.arange(1049.0))
    d2 = 0.05 / 10
    d1 = 1 - 0.95 / (1 - d2)
    assert (1 - d1) * (1 - d2) == pytest.approx(0.95)
    upper = stats.binomtest(5, 1049, alternative="less").proportion_ci(1 - d1, "exact").high
    lower = stats.binomtest(900, 1000, alternative="greater").proportion_ci(1 - d2, "exact").low
    expected = 0.02 * upper / (0.02 * upper + 0.98 * lower)
    assert false_omission_bound([claim], 900, 1000, 0.02, 0.95, 1) == pytest.approx(expected, abs=1e-9)
    assert false_omission_bound([claim], 0, 1000, 0.02, 0.95, 1) == 1.0, "nothing passes: nothing is known"
    two = false_omission_bound([claim, claim], 900, 1000, 0.02, 0.95, 1)
    assert two > expected, "a mixture of two fault classes needs both bounds at once"


def test_lots_count_instead_of_parts_where_scores_hang_together() -> None:
    claim = certified(np.arange(1049.0))
    assert lots_upper_bound([claim], [1049], 0.05) == pytest.approx(claim.escape_upper_bound, abs=1e-9)
    assert lots_upper_bound([claim], [30], 0.05) == pytest.approx(binomial.upper_bound(5, 30), abs=1e-9)
    assert lots_upper_bound([claim], [3], 0.05) == 1.0


@pytest.mark.parametrize(
    ("target", "what"),
    [
        (Target(0.0, 0.95), "max_escape"),
        (Target(1.0, 0.95), "max_escape"),
        (Target(float("nan"), 0.95), "max_escape"),
        (Target(0.01, 0.0), "confidence"),
        (Target(0.01, 1.0), "confidence"),
        (Target(0.01, 95), "confidence"),
        (Target(0.01, 0.95, candidates=0), "candidates"),
        (Target(0.01, 0.95, candidates=10**400), "candidates"),
        (Target(1e-12, 0.95), "max_escape"),
        (Target(10**400, 0.95), "max_escape"),
        (Target(0.01, 0.95, per_class="yes"), "per_class"),  # type: ignore[arg-type]
    ],
)
def test_targets_out_of_range_are_refused(target: Target, what: str) -> None:
    with pytest.raises(ValueError, match=f"{what}: found"):
        target.check()


SIMULATED = [(n, a, c) for n in (59, 100, 299, 473, 1049) for a in (0.01, 0.05) for c in (0.9, 0.95)]


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same few binomial figures are needed thousands of times."""
    for name in ("allowed_successes", "upper_bound"):
        monkeypatch.setattr(binomial, name, functools.cache(getattr(binomial, name)))


def share_of_violations(
    draw: Callable[[np.random.Generator, int], np.ndarray],
    escape: Callable[[float], float],
    cell: tuple[int, float, float],
    times: int,
) -> float | None:
    """How often the true escape rate exceeds the target; None where every calibration is refused."""
    n, target, confidence = cell
    rng = np.random.default_rng([n, int(1000 * target), int(1000 * confidence)])
    violations = refusals = 0
    for _ in range(times):
        try:
            violations += escape(certified(draw(rng, n), Target(target, confidence)).threshold) > target
        except NotCertifiable:
            refusals += 1
    assert refusals in (0, times)
    return None if refusals else violations / times


@pytest.mark.soak
@pytest.mark.usefixtures("remembered")
@pytest.mark.parametrize("cell", SIMULATED, ids=str)
def test_the_promise_is_kept_exactly_as_often_as_it_says(
    cell: tuple[int, float, float], often: Callable[[int, int], int], report_figure: Callable[[str, object], None]
) -> None:
    """Continuous scores: the escape rate is above the target in P(Bin(n, a) <= k) of all calibrations, no more, no less."""
    n, target, confidence = cell
    times = often(2_000, 20_000)
    found = share_of_violations(lambda rng, n: rng.random(n), lambda threshold: 1 - threshold, cell, times)
    below = stats.binom.cdf(np.arange(n + 1), n, target)
    name = f"calibrations above target, n = {n:4}, a = {target}, confidence {confidence}"
    if found is None:
        assert below[0] > 1 - confidence
        report_figure(name, f"refused, all {times:,}")
        return
    k = int((below <= 1 - confidence).sum()) - 1
    expected = below[k]
    error = math.sqrt(expected * (1 - expected) / times)
    report_figure(name, f"{found:.4f}, exact {expected:.4f} of {times:,}")
    assert abs(found - expected) <= 4 * error
    assert expected <= 1 - confidence


@pytest.mark.soak
@pytest.mark.usefixtures("remembered")
@pytest.mark.parametrize("cell", [cell for cell in SIMULATED if cell[0] >= 299], ids=str)
def test_ties_keep_the_promise(
    cell: tuple[int, float, float], often: Callable[[int, int], int], report_figure: Callable[[str, object], None]
) -> None:
    """Scores with an atom that straddles the target: half of a above it, 1.1 a at it and above."""
    n, target, confidence = cell
    times = often(2_000, 20_000)

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        u = rng.random(n)
        return np.where(u < target / 2, 2.0, np.where(u < 1.1 * target, 1.0, 0.0))

    def escape(threshold: float) -> float:
        return {0.0: 1.1 * target, 1.0: target / 2, 2.0: 0.0}[threshold]

    found = share_of_violations(draw, escape, cell, times)
    assert found is not None
    risk = 1 - confidence
    report_figure(f"the same with ties, n = {n:4}, a = {target}, confidence {confidence}", f"{found:.4f}")
    assert found <= risk + 4 * math.sqrt(risk * (1 - risk) / times)


@settings(max_examples=30)
@given(st.integers(1, 298), st.integers(0, 2**32))
def test_too_few_parts_never_give_a_threshold(n: int, seed: int) -> None:
    with pytest.raises(NotCertifiable):
        certified(np.random.default_rng(seed).normal(size=n))


@pytest.mark.parametrize("n", [299, 473, 700])
def test_the_threshold_is_that_of_fixed_sequence_testing_in_mapie(n: int) -> None:
    """MAPIE tests thresholds one by one, from strict to lenient; laid between the scores, its last one is next to ours."""
    from mapie.risk_control import BinaryClassificationController  # imports scikit-learn: only where it is needed

    between = np.arange(999, -1, -1) / 1000 + 0.0005
    for seed in range(6):
        rng = np.random.default_rng([n, seed])
        passing = np.concatenate([rng.beta(1, 6, n), rng.beta(6, 1, 50)]).round(
            3
        )  # probability of PASS, bad parts first
        controller = BinaryClassificationController(
            predict_function=lambda X: np.stack([1 - X[:, 0], X[:, 0]], axis=1),
            risk="fpr",
            target_level=0.01,
            confidence_level=0.95,
            list_predict_params=between,
            fwer_method="fixed_sequence",
        )
        controller.calibrate(passing[:, None], np.repeat([0, 1], [n, 50]))
        assert certified(passing[:n]).threshold == pytest.approx(
            controller.valid_predict_params.min() - 0.0005, abs=1e-9
        )
