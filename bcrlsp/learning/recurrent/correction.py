r"""Effects corrected by what users outside the fit did, weighted by the propensities.

A network that shares its layers between a user's usual behaviour and what a bonus adds puts some of
the one into the other, the more so the more the log chose who got what. The targeting step of
van der Laan and Rubin (2006) takes this out: on users that the fit has not seen, the outcome is
regressed on the predicted effect with the fitted log-odds as offset and inverse propensities as
weights,

.. math:: \operatorname{logit} P(y) = b(h) + \alpha_a + \kappa_a \tau_a(h),

so that errors of the network and of the propensities enter only as a product. A prior holds
:math:`\alpha_a` near 0 and :math:`\kappa_a` near what all levels share, in turn near 1.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bcrlsp.learning.recurrent.network import ResponseNetwork
from bcrlsp.learning.recurrent.rows import Rows

Floats = NDArray[np.float64]

# Standard deviations of the prior: of alpha, of the levels' common kappa, of a level's own.
_SHIFT, _COMMON, _OWN = 0.1, 0.5, 0.15
# A row never weighs more than this many rows of mean weight.
_MOST_WEIGHT = 20.0
_STEPS, _LOOKED = 30, 32_768


@dataclass(frozen=True, eq=False)
class Seen:
    """What users outside the fit did: arrays (n,).

    base: log-odds without a bonus. effect: added log-odds of the logged level. level. outcome.
    weight: inverse propensities, of mean 1; all 1 where one is unknown.
    """

    base: Floats
    effect: Floats
    level: NDArray[np.int64]
    outcome: Floats
    weight: Floats


@torch.no_grad()
def seen(network: ResponseNetwork, rows: Rows, chosen: NDArray[np.integer]) -> Seen:
    """Some rows, with the effects of a network that is not corrected yet."""
    base, effect = np.zeros(len(chosen)), np.zeros(len(chosen))
    for start in range(0, len(chosen), _LOOKED):
        part = chosen[start : start + _LOOKED]
        logits = network(rows.inputs(part)).logits
        levels = torch.from_numpy(rows.levels[part].astype(np.int64))
        own = logits.gather(1, levels[:, None])[:, 0]
        base[start : start + len(part)] = logits[:, 0].numpy()
        effect[start : start + len(part)] = (own - logits[:, 0]).numpy()
    return Seen(
        base,
        effect,
        rows.levels[chosen].astype(np.int64),
        rows.outcome[chosen].astype(np.float64),
        _weights(rows.propensities[chosen]),
    )


def _weights(propensities: NDArray[np.float32]) -> Floats:
    known = np.isfinite(propensities)
    if not known.all():
        return np.ones(len(propensities))
    weight = 1 / np.maximum(propensities.astype(np.float64), 1e-6)
    weight = np.minimum(weight / weight.mean(), _MOST_WEIGHT)
    return np.asarray(weight / weight.mean())


def correct(rows: Seen, levels: int) -> tuple[Floats, Floats]:
    """alpha and kappa, (a,) each: the penalised maximum likelihood, by Newton's method.

    alpha[0] corrects the log-odds without a bonus; kappa[0] is 1.
    """
    sent = np.eye(levels)[rows.level]
    by_level = rows.effect[:, None] * sent[:, 1:]
    # Columns: alpha of each level, what all kappas share, what each has of its own; less 1.
    design = np.concatenate([sent, rows.effect[:, None], by_level], axis=1)
    spread = np.concatenate([np.full(levels, _SHIFT), [_COMMON], np.full(levels - 1, _OWN)])
    offset = rows.base + rows.effect
    found = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(offset + design @ found, -30, 30)))
        slope = design.T @ (rows.weight * (rows.outcome - chance)) - found / spread**2
        bend = design.T @ ((rows.weight * chance * (1 - chance))[:, None] * design)
        step = np.linalg.solve(bend + np.diag(spread**-2.0), slope)
        found += step
        if np.abs(step).max() < 1e-8:
            break
    shared, own = found[levels], found[levels + 1 :]
    kappa = np.concatenate([[1.0], np.clip(1 + shared + own, 0.0, 1.5)])
    return found[:levels], kappa


def apply(network: ResponseNetwork, alpha: Floats, kappa: Floats) -> None:
    """Writes the correction into the network."""
    network.shift.copy_(torch.from_numpy(alpha.astype(np.float32)))
    network.slope.copy_(torch.from_numpy(kappa.astype(np.float32)))
