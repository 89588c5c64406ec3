"""Intervals against closed forms, and how often they hold the truth."""

import numpy as np
import pytest
from ope_chains import Chain

from bcrlsp.evaluation import Settings, estimate
from bcrlsp.evaluation.intervals import INTERVALS
from bcrlsp.evaluation.resampling import MAX_GROUPS
from bcrlsp.evaluation.terms import Terms

NAMES = INTERVALS.names()
MANY = Settings(resamples=4000)


def mean_terms(values):
    return Terms.mean(values, np.ones_like(values))


def ratio_terms(rng, users):
    weights = rng.gamma(2.0, size=(users, 2))
    numerator = weights * rng.random((users, 2))
    return Terms(numerator, weights, np.ones((users, 2)), np.ones(users), weights[:, 0])


@pytest.mark.parametrize("name", NAMES)
def test_holds_the_value_and_narrows_with_confidence(name):
    terms = mean_terms(np.random.default_rng(0).normal(2.0, 1.0, 400))
    wide = INTERVALS.get(name)(terms, 0.99, MANY, 1)
    narrow = INTERVALS.get(name)(terms, 0.8, MANY, 1)
    assert wide[0] < narrow[0] < terms.value < narrow[1] < wide[1]


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides(name):
    terms = ratio_terms(np.random.default_rng(0), 300)
    interval = INTERVALS.get(name)
    assert interval(terms, 0.95, MANY, 7) == interval(terms, 0.95, MANY, 7)
    if name != "bernstein":
        assert interval(terms, 0.95, MANY, 7) != interval(terms, 0.95, MANY, 8)


@pytest.mark.parametrize("name", ["bootstrap", "percentile"])
@pytest.mark.parametrize("users", [500, 3 * MAX_GROUPS + 17])
def test_agrees_with_the_normal_interval_of_a_mean(name, users):
    values = np.random.default_rng(3).normal(1.0, 2.0, users)
    low, high, _ = INTERVALS.get(name)(mean_terms(values), 0.9, MANY, 0)
    error = values.std(ddof=1) / np.sqrt(users)
    assert low == pytest.approx(values.mean() - 1.645 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.645 * error, abs=0.15 * error)


@pytest.mark.parametrize("name", ["bootstrap", "percentile"])
def test_ratio_agrees_with_the_delta_method(name):
    terms = ratio_terms(np.random.default_rng(4), 4000)
    rates = terms.numerator.sum(0) / terms.denominator.sum(0)
    influence = ((terms.numerator - rates * terms.denominator) / terms.denominator.mean(0)).sum(1)
    assert terms.value == pytest.approx(rates.sum(), rel=1e-12)
    low, high, _ = INTERVALS.get(name)(terms, 0.95, MANY, 0)
    error = influence.std() / np.sqrt(4000)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.07)


def test_studentised_follows_the_skew():
    values = np.random.default_rng(5).lognormal(0.0, 1.2, 300)
    low, high, _ = INTERVALS.get("bootstrap")(mean_terms(values), 0.95, MANY, 0)
    assert high - values.mean() > 1.2 * (values.mean() - low)


def test_bernstein_formula():
    """Maurer and Pontil 2009, theorem 4, with δ / 2 on each side."""
    values = np.random.default_rng(6).uniform(0, 1, 250)
    settings = Settings(value_range=(0.0, 2.0))
    low, high, remarks = INTERVALS.get("bernstein")(mean_terms(values), 0.9, settings, 0)
    delta = 0.05
    width = np.sqrt(2 * values.var(ddof=1) * np.log(2 / delta) / 250)
    width += 7 * 2.0 * np.log(2 / delta) / (3 * 249)
    assert (low, high) == pytest.approx((values.mean() - width, values.mean() + width))
    assert remarks == []


def test_bernstein_says_when_it_is_no_guarantee():
    terms = ratio_terms(np.random.default_rng(0), 50)
    *_, remarks = INTERVALS.get("bernstein")(terms, 0.9, Settings(), 0)
    assert len(remarks) == 2


def test_equal_users_leave_no_width_and_no_error():
    low, high, _ = INTERVALS.get("bootstrap")(mean_terms(np.full(20, 1.5)), 0.95, MANY, 0)
    assert (low, high) == (1.5, 1.5)


REPETITIONS = 60


@pytest.mark.parametrize("name", ["pdis", "snpdis", "dm", "dr", "mis", "drl"])
def test_coverage_and_bias_over_repeated_logs(name):
    """95 % intervals from 300 users; 60 repetitions put the coverage's own error at 3 points,
    so that 85 % is the lowest that a right interval would show once in a thousand times."""
    chain = Chain.random(5, stop=0.3)
    truth = chain.value(chain.target, 3, 0.8, "cost")
    settings = Settings(resamples=200)
    values, held = [], 0
    for repetition in range(REPETITIONS):
        table = chain.log(300, 3, seed=1000 + repetition)
        found = estimate(table, chain.target_of(table), name, "cost", settings=settings)
        values.append(found.value)
        held += found.low <= truth <= found.high
    assert held >= 0.85 * REPETITIONS
    error = np.std(values) / np.sqrt(REPETITIONS)
    assert abs(np.mean(values) - truth) < 3.5 * error
    # Intervals that hold because they are endless would pass the above.
    assert found.high - found.low < 6 * np.std(values)
