"""Where a policy is tried: users with a history of the logging policy, and a budget a period."""

import copy
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bcrlsp.errors import ConfigError
from bcrlsp.features import Carry, FeatureSet, Records, default_feature_set
from bcrlsp.market.behaviour import Behaviour
from bcrlsp.market.chain import Chain, Floats, Ints, build_chain
from bcrlsp.market.play import History, Market, play
from bcrlsp.market.settings import Settings as MarketSettings
from bcrlsp.periods import Calendar

# Periods at the end of the warm-up over which the logged spend is taken.
_RECENT = 14
# What a stream of random numbers is for: no two uses share one.
MARKET, LOGGING, DECISIONS, BUDGET, LOG, TRAINING, TARGET = range(7)


def stream(seed: int, purpose: int, *more: int) -> np.random.Generator:
    """Random numbers for one purpose under one seed."""
    return np.random.default_rng(np.random.SeedSequence([seed, purpose, *more]))


@dataclass(frozen=True)
class ScenarioConfig:
    """One situation in which policies are compared; equal configs give equal results.

    market, amounts, calendar: the simulated market, face values (a,), its grid of periods.
    users: on whom policies are played. warmup, periods: periods before and during the comparison.
    budget: money a period as a share of the logged spend. budget_variation: 0 for the same budget
    in every period, else the share by which it strays from its mean, anew each period.
    seed: of the users, their random draws and the budgets.
    """

    market: MarketSettings
    amounts: tuple[float, ...]
    calendar: Calendar
    users: int
    warmup: int
    periods: int
    budget: float
    budget_variation: float
    seed: int

    @property
    def key(self) -> dict[str, Any]:
        """The same as JSON types."""
        return {
            **self.budget_key,
            "calendar": [
                self.calendar.origin.isoformat(),
                self.calendar.length.total_seconds(),
                *filter(None, [self.calendar.identity["zone"]]),
            ],
            "periods": self.periods,
            "budget_variation": self.budget_variation,
        }

    @property
    def budget_key(self) -> dict[str, Any]:
        """What the mean budget depends on, as JSON types."""
        return {
            "market": self.market.model_dump(mode="json"),
            "amounts": list(self.amounts),
            "users": self.users,
            "warmup": self.warmup,
            "budget": self.budget,
            "seed": self.seed,
        }


class Scenario:
    """A scenario at the start of its first decision.

    config: the situation. Raises ConfigError where the logging policy spends nothing, so that no
    budget follows from it.
    """

    def __init__(self, config: ScenarioConfig) -> None:
        self.config = config
        self.chain: Chain = build_chain(config.market, config.amounts)
        self.feature_set: FeatureSet = default_feature_set(config.amounts, config.calendar)
        self._behaviour = Behaviour(config.market.behaviour, self.chain.levels)
        self._market = Market(self.chain)
        self._market.reset(config.users, stream(config.seed, MARKET))
        self.past: History = play(self._market, self.logging(LOGGING), config.warmup)
        if config.warmup and not self.logged_spend > 0:
            raise ConfigError(
                "the logging policy spends nothing in the warm-up; the experiment's budgets are "
                "shares of the logged spend: lower behaviour.no_send_probability or raise "
                "experiment.warmup"
            )

    def market(self) -> Market:
        """The market as it is now; every call gives a copy, with the same random draws ahead."""
        return copy.deepcopy(self._market)

    def logging(self, purpose: int) -> "Logging":
        """The logging policy, with random numbers of its own."""
        return Logging(self._behaviour, stream(self.config.seed, purpose))

    @cached_property
    def initial(self) -> Floats:
        """Array (s,), the share of these users in each hidden state at the first decision."""
        counts = np.bincount(self._market.states, minlength=math.prod(self.chain.shape))
        return np.asarray(counts / counts.sum())

    @property
    def logged_spend(self) -> float:
        """Money a user and period that the logging policy spent of late."""
        return float(self.past.spend[-_RECENT:].mean()) if self.config.warmup else 1.0

    @cached_property
    def usual_cost(self) -> Floats:
        """Array (a,), money that a bonus of each level cost of late; a level unseen: face value."""
        levels, cost = self.past.levels[-_RECENT:].ravel(), self.past.cost[-_RECENT:].ravel()
        sent = np.bincount(levels, minlength=self.chain.levels)
        paid = np.bincount(levels, weights=cost, minlength=self.chain.levels)
        return np.where(sent > 0, paid / np.maximum(sent, 1), self.chain.amounts)

    @cached_property
    def budgets(self) -> Floats:
        """Array (periods,), money a user in each period."""
        config = self.config
        strays = (
            stream(config.seed, BUDGET).uniform(-1, 1, config.periods) * config.budget_variation
        )
        shares = 1 + strays
        return np.asarray(self.mean_budget * shares / shares.mean())

    @property
    def mean_budget(self) -> float:
        """Mean of `budgets`: it depends on `ScenarioConfig.budget_key` alone."""
        return self.config.budget * self.logged_spend

    @cached_property
    def carry(self) -> Carry:
        """What the features remember of the warm-up, for each user."""
        carry = self.feature_set.init(self.config.users)
        for levels, returned in zip(self.past.levels, self.past.returned, strict=True):
            carry = self.feature_set.update(carry, seen(levels, returned))
        return carry


class Logging:
    """The logging policy as one that can be played."""

    def __init__(self, behaviour: Behaviour, rng: np.random.Generator) -> None:
        self._behaviour = behaviour
        self._rng = rng

    def __call__(self, history: History) -> Ints:
        """Levels for the period after a history, array (n,)."""
        chance = self._behaviour.propensities(history.levels, history.returned)
        return self._behaviour.decide(chance, self._rng.random(len(chance)))


def seen(levels: Ints, returned: np.ndarray, known: np.ndarray | None = None) -> Records:
    """The records of these levels and returns, arrays of one shape; a return is one event.

    known: whether the user had signed up; None: all had.
    """
    everyone = np.ones(levels.shape, dtype=bool) if known is None else known
    return Records(known=everyone, events=returned.astype(np.int64), level=levels)
