"""Allocating a period once more: what stays, and what other limits would be worth."""

from typing import Any

import pytest
from deltalake import DeltaTable

from tests.commands.conftest import END, Bench
from tests.commands.test_pipeline import versions


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


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--budget", "200", "--what-if", "1,x"), "--what-if 1,x: allowed: numbers"),
        (("--budget", "200", "--what-if", "-5"), "--what-if -5: allowed: numbers of at least 0"),
        (("--budget", "0", "--what-if", "5"), "budget 'total' has limit 0"),
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
