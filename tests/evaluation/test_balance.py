"""Propensities that are not those of the log: means of weights off 1, above and below it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ope_chains import Chain, states_of

from bcrlsp.evaluation import ESTIMATORS, Settings, estimate
from bcrlsp.evaluation.balance import Balance, Sums
from bcrlsp.evaluation.reading import read_log

CHAIN = Chain.random(5, far=0.5)
TABLE = CHAIN.log(2000, 3, seed=1)
TARGET = CHAIN.target_of(TABLE)
TRUE = np.array(TABLE["propensity"])
LEVEL, STEP = np.array(TABLE["level"]), np.array(TABLE["step"])
BEHAVIOUR = CHAIN.behaviour[states_of(TABLE)]
FAST = Settings(resamples=100)
WEIGHTED = [name for name in ESTIMATORS.names() if ESTIMATORS.get(name).weighted]


def found(propensities, name="dr", target=TARGET, table=TABLE):
    return estimate(table, target, name, propensities=propensities, settings=FAST)


@pytest.mark.parametrize("name", WEIGHTED)
@pytest.mark.parametrize("factor", [0.5, 0.8])
def test_propensities_scaled_down_give_no_number(name, factor):
    result = found(TRUE * factor, name)
    assert np.isnan([result.value, result.low, result.high]).all()
    assert result.diagnostics.mean_ratio == pytest.approx(1 / factor, rel=0.03)
    said = [line for line in result.warnings if line.startswith("no estimate")]
    assert any("target probability over propensity averages" in line for line in said)


@pytest.mark.parametrize("name", ESTIMATORS.names())
def test_a_small_scale_is_said(name):
    assert any("standard errors" in line for line in found(TRUE * 0.95, name).warnings)


@pytest.mark.parametrize("name", ["dm", "rem"])
def test_what_needs_no_propensities_keeps_its_number_and_says_so(name):
    result = found(TRUE * 0.5, name)
    assert result.value == found(TRUE, name).value
    assert any("not those that the log was drawn with" in line for line in result.warnings)


WRONG = {
    "certain": np.ones(len(TRUE)),
    "of the likeliest level": BEHAVIOUR.max(1),
    "one over the levels": np.full(len(TRUE), 1 / 3),
    "of other rows": np.random.default_rng(0).permutation(TRUE),
    "of the target": TARGET[np.arange(len(LEVEL)), LEVEL],
    "averaged over states": np.bincount(LEVEL)[LEVEL] / len(LEVEL),
    "halved in the last step": np.where(STEP == 2, 0.5, 1.0) * TRUE,
    "halved for one level": np.where(LEVEL == 1, 0.5, 1.0) * TRUE,
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", ["is", "snis", "dr"])
def test_wrong_propensities_never_pass_in_silence(name, wrong):
    result = found(WRONG[wrong], name)
    assert any("propensities" in line for line in result.warnings)


def test_errors_that_cancel_in_the_mean_of_all_levels_show_by_level():
    """Both policies are uniform; one level's propensity is too low, another's as much too high."""
    chain = dataclasses.replace(
        CHAIN, behaviour=np.full((3, 3), 1 / 3), target=np.full((3, 3), 1 / 3)
    )
    table = chain.log(4000, 1, seed=3)
    level = np.array(table["level"])
    # 1 / p is 3 on average: 1.5 for level 1, 4.5 for level 2.
    wrong = np.choose(level, [1 / 3, 1 / 1.5, 1 / 4.5])
    result = found(wrong, "is", np.full((4000, 3), 1 / 3), table)
    assert result.diagnostics.mean_ratio == pytest.approx(1, abs=0.05)
    assert np.isnan(result.value)
    assert any("on level" in line for line in result.warnings)


@pytest.mark.parametrize("digits", [3, 4])
def test_true_propensities_with_few_digits_are_no_fault(digits):
    assert found(np.round(TRUE, digits)).warnings == ()


def test_true_propensities_hardly_ever_raise_a_doubt():
    doubts = 0
    for seed in range(150):
        chain = Chain.random(seed, far=0.7, stop=0.2)
        table = chain.log(200, 4, seed=seed)
        log = read_log(table, chain.target_of(table), "cost", gamma=0.9, states=False).log
        doubts += len(Balance.of(log).doubts()) > 0
    assert doubts <= 1


def test_sums_by_hand():
    sums = Sums.of(np.array([[1.0], [-3.0], [2.0]]), np.array([4.0]), np.array([3.0]))
    assert sums.gaps == [0.0]
    # Squares about the mean of 0 are 14, and the largest once more: 9.
    assert sums.errors == [pytest.approx(np.sqrt(14 + 9) / 4)]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**12 - 1))
def test_parts_of_a_log_add_up(bits):
    chosen = np.array([bool(bits >> bit & 1) for bit in range(12)])
    table = CHAIN.log(12, 3, seed=1, ragged=True)
    log = read_log(table, CHAIN.target_of(table), "cost", gamma=0.9, states=False).log
    if not 0 < chosen.sum() < 12:
        return
    whole = Balance.of(log)
    parts = Balance.of(log.select(chosen)) + Balance.of(log.select(~chosen))
    for name in ("overall", "by_level", "sent", "by_step"):
        one, other = getattr(whole, name), getattr(parts, name)
        np.testing.assert_allclose(one.gaps, other.gaps, atol=1e-12)
        np.testing.assert_allclose(one.errors, other.errors, rtol=1e-9)
