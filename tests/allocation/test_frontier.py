"""The frontier of one solve against solving again at each limit."""

import numpy as np
import pytest
from pyspark.sql import SparkSession
from reference_lp import linear_optimum
from test_allocate import frame, market

from bcrlsp.allocation import Allocation, Budget, Settings, allocate
from bcrlsp.errors import UserError

SMALL = Settings(direct_users=60, sample_users=700, core_users=300)
USERS = 3000


@pytest.fixture(scope="module")
def held(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Allocation:
    market_ = market(USERS, seed=8, ties=False)
    asked = [Budget("gold", 0.2 * USERS, groups=["gold"]), Budget("total", 0.5 * USERS)]
    folder = str(tmp_path_factory.mktemp("frontier"))
    return allocate(frame(spark, market_, 3), asked, store=folder, settings=SMALL)


def optimum(limit: float) -> float:
    m = market(USERS, seed=8, ties=False)
    asked = [Budget("gold", 0.2 * USERS, groups=["gold"]), Budget("total", limit)]
    found = linear_optimum(
        m["value"].astype(float), m["cost"].astype(float), asked, np.array(m["segment"])
    )
    assert found is not None
    return found


def test_between_its_points_it_is_near_the_optimum_and_never_below_by_its_bound(
    held: Allocation,
) -> None:
    found = held.frontier("total")
    assert (np.diff(found.spend) >= 0).all()
    for limit in (0.2 * USERS, 0.45 * USERS, 0.8 * USERS):
        value, bound = found.at(limit)
        assert bound >= optimum(limit) - 1e-6
        assert value == pytest.approx(optimum(limit), rel=2e-3)


def test_below_what_was_looked_at_there_is_no_value(held: Allocation) -> None:
    found = held.frontier("total", shares=[0.9, 1.1])
    value, bound = found.at(0.1 * USERS)
    assert np.isnan(value)
    assert bound >= optimum(0.1 * USERS) - 1e-6


def test_what_if_solves_again_without_scoring_again(held: Allocation) -> None:
    asked = [Budget("gold", 0.2 * USERS, groups=["gold"]), Budget("total", 0.3 * USERS)]
    told = held.what_if(asked)
    assert told.bound == pytest.approx(optimum(0.3 * USERS), rel=1e-6)
    assert told.spend["total"] <= 0.3 * USERS
    assert told.gap < 1e-3


def test_a_budget_that_is_not_there_is_said(held: Allocation) -> None:
    with pytest.raises(UserError, match=r"no frontier of budget 'totl'; .*: gold, total"):
        held.frontier("totl")
