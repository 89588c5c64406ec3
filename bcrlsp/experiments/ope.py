"""Off-policy evaluation judged against the simulated truth.

A log is drawn anew many times; every estimator says from it what a target policy would have
retained and cost, and with what interval. The truth is the target itself, played by many users from
the same start. Reported are the error, how often the interval holds the truth, and how often the
estimator gave no number.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from bcrlsp.evaluation import ESTIMATORS, estimate
from bcrlsp.experiments.cells import Cells
from bcrlsp.experiments.rollout import Memory, since
from bcrlsp.experiments.scenario import TARGET, Scenario, ScenarioConfig, stream
from bcrlsp.experiments.settings import OpeSettings
from bcrlsp.experiments.targets import Chance, Target
from bcrlsp.market.behaviour import Behaviour
from bcrlsp.market.chain import Floats, Ints
from bcrlsp.market.play import History, play

MEASURES = ("retention", "cost")
# Repetitions have seeds far from those of the comparison.
_APART = 1_000_000


@dataclass(frozen=True)
class Judgement:
    """How one estimator did on one target and measure.

    repetitions: logs. answered: those for which it gave a number; the rest are over these.
    truth: the target's value. bias, rmse: mean error and root mean square error.
    coverage: share of intervals that hold the truth. width: mean width of the intervals.
    """

    target: str
    estimator: str
    measure: str
    repetitions: int
    answered: int
    truth: float
    bias: float
    rmse: float
    coverage: float
    width: float


def score_estimators(
    ope: OpeSettings,
    config: ScenarioConfig,
    targets: Sequence[Target],
    cells: Cells,
    say: Callable[[str], None],
) -> list[Judgement]:
    """One judgement an estimator, target and measure.

    config: the market of the logs; its users, periods and seed are those of `ope` instead.
    """
    names = list(ope.estimators or ESTIMATORS.names())
    judgements = []
    for target in targets if ope.repetitions else ():
        played = replace(
            config, users=ope.truth_users, periods=ope.periods, seed=config.seed + _APART
        )
        about = {"target": target.key, "gamma": ope.gamma}
        true = cells.get(
            "truth",
            {**about, "config": played.key},
            partial(_truth, played, target.chance, ope.gamma),
        )
        answers = []
        for repetition in range(1, ope.repetitions + 1):
            here = replace(played, users=ope.users, seed=played.seed + repetition)
            answers.append(
                cells.get(
                    f"estimates-{repetition}",
                    {**about, "config": here.key, "estimators": names},
                    partial(_answers, here, target.chance, ope.gamma, names),
                )
            )
            say(f"off-policy evaluation of {target.name}: log {repetition} of {ope.repetitions}")
        for name in names:
            for measure in MEASURES:
                rows = [row[f"{name} {measure}"] for row in answers]
                judgements.append(_judgement(target.name, name, measure, rows, true[measure]))
    return judgements


def _truth(config: ScenarioConfig, target: Chance, gamma: float) -> dict[str, Any]:
    """What the target reaches, a user: Σ_t gamma^t of returns and of money."""
    history = _played(Scenario(config), target, lambda *_: None)
    discount = gamma ** np.arange(config.periods)
    return {
        "retention": float(discount @ history.retention),
        "cost": float(discount @ history.spend),
    }


def _answers(
    config: ScenarioConfig, target: Chance, gamma: float, estimators: Sequence[str]
) -> dict[str, Any]:
    """Every estimator's answer on one log: "estimator measure" -> [value, low, high], or None."""
    table, chances = _log(Scenario(config), target)
    answers = {}
    for name in estimators:
        for measure in MEASURES:
            found = estimate(table, chances, name, measure, gamma=gamma, seed=config.seed)
            numbers = [found.value, found.low, found.high]
            answers[f"{name} {measure}"] = None if np.isnan(numbers).any() else numbers
    return answers


def _log(scenario: Scenario, target: Chance) -> tuple[pa.Table, Floats]:
    """A log of the logging policy as a table of trajectories, and the target's probabilities."""
    rows: list[tuple[np.ndarray, Floats, Floats]] = []
    rule = Behaviour(scenario.config.market.behaviour, scenario.chain.levels)

    def logging(history: History, states: np.ndarray) -> Floats:
        return rule.propensities(history.levels, history.returned)

    def keep(history: History, states: np.ndarray, chance: Floats) -> None:
        rows.append((states, chance, target(history, states)))

    history = _played(scenario, logging, keep)
    periods, users = history.levels.shape
    number = np.repeat(np.arange(periods), users)
    levels = history.levels.ravel()
    chance = np.concatenate([row[1] for row in rows])
    states = np.concatenate([row[0] for row in rows])
    calendar, first = scenario.config.calendar, scenario.config.warmup
    starts = [calendar.start(first + step) for step in number.tolist()]
    table = pa.table(
        {
            "user_id": pa.array([f"u{user}" for user in range(users)] * periods),
            "period": pa.array([calendar.period(first + step) for step in number.tolist()]),
            "period_start": pa.array(starts, pa.timestamp("us", "UTC")),
            "step": pa.array(number.astype(np.int32)),
            "state": pa.FixedSizeListArray.from_arrays(states.ravel(), states.shape[1]).cast(
                pa.list_(pa.float32())
            ),
            "level": pa.array(levels.astype(np.int32)),
            "reward": pa.array(history.returned.ravel().astype(np.float64)),
            "cost": pa.array(history.cost.ravel()),
            "propensity": pa.array(chance[np.arange(len(levels)), levels]),
            "terminal": pa.array(np.zeros(len(levels), dtype=bool)),
        }
    )
    return table, np.concatenate([row[2] for row in rows])


def _played(
    scenario: Scenario, policy: Chance, keep: Callable[[History, np.ndarray, Floats], None]
) -> History:
    """The periods of a scenario under a policy that draws its levels."""
    config, memory = scenario.config, Memory(scenario)
    rng = stream(config.seed, TARGET)

    def decide(history: History) -> Ints:
        states = memory.states(history)
        chance = policy(history, states)
        keep(history, states, chance)
        edges = np.cumsum(chance, axis=1)
        drawn = (rng.random((config.users, 1)) * edges[:, -1:] >= edges).sum(axis=1)
        return np.asarray(np.minimum(drawn, chance.shape[1] - 1))

    return since(play(scenario.market(), decide, config.periods, past=scenario.past), config.warmup)


def _judgement(
    target: str, estimator: str, measure: str, answers: list[list[float] | None], truth: float
) -> Judgement:
    given = np.array([answer for answer in answers if answer is not None]).reshape(-1, 3)
    value, low, high = given.T
    nothing = len(given) == 0
    error = value - truth
    return Judgement(
        target=target,
        estimator=estimator,
        measure=measure,
        repetitions=len(answers),
        answered=len(given),
        truth=truth,
        bias=float("nan") if nothing else float(error.mean()),
        rmse=float("nan") if nothing else float(np.sqrt((error**2).mean())),
        coverage=float("nan") if nothing else float(((low <= truth) & (truth <= high)).mean()),
        width=float("nan") if nothing else float((high - low).mean()),
    )
