"""The default features and labels in DuckDB's SQL, and whether both results are the same."""

import time
from typing import Any

from bcrlsp.features import MEMORY, FeatureSet
from bcrlsp.tables import EVENT_TABLES

MEMORY_LIMIT = "6GB"


def on_duckdb(place: str, days: int, features: FeatureSet) -> dict[str, Any]:
    import duckdb
    from deltalake import DeltaTable

    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
    connection.execute(f"SET temp_directory = '{place}/duckdb-spill'")
    connection.execute("SET TimeZone = 'UTC'")
    for name in EVENT_TABLES:
        files = DeltaTable(f"{place}/{name}").file_uris()
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({files!r})")
    begun = time.perf_counter()
    connection.execute(
        f"COPY ({duckdb_query(days, features)}) TO '{place}/duckdb' "
        "(FORMAT parquet, PARTITION_BY (period), OVERWRITE)"
    )
    return {"seconds": time.perf_counter() - begun}


def duckdb_query(days: int, features: FeatureSet) -> str:
    """The default features and labels (reward and attribution of the default settings) in SQL."""
    origin = features.calendar.origin.strftime("%Y-%m-%d")
    # Whole microseconds: epoch() gives a DOUBLE, whose // does not cut fractions off.
    index = f"(epoch_us({{}}) - epoch_us(TIMESTAMP '{origin}')) // 86400000000"
    since = "p - 1 - max(CASE WHEN {} THEN p END) OVER w32"
    tenure = f"least(p - floor, {MEMORY})"
    values = {
        "tenure": tenure,
        "active_recency": f"coalesce({since.format('active = 1')}, {MEMORY})",
        "active_streak": f"coalesce({since.format('active = 0')}, {tenure})",
        "inactive_streak": f"least(coalesce({since.format('active = 1')}, {MEMORY}), {tenure})",
        "sent_recency": f"coalesce({since.format('level > 0')}, {MEMORY})",
        "sent_streak": f"coalesce({since.format('level = 0')}, {tenure})",
        "pause_streak": f"least(coalesce({since.format('level > 0')}, {MEMORY}), {tenure})",
        "last_level": "coalesce(last_value(nullif(level, 0) IGNORE NULLS) OVER w32, 0)",
        "week_sin": "sin(2 * pi() * (isodow(start) - 1) / 7)",
        "week_cos": "cos(2 * pi() * (isodow(start) - 1) / 7)",
    }
    for k in (1, 3, 7, 14, 30):
        values[f"active_{k}"] = f"coalesce(sum(active) OVER w{k}, 0)"
        values[f"sent_{k}"] = f"coalesce(sum(sent) OVER w{k}, 0)"
    for k in (2, 3, 4, 5):
        values[f"active_lag_{k}"] = f"coalesce(lag(active, {k}) OVER w, 0)"
        values[f"sent_lag_{k}"] = f"coalesce(lag(sent, {k}) OVER w, 0)"
    for top in (2, 4, 8):
        for bit in ("active", "sent"):
            past = f"list_prepend(0, coalesce(list({bit}) OVER w{MEMORY}, []))"
            step = f"lambda s, b: greatest(0, least({top}, s + 2 * b - 1))"
            values[f"{bit}_walk_{top}"] = f"list_reduce({past}, {step})"
    for k in (7, 30):
        values[f"free_{k}"] = f"coalesce(sum(active * (1 - sent)) OVER w{k}, 0)"
        values[f"events_{k}"] = f"ln(1 + coalesce(sum(least(events, 63)) OVER w{k}, 0))"
        for level in range(1, features.levels):
            of = f"(level = {level})::INT"
            values[f"sent_{level}_{k}"] = f"coalesce(sum({of}) OVER w{k}, 0)"
            values[f"answered_{level}_{k}"] = f"coalesce(sum({of} * active) OVER w{k}, 0)"
    state = ", ".join(f"({values[name]})::FLOAT" for name in features.names)
    order = "PARTITION BY user_id ORDER BY p"
    windows = ", ".join(
        f"w{k} AS ({order} ROWS BETWEEN {k} PRECEDING AND 1 PRECEDING)"
        for k in (1, 3, 7, 14, 30, MEMORY)
    )
    return f"""
        WITH people AS (
            SELECT user_id, segment, {index.format("signup_ts")} AS floor FROM users
        ), acts AS (
            SELECT user_id, {index.format("event_ts")} AS p, count(*) AS events
            FROM activity GROUP BY ALL
        ), sends AS (
            SELECT user_id, {index.format("sent_ts")} AS p, max(b.level) AS level,
                any_value(propensity) AS propensity,
                sum(CASE WHEN {index.format("redeemed_ts")} = {index.format("sent_ts")}
                    THEN r.amount END) AS cost
            FROM bonuses b LEFT JOIN redemptions r USING (bonus_id, user_id) GROUP BY ALL
        ), cells AS (
            SELECT user_id, segment, floor, unnest(range(floor::BIGINT, {days})) AS p FROM people
        ), panel AS (
            SELECT user_id, segment, floor, p, coalesce(events, 0) AS events,
                (events IS NOT NULL)::INT AS active, coalesce(level, 0) AS level,
                (coalesce(level, 0) > 0)::INT AS sent, coalesce(cost, 0) AS cost, propensity,
                TIMESTAMP '{origin}' + to_days(p::INT) AS start
            FROM cells LEFT JOIN acts USING (user_id, p) LEFT JOIN sends USING (user_id, p)
        ), told AS (
        SELECT user_id, start::DATE AS period, (p - floor - 1)::INT AS step,
            list_value({state}) AS state, level, active::DOUBLE AS reward, cost, propensity,
            false AS terminal, start AS period_start, segment
        FROM panel WINDOW w AS ({order}), {windows}
        ) SELECT * FROM told WHERE step >= 0"""


def compare(place: str, days: int, every: int) -> dict[str, Any]:
    """Both results row by row, for every `every`-th period.

    Returns rows: rows compared; missing: rows that only one of them has; unequal: rows whose step,
    level, reward, cost or propensity differ; largest: the largest difference of a feature.
    """
    import duckdb
    from deltalake import DeltaTable

    connection = duckdb.connect()
    connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
    table = DeltaTable(f"{place}/trajectories")
    labels = ("step", "level", "reward", "cost", "propensity")
    differ = " OR ".join(f"a.{name} IS DISTINCT FROM b.{name}" for name in labels)
    farthest = "list_max(list_transform(list_zip(a.state, b.state), lambda z: abs(z[1] - z[2])))"
    found = {"rows": 0, "missing": 0, "unequal": 0, "largest": 0.0}
    for (day,) in connection.execute(
        f"SELECT DISTINCT period FROM read_parquet('{place}/duckdb/*/*.parquet') "
        f"ORDER BY period LIMIT {days}"
    ).fetchall()[::every]:
        ours = table.file_uris(file_pruning_predicate=f"period = '{day}'")
        rows, missing, unequal, largest = connection.execute(
            f"""SELECT count(*), count(*) FILTER (a.level IS NULL OR b.level IS NULL),
                count(*) FILTER ({differ}), max({farthest})
            FROM (SELECT user_id, state, {", ".join(labels)} FROM read_parquet({ours!r})) a
            FULL JOIN read_parquet('{place}/duckdb/period={day}/*.parquet') b USING (user_id)"""
        ).fetchone() or (0, 0, 0, 0.0)
        found["rows"] += rows
        found["missing"] += missing
        found["unequal"] += unequal
        found["largest"] = max(found["largest"], float(largest or 0.0))
    return found
