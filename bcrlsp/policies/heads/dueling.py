"""A value of the state and an advantage a level (Wang et al. 2016, arXiv 1511.06581)."""

from typing import Any

from bcrlsp.policies.heads import HEADS


class Dueling:
    """value(s, a) = v + adv_a - mean_b adv_b."""

    def width(self, amounts: tuple[float, ...]) -> int:
        """The state's value and one advantage a level."""
        return len(amounts) + 1

    def read(self, raw: Any, amounts: tuple[float, ...], xp: Any) -> Any:
        """The first raw output is the state's value, the others are advantages."""
        advantages = raw[..., 1:]
        return raw[..., :1] + advantages - xp.mean(advantages, axis=-1, keepdims=True)


HEADS.register("dueling")(Dueling())
