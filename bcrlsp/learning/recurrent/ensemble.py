"""The ensemble: one member a part of the users, which it has not seen and is judged on.

So every user has an outlook of a member that was fitted without it. Members are independent: they
run as Ray tasks where Ray is up and more than one core is there, and in turn elsewhere, with the
same result.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bcrlsp.learning.planner.masks import Masks
from bcrlsp.learning.recurrent.correction import apply, correct, seen
from bcrlsp.learning.recurrent.fit import FitSettings, fit, log_likelihoods
from bcrlsp.learning.recurrent.member import Member, member_of
from bcrlsp.learning.recurrent.network import Shape
from bcrlsp.learning.recurrent.plan import PlanSettings, Start, plan
from bcrlsp.learning.recurrent.rows import Rows
from bcrlsp.learning.recurrent.sequences import Rules
from bcrlsp.learning.recurrent.values import Valued, new_value

Floats = NDArray[np.float64]
Curve = list[dict[str, float]]


@dataclass(frozen=True, eq=False)
class Job:
    """What one member is made of; everything in it can be sent to another process.

    train: places of the rows that it learns from; out: of those that it is judged on. start: where
    the users of the plan begin. money: (a,).
    """

    shape: Shape
    rules: Rules
    rows: Rows
    train: NDArray[np.integer]
    out: NDArray[np.integer]
    start: Start
    money: Floats
    masks: Masks
    fit: FitSettings
    plan: PlanSettings
    seed: int


@dataclass(frozen=True, eq=False)
class Made:
    """A member with its plan, and how it described the users that it had not seen.

    nats: (m,) log-likelihood of the rows `out`. alpha, kappa: (a,), see `correction`. curve: of the
    fit and the plan.
    """

    valued: Valued
    nats: Floats
    alpha: Floats
    kappa: Floats
    curve: Curve


def make(job: Job) -> Made:
    """Fits, corrects and plans one member."""
    curve: Curve = []
    network = fit(job.shape, job.rows, job.train, job.out, job.fit, job.seed, curve.append)
    alpha, kappa = correct(seen(network, job.rows, job.out), job.shape.levels)
    apply(network, alpha, kappa)
    nats = log_likelihoods(network, job.rows, job.out)
    member = Member(network, job.money)
    valued = plan(member, job.rules, job.start, job.masks, job.plan, job.seed, curve.append)
    return Made(valued, nats, alpha, kappa, curve)


def each(jobs: Sequence[Job]) -> list[Made]:
    """All members, in the order of the jobs."""
    import ray

    if len(jobs) < 2 or not ray.is_initialized() or (os.cpu_count() or 1) < 2:
        return [make(job) for job in jobs]
    task = ray.remote(num_cpus=1)(_remote)
    found = ray.get([task.remote(job) for job in jobs])
    return [_received(job, part) for job, part in zip(jobs, found, strict=True)]


def _remote(job: Job) -> dict[str, Any]:
    torch.set_num_threads(1)
    made = make(job)
    return {
        "member": made.valued.member.weights(),
        "value": {k: v.detach().numpy() for k, v in made.valued.value.state_dict().items()},
        "price": made.valued.price,
        "height": made.valued.height,
        "rest": (made.nats, made.alpha, made.kappa, made.curve),
    }


def _received(job: Job, part: dict[str, Any]) -> Made:
    member = member_of(job.shape, part["member"], job.money)
    value = new_value(job.shape)
    value.load_state_dict({k: torch.tensor(v) for k, v in part["value"].items()})
    valued = Valued(member, job.rules, value, job.plan.gamma, part["price"])
    valued.height = part["height"]
    return Made(valued, *part["rest"])


def folds(users: NDArray[np.integer], members: int, seed: int) -> list[NDArray[np.integer]]:
    """Numbers of the pieces of each part of the users, whole users only; users: of each piece."""
    known = np.unique(users)
    order = np.random.default_rng([seed, 4]).permutation(len(known))
    part = np.empty(len(known), np.int64)
    part[order] = np.arange(len(known)) % members
    of_piece = part[np.searchsorted(known, users)]
    return [np.flatnonzero(of_piece == k) for k in range(members)]


Combine = Callable[[Sequence[tuple[Floats, Floats]]], tuple[Floats, Floats]]


def combined(pessimism: float) -> Combine:
    """Mean values and costs of members, a level's advantage over nothing lowered by the spread."""

    def combine(told: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
        values = np.stack([value for value, _ in told])
        spread = (values - values[..., :1]).std(axis=0)
        return values.mean(axis=0) - pessimism * spread, np.mean([cost for _, cost in told], axis=0)

    return combine
