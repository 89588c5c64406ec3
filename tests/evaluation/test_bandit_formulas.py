"""One period is the contextual bandit: the published formulas, computed here on their own.

Dudík, Langford and Li, Doubly robust policy evaluation and learning, ICML 2011 (dm, ips, dr);
Swaminathan and Joachims, The self-normalized estimator for counterfactual learning, NeurIPS 2015
(snis, snpdis). With one period every marginal ratio of states is 1: mis is then self-normalised
importance sampling (Xie, Ma and Wang, NeurIPS 2019) and drl is doubly robust (Kallus and Uehara,
JMLR 2020); rem, whose heads are all tables of means here, is the direct method.
"""

import numpy as np
import pytest
from folds import folds_of
from ope_chains import Chain, states_of

from bcrlsp.evaluation import ESTIMATORS, Settings, estimate

PLAIN, NORMALISED, DIRECT, ROBUST = (
    ("is", "pdis"),
    ("snis", "snpdis", "mis"),
    ("dm", "rem"),
    ("dr", "drl"),
)


@pytest.fixture(scope="module")
def bandit():
    chain = Chain.random(2, states=4, levels=3)
    return chain, chain.log(3000, 1, seed=8)


def arrays(chain, table):
    x, a = states_of(table), np.array(table["level"])
    r, p = np.array(table["reward"]), np.array(table["propensity"])
    return x, a, r, chain.target[x, a] / p, chain.target[x]


def cell_means(x, a, r, shape):
    """Mean reward of each state and level."""
    total, count = np.zeros(shape), np.zeros(shape)
    np.add.at(total, (x, a), r)
    np.add.at(count, (x, a), 1.0)
    return total / count


def test_no_estimator_is_left_out():
    assert sorted(PLAIN + NORMALISED + DIRECT + ROBUST) == sorted(ESTIMATORS.names())


@pytest.mark.parametrize("name", PLAIN)
def test_inverse_propensity(bandit, name):
    chain, table = bandit
    _, _, r, w, target = arrays(chain, table)
    assert estimate(table, target, name).value == pytest.approx(np.mean(w * r), rel=1e-12)


@pytest.mark.parametrize("name", NORMALISED)
def test_self_normalised(bandit, name):
    chain, table = bandit
    _, _, r, w, target = arrays(chain, table)
    expected = np.sum(w * r) / np.sum(w)
    assert estimate(table, target, name).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", DIRECT)
def test_direct_method(bandit, name):
    chain, table = bandit
    x, a, r, _, target = arrays(chain, table)
    q = cell_means(x, a, r, chain.reward.shape)
    expected = np.mean((target * q[x]).sum(1))
    assert estimate(table, target, name).value == pytest.approx(expected, rel=1e-5)


def test_direct_method_error_is_the_delta_methods(bandit):
    """Standard error of Σ_x share_x Σ_a π q̂: between states and within cells."""
    chain, table = bandit
    x, a, r, _, target = arrays(chain, table)
    q = cell_means(x, a, r, chain.reward.shape)
    values = (target * q[x]).sum(1)
    cells = np.zeros_like(q)
    np.add.at(cells, (x, a), 1.0)
    share = np.bincount(x) / len(x)
    influence = (
        values
        - values.mean()
        + len(x) * share[x] * chain.target[x, a] / cells[x, a] * (r - q[x, a])
    )
    error = influence.std() / np.sqrt(len(x))
    found = estimate(table, target, "dm", settings=Settings(resamples=4000))
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.05)


@pytest.mark.parametrize("name", ROBUST)
def test_doubly_robust_with_cross_fitting(bandit, name):
    chain, table = bandit
    x, a, r, w, target = arrays(chain, table)
    fold = folds_of(table["user_id"].to_pylist(), 3)
    contributions = np.zeros(len(x))
    for f in range(3):
        other, own = fold != f, fold == f
        q = cell_means(x[other], a[other], r[other], chain.reward.shape)[x[own]]
        direct = (target[own] * q).sum(1)
        at_sent = q[np.arange(own.sum()), a[own]]
        contributions[own] = direct + w[own] * (r[own] - at_sent)
    found = estimate(table, target, name, settings=Settings(folds=3))
    assert found.value == pytest.approx(contributions.mean(), rel=1e-5)


def test_kish_effective_sample_size(bandit):
    chain, table = bandit
    _, _, _, w, target = arrays(chain, table)
    found = estimate(table, target, "snis")
    assert found.effective_sample_size == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-9)
