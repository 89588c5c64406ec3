"""The grid of a lake: every table that is keyed by periods is keyed by one grid.

The first build writes the grid down. Another one (origin, length or zone) is refused: its periods
would lie between those that are there. Grids that differ in which of their periods the origin
names are the same grid.
"""

from contextlib import suppress

from pyspark.sql import functions as F

from bcrlsp.errors import ConflictError, UserError
from bcrlsp.periods import Calendar
from bcrlsp.tables import TABLES, Lake

_NAME = "periods"
_BUILT = ("trajectories", "states", "builds")


def require_grid(lake: Lake, calendar: Calendar) -> None:
    """UserError when the lake's tables are keyed by another grid than `calendar`."""
    held = _held(lake)
    if held is None:
        _require_older(lake, calendar)
    else:
        _require_same(lake, calendar, held)


def remember_grid(lake: Lake, calendar: Calendar) -> None:
    """Writes the grid down, if the lake has none; UserError when it has another."""
    held = _held(lake)
    if held is None:
        _require_older(lake, calendar)
        row = [(_NAME, *(calendar.identity[key] for key in ("origin", "length", "zone")))]
        frame = lake.spark.createDataFrame(row, TABLES["grid"].schema)
        # Of two runs at once the first one's grid stays.
        with suppress(ConflictError):
            lake.merge("grid", frame, update=False)
        held = _held(lake)
    if held is not None:
        _require_same(lake, calendar, held)


def forget_grid(lake: Lake) -> None:
    """Clears the tables that builds write, then the grid, so that another one can be used.

    The grid goes last: until then another one is refused, and a run that was killed is repeated.
    """
    for name in (*_BUILT, "grid"):
        if lake.exists(name):
            lake.overwrite(name, lake.read(name).where(F.lit(False)))


def _require_same(lake: Lake, calendar: Calendar, held: dict[str, str]) -> None:
    if held != calendar.identity:
        raise _other(lake, calendar, _told(held))


def _held(lake: Lake) -> dict[str, str] | None:
    if not lake.exists("grid"):
        return None
    row = lake.read("grid").where(F.col("name") == _NAME).first()
    return None if row is None else {key: row[key] for key in ("origin", "length", "zone")}


def _require_older(lake: Lake, calendar: Calendar) -> None:
    """The same for a lake whose grid nobody wrote down: its ledger has the starts of periods."""
    if not lake.exists("builds"):
        return
    index = calendar.index_of(F.col("period_start"))
    off = (F.col("period_start") != calendar.start_of(index)) | (
        F.col("period") != calendar.date_of(index)
    )
    starts = lake.read("builds").select("period_start", "period").distinct()
    found = starts.agg(F.count_if(off), F.count("*")).first()
    if found is None or not found[1]:
        return
    # Of a coarser grid every start is one of this grid's, but no two are neighbours.
    if found[0] or (found[1] > 2 and not _neighbours(lake, calendar)):
        raise _other(lake, calendar, "other periods")


def _neighbours(lake: Lake, calendar: Calendar) -> bool:
    index = calendar.index_of(F.col("period_start")).alias("i")
    held = lake.read("builds").select(index).distinct()
    after = held.select((F.col("i") - 1).alias("i"))
    return not held.join(after, "i").isEmpty()


def _other(lake: Lake, calendar: Calendar, there: str) -> UserError:
    return UserError(
        f"the tables at {lake.place} are keyed by {there}; the settings say "
        f"{_told(calendar.identity)} (period.origin, period.length, period.zone): set them back, "
        "use another lake, or build anew with `bcrlsp trajectories --new-grid`, which clears "
        "trajectories and states first"
    )


def _told(grid: dict[str, str]) -> str:
    zone = f" in {grid['zone']}" if grid["zone"] else ""
    return f"periods of {grid['length']} with one at {grid['origin'][:16]}Z{zone}"
