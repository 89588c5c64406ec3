"""Runs the experiment: every contender in every case with every seed, each once."""

import dataclasses
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from bcrlsp.errors import ConfigError
from bcrlsp.evaluation import ESTIMATORS
from bcrlsp.experiments.cells import Cells
from bcrlsp.experiments.contender import CONTENDERS, Recipe
from bcrlsp.experiments.ope import score_estimators
from bcrlsp.experiments.results import Played, Results
from bcrlsp.experiments.rollout import play_scenario
from bcrlsp.experiments.scenario import Scenario, ScenarioConfig
from bcrlsp.experiments.scoring import Score, Scorer
from bcrlsp.experiments.settings import Settings
from bcrlsp.experiments.studies import COMPARISON, DAILY, Case, cases
from bcrlsp.experiments.targets import Target, near_the_log, of_policy
from bcrlsp.experiments.training import LogPolicyTrainer, Logs
from bcrlsp.market.settings import Settings as MarketSettings
from bcrlsp.periods import Calendar
from bcrlsp.policies import Policy

Say = Callable[[str], None]
Keep = Callable[[Results], None]


def run(
    settings: Settings,
    market: MarketSettings,
    *,
    amounts: tuple[float, ...],
    calendar: Calendar,
    seed: int,
    folder: Path,
    say: Say,
    keep: Keep | None = None,
) -> Results:
    """Computes what is not in the folder yet, and returns all of it.

    market, amounts (a,), calendar: the simulated market. seed: the first of `settings.seeds`.
    folder: results and policies, one file each; a run that was stopped goes on from there.
    say: is told of each result as it comes. keep: is given what there is so far, with each case
    that took computing.
    Raises ConfigError for the name of a contender or estimator that there is not.
    """
    whole = list(cases(settings, market))
    for name in {name for case in whole for name in case.contenders}:
        CONTENDERS.get(name)
    for name in settings.ope.estimators:
        ESTIMATORS.get(name)
    cells = Cells(folder / "cells")
    logs = Logs(settings, amounts, calendar, folder / "policies", say)
    played: list[Played] = []
    missing = settings.seeds * sum(len(case.contenders) for case in whole)
    # The comparison with every seed comes before the sweeps: a run cut short is worth most so.
    for group in _by_weight(whole):
        for number in range(seed, seed + settings.seeds):
            scenarios = _Scenes()
            for case in group:
                config = _config(settings, amounts, calendar, case, number)
                trainer = logs.trainer(case.market, case.log_users, number)
                computed = cells.computed
                played += list(_case(case, config, cells, scenarios, trainer, say))
                if keep is not None and cells.computed > computed:
                    keep(Results(settings, played, [], missing - len(played)))
    config = _config(settings, amounts, calendar, whole[0], seed)
    targets = _targets(settings, logs, whole[0], config)
    judged = score_estimators(settings.ope, config, targets, cells, say)
    return Results(settings, played, judged)


def _by_weight(whole: list[Case]) -> tuple[list[Case], list[Case]]:
    main = [case for case in whole if case.study in (COMPARISON, DAILY)]
    return main, [case for case in whole if case not in main]


def _config(
    settings: Settings, amounts: tuple[float, ...], calendar: Calendar, case: Case, seed: int
) -> ScenarioConfig:
    return ScenarioConfig(
        market=case.market,
        amounts=amounts,
        calendar=calendar,
        users=settings.users,
        warmup=settings.warmup,
        periods=settings.periods,
        budget=case.budget,
        budget_variation=case.budget_variation,
        seed=seed,
    )


def _targets(settings: Settings, logs: Logs, case: Case, config: ScenarioConfig) -> list[Target]:
    """A target near the log, and the policy of a contender that learns."""
    targets = [near_the_log(config.market.behaviour, len(config.amounts))]
    if settings.ope.contender is not None:
        contender = CONTENDERS.get(settings.ope.contender)
        if contender.recipe is None:
            raise ConfigError(
                f"experiment.ope.contender = {settings.ope.contender!r} learns nothing; allowed: "
                "a contender that is trained, such as cql, or null"
            )
        trainer = logs.trainer(case.market, case.log_users, config.seed)
        key = trainer.key(contender.recipe, config)

        def load(recipe: Recipe = contender.recipe) -> Policy:
            scenario = Scenario(config)
            return trainer.policy(recipe, scenario, Scorer(scenario))

        targets.append(of_policy(contender.title, key, load, config))
    return targets


class _Scenes:
    """Scenes and their judges, kept while one seed's cases are played."""

    def __init__(self) -> None:
        self.get = lru_cache(maxsize=4)(self._make)

    @staticmethod
    def _make(config: ScenarioConfig) -> tuple[Scenario, Scorer]:
        scenario = Scenario(config)
        return scenario, Scorer(scenario)


def _case(
    case: Case,
    config: ScenarioConfig,
    cells: Cells,
    scenarios: _Scenes,
    trainer: LogPolicyTrainer,
    say: Say,
) -> Iterator[Played]:
    for name in case.contenders:
        contender = CONTENDERS.get(name)
        title = contender.title
        key = {"config": config.key, "contender": name}
        if contender.recipe is not None:
            key["policy"] = trainer.key(contender.recipe, config)

        def compute(name: str = name, title: str = title) -> dict[str, Any]:
            scenario, scorer = scenarios.get(config)
            player = CONTENDERS.get(name).prepare(scenario, scorer, trainer)
            score = scorer.score(play_scenario(scenario, player))
            say(
                f"{case.study} {case.at:g}, seed {config.seed}: {title}: "
                f"retention {score.retention:.4f}, spend {score.spend:.4f} of {score.budget:.4f}, "
                f"share of the gain {score.share:.2f}"
            )
            return dataclasses.asdict(score)

        held = cells.get(f"{name}-{config.seed}", key, compute)
        yield Played(case.study, case.at, name, config.seed, _score(held))


def _score(held: dict[str, Any]) -> Score:
    return Score(**{**held, "levels": tuple(held["levels"])})
