"""The planner: a model of the response, the best plan inside it, and a network of its values.

1. The log's users are split; structures of the response are compared on users held out
   (`selection`), and the best is fitted to more users (`fit`).
2. The plan is the optimum of each hidden class, by dynamic programming, at the price of money that
   fits the budget (`dynamics`), lowered where the log leaves it uncertain (`pessimism`). A user's
   values are the mean over the belief about its class and state: QMDP (Littman, Cassandra and
   Kaelbling, ICML 1995).
3. A network over the features learns these means (`distillation_set`, `distil`), so that the
   policy is saved, scored and evaluated like any other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
import torch

from bcrlsp.errors import DataError
from bcrlsp.learning.identity import policy_id
from bcrlsp.learning.planner.baseline import feature_scores
from bcrlsp.learning.planner.distil import distil
from bcrlsp.learning.planner.distillation_set import distillation_set
from bcrlsp.learning.planner.dynamics import Values, price_of
from bcrlsp.learning.planner.feature_sets import feature_set_of, told
from bcrlsp.learning.planner.fit import Fit, climb
from bcrlsp.learning.planner.histories import Histories, histories_of
from bcrlsp.learning.planner.likelihood import user_log_likelihoods
from bcrlsp.learning.planner.masks import Masks
from bcrlsp.learning.planner.pessimism import cautious_values
from bcrlsp.learning.planner.response import Floats, Response
from bcrlsp.learning.planner.selection import Tried, search
from bcrlsp.learning.planner.settings import Settings
from bcrlsp.learning.planner.spending import spending_of
from bcrlsp.learning.planner.uncertainty import covariance, draws
from bcrlsp.learning.scales import units_of
from bcrlsp.learning.statistics import state_scaling
from bcrlsp.learning.task import Task, TrainedPolicy
from bcrlsp.policies import HeadSpec, Manifest, Network, NetworkSpec, Policy
from bcrlsp.policies.manifest import COST, VALUE

Say = Callable[[dict[str, float]], None]

_DRAWS = 12
_INFORMATION_USERS = 10_000
_FEWEST_USERS = 40


@dataclass(frozen=True, eq=False)
class Plan:
    """What was learned of the response, and what to do about it.

    response: the model. spending: see `spending_of`. price: of a unit of money.
    values: net of the price, lowered by the pessimism. error: of the advantages, (s, a, k).
    masks: of the log, which the plan keeps to.
    metrics: how well the model describes users that it has not seen.
    """

    response: Response
    spending: Floats
    price: float
    values: Values
    error: Floats
    masks: Masks
    metrics: dict[str, float]


def plan(task: Task, options: Settings) -> TrainedPolicy:
    """Trains a policy; see the module. Raises DataError where the log is not of the kind."""
    return planned(task, options)[0]


def planned(task: Task, options: Settings) -> tuple[TrainedPolicy, Plan]:
    """The policy and the plan that it was taught; see `plan`."""
    feature_set = feature_set_of(task.feature_set, task.amounts)
    rows = np.flatnonzero(task.transitions.usable)
    units = units_of(task.transitions, rows, task.amounts)
    histories = histories_of(task.transitions, task.feature_names, units.cost_limit)
    if histories.users < _FEWEST_USERS:
        raise DataError(
            f"the log has {histories.users} users with a known outcome; the planner needs at least "
            f"{_FEWEST_USERS}: simulate or ingest more"
        )
    if task.settings.threads is not None:
        torch.set_num_threads(task.settings.threads)
        most: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
        numba.set_num_threads(min(task.settings.threads, most))
    order = np.random.default_rng([task.seed, 1]).permutation(histories.users)
    curve: list[dict[str, float]] = []

    def say(point: dict[str, float]) -> None:
        numbered = {
            **point,
            "iteration": float(len(curve)),
            "update": point.get("update", float(len(curve))),
        }
        curve.append(numbered)
        task.progress(numbered)

    made = make_plan(task, options, histories, order, say)
    shown = histories.of_users(order[-options.teach_users :])
    examples = distillation_set(
        made.response,
        made.values,
        made.price,
        shown,
        task.transitions.states,
        feature_set,
        horizon=options.horizon,
        exploration=options.exploration,
        masks=made.masks,
        seed=task.seed,
    )
    scaling = state_scaling(examples.states)
    spec = NetworkSpec(
        inputs=feature_set.width,
        clip=scaling.clip,
        hidden=task.settings.hidden,
        heads=(
            HeadSpec(name=VALUE, kind="dueling", amounts=task.amounts),
            HeadSpec(name=COST, amounts=task.amounts),
        ),
    )
    cost_unit = max(task.amounts)
    weights, learned = distil(
        spec,
        examples,
        told(feature_set),
        scaling=scaling,
        cost_unit=cost_unit,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        seed=task.seed,
        progress=say,
    )
    manifest = Manifest(
        policy_id=policy_id(task, weights),
        algorithm=task.settings.algorithm,
        amounts=task.amounts,
        feature_names=task.feature_names,
        feature_set=task.feature_set,
        gamma=options.gamma,
        price=made.price,
        cost_unit=cost_unit,
        network=spec,
    )
    metrics = made.metrics | {
        name: value for name, value in learned[-1].items() if name.startswith("fit_")
    }
    metrics |= scaling.metrics()
    notes = (*scaling.notes(task.feature_names), *units.notes(task.transitions, rows))
    return TrainedPolicy(Policy(manifest, Network(spec, weights)), curve, metrics, notes), made


def make_plan(
    task: Task, options: Settings, histories: Histories, order: np.ndarray, say: Say
) -> Plan:
    """Model and plan. order: the users, shuffled; held-out ones come first."""
    held = int(np.clip(task.settings.holdout * len(order), 10, options.select_users))
    holdout, rest = histories.of_users(order[:held]), order[held:]
    found = search(
        task.amounts,
        histories.of_users(rest[: options.select_users]),
        holdout,
        seed=task.seed,
        progress=lambda tried: say(_told(tried, holdout)),
    )
    users = histories.of_users(rest[: options.fit_users])
    chosen = found.best.fit.response
    fitted = climb(chosen.structure, chosen.vector, users, options.iterations)
    response = fitted.response
    spending = spending_of(response, users)
    budget = float(users.costs.mean()) if options.budget is None else options.budget
    allowed = task.transitions.allowed
    masks = Masks.of_log(None if allowed is None else allowed[histories.rows], len(task.amounts))
    price = options.price
    if price is None:
        price = price_of(response, spending, options.gamma, budget, masks)
    few = users.of_users(np.arange(min(users.users, _INFORMATION_USERS)))
    spread = covariance(response, few, users.users)
    drawn = draws(response, spread, _DRAWS, task.seed)
    cautious, error = cautious_values(
        response, drawn, spending, options.gamma, price, options.pessimism, masks
    )
    metrics = _metrics(fitted, holdout, cautious, error, price)
    metrics |= _compared(task, response, users, holdout)
    return Plan(response, spending, price, cautious, error, masks, metrics)


def _told(tried: Tried, holdout: Histories) -> dict[str, float]:
    """A point of the curve: the structure tried and its held-out log-likelihood a period."""
    structure = tried.structure
    return {
        "holdout_log_likelihood": float(tried.scores.sum()) / len(holdout.levels),
        "classes": float(structure.classes),
        "habit_states": float(len(structure.counters[0])),
        "wear_states": float(len(structure.counters[1])),
    }


def _metrics(
    fitted: Fit, holdout: Histories, plan: Values, error: Floats, price: float
) -> dict[str, float]:
    structure = fitted.response.structure
    scores = user_log_likelihoods(fitted.response, holdout)
    gain = np.abs(plan.reward[:, 1:] - plan.reward[:, :1]).mean()
    return {
        "holdout_log_likelihood": float(scores.sum()) / len(holdout.levels),
        "classes": float(structure.classes),
        "habit_states": float(len(structure.counters[0])),
        "wear_states": float(len(structure.counters[1])),
        "price": price,
        "advantage_error": float(error[:, 1:].mean() / max(gain, 1e-12)),
        "passes": float(fitted.passes),
    }


def _compared(
    task: Task, response: Response, users: Histories, holdout: Histories
) -> dict[str, float]:
    """The model against one that assumes no structure: a network of the features and the level.

    `structure_gain`: how much likelier held-out returns are under the model, nats a period;
    `structure_gain_error`: its standard error over users. Far below 0, the structure is wrong.
    """
    free = feature_scores(task, users, holdout)
    lengths = np.diff(holdout.offsets)
    gain = user_log_likelihoods(response, holdout) - np.add.reduceat(free, holdout.offsets[:-1])
    rows = len(holdout.levels)
    return {
        "holdout_log_likelihood_features": float(free.sum()) / rows,
        "structure_gain": float(gain.sum()) / rows,
        "structure_gain_error": float((gain - gain.sum() / rows * lengths).std())
        * np.sqrt(len(gain))
        / rows,
    }
