"""RLlib's configuration and algorithm for offline learning from transitions in memory."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import ray
from numpy.typing import NDArray
from pydantic import BaseModel
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.learner.learner_group import LearnerGroup
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.utils.metrics import LEARNER_RESULTS

from bcrlsp.learning.batches import Split
from bcrlsp.learning.q_algorithm import QAlgorithm
from bcrlsp.learning.rllib.learner import Held, OfflineLearner
from bcrlsp.learning.rllib.module import OfflineModule
from bcrlsp.learning.settings import Settings
from bcrlsp.policies import NetworkSpec

# What the discounted cost's target reads.
_AHEAD = {"online_next", "target_next"}


class OfflineConfig(AlgorithmConfig):  # type: ignore[misc]
    """`.offline(...)` says what is learned; everything else is RLlib's own."""

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class or OfflineRL)
        # No environment is there to be sampled: no env runner is built.
        self._is_online = False
        self.num_env_runners = 0
        self.algorithm: QAlgorithm[Any] | None = None
        self.options: BaseModel | None = None
        self.settings = Settings()
        self.updates_per_iteration = 0

    def offline(
        self,
        *,
        algorithm: QAlgorithm[Any],
        options: BaseModel,
        settings: Settings,
        spec: NetworkSpec,
        split: Split,
        seed: int,
    ) -> "OfflineConfig":
        """What is learned, with which network and settings."""
        self.algorithm, self.options, self.settings = algorithm, options, settings
        self.environment(
            observation_space=gym.spaces.Box(-np.inf, np.inf, (spec.inputs,), np.float32),
            action_space=gym.spaces.Discrete(len(spec.heads[0].amounts)),
        )
        self.rl_module(
            model_config={
                "spec": spec.model_dump(mode="json"),
                "mean": split.scaling.mean.tolist(),
                "std": split.scaling.std.tolist(),
                "views": sorted(algorithm.views | (_AHEAD if settings.discounted_cost else set())),
            }
        )
        self.training(
            gamma=settings.gamma if algorithm.gamma is None else algorithm.gamma,
            lr=settings.learning_rate,
            grad_clip=settings.clip_gradient,
            grad_clip_by="global_norm",
        )
        self.learners(num_learners=settings.learners)
        self.debugging(seed=seed, log_level="ERROR")
        return self

    def get_default_learner_class(self) -> type:
        """The learner that holds the transitions."""
        return OfflineLearner

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """The network and its target."""
        return RLModuleSpec(module_class=OfflineModule)


class OfflineRL(Algorithm):  # type: ignore[misc]
    """Trains on the transitions that `hold` hands to its learners, `iteration` updates a call."""

    config: Any
    metrics: Any
    learner_group: LearnerGroup
    _updates = 0

    @classmethod
    def get_default_config(cls) -> OfflineConfig:
        """RLlib asks for it."""
        return OfflineConfig()

    def hold(self, held: Held) -> None:
        """Hands the transitions over: by reference in this process, else one copy a machine."""
        shared = held if self.learner_group.is_local else ray.put(held)
        self._all(lambda learner: learner.hold(shared))

    def training_step(self) -> None:
        """Many updates in the learners; their metrics go through RLlib's logger."""
        settings = self.config.settings
        count = min(settings.iteration, settings.updates - self._updates)
        results = self._all(lambda learner: learner.update_many(count))
        self._updates += count
        self.metrics.aggregate(results, key=LEARNER_RESULTS)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The state of the learners, who all have the same: see `OfflineLearner.arrays`."""
        arrays: dict[str, NDArray[np.float32]] = self._all(lambda learner: learner.arrays())[0]
        return arrays

    def restore_arrays(self, arrays: Mapping[str, NDArray[np.float32]], updates: int) -> None:
        """Every learner goes on from these, as they were after so many updates."""
        self._all(lambda learner: learner.restore(arrays, updates))
        self._updates = updates

    def _all(self, call: Callable[..., Any]) -> list[Any]:
        """`call(learner)` for every learner; an error of any of them is raised here."""
        results: list[Any] = list(self.learner_group.foreach_learner(call))
        for result in results:
            if not result.ok:
                raise result.get()
        return [result.get() for result in results]
