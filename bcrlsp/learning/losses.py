"""Pieces that the losses of several algorithms share. Shapes: b batch, m members, a levels."""

import torch
from torch import Tensor, nn

from bcrlsp.learning.batches import Batch
from bcrlsp.learning.views import Views
from bcrlsp.policies.manifest import VALUE

_NEVER = -1e9


def chosen(values: Tensor, levels: Tensor) -> Tensor:
    """Values (b, m, a) at the levels (b,): (b, m)."""
    index = levels[:, None, None].expand(-1, values.shape[1], 1)
    return values.gather(2, index).squeeze(2)


def lower_bound(values: Tensor, pessimism: float) -> Tensor:
    """Members' values (b, m, a) to one: mean less pessimism x spread, (b, a)."""
    mean = values.mean(1)
    if pessimism == 0:
        return mean
    return mean - pessimism * values.std(1, correction=0)


def masked(values: Tensor, allowed: Tensor | None) -> Tensor:
    """Values with levels that are not allowed put out of any maximum's reach."""
    return values if allowed is None else values.masked_fill(~allowed, _NEVER)


def best_levels(views: Views, batch: Batch, pessimism: float) -> Tensor:
    """(b,) levels that the network itself, not its target, finds best in the next states."""
    ahead = lower_bound(views.online_next[VALUE], pessimism)
    return masked(ahead, batch.next_allowed).argmax(1)


def bootstrapped(batch: Batch, next_values: Tensor) -> Tensor:
    """rewards + discounts x next values: (b,) or (b, m) as the next values are."""
    if next_values.dim() == 1:
        return batch.rewards + batch.discounts * next_values
    return batch.rewards[:, None] + batch.discounts[:, None] * next_values


def double_targets(views: Views, batch: Batch, pessimism: float) -> Tensor:
    """Double Q-learning's targets (b, m) (van Hasselt et al. 2016, arXiv 1509.06461).

    The network picks the next level, the target network values it: each member its own, or, where
    there is pessimism, all members with the lowered value.
    """
    best = best_levels(views, batch, pessimism)
    ahead = views.target_next[VALUE]
    if pessimism:
        ahead = lower_bound(ahead, pessimism)[:, None].expand_as(ahead)
    return bootstrapped(batch, chosen(ahead, best))


def squared(errors: Tensor) -> Tensor:
    """Mean over the batch of the members' summed squared errors, (b, m) to a scalar."""
    return errors.square().sum(1).mean()


def imitation(logits: Tensor, levels: Tensor) -> Tensor:
    """Cross-entropy of a behaviour head's logits (b, 1, a) with the logged levels: a scalar."""
    return nn.functional.cross_entropy(logits[:, 0], levels)


def supported(logits: Tensor, threshold: float) -> Tensor:
    """(b, a) bool: levels whose probability is at least `threshold` of the likeliest level's."""
    chances = logits[:, 0].softmax(1)
    return chances >= threshold * chances.amax(1, keepdim=True)


def intersected(one: Tensor, other: Tensor | None) -> Tensor:
    """Levels that both masks have; where that is none, those of `other`, which binds."""
    if other is None:
        return one
    kept = one & other
    return torch.where(kept.any(1, keepdim=True), kept, other)


def simplex(members: int, draw: torch.Generator) -> Tensor:
    """(m,) random weights that sum to 1, as REM mixes its members."""
    weights = torch.rand(members, generator=draw)
    return weights / weights.sum()


def mean_absolute(errors: Tensor) -> Tensor:
    """Mean absolute error, detached: for the learning curve."""
    return errors.detach().abs().mean()


def conservative_penalty(values: Tensor, levels: Tensor, allowed: Tensor | None) -> Tensor:
    """CQL(H): mean over the batch of sum_m (logsumexp_a value - value of the logged level)."""
    may = masked(values, None if allowed is None else allowed[:, None])
    return (torch.logsumexp(may, 2) - chosen(values, levels)).sum(1).mean()


def mixture_errors(views: Views, batch: Batch, weights: Tensor, may: Tensor | None) -> Tensor:
    """(b,) TD errors of the members' mixture with `weights` (m,), double, over levels `may`."""
    ahead = torch.einsum("bma,m->ba", views.online_next[VALUE], weights)
    best = masked(ahead, may).argmax(1)
    next_values = chosen(views.target_next[VALUE], best) @ weights
    return chosen(views.online[VALUE], batch.levels) @ weights - bootstrapped(batch, next_values)
