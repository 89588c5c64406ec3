"""A generated log of any size for the benchmark of trajectories."""

from typing import Any

from bcrlsp.deliveries import FEEDS, write_marks
from bcrlsp.periods import Calendar
from bcrlsp.tables import EVENT_TABLES, Lake


def generate(lake: Lake, calendar: Calendar, users: int, days: int) -> dict[str, Any]:
    """Fills the event tables: about 1.54 events a user and day, a file a day, as days add them."""
    origin = calendar.origin.strftime("%Y-%m-%d %H:%M:%S")
    signup = f"TIMESTAMP'{origin}' - INTERVAL 1 DAY"
    lake.spark.range(0, users * days, 1, days).createOrReplaceTempView("ids")

    def drawn(salt: int) -> str:
        return f"(pmod(xxhash64(id, {salt}), 1000000) / 1000000)"

    cells = f"""
        SELECT id, id % {users} AS user, id DIV {users} AS day,
            concat('user-', id % {users}) AS user_id, concat('bonus-', id) AS bonus_id,
            timestamp_seconds(unix_seconds(TIMESTAMP'{origin}') + (id DIV {users}) * 86400) AS at,
            CASE WHEN {drawn(1)} < 0.55 THEN 0 ELSE 1 + pmod(xxhash64(id, 2), 5) END AS level,
            {drawn(3)} < 0.15 + 0.4 * pmod(xxhash64(id % {users}), 100) / 100 AS back,
            1 + pmod(xxhash64(id, 4), 2) AS events, {drawn(5)} < 0.6 AS redeems
        FROM ids"""
    lake.spark.sql(cells).createOrReplaceTempView("cells")
    later = "timestamp_micros(unix_micros(at) + ({}) * 1000000L)"
    tables = {
        "bonuses": "bonus_id, user_id, at AS sent_ts, level, CAST(level AS DOUBLE) AS amount, "
        "0.5D AS propensity, CAST(NULL AS STRING) AS policy_id, at AS ingest_ts FROM cells",
        "activity": f"user_id, {later.format('3600 + 60 * e')} AS event_ts, 'open' AS kind, "
        f"1.0D AS amount, {later.format('3600 + 60 * e')} AS ingest_ts "
        "FROM cells LATERAL VIEW explode(sequence(1, events)) AS e WHERE back",
        "redemptions": f"bonus_id, user_id, {later.format('7200')} AS redeemed_ts, "
        f"CAST(level AS DOUBLE) AS amount, {later.format('7200')} AS ingest_ts "
        "FROM cells WHERE back AND redeems AND level > 0",
        "users": f"concat('user-', id) AS user_id, {signup} AS signup_ts, "
        f"'all' AS segment, {signup} AS ingest_ts FROM range({users})",
    }
    for name, columns in tables.items():
        lake.overwrite(name, lake.spark.sql(f"SELECT {columns}"))
    write_marks(lake, dict.fromkeys(FEEDS, calendar.start(days)))
    counted = {name: lake.read(name).count() for name in EVENT_TABLES}
    return {"events": sum(counted.values()) - counted["users"], "users": users}
