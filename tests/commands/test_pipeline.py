"""Every job on one small market: what it leaves, a second run, and mistakes that change nothing."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from bcrlsp.policies import load_policy
from bcrlsp.tables import EVENT_TABLES, TABLES
from tests.commands.conftest import END, FIRST, JOBS, SPLIT, Bench

# Would write trajectories that are right already, before anything is allocated.
REBUILD = ("--from", FIRST, "--to", END, "--steps", "trajectories,allocate", "--force")


def table(bench: Bench, name: str) -> DeltaTable:
    return DeltaTable(f"{bench.folder}/lake/{name}")


def versions(bench: Bench) -> dict[str, int]:
    held = (bench.folder / "lake").iterdir()
    return {path.name: DeltaTable(str(path)).version() for path in held}


def test_an_independent_client_finds_the_contracts_columns(told: dict[str, Any]) -> None:
    bench = told["bench"]
    for name in (*EVENT_TABLES, "market_truth", "trajectories", "states", "policies", "curves",
                 "evaluations", "allocations", "certificates", "quarantine"):  # fmt: skip
        assert table(bench, name).schema().to_arrow().names == TABLES[name].columns, name


def test_trajectories_hold_every_decision(told: dict[str, Any]) -> None:
    rows = table(told["bench"], "trajectories").to_pyarrow_table()
    sent = table(told["bench"], "bonuses").to_pyarrow_table()
    assert rows.num_rows == sent.num_rows == told["trajectories"]["rows"]
    assert pc.sum(rows["cost"]).as_py() == pytest.approx(
        pc.sum(table(told["bench"], "redemptions").to_pyarrow_table()["amount"]).as_py()
    )
    assert pc.count(rows["propensity"]).as_py() == rows.num_rows


def test_the_policy_scores_states_of_the_table(told: dict[str, Any]) -> None:
    policy = load_policy(told["train"]["uri"])
    rows = table(told["bench"], "trajectories").to_pyarrow_table().slice(0, 50)
    states = np.array(rows["state"].to_pylist(), dtype=np.float32)
    assert np.isfinite(policy.q_values(states)).all()
    assert told["train"]["as_of"] == SPLIT
    held = table(told["bench"], "policies").to_pyarrow_table().to_pylist()
    assert [row["policy_id"] for row in held] == [policy.policy_id]
    assert dict(held[0]["source_versions"])["trajectories"] == told["train"]["version"]


def test_the_allocation_keeps_the_budget_and_its_certificate(told: dict[str, Any]) -> None:
    rows = table(told["bench"], "allocations").to_pyarrow_table()
    certificate = table(told["bench"], "certificates").to_pyarrow_table().to_pylist()[0]
    spend = pc.sum(rows["cost"]).as_py()
    assert spend <= 200
    assert spend == pytest.approx(dict(certificate["spend"])["total"])
    assert pc.sum(rows["value"]).as_py() == pytest.approx(certificate["value"])
    assert certificate["bound"] >= certificate["value"]
    assert set(rows["run_id"].to_pylist()) == {certificate["run_id"]}
    assert rows.num_rows == certificate["users"] == len(set(rows["user_id"].to_pylist()))
    points = table(told["bench"], "frontiers").to_pyarrow_table().sort_by("budget")
    value = np.interp(200, points["spend"].to_numpy(), points["value"].to_numpy())
    assert value == pytest.approx(certificate["value"], rel=0.01)
    assert (np.diff(points["value"].to_numpy()) >= 0).all()


def test_the_report_is_there(told: dict[str, Any]) -> None:
    assert "<html" in Path(told["report"]["report"]).read_text()


def test_a_second_run_changes_no_row(told: dict[str, Any], bench: Bench) -> None:
    def rows() -> dict[str, Any]:
        return {
            name: table(bench, name).to_pyarrow_table().sort_by(
                [(key, "ascending") for key in TABLES[name].keys]
            )
            for name in ("trajectories", "allocations", "certificates")
        }  # fmt: skip

    before = rows()
    assert bench.run("trajectories", "--from", FIRST, "--to", END)["built"] == []
    bench.run("allocate", "--period", END, "--budget", "200")
    assert bench.run("train", "--as-of", SPLIT)["policy_id"] == told["train"]["policy_id"]
    assert all(before[name].equals(again) for name, again in rows().items())


def test_an_evaluation_keeps_the_budgets_of_the_settings(
    told: dict[str, Any], bench: Bench
) -> None:
    policy = told["train"]["policy_id"]
    budgets = '[{"name": "all", "limit": 90}, {"name": "a", "limit": 5, "groups": ["north"]}]'
    small = bench.run("evaluate", "--policy", policy, "--set", f"allocation.budgets={budgets}")
    assert small["budgets"] == {"all": 90, "a": 5}
    assert small["budget"] is None
    usual = told["evaluate"]
    assert usual["budgets"] == {"total": usual["budget"]}
    cost = {
        which["estimator"]: which["estimate"]
        for which in small["estimates"]
        if which["measure"] == "cost"
    }
    paid = {
        which["estimator"]: which["estimate"]
        for which in usual["estimates"]
        if which["measure"] == "cost"
    }
    assert cost["dr"] < paid["dr"]


def test_a_window_that_is_too_large_is_evaluated_on_some_of_its_users(
    told: dict[str, Any], bench: Bench
) -> None:
    policy = told["train"]["policy_id"]
    arguments = ("--policy", policy, "--budget", "90", "--set", "evaluation.most_rows=900")
    found = bench.run("evaluate", *arguments)
    assert 0.3 < found["share_of_users"] < 0.7
    assert found["budgets"] == {"total": 90}
    users = {row["segment"]: row["users"] for row in found["comparisons"]}
    assert users["all users"] == pytest.approx(600 * found["share_of_users"], rel=0.05)
    assert bench.run("evaluate", *arguments)["estimates"] == found["estimates"]


def test_the_budget_told_is_the_one_asked_for_whatever_the_margin(
    told: dict[str, Any], bench: Bench
) -> None:
    """`allocate --budget` is given it, and holds the margin back itself."""
    arguments = ("--policy", told["train"]["policy_id"], "--budget", "90")
    found = bench.run("evaluate", *arguments, "--set", "allocation.cost=expected")
    assert found["budget"] == found["asked"]["total"] == 90
    assert 0 < found["budgets"]["total"] < 90
    bench.run("evaluate", "--policy", told["train"]["policy_id"])  # as other tests found it


def test_of_a_policy_the_tables_hold_one_evaluation(told: dict[str, Any], bench: Bench) -> None:
    policy = told["train"]["policy_id"]
    bench.run(
        "evaluate", "--policy", policy, "--from", "2025-01-20", "--budget", "60",
        "--set", "evaluation.estimators=[snis]",
    )  # fmt: skip
    held = table(bench, "evaluations").to_pyarrow_table().to_pylist()
    assert {row["estimator"] for row in held} == {"on-policy", "snis"}
    held += table(bench, "comparisons").to_pyarrow_table().to_pylist()
    assert len({row["created_ts"] for row in held}) == 1
    assert {str(row["first_period"]) for row in held} == {"2025-01-20"}
    assert all(dict(row["budgets"]) == {"total": 60.0} for row in held)
    bench.run("evaluate", "--policy", policy)  # as the other tests found it


def test_states_in_a_file_train_the_same_policy(
    told: dict[str, Any], bench: Bench, tmp_path: Path
) -> None:
    again = bench.run("train", "--as-of", SPLIT, "--states-in", str(tmp_path))
    assert again["policy_id"] == told["train"]["policy_id"]
    assert again["metrics"] == told["train"]["metrics"]
    assert not list(tmp_path.iterdir())


def test_a_backfill_skips_what_is_right(told: dict[str, Any], bench: Bench) -> None:
    arguments = ("--from", "2025-01-20", "--to", END, "--budget", "150")
    steps = ("--steps", "trajectories,allocate", "--policy", told["train"]["policy_id"])
    first = bench.run("backfill", *arguments, *steps)
    assert first["trajectories"]["built"] == []
    assert len(first["allocate"]["built"]) == 2
    again = bench.run("backfill", *arguments, *steps)
    assert (again["allocate"]["built"], len(again["allocate"]["skipped"])) == ([], 2)
    rows = table(bench, "allocations").to_pyarrow_table()
    spend = rows.group_by("period").aggregate([("cost", "sum")])["cost_sum"].to_pylist()
    assert len(spend) == 3
    assert max(spend) <= 200


@pytest.mark.parametrize(
    ("name", "arguments", "line"),
    [
        ("trajectories", ("--from", END, "--to", FIRST), "is not before --to"),
        ("trajectories", ("--from", "soon", "--to", END), "'soon' is not a date"),
        ("trajectories", ("--from", FIRST), "Missing option '--to'"),
        ("train", ("--algorithm", "magic"), "unknown algorithm 'magic'; allowed: "),
        ("train", ("--as-of", "2024-01-01"), "there are no trajectories"),
        ("train", ("--states-in", "/nowhere"), "'/nowhere': No such file or directory"),
        ("evaluate", ("--policy", "none"), "no policy 'none'; some that there are: cql-"),
        ("allocate", ("--period", END), "no budget: give --budget"),
        ("allocate", ("--period", END, "--budget", "-1"), "-1"),
        ("allocate", ("--period", "2025-03-01", "--budget", "9"), "the last period with events"),
        ("allocate", ("--period", FIRST, "--budget", "9"), "no policy was trained as of"),
        ("backfill", ("--from", FIRST, "--to", END, "--steps", "dance"), "'dance' is no step"),
        ("backfill", (*REBUILD, "--budget", "9", "--policy", "none"), "no policy 'none'"),
        ("backfill", REBUILD, "no budget: give --budget"),
        ("report", ("--period", "2025-02-01"), "2025-02-01"),
        ("ingest", ("nothing",), "unknown event source 'nothing'; allowed: "),
        ("simulate", ("--users", "0", "--periods", "3"), "0"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_changes_no_table(
    told: dict[str, Any], capfd: pytest.CaptureFixture[str], name: str, arguments, line: str
) -> None:
    bench = Bench(told["bench"].folder, lambda: "")
    before = versions(bench)
    capfd.readouterr()
    code, _ = bench.end(name, *arguments)
    said = [text for text in capfd.readouterr().err.splitlines() if text.startswith("bcrlsp: ")]
    assert code == 2
    assert len(said) == 1
    assert line in said[0]
    assert versions(bench) == before


def test_spark_submit_runs_a_job(tmp_path: Path) -> None:
    spark = ".".join(version("pyspark").split(".")[:2])
    command = [
        str(Path(sys.executable).with_name("spark-submit")),
        "--master", "local[1]", "--driver-memory", "1g", "--conf", "spark.ui.enabled=false",
        "--packages", f"io.delta:delta-spark_{spark}_2.13:{version('delta-spark')}",
        str(JOBS / "simulate.py"), "--users", "50", "--periods", "3",
        "--set", f"lake.root={tmp_path}/lake",
    ]  # fmt: skip
    # As in an activated environment, without what this process's own session has set.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYSPARK")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert DeltaTable(f"{tmp_path}/lake/users").to_pyarrow_table().num_rows == 50


@pytest.mark.long
def test_a_policy_of_every_price_is_asked_at_the_price_that_is_paid(bench: Bench) -> None:
    prices = ("--set", "training.largest_price=0.5")
    policy = bench.run("train", "--as-of", SPLIT, "--algorithm", "rbcq", *prices)
    assert load_policy(policy["uri"]).largest_price == 0.5
    chosen = ("--period", END, "--policy", policy["policy_id"])
    found = bench.run("allocate", *chosen, "--budget", "60")
    assert found["spend"]["total"] <= 60
    assert found["value"] <= found["bound"]
    again = bench.run("allocate", *chosen, "--budget", "60")
    assert again["run_id"] == found["run_id"]
    assert again["value"] == found["value"]
