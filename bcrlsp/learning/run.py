"""One training run of a `QAlgorithm`: network, updates, checkpoints, and the policy at the end."""

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bcrlsp.errors import DataError
from bcrlsp.learning.batches import split
from bcrlsp.learning.calibration import calibrate
from bcrlsp.learning.checkpoints import Checkpoints, Saved
from bcrlsp.learning.identity import policy_id
from bcrlsp.learning.q_algorithm import QAlgorithm
from bcrlsp.learning.rllib.algorithm import OfflineConfig, OfflineRL
from bcrlsp.learning.rllib.cluster import ray_for
from bcrlsp.learning.rllib.learner import Held, below
from bcrlsp.learning.scales import units_of
from bcrlsp.learning.settings import Settings
from bcrlsp.learning.task import Task, TrainedPolicy
from bcrlsp.policies import Manifest, Network, NetworkSpec, Policy

Weights = dict[str, NDArray[np.float32]]

_WEIGHTS, _BEST = "network.", "best."
_TD = "holdout_td"
# Points of the curve in units of the reward; the losses are in its scaled units.
_IN_REWARDS = ("td", _TD)
# Held-out rows that predicted differences are compared on, at most.
_CALIBRATED = 500_000


def run(algorithm: QAlgorithm[Any], task: Task) -> TrainedPolicy:
    """Learns a policy; resumes from `task.checkpoints` where the same run was interrupted."""
    settings = task.settings
    parts = split(task.transitions, settings.holdout, task.seed)
    if settings.largest_price:
        parts = parts.with_prices(settings.largest_price)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    spec = NetworkSpec(
        inputs=len(parts.scaling.mean),
        clip=parts.scaling.clip,
        hidden=settings.hidden,
        heads=algorithm.heads(task.amounts, settings, task.options),
    )
    config = OfflineConfig().offline(
        algorithm=algorithm,
        options=task.options,
        settings=settings,
        spec=spec,
        split=parts,
        seed=task.seed,
    )
    units = units_of(task.transitions, parts.train, task.amounts, config.gamma)
    # RLlib warns of its own deprecated parts and of packages that it could use.
    for name in ("ray", "ray.rllib", "ray.tune"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with ray_for(settings.learners, task.transitions):
        trainer: Any = config.build_algo()
        try:
            trainer.hold(Held(task.transitions, parts, units))
            curve, weights = _train(trainer, task, units.reward)
        finally:
            trainer.stop()
    manifest = Manifest(
        policy_id=policy_id(task, weights),
        algorithm=settings.algorithm,
        amounts=task.amounts,
        feature_names=task.feature_names,
        feature_set=task.feature_set,
        gamma=config.gamma,
        price=settings.price,
        largest_price=settings.largest_price,
        cost_unit=units.cost,
        reward_scale=units.reward,
        value_base=units.base,
        support=algorithm.support(task.options),
        network=spec,
    )
    best = curve[_best(curve, settings)]
    metrics = {name: value for name, value in best.items() if name != "iteration"}
    metrics |= {"rows_train": float(len(parts.train)), "rows_holdout": float(len(parts.holdout))}
    policy = Policy(manifest, Network(spec, weights))
    found = calibrate(policy, task.transitions, parts.holdout[:_CALIBRATED])
    told = {"slope": found.slope, "correlation": found.correlation}
    metrics |= {f"calibration_{name}": value for name, value in told.items() if not np.isnan(value)}
    metrics |= {"reward_scale": units.reward, **parts.scaling.metrics()}
    notes = (
        *parts.scaling.notes((*task.feature_names, "price")),
        *units.notes(task.transitions, parts.train),
    )
    return TrainedPolicy(policy, curve, metrics, notes)


def _train(trainer: Any, task: Task, scale: float) -> tuple[list[dict[str, float]], Weights]:
    """The curve and the weights to keep. scale: rewards a unit of the values."""
    settings = task.settings
    checkpoints = Checkpoints(task.checkpoints, task.identity)
    curve: list[dict[str, float]] = []
    kept: Weights = {}
    saved = checkpoints.latest(_needed(trainer, settings))
    if saved is not None:
        curve, kept = saved.curve, below(_BEST, saved.arrays)
        trainer.restore_arrays(saved.arrays, int(curve[-1]["update"]))
    while not _ended(curve, settings):
        result = trainer.train()["learners"]["default_policy"]
        point = {name: float(value) for name, value in result.items() if _is_metric(name)}
        point |= {name: point[name] * scale for name in _IN_REWARDS if name in point}
        curve.append({"iteration": float(len(curve)), **point})
        task.progress(curve[-1])
        if not np.isfinite(point["total"]):
            raise DataError(
                f"the loss became {point['total']} after {point['update']:.0f} updates; lower "
                f"learning_rate = {settings.learning_rate}, or look for extreme rewards or costs"
            )
        arrays = trainer.arrays()
        if _best(curve, settings) == len(curve) - 1:
            kept = below(_WEIGHTS, arrays)
        checkpoints.save(Saved(curve, arrays | {f"{_BEST}{name}": kept[name] for name in kept}))
    return curve, kept


def _ended(curve: list[dict[str, float]], settings: Settings) -> bool:
    """Whether a run with this curve is over: it has its updates, or patience has run out."""
    if not curve:
        return False
    waited = len(curve) - 1 - _best(curve, settings)
    impatient = settings.patience is not None and waited >= settings.patience
    return curve[-1]["update"] >= settings.updates or impatient


def _best(curve: list[dict[str, float]], settings: Settings) -> int:
    """The point whose weights are kept: the last; with patience, the last of the lowest errors."""
    last = len(curve) - 1
    if settings.patience is None or _TD not in curve[0]:
        return last
    return min(range(last, -1, -1), key=lambda at: curve[at][_TD])


def _needed(trainer: OfflineRL, settings: Settings) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the arrays that a checkpoint must hold to be gone on from."""
    now = {name: array.shape for name, array in trainer.arrays().items()}
    network = below(_WEIGHTS, now)
    learned = {name: shape for name, shape in network.items() if name.startswith("layers.")}
    moments = {
        f"optimizer.{name}.{key}": () if key == "step" else shape
        for name, shape in learned.items()
        for key in ("step", "exp_avg", "exp_avg_sq")
    }
    return now | moments | {f"{_BEST}{name}": shape for name, shape in network.items()}


def _is_metric(name: str) -> bool:
    return not name.startswith("num_") and not name.endswith("learning_rate")
