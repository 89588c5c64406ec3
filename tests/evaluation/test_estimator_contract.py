"""What every registered estimator must do, whatever its mathematics."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from ope_chains import Chain, permuted

from bcrlsp.evaluation import ESTIMATORS, Settings, estimate
from bcrlsp.evaluation.reading import read_log

FAST = Settings(resamples=200)
NAMES = ESTIMATORS.names()
PERIODS = 3

pytestmark = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def chain():
    return Chain.random(5, stop=0.3)


@pytest.fixture(scope="module")
def table(chain):
    return chain.log(3000, PERIODS, seed=11)


def test_the_contracts_names_are_there(name):
    assert {"dm", "is", "pdis", "snis", "snpdis", "dr"} <= set(NAMES)


@pytest.mark.parametrize("measure", ["retention", "cost"])
@pytest.mark.parametrize("ragged", [False, True])
def test_agrees_with_the_enumerated_value(name, measure, ragged):
    gamma = 0.7
    chain = Chain.random(7)
    table = chain.log(8_000, PERIODS, seed=3, ragged=ragged)
    found = estimate(
        table, chain.target_of(table), name, measure, gamma=gamma, confidence=0.999, settings=FAST
    )
    windows = [1, 2, 3] if ragged else [PERIODS]
    rows = table.group_by("user_id").aggregate([("step", "count")])["step_count"]
    joined = np.bincount(np.array(rows), minlength=PERIODS + 1)
    shares = joined / joined.sum()
    truth = sum(shares[w] * chain.value(chain.target, w, gamma, measure) for w in windows)
    logged = sum(shares[w] * chain.value(chain.behaviour, w, gamma, measure) for w in windows)
    assert found.low <= truth <= found.high
    assert found.high - found.low < 0.35 * truth
    if measure == "cost":
        # The log's own value is another one: an estimator that ignored the target would fail.
        assert abs(found.value - truth) < 0.5 * abs(logged - truth)


def test_trajectories_that_end(name, chain, table):
    found = estimate(table, chain.target_of(table), name, "cost", confidence=0.999, settings=FAST)
    assert found.low <= chain.value(chain.target, PERIODS, 0.8, "cost") <= found.high


def test_the_result_says_what_it_is(name, chain, table):
    found = estimate(table, chain.target_of(table), name, "cost", confidence=0.9, settings=FAST)
    assert found.low < found.value < found.high
    assert (found.level, found.estimator, found.measure) == (0.9, name, "cost")
    assert (found.users, found.periods) == (3000, PERIODS)
    assert 100 < found.effective_sample_size <= 3000


def test_same_seed_same_answer_in_any_row_order(name, chain, table):
    target = chain.target_of(table)
    first = estimate(table, target, name, seed=4, settings=FAST)
    shuffled, order = permuted(table, 9)
    second = estimate(shuffled, target[order], name, seed=4, settings=FAST)
    assert (second.value, second.low, second.high) == pytest.approx(
        (first.value, first.low, first.high), rel=1e-9
    )


def test_scales_with_the_measure(name, chain, table):
    target = chain.target_of(table)
    cents = table.set_column(
        table.column_names.index("cost"), "cost", pc.multiply(table["cost"], 100.0)
    )
    euros = estimate(table, target, name, "cost", settings=FAST)
    assert estimate(cents, target, name, "cost", settings=FAST).value == pytest.approx(
        100 * euros.value, rel=1e-6
    )


def test_parts_of_the_users_give_the_same_terms(name, chain, table):
    """The work may be split over machines: a user's terms may not depend on who is with them."""
    read = read_log(table, chain.target_of(table), "retention", gamma=0.8, states=True)
    method = ESTIMATORS.get(name)
    model = method.fit(read.log, FAST, 1)
    whole = method.terms(read.log, model)
    chosen = np.arange(len(read.log.users)) % 3 == 1
    part = method.terms(read.log.select(chosen), model)
    np.testing.assert_allclose(part.numerator, whole.numerator[chosen], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(part.denominator, whole.denominator[chosen], rtol=1e-9)
    np.testing.assert_allclose(part.weights, whole.weights[chosen], rtol=1e-9)


def test_gamma_zero_is_the_first_period(name, chain, table):
    target = chain.target_of(table)
    found = estimate(table, target, name, gamma=0.0, confidence=0.999, settings=FAST)
    assert found.low <= chain.value(chain.target, 1, 0.0) <= found.high
    assert np.isfinite(found.value)


def test_no_number_where_the_log_never_went(name, chain, table):
    target = np.concatenate([chain.target_of(table) * 0.5, np.full((table.num_rows, 1), 0.5)], 1)
    found = estimate(table, target, name, settings=FAST)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert any("never sent: 3" in line for line in found.warnings)


def test_no_number_from_a_handful_of_users(name, chain):
    table = chain.log(6, PERIODS, seed=1)
    found = estimate(table, chain.target_of(table), name, settings=FAST)
    assert np.isnan(found.value)
    assert "6 users" in found.warnings[0]


def test_a_state_of_nan_matters_only_where_states_are_used(name, chain, table):
    broken = table["state"].to_pylist()
    broken[5] = [float("nan")]
    bad = table.set_column(
        table.column_names.index("state"), "state", pa.array(broken, pa.list_(pa.float32()))
    )
    if ESTIMATORS.get(name).needs_states:
        with pytest.raises(ValueError, match="row 5"):
            estimate(bad, chain.target_of(table), name, settings=FAST)
    else:
        assert np.isfinite(estimate(bad, chain.target_of(table), name, settings=FAST).value)
