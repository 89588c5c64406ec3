"""A response model that assumes no structure, to hold the planner's against.

A network predicts the return from all features and the level. It cannot plan: what it says of
states that the log does not cover is extrapolated. But where it tells held-out returns better than
the response model does, that model's structure misses something that the features hold.
"""

import numpy as np
import torch

from bcrlsp.learning.planner.histories import Histories
from bcrlsp.learning.planner.response import Floats
from bcrlsp.learning.statistics import state_scaling
from bcrlsp.learning.task import Task

_WIDTH, _BATCH, _EPOCHS, _RATE, _DECAY = 64, 1024, 4, 3e-3, 1e-4
_ROWS = 300_000


def feature_scores(task: Task, train: Histories, holdout: Histories) -> Floats:
    """Log-likelihood of each held-out row's outcome, array (rows,), in nats.

    The level's own share of the evidence is that of the row; as much training data as
    300,000 rows hold is used.
    """
    rng = np.random.default_rng([task.seed, 2])
    few = np.sort(rng.permutation(len(train.rows))[:_ROWS])
    levels = len(task.amounts)
    scaling = state_scaling(task.transitions.states[train.rows[few]])

    def inputs(part: Histories, picked: np.ndarray) -> torch.Tensor:
        states = scaling.apply(task.transitions.states[part.rows[picked]])
        return torch.from_numpy(
            np.concatenate([states, np.eye(levels, dtype=np.float32)[part.levels[picked]]], axis=1)
        )

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(task.seed)
        network = torch.nn.Sequential(
            torch.nn.Linear(task.transitions.states.shape[1] + levels, _WIDTH),
            torch.nn.ReLU(),
            torch.nn.Linear(_WIDTH, _WIDTH),
            torch.nn.ReLU(),
            torch.nn.Linear(_WIDTH, 1),
        )
    seen = inputs(train, few)
    told = torch.from_numpy(train.returned[few].astype(np.float32))
    batches = max(1, len(few) // _BATCH)
    adam = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, _RATE, total_steps=_EPOCHS * batches + 1)
    measure = torch.nn.BCEWithLogitsLoss(reduction="none")
    for _ in range(_EPOCHS):
        for rows in torch.from_numpy(rng.permutation(len(few))).tensor_split(batches):
            adam.zero_grad(set_to_none=True)
            measure(network(seen[rows]).squeeze(1), told[rows]).mean().backward()
            adam.step()
            cycle.step()
    with torch.no_grad():
        logits = network(inputs(holdout, np.arange(len(holdout.rows)))).squeeze(1)
        outcome = torch.from_numpy(holdout.returned.astype(np.float32))
        return -np.asarray(measure(logits, outcome).numpy(), dtype=np.float64)
