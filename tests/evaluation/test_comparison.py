"""A target against the log, by segment: identities, the truth of a chain, and small segments."""

import numpy as np
import pyarrow as pa
import pytest
from ope_chains import Chain

from bcrlsp.errors import DataError
from bcrlsp.evaluation import ESTIMATORS, EVERYONE, Settings, compare, estimate, on_policy
from bcrlsp.evaluation.comparison import OTHERS

FAST = Settings(resamples=300)
GAMMA, PERIODS = 0.7, 3


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain.random(7, far=0.6)


@pytest.fixture(scope="module")
def table(chain: Chain) -> pa.Table:
    logged = chain.log(6_000, PERIODS, seed=3)
    numbers = [int(user[1:]) for user in logged["user_id"].to_pylist()]
    names = ["north" if n % 10 < 6 else "south" if n % 10 < 9 else None for n in numbers]
    return logged.append_column("segment", pa.array(names, pa.string()))


@pytest.mark.parametrize("name", ESTIMATORS.names())
def test_all_users_are_what_estimate_says_of_them(name: str, chain: Chain, table: pa.Table) -> None:
    target = chain.target_of(table)
    [whole] = compare(table, target, name, "cost", gamma=GAMMA, settings=FAST)
    alone = estimate(table, target, name, "cost", gamma=GAMMA, settings=FAST)
    own = on_policy(table, "cost", gamma=GAMMA, settings=FAST)
    assert whole.segment == EVERYONE
    assert (whole.target.value, whole.target.low, whole.target.high) == (
        alone.value,
        alone.low,
        alone.high,
    )
    assert (whole.logged.value, whole.logged.low) == pytest.approx((own.value, own.low))
    assert whole.gain.value == pytest.approx(alone.value - own.value)
    truth = chain.value(chain.target, PERIODS, GAMMA, "cost")
    truth -= chain.value(chain.behaviour, PERIODS, GAMMA, "cost")
    [sure] = compare(table, target, name, "cost", gamma=GAMMA, settings=FAST, confidence=0.999)
    assert sure.gain.low <= truth <= sure.gain.high


def test_the_gain_is_known_better_than_the_values_apart(chain: Chain, table: pa.Table) -> None:
    [whole] = compare(table, chain.target_of(table), "dr", gamma=GAMMA, settings=FAST)
    apart = np.hypot(whole.target.high - whole.target.low, whole.logged.high - whole.logged.low)
    assert whole.gain.high - whole.gain.low < 0.9 * apart


def test_segments_add_up_to_all_users(chain: Chain, table: pa.Table) -> None:
    whole, *parts = compare(
        table, chain.target_of(table), "dr", segments="segment", gamma=GAMMA, settings=FAST
    )
    assert [(part.segment, part.target.users) for part in parts] == [
        ("north", 3600),
        ("south", 1800),
        (OTHERS, 600),
    ]
    for each in ("logged", "target", "gain"):
        values = [getattr(part, each).value for part in parts]
        weights = [part.target.users for part in parts]
        assert np.average(values, weights=weights) == pytest.approx(getattr(whole, each).value)


def test_a_segment_may_be_called_as_the_whole_is(chain: Chain, table: pa.Table) -> None:
    names = {"north": EVERYONE, "south": OTHERS, None: None}
    place = table.column_names.index("segment")
    renamed = pa.array([names[name] for name in table["segment"].to_pylist()], pa.string())
    table = table.set_column(place, "segment", renamed)
    found = compare(table, chain.target_of(table), "pdis", segments="segment", settings=FAST)
    assert [(part.segment, part.target.users) for part in found] == [
        (EVERYONE, 6000),
        (f"{EVERYONE} (segment)", 3600),
        (f"{OTHERS} (segment)", 1800),
        (OTHERS, 600),
    ]


def test_only_the_largest_segments_are_told_apart(chain: Chain, table: pa.Table) -> None:
    _, *parts = compare(
        table, chain.target_of(table), "pdis", segments="segment", most=1, settings=FAST
    )
    assert [(part.segment, part.target.users) for part in parts] == [
        ("north", 3600),
        (OTHERS, 2400),
    ]


def test_a_tiny_segment_gets_no_number(chain: Chain, table: pa.Table) -> None:
    ids = table["user_id"].to_pylist()
    names = ["rare" if int(user[1:]) < 5 else "usual" for user in ids]
    place = table.column_names.index("segment")
    table = table.set_column(place, "segment", pa.array(names))
    _, usual, rare = compare(table, chain.target_of(table), "dr", segments="segment", settings=FAST)
    assert np.isfinite(usual.gain.value)
    assert rare.segment == "rare"
    assert np.isnan(rare.target.value)
    assert np.isnan(rare.gain.value)
    assert "5 users" in rare.target.warnings[0]
    assert np.isfinite(rare.logged.value)


def test_no_segment_has_a_number_where_all_users_together_have_none(
    chain: Chain, table: pa.Table
) -> None:
    """One segment has a target that the log never met; of the others alone there is a number."""
    south = np.array(table["segment"].to_pylist()) == "south"
    target = np.append(chain.target_of(table), np.zeros((table.num_rows, 1)), axis=1)
    target[south] *= 0.5
    target[south, -1] = 0.5
    whole, *parts = compare(table, target, "is", segments="segment", settings=FAST)
    assert np.isnan(whole.target.value)
    (alone,) = compare(table.filter(pa.array(~south)), target[~south], "is", settings=FAST)
    assert np.isfinite(alone.target.value)
    for part in parts:
        assert np.isnan([part.target.value, part.gain.low]).all()
        assert np.isfinite(part.logged.value)


def test_a_missing_column_is_named(chain: Chain, table: pa.Table) -> None:
    with pytest.raises(DataError, match="no column 'region'"):
        compare(table, chain.target_of(table), "is", segments="region")
