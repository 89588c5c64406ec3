"""Allocating a period once more: what stays, and what other limits would be worth."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from bcrlsp.decisions.margin import SpendRecord, planned_spend
from bcrlsp.policies import load_policy
from bcrlsp.trajectories import Settings as Trajectories
from tests.commands.conftest import END, Bench
from tests.commands.test_pipeline import versions

EXPECTED = ("--set", "allocation.cost=expected")
REACH = Trajectories().reach


def certificates(bench: Bench) -> list[dict[str, Any]]:
    rows = DeltaTable(f"{bench.folder}/lake/certificates").to_pyarrow_table().to_pylist()
    mine = [row for row in rows if row["period"].isoformat() == END]
    return sorted(mine, key=lambda row: row["created_ts"])


def test_certificates_of_earlier_runs_stay_and_the_newest_is_that_of_the_decisions(
    told: dict[str, Any], bench: Bench
) -> None:
    before = certificates(bench)
    # Other tests train policies too: without a name the newest one would be taken.
    of = ("--period", END, "--policy", told["train"]["policy_id"])
    other = bench.run("allocate", *of, "--budget", "120")
    assert certificates(bench)[:-1] == before
    assert certificates(bench)[-1]["run_id"] == other["run_id"]
    again = bench.run("allocate", *of, "--budget", "200", "--what-if", "100,120,400")
    after = certificates(bench)
    assert len(after) == len(before) + 1
    assert after[-1]["run_id"] == again["run_id"] == told["allocate"]["run_id"]
    decisions = DeltaTable(f"{bench.folder}/lake/allocations").to_pyarrow_table().to_pylist()
    mine = {row["run_id"] for row in decisions if row["period"].isoformat() == END}
    assert mine == {again["run_id"]}
    # What the other run found is what --what-if says of its limit.
    low, same, high = again["what_if"]
    assert same["value"] == pytest.approx(other["value"], rel=0.01)
    assert same["bound"] >= other["value"]
    assert same["spend"] == pytest.approx(other["spend"]["total"], rel=0.02)
    assert low["value"] < same["value"] < again["value"] < high["value"] * 1.001


def test_expected_costs_hold_a_margin_back(told: dict[str, Any], bench: Bench) -> None:
    """The LP's limit is that of the closed form over what past periods cost; a budget, a run."""
    of = ("--period", END, "--policy", told["train"]["policy_id"], "--budget", "200")
    expected = (*of, *EXPECTED)
    held = bench.run("allocate", *expected)
    planned = _planned(bench, held["policy_id"])
    # Six digits, rounded down.
    assert planned * (1 - 1.1e-5) <= held["limits"]["total"] <= planned
    assert 0 < held["spend"]["total"] <= held["limits"]["total"] < 200
    code, said = bench.end("allocate", *expected)
    assert code == 0
    assert [row["run_id"] for row in certificates(bench)].count(held["run_id"]) == 1
    assert " % below the 200.00 asked for" in said
    whole = bench.run("allocate", *expected, "--set", "allocation.confidence=null")
    assert whole["limits"]["total"] == 200
    assert whole["run_id"] != held["run_id"]


def test_expected_costs_that_cannot_be_compared_are_refused(
    told: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(told["bench"].folder, lambda: "")
    before = versions(bench)
    early = ("--period", "2025-01-07", "--policy", told["train"]["policy_id"], "--budget", "9")
    code, _ = bench.end("allocate", *early, *EXPECTED)
    assert code == 2
    line = "expected costs can be compared with what was spent in 1 of the 14 periods before"
    assert line in capfd.readouterr().err
    assert versions(bench) == before


def _planned(bench: Bench, policy_id: str) -> float:
    """The same from the table, by NumPy."""
    policy = load_policy(str(bench.folder / "artifacts" / "policies" / policy_id))
    rows = DeltaTable(f"{bench.folder}/lake/trajectories").to_pyarrow_table()
    periods = sorted(set(rows["period"].to_pylist()))
    # END's own reach: rewards and costs of the last periods before it were not known.
    known = [day for day in periods if day < date.fromisoformat(END) - timedelta(days=REACH)][-14:]
    rows = rows.filter(pc.is_in(rows["period"], pa.array(known)))
    expected = policy.costs(np.array(rows["state"].to_pylist(), np.float32))
    expected = expected[np.arange(rows.num_rows), rows["level"].to_numpy()]
    spent = rows["cost"].to_numpy()
    place = np.searchsorted(known, rows["period"].to_pylist())
    sums = [np.bincount(place, each) for each in (expected, spent, (spent - expected) ** 2)]
    return planned_spend(200, SpendRecord(*sums), max(policy.amounts), 0.99)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--budget", "200", "--what-if", "1,x"), "--what-if 1,x: allowed: numbers"),
        (("--budget", "200", "--what-if", "-5"), "--what-if -5: allowed: numbers of at least 0"),
        (("--budget", "0", "--what-if", "5"), "budget 'total' has limit 0"),
        (
            (*EXPECTED, "--set", "allocation.budgets=[{name: x, limit: 50, minimum: 50}]"),
            "budget 'x': minimum 50 is above ",
        ),
        (("--budget", "nan"), "limit is nan; allowed: a number of at least 0"),
        (("--set", "allocation.budgets=[{name: x, limit: -1}]"), "limit"),
        (("--set", "allocation.budgets=[{name: x, limit: .nan}]"), "limit"),
        (
            ("--set", "allocation.budgets=[{name: x, limit: 9, groups: [mars]}]"),
            "budget 'x' names group 'mars', which no user has in segment; allowed: ",
        ),
        (("--set", "allocation.budgets=[{name: x, limit: 9, levels: [77]}]"), "names level 77"),
        (("--set", "allocation.budgets=[{name: x, limit: 9, measure: w}]"), "measure"),
        (
            ("--set", "allocation.budgets=[{name: x, limit: 1e9, minimum: 1e8}]"),
            "budget 'x' cannot be kept: its minimum is 100000000 and the nearest possible is",
        ),
        (
            ("--set", "allocation.budgets=[{name: x, limit: 9}, {name: x, limit: 8}]"),
            "two budgets are named 'x'",
        ),
    ],
)
def test_a_mistake_is_one_line_and_changes_no_table(
    told: dict[str, Any], capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], line: str
) -> None:
    bench = Bench(told["bench"].folder, lambda: "")
    before = versions(bench)
    capfd.readouterr()
    code, _ = bench.end("allocate", "--period", END, *arguments)
    said = [text for text in capfd.readouterr().err.splitlines() if text.startswith("bcrlsp: ")]
    assert code == 2
    assert len(said) == 1
    assert line in said[0]
    assert versions(bench) == before
