"""A small config for the tests of this folder."""

from datetime import UTC, datetime, timedelta

from bcrlsp.experiments.scenario import ScenarioConfig
from bcrlsp.market.settings import Settings as MarketSettings
from bcrlsp.periods import Calendar

AMOUNTS = (0.0, 1.0, 3.0)
CALENDAR = Calendar(datetime(2025, 1, 6, tzinfo=UTC), timedelta(days=1))


def config(**changes: object) -> ScenarioConfig:
    settings: dict[str, object] = {
        "market": MarketSettings(),
        "amounts": AMOUNTS,
        "calendar": CALENDAR,
        "users": 3_000,
        "warmup": 20,
        "periods": 6,
        "budget": 1.0,
        "budget_variation": 0.0,
        "seed": 3,
    }
    return ScenarioConfig(**{**settings, **changes})
