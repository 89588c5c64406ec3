"""The market's optimum: a bound on every policy, and exact values.

The oracle is the fluid linear program over occupation measures mu_t(s, a), the share of users who
are in state s and get level a in period t:

    max 1/T Σ_t Σ_sa mu_t(s, a) P(return | s, a)
    s.t. Σ_a mu_0(s, a) = initial(s),   Σ_a mu_{t+1}(s', a) = Σ_sa mu_t(s, a) P(s' | s, a),
         Σ_sa mu_t(s, a) cost(s, a) <= budget_t,   mu >= 0.

Any policy, whatever it sees, has such measures in expectation: its value is an upper bound on the
expected retention of every policy whose expected spend keeps each period's budget (Altman,
"Constrained Markov Decision Processes", 1999).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array

from bcrlsp.errors import DataError
from bcrlsp.market.chain import Chain, Floats
from bcrlsp.market.fluid import flat


@dataclass(frozen=True, eq=False)
class Oracle:
    """The optimum of the fluid program.

    value: mean share of returning users over the periods.
    prices: array (periods,), the dual price of each budget: returns gained by one more unit of
        money a user in that period (not divided by the number of periods).
    policy: array (periods, s, a), probabilities of the levels; level 0 where nobody is.
    spend: array (periods,), expected money a user.
    """

    value: float
    prices: Floats
    policy: Floats
    spend: Floats


def solve_oracle(chain: Chain, budget: Floats, initial: Floats | None = None) -> Oracle:
    """Solves the fluid program with HiGHS.

    budget: array (periods,), money a user in each period, none negative; else DataError.
    initial: distribution over states, any shape of s entries; None: the chain's own.
    """
    budget = np.asarray(budget, dtype=np.float64)
    if budget.ndim != 1 or not len(budget) or not np.isfinite(budget).all() or budget.min() < 0:
        raise DataError("the oracle needs one finite budget, 0 or more, for each period")
    periods = len(budget)
    start = (chain.initial if initial is None else initial).ravel()
    chance, cost = flat(chain.return_probability), flat(chain.expected_cost)
    states, levels = chance.shape
    answer = linprog(
        -np.tile(chance.ravel(), periods) / periods,
        A_ub=_budget_rows(cost, periods),
        b_ub=budget,
        A_eq=_balance_rows(chain, periods),
        b_eq=np.concatenate([start, np.zeros(states * (periods - 1))]),
        bounds=(0, None),
        # Interior point with crossover ends at the same vertex five times as fast.
        method="highs-ipm",
    )
    if answer.status != 0:
        raise DataError(f"the oracle's program was not solved: {answer.message}")
    measure = np.maximum(np.asarray(answer.x).reshape(periods, states, levels), 0)
    mass = measure.sum(axis=2, keepdims=True)
    policy = np.zeros_like(measure)
    policy[:, :, 0] = 1
    np.divide(measure, mass, out=policy, where=mass > 1e-12)
    return Oracle(
        value=-float(answer.fun),
        prices=-np.asarray(answer.ineqlin.marginals) * periods,
        policy=policy,
        spend=np.einsum("tsa,sa->t", measure, cost),
    )


def q_values(chain: Chain, gamma: float, price: float = 0.0) -> Floats:
    """Exact optimal values Q(s, a) of return - price * cost, discounted by gamma, by iteration.

    Returns array (s, a), float64, exact to 1e-9. gamma in [0, 1).
    """
    if not 0 <= gamma < 1:
        raise DataError(f"gamma = {gamma}: allowed: 0 or more, below 1")
    chance = flat(chain.return_probability)
    reward = chance - price * flat(chain.expected_cost)
    after = chain.successors.reshape(2, *chance.shape)
    value = reward
    while True:
        best = value.max(axis=1)
        following = (1 - chance) * best[after[0]] + chance * best[after[1]]
        updated: Floats = reward + gamma * following
        if np.abs(updated - value).max() <= 1e-9 * (1 - gamma):
            return updated
        value = updated


def _budget_rows(cost: Floats, periods: int) -> csr_array:
    size = cost.size
    rows = np.repeat(np.arange(periods), size)
    columns = np.arange(periods * size)
    entries = np.tile(cost.ravel(), periods)
    return coo_array((entries, (rows, columns)), shape=(periods, periods * size)).tocsr()


def _balance_rows(chain: Chain, periods: int) -> csr_array:
    chance = flat(chain.return_probability)
    states, levels = chance.shape
    size = states * levels
    after = chain.successors.reshape(2, size)
    columns = np.arange(periods * size)
    here = columns // levels
    # The last period's successors are nobody's balance.
    earlier = np.arange((periods - 1) * size)
    block = (earlier // size + 1) * states
    there = [block + np.tile(after[returned], periods - 1) for returned in (0, 1)]
    flows = [-np.tile((1 - chance).ravel(), periods - 1), -np.tile(chance.ravel(), periods - 1)]
    return coo_array(
        (
            np.concatenate([np.ones(periods * size), *flows]),
            (np.concatenate([here, *there]), np.concatenate([columns, earlier, earlier])),
        ),
        shape=(periods * states, periods * size),
    ).tocsr()
