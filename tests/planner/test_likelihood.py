"""Likelihoods, beliefs and expected counts against plain loops and another implementation."""

import numpy as np
from planning_logs import AMOUNTS, response_of, simulate

from bcrlsp.learning.planner.histories import panel
from bcrlsp.learning.planner.likelihood import Belief, expected, posterior, user_log_likelihoods
from bcrlsp.learning.planner.response import Response, Structure
from bcrlsp.market import belief as market_belief
from bcrlsp.market.chain import build_chain
from bcrlsp.market.settings import Settings as MarketSettings

STRUCTURE = Structure(("walk", 3), ("recency", 2), "conversion", 2, AMOUNTS)
RESPONSE = response_of(
    STRUCTURE, {"base": -2.0, "slope": 3.0}, {"base": 0.5, "slope": 0.2, "lift": 0.5}
)


def _by_hand(histories, user: int) -> np.ndarray:
    """Joint probability of a user's returns, start and class, (h, k), by the definition."""
    joint = np.exp(RESPONSE.log_begin)
    for h in range(joint.shape[0]):
        for k in range(joint.shape[1]):
            state = STRUCTURE.start[h]
            for row in range(*histories.offsets[user : user + 2]):
                level, back = histories.levels[row], histories.returned[row]
                chance = RESPONSE.returns[state, level, k]
                joint[h, k] *= chance if back else 1 - chance
                state = STRUCTURE.after[back, int(level > 0), state]
    return joint


def test_posterior_by_hand() -> None:
    histories, _ = simulate(RESPONSE, 20, 9, seed=1)
    weights, likelihoods = posterior(RESPONSE, histories)
    for user in range(20):
        joint = _by_hand(histories, user)
        assert np.isclose(likelihoods[user], np.log(joint.sum()))
        assert np.allclose(weights[user], joint / joint.sum())


def test_expected_counts_add_up() -> None:
    histories, _ = simulate(RESPONSE, 200, 9, seed=2)
    found = expected(RESPONSE, histories)
    assert np.isclose(found.log_likelihood, user_log_likelihoods(RESPONSE, histories).sum())
    assert np.isclose(found.begins.sum(), 200)
    seen = np.zeros((len(AMOUNTS), 2))
    np.add.at(seen, (histories.levels, histories.returned), 1)
    assert np.allclose(found.counts.sum(axis=(0, 3)), seen)


def test_order_of_users_is_nothing() -> None:
    histories, _ = simulate(RESPONSE, 60, 9, seed=3)
    order = np.random.default_rng(0).permutation(60)
    other = histories.of_users(order)
    assert np.allclose(
        user_log_likelihoods(RESPONSE, other), user_log_likelihoods(RESPONSE, histories)[order]
    )


def test_filter_is_the_posterior_and_skips_absent_users() -> None:
    histories, _ = simulate(RESPONSE, 30, 8, seed=4)
    short = np.arange(0, 30, 2)
    lengths = np.where(np.isin(np.arange(30), short), 5, 8)
    keep = np.concatenate([np.arange(8)[8 - n :] + 8 * i for i, n in enumerate(lengths)])
    ragged = type(histories)(
        np.concatenate([[0], np.cumsum(lengths)]),
        histories.levels[keep],
        histories.returned[keep],
        histories.costs[keep],
        keep,
    )
    shown = panel(ragged, 8)
    assert shown.present.sum() == lengths.sum()
    belief = Belief(RESPONSE, 30)
    for t in range(8):
        belief.update(shown.levels[t], shown.returned[t], shown.present[t])
    assert np.allclose(belief.weights, posterior(RESPONSE, ragged)[0])


def test_filter_agrees_with_the_market_s_own() -> None:
    """The simulated market is one of the model's structures: two filters, one law."""
    amounts = (0.0, 1.0, 2.0, 5.0)
    chain = build_chain(MarketSettings(), amounts)
    kinds, habits, fatigues = chain.shape
    structure = Structure(
        ("walk", habits - 1), ("walk", fatigues - 1), "conversion", kinds, amounts
    )
    law = Response(structure, np.zeros(structure.size))
    chance = chain.return_probability.reshape(kinds, -1, len(amounts)).transpose(1, 2, 0)
    start = np.log(np.maximum(chain.initial[:, :, 0].T, 1e-300))
    law.__dict__.update(
        returns=chance,
        log_chances=np.ascontiguousarray(np.log(np.stack([1 - chance, chance], axis=2))),
        log_begin=np.ascontiguousarray(start),
    )
    rng = np.random.default_rng(5)
    ours, theirs = Belief(law, 50), market_belief.Belief(chain, 50)
    for _ in range(12):
        levels = np.where(rng.random(50) < 0.5, 0, rng.integers(1, 4, 50))
        returned = rng.random(50) < 0.4
        ours.update(levels, returned)
        theirs.update(levels, returned)
    cube = rng.random((kinds, habits, fatigues, 4))
    table = cube.reshape(kinds, -1, 4).transpose(1, 2, 0)
    assert np.allclose(ours.expect(table), theirs.expect(cube))


def test_draws_follow_the_belief() -> None:
    histories, kind = simulate(RESPONSE, 4000, 12, seed=6)
    belief = Belief(RESPONSE, 4000)
    shown = panel(histories, 12)
    for t in range(12):
        belief.update(shown.levels[t], shown.returned[t])
    _, drawn = belief.draw(np.random.default_rng(0).random(4000))
    said = belief.weights.sum(axis=1)[:, 1]
    assert abs((drawn == 1).mean() - said.mean()) < 0.02
    # Beliefs are calibrated: they are the model's own users.
    assert abs((kind == 1).mean() - said.mean()) < 0.03
    sure = said > 0.8
    assert abs((kind[sure] == 1).mean() - said[sure].mean()) < 0.04
