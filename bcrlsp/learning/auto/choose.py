"""`auto`: candidates are learned, judged, and the one with the best lower bound is saved.

1. The recurrent ensemble is fitted to folds of the users; it judges, and is planned in. The
   structured planner brings its own model. Each model is a world (`worlds`).
2. A world has a say where its likelihood of users that it has not seen is not clearly below that
   of the best family (`trust`).
3. Every candidate, the constant mixes and sending nothing are played in every world at the same
   spend (`judge`). A candidate's gain is its reward less that of the best constant rule; the bound
   is the least over the trusted families of the mean gain over the family's worlds, less their
   spread and the error over users, and less what the log's own users disappointed the models by
   where they got the rule's level (`judge.surprises`).
4. The best bound above 0 wins; where none is, the best constant mix does, or nothing where no mix
   is better than that.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bcrlsp.errors import UserError
from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.auto.candidates import CANDIDATES, Bench, Offer
from bcrlsp.learning.auto.constants import (
    constant_policy,
    mean_costs,
    mix_values,
    nothing_values,
    pairs,
)
from bcrlsp.learning.auto.judge import Ground, Logged, Played, gain, play, rates, surprises
from bcrlsp.learning.auto.settings import Settings
from bcrlsp.learning.auto.tasks import task_of
from bcrlsp.learning.auto.trust import logged_of, trusted
from bcrlsp.learning.auto.worlds import RecurrentWorld, World
from bcrlsp.learning.dispatch import trained_by
from bcrlsp.learning.recurrent import Settings as RecurrentSettings
from bcrlsp.learning.recurrent.learner import Learned, learn, recent_spend
from bcrlsp.learning.task import Task, TrainedPolicy
from bcrlsp.policies import Policy, weights_digest

Floats = NDArray[np.float64]
Say = Callable[[dict[str, float]], None]

NOTHING = "nothing"


@dataclass(frozen=True, eq=False)
class Judged:
    """A rule's row of the table. gain, error: over the best constant rule, and what it is lowered
    by, in the trusted family that speaks worst of it. surprise, surprise_error: see
    `judge.surprises`, less the constant rule's. spend: money a user and period. bound: the lowest
    gain to be expected.
    """

    name: str
    policy: Policy
    gain: float
    error: float
    surprise: float
    surprise_error: float
    spend: float
    bound: float


def choose(task: Task, options: Settings) -> TrainedPolicy:
    """Trains a policy; see the module."""
    curve: list[dict[str, float]] = []

    def say(point: dict[str, float]) -> None:
        curve.append({**point, "iteration": float(len(curve)), "update": float(len(curve))})
        task.progress(curve[-1])

    budget = recent_spend(task.transitions) if options.budget is None else options.budget
    own = options.options.get("recurrent", {})
    recurrent = RecurrentSettings.model_validate({"budget": budget, **own})
    learned = learn(replace(task, progress=say), recurrent)
    offers, absent = _offers(task, options, learned, budget, say)
    worlds: list[World] = [
        RecurrentWorld(made, out) for made, out in zip(learned.made, learned.pieces, strict=True)
    ]
    for offer in offers.values():
        worlds += offer.worlds
    trust = trusted(worlds, learned)
    worlds = [world for world in worlds if world.family in trust.families]
    ground = Ground(learned, budget, options.users, options.periods, task.seed)
    constants = _constants(task, budget)
    name, policy, base = _best_constant(ground, worlds, constants)
    logged = logged_of(learned, options.rows, task.seed)
    table = [
        _judged(task, options, ground, worlds, base, policy, logged, each, offer.trained.policy)
        for each, offer in offers.items()
    ]
    best = max(table, key=lambda row: row.bound, default=None)
    winner = name
    if best is not None and best.bound > 0:
        winner, policy = best.name, best.policy
    metrics = {"budget": budget, **trust.metrics, **absent}
    for row in table:
        for what in ("gain", "error", "surprise", "surprise_error", "spend", "bound"):
            metrics[f"{row.name}_{what}"] = float(getattr(row, what))
        metrics[f"{row.name}_chosen"] = float(row.name == winner)
    metrics[f"{name}_chosen"] = float(name == winner)
    metrics["constant_reward"] = float(np.mean([each.reward.mean() for each in base]))
    if winner in offers:
        metrics |= {k: v for k, v in offers[winner].trained.metrics.items() if k not in metrics}
    return TrainedPolicy(_named(policy, winner), curve, metrics)


def _named(policy: Policy, winner: str) -> Policy:
    """The policy under the name of `auto`, which says whose it is."""
    digest = weights_digest(policy.network.weights)[:12]
    manifest = policy.manifest.model_copy(
        update={"algorithm": "auto", "policy_id": f"auto-{winner}-{digest}"}
    )
    return Policy(manifest, policy.network)


def _offers(
    task: Task, options: Settings, learned: Learned, budget: float, say: Say
) -> tuple[dict[str, Offer], dict[str, float]]:
    """What the candidates bring, and which of them the log is not fit for."""
    found: dict[str, Offer] = {}
    absent: dict[str, float] = {}
    quiet = replace(task, progress=lambda point: None)
    for name in options.candidates:
        own = options.options.get(name, {})
        try:
            if name in CANDIDATES.names():
                found[name] = CANDIDATES.get(name).make(Bench(quiet, learned, budget, own))
            else:
                found[name] = Offer(trained_by(ALGORITHMS.get(name), task_of(quiet, name, own)))
        except UserError:
            # A learner that the log is not fit for is no candidate; the table says so.
            absent[f"{name}_absent"] = 1.0
        say({"candidates": float(len(found))})
    return found, absent


def _constants(task: Task, budget: float) -> dict[str, Policy]:
    """Sending nothing, and the mixes that use up the budget."""
    rows = task.transitions.usable
    costs = mean_costs(task.transitions.levels[rows], task.transitions.costs[rows], task.amounts)
    found = {NOTHING: constant_policy(task, NOTHING, nothing_values(costs), costs)}
    if budget > 0:
        for low, high in pairs(costs, budget):
            name = f"mix_{low}_{high}"
            # The worth of money orders nothing here; it is of the size of an ordinary price.
            gain_of_money = 0.1 / max(task.amounts)
            found[name] = constant_policy(
                task, name, mix_values(costs, low, high, gain_of_money), costs
            )
    return found


def _best_constant(
    ground: Ground, worlds: list[World], constants: dict[str, Policy]
) -> tuple[str, Policy, list[Played]]:
    """The constant rule with the highest reward, the mean over families; nothing wins ties."""
    played = {
        name: [play(ground, world, policy) for world in worlds]
        for name, policy in constants.items()
    }

    def reward(name: str) -> float:
        by_family: dict[str, list[float]] = {}
        for world, each in zip(worlds, played[name], strict=True):
            by_family.setdefault(world.family, []).append(float(each.reward.mean()))
        return float(np.mean([np.mean(values) for values in by_family.values()]))

    best = max(played, key=lambda name: (reward(name), name == NOTHING))
    return best, constants[best], played[best]


def _judged(
    task: Task,
    options: Settings,
    ground: Ground,
    worlds: list[World],
    base: list[Played],
    constant: Policy,
    logged: Logged,
    name: str,
    policy: Policy,
) -> Judged:
    played = [play(ground, world, policy) for world in worlds]
    apart = [gain(mine, other) for mine, other in zip(played, base, strict=True)]
    families = [world.family for world in worlds]
    lowest: tuple[float, float] | None = None
    for family in dict.fromkeys(families):
        mine = [each for each, of in zip(apart, families, strict=True) if of == family]
        mean, spread = rates([each for each, _ in mine])
        error = float(np.hypot(spread, np.mean([error for _, error in mine]) / len(mine) ** 0.5))
        if lowest is None or mean - options.errors * error < lowest[0] - options.errors * lowest[1]:
            lowest = mean, error
    value, error = lowest or (-np.inf, 0.0)
    off, off_error = 0.0, 0.0
    if logged.known:
        states = task.transitions.states
        found, errors = surprises(logged, policy, states, ground.budget)
        usual, usual_errors = surprises(logged, constant, states, ground.budget)
        apart_by, error_by = found - usual, np.hypot(errors, usual_errors)
        worst = int(np.argmin(apart_by + options.errors * error_by))
        if np.isfinite(error_by[worst]):
            off, off_error = float(apart_by[worst]), float(error_by[worst])
    bound = value - options.errors * error + min(0.0, off + options.errors * off_error)
    spend = float(np.mean([each.spend for each in played]))
    return Judged(name, policy, value, error, off, off_error, spend, bound)
