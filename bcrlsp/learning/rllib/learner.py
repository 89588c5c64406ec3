"""RLlib's learner: many updates a call, on minibatches drawn by index from memory.

`OfflineData` would start a Ray Data pipeline at every iteration and make an object of each row;
here the transitions are handed over once and a batch costs two gathers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from torch import Tensor

from bcrlsp.learning.batches import Batch, Sampler, Split
from bcrlsp.learning.rllib.module import VIEWS
from bcrlsp.learning.scales import Units
from bcrlsp.learning.spending import cost_errors
from bcrlsp.learning.transitions import Transitions
from bcrlsp.learning.views import Loss, Views

T = TypeVar("T")

# Held-out transitions that errors are measured on, at most.
_HOLDOUT_ROWS = 20_000
_BATCH = "batch"


@dataclass(frozen=True)
class Held:
    """What a learner draws from; handed over once, by reference or through Ray's object store."""

    transitions: Transitions
    split: Split
    units: Units


class OfflineLearner(TorchLearner):  # type: ignore[misc]
    """Fits the module to the transitions that `hold` gave it; its config is an `OfflineConfig`."""

    config: Any

    def build(self) -> None:
        """The network, its target and the optimiser."""
        super().build()
        self._unwrapped().make_target_networks()
        self._sampler: Sampler | None = None
        self._holdout: Batch | None = None

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """AdamW over the network in one fused call; the target follows by itself."""
        params = list(self._unwrapped().network.parameters())
        settings = config.settings
        optimizer = torch.optim.AdamW(
            params, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.register_optimizer(
            module_id=module_id,
            optimizer=optimizer,
            params=params,
            lr_or_lr_schedule=settings.learning_rate,
        )

    def hold(self, held: Any) -> None:
        """Takes the transitions: a `Held`, or Ray's reference to one."""
        if isinstance(held, ray.ObjectRef):
            held = ray.get(held)
        settings = self.config.settings
        rows = {"train": held.split.train, "holdout": held.split.holdout}
        samplers = {
            name: Sampler(
                held.transitions,
                each,
                batch_size=settings.batch_size,
                seed=self.config.seed or 0,
                gamma=self.config.gamma,
                n_step=settings.n_step,
                price=settings.price,
                largest_price=settings.largest_price,
                units=held.units,
                part=self._learner_index,
                parts=max(1, self.config.num_learners),
            )
            for name, each in rows.items()
        }
        self._sampler = samplers["train"]
        if len(rows["holdout"]):
            draw = np.random.default_rng([self.config.seed or 0, 2])
            picked = np.sort(draw.permutation(rows["holdout"])[:_HOLDOUT_ROWS])
            prices = draw.random(len(picked)) if settings.largest_price else None
            self._holdout = samplers["holdout"].at(picked, prices)

    def update_many(self, count: int) -> Any:
        """`count` updates; returns the reduced metrics, means over them.

        The number of updates made so far is the sequence number of the weights.
        """
        if self._sampler is None:
            raise RuntimeError("hold() gives the learner its transitions before the first update")
        self.before_gradient_based_update(timesteps={})
        module = self._unwrapped()
        self._sums: dict[str, Tensor] = {}
        (optimizer,) = (each for _, each in self.get_optimizers_for_module(DEFAULT_MODULE_ID))
        for _ in range(count):
            self._set_optimizer_lr(optimizer, self._learning_rate())
            self._update(_as_rllib(self._sampler.batch(self._weights_seq_no)))
            module.move_target(self.config.settings.target_rate)
            self._weights_seq_no += 1
        for name, total in self._sums.items():
            self._log(name, float(total) / count)
        self._log("update", self._weights_seq_no)
        if self._holdout is not None:
            for name, error in self._errors(self._holdout).items():
                self._log(f"holdout_{name}", error)
        self.after_gradient_based_update(timesteps={})
        return self.metrics.reduce()

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """What an interrupted run needs to go on, beside the number of updates.

        network.NAME, target.NAME: of the module. optimizer.NAME.KEY: of the network's parameters,
        once there has been an update.
        """
        module = self._unwrapped()
        held = {
            f"{part}.{name}": tensor
            for part, network in (("network", module.network), ("target", module.target))
            for name, tensor in network.state_dict().items()
        }
        optimizer = self.get_optimizer(DEFAULT_MODULE_ID)
        for name, parameter in module.network.named_parameters():
            moments = optimizer.state.get(parameter, {})
            held |= {f"optimizer.{name}.{key}": moments[key] for key in moments}
        return {name: np.array(tensor.cpu().numpy()) for name, tensor in held.items()}

    def restore(self, arrays: Mapping[str, NDArray[np.float32]], updates: int) -> None:
        """Goes on from `arrays` as they were after so many updates."""
        module = self._unwrapped()
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
        for part, network in (("network", module.network), ("target", module.target)):
            network.load_state_dict(below(f"{part}.", tensors))
        optimizer = self.get_optimizer(DEFAULT_MODULE_ID)
        for name, parameter in module.network.named_parameters():
            moments = below(f"optimizer.{name}.", tensors)
            optimizer.state[parameter] = {
                key: tensor.to(parameter.device) for key, tensor in moments.items()
            }
        self._weights_seq_no = updates

    def compute_loss_for_module(
        self, *, module_id: str, config: Any, batch: Mapping[str, Any], fwd_out: Mapping[str, Any]
    ) -> Tensor:
        """The algorithm's loss and the expected cost's squared error."""
        loss, costs = self._losses(fwd_out[VIEWS], batch[_BATCH])
        for name, value in (_named(loss) | costs).items():
            self._add(name, value)
        total: Tensor = loss.total + config.settings.cost_weight * sum(costs.values())
        return total

    def postprocess_gradients(self, gradients_dict: dict[Any, Tensor]) -> dict[Any, Tensor]:
        """Clips their norm in one call."""
        parameters = self._unwrapped().network.parameters()
        torch.nn.utils.clip_grad_norm_(parameters, self.config.grad_clip, foreach=True)
        return gradients_dict

    def apply_gradients(self, gradients_dict: dict[Any, Tensor]) -> None:
        """One step. RLlib would first look at each gradient for NaN: `run` looks at the loss."""
        self.get_optimizer(DEFAULT_MODULE_ID).step()

    def _learning_rate(self) -> float:
        """Of the next update, by its number alone."""
        settings = self.config.settings
        if settings.decay == "constant":
            return float(settings.learning_rate)
        # The first half is for the targets to settle: a network that stands still no longer
        # follows them.
        falling = min(1.0, max(0.0, 2 * self._weights_seq_no / settings.updates - 1))
        return float(settings.learning_rate * 0.5 * (1 + math.cos(math.pi * falling)))

    def _losses(self, views: Views, batch: Batch) -> tuple[Loss, dict[str, Tensor]]:
        config = self.config
        draw = torch.Generator().manual_seed(
            ((config.seed or 0) * 1_000_003 + self._weights_seq_no) % 2**63
        )
        algorithm, options, pessimism = config.algorithm, config.options, config.settings.pessimism
        loss = algorithm.loss(views, batch, options, draw, pessimism)
        return loss, cost_errors(algorithm, views, batch, options, pessimism)

    @torch.no_grad()
    def _errors(self, batch: Batch) -> dict[str, float]:
        views = self._unwrapped().forward_train(_as_rllib(batch)["default_policy"])[VIEWS]
        loss, costs = self._losses(views, batch)
        return {name: float(value) for name, value in (_named(loss) | costs).items()}

    def _add(self, name: str, value: Tensor) -> None:
        value = value.detach()
        self._sums[name] = self._sums[name] + value if name in self._sums else value

    def _log(self, name: str, value: float) -> None:
        self.metrics.log_value((DEFAULT_MODULE_ID, name), value, reduce="mean", window=1)

    def _unwrapped(self) -> Any:
        return self.module[DEFAULT_MODULE_ID].unwrapped()


def below(start: str, named: Mapping[str, T]) -> dict[str, T]:
    """The entries whose names start so, by the rest of their names."""
    return {name.removeprefix(start): x for name, x in named.items() if name.startswith(start)}


def _named(loss: Loss) -> dict[str, Tensor]:
    return {each.name: getattr(loss, each.name) for each in fields(loss)}


def _as_rllib(batch: Batch) -> dict[str, dict[str, Any]]:
    return {
        DEFAULT_MODULE_ID: {
            Columns.OBS: batch.states,
            Columns.NEXT_OBS: batch.next_states,
            _BATCH: batch,
        }
    }
