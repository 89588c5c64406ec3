"""Training runs in MLflow, where the settings name an experiment: parameters, curve, policy."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from bcrlsp.command_settings import MlflowSettings
from bcrlsp.errors import UserError

_TAG = "bcrlsp.policy_id"
# MLflow refuses longer values of a parameter.
_LONGEST = 6000


def require(settings: MlflowSettings) -> None:
    """UserError where tracking is asked for and MLflow is not there: before anything is trained."""
    if settings.experiment is not None and find_spec("mlflow") is None:
        raise UserError(
            f"mlflow.experiment is {settings.experiment!r} and MLflow is not installed; "
            "pip install 'bcrlsp[mlflow]', or leave mlflow.experiment null"
        )


def log_run(
    settings: MlflowSettings,
    row: Mapping[str, Any],
    parameters: Mapping[str, Any],
    curve: Sequence[Mapping[str, float]],
) -> str | None:
    """Logs a training run once, and registers its policy; returns MLflow's run id.

    row: of the table policies. parameters: training settings, nested. curve: points with `update`.
    A policy that has a finished run in the experiment keeps that one. None where there is no
    experiment. UserError where the tracking server cannot be used: the policy is saved by then.
    """
    if settings.experiment is None:
        return None
    import mlflow

    try:
        return _logged(settings, settings.experiment, row, parameters, curve)
    except (mlflow.exceptions.MlflowException, OSError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"policy {row['policy_id']} is saved, and MLflow could not log it: {first}; mend the "
            "settings mlflow and train again: the same policy is logged without another one"
        ) from None


def _logged(
    settings: MlflowSettings,
    experiment: str,
    row: Mapping[str, Any],
    parameters: Mapping[str, Any],
    curve: Sequence[Mapping[str, float]],
) -> str:
    import mlflow

    if settings.uri is not None:
        mlflow.set_tracking_uri(settings.uri)
    place = mlflow.set_experiment(experiment)
    client = mlflow.MlflowClient()
    same = f"tags.`{_TAG}` = '{row['policy_id']}' AND attributes.status = 'FINISHED'"
    done = client.search_runs([place.experiment_id], same, max_results=1)
    if done:
        known = str(done[0].info.run_id)
        _register(settings, client, known)
        return known
    tags = {_TAG: row["policy_id"], "as_of": str(row["as_of"]), "uri": row["uri"]}
    with mlflow.start_run(run_name=row["policy_id"], tags=tags) as run:
        mlflow.log_params(dict(_flat(parameters)))
        for point in curve:
            values = {name: float(value) for name, value in point.items() if name != "update"}
            mlflow.log_metrics(values, step=int(point["update"]))
        mlflow.log_metrics({f"final_{name}": value for name, value in row["metrics"].items()})
        _log_model(settings, str(row["uri"]), row["digest"])
        return str(run.info.run_id)


def _register(settings: MlflowSettings, client: Any, run_id: str) -> None:
    """Registers the policy of a run that was logged before a name was given to its model."""
    import mlflow

    if settings.model is None:
        return
    held = client.search_model_versions(f"name = '{settings.model}'")
    if all(version.run_id != run_id for version in held):
        mlflow.register_model(f"runs:/{run_id}/policy", settings.model)


def _log_model(settings: MlflowSettings, uri: str, digest: str) -> None:
    import mlflow

    from bcrlsp.policies.mlflow_model import PolicyModel

    mlflow.pyfunc.log_model(
        name="policy",
        python_model=PolicyModel(digest),
        artifacts={"policy": uri},
        pip_requirements=["bcrlsp"],
        registered_model_name=settings.model,
    )


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)[:_LONGEST]
