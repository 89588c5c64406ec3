"""`bcrlsp train`: a policy from the trajectories before a day."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from click import IntRange

from bcrlsp.commands import tracking
from bcrlsp.commands.base import Context, Outcome, command, option
from bcrlsp.learning import Settings
from bcrlsp.learning.disk import states_file
from bcrlsp.learning.reading import from_delta
from bcrlsp.learning.task import TrainedPolicy
from bcrlsp.learning.training import checked, train
from bcrlsp.learning.tuning import changed, check_search, search
from bcrlsp.policies import load_policy, policy_digest, save_policy
from bcrlsp.tables import as_rows, patiently
from bcrlsp.trajectories import require_grid, require_one_definition
from bcrlsp.trajectories.windows import newest_period

_SHOWN = ("total", "td", "holdout_td", "holdout_cost_error")


@command(
    "train",
    option("--algorithm", metavar="NAME", help="Default: the setting training.algorithm."),
    option(
        "--as-of",
        metavar="D",
        help="Learn only from what was known at the start of this period. Default: all there is.",
    ),
    option(
        "--tune",
        metavar="N",
        type=IntRange(1),
        help="First try N draws of training.search through Ray Tune, and train with the best.",
    ),
    option(
        "--states-in",
        metavar="FOLDER",
        help="Keep the states in a file there, for more than memory holds. Same policy.",
    ),
)
def train_policy(
    context: Context,
    algorithm: str | None = None,
    as_of: str | None = None,
    tune: int | None = None,
    states_in: str | None = None,
) -> Outcome:
    """Learn a policy from the trajectories before --as-of; prints its policy id."""
    settings = context.config.training
    if algorithm is not None:
        settings = settings.model_copy(update={"algorithm": algorithm})
    # A mistake is told before Spark starts.
    checked(settings, context.config.amounts)
    tracking.require(context.config.mlflow)
    if tune is not None:
        check_search(settings, context.config.amounts)
    with states_file(states_in) as file:
        return _trained(context, settings, as_of, tune, file)


def _trained(
    context: Context, settings: Settings, as_of: str | None, tune: int | None, file: Path | None
) -> Outcome:
    """Reads, trains and keeps. file: see `bcrlsp.learning.reading.from_delta`."""
    lake, feature_set = context.lake, context.feature_set
    version = lake.version("trajectories")
    require_grid(lake, context.calendar)
    point = _after_the_last(context) if as_of is None else context.calendar.parse(as_of)
    before = None if as_of is None else _known_before(context, point)
    require_one_definition(lake, stop=before)
    with context.stage("Reading the trajectories"):
        transitions = from_delta(
            lake.location("trajectories"),
            version,
            before=before,
            feature_names=feature_set.names,
            states_in=file,
        )
    given: dict[str, Any] = {
        "feature_names": feature_set.names,
        "feature_set": feature_set.hash,
        "amounts": context.config.amounts,
        "seed": context.config.seed,
    }
    if tune is not None:
        with context.stage(f"Trying {tune} settings of {settings.algorithm}"):
            trials = search(transitions, settings, tune, **given)
        for trial in trials:
            context.say(f"  gain {trial.gain:.4g} ± {trial.error:.2g}: {trial.changes}")
        settings = changed(settings, trials[0].changes)
    as_of_day = context.calendar.period(point)
    outcomes: list[Outcome] = []

    def keep(trained: TrainedPolicy) -> None:
        # Until its rows are written, a killed run goes on from its checkpoint.
        rows = len(transitions)
        outcomes.append(_kept(context, settings, trained, as_of_day, version, rows))

    with context.stage(f"Training {settings.algorithm} on {len(transitions):,} transitions"):
        train(
            transitions,
            settings,
            **given,
            progress=lambda point: context.say(_point(point)),
            checkpoints=context.artifact("training"),
            keep=keep,
        )
    return outcomes[0]


def _point(point: Mapping[str, float]) -> str:
    """A point of the learning curve in one line."""
    measures = (f"{name} {point[name]:.4g}" for name in _SHOWN if name in point)
    return f"  update {point['update']:,.0f}: {', '.join(measures)}"


def _after_the_last(context: Context) -> int:
    """The period after the last one with trajectories."""
    return newest_period(context.lake, context.calendar) + 1


def _known_before(context: Context, point: int) -> date:
    """Rows of periods before this day had their reward and cost when period `point` began."""
    return context.calendar.period(point - context.config.trajectories.reach)


def _kept(
    context: Context,
    settings: Settings,
    trained: TrainedPolicy,
    as_of: date,
    version: int,
    transitions: int,
) -> Outcome:
    """Saves the policy, then the rows that speak of it: a row in `policies` has its artefact."""
    policy, lake, spark = trained.policy, context.lake, context.spark
    metrics = {name: float(value) for name, value in trained.metrics.items()}
    uri = save_policy(policy, context.artifact("policies", policy.policy_id))
    # One policy, one curve: points of a run that told its progress in other steps do not stay.
    curve = as_rows(spark, "curves", _curve(policy.policy_id, trained))
    patiently(lambda: lake.replace("curves", curve, f"policy_id = '{policy.policy_id}'"))
    row = {
        "policy_id": policy.policy_id,
        "algorithm": policy.algorithm,
        "as_of": as_of,
        "uri": uri,
        "metrics": metrics,
        "source_versions": {"trajectories": version},
        "created_ts": datetime.now(UTC),
        "feature_set": policy.feature_set,
        "digest": load_policy(uri, policy_digest(policy)).digest,
    }
    patiently(lambda: lake.merge("policies", as_rows(spark, "policies", [row])))
    parameters = {**settings.model_dump(mode="json"), "seed": context.config.seed}
    run = tracking.log_run(context.config.mlflow, row, parameters, trained.curve)
    told = {key: row[key] for key in ("policy_id", "algorithm", "uri", "metrics", "feature_set")}
    return Outcome(
        [
            *trained.notes,
            *(f"{name}: {value:,.4g}" for name, value in metrics.items()),
            *([f"MLflow run: {run}"] if run else []),
            f"policy: {uri}",
            f"policy id: {policy.policy_id}",
        ],
        told
        | {"as_of": as_of.isoformat(), "transitions": transitions, "version": version}
        | {"notes": list(trained.notes)}
        | ({"mlflow_run": run} if run else {}),
    )


def _curve(policy_id: str, trained: TrainedPolicy) -> Iterator[Mapping[str, Any]]:
    for number, values in enumerate(trained.curve):
        for metric, value in values.items():
            if metric == "iteration":
                continue
            yield {
                "policy_id": policy_id,
                "iteration": number,
                "metric": metric,
                "value": float(value),
            }
