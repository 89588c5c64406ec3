"""The target policies for which off-policy evaluation is judged."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from bcrlsp.allocation import Budget
from bcrlsp.decisions.in_memory import Scores, solved
from bcrlsp.evaluation import priced, smoothed
from bcrlsp.experiments.scenario import Scenario, ScenarioConfig
from bcrlsp.market.behaviour import Behaviour
from bcrlsp.market.chain import Floats
from bcrlsp.market.play import History
from bcrlsp.market.settings import BehaviourSettings
from bcrlsp.policies import Policy

# (history so far, states (n, d)) -> probabilities of the levels, array (n, a).
Chance = Callable[[History, np.ndarray], Floats]

_EPSILON = 0.1
_PRICED_USERS = 4_000


@dataclass(frozen=True)
class Target:
    """A policy that depends on the history alone.

    name: in tables. key: what it depends on, as JSON types. chance: its probabilities.
    """

    name: str
    key: dict[str, Any]
    chance: Chance


def near_the_log(behaviour: BehaviourSettings, levels: int) -> Target:
    """The logging policy's own rule, sending more often and more strictly by rule."""
    changed = behaviour.model_copy(
        update={
            "no_send_probability": behaviour.no_send_probability * 0.7,
            "noise": behaviour.noise * 0.8,
        }
    )
    rule = Behaviour(changed, levels)
    return Target(
        "near the log",
        changed.model_dump(mode="json"),
        lambda history, states: rule.propensities(history.levels, history.returned),
    )


def of_policy(
    title: str, key: dict[str, Any], load: Callable[[], Policy], config: ScenarioConfig
) -> Target:
    """A trained policy under the config's budget: its price rule, a little softened.

    The price is that of the budget program of users after the warm-up. A tenth of the target is
    uniform, since weights of a target without any chance are of no use.
    load: the policy, read or trained when it is needed first.
    """

    @cache
    def rule() -> tuple[Policy, float]:
        policy = load()
        scenario = Scenario(replace(config, users=_PRICED_USERS))
        states = scenario.feature_set.features(scenario.carry, config.warmup)
        value, cost = policy.evaluate(states)
        limit = float(scenario.budgets[0]) * _PRICED_USERS
        found = solved(Scores(value, cost), [Budget("period", limit)])
        return policy, found.certificate.prices["period"]

    def chance(history: History, states: np.ndarray) -> Floats:
        policy, price = rule()
        value, cost = policy.evaluate(states)
        return smoothed(priced(value, cost, price), _EPSILON)

    whole = {"policy": key, "config": config.key, "epsilon": _EPSILON, "users": _PRICED_USERS}
    return Target(f"{title}, by its price", whole, chance)
