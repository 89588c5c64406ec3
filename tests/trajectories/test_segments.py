"""A row's segment is what was known strictly before its period; changes touch later rows alone."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F
from random_log import WINDOW

from bcrlsp.errors import ConfigError
from bcrlsp.features import FeatureSet
from bcrlsp.tables import TABLES, Lake
from bcrlsp.trajectories import Settings, build
from bcrlsp.trajectories.segments import HISTORY, UNKNOWN, at

HISTORIES = st.lists(
    st.one_of(
        st.sampled_from(["north", "south", ""]),
        st.dictionaries(st.integers(-9, 9), st.sampled_from(["a", "b", "c"]), min_size=1),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(HISTORIES, st.integers(0, 2**31))
def test_each_row_has_the_last_segment_before_it(histories: list, seed: int) -> None:
    texts = [
        held if isinstance(held, str)
        else "\x1e".join(f"{p}\x1f{name}" for p, name in sorted(held.items()))
        for held in histories
    ]  # fmt: skip
    draw = np.random.default_rng(seed)
    users = draw.integers(len(histories), size=40)
    periods = draw.integers(-12, 12, size=40)

    def right(held, period: int) -> str:
        if isinstance(held, str):
            return held
        before = [p for p in held if p <= period]
        return held[max(before)] if before else UNKNOWN

    expected = [right(histories[u], int(p)) for u, p in zip(users, periods, strict=True)]
    assert at(pa.array(texts), users, periods).to_pylist() == expected


def tell(lake: Lake, *rows: tuple) -> None:
    """rows: user, instant from which the segment is known, segment."""
    signup = rows[0][1] - timedelta(days=400)
    full = [(user, known, segment, known, signup) for user, known, segment in rows]
    lake.merge(HISTORY, lake.spark.createDataFrame(full, TABLES[HISTORY].schema))


def test_a_change_of_segment_touches_later_periods_alone(
    built: Lake, feature_set: FeatureSet
) -> None:
    calendar = feature_set.calendar
    middle = WINDOW.start + 5
    noon = calendar.start(middle) + timedelta(hours=12)
    begin = calendar.start(middle + 2)
    old = built.read("users").where("user_id = 'user-0'").first().segment
    # What was said before is what everybody has had: nothing is stale but what the text says.
    tell(built, ("user-0", calendar.start(-9), old))
    first = build(built, Settings(), feature_set, WINDOW)
    assert build(built, Settings(), feature_set, WINDOW).built == []
    before = {
        (r.user_id, r.period_start): r.asDict()
        for r in built.read("trajectories").drop("inputs").collect()
    }
    tell(built, ("user-0", noon, "gold"), ("user-0", begin, "lead"))
    # Superseded before any decision: nobody has seen it.
    tell(built, ("user-0", noon - timedelta(hours=1), "tin"))
    report = build(built, Settings(), feature_set, WINDOW)
    assert report.built == [p for p in first.window if p > middle and p not in report.pending]
    index = calendar.index_of(F.col("period_start"))
    rows = built.read("trajectories").withColumn("at", index).collect()
    for row in rows:
        was = before[(row.user_id, row.period_start)]
        if row.user_id == "user-0":
            # Known at a period's very start is not known strictly before it.
            wanted = old if row["at"] <= middle else "gold" if row["at"] <= middle + 2 else "lead"
            assert row.segment == wanted
            was = was | {"segment": wanted}
        assert {name: row[name] for name in was} == was
    assert {r["at"] for r in rows} >= {middle, middle + 1, middle + 2, middle + 3}
    states = {r.user_id: r.segment for r in built.read("states").collect()}
    assert states["user-0"] == "lead"


def test_nothing_known_before_a_period_is_unknown(built: Lake, feature_set: FeatureSet) -> None:
    start = feature_set.calendar.start
    # The user's rows begin before: who has signed up need not have a known segment.
    told = WINDOW.start + 8
    tell(built, ("user-0", start(told) - timedelta(seconds=1), "late"))
    build(built, Settings(), feature_set, WINDOW)
    index = feature_set.calendar.index_of(F.col("period_start"))
    rows = built.read("trajectories").where("user_id = 'user-0'").withColumn("at", index)
    found = {row["at"]: row.segment for row in rows.collect()}
    assert found == {p: UNKNOWN if p < told else "late" for p in found}
    assert len(set(found.values())) == 2


def test_kinds_that_never_occur_are_named(built: Lake, feature_set: FeatureSet) -> None:
    with pytest.raises(ConfigError, match=r"has 'Opened', which no .* kinds that occur: 'open'"):
        build(built, Settings(activity_kinds=("open", "Opened")), feature_set, WINDOW)
    with pytest.raises(ConfigError, match="no activity would count"):
        build(built, Settings(activity_kinds=()), feature_set, WINDOW)
    same = build(built, Settings(activity_kinds=(" OPEN",)), feature_set, WINDOW)
    assert same.rows > 0
    assert built.read("trajectories").where("reward > 0").count() > 0
