"""Fits a response network to the users of one draw, and stops where held-out users say so."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bcrlsp.learning.recurrent.network import ResponseNetwork, Shape
from bcrlsp.learning.recurrent.rows import Rows

_WARM = 0.15
# Share of the rows beyond each bound of what is read, and rows that it is found on.
_TAIL, _BOUND_ROWS = 0.005, 100_000
_CLIP = 1.0
# Held-out rows that decide when to stop, at most, and how often they are asked.
_STOP_ROWS, _LOOKS = 100_000, 6
# Weight of the shares spent and of the rewards beside the outcome's likelihood.
_SPENT_WEIGHT, _REWARD_WEIGHT = 0.3, 1.0


@dataclass(frozen=True)
class FitSettings:
    """How a member is fitted. updates: steps. batch: rows a step."""

    hidden: int
    updates: int
    batch: int
    learning_rate: float
    weight_decay: float


def fit(
    shape: Shape,
    rows: Rows,
    train: NDArray[np.integer],
    stop: NDArray[np.integer],
    settings: FitSettings,
    seed: int,
    progress: Callable[[dict[str, float]], None] = lambda point: None,
) -> ResponseNetwork:
    """The network at the step that told the outcomes of the rows `stop` best.

    train, stop: places among the rows, of users apart.
    """
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResponseNetwork(shape)
    _start_from(network, rows, train)
    adam = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        adam, settings.learning_rate, total_steps=settings.updates + 1, pct_start=_WARM
    )
    few = np.sort(rng.permutation(stop)[:_STOP_ROWS])
    best, kept = float("inf"), copy.deepcopy(network.state_dict())
    scale = max(1e-6, float(rows.rewards[train].std()))
    order = rng.permutation(train)
    batch = min(settings.batch, len(train))
    place = 0
    for update in range(1, settings.updates + 1):
        if place + batch > len(order):
            order, place = rng.permutation(train), 0
        chosen = order[place : place + batch]
        place += batch
        adam.zero_grad(set_to_none=True)
        _loss(network, rows, chosen, scale).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
        adam.step()
        cycle.step()
        if update == settings.updates or update % max(1, settings.updates // _LOOKS) == 0:
            nats = -float(log_likelihoods(network, rows, few).mean()) if len(few) else 0.0
            progress({"update": float(update), "holdout_nats": nats})
            if nats <= best:
                best, kept = nats, copy.deepcopy(network.state_dict())
    network.load_state_dict(kept)
    return network


@torch.no_grad()
def _start_from(network: ResponseNetwork, rows: Rows, train: NDArray[np.integer]) -> None:
    """The base log-odds begin at the mean outcome, the shares spent at theirs."""
    outcome, sent = rows.outcome[train], rows.levels[train] > 0

    def odds(values: NDArray[np.float32]) -> float:
        share = float(np.clip(values.mean(), 1e-4, 1 - 1e-4)) if len(values) else 1e-4
        return float(np.log(share / (1 - share)))

    few = rows.inputs(train[:: max(1, len(train) // _BOUND_ROWS)]).numpy()
    for bound, share in ((network.low, _TAIL), (network.high, 1 - _TAIL)):
        bound.copy_(torch.from_numpy(np.quantile(few, share, axis=0).astype(np.float32)))
    last = cast(nn.Linear, network.base[-1])
    last.bias.fill_(odds(outcome))
    bias = network.spent_last.bias.view(-1, 2)
    for back in (0, 1):
        bias[:, back] = odds(rows.shares[train][sent & (outcome == back)])


def _loss(
    network: ResponseNetwork, rows: Rows, chosen: NDArray[np.integer], scale: float
) -> Tensor:
    told = network(rows.inputs(chosen))
    levels = torch.from_numpy(rows.levels[chosen].astype(np.int64))
    outcome = torch.from_numpy(rows.outcome[chosen])
    every, back = torch.arange(len(levels)), outcome.to(torch.int64)
    loss = nn.functional.binary_cross_entropy_with_logits(told.logits[every, levels], outcome)
    sent = levels > 0
    spent = told.spent[every, levels, back][sent].clamp(1e-5, 1 - 1e-5)
    if len(spent):
        shares = torch.from_numpy(rows.shares[chosen])[sent]
        loss = loss + _SPENT_WEIGHT * nn.functional.binary_cross_entropy(spent, shares)
    if not network.shape.binary:
        rewards = torch.from_numpy(rows.rewards[chosen])
        known = torch.from_numpy(rows.rewarded[chosen])
        off = (told.rewards[every, levels, back] - rewards)[known] / scale
        if len(off):
            loss = loss + _REWARD_WEIGHT * off.square().mean()
    return loss


_LOOKED = 32_768


@torch.no_grad()
def log_likelihoods(
    network: ResponseNetwork, rows: Rows, chosen: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Log-likelihood of the outcomes of some rows, (m,), in nats."""
    found = np.zeros(len(chosen))
    for start in range(0, len(chosen), _LOOKED):
        part = chosen[start : start + _LOOKED]
        levels = torch.from_numpy(rows.levels[part].astype(np.int64))
        own = network(rows.inputs(part)).logits.gather(1, levels[:, None])[:, 0]
        outcome = torch.from_numpy(rows.outcome[part])
        found[start : start + len(part)] = -nn.functional.binary_cross_entropy_with_logits(
            own, outcome, reduction="none"
        ).numpy()
    return found
