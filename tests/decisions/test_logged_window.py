"""The target of an evaluation is what `allocate` would choose, period by period."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from bcrlsp.allocation import Budget, solve
from bcrlsp.decisions.logged_window import LoggedWindow, of_share
from bcrlsp.errors import UserError
from bcrlsp.policies.scoring import valued
from tests.decisions.test_price_search import of_every_price

USERS, PERIODS = 200, 3


def window(largest: float, counted: str = "face") -> LoggedWindow:
    """Users with random states; the log spent 0.4 a row."""
    rng = np.random.default_rng(8)
    days = [datetime(2025, 1, 6, tzinfo=UTC) + timedelta(days=day) for day in range(PERIODS)]
    rows = USERS * PERIODS
    table = pa.table(
        {
            "user_id": [f"u{user:03d}" for user in range(USERS) for _ in days],
            "period_start": pa.array(days * USERS, pa.timestamp("us", "UTC")),
            "segment": ["ab"[user % 2] for user in range(USERS) for _ in days],
            "state": pa.array(list(rng.normal(size=(rows, 4)).astype("f4"))),
            "cost": np.full(rows, 0.4),
        }
    )
    return LoggedWindow(table, of_every_price(largest), counted)


def chosen_of(
    found: LoggedWindow, period: int, levels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    rows = np.arange(period, USERS * PERIODS, PERIODS)
    return rows, levels[rows]


def test_each_period_keeps_every_budget_and_is_the_lp_s_own_answer() -> None:
    found = window(0.0)
    budgets = [
        Budget("total", 60.0),
        Budget("part", 10.0, groups={"segment": ["b"]}),
        Budget("top", 12.0, levels=[2], measure="count"),
    ]
    levels = found.levels(budgets)
    amounts = np.array(found.policy.amounts)
    segments = np.array(found.table["segment"].to_pylist())
    for period in range(PERIODS):
        rows, chosen = chosen_of(found, period, levels)
        assert 50 < amounts[chosen].sum() <= 60
        assert amounts[chosen][segments[rows] == "b"].sum() <= 10
        assert (chosen == 2).sum() <= 12
        values, costs = valued(found.policy, found.states[rows], "face")
        names = [found.table["user_id"][int(row)].as_py() for row in rows]
        own = solve(
            values, costs, budgets, groups={"segment": segments[rows]},
            allowed=found.policy.supported(found.states[rows]), user_ids=names,
        )  # fmt: skip
        np.testing.assert_array_equal(chosen, own.levels)


def test_a_policy_of_every_price_is_asked_at_the_price_that_is_paid() -> None:
    found = window(0.5)
    levels = found.levels([Budget("total", 60.0)])
    rows, chosen = chosen_of(found, 0, levels)
    states, allowed = found.states[rows], found.policy.supported(found.states[rows])
    names = [found.table["user_id"][int(row)].as_py() for row in rows]

    def at(price: float):
        values, costs = valued(found.policy, states, "face", price)
        return solve(values, costs, [Budget("total", 60.0)], allowed=allowed, user_ids=names)

    prices = np.linspace(0, 0.5, 51)
    apart = [abs(min(at(price).prices["total"], 0.5) - price) for price in prices]
    fixed = float(prices[int(np.argmin(apart))])
    assert fixed > 0.05
    same = (chosen == at(fixed).levels).mean()
    assert same > 0.95
    assert same > (chosen == at(0.0).levels).mean()


@pytest.mark.parametrize("counted", ["face", "expected"])
def test_the_usual_budget_is_expected_to_cost_what_the_log_did(counted: str) -> None:
    found = window(0.0, counted)
    budget = found.budget_like_the_log()
    levels = found.levels([Budget("total", budget)])
    expected = found.policy.costs(found.states)[np.arange(len(levels)), levels].sum()
    spent = 0.4 * USERS * PERIODS
    # At face value one price of all periods together is sought: single ones differ a little.
    assert 0.9 * spent < expected <= spent * (1.1 if counted == "face" else 1 + 1e-9)


def test_a_budget_that_cannot_be_kept_is_named_with_its_period() -> None:
    with pytest.raises(UserError, match="in the period 2025-01-06T00:00: budget 'least' cannot"):
        window(0.0).levels([Budget("least", 1e6, minimum=1e5)])


def test_a_budget_of_a_share_of_the_users() -> None:
    part = of_share(Budget("x", 10.0, minimum=4.0, levels=[1]), 0.25)
    assert (part.limit, part.minimum, part.levels) == (2.5, 1.0, (1,))
    # Whole users: seven of all must not become 1.75, which no choice keeps.
    count = of_share(Budget("n", 7, measure="count", minimum=7), 0.25)
    assert (count.limit, count.minimum) == (2, 1)
