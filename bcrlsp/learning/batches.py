"""Minibatches by index from transitions in memory.

A batch is a function of (seed, update) alone, whatever the number of learners that share it, so
that a resumed run draws the batches that the killed one would have drawn.
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bcrlsp.learning.scales import Units
from bcrlsp.learning.statistics import StateScaling, state_scaling
from bcrlsp.learning.transitions import Transitions


@dataclass(frozen=True)
class Batch:
    """b transitions.

    states, next_states: (b, d) float32, not standardised; where prices are drawn, (b, d + 1), the
        last column a price, the same in both. levels: (b,) int64.
    rewards: (b,) float32, discounted sum of n rewards, each less price x cost, in the values' unit.
    discounts: (b,) float32, gamma^n, 0 where nothing follows: the weight of the next value.
    costs: (b,) float32, of the level sent, in the costs' unit.
    spent: (b,) float32, discounted sum of n costs, in the same unit.
    propensities: (b,) float32, NaN where unknown.
    allowed, next_allowed: (b, a) bool or None, levels that may be sent.
    """

    states: Tensor
    levels: Tensor
    rewards: Tensor
    discounts: Tensor
    next_states: Tensor
    costs: Tensor
    spent: Tensor
    propensities: Tensor
    allowed: Tensor | None = None
    next_allowed: Tensor | None = None


class Sampler:
    """Draws batches with replacement from some rows of the transitions.

    rows: (m,) indices of usable rows.
    batch_size: transitions a batch, over all learners.
    seed: with the update's number, decides the batch.
    gamma, n_step, price: see `Batch`. units: of rewards and costs, and where they are cut.
    largest_price: above 0, each row's price is drawn evenly from 0 to this.
    part, parts: this learner's place among those that share each batch.
    """

    def __init__(
        self,
        transitions: Transitions,
        rows: NDArray[np.integer],
        *,
        batch_size: int,
        seed: int,
        gamma: float,
        n_step: int = 1,
        price: float = 0.0,
        largest_price: float = 0.0,
        units: Units | None = None,
        part: int = 0,
        parts: int = 1,
    ) -> None:
        self._rows = rows
        self._size = batch_size
        self._seed = seed
        self._gamma = gamma
        self._n_step = n_step
        self._price = price
        self._largest_price = largest_price
        self._units = units or Units()
        self._part, self._parts = part, parts
        self._held = transitions
        self._usable = transitions.usable
        with warnings.catch_warnings():
            # Ray's object store hands out arrays that cannot be written; nothing here writes.
            warnings.simplefilter("ignore", UserWarning)
            self._states = torch.from_numpy(transitions.states)

    def batch(self, update: int) -> Batch:
        """The batch of an update, this learner's part of it."""
        draw = np.random.Generator(np.random.Philox(key=np.array([self._seed, update], np.uint64)))
        mine = slice(self._part, None, self._parts)
        picked = draw.integers(len(self._rows), size=self._size)[mine]
        prices = draw.random(self._size)[mine] if self._largest_price else None
        return self.at(self._rows[picked], prices)

    def at(self, rows: NDArray[np.integer], prices: NDArray[np.float64] | None = None) -> Batch:
        """The transitions that start at some rows.

        prices: (b,) shares of the largest price, where prices are drawn.
        """
        held = self._held
        rows = rows.astype(np.int64)
        price = self._price if prices is None else prices * self._largest_price
        units = self._units
        costs = spent = self._costs(rows)
        rewards = self._rewards(rows) - price * costs
        discounts = np.full(len(rows), self._gamma, np.float32)
        last = rows.copy()
        for _ in range(1, self._n_step):
            # On where the next step's own reward is known; a truncated row's is not.
            ahead = np.minimum(last + 1, len(held) - 1)
            on = held.has_next[last] & self._usable[ahead]
            last[on] += 1
            more = self._costs(last)
            gained = self._rewards(last) - price * more
            spent = spent + np.where(on, discounts * more, 0.0)
            rewards = rewards + np.where(on, discounts * gained, 0.0)
            discounts = np.where(on, discounts * self._gamma, discounts)
        follows = held.has_next[last]
        if units.base:
            rewards = rewards - units.base * (1.0 - np.where(follows, discounts, 0.0))
        ahead = last + follows
        allowed = next_allowed = None
        if held.allowed is not None:
            allowed = torch.from_numpy(held.allowed[rows])
            next_allowed = torch.from_numpy(held.allowed[ahead])
        states, next_states = (
            _with_price(self._states.index_select(0, torch.from_numpy(at)), prices, price)
            for at in (rows, ahead)
        )
        return Batch(
            states=states,
            levels=torch.from_numpy(held.levels[rows].astype(np.int64)),
            rewards=torch.from_numpy((rewards / units.reward).astype(np.float32)),
            discounts=torch.from_numpy(np.where(follows, discounts, 0.0).astype(np.float32)),
            next_states=next_states,
            costs=torch.from_numpy(costs / np.float32(units.cost)),
            spent=torch.from_numpy((spent / units.cost).astype(np.float32)),
            propensities=torch.from_numpy(held.propensities[rows]),
            allowed=allowed,
            next_allowed=next_allowed,
        )

    def _rewards(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        limit = np.float32(self._units.reward_limit)
        return np.asarray(np.clip(self._held.rewards[rows], -limit, limit))

    def _costs(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        return np.asarray(np.minimum(self._held.costs[rows], np.float32(self._units.cost_limit)))


def _with_price(states: Tensor, drawn: object, price: NDArray[np.float64] | float) -> Tensor:
    if drawn is None:
        return states
    return torch.cat([states, torch.from_numpy(np.asarray(price, np.float32))[:, None]], dim=1)


@dataclass(frozen=True)
class Split:
    """Usable rows of training and of held-out users, and the scaling of the training states.

    train, holdout: row indices, int32 or int64.
    """

    train: NDArray[np.integer]
    holdout: NDArray[np.integer]
    scaling: StateScaling

    def with_prices(self, largest: float) -> "Split":
        """The same with the scaling of a price drawn evenly from 0 to `largest`."""
        return replace(self, scaling=self.scaling.with_prices(largest))


def split(transitions: Transitions, holdout: float, seed: int) -> Split:
    """Users apart: a share `holdout` of them is kept from training; statistics are the rest's.

    At least one user with a usable row stays in training.
    """
    users = len(transitions.users) - 1
    order = np.random.default_rng([seed, 1]).permutation(users)
    kept = np.zeros(users, bool)
    kept[order[: min(round(holdout * users), users - 1)]] = True
    held_out = np.repeat(kept, np.diff(transitions.users))
    usable = transitions.usable
    training = usable & ~held_out
    if not training.any():
        held_out[:] = False
        training = usable
    index = np.int32 if len(transitions) < 2**31 else np.int64
    return Split(
        train=_places(training, index),
        holdout=_places(usable & held_out, index),
        scaling=state_scaling(transitions.states, ~held_out),
    )


def _places(
    chosen: NDArray[np.bool_], index: type[np.integer], rows: int = 2**16
) -> NDArray[np.integer]:
    """Where `chosen` is true, block by block: np.flatnonzero's int64 would be the largest array."""
    places = np.empty(np.count_nonzero(chosen), index)
    done = 0
    for start in range(0, len(chosen), rows):
        found = np.flatnonzero(chosen[start : start + rows])
        places[done : done + len(found)] = found + start
        done += len(found)
    return places
