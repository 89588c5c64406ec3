"""The price that values are asked at and the price that the allocation pays: equal in the end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from bcrlsp.allocation import Budget, allocate
from bcrlsp.decisions.price_search import price_paid, settle
from bcrlsp.policies import HeadSpec, Manifest, Network, NetworkSpec, Policy, save_policy
from bcrlsp.policies.scoring import score


@dataclass
class Market:
    """Allocations whose price follows from the price that the scores were asked at."""

    paid: Callable[[float], float]
    asked: list[float] = field(default_factory=list)
    released: list[float] = field(default_factory=list)

    def scores(self, price: float) -> Any:
        self.asked.append(price)
        return price

    def solve(self, price: Any) -> Any:
        found = SimpleNamespace(
            prices={"total": self.paid(price), "sent": 99.0}, spend={"total": 10.0, "sent": 500.0}
        )
        return SimpleNamespace(
            certificate=found, asked=price, release=lambda: self.released.append(price)
        )

    def settle(self, largest: float = 1.0, **changes: Any) -> Any:
        return settle(self.scores, self.solve, largest, ["total"], **changes)


@pytest.mark.parametrize(
    ("paid", "fixed"),
    [
        (lambda price: 0.6 - 0.5 * price, 0.4),
        (lambda price: 0.3 + 0.4 * price, 0.5),
        (lambda price: 0.9 - 2.0 * price, 0.3),  # steeper than 1: following it blindly diverges
        (lambda price: 0.0, 0.0),
        (lambda price: 7.0, 1.0),  # beyond what was learned
    ],
)
def test_the_two_prices_meet_and_what_is_not_used_is_released(
    paid: Callable[[float], float], fixed: float
) -> None:
    market = Market(paid)
    found = market.settle(rounds=8)
    assert found.price == pytest.approx(fixed, abs=0.04)
    assert found.allocation.asked == found.price
    assert found.rounds == len(market.asked) <= 8
    assert sorted([*market.released, found.price]) == sorted(market.asked)


def test_values_that_do_not_depend_on_the_price_are_asked_once() -> None:
    market = Market(lambda price: 0.7)
    assert market.settle(largest=0.0).rounds == 1
    assert market.asked == [0.0]


def test_a_jump_over_the_fixed_point_ends_at_the_nearer_side() -> None:
    market = Market(lambda price: 0.8 if price < 0.5 else 0.1)
    found = market.settle(rounds=6)
    assert len(market.asked) == 6
    assert len(market.released) == 5
    assert abs(found.price - 0.5) < 0.3


def test_the_price_paid_is_of_budgets_of_money_by_their_spend() -> None:
    found = SimpleNamespace(
        prices={"a": 0.2, "b": 0.8, "sent": 9.0}, spend={"a": 30.0, "b": 10.0, "sent": 5.0}
    )
    assert price_paid(SimpleNamespace(certificate=found), ["a", "b"]) == pytest.approx(0.35)
    found.spend = {"a": 0.0, "b": 0.0}
    assert price_paid(SimpleNamespace(certificate=found), ["a", "b"]) == 0.8
    assert price_paid(SimpleNamespace(certificate=found), []) == 0.0


def of_every_price(largest: float) -> Policy:
    """Random weights; four features, three levels. largest: 0, a policy of no price."""
    amounts = (0.0, 1.0, 3.0)
    heads = tuple(HeadSpec(name=name, amounts=amounts) for name in ("q", "cost"))
    spec = NetworkSpec(inputs=5 if largest else 4, hidden=(8,), heads=heads)
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=shape).astype("f4") for name, shape in spec.shapes().items()}
    weights["std"] = np.abs(weights["std"]) + 0.5
    manifest = Manifest(
        policy_id="test", algorithm="test", amounts=amounts, feature_names=tuple("abcd"),
        feature_set="f", gamma=0.8, network=spec, largest_price=largest,
    )  # fmt: skip
    return Policy(manifest, Network(spec, weights))


def test_a_policys_values_and_the_budget_program_agree_on_the_price(
    spark: SparkSession, tmp_path: Path
) -> None:
    policy = of_every_price(0.5)
    uri = save_policy(policy, str(tmp_path / "p"))
    states = np.random.default_rng(3).normal(size=(300, 4)).astype("f4")
    users = spark.createDataFrame(
        pa.table({"user_id": [f"u{k:03d}" for k in range(300)], "state": list(states)})
    )
    budget = Budget("total", 150.0)
    found = settle(
        lambda price: score(users, uri, price=price).drop("state"),
        lambda scores: allocate(scores, [budget]),
        policy.largest_price,
        ["total"],
    )
    certificate = found.allocation.certificate
    assert certificate.spend["total"] <= 150
    assert min(certificate.prices["total"], 0.5) == pytest.approx(found.price, abs=0.1)
    values = policy.q_values(states, found.price)
    chosen = found.allocation.decisions.orderBy("user_id").toPandas()["level"].to_numpy()
    assert values[np.arange(300), chosen].sum() == pytest.approx(certificate.value)
    found.allocation.release()
