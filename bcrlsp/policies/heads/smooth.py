"""A value that is smooth in the bonus amount: levels share what one of them learns."""

import math
from typing import Any

from bcrlsp.policies.heads import HEADS

# Reach of each saturating curve, as a share of the largest amount: steep, medium, nearly straight.
_REACHES = (0.15, 0.5, 2.0)


class Smooth:
    r"""value(s, a) = v + sum_j w_j (1 - exp(-amount_a / (r_j m))) / (1 - exp(-1 / r_j)).

    m is the largest amount, r_j = 0.15, 0.5 and 2: curves from 0 to 1 that saturate early, later
    and hardly. Three numbers a state stand for all levels, which pools what each level shows.
    """

    def width(self, amounts: tuple[float, ...]) -> int:
        """The value of level 0 and one weight a curve."""
        return 1 + len(_REACHES)

    def read(self, raw: Any, amounts: tuple[float, ...], xp: Any) -> Any:
        """The weights times the curves at the levels' amounts."""
        curves = xp.asarray(_curves(amounts), dtype=raw.dtype)
        return raw[..., :1] + raw[..., 1:] @ curves


def _curves(amounts: tuple[float, ...]) -> list[list[float]]:
    top = max(amounts)
    return [
        [(1 - math.exp(-amount / (reach * top))) / (1 - math.exp(-1 / reach)) for amount in amounts]
        for reach in _REACHES
    ]


HEADS.register("smooth")(Smooth())
