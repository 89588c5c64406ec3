"""`bcrlsp simulate`: event tables of a simulated market, its ground truth beside them."""

from click import IntRange

from bcrlsp.commands.base import Context, Outcome, command, option
from bcrlsp.commands.ingest import load_into_tables


@command(
    "simulate",
    option("--users", type=IntRange(1), required=True, help="Number of users."),
    option("--periods", type=IntRange(1), required=True, help="Number of logged periods."),
    option("--seed", type=IntRange(0), help="Seed of the market. Default: the setting seed."),
)
def simulate(context: Context, users: int, periods: int, seed: int | None = None) -> Outcome:
    """Fill the event tables with a simulated market; table market_truth holds what it hides."""
    return load_into_tables(
        context,
        "simulated",
        {
            "users": users,
            "periods": periods,
            "seed": context.config.seed if seed is None else seed,
            "market": context.config.market,
        },
    )
