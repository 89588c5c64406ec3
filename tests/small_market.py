"""A market of two types of users, small enough to be learned in a test."""

from datetime import UTC, datetime, timedelta

from bcrlsp.features import default_feature_set
from bcrlsp.market.settings import Settings, UserType
from bcrlsp.market.simulation import Simulation
from bcrlsp.periods import Calendar

AMOUNTS = (0.0, 1.0, 3.0)
CALENDAR = Calendar(datetime(2025, 3, 3, tzinfo=UTC), timedelta(days=1))
FEATURES = default_feature_set(AMOUNTS, CALENDAR)
MARKET = Settings(
    types=(
        UserType(share=0.5, base=-2.0, slope=0.7, lift=0.5, scale=1.0, wear=0.5),
        UserType(share=0.5, base=0.0, slope=0.1, lift=0.1, scale=2.0, wear=0.9),
    ),
    habits=4,
    fatigues=3,
)


def simulation(users: int) -> Simulation:
    """Their log of 30 periods."""
    return Simulation(users, 30, 7, AMOUNTS, CALENDAR, MARKET)
