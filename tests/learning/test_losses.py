"""Losses of masked batches, each row with a mask of its own, against the formula written out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from known_mdp import LEVELS, MDP, UNIFORM

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.batches import Batch, Sampler
from bcrlsp.learning.losses import conservative_penalty, masked
from bcrlsp.learning.spending import _next_chances
from bcrlsp.learning.views import Views
from bcrlsp.policies.manifest import VALUE

LOG = MDP.log(UNIFORM, users=40, steps=6, seed=2, masks=True)


@pytest.fixture
def batch() -> Batch:
    rows = np.flatnonzero(LOG.usable)
    return Sampler(LOG, rows, batch_size=64, seed=1, gamma=0.8).batch(0)


@pytest.fixture
def values() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(5).normal(size=(64, 1, LEVELS)).astype("f4"))


def views(values: torch.Tensor) -> Views:
    held = {VALUE: values}
    return Views(online=held, online_next=held, target=held, target_next=held)


def test_the_conservative_gap_is_over_each_row_s_own_levels(
    batch: Batch, values: torch.Tensor
) -> None:
    expected = 0.0
    for row, (may, level) in enumerate(zip(batch.allowed, batch.levels, strict=True)):
        own = values[row, 0][may].double()
        expected += float(own.exp().sum().log() - values[row, 0, level])
    assert float(conservative_penalty(values, batch.levels, batch.allowed)) == pytest.approx(
        expected / 64, rel=1e-5
    )
    assert float(conservative_penalty(values, batch.levels, None)) > expected / 64 + 0.1


def test_cql_is_given_the_masks_of_its_rows(batch: Batch, values: torch.Tensor) -> None:
    algorithm = ALGORITHMS.get("cql")
    options = algorithm.options(alpha=1.0)
    draw = torch.Generator().manual_seed(0)
    loss = algorithm.loss(views(values), batch, options, draw, 0.0)
    free = algorithm.loss(views(values), replace(batch, allowed=None), options, draw, 0.0)
    apart = conservative_penalty(values, batch.levels, None) - conservative_penalty(
        values, batch.levels, batch.allowed
    )
    assert float(free.total - loss.total) == pytest.approx(float(apart), rel=1e-4)


def test_later_spend_is_of_levels_that_may_be_sent(batch: Batch, values: torch.Tensor) -> None:
    algorithm = ALGORITHMS.get("dqn")
    chances = _next_chances(algorithm, views(values), batch, algorithm.options(), 0.0)
    assert (chances[~batch.next_allowed] == 0).all()
    best = masked(values[:, 0], batch.next_allowed).argmax(1)
    assert (chances.argmax(1) == best).all()
