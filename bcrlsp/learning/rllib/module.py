"""RLlib's module: the network and its target."""

from typing import Any

import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.utils import make_target_network
from ray.rllib.core.rl_module.apis import TARGET_NETWORK_ACTION_DIST_INPUTS, TargetNetworkAPI
from ray.rllib.core.rl_module.torch import TorchRLModule

from bcrlsp.learning.network import TorchNetwork
from bcrlsp.learning.views import Views
from bcrlsp.policies import NetworkSpec
from bcrlsp.policies.manifest import VALUE

VIEWS = "views"
"""Key of a `Views` in what `forward_train` returns."""


class OfflineModule(TorchRLModule, TargetNetworkAPI):  # type: ignore[misc]
    """Values of every head at the states and at the next states.

    model_config: spec (a `NetworkSpec` as a dict), mean and std (lists), views (names of those of
    `Views` that the loss reads beside `online`).
    """

    def setup(self) -> None:
        """Builds the network."""
        config: Any = self.model_config
        spec = NetworkSpec.model_validate(config["spec"])
        self.network = TorchNetwork(spec, config["mean"], config["std"])
        self._views = frozenset(config["views"])

    def make_target_networks(self) -> None:
        """The target starts as a copy; no gradient reaches it."""
        target: Any = make_target_network(self.network)
        self.target = target
        self._pair: tuple[list[torch.Tensor], list[torch.Tensor]] = (
            list(target.parameters()),
            list(self.network.parameters()),
        )

    def get_target_network_pairs(self) -> list[tuple[Any, Any]]:
        """The one pair of network and target."""
        return [(self.network, self.target)]

    def forward_target(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The target's values of the levels as the inputs of an action distribution."""
        with torch.no_grad():
            values = self.target(batch[Columns.OBS])[VALUE]
        return {TARGET_NETWORK_ACTION_DIST_INPUTS: values.mean(1)}

    @torch.no_grad()
    def move_target(self, rate: float) -> None:
        """target += rate x (network - target), all parameters in one call."""
        torch._foreach_lerp_(self._pair[0], self._pair[1], rate)

    def _forward(self, batch: dict[str, Any], **_: Any) -> dict[str, Any]:
        values = self.network(batch[Columns.OBS])[VALUE].mean(1)
        return {Columns.ACTION_DIST_INPUTS: values, Columns.ACTIONS: values.argmax(1)}

    def _forward_train(self, batch: dict[str, Any], **_: Any) -> dict[str, Any]:
        now, ahead = batch[Columns.OBS], batch[Columns.NEXT_OBS]
        reads = self._views
        with torch.no_grad():
            views = {
                "online_next": self.network(ahead) if "online_next" in reads else {},
                "target": self.target(now) if "target" in reads else {},
                "target_next": self.target(ahead) if "target_next" in reads else {},
            }
        return {VIEWS: Views(online=self.network(now), **views)}
