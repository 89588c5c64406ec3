"""One raw output a level."""

from typing import Any

from bcrlsp.policies.heads import HEADS


class Plain:
    """value(s, a) = raw_a."""

    def width(self, amounts: tuple[float, ...]) -> int:
        """One output a level."""
        return len(amounts)

    def read(self, raw: Any, amounts: tuple[float, ...], xp: Any) -> Any:
        """The raw outputs themselves."""
        return raw


HEADS.register("plain")(Plain())
