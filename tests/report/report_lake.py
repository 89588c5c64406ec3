"""A small lake, written row by row by the schemas, for the report to be held against."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from bcrlsp.periods import Calendar
from bcrlsp.tables import TABLES, Lake

AMOUNTS = (0.0, 1.0, 2.0, 5.0)
CALENDAR = Calendar(datetime(2025, 1, 6, tzinfo=UTC), timedelta(days=1))
POLICY = "cql-20250116-1a2b3c"
RUN = "run-7"
NOON = datetime(2025, 2, 1, 12, tzinfo=UTC)


@dataclass
class Written:
    """The rows that were written, by table, as dictionaries."""

    rows: dict[str, list[dict]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> list[dict]:
        return self.rows[name]


def put(lake: Lake, name: str, rows: list[dict]) -> None:
    """Writes rows (dictionaries; what is left out is null) as the whole table.

    One commit, without the table's constraints: they are the lake's own tests' business.
    """
    schema = TABLES[name].schema
    held = [tuple(row.get(column) for column in schema.names) for row in rows]
    frame = lake.spark.createDataFrame(held, schema).coalesce(1)
    frame.write.format("delta").mode("overwrite").save(lake.location(name))


def write(
    lake: Lake,
    *,
    users: int = 30,
    periods: int = 6,
    seed: int = 0,
    propensities: bool = True,
    leave_out: tuple[str, ...] = (),
) -> Written:
    """Fills every table that the report reads, but those left out."""
    rng = np.random.default_rng(seed)
    written = Written()
    events(written, rng, users, periods, propensities)
    decision(written, rng, users, periods)
    learned(written, rng, periods)
    controlled(written, periods)
    for name, rows in written.rows.items():
        if name not in leave_out:
            put(lake, name, rows)
    return written


def events(written: Written, rng, users: int, periods: int, propensities: bool) -> None:
    rows = {name: [] for name in ("users", "activity", "redemptions", "trajectories", "quarantine")}
    habit = rng.normal(-0.6, 0.8, users)
    joined = np.where(rng.random(users) < 0.85, 0, rng.integers(0, periods, users))
    for user in range(users):
        name = f"u{user:05d}"
        signup = CALENDAR.start(int(joined[user])) - timedelta(hours=6 + user % 40)
        rows["users"].append(
            {"user_id": name, "signup_ts": signup, "segment": "all", "ingest_ts": signup}
        )
        for period in range(int(joined[user]), periods):
            start = CALENDAR.start(period)
            chances = np.array([0.52, 0.2, 0.16, 0.12])
            if habit[user] < -0.6:
                chances = np.array([0.46, 0.18, 0.18, 0.18])
            level = int(rng.choice(4, p=chances))
            chance = 1 / (1 + np.exp(-(habit[user] + 0.25 * np.sqrt(AMOUNTS[level]))))
            came = bool(rng.random() < chance)
            cost = AMOUNTS[level] if came and rng.random() < 0.9 else 0.0
            rows["trajectories"].append(
                {
                    "user_id": name,
                    "period": start.date(),
                    "step": period - int(joined[user]),
                    "state": [0.0, 1.0],
                    "level": level,
                    "reward": float(came),
                    "cost": cost,
                    "propensity": float(chances[level]) if propensities else None,
                    "terminal": False,
                    "period_start": start,
                    "segment": "all",
                    "feature_set": "f",
                }
            )
            if came:
                for hour in (8, 12):
                    rows["activity"].append(
                        {
                            "user_id": name,
                            "event_ts": start + timedelta(hours=hour, seconds=user),
                            "kind": "open",
                            "ingest_ts": start + timedelta(hours=hour, seconds=user + 5),
                        }
                    )
            if cost:
                rows["redemptions"].append(
                    {
                        "bonus_id": f"{name}-{period}",
                        "user_id": name,
                        "redeemed_ts": start + timedelta(hours=12, seconds=user),
                        "amount": cost,
                        "ingest_ts": start + timedelta(hours=13),
                    }
                )
    for number in range(7):
        rows["quarantine"].append(
            {
                "source": "activity" if number < 5 else "bonuses",
                "reason": "event_ts is null" if number < 5 else "level 9 is not one of 0 to 3",
                "record": json.dumps({"n": number}),
                "detected_ts": NOON,
            }
        )
    written.rows |= rows


def decision(written: Written, rng, users: int, periods: int) -> None:
    """One period's allocation after the log, and an older one of another policy."""
    start = CALENDAR.start(periods)
    rows = []
    for user in range(users):
        level = int(rng.choice(4, p=[0.55, 0.3, 0.1, 0.05]))
        rows.append(
            {
                "period": start.date(),
                "period_start": start,
                "user_id": f"u{user:05d}",
                "level": level,
                "amount": AMOUNTS[level],
                "value": 1.2 + 0.05 * level,
                "cost": AMOUNTS[level] * 0.4,
                "policy_id": POLICY,
                "run_id": RUN,
            }
        )
    earlier = CALENDAR.start(periods - 1)
    older = [
        row
        | {"period": earlier.date(), "period_start": earlier, "policy_id": "old", "run_id": "run-6"}
        for row in rows[: users // 2]
    ]
    spend = sum(row["cost"] for row in rows)
    value = sum(row["value"] for row in rows)
    limit = round(spend * 1.0005 + 0.01, 2)
    written.rows["allocations"] = rows + older
    written.rows["certificates"] = [
        {
            "period": start.date(),
            "period_start": start,
            "run_id": RUN,
            "policy_id": POLICY,
            "value": value,
            "bound": value * (1 + 3.1e-6),
            "gap": 3.1e-6,
            "prices": {"total": 0.0417},
            "spend": {"total": spend},
            "limits": {"total": limit},
            "passes": 3,
            "users": users,
            "source_versions": {"states": 4, "users": 1},
            "created_ts": start,
        }
    ]
    written.rows["frontiers"] = [
        {
            "period": start.date(),
            "period_start": start,
            "run_id": RUN,
            "budget": limit * factor,
            "spend": limit * factor * 0.999,
            "value": value * (0.93 + 0.07 * factor**0.4),
            "price": 0.0417 * factor**-0.6,
        }
        for factor in (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
    ]


def learned(written: Written, rng, periods: int) -> None:
    """The policy of that allocation, its learning curves and its evaluations."""
    written.rows["policies"] = [
        {
            "policy_id": POLICY,
            "algorithm": "cql",
            "as_of": CALENDAR.period(periods),
            "uri": "artifacts/policies/cql",
            "metrics": {"held_out_td_error": 0.21},
            "source_versions": {"trajectories": 3},
            "created_ts": NOON,
            "feature_set": "f",
        }
    ]
    curves = []
    for metric, start, end in (
        ("td_error", 0.9, 0.21),
        ("held_out_td_error", 0.95, 0.24),
        ("cql_penalty", 1.6, 0.7),
        ("mean_q", 0.1, 1.31),
    ):
        for iteration in range(40):
            way = 1 - np.exp(-iteration / 7)
            noise = 0.01 * rng.standard_normal()
            curves.append((iteration, metric, start + (end - start) * way + noise))
    written.rows["curves"] = [
        {"policy_id": POLICY, "iteration": iteration, "metric": metric, "value": float(value)}
        for iteration, metric, value in curves
    ]
    weights = "the weights rest on 12 users of 30: widen the log or choose a nearer policy"
    estimates = [
        ("on-policy", "retention", 1.21, 1.19, 1.23, 30.0, None),
        ("dr", "retention", 1.29, 1.25, 1.33, 18.4, None),
        ("dm", "retention", 1.34, 1.33, 1.35, None, None),
        ("snpdis", "retention", 1.27, 1.18, 1.37, 12.2, weights),
        (
            "is",
            "retention",
            float("nan"),
            float("nan"),
            float("nan"),
            2.0,
            "2 effective users are too few for a number",
        ),
        ("on-policy", "cost", 2.31, 2.27, 2.35, 30.0, None),
        ("dr", "cost", 2.2, 2.1, 2.3, 18.4, None),
        ("dm", "cost", 2.25, 2.23, 2.27, None, None),
        ("snpdis", "cost", 2.15, 1.98, 2.31, 12.2, weights),
    ]
    written.rows["evaluations"] = [
        {
            "policy_id": POLICY,
            "estimator": estimator,
            "measure": measure,
            "estimate": estimate,
            "low": low,
            "high": high,
            "periods": periods,
            "created_ts": NOON,
            "gamma": 0.8,
            "effective_sample_size": size,
            "warnings": warnings,
            "first_period": CALENDAR.period(periods),
            "budgets": written["certificates"][0]["limits"],
        }
        for estimator, measure, estimate, low, high, size, warnings in estimates
    ]
    # Left by an older version: of another run, whose budget is unknown.
    earlier = {"estimate": 9.9, "estimator": "mis", "created_ts": NOON - timedelta(days=1)}
    unknown = {"first_period": None, "budgets": None}
    written.rows["evaluations"].append(written["evaluations"][1] | earlier | unknown)
    written.rows["comparisons"] = [
        {
            "policy_id": POLICY,
            "segment": segment,
            "measure": measure,
            "estimator": "dr",
            "users": users,
            "logged": logged,
            "logged_low": logged - 0.02,
            "logged_high": logged + 0.02,
            "estimate": logged + gain,
            "low": logged + low,
            "high": logged + high,
            "gain": gain,
            "gain_low": low,
            "gain_high": high,
            "effective_sample_size": 18.4,
            "warnings": None,
            "gamma": 0.8,
            "periods": periods,
            "created_ts": NOON,
            "first_period": CALENDAR.period(periods),
            "budgets": {"total": 55.0},
        }
        for segment, measure, users, logged, gain, low, high in (
            ("all users", "retention", 30, 1.21, 0.08, 0.05, 0.11),
            ("new", "retention", 10, 1.1, -0.02, -0.06, 0.02),
            ("old", "retention", 16, 1.3, 0.12, 0.07, 0.17),
            ("rare", "retention", 4, 1.2, float("nan"), float("nan"), float("nan")),
            ("all users", "cost", 30, 2.31, -0.11, -0.2, -0.02),
        )
    ]


def controlled(written: Written, periods: int) -> None:
    """Four micro-batches of the control loop in the period that was allocated."""
    start = CALENDAR.start(periods)
    written.rows["control_status"] = [
        {
            "query_id": "q",
            "batch_id": number,
            "status_ts": start + timedelta(hours=number),
            "event_ts": start + timedelta(hours=number),
            "period": start.date(),
            "period_start": start,
            "requests": 10,
            "duplicates": 1,
            "lag_seconds": 2.0 + number,
            "prices": {"total": 0.04},
            "limits": {"total": 40.0},
            "redeemed": {"total": 2.0 * number},
            "out": {"total": 5.0 * number},
            "planned": {"total": 10.0 * number},
            "levels": {"0": 6, "1": 4},
            "alarms": "spend is below its plan" if number == 3 else None,
        }
        for number in range(4)
    ]
