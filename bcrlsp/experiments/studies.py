"""What is compared with what: the cases of each study."""

from collections.abc import Iterator
from dataclasses import dataclass

from bcrlsp.experiments.contender import CONTENDERS
from bcrlsp.experiments.settings import Settings
from bcrlsp.market.settings import Settings as MarketSettings

COMPARISON, DAILY = "comparison", "daily budget"
LOG_SIZE, NOISE, NO_SEND, BUDGET = "log size", "noise", "no_send_probability", "budget"


@dataclass(frozen=True)
class Case:
    """Contenders in one situation, played with every seed.

    study: the table that it belongs to. at: the value that the study varies.
    market: with the logging policy's noise. log_users: users in the log. budget: share of the
    logged spend. budget_variation: of a daily budget.
    """

    study: str
    at: float
    market: MarketSettings
    log_users: int
    budget: float
    budget_variation: float
    contenders: tuple[str, ...]


def cases(settings: Settings, market: MarketSettings) -> Iterator[Case]:
    """All cases, those of the comparison first."""
    everyone = settings.contenders or _all()
    swept = tuple(name for name in settings.swept if name in everyone)

    def case(study: str, at: float, names: tuple[str, ...], **changes: object) -> Case:
        same: dict[str, object] = {
            "market": market,
            "log_users": settings.log_users,
            "budget": settings.budget,
            "budget_variation": 0.0,
        }
        return Case(study, at, contenders=names, **{**same, **changes})  # type: ignore[arg-type]

    yield case(COMPARISON, settings.budget, everyone)
    if settings.budget_variation:
        yield case(
            DAILY, settings.budget_variation, everyone, budget_variation=settings.budget_variation
        )
    for budget in settings.budgets:
        yield case(BUDGET, budget, swept, budget=budget)
    learners = tuple(name for name in swept if CONTENDERS.get(name).recipe)
    for users in settings.log_sizes:
        yield case(LOG_SIZE, users, learners, log_users=users)
    for noise in settings.noises:
        yield case(NOISE, noise, learners, market=_logged(market, noise=noise))
    for probability in settings.no_send_probabilities:
        # Where nothing is hardly ever sent, that cannot vary much either.
        no_send_variation = min(market.behaviour.no_send_variation, probability / 2)
        rare = _logged(market, no_send_probability=probability, no_send_variation=no_send_variation)
        yield case(NO_SEND, probability, swept, market=rare)


def _logged(market: MarketSettings, **changes: float) -> MarketSettings:
    """The market under another logging policy."""
    behaviour = market.behaviour.model_copy(update=changes)
    return market.model_copy(update={"behaviour": behaviour})


def _all() -> tuple[str, ...]:
    """Every contender whose algorithm is there."""
    # Torch loads with the algorithms: not where the contenders are named.
    from bcrlsp.learning.algorithms import ALGORITHMS

    there = {name: CONTENDERS.get(name).recipe for name in CONTENDERS.names()}
    known = ALGORITHMS.names()
    return tuple(n for n, recipe in there.items() if recipe is None or recipe.algorithm in known)
