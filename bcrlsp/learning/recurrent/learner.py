"""Learns a policy with the recurrent response model: the ensemble, its plans, and the network.

1. The log becomes sequences; each member is fitted without its part of the users, corrected and
   judged on it (`fit`, `correction`), and a plan is made in it (`plan`).
2. The policy's network over the features learns the members' mean values, lowered where they
   disagree (`teach`), so that it is saved, scored and evaluated like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bcrlsp.errors import DataError
from bcrlsp.features import FeatureSet
from bcrlsp.learning.identity import policy_id
from bcrlsp.learning.planner.distil import distil
from bcrlsp.learning.planner.feature_sets import feature_set_of
from bcrlsp.learning.planner.masks import Masks
from bcrlsp.learning.recurrent import ensemble
from bcrlsp.learning.recurrent.fit import FitSettings
from bcrlsp.learning.recurrent.network import Shape
from bcrlsp.learning.recurrent.plan import PlanSettings, Start
from bcrlsp.learning.recurrent.rows import Rows, rows_of
from bcrlsp.learning.recurrent.sequences import Rules, Sequences, rules_of, sequences_of
from bcrlsp.learning.recurrent.settings import Settings
from bcrlsp.learning.recurrent.teach import Crowd, TeachSettings, distillation_set, told
from bcrlsp.learning.statistics import state_scaling
from bcrlsp.learning.task import Task, TrainedPolicy
from bcrlsp.learning.transitions import Transitions
from bcrlsp.policies import HeadSpec, Manifest, Network, NetworkSpec, Policy
from bcrlsp.policies.manifest import COST, VALUE

_FEWEST_USERS = 20


# Periods at the end of each user's record whose spend is the budget of the plan.
_RECENT = 14
# Histories that plans begin from, and places in each.
_START_PIECES, _PLACES = 4_000, 4


@dataclass(frozen=True, eq=False)
class Learned:
    """A fitted and planned ensemble. held: the sequences. rows: of known outcome; out[m]: places of
    those that member m has not seen, pieces[m]: the pieces that they are of. made: the members.
    masks: of the log. budget: money a user and period of the plan.
    """

    feature_set: FeatureSet
    rules: Rules
    shares: tuple[float, ...]
    held: Sequences
    rows: Rows
    pieces: Sequence[NDArray[np.integer]]
    out: Sequence[NDArray[np.integer]]
    made: list[ensemble.Made]
    masks: Masks
    budget: float

    @property
    def nats(self) -> NDArray[np.float64]:
        """(rows,): log-likelihood of each row by the member that has not seen its user."""
        found = np.zeros(len(self.rows))
        for places, made in zip(self.out, self.made, strict=True):
            found[places] = made.nats
        return found

    def crowd(self, pieces: NDArray[np.integer]) -> Crowd:
        """The users of some pieces at the start of each one's last period."""
        return Crowd(self.held.of(pieces), self.rules, self.feature_set, self.shares)


def learn(task: Task, options: Settings) -> Learned:
    """Fits and plans the members. Raises DataError where the log is too small for it."""
    feature_set = feature_set_of(task.feature_set, task.amounts)
    rules = rules_of(task.transitions, task.feature_names, task.amounts)
    held = sequences_of(task.transitions, rules, task.feature_names, task.amounts)
    users = np.unique(held.user)
    if len(users) < _FEWEST_USERS:
        raise DataError(
            f"the log has {len(users)} users; a recurrent response model needs at least "
            f"{_FEWEST_USERS}: simulate or ingest more"
        )
    if len(users) > options.fit_users:
        few = np.random.default_rng([task.seed, 6]).permutation(users)[: options.fit_users]
        held = held.of(np.flatnonzero(np.isin(held.user, few)))
    if task.settings.threads is not None:
        torch.set_num_threads(task.settings.threads)
    usable, allowed = task.transitions.usable, task.transitions.allowed
    budget = recent_spend(task.transitions) if options.budget is None else options.budget
    masks = Masks.of_log(None if allowed is None else allowed[usable], len(task.amounts))
    shares = tuple(float(amount) / max(task.amounts) for amount in task.amounts)
    rows = rows_of(held, shares)
    pieces = ensemble.folds(held.user, options.members, task.seed)
    out = [rows.of_pieces(part) for part in pieces]
    start = beginnings(rows, held, rules, task.seed)
    jobs = [
        ensemble.Job(
            shape=Shape(shares, rules.width, options.hidden, rules.binary),
            rules=rules,
            rows=rows,
            train=np.setdiff1d(np.arange(len(rows)), part),
            out=part,
            start=start,
            money=np.array(task.amounts) * rules.unit,
            masks=masks,
            fit=FitSettings(
                options.hidden,
                options.updates,
                options.batch,
                options.learning_rate,
                options.weight_decay,
            ),
            plan=PlanSettings(
                gamma=options.gamma,
                users=options.plan_users,
                horizon=options.plan_horizon,
                exploration=options.exploration,
                rounds=options.rounds,
                sweeps=options.sweeps,
                groups=options.groups,
                budget=budget,
                price=None if options.price is None else options.price / rules.reward,
            ),
            seed=int(np.random.default_rng([task.seed, 7, k]).integers(2**31)),
        )
        for k, part in enumerate(out)
    ]
    made = ensemble.each(jobs)
    return Learned(feature_set, rules, shares, held, rows, pieces, out, made, masks, budget)


def recent_spend(transitions: Transitions) -> float:
    """Money a user and period that the log spent of late: over each user's last 14 known periods.

    What is planned for comes after the log: a log whose users leave spends less at its end.
    """
    ends = np.repeat(transitions.users[1:], np.diff(transitions.users))
    late = transitions.usable & (ends - np.arange(len(transitions)) <= _RECENT + 1)
    return float(transitions.costs[late if late.any() else transitions.usable].mean())


def beginnings(rows: Rows, held: Sequences, rules: Rules, seed: int) -> Start:
    """States at some places of logged histories, the last ones most often.

    A piece begins with the history unknown: its first periods say what every piece says.
    """
    rng = np.random.default_rng([seed, 3])
    few = np.sort(rng.permutation(len(held))[:_START_PIECES])
    lengths = held.present[few].sum(axis=1)
    place = rng.random((len(few), _PLACES)) ** 0.5
    place = np.minimum((place * lengths[:, None]).astype(np.int64), lengths[:, None] - 1)
    flat = (few[:, None] * held.periods + place).ravel()
    return Start(rows.states[flat], rules.angles_of(rows.calendar[flat]))


def teach(task: Task, options: Settings, learned: Learned) -> TrainedPolicy:
    """The policy of a planned ensemble."""
    curve: list[dict[str, float]] = []

    def say(point: dict[str, float]) -> None:
        numbered = {**point, "iteration": float(len(curve)), "update": float(len(curve))}
        curve.append(numbered)
        task.progress(numbered)

    for made in learned.made:
        for point in made.curve:
            say(point)
    order = np.random.default_rng([task.seed, 8]).permutation(len(learned.held))
    few = np.sort(order[: options.teach_users])
    examples, price = distillation_set(
        [made.valued for made in learned.made],
        learned.crowd(few),
        learned.held.of(few),
        ensemble.combined(options.pessimism),
        task.transitions.states,
        learned.masks,
        TeachSettings(options.horizon, options.exploration),
        task.seed,
    )
    scaling = state_scaling(examples.states)
    spec = NetworkSpec(
        inputs=learned.feature_set.width,
        clip=scaling.clip,
        hidden=task.settings.hidden,
        heads=(
            HeadSpec(name=VALUE, kind="dueling", amounts=task.amounts),
            HeadSpec(name=COST, amounts=task.amounts),
        ),
    )
    cost_unit = max(1e-6, max(task.amounts) * learned.rules.unit)
    weights, points = distil(
        spec,
        examples,
        told(learned.feature_set),
        scaling=scaling,
        cost_unit=cost_unit,
        epochs=options.student_epochs,
        learning_rate=options.student_rate,
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
        price=price * learned.rules.reward,
        reward_scale=learned.rules.reward,
        cost_unit=cost_unit,
        network=spec,
    )
    fitted = {name: value for name, value in points[-1].items() if name.startswith("fit_")}
    metrics = described(learned) | {"price": price * learned.rules.reward} | fitted
    notes = scaling.notes(task.feature_names)
    return TrainedPolicy(Policy(manifest, Network(spec, weights)), curve, metrics, notes)


def described(learned: Learned) -> dict[str, float]:
    """How well the ensemble tells what users did that it had not seen, and how it was corrected."""
    slopes = np.mean([made.kappa[1:] for made in learned.made], axis=0)
    return {
        "holdout_log_likelihood": float(learned.nats.mean()),
        "effect_slope": float(slopes.mean()),
        "level_error": float(np.mean([made.curve[-1]["level_error"] for made in learned.made])),
        "members": float(len(learned.made)),
    }


def train(task: Task, options: Settings) -> TrainedPolicy:
    """Trains a policy; see the module."""
    return teach(task, options, learn(task, options))
