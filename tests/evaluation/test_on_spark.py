"""The same numbers from a Spark DataFrame, whose users are worked on in parts."""

import numpy as np
import pyarrow as pa
import pytest
from ope_chains import Chain

from bcrlsp.errors import ConfigError, DataError
from bcrlsp.evaluation import Settings, estimate, on_spark

CHAIN = Chain.random(5, stop=0.3)
TABLE = CHAIN.log(1500, 3, seed=11, ragged=True)
FAST = Settings(resamples=300)


def with_target(table):
    return table.append_column("aim", pa.array(CHAIN.target_of(table).tolist()))


def target_by(probabilities):
    """A target as a function of the rows, as a policy's scoring is; it travels by value."""

    def target(table):
        states = np.array(table["state"].to_pylist(), dtype=int)[:, 0]
        return probabilities[states]

    return target


aim = target_by(CHAIN.target)


@pytest.fixture(scope="module")
def frame(spark):
    return spark.createDataFrame(with_target(TABLE)).repartition(3)


@pytest.fixture
def four_parts(monkeypatch):
    monkeypatch.setattr(on_spark, "ROWS_A_PART", TABLE.num_rows // 4 + 1)


@pytest.mark.parametrize("name", ["is", "snpdis", "dm", "drl"])
def test_equals_the_estimate_from_a_table(frame, four_parts, name):
    there = estimate(frame, "aim", name, "cost", settings=FAST)
    here = estimate(TABLE, CHAIN.target_of(TABLE), name, "cost", settings=FAST)
    assert there.value == pytest.approx(here.value, rel=1e-9)
    assert there.effective_sample_size == pytest.approx(here.effective_sample_size, rel=1e-9)
    assert there.high - there.low == pytest.approx(here.high - here.low, rel=0.25)
    assert (there.users, there.periods) == (here.users, here.periods)
    assert there.diagnostics.mean_ratio == pytest.approx(here.diagnostics.mean_ratio, rel=1e-9)


def test_a_function_as_the_target_whatever_the_partitions(frame, four_parts):
    first = estimate(frame, aim, "snpdis", settings=FAST)
    second = estimate(frame.repartition(5), aim, "snpdis", settings=FAST)
    assert (first.value, first.low, first.high) == (second.value, second.low, second.high)
    assert first.value == pytest.approx(estimate(TABLE, aim, "snpdis").value, rel=1e-9)


def test_an_array_as_the_target_is_in_the_order_of_the_rows(spark):
    frame = spark.createDataFrame(TABLE)
    found = estimate(frame, CHAIN.target_of(frame.toArrow()), "pdis")
    assert found.value == pytest.approx(estimate(TABLE, aim, "pdis").value, rel=1e-12)


def test_models_from_a_sample_of_users(frame, four_parts):
    settings = Settings(resamples=300, max_fit_rows=1500)
    for name in ("dm", "dr"):
        found = estimate(frame, "aim", name, "cost", confidence=0.999, settings=settings)
        full = estimate(TABLE, aim, name, "cost")
        assert found.value != full.value
        assert found.low <= full.value <= found.high


def test_propensities_that_only_some_parts_lack(spark, four_parts):
    values = np.array(TABLE["propensity"])
    gone = np.array([user == "u00007" for user in TABLE["user_id"].to_pylist()])
    index = TABLE.column_names.index("propensity")
    table = TABLE.set_column(index, "propensity", pa.array(values, mask=gone))
    found = estimate(spark.createDataFrame(with_target(table)), "aim", "pdis")
    assert found.warnings[0].startswith(f"{gone.sum()} of {table.num_rows} propensities")
    assert found.value == pytest.approx(estimate(table, aim, "pdis").value, rel=1e-9)


def test_a_mistake_in_one_part_is_one_line(spark, four_parts):
    steps = np.array(TABLE["step"])
    last = int(np.flatnonzero(steps == 2)[0])
    levels = np.array(TABLE["level"].to_pylist())
    levels[last] = 7
    table = TABLE.set_column(TABLE.column_names.index("level"), "level", pa.array(levels))
    user = table["user_id"][last].as_py()
    with pytest.raises(DataError, match=f"level is 7 .*user {user}") as caught:
        estimate(spark.createDataFrame(with_target(table)), "aim", "pdis")
    assert "\n" not in str(caught.value)


def test_mistakes_seen_before_the_parts(frame):
    with pytest.raises(DataError, match="empty"):
        estimate(frame.limit(0), "aim", "pdis")
    with pytest.raises(ConfigError, match="order of the rows"):
        estimate(frame, "aim", "pdis", allowed=np.ones((TABLE.num_rows, 3)))
    with pytest.raises(DataError, match="no column 'aims'"):
        estimate(frame, "aims", "pdis")
    few = estimate(frame.where("user_id < 'u00005'"), "aim", "pdis")
    assert "fewer than 10" in few.warnings[0]
