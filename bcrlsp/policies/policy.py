"""A learned policy: values and expected costs of every level in a state.

NumPy only: a Spark worker that scores users loads neither torch nor Ray.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bcrlsp.arrays import as_flags, as_states, is_number
from bcrlsp.errors import DataError
from bcrlsp.policies.chances import intersected, softmax, uniform
from bcrlsp.policies.manifest import BEHAVIOUR, COST, DISCOUNTED_COST, VALUE, Manifest
from bcrlsp.policies.network import FloatArray, Network

Rule = Literal["greedy", "softmax", "behaviour"]


class Policy:
    """Values of levels; see `load_policy`.

    manifest: what the policy is.
    network: its weights, with the shape that the manifest states.
    digest: SHA-256 of manifest and weights as they are saved; empty: never saved.
    """

    def __init__(self, manifest: Manifest, network: Network, digest: str = "") -> None:
        self.manifest = manifest
        self.network = network
        self.digest = digest

    @property
    def policy_id(self) -> str:
        """Its name: the algorithm and a digest of its weights."""
        return self.manifest.policy_id

    @property
    def algorithm(self) -> str:
        """The algorithm that learned it."""
        return self.manifest.algorithm

    @property
    def input(self) -> Literal["features", "carry"]:
        """What `evaluate` takes: the features of a user, or the carried state.

        Every learner of this package teaches what it knows to a network over the features, the
        recurrent one included, so that all of them are scored alike.
        """
        return "features"

    @property
    def levels(self) -> int:
        """Number of bonus levels a; levels are 0..a-1."""
        return len(self.manifest.amounts)

    @property
    def amounts(self) -> NDArray[np.float64]:
        """Array (a,), money: face value of each level."""
        return np.array(self.manifest.amounts)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """What each of the d columns of a state is."""
        return self.manifest.feature_names

    @property
    def feature_set(self) -> str:
        """Hash of the features' declaration; states of another one are no input of this policy."""
        return self.manifest.feature_set

    @property
    def gamma(self) -> float:
        """Discount a period that the values are of."""
        return self.manifest.gamma

    @property
    def largest_price(self) -> float:
        """Largest price of money that the values may be asked for; 0: they do not depend on it."""
        return self.manifest.largest_price

    def q_values(self, states: FloatArray, price: float = 0.0) -> NDArray[np.float64]:
        """Expected discounted reward of each level sent now, in the log's unit (active periods, or
        money): array (n, a).

        states: array (n, d) float32, columns as in `feature_names`. Cost is not taken off, also
        where training was net of a price: then price x expected cost is added back.
        price: of money in later periods, where the policy has learned every price; else unused.
        A number beyond what training usually saw of a feature is read as the nearest that it did
        (`NetworkSpec.clip`).
        Raises DataError for states of another width, or that hold NaN or infinity.
        """
        return self.evaluate(states, price)[0]

    def costs(self, states: FloatArray) -> NDArray[np.float64]:
        """Expected cost of each level in the period it is sent: array (n, a), money, >= 0."""
        return self.evaluate(states)[1]

    def evaluate(
        self, states: FloatArray, price: float = 0.0
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`q_values` and `costs` in one forward pass; level 0 costs exactly nothing.

        Raises DataError as `q_values`, and where the network's own answer is not finite.
        """
        value, cost = self.network.heads(self._inputs(states, price), (VALUE, COST))
        net_of = min(price, self.largest_price) if self.largest_price else self.manifest.price
        costs = np.maximum(cost.astype(np.float64) * self.manifest.cost_unit, 0.0)
        costs[:, self.amounts == 0] = 0.0
        with np.errstate(invalid="ignore"):  # a network that overflows is refused below
            values = value.astype(np.float64) * self.manifest.reward_scale + net_of * costs
            values += self.manifest.value_base
            self._finite(values + costs)
        return values, costs

    @property
    def has_discounted_costs(self) -> bool:
        """Whether the policy has learned them."""
        return DISCOUNTED_COST in {head.name for head in self.manifest.network.heads}

    def discounted_costs(self, states: FloatArray, price: float = 0.0) -> NDArray[np.float64]:
        """Expected discounted cost from now on of each level sent now: array (n, a), money, >= 0.

        Later levels are the policy's own. A level that costs nothing has its later costs, too.
        Raises DataError where they were not learned.
        """
        if not self.has_discounted_costs:
            raise DataError(
                f"policy {self.policy_id} has not learned discounted costs; train with "
                "training.discounted_cost=true, or allocate with cost face or expected"
            )
        (ahead,) = self.network.heads(self._inputs(states, price), (DISCOUNTED_COST,))
        self._finite(ahead)
        return np.maximum(ahead.astype(np.float64) * self.manifest.cost_unit, 0.0)

    def behaviour(self, states: FloatArray) -> NDArray[np.float64]:
        """The logging policy's estimated probability of each level: array (n, a), rows sum to 1.

        Raises DataError where the algorithm did not learn it.
        """
        if BEHAVIOUR not in {head.name for head in self.manifest.network.heads}:
            raise DataError(
                f"policy {self.policy_id} ({self.algorithm}) has not learned the logging policy; "
                "train with the algorithm bc or bcq"
            )
        (scores,) = self.network.heads(self._inputs(states, 0.0), (BEHAVIOUR,))
        self._finite(scores)
        return softmax(scores)

    def supported(self, states: FloatArray) -> NDArray[np.bool_]:
        """Levels that the log supports in each state: bool (n, a); each row has at least one.

        All of them, unless the algorithm keeps to what the log holds (discrete BCQ, Fujimoto et
        al. 2019, arXiv 1910.01708: those likely enough beside the likeliest).
        """
        if self.manifest.support == 0:
            return np.ones((len(self._checked(states)), self.levels), bool)
        logged = self.behaviour(states)
        return np.asarray(logged >= self.manifest.support * logged.max(axis=1, keepdims=True))

    def probabilities(
        self,
        states: FloatArray,
        *,
        rule: Rule = "greedy",
        temperature: float = 0.1,
        price: float = 0.0,
        allowed: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float64]:
        """Probability of each level under a rule over the values: array (n, a), rows sum to 1.

        rule: "greedy" (all on the best level; ties: the lower level), "softmax" (proportional to
            exp(value / temperature)), or "behaviour" (the learned logging policy).
        price: value of a unit of money: `price` x expected cost is taken off the value first, and
            the value is the one at that price where the policy has learned every price.
        allowed: bool (n, a), levels that a user may get; only supported ones are chosen besides.
        Raises DataError where a row allows nothing, or the arguments are out of range.
        """
        if not is_number(temperature) or not temperature > 0:
            raise DataError(f"temperature {temperature!r}; allowed: a number above 0")
        may = self.supported(states)
        if allowed is not None:
            may = intersected(may, as_flags(allowed, "allowed"))
        if rule == "behaviour":
            chances = np.where(may, self.behaviour(states), 0.0)
            total = chances.sum(axis=1, keepdims=True)
            return np.where(total > 0, chances / np.where(total > 0, total, 1.0), uniform(may))
        values, costs = self.evaluate(states, price)
        scores = np.where(may, values - price * costs, -np.inf)
        if rule == "greedy":
            return np.asarray(np.eye(self.levels)[scores.argmax(axis=1)])
        if rule == "softmax":
            best = scores.max(axis=1, keepdims=True)
            with np.errstate(over="ignore"):  # far below the best one: no chance at all
                return softmax((scores - best) / temperature)
        raise DataError(f"unknown rule {rule!r}; allowed: greedy, softmax, behaviour")

    def _inputs(self, states: FloatArray, price: float) -> FloatArray:
        """States as the network takes them: checked, with the price where it takes one.

        A price above the largest is taken as the largest: further out nothing was learned.
        """
        states = self._checked(states)
        if not is_number(price) or not price >= 0:
            raise DataError(f"price {price!r} of money; allowed: a number of at least 0")
        if not self.largest_price:
            return states
        column = np.full((len(states), 1), min(price, self.largest_price), np.float32)
        return np.hstack([states, column])

    def _finite(self, answers: NDArray[np.floating[Any]]) -> None:
        """DataError unless all answers (n, a) are finite: an overflow is no value."""
        good = np.isfinite(answers)
        if not good.all():
            row, level = np.argwhere(~good)[0]
            raise DataError(
                f"policy {self.policy_id} gives level {level} no finite value in row {row} of the "
                "states: they are far from what it was trained on; look for extreme features"
            )

    def _checked(self, states: FloatArray) -> FloatArray:
        states = as_states(states)
        if states.ndim != 2 or states.shape[1] != len(self.feature_names):
            raise DataError(
                f"states of shape {states.shape} for policy {self.policy_id}; allowed: "
                f"(n, {len(self.feature_names)}), the features it was trained on"
            )
        if not np.isfinite(states).all():
            row, column = np.argwhere(~np.isfinite(states))[0]
            raise DataError(
                f"feature {self.feature_names[column]} is {states[row, column]} in row {row} of "
                "the states; allowed: finite numbers"
            )
        return states
