import subprocess
import sys

import numpy as np
import pytest
from ope_chains import Chain

from bcrlsp.errors import DataError
from bcrlsp.evaluation import Settings, estimate, on_policy


def test_is_the_plain_mean():
    chain = Chain.random(3, stop=0.2)
    table = chain.log(800, 4, seed=1, ragged=True)
    rows = table.to_pandas()
    rows["part"] = 0.9 ** rows["step"] * rows["cost"]
    expected = rows.groupby("user_id")["part"].sum()
    found = on_policy(table, "cost", gamma=0.9, settings=Settings(resamples=4000))
    assert found.value == pytest.approx(expected.mean(), rel=1e-12)
    error = expected.std(ddof=1) / np.sqrt(len(expected))
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.1)
    assert found.effective_sample_size == pytest.approx(len(expected))
    assert found.estimator == "on-policy"


@pytest.mark.parametrize("name", ["is", "snis", "pdis", "snpdis"])
def test_a_target_equal_to_the_log_gives_the_same(name):
    chain = Chain.random(3)
    table = chain.log(500, 3, seed=2)
    x = np.array(table["state"].to_pylist(), dtype=int)[:, 0]
    same = estimate(table, chain.behaviour[x], name)
    assert same.value == pytest.approx(on_policy(table).value, rel=1e-12)


def test_needs_no_states_and_no_propensities():
    table = Chain.random(3).log(100, 2, seed=2)
    assert np.isfinite(on_policy(table.drop_columns(["state", "propensity"])).value)


def test_an_empty_table_is_a_mistake():
    table = Chain.random(3).log(10, 2, seed=2)
    with pytest.raises(DataError, match="empty"):
        on_policy(table.slice(0, 0))


def test_a_table_needs_no_spark():
    code = (
        "import sys; from bcrlsp.evaluation import ESTIMATORS, estimate; ESTIMATORS.names(); "
        "assert 'pyspark' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
