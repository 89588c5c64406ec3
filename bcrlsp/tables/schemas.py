"""The tables: names, columns, keys and what Delta itself enforces.

Readers outside this package rely on these names and types. Columns may be added, never renamed.
"""

from dataclasses import dataclass

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DateType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

_TYPES: dict[str, DataType] = {
    "string": StringType(),
    "timestamp": TimestampType(),
    "date": DateType(),
    "double": DoubleType(),
    "int": IntegerType(),
    "bigint": LongType(),
    "boolean": BooleanType(),
    "binary": BinaryType(),
    "array<float>": ArrayType(FloatType()),
    "map<string,double>": MapType(StringType(), DoubleType()),
    "map<string,bigint>": MapType(StringType(), LongType()),
}


@dataclass(frozen=True)
class Table:
    """One table of the lake.

    columns: "name type" pairs; a type that ends in "?" may be null.
    keys: the columns that identify a row.
    checks: constraint name to SQL condition, enforced by Delta on every write.
    partition_by: columns that the files are laid out by.
    compacted: whether Delta puts small files together by itself after a write. Not where that would
        write a window of partitions twice (`Lake.compact` is called there), nor where it would mix
        days: one more day reads the files of its own past, not the history.
    """

    name: str
    schema: StructType
    keys: tuple[str, ...]
    checks: dict[str, str]
    partition_by: tuple[str, ...] = ()
    compacted: bool = True

    @property
    def columns(self) -> list[str]:
        """Column names, in order."""
        return self.schema.names


def _table(
    name: str,
    columns: str,
    keys: tuple[str, ...],
    checks: dict[str, str] | None = None,
    partition_by: tuple[str, ...] = (),
    compacted: bool = True,
) -> Table:
    fields = []
    for column in columns.split(", "):
        field, kind = column.split(" ")
        fields.append(StructField(field, _TYPES[kind.removesuffix("?")], kind.endswith("?")))
    return Table(name, StructType(fields), keys, checks or {}, partition_by, compacted)


_LEVEL = {"level_not_negative": "level >= 0"}
_COST = {"cost_not_negative": "cost >= 0"}
_AMOUNT = {"amount_not_negative": "amount >= 0"}
_PROPENSITY = {"propensity_in_0_1": "propensity IS NULL OR (propensity > 0 AND propensity <= 1)"}

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _table(
            "activity",
            "user_id string, event_ts timestamp, kind string, amount double?, ingest_ts timestamp",
            keys=("user_id", "event_ts", "kind"),
            compacted=False,
        ),
        _table(
            "bonuses",
            "bonus_id string, user_id string, sent_ts timestamp, level int, amount double, "
            "propensity double?, policy_id string?, ingest_ts timestamp",
            keys=("bonus_id",),
            checks=_LEVEL | _AMOUNT | _PROPENSITY,
            compacted=False,
        ),
        _table(
            "redemptions",
            "bonus_id string, user_id string, redeemed_ts timestamp, amount double, "
            "ingest_ts timestamp",
            keys=("bonus_id",),
            checks=_AMOUNT,
            compacted=False,
        ),
        _table(
            "users",
            "user_id string, signup_ts timestamp, segment string, ingest_ts timestamp",
            keys=("user_id",),
        ),
        # How far each feed was delivered; the newest mark of a feed counts, earlier ones stay.
        # rows: how many the feed had then, where any other number makes the mark void.
        _table(
            "deliveries",
            "feed string, complete_until timestamp, marked_ts timestamp, rows bigint?",
            keys=("feed", "marked_ts"),
            checks={"feed_is_known": "feed IN ('activity', 'bonuses', 'redemptions')"},
        ),
        # The grid of periods that the tables of this lake are keyed by: one row.
        _table("grid", "name string, origin string, length string, zone string", keys=("name",)),
        # What was known of users, and from when on; and the sign-up that the row said.
        _table(
            "attributes_segment",
            "user_id string, known_ts timestamp, segment string, ingest_ts timestamp, "
            "signup_ts timestamp",
            keys=("user_id", "known_ts"),
        ),
        _table(
            "trajectories",
            "user_id string, period date, step int, state array<float>, level int, reward double, "
            "cost double, propensity double?, terminal boolean, period_start timestamp, "
            "segment string, feature_set string, inputs string?",
            keys=("user_id", "period_start"),
            checks=_LEVEL | _COST | _PROPENSITY,
            partition_by=("period",),
            compacted=False,
        ),
        _table(
            "quarantine",
            "source string, period date?, reason string, record string, detected_ts timestamp",
            keys=("source", "reason", "record"),
        ),
        _table(
            "allocations",
            "period date, user_id string, level int, amount double, value double, cost double, "
            "policy_id string, run_id string, period_start timestamp",
            keys=("period_start", "user_id"),
            checks=_LEVEL | _COST | _AMOUNT,
            partition_by=("period",),
        ),
        _table(
            "certificates",
            "period date, run_id string, policy_id string, value double, bound double, "
            "gap double, prices map<string,double>, spend map<string,double>, "
            "limits map<string,double>, passes int, users bigint, "
            "source_versions map<string,bigint>, period_start timestamp, created_ts timestamp, "
            "lags map<string,bigint>?",
            keys=("period_start", "run_id"),
        ),
        _table(
            "policies",
            "policy_id string, algorithm string, as_of date, uri string, "
            "metrics map<string,double>, source_versions map<string,bigint>, created_ts timestamp, "
            "feature_set string, digest string?",
            keys=("policy_id",),
        ),
        _table(
            "evaluations",
            "policy_id string, estimator string, measure string, estimate double, low double, "
            "high double, periods int, created_ts timestamp, gamma double?, "
            "effective_sample_size double?, warnings string?, first_period date?, "
            "budgets map<string,double>?",
            keys=("policy_id", "estimator", "measure"),
        ),
        # Beyond the contract: what a training run and an allocation have to show, what the
        # simulator alone knows, and the carried feature states.
        _table(
            "curves",
            "policy_id string, iteration int, metric string, value double",
            keys=("policy_id", "iteration", "metric"),
        ),
        _table(
            "comparisons",
            "policy_id string, segment string, measure string, estimator string, users bigint, "
            "logged double, logged_low double, logged_high double, estimate double, low double, "
            "high double, gain double, gain_low double, gain_high double, "
            "effective_sample_size double, warnings string?, gamma double, periods int, "
            "created_ts timestamp, first_period date?, budgets map<string,double>?",
            keys=("policy_id", "segment", "measure"),
        ),
        _table(
            "frontiers",
            "period date, period_start timestamp, run_id string, budget double, spend double, "
            "value double, price double",
            keys=("period_start", "run_id", "budget"),
        ),
        _table(
            "market_truth",
            "user_id string, period date, period_start timestamp, type int, habit int, fatigue int",
            keys=("user_id", "period_start"),
        ),
        _table(
            "states",
            "user_id string, period date, period_start timestamp, step int, segment string, "
            "carry binary, feature_set string, inputs string?",
            keys=("user_id", "period_start"),
            partition_by=("period",),
        ),
        # The control loop: what it is asked, what it may spend, what it decided.
        _table(
            "requests",
            "request_id string, user_id string, request_ts timestamp, ingest_ts timestamp?",
            keys=("request_id",),
            compacted=False,
        ),
        _table(
            "control_budgets",
            "name string, period date?, from_ts timestamp, amount double, segments string?, "
            "levels string?, measure string?",
            keys=("name", "period", "from_ts"),
            checks=_AMOUNT,
        ),
        _table(
            "decisions",
            "request_id string, user_id string, segment string?, request_ts timestamp, "
            "decided_ts timestamp, period date, period_start timestamp, level int, amount double, "
            "value double?, cost double, propensity double?, policy_id string, "
            "prices map<string,double>, charges map<string,bigint>, until_ts timestamp, "
            "reason string?, query_id string, batch_id bigint",
            keys=("request_id",),
            checks=_LEVEL | _AMOUNT | _COST | _PROPENSITY,
            partition_by=("period",),
        ),
        _table(
            "control_ledger",
            "kind string, bonus_id string, event_ts timestamp, period date?, "
            "period_start timestamp?, units bigint, charges map<string,bigint>, outcome string, "
            "unit double, query_id string, batch_id bigint",
            keys=("query_id", "batch_id", "kind", "bonus_id", "period_start"),
        ),
        _table(
            "control_status",
            "query_id string, batch_id bigint, status_ts timestamp, event_ts timestamp, "
            "period date, period_start timestamp, requests bigint, duplicates bigint, "
            "lag_seconds double?, prices map<string,double>, limits map<string,double>, "
            "redeemed map<string,double>, out map<string,double>, planned map<string,double>, "
            "levels map<string,bigint>, alarms string?",
            keys=("query_id", "batch_id"),
        ),
        # Which period of which table was built from what: written after the data.
        _table(
            "builds",
            "table_name string, period date, period_start timestamp, feature_set string, "
            "inputs string, empty boolean, source_versions map<string,bigint>, "
            "known_at timestamp?, built_ts timestamp, rules string?",
            keys=("table_name", "period_start"),
        ),
    )
}

EVENT_TABLES = ("activity", "bonuses", "redemptions", "users")

_INGEST = "`bcrlsp ingest` or `bcrlsp simulate`"
MADE_BY = {
    "activity": _INGEST,
    "bonuses": _INGEST,
    "redemptions": _INGEST,
    "users": _INGEST,
    "attributes_segment": _INGEST,
    "quarantine": _INGEST,
    "market_truth": "`bcrlsp simulate`",
    "deliveries": "`bcrlsp ingest SOURCE --complete-until INSTANT`",
    "grid": "`bcrlsp trajectories`",
    "trajectories": "`bcrlsp trajectories`",
    "states": "`bcrlsp trajectories`",
    "builds": "`bcrlsp trajectories`",
    "policies": "`bcrlsp train`",
    "curves": "`bcrlsp train`",
    "evaluations": "`bcrlsp evaluate`",
    "comparisons": "`bcrlsp evaluate`",
    "allocations": "`bcrlsp allocate`",
    "certificates": "`bcrlsp allocate`",
    "frontiers": "`bcrlsp allocate`",
    "requests": "the system that asks for decisions",
    "control_budgets": "whoever sets the budgets",
    "decisions": "`bcrlsp control`",
    "control_ledger": "`bcrlsp control`",
    "control_status": "`bcrlsp control`",
}
"""Table to what fills it, for people."""
