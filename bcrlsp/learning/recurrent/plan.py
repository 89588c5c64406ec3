r"""The plan of one member: what its users are worth from now on, and the price of money.

Fitted value iteration (Gordon 1995; Ernst, Geurts and Wehenkel 2005) with targets that have no
sampling noise: given level and outcome the next state is one step of the recurrence, so that

.. math:: Q(h, a) = \sum_o P(o \mid h, a)\,[R_o(h, a) - \lambda C_o(h, a) + \gamma V(h_o)],
          \quad V(h) = E_M \max_{a \in M} Q(h, a)

is an exact expectation. Only V is a network; differences between levels are looked up one step
ahead. States are those of the log and those that simulated users meet under the plan itself, with
some random levels and prices of all sizes, so that states beside its path are known, too. The price
lambda moves until what the greedy levels are expected to cost on these states is the budget.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bcrlsp.learning.planner.masks import Masks
from bcrlsp.learning.recurrent.member import Member, Outlook, moved, successors
from bcrlsp.learning.recurrent.sequences import Rules
from bcrlsp.learning.recurrent.values import Valued, new_value

Floats = NDArray[np.float64]

_BATCH = 2048
_STEPS = 60
_RATE, _LAST_RATE = 3e-3, 3e-4
_ROWS = 32_768
# How far the prices of simulated users stray from the plan's (log-normal).
_STRAY = 0.5
# Share of the way that the price goes to where the greedy spend is the budget.
_STEP = 0.5
_BISECTIONS = 40


@dataclass(frozen=True)
class PlanSettings:
    """gamma: discount a period. users: simulated at a time. horizon: periods that each is followed.
    exploration: share of random levels. rounds: times that users are simulated anew. sweeps:
    iterations of the values in each. groups: states that they are fitted behind. budget:
    money a user and period; price: None, or in its place.
    """

    gamma: float
    users: int
    horizon: int
    exploration: float
    rounds: int
    sweeps: int
    groups: int
    budget: float
    price: float | None


@dataclass(frozen=True, eq=False)
class Start:
    """Where simulated users begin: states (n, WIDTH) and angles (n, pairs) of logged histories."""

    states: NDArray[np.float32]
    angles: Floats


def plan(
    member: Member,
    rules: Rules,
    start: Start,
    masks: Masks,
    settings: PlanSettings,
    seed: int,
    progress: Callable[[dict[str, float]], None] = lambda point: None,
) -> Valued:
    """The plan of a member from these beginnings; see the module."""
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = new_value(member.shape)
    price = settings.price or 0.0
    held = Valued(member, rules, network, settings.gamma, price)
    learner = _Learner(network, settings.rounds * settings.sweeps * _STEPS)
    for turn in range(settings.rounds):
        met = simulate(held, start, masks, settings, rng, planned=turn > 0)
        sweep = _Sweep(held, met, masks, settings.groups, rng)
        for step in range(settings.sweeps):
            values = sweep.values()
            if settings.price is None:
                fitting = sweep.fitting_price(values, settings.budget)
                # The first values know nothing of the future: their price is no beginning.
                share = 1.0 if turn == 0 and step == 0 else _STEP
                held.price += share * (fitting - held.price)
            targets = sweep.targets()
            left = learner.fit(sweep.inputs, targets, rng)
            # Where all values rise by d, all targets rise by gamma d: the height that agrees.
            rise = float(targets.mean()) - held.height
            held.height += rise / (1 - held.gamma)
            progress(
                {
                    "iteration": float(turn * settings.sweeps + step),
                    "price": held.price,
                    "spend": sweep.spend(values, held.price),
                    "value_error": float(left[0]),
                    "outcome_error": float(left[1]),
                    "level_error": float(left[2]),
                }
            )
    return held


def simulate(
    held: Valued,
    start: Start,
    masks: Masks,
    settings: PlanSettings,
    rng: np.random.Generator,
    *,
    planned: bool,
) -> Start:
    """States that users meet who begin as some of `start` do: (users * (horizon + 1), WIDTH).

    planned: whether the plan decides, at prices of all sizes; else levels are random.
    """
    member, levels = held.member, held.member.shape.levels
    picked = rng.integers(len(start.states), size=settings.users)
    states, angles = start.states[picked], start.angles[picked]
    stray = np.exp(_STRAY * rng.standard_normal(settings.users))
    every = np.arange(settings.users)
    seen_states, seen_angles = [states], [angles]
    for _ in range(settings.horizon):
        outlook = member.outlook(states, held.rules.waves(angles))
        may = masks.draw(settings.users, rng)
        scores = rng.random((settings.users, levels))
        if planned:
            free = rng.random(settings.users) < settings.exploration
            worth = held.worth(outlook, held.ahead(states, angles))
            net = worth - (held.price * stray)[:, None] * outlook.costs
            scores = np.where(free[:, None], scores, net)
        else:
            # Half of the random levels are pauses.
            scores[:, 0] += 0.5 * (rng.random(settings.users) < 0.5)
        chosen = np.where(may, scores, -np.inf).argmax(axis=1)
        back = rng.random(settings.users) < outlook.chance[every, chosen]
        states = moved(states, member.shape.shares, chosen, back)
        angles = angles + held.rules.turn
        seen_states.append(states)
        seen_angles.append(angles)
    return Start(np.concatenate(seen_states), np.concatenate(seen_angles))


class _Sweep:
    """The states of a round: users under the plan, and what may follow each of them.

    All levels and outcomes of a user lead to siblings, (g, a, 2) states a hair apart. Values are
    fitted on them, so that the differences between siblings, which decide between levels, are seen.
    """

    def __init__(
        self, held: Valued, met: Start, masks: Masks, groups: int, rng: np.random.Generator
    ) -> None:
        self._held = held
        picked = np.sort(rng.permutation(len(met.states))[:groups])
        states, angles = met.states[picked], met.angles[picked]
        self._users = _Group.of(held, states, angles, masks, rng)
        after = successors(states, held.member.shape.shares)
        self._shape = after.shape[:3]
        ahead = np.repeat(angles + held.rules.turn, self._shape[1] * 2, axis=0)
        self._siblings = _Group.of(held, after.reshape(-1, after.shape[-1]), ahead, masks, rng)
        self.inputs = self._users.after.reshape(*self._shape, -1)

    def targets(self) -> Tensor:
        """(g, a, 2) net values of the best allowed level of each sibling."""
        net = self._siblings.net(self._siblings.values(self._held), self._held.price)
        return torch.from_numpy(net.max(axis=1).reshape(self._shape))

    def values(self) -> NDArray[np.float32]:
        """(g, a): what levels are worth to the users by the values of now, no price taken off."""
        return self._users.values(self._held)

    def spend(self, values: NDArray[np.float32], price: float) -> float:
        """Money a user that the greedy levels are expected to cost."""
        chosen = self._users.net(values, price).argmax(axis=1)
        return float(self._users.outlook.costs[np.arange(len(chosen)), chosen].mean())

    def fitting_price(self, values: NDArray[np.float32], budget: float) -> float:
        """The least price at which the greedy levels cost the budget at most."""
        if self.spend(values, 0.0) <= budget:
            return 0.0
        low, high = 0.0, 1.0
        while self.spend(values, high) > budget and high < 1e6:
            low, high = high, 4 * high
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.spend(values, middle) > budget else (low, middle)
            if high - low < 1e-4 * high:
                break
        return high


@dataclass(frozen=True, eq=False)
class _Group:
    """Some states with their outlook, which does not change as the values do.

    after: (n a 2, i), what networks read of the successors. may: bool (n, a), allowed levels.
    """

    outlook: Outlook
    after: Tensor
    may: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        held: Valued,
        states: NDArray[np.float32],
        angles: Floats,
        masks: Masks,
        rng: np.random.Generator,
    ) -> "_Group":
        outlook = held.member.outlook(states, held.rules.waves(angles))
        after = held.ahead(states, angles).flatten(0, 2)
        return cls(outlook, after, np.array(masks.draw(len(states), rng)))

    @torch.no_grad()
    def values(self, held: Valued) -> NDArray[np.float32]:
        shape = self.outlook.reward.shape
        told = [
            held.value(self.after[start : start + _ROWS])[:, 0]
            for start in range(0, len(self.after), _ROWS)
        ]
        following = torch.cat(told).numpy().reshape(shape) + np.float32(held.height)
        return self.outlook.mean(self.outlook.reward + np.float32(held.gamma) * following)

    def net(self, values: NDArray[np.float32], price: float) -> NDArray[np.float32]:
        return np.where(self.may, values - np.float32(price) * self.outlook.costs, -np.inf)


class _Learner:
    """Adam on the squared errors of three parts of the values, each in units of its own spread.

    The parts: what a sibling's group has in common, what an outcome adds, what a level adds. The
    last is the smallest by far and decides between levels. The common height is left out.
    """

    def __init__(self, network: nn.Sequential, steps: int) -> None:
        self._network = network
        self._adam = torch.optim.Adam(network.parameters(), _RATE)
        self._decay = torch.optim.lr_scheduler.ExponentialLR(
            self._adam, (_LAST_RATE / _RATE) ** (1 / max(steps, 1))
        )

    def fit(self, inputs: Tensor, targets: Tensor, rng: np.random.Generator) -> Tensor:
        """Some steps; returns the share of each part's variance that was left, (3,).

        inputs: (g, a, 2, i). targets: (g, a, 2).
        """
        parts = _parts(targets - targets.mean())
        spreads = [max(float(part.square().mean()), 1e-12) for part in parts]
        size = max(1, min(_BATCH // (targets.shape[1] * 2), len(targets)))
        left = torch.zeros(len(parts))
        for _ in range(_STEPS):
            rows = torch.from_numpy(rng.integers(len(targets), size=size))
            told = _parts(self._network(inputs[rows])[..., 0])
            errors = torch.stack(
                [
                    (mine - part[rows]).square().mean() / spread
                    for mine, part, spread in zip(told, parts, spreads, strict=True)
                ]
            )
            self._adam.zero_grad(set_to_none=True)
            errors.sum().backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
            self._adam.step()
            self._decay.step()
            left += errors.detach() / _STEPS
        return left


def _parts(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the group, the outcome and the level bring to values (g, a, 2); they add up to them."""
    by_outcome = values.mean(dim=1, keepdim=True)
    common = by_outcome.mean(dim=2, keepdim=True)
    return common, by_outcome - common, values - by_outcome
