"""The margin of expected costs: against its closed form, and against drawn redemptions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from bcrlsp.decisions.margin import SpendRecord, planned_spend

AMOUNT = 5.0


def exact(periods: int = 10, ratio: float = 1.0, size: float = 1000.0) -> SpendRecord:
    """Periods whose ratio is known without error."""
    expected = np.full(periods, size)
    return SpendRecord(expected, ratio * expected, np.zeros(periods))


@pytest.mark.parametrize("ratio", [0.8, 1.0, 1.3])
@pytest.mark.parametrize("limit", [10.0, 1e3, 1e7])
def test_with_chance_alone_it_is_the_root_of_a_quadratic(ratio: float, limit: float) -> None:
    q = t.ppf(0.99, 9)
    # x = sqrt(P): r x^2 + q sqrt(a r) x - L = 0; a record so long that one redemption is nothing
    b = q * math.sqrt(AMOUNT * ratio)
    root = (-b + math.sqrt(b * b + 4 * ratio * limit)) / (2 * ratio)
    found = planned_spend(limit, exact(ratio=ratio, size=1e15), AMOUNT, 0.99)
    assert found == pytest.approx(min(limit, root**2), rel=1e-6)


def test_the_deviation_is_that_of_the_ratios_beyond_chance() -> None:
    expected, spent = np.array([100.0, 200.0]), np.array([90.0, 220.0])
    squared = np.array([4.0, 8.0])
    beyond = np.var([0.9, 1.1], ddof=1) - (4 / 100**2 + 8 / 200**2) / 2
    error = beyond / 2 + 12 / 300**2
    record = SpendRecord(expected, spent, squared)
    assert record.deviation == pytest.approx(math.sqrt(beyond + error))
    assert record.ratio == pytest.approx(310 / 300)
    # Ratios that differ by less than chance leave the error of their mean.
    quiet = SpendRecord(expected, expected, squared)
    assert quiet.deviation == pytest.approx(math.sqrt(12 / 300**2))


@given(
    st.lists(st.floats(0.5, 1.5), min_size=2, max_size=20),
    st.floats(0.01, 1e8),
    st.floats(0.51, 0.999),
    st.floats(0, 1e4),
)
def test_it_keeps_its_inequality_and_never_passes_the_limit(
    ratios: list[float], limit: float, confidence: float, squared: float
) -> None:
    expected = np.full(len(ratios), 1000.0)
    record = SpendRecord(expected, np.array(ratios) * expected, np.full(len(ratios), squared))
    plan = planned_spend(limit, record, AMOUNT, confidence)
    q = t.ppf(confidence, len(ratios) - 1)
    one = AMOUNT / (1000.0 * len(ratios))
    ratio, deviation = record.ratio + one, math.hypot(record.deviation, one)
    spread = math.sqrt((plan * deviation) ** 2 + AMOUNT * ratio * plan)
    assert 0 <= plan <= limit
    assert ratio * plan + q * spread <= limit * (1 + 1e-12)
    assert planned_spend(2 * limit, record, AMOUNT, confidence) >= plan


def test_drawn_spend_is_above_the_limit_as_rarely_as_it_says() -> None:
    """Redemptions by chance, periods that differ, a ratio to be estimated from 14 of them."""
    rng = np.random.default_rng(0)
    users, trials, amount, chance, bias, spread = 4000, 1000, 2.0, 0.3, 1.1, 0.03
    each = amount * chance

    def spend(plan: np.ndarray) -> np.ndarray:
        """Of users with bonuses whose expected cost is `plan`."""
        redeemed = np.clip(chance * bias * rng.normal(1, spread, plan.shape), 0, 1)
        return amount * rng.binomial(np.round(plan / each).astype(int), redeemed)

    limit = users * each
    plans = []
    for _ in range(trials):
        expected = np.full(14, users * each)
        spent = spend(expected)
        p = chance * bias
        squared = np.full(14, users * (p * (amount - each) ** 2 + (1 - p) * each**2))
        plans.append(planned_spend(limit, SpendRecord(expected, spent, squared), amount, 0.95))
    above = float((spend(np.array(plans)) > limit).mean())
    # The bound a r P on the variance of chance is what makes it rarer than 5 %.
    assert 0.01 < above < 0.05
    naive = float((spend(np.full(trials, limit / bias)) > limit).mean())
    assert naive > 0.4


def test_no_limit_and_nothing_stay_and_one_period_tells_nothing() -> None:
    assert planned_spend(math.inf, exact(), AMOUNT, 0.99) == math.inf
    assert planned_spend(0.0, exact(), AMOUNT, 0.99) == 0.0
    with pytest.raises(ValueError, match="a record of 1 periods; at least 2"):
        planned_spend(10.0, exact(periods=1), AMOUNT, 0.99)
    kept = SpendRecord.of(np.array([0.0, 1.0]), np.array([0.0, 2.0]), np.array([0.0, 3.0]))
    assert (kept.periods, kept.ratio) == (1, 2.0)


@pytest.mark.parametrize("periods", [2, 3, 5, 10])
@pytest.mark.parametrize("redemptions", [0.2, 0.5, 1.0, 3.0])
def test_few_redemptions_in_the_past_promise_little(periods: int, redemptions: float) -> None:
    """Often there was none at all: spend passes the limit no more often for that."""
    rng = np.random.default_rng(7)
    limit, trials, above, chance = 100.0, 1000, 0, 0.01
    users = round(redemptions / chance)
    for _ in range(trials):
        came = rng.binomial(users, chance, periods)
        expected = np.full(periods, users * chance * AMOUNT)
        squared = AMOUNT**2 * (came * (1 - chance) ** 2 + (users - came) * chance**2)
        record = SpendRecord.of(expected, AMOUNT * came.astype(float), squared)
        plan = planned_spend(limit, record, AMOUNT, 0.99)
        above += AMOUNT * rng.binomial(round(plan / (AMOUNT * chance)), chance) > limit
    assert above / trials < 0.02
