"""Training runs in MLflow: logged once, and a model that answers as the policy does."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable

from bcrlsp.commands import tracking
from bcrlsp.policies import load_policy
from tests.commands.conftest import SPLIT, Bench


def test_a_run_is_logged_once_with_its_curve_and_its_model(
    told: dict[str, Any], bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    # A server is not started here; MLflow reads and writes its files by itself when told so.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    store = f"file://{tmp_path}/mlruns"
    before = mlflow.get_tracking_uri()
    to = ("--set", "mlflow.experiment=bonuses", "--set", f"mlflow.uri={store}")
    named = (*to, "--set", "mlflow.model=planned")
    try:
        first = bench.run("train", "--as-of", SPLIT, *to)
        # A name that comes later is given to the run that is there, once.
        bench.run("train", "--as-of", SPLIT, *named)
        again = bench.run("train", "--as-of", SPLIT, *named)
        assert first["policy_id"] == told["train"]["policy_id"]
        assert first["mlflow_run"] == again["mlflow_run"]
        client = mlflow.MlflowClient(store)
        run = client.get_run(first["mlflow_run"])
        assert run.info.status == "FINISHED"
        assert run.data.tags["bcrlsp.policy_id"] == first["policy_id"]
        assert run.data.params["updates"] == "150"
        assert run.data.metrics["final_td"] == pytest.approx(first["metrics"]["td"])
        steps = [point.step for point in client.get_metric_history(run.info.run_id, "td")]
        assert steps == [50, 100, 150]
        versions = client.search_model_versions("name = 'planned'")
        assert [version.run_id for version in versions] == [run.info.run_id]
        model = mlflow.pyfunc.load_model("models:/planned/1")
    finally:
        mlflow.set_tracking_uri(before)
    policy = load_policy(first["uri"])
    rows = DeltaTable(f"{bench.folder}/lake/trajectories").to_pyarrow_table().slice(0, 20)
    states = np.array(rows["state"].to_pylist(), np.float32)
    said = model.predict(pd.DataFrame(states, columns=list(policy.feature_names)))
    values = [name for name in said.columns if name.startswith("value_")]
    np.testing.assert_allclose(said[values].to_numpy(), policy.q_values(states))


def test_without_mlflow_it_is_said_before_anything_is_trained(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(told["bench"].folder, lambda: "")
    monkeypatch.setattr(tracking, "find_spec", lambda _: None)
    code, _ = bench.end("train", "--set", "mlflow.experiment=bonuses")
    assert code == 2
    assert "MLflow is not installed; pip install 'bcrlsp[mlflow]'" in capfd.readouterr().err


def test_a_server_that_cannot_be_used_is_one_line(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(told["bench"].folder, lambda: "")
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    wrong = ("--set", "mlflow.experiment=x", "--set", f"mlflow.uri=file://{bench.folder}/none")
    code, _ = bench.end("train", "--as-of", SPLIT, *wrong)
    said = [text for text in capfd.readouterr().err.splitlines() if text.startswith("bcrlsp: ")]
    assert code == 2
    assert len(said) == 1
    assert "is saved, and MLflow could not log it" in said[0]
