"""Contenders that learn: trained once a log, with the settings that the experiment gives them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from small_scenario import AMOUNTS, CALENDAR, config

from bcrlsp.decisions.margin import SpendRecord, planned_spend
from bcrlsp.errors import ConfigError
from bcrlsp.experiments import Settings, run
from bcrlsp.experiments.contender import CONTENDERS, Recipe
from bcrlsp.experiments.learned import budgeted
from bcrlsp.experiments.results import Results
from bcrlsp.experiments.rollout import play_scenario
from bcrlsp.experiments.scenario import Scenario
from bcrlsp.experiments.scoring import Scorer
from bcrlsp.experiments.settings import OpeSettings
from bcrlsp.market.settings import Settings as MarketSettings
from bcrlsp.policies import load_policy

SMALL = Settings(
    seeds=1,
    users=600,
    periods=3,
    warmup=10,
    log_users=400,
    log_periods=8,
    budget_variation=0.0,
    budgets=(),
    log_sizes=(300, 400),
    noises=(),
    no_send_probabilities=(),
    contenders=("cql", "greedy"),
    swept=("cql",),
    training={"cql": {"updates": 60, "iteration": 60, "hidden": [16], "threads": 1}},
    ope=OpeSettings(repetitions=2, users=300, periods=3, truth_users=2_000, estimators=("dr",)),
)


def go(folder: Path, settings: Settings = SMALL) -> tuple[Results, list[str]]:
    said: list[str] = []
    found = run(
        settings,
        MarketSettings(),
        amounts=AMOUNTS,
        calendar=CALENDAR,
        seed=5,
        folder=folder,
        say=said.append,
    )
    return found, said


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results, list[str]]:
    folder = tmp_path_factory.mktemp("experiment")
    return folder, *go(folder)


def test_each_log_is_learned_from_once(kept: tuple[Path, Results, list[str]]) -> None:
    folder, results, said = kept
    # Two sizes of the log; the greedy contender and the evaluated target share the first policy.
    assert len([line for line in said if line.startswith("training")]) == 2
    assert len(list((folder / "policies").iterdir())) == 2
    assert results.places("log size") == [300, 400]
    assert results.scores("log size", 400, "cql") == results.scores("comparison", 1.0, "cql")
    assert results.scores("log size", 300, "cql") != results.scores("comparison", 1.0, "cql")


def test_the_budget_holds_the_one_and_not_the_other(
    kept: tuple[Path, Results, list[str]],
) -> None:
    _, results, _ = kept
    (under,) = results.scores("comparison", 1.0, "cql")
    (greedy,) = results.scores("comparison", 1.0, "greedy")
    # So few periods and users tell the spend only roughly: steering has hardly begun.
    assert under.spend < greedy.spend
    assert greedy.retention <= greedy.bound + 0.02
    assert np.isclose(sum(under.levels), 1)


def test_the_trained_policy_is_evaluated_beside_the_one_near_the_log(
    kept: tuple[Path, Results, list[str]],
) -> None:
    _, results, _ = kept
    assert {judged.target for judged in results.estimators} == {
        "near the log",
        "Q + LP (the paper), by its price",
    }


def test_changed_training_is_trained_again(kept: tuple[Path, Results, list[str]]) -> None:
    folder, _, _ = kept
    changed = SMALL.model_copy(
        update={
            "training": {"cql": {**SMALL.training["cql"], "gamma": 0.5}},
            "log_sizes": (),
            "ope": OpeSettings(repetitions=0, contender=None),
        }
    )
    _, said = go(folder, changed)
    assert len([line for line in said if line.startswith("training")]) == 1


def test_a_wrong_training_setting_is_named(tmp_path: Path) -> None:
    wrong = SMALL.model_copy(update={"training": {"cql": {"gama": 0.5}}})
    with pytest.raises(ConfigError, match=r"experiment\.training\.cql\.gama"):
        go(tmp_path, wrong)


def test_a_contender_that_learns_nothing_is_no_target(tmp_path: Path) -> None:
    wrong = SMALL.model_copy(
        update={"contenders": (), "ope": OpeSettings(repetitions=1, contender="oracle")}
    )
    with pytest.raises(ConfigError, match="'oracle' learns nothing"):
        go(tmp_path, wrong.model_copy(update={"contenders": ("constant",), "log_sizes": ()}))


def test_a_margin_plans_within_each_periods_own_budget(
    kept: tuple[Path, Results, list[str]],
) -> None:
    folder, _, _ = kept
    policy = load_policy(str(next((folder / "policies").iterdir())))
    known = np.full(14, 100.0)
    # Bonuses cost one and a half times what is expected of them.
    record = SpendRecord(known, 1.5 * known, np.ones(14))
    trainer = SimpleNamespace(policy=lambda *_: policy, record=lambda _: record)
    scenario = Scenario(config(users=2_000, budget_variation=0.5))
    contender = budgeted("", Recipe("cql", "cql"), 0.99)
    player = contender.prepare(scenario, Scorer(scenario), cast(Any, trainer))
    planned = play_scenario(scenario, player).planned * 2_000
    for plan, budget in zip(planned, scenario.budgets * 2_000, strict=True):
        most = planned_spend(budget, record, AMOUNTS[-1], 0.99)
        assert most < budget / 1.5
        assert plan == pytest.approx(most, rel=0.02)
        assert plan <= most


def test_every_contender_says_what_it_is() -> None:
    titles = [CONTENDERS.get(name).title for name in CONTENDERS.names()]
    assert len(titles) == len(set(titles))
    for name in CONTENDERS.names():
        contender = CONTENDERS.get(name)
        assert contender.recipe is None or contender.knows == "events"
