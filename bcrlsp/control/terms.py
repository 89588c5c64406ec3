"""What a decision follows from beside the money left: policy, prices, budgets, made ready."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bcrlsp.arrays import as_flags, as_numbers, is_number
from bcrlsp.control.choice import Wishes
from bcrlsp.control.limits import GroupValues, Limit, Membership
from bcrlsp.control.money import Money
from bcrlsp.errors import DataError, UserError, shown

Floats = NDArray[np.float64]
Prices = Mapping[str, float] | float


class Valued(Protocol):
    """What a rule asks of a policy; `bcrlsp.policies.Policy` is one."""

    @property
    def amounts(self) -> Any:
        """Array (a,), money: face value of each level; level 0 is 0."""
        ...

    def evaluate(self, states: Any) -> tuple[Any, Any]:
        """Values (n, a) and expected costs (n, a), money, of every level in states (n, d)."""
        ...


@dataclass(frozen=True)
class Given:
    """The terms as they were given; see `PriceRule`."""

    policy: Any
    prices: Prices
    holding: Prices
    limits: tuple[Limit, ...]
    exploration: float
    money: Money

    def named(self, given: Prices, what: str) -> dict[str, float]:
        """{budget: number}; of no budgets {"": the number for all}. what: price or holding."""
        names = [limit.name for limit in self.limits]
        for number in given.values() if isinstance(given, Mapping) else [given]:
            if isinstance(number, str | bytes | bool) or number is None:
                raise UserError(f"a {what} is {shown(number)}; allowed: finite, at least 0")
        if isinstance(given, Mapping):
            unknown = sorted(set(given) - set(names)) if names else []
            if unknown:
                raise UserError(
                    f"a {what} for the budget {unknown[0]!r}; the budgets are {', '.join(names)}"
                )
            default = 0.0 if what == "price" else 1.0
            numbers = {name: float(given.get(name, default)) for name in names}
            numbers = numbers or {"": float(sum(given.values()))}
        elif what == "price":
            numbers = dict.fromkeys(names, 0.0) | self._for_all(given)
        else:
            numbers = {name: float(given) for name in names or [""]}
        for name, number in numbers.items():
            if not 0 <= number < np.inf:
                raise UserError(f"the {what} of {name!r} is {number}; allowed: finite, at least 0")
        return numbers

    def _for_all(self, price: float) -> dict[str, float]:
        """One price for all users: the first budget that counts all their money carries it."""
        if not self.limits:
            return {"": float(price)}
        for limit in self.limits:
            if limit.groups is None and limit.levels is None and limit.measure == "cost":
                return {limit.name: float(price)}
        if price:
            raise UserError(f"price {price}: no budget counts all money; give {{name: price}}")
        return {}


@dataclass(frozen=True)
class Terms:
    """`Given`, checked and made ready; replaced as a whole.

    face_price: (k, a), what a level costs a user whom a budget counts, whatever is redeemed.
    cost_price: (k, a), what it costs besides per unit of expected cost. One row without budgets.
    """

    policy: Any
    amounts: Floats
    faces: NDArray[np.int64]
    order: NDArray[np.intp]
    membership: Membership
    face_price: Floats
    cost_price: Floats
    exploration: float

    @property
    def names(self) -> list[str]:
        """Names of the budgets, in order."""
        return [limit.name for limit in self.membership.limits]

    @staticmethod
    def of(given: Given) -> "Terms":
        """Raises UserError, one line, for what makes no sense."""
        if not (is_number(given.exploration) and 0 <= given.exploration <= 1):
            raise UserError(f"exploration is {shown(given.exploration)}; allowed: a probability")
        amounts = as_numbers(given.policy.amounts, "the policy's amount")
        if amounts.ndim != 1 or len(amounts) < 2 or amounts[0] != 0:
            raise UserError(f"amounts are {amounts.tolist()}; allowed: at least two, the first 0")
        units = [given.money.up(amount, "an amount") for amount in amounts.tolist()]
        faces = np.array(units, np.int64)
        prices, holding = given.named(given.prices, "price"), given.named(given.holding, "holding")
        above = [name for name, share in holding.items() if share > 1]
        if above:
            raise UserError(f"the holding of {above[0]!r} is {holding[above[0]]}; allowed: 0 to 1")
        membership = Membership(given.limits, faces) if given.limits else _Free((), faces)
        face, cost = np.zeros((2, max(len(given.limits), 1), len(amounts)))
        for row, limit in enumerate(given.limits):
            price, held = prices[limit.name], holding[limit.name]
            counted = membership.charges[row] > 0
            if limit.measure == "count":
                face[row] = price * counted
            else:
                face[row] = price * held * amounts * counted
                cost[row] = price * (1 - held) * counted
        if not given.limits:
            face[0], cost[0] = prices[""] * holding[""] * amounts, prices[""] * (1 - holding[""])
        order = np.lexsort((np.arange(len(faces)), faces))
        return Terms(given.policy, amounts, faces, order, membership, face, cost, given.exploration)

    def flags(self, given: ArrayLike, n: int, name: str) -> NDArray[np.bool_]:
        """Truth values of the levels of n users, (n, a); of one user (a,) too. Raises DataError."""
        mask = as_flags(given, name)
        mask = mask[None] if mask.ndim == 1 and n == 1 else mask
        if mask.shape != (n, len(self.faces)):
            raise DataError(
                f"{name} is an array {mask.shape}; allowed: {(n, len(self.faces))}, a flag of "
                "each level of each user"
            )
        return mask

    def wishes(
        self, states: NDArray[Any], eligible: NDArray[np.bool_] | None, groups: GroupValues
    ) -> Wishes:
        """What n users would take; see `PriceRule.decide`. Raises DataError."""
        shape = len(states), len(self.faces)
        value, cost = self._evaluated(states)
        if value.shape != shape:
            raise DataError(f"the policy's values are {value.shape}; allowed: {shape}")
        gain = value - value[:, :1]
        codes, counted = self.membership.code(groups, shape[0])
        scores = gain - (counted @ self.face_price)[codes]
        if self.cost_price.any():
            scores -= (counted @ self.cost_price)[codes] * cost
        # Money is never spent where it does nothing; a value that is no number does nothing.
        allowed = (gain > 0) & np.isfinite(scores)
        supported = getattr(self.policy, "supported", None)
        if supported is not None:
            allowed &= as_flags(supported(states), "what the policy supports")
        if eligible is not None:
            allowed &= eligible
        scores[~allowed] = -np.inf
        scores[:, 0] = 0.0
        return Wishes(scores, self.faces, self.membership.charges, counted, codes, self.order)

    def _evaluated(self, states: NDArray[Any]) -> tuple[Floats, Floats]:
        if getattr(self.policy, "largest_price", 0):
            value, cost = self.policy.evaluate(states, price=self._money_price())
        else:
            value, cost = self.policy.evaluate(states)
        return as_numbers(value, "the policy's value"), as_numbers(cost, "the policy's cost")

    def _money_price(self) -> float:
        """Price of money to users whom only the budgets over everybody count."""
        limits, top = self.membership.limits, int(self.amounts.argmax())
        rows = [
            row for row, limit in enumerate(limits)
            if limit.groups is None and limit.measure == "cost"
        ] if limits else [0]  # fmt: skip
        face = self.face_price[rows, top] / self.amounts[top]
        return float((face + self.cost_price[rows, top]).sum())


class _Free(Membership):
    """No budgets: one row for all users, which carries the price."""

    def code(self, groups: GroupValues, n: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        return np.zeros(n, np.intp), np.ones((1, 1), bool)
