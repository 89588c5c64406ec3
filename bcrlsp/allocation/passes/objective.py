"""What is maximised, before prices."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from bcrlsp.allocation.passes.blocks import Answer, Source, Users
from bcrlsp.allocation.passes.kernels import damping
from bcrlsp.allocation.problem.constraints import FloatArray, PriceTables


@dataclass(frozen=True)
class Objective:
    """What is maximised: weight * value - cost[g, a] * cost - count[g, a], summed over users."""

    weight: float
    tables: PriceTables

    @classmethod
    def value(cls, groups: int, levels: int) -> "Objective":
        """The sum of values."""
        return cls(1.0, PriceTables(np.zeros((groups, levels)), np.zeros((groups, levels))))

    @property
    def levels(self) -> int:
        """Number of levels."""
        return int(self.tables.cost.shape[1])

    def score(self, users: Users, tables: PriceTables) -> FloatArray:
        """(m, a) scores under `tables`, as the compiled passes have them."""
        paid = tables.cost[users.group_index] * users.cost + tables.count[users.group_index]
        banned = np.isneginf(users.value)
        worth = self.weight * np.where(banned, 0.0, users.value)
        return np.where(banned, -np.inf, worth - damping(users.hashes)[:, None] * paid)

    def priced(self, tables: PriceTables) -> PriceTables:
        """The price tables of a pass: this objective's own and the rows'."""
        return PriceTables(self.tables.cost + tables.cost, self.tables.count + tables.count)

    def coefficient(self, users: Users) -> FloatArray:
        """(m, a) each level's part of the objective; -inf where it is not allowed."""
        paid = (
            self.tables.cost[users.group_index] * users.cost + self.tables.count[users.group_index]
        )
        banned = np.isneginf(users.value)
        return np.where(banned, -np.inf, self.weight * np.where(banned, 0.0, users.value) - paid)

    def total(self, answer: Answer, source: Source) -> Fraction:
        """The objective of the choices of a pass, exactly."""
        units = source.units
        total = Fraction(self.weight) * int(answer.value.sum()) * Fraction(units.value)
        for g, a in np.argwhere(self.tables.cost):
            whole = units.whole(answer.sums[1, g, a], answer.sums[4, g, a])
            total -= Fraction(float(self.tables.cost[g, a])) * whole * units.step
        for g, a in np.argwhere(self.tables.count):
            total -= Fraction(float(self.tables.count[g, a])) * int(answer.count[g, a])
        return total

    def scale(self, source: Source) -> float:
        """The largest size of one user's part."""
        return (
            self.weight * source.scale
            + float((np.abs(self.tables.cost) * source.top_cost[:, None]).max(initial=0.0))
            + float(np.abs(self.tables.count).max(initial=0.0))
        )
