"""The market with endlessly many users: distributions over states instead of users.

Exact, without sampling noise: what a policy of the true state retains and spends.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, kron

from bcrlsp.market.chain import Chain, Floats

# (period, distribution over states (s,)) -> probabilities of the levels, array (s, a).
StatePolicy = Callable[[int, Floats], Floats]


@dataclass(frozen=True, eq=False)
class Fluid:
    """What a policy did: arrays (periods,), a user's mean.

    retention: share of the users who returned.
    spend: redeemed money a user.
    final: array (s,), the distribution over states afterwards.
    """

    retention: Floats
    spend: Floats
    final: Floats


def flow(chain: Chain, policy: StatePolicy, periods: int, initial: Floats | None = None) -> Fluid:
    """Plays a policy of the true state on infinitely many users.

    initial: distribution over states, any shape of s entries; None: the chain's own.
    """
    mass = (chain.initial if initial is None else initial).ravel().astype(np.float64)
    chance, cost = flat(chain.return_probability), flat(chain.expected_cost)
    retention, spend = np.zeros(periods), np.zeros(periods)
    for period in range(periods):
        occupied = mass[:, None] * policy(period, mass)
        retention[period] = (occupied * chance).sum()
        spend[period] = (occupied * cost).sum()
        mass = np.einsum("sa,sat->t", occupied, chain.transitions)
    return Fluid(retention, spend, mass)


def within_budget(value: Floats, cost: Floats, budget: Floats) -> StatePolicy:
    """The policy that maximises Σ value in each period subject to that period's budget.

    value, cost: arrays (s, a); budget: array (periods,), money a user. Solved exactly as a linear
    program (fractional: infinitely many users).
    """
    states, levels = value.shape

    def decide(period: int, mass: Floats) -> Floats:
        # Scaled by the mass, so that states without users do not spoil the numbers.
        one = kron(csr_array(np.eye(states)), csr_array(np.ones((1, levels))))
        answer = linprog(
            -(mass[:, None] * value).ravel(),
            A_ub=csr_array((mass[:, None] * cost).reshape(1, -1)),
            b_ub=[budget[period]],
            A_eq=one,
            b_eq=np.ones(states),
            bounds=(0, None),
            method="highs",
        )
        return np.asarray(answer.x).reshape(states, levels)

    return decide


def constant_mix(chain: Chain, low: int, high: int, budget: Floats) -> StatePolicy:
    """Everybody gets `high` or `low` with the same chance, which uses up each period's budget."""
    cost = flat(chain.expected_cost)

    def decide(period: int, mass: Floats) -> Floats:
        cheap, dear = mass @ cost[:, low], mass @ cost[:, high]
        room = budget[period] - cheap
        part = 1.0 if dear - cheap <= room else float(max(room, 0.0) / (dear - cheap))
        policy = np.zeros_like(cost)
        policy[:, low], policy[:, high] = 1 - part, part
        return policy

    return decide


def best_constant_mix(
    chain: Chain, budget: Floats, initial: Floats | None = None
) -> tuple[tuple[int, int], Fluid]:
    """The pair of levels whose constant mix retains most within the budget, and what it does.

    budget: array (periods,), money a user. A pair whose cheaper level is above a budget is left
    out; level 0 with any other is always possible.
    """
    tried = []
    for low in range(chain.levels):
        for high in range(low + 1, chain.levels):
            played = flow(chain, constant_mix(chain, low, high, budget), len(budget), initial)
            if (played.spend <= budget + 1e-9).all():
                tried.append(((low, high), played))
    return max(tried, key=lambda pair: float(pair[1].retention.mean()))


def flat(values: Floats) -> Floats:
    """Array (k, h, f, a) as (s, a)."""
    return values.reshape(-1, values.shape[-1])
