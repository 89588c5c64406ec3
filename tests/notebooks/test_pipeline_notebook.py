"""The notebook runs as a plain script, through the commands, and leaves the pipeline's tables."""

import runpy
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "pipeline.py"
USERS, PERIODS = 300, 14


def rows(folder: Path, table: str) -> list[dict]:
    return DeltaTable(folder / "lake" / table).to_pyarrow_table().to_pylist()


def test_it_is_in_databricks_source_format() -> None:
    head, *cells = NOTEBOOK.read_text(encoding="utf-8").split("# COMMAND ----------\n")
    assert head.startswith("# Databricks notebook source\n# MAGIC %md\n")
    for cell in cells:
        lines = [line for line in cell.splitlines() if line]
        magic = [line.startswith("# MAGIC") for line in lines]
        assert all(magic) or not any(magic), cell
        if magic[0]:
            assert lines[0] == "# MAGIC %md"


def test_it_runs_and_leaves_the_tables(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    for name, value in {
        "users": USERS,
        "periods": PERIODS,
        "held_out": 4,
        "updates": 50,
        "folder": tmp_path,
    }.items():
        monkeypatch.setenv(f"BCRLSP_{name.upper()}", str(value))
    monkeypatch.chdir(tmp_path)
    left = runpy.run_path(str(NOTEBOOK))

    trajectories = rows(tmp_path, "trajectories")
    assert len({row["user_id"] for row in trajectories}) == USERS
    assert len({row["period"] for row in trajectories}) == PERIODS
    (policy,) = rows(tmp_path, "policies")
    assert policy["policy_id"] == left["policy"]
    estimators = {row["estimator"] for row in rows(tmp_path, "evaluations")}
    assert estimators >= {"on-policy", "dr"}
    allocations = rows(tmp_path, "allocations")
    assert {row["policy_id"] for row in allocations} == {left["policy"]}
    assert len(allocations) == USERS
    assert {row["period_start"] for row in allocations} == {datetime(2025, 1, 20, tzinfo=UTC)}
    (certificate,) = rows(tmp_path, "certificates")
    spent = sum(row["cost"] for row in allocations)
    assert spent <= dict(certificate["limits"])["total"] == left["budget"]
    assert dict(certificate["spend"])["total"] == pytest.approx(spent)
    assert Path(left["page"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    shown = capsys.readouterr().out
    assert "mean_propensity" in shown
    assert "policy id: " in shown


def test_widgets_come_first_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    class Widgets:
        def __init__(self) -> None:
            self.held: dict[str, str] = {}

        def text(self, name: str, default: str, label: str) -> None:
            self.held[name] = default

        def get(self, name: str) -> str:
            return "7" if name == "users" else self.held[name]

    class DbUtils:
        widgets = Widgets()

    monkeypatch.setenv("BCRLSP_USERS", "9")
    source = NOTEBOOK.read_text(encoding="utf-8").split("# COMMAND ----------\n")
    cell = {"dbutils": DbUtils()}
    exec(compile(source[1], str(NOTEBOOK), "exec"), cell)
    assert (cell["users"], cell["periods"], cell["catalog"]) == ("7", 30, "")
