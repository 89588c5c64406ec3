"""The price of money that later periods are valued at, and the one that the budget LP finds: equal.

A policy that has learned Q(s, a, λ) for every λ (BCORLE(λ), Zhang et al. 2021, NeurIPS) is asked
for the values at the very price that its allocation then pays, so that a new budget needs no
training. The LP's price as a function of λ is not known to fall or rise smoothly, so λ is bracketed
where the two cross, and the search ends after a few allocations whatever it has found: each of them
is within the budgets.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from bcrlsp.allocation.certificate import Certificate


class Allocated(Protocol):
    """An allocation, on Spark or in memory."""

    @property
    def certificate(self) -> Certificate:
        """What proves it."""
        ...

    def release(self) -> None:
        """Frees what it holds."""
        ...


S = TypeVar("S")
A = TypeVar("A", bound=Allocated)

TOLERANCE, ROUNDS = 0.02, 6
"""Share of the largest price within which the two count as equal; most allocations."""


@dataclass(frozen=True)
class Settled(Generic[A]):
    """The allocation, the price that its values were asked at, and how many were solved."""

    allocation: A
    price: float
    rounds: int


def settle(
    scores: Callable[[float], S],
    solve: Callable[[S], A],
    largest: float,
    money: Collection[str],
    *,
    tolerance: float = TOLERANCE,
    rounds: int = ROUNDS,
) -> Settled[A]:
    """The allocation whose price of money is that of its scores, as near as `rounds` come to it.

    scores: the users' scores at a price. solve: their allocation. largest: that the policy knows;
    0: its values do not depend on the price, and there is one round. money: names of the budgets
        that count money.
    Allocations that are not returned are released.
    """
    low, high, price, number = 0.0, largest, 0.0, 1
    best = Settled(solve(scores(price)), price, number)
    paid = min(price_paid(best.allocation, money), largest)
    nearest = abs(paid - price)
    apart = nearest
    while apart > tolerance * largest and number < rounds:
        low, high = (price, high) if paid > price else (low, price)
        # The price just paid where it lies between what is known to be too low and too high.
        price = paid if low < paid < high else (low + high) / 2
        number += 1
        allocation = solve(scores(price))
        paid = min(price_paid(allocation, money), largest)
        apart = abs(paid - price)
        if apart < nearest:
            best.allocation.release()
            best, nearest = Settled(allocation, price, number), apart
        else:
            allocation.release()
    return Settled(best.allocation, best.price, number)


def price_paid(allocation: Allocated, money: Collection[str]) -> float:
    """Value of a unit of money: the prices of the budgets `money`, each by its share of the spend.

    Never below 0, which the price of a least spend may be.
    """
    found = allocation.certificate
    spend = sum(found.spend[name] for name in money)
    if spend <= 0:
        return max((found.prices[name] for name in money), default=0.0)
    return max(0.0, sum(found.prices[name] * found.spend[name] for name in money) / spend)
