"""One training run of a `QAlgorithm`: network, updates, checkpoints, and the policy at the end."""

import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bcrlsp.errors import DataError
from bcrlsp.learning.batches import split
from bcrlsp.learning.calibration import calibrate
from bcrlsp.learning.q_algorithm import QAlgorithm
from bcrlsp.learning.rllib.algorithm import OfflineConfig, OfflineRL
from bcrlsp.learning.rllib.cluster import ray_for
from bcrlsp.learning.rllib.learner import Held
from bcrlsp.learning.task import Task, TrainedPolicy
from bcrlsp.policies import Manifest, Network, NetworkSpec, Policy, weights_digest

_WEIGHTS = "network."
_TD = "holdout_td"
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
        inputs=len(parts.mean),
        hidden=settings.hidden,
        heads=algorithm.heads(task.amounts, settings, task.options),
    )
    cost_unit = max(1e-6, float(task.transitions.costs.max()))
    config = OfflineConfig().offline(
        algorithm=algorithm,
        options=task.options,
        settings=settings,
        spec=spec,
        split=parts,
        seed=task.seed,
    )
    # RLlib warns of its own deprecated parts and of packages that it could use.
    for name in ("ray", "ray.rllib", "ray.tune"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with ray_for(settings.learners, task.transitions):
        trainer: Any = config.build_algo()
        try:
            trainer.hold(Held(task.transitions, parts, cost_unit))
            curve, weights, best = _train(trainer, task)
        finally:
            trainer.stop()
    manifest = Manifest(
        policy_id=f"{settings.algorithm}-{_identity(task, weights)}",
        algorithm=settings.algorithm,
        amounts=task.amounts,
        feature_names=task.feature_names,
        feature_set=task.feature_set,
        gamma=config.gamma,
        price=settings.price,
        largest_price=settings.largest_price,
        cost_unit=cost_unit,
        support=algorithm.support(task.options),
        network=spec,
    )
    metrics = {name: value for name, value in curve[best].items() if name != "iteration"}
    metrics |= {"rows_train": float(len(parts.train)), "rows_holdout": float(len(parts.holdout))}
    policy = Policy(manifest, Network(spec, weights))
    found = calibrate(policy, task.transitions, parts.holdout[:_CALIBRATED])
    told = {"slope": found.slope, "correlation": found.correlation}
    metrics |= {f"calibration_{name}": value for name, value in told.items() if value == value}
    return TrainedPolicy(policy, curve, metrics)


def _train(
    trainer: Any, task: Task
) -> tuple[list[dict[str, float]], dict[str, NDArray[np.float32]], int]:
    """The curve, the weights to keep, and the curve's point that they are of."""
    settings = task.settings
    curve = _resume(trainer, task)
    best, kept = len(curve) - 1, None
    while not curve or curve[-1]["update"] < settings.updates:
        result = trainer.train()["learners"]["default_policy"]
        point = {name: float(value) for name, value in result.items() if _is_metric(name)}
        curve.append({"iteration": float(len(curve)), **point})
        task.progress(curve[-1])
        if not np.isfinite(point["total"]):
            raise DataError(
                f"the loss became {point['total']} after {point['update']:.0f} updates; lower "
                f"learning_rate = {settings.learning_rate}, or look for extreme rewards or costs"
            )
        if settings.patience is not None and _TD in point:
            if kept is None or point[_TD] <= min(at[_TD] for at in curve):
                best, kept = len(curve) - 1, _weights(trainer)
            elif len(curve) - 1 - best >= settings.patience:
                break
        _checkpoint(trainer, task, curve)
    if kept is None:
        best, kept = len(curve) - 1, _weights(trainer)
    return curve, kept, best


def _is_metric(name: str) -> bool:
    return not name.startswith("num_") and not name.endswith("learning_rate")


def _weights(trainer: OfflineRL) -> dict[str, NDArray[np.float32]]:
    held = trainer.learner_group.get_weights()["default_policy"]
    return {
        name.removeprefix(_WEIGHTS): np.array(array, np.float32)
        for name, array in held.items()
        if name.startswith(_WEIGHTS)
    }


def _identity(task: Task, weights: dict[str, NDArray[np.float32]]) -> str:
    """The same data, settings and seed are the same policy."""
    said = f"{task.settings.model_dump_json()}{task.feature_set}{task.amounts}"
    return hashlib.sha256((said + weights_digest(weights)).encode()).hexdigest()[:12]


def _run_identity(task: Task) -> str:
    """What a checkpoint must share with the run that continues it."""
    said = (
        f"{task.settings.model_dump_json()}{task.seed}{task.feature_set}{task.amounts}"
        f"{task.transitions.states.shape}"
    )
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _checkpoint(trainer: OfflineRL, task: Task, curve: list[dict[str, float]]) -> None:
    """Saves RLlib's state beside the last one, then takes its place: one is always whole."""
    if task.checkpoints is None:
        return
    folder = Path(task.checkpoints).absolute() / _run_identity(task)
    fresh = folder / f"{len(curve):06d}.part"
    shutil.rmtree(fresh, ignore_errors=True)
    trainer.save_to_path(str(fresh))
    (fresh / "curve.json").write_text(json.dumps(curve))
    fresh.rename(folder / f"{len(curve):06d}")
    for old in sorted(folder.iterdir())[:-1]:
        shutil.rmtree(old, ignore_errors=True)


def _resume(trainer: OfflineRL, task: Task) -> list[dict[str, float]]:
    """Restores the last whole checkpoint of this run, if there is one; returns its curve."""
    if task.checkpoints is None:
        return []
    folder = Path(task.checkpoints).absolute() / _run_identity(task)
    whole = [path for path in folder.glob("*") if path.suffix != ".part"]
    if not whole:
        return []
    last = max(whole)
    trainer.restore_from_path(str(last))
    curve: list[dict[str, float]] = json.loads((last / "curve.json").read_text())
    return curve
