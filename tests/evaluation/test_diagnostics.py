import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ope_chains import Chain, states_of
from scipy.stats import genpareto

from bcrlsp.evaluation import ESTIMATORS, Settings, estimate
from bcrlsp.evaluation.diagnostics import coverage, diagnose, pareto_shape
from bcrlsp.evaluation.reading import read_log
from bcrlsp.evaluation.terms import Terms

CHAIN = Chain.random(5)
TABLE = CHAIN.log(2000, 3, seed=1)


@pytest.mark.parametrize("shape", [0.2, 0.6, 0.9])
def test_pareto_shape_of_a_pareto_sample(shape):
    sample = genpareto.rvs(shape, size=40_000, random_state=0) + 1
    assert pareto_shape(sample) == pytest.approx(shape, abs=0.15)


def test_pareto_shape_without_a_tail():
    assert pareto_shape(np.ones(500)) < 0
    assert np.isnan(pareto_shape(np.ones(10)))


ROUNDED = {
    "one rounding": np.where(np.arange(500) % 3 == 0, 1 + 2**-52, 1.0),
    "sums in another order": np.resize([0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 0.6], 500),
    "single precision": np.resize(np.float32([0.1, 0.3, 0.7]) / np.array([0.1, 0.3, 0.7]), 500),
    "two values": np.repeat([0.5, 2.0], [300, 200]) * np.resize([1.0, 1 + 2**-52], 500),
    "tiny": np.resize([1e-200, 1e-200 * (1 + 2**-52)], 500),
}


@pytest.mark.parametrize("name", ROUNDED)
def test_weights_that_rounding_alone_tells_apart_have_no_tail(name):
    assert pareto_shape(ROUNDED[name]) == -np.inf


def test_a_handful_of_heavy_weights_is_too_few_to_tell():
    assert np.isnan(pareto_shape(np.repeat([1.0, 50.0], [996, 4])))
    assert np.isnan(pareto_shape(np.repeat([0.0, 1.0], [499, 1])))


@settings(deadline=None, max_examples=30)
@given(st.integers(-200, 200), st.integers(0, 1000))
def test_the_tail_does_not_depend_on_the_unit(power, seed):
    weights = np.random.default_rng(seed).pareto(2.0, 400)
    assert pareto_shape(weights * 2.0**power) == pytest.approx(pareto_shape(weights), rel=1e-6)


@pytest.mark.parametrize("name", ESTIMATORS.names())
def test_a_target_like_the_log_but_for_rounding_gives_no_warning(name):
    """Weights of 1 ± 1e-16, among few users as among many."""
    for users in (15, 2000):
        table = CHAIN.log(users, 3, seed=1)
        same = CHAIN.behaviour[states_of(table)]
        jitter = 1 + 2.0**-52 * (np.arange(table.num_rows) % 3 - 1)[:, None]
        found = estimate(table, same * jitter, name, settings=Settings(resamples=100))
        assert np.isfinite(found.value)
        for word in ("tail", "cover", "carries", "average"):
            assert not any(word in line for line in found.warnings), (users, found.warnings)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60).filter(lambda w: sum(w) > 0))
def test_effective_sample_size_is_between_one_and_n(weights):
    terms = Terms.mean(np.ones(len(weights)), np.array(weights))
    log = read_log(TABLE, CHAIN.target_of(TABLE), "cost", gamma=1.0, states=False).log
    found = diagnose(terms, coverage(log, None, 0.01))
    assert 1 - 1e-9 <= found.effective_sample_size <= len(weights) + 1e-9


def test_a_target_that_the_log_covers_gives_no_warning():
    found = estimate(TABLE, CHAIN.target_of(TABLE))
    assert found.warnings == ()
    assert found.diagnostics.mean_ratio == pytest.approx(1.0, abs=0.05)
    assert found.diagnostics.uncovered == 0
    assert found.diagnostics.mean_weight == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("name", ESTIMATORS.names())
def test_a_hole_that_only_the_ratios_show(name):
    """In one state the log never sends what the target sends; every level is sent somewhere, and
    every logged propensity is true."""
    behaviour = CHAIN.behaviour.copy()
    behaviour[1] = [1.0, 0.0, 0.0]
    target = CHAIN.behaviour.copy()
    target[1] = [0.0, 0.5, 0.5]
    chain = Chain(CHAIN.start, CHAIN.move, CHAIN.reward, CHAIN.cost, CHAIN.stop, behaviour, target)
    table = chain.log(2000, 3, seed=2)
    found = estimate(table, chain.target_of(table), name)
    assert np.isnan(found.value)
    assert any("does not cover" in line for line in found.warnings)
    share = (states_of(table) == 1).mean()
    assert found.diagnostics.uncovered == pytest.approx(share, abs=0.1)


def test_all_levels_propensities_show_a_level_below_the_floor():
    x = states_of(TABLE)
    behaviour = CHAIN.behaviour[x].copy()
    other = behaviour.copy()
    other[:, 2] = 1e-5
    read = read_log(TABLE, CHAIN.target_of(TABLE), "cost", gamma=1.0, states=False)
    seen = coverage(read.log, other, 0.001)
    assert seen.below_floor == pytest.approx(read.log.target[:, 2].sum())
    assert coverage(read.log, behaviour, 0.001).below_floor == 0


def test_a_far_target_over_a_long_window_gets_no_number():
    chain = Chain.random(9)
    certain = np.eye(3)[[2, 0, 1]]
    chain = Chain(
        chain.start, chain.move, chain.reward, chain.cost, chain.stop, chain.behaviour, certain
    )
    table = chain.log(200, 12, seed=1)
    found = estimate(table, chain.target_of(table), "is", gamma=1.0)
    assert np.isnan(found.value)
    assert found.effective_sample_size < 10
    assert any(line.startswith("no estimate") for line in found.warnings)
    kept = estimate(table, chain.target_of(table), "drl", gamma=1.0)
    assert np.isfinite(kept.value)


def test_thin_evidence_is_said():
    table = CHAIN.log(60, 3, seed=1)
    found = estimate(table, CHAIN.target_of(table), settings=Settings(resamples=100))
    assert np.isfinite(found.value)
    assert any("effective users of 60" in line for line in found.warnings)
