"""No money by a policy that is not the trained one, above a budget, or by half a run."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import functions as F

from bcrlsp.decisions import period as command
from bcrlsp.tables import Lake
from tests.commands.conftest import END, FIRST, Bench
from tests.commands.test_pipeline import table, versions


@pytest.fixture
def of(told: dict[str, Any]) -> tuple[str, ...]:
    """Options of an allocation of END by the policy that all tests share."""
    return ("--period", END, "--policy", told["train"]["policy_id"])


@pytest.fixture
def quiet(told: dict[str, Any]) -> Bench:
    return Bench(told["bench"].folder, lambda: "")


def line(capfd: pytest.CaptureFixture[str]) -> str:
    """The one line that a command ended with."""
    said = [text for text in capfd.readouterr().err.splitlines() if text.startswith("bcrlsp: ")]
    assert len(said) == 1, said
    return said[0]


@contextmanager
def changed(path: Path, content: bytes) -> Iterator[None]:
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def edited(path: Path, signed: bool, **changes: Any) -> bytes:
    """policy.json with other fields; signed: under a digest of them, as a forger writes it."""
    fields = json.loads(path.read_text()) | changes
    if signed:
        fields.pop("digest")
        text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        fields["digest"] = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps(fields).encode()


@pytest.mark.parametrize("name", ["allocate", "evaluate", "backfill"])
@pytest.mark.parametrize(
    ("signed", "changes", "message"),
    [
        (False, {"amounts": [0.0, 0.01, 0.02]}, "was changed after the policy was saved"),
        (True, {"cost_unit": 0.001}, "holds another policy than the one that was trained"),
    ],
)
def test_an_edited_policy_is_one_line_at_every_use(
    told: dict[str, Any], quiet: Bench, of: tuple[str, ...], name: str, signed: bool,
    changes: dict[str, Any], message: str, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = Path(told["train"]["uri"]) / "policy.json"
    arguments = {
        "allocate": (*of, "--budget", "50"),
        "evaluate": (*of[2:], "--budget", "50"),
        "backfill": (*of[2:], "--from", "2025-01-20", "--to", END, "--budget", "50",
                     "--steps", "trajectories,allocate", "--force"),
    }[name]  # fmt: skip
    before = versions(quiet)
    with changed(path, edited(path, signed, **changes)):
        code, _ = quiet.end(name, *arguments)
    assert code == 2
    assert message in line(capfd)
    assert versions(quiet) == before


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("1e400", "--budget inf: allowed: a finite number"),
        ("inf", "--budget inf: allowed: a finite number"),
        ("nan", "limit is nan"),
        ("-0.01", "-0.01"),
        ("-inf", "-inf"),
        ("ten", "ten"),
    ],
)
def test_a_budget_that_is_no_number_is_one_line(
    quiet: Bench, of: tuple[str, ...], budget: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = versions(quiet)
    assert quiet.end("allocate", *of, "--budget", budget)[0] == 2
    assert message in line(capfd)
    assert versions(quiet) == before


def test_amounts_other_than_the_policys_are_one_line(
    quiet: Bench, of: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    before = versions(quiet)
    other = ("--set", "amounts=[0,100,200,300,400,500]")
    assert quiet.end("allocate", *of, "--budget", "50", *other)[0] == 2
    assert "and the settings give 0, 100, 200, 300, 400, 500; train again" in line(capfd)
    assert versions(quiet) == before


@contextmanager
def row(bench: Bench, policy_id: str, **changes: Any) -> Iterator[None]:
    """The policy's row in `policies` with other values, put back at the end."""
    place = f"{bench.folder}/lake/policies"
    held = DeltaTable(place).to_pyarrow_table()
    rows = [each | changes if each["policy_id"] == policy_id else each for each in held.to_pylist()]
    write_deltalake(place, pa.Table.from_pylist(rows, schema=held.schema), mode="overwrite")
    try:
        yield
    finally:
        write_deltalake(place, held, mode="overwrite")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"digest": "0" * 64}, "holds another policy than the one that was trained"),
        ({"algorithm": "bc"}, "holds a policy whose algorithm is cql, and the table policies says"),
        ({"feature_set": "other"}, "was trained on feature set other"),
        ({"uri": "/nowhere/at/all"}, "there is no policy at /nowhere/at/all"),
    ],
)
def test_a_row_and_files_that_do_not_agree_are_one_line(
    told: dict[str, Any], quiet: Bench, of: tuple[str, ...], changes: dict[str, Any], message: str,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before = versions(quiet)
    with row(quiet, told["train"]["policy_id"], **changes):
        assert quiet.end("allocate", *of, "--budget", "50")[0] == 2
    assert message in line(capfd)
    after = versions(quiet)
    assert after | {"policies": 0} == before | {"policies": 0}


@pytest.mark.long
def test_a_row_of_an_older_version_works_with_a_warning(
    told: dict[str, Any], quiet: Bench, of: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    with row(quiet, told["train"]["policy_id"], digest=None):
        assert quiet.end("allocate", *of, "--budget", "200")[0] == 0
    assert "the table policies keeps no digest of" in capfd.readouterr().err


def test_files_that_change_before_a_worker_reads_them_are_one_line(
    told: dict[str, Any], quiet: Bench, of: tuple[str, ...], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The driver has looked at them by then. A folder of its own: no worker knows it yet."""
    copy = tmp_path / told["train"]["policy_id"]
    shutil.copytree(told["train"]["uri"], copy)
    honest = command.score

    def swapped(*args: Any, **kwargs: Any) -> Any:
        scored = honest(*args, **kwargs)
        (copy / "policy.json").write_bytes(edited(copy / "policy.json", True, cost_unit=0.001))
        return scored

    monkeypatch.setattr(command, "score", swapped)
    before = versions(quiet)
    with row(quiet, told["train"]["policy_id"], uri=str(copy)):
        assert quiet.end("allocate", *of, "--budget", "50")[0] == 2
    assert "holds another policy than the one that was trained" in line(capfd)
    assert versions(quiet) | {"policies": 0} == before | {"policies": 0}


def test_the_row_keeps_the_digest_and_a_policy_that_saw_later_periods_is_told(
    told: dict[str, Any], quiet: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    policy_id, uri = told["train"]["policy_id"], Path(told["train"]["uri"])
    rows = table(quiet, "policies").to_pyarrow_table().to_pylist()
    held = {each["policy_id"]: each["digest"] for each in rows}
    assert held[policy_id] == json.loads((uri / "policy.json").read_text())["digest"]
    early = ("--period", FIRST[:-1] + "8", "--policy", policy_id, "--budget", "20")
    assert quiet.end("allocate", *early)[0] == 0
    assert "it has seen what came later" in " ".join(capfd.readouterr().err.split())


def test_nothing_is_promised_for_nothing(bench: Bench, of: tuple[str, ...]) -> None:
    found = bench.run("allocate", *of, "--budget", "0")
    assert found["spend"] == {"total": 0.0}
    rows = table(bench, "allocations").to_pyarrow_table().to_pylist()
    mine = [each for each in rows if each["run_id"] == found["run_id"]]
    assert len(mine) == found["users"]
    assert {each["level"] for each in mine} == {0}
    bench.run("allocate", *of, "--budget", "200")  # as the other tests found it


def more_money(decisions: Any) -> Any:
    """Everybody at the largest level, in a table that speaks of what the certificate paid."""
    return decisions.withColumn("level", F.lit(5))


def all_money(decisions: Any) -> Any:
    return decisions.withColumn("level", F.lit(5)).withColumn("cost", F.lit(5.0))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (more_money, "decisions cost another amount than the face value of their level"),
        (all_money, "budget 'total' has the limit 50.0 and 3000.0 would be used, above it"),
        (lambda rows: rows.where("user_id <> 'user-000003'").limit(599), "users have no decision"),
        (lambda rows: rows.union(rows.limit(1)), "there are 601 rows, and the certificate is of 6"),
    ],
)
def test_decisions_that_break_their_certificate_are_an_error_and_no_table(
    quiet: Bench, of: tuple[str, ...], monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str], spoil: Callable[[Any], Any], message: str,
) -> None:  # fmt: skip
    """A defect of the search, made up: its answer is spoiled behind its certificate."""
    honest = command.allocate

    def spoiled(*args: Any, **kwargs: Any) -> Any:
        found = honest(*args, **kwargs)
        object.__setattr__(found, "decisions", spoil(found.decisions))
        return found

    monkeypatch.setattr(command, "allocate", spoiled)
    before = versions(quiet)
    code, _ = quiet.end("allocate", *of, "--budget", "50")
    assert code == 1
    said = line(capfd)
    assert message in said
    assert "nothing was written" in said
    assert versions(quiet) == before


def test_of_two_allocations_at_once_one_is_told_and_the_tables_are_the_other_s(
    told: dict[str, Any], quiet: Bench, of: tuple[str, ...], monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The second run goes from start to end while the first one writes."""
    begun: list[int] = []
    honest = Lake.merge

    def overtaken(lake: Lake, name: str, *args: Any, **kwargs: Any) -> int:
        if not begun:
            begun.append(1)
            begun.append(quiet.end("allocate", *of, "--budget", "90")[0])
        return honest(lake, name, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "merge", overtaken)
        code, _ = quiet.end("allocate", *of, "--budget", "150")
    assert begun == [1, 0]
    assert code == 1
    assert f"another run allocated {END}T00:00 at the same time" in line(capfd)
    rows = table(quiet, "allocations").to_pyarrow_table().to_pylist()
    runs = {each["run_id"] for each in rows if each["period"].isoformat() == END}
    held = table(quiet, "certificates").to_pyarrow_table().to_pylist()
    held = [each for each in held if each["period"].isoformat() == END]
    newest = max(held, key=lambda each: each["created_ts"])
    assert runs == {newest["run_id"]}
    assert dict(newest["limits"]) == {"total": 90.0}
    assert all(dict(each["limits"]) != {"total": 150.0} for each in held)
    assert quiet.end("allocate", *of, "--budget", "200")[0] == 0  # as the other tests found it


def test_what_the_certificate_says_is_spent_is_the_table_s_sum(
    bench: Bench, of: tuple[str, ...]
) -> None:
    budgets = (
        '[{"name": "all", "limit": 90}, {"name": "top", "limit": 7, "measure": "count", '
        '"levels": [5]}, {"name": "n", "limit": 20, "groups": ["north"]}]'
    )
    found = bench.run("allocate", *of, "--set", f"allocation.budgets={budgets}")
    rows = table(bench, "allocations").to_pyarrow_table().to_pandas()
    mine = rows[rows["run_id"] == found["run_id"]]
    users = table(bench, "users").to_pyarrow_table().to_pandas().set_index("user_id")
    segments = users.loc[mine["user_id"], "segment"].to_numpy()
    assert found["spend"] == {
        "all": mine["amount"].sum(),
        "top": (mine["level"] == 5).sum(),
        "n": mine["amount"].to_numpy()[segments == "north"].sum(),
    }
    assert np.isclose(mine["value"].sum(), found["value"])
    bench.run("allocate", *of, "--budget", "200")  # as the other tests found it
