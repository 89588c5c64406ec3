"""How the raw outputs of a network become one number a level: one file a kind.

A kind works on NumPy arrays and on torch tensors alike, so that training and scoring share it.
"""

from typing import Any, Protocol

from bcrlsp.registry import Registry


class Head(Protocol):
    """A kind of head. `amounts` are the face values of the levels, (a,); their number is a."""

    def width(self, amounts: tuple[float, ...]) -> int:
        """Raw outputs that one member of the head takes."""
        ...

    def read(self, raw: Any, amounts: tuple[float, ...], xp: Any) -> Any:
        """Raw outputs (..., width) to values (..., a); xp: the module `numpy` or `torch`."""
        ...


HEADS: Registry[Head] = Registry("head", __name__, "bcrlsp.heads")

__all__ = ["HEADS", "Head"]
