"""The simulated market as an event source."""

from pydantic import BaseModel, Field
from pyspark.sql import SparkSession

from bcrlsp.events.source import SOURCES, Events, Grid
from bcrlsp.market.generate import simulated_table
from bcrlsp.market.settings import Settings as MarketSettings
from bcrlsp.market.simulation import Simulation


class SimulatedSettings(BaseModel, extra="forbid", frozen=True):
    """How large a market, and which one."""

    users: int = Field(ge=1, description="number of users")
    periods: int = Field(ge=1, description="number of periods in the log")
    seed: int = Field(0, ge=0, description="seed of every draw")
    market: MarketSettings = Field(MarketSettings(), description="the market itself")


class Simulated:
    """Events of a market whose law is known, and the truth about its users beside them."""

    settings = SimulatedSettings

    def load(self, spark: SparkSession, settings: SimulatedSettings, grid: Grid) -> Events:
        """The tables, each simulated when it is read."""
        simulation = Simulation(
            users=settings.users,
            periods=settings.periods,
            seed=settings.seed,
            amounts=grid.amounts,
            calendar=grid.calendar,
            settings=settings.market,
        )
        return Events(
            activity=simulated_table(spark, simulation, "activity"),
            bonuses=simulated_table(spark, simulation, "bonuses"),
            redemptions=simulated_table(spark, simulation, "redemptions"),
            users=simulated_table(spark, simulation, "users"),
            whole=True,
            checked=True,
            complete_until=grid.calendar.start(settings.periods),
            extra={"market_truth": simulated_table(spark, simulation, "market_truth")},
        )


SOURCES.register("simulated")(Simulated())
