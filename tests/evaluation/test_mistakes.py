"""Every mistake a user can make: one line with the value, its place and what is allowed."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
from ope_chains import Chain

from bcrlsp.errors import UserError
from bcrlsp.evaluation import Settings, compare, estimate, on_policy
from bcrlsp.evaluation.policy_targets import greedy, priced, smoothed

CHAIN = Chain.random(5)
TABLE = CHAIN.log(40, 3, seed=1)
TARGET = CHAIN.target_of(TABLE)


def with_value(column, row, value):
    values = TABLE[column].to_pylist()
    values[row] = value
    index = TABLE.column_names.index(column)
    return TABLE.set_column(index, column, pa.array(values, TABLE[column].type))


def with_target(row, values):
    target = TARGET.copy()
    target[row] = values
    return target


def doubled():
    return pa.concat_tables([TABLE, TABLE.slice(7, 1)]), np.vstack([TARGET, TARGET[7:8]])


def without_second_step():
    keep = np.array(TABLE["step"]) != 1
    return TABLE.filter(pa.array(keep)), TARGET[keep]


def permissions(row, level):
    allowed = np.ones(TARGET.shape, dtype=bool)
    allowed[row, level] = False
    return allowed


MISTAKES = {
    "cost below 0": (
        lambda: estimate(with_value("cost", 3, -1.0), TARGET, measure="cost"),
        r"cost is -1\.0 in row 3 .*allowed: 0 or more",
    ),
    "mask of text": (
        lambda: estimate(TABLE, TARGET, allowed=np.full(TARGET.shape, "False")),
        "allowed is an array of <U5; allowed: numbers",
    ),
    "mask of nan": (
        lambda: estimate(TABLE, TARGET, allowed=np.full(TARGET.shape, np.nan)),
        "allowed is nan in row 0, 0; allowed: true and false, or 0 and 1",
    ),
    "complex target": (
        lambda: estimate(TABLE, TARGET + 0j),
        "target is an array of complex128; allowed: numbers",
    ),
    "ragged target": (
        lambda: estimate(TABLE, [[0.5, 0.5], [1.0]]),
        "target is not an array of numbers",
    ),
    "masked target": (
        lambda: estimate(TABLE, np.ma.masked_array(TARGET, mask=TARGET > 0.5)),
        "target has masked entries",
    ),
    "sum": (lambda: estimate(TABLE, with_target(4, [0.5, 0.3, 0.1])), r"0\.9 in row 4 \(user"),
    "negative": (lambda: estimate(TABLE, with_target(4, [1.5, -0.5, 0])), "row 4"),
    "nan target": (lambda: estimate(TABLE, with_target(4, [np.nan, 0.5, 0.5])), "row 4"),
    "shape": (lambda: estimate(TABLE, TARGET[:-1]), r"\(119, 3\); allowed: \(120, levels\)"),
    "flat": (lambda: estimate(TABLE, TARGET[:, 0]), r"\(120,\)"),
    "level": (lambda: estimate(with_value("level", 3, 3), TARGET), "level is 3 in row 3"),
    "below": (lambda: estimate(with_value("level", 3, -1), TARGET), "level is -1 in row 3"),
    "zero": (lambda: estimate(with_value("propensity", 2, 0.0), TARGET), "propensity is 0.0"),
    "above": (lambda: estimate(with_value("propensity", 2, 1.2), TARGET), "1.2 in row 2"),
    "propensity shape": (lambda: estimate(TABLE, TARGET, propensities=np.ones(3)), r"\(3,\)"),
    "sum by a hair": (
        lambda: estimate(TABLE, with_target(4, [0.5, 0.3, 0.2 + 5e-6])),
        r"1\.00000\d+ in row 4 .*allowed: 1",
    ),
    "sum above": (lambda: estimate(TABLE, TARGET * 2), "sum of the target is 2.0 in row 0"),
    "per cent": (
        lambda: estimate(TABLE, TARGET, propensities=100 * np.array(TABLE["propensity"])),
        "propensity is .* in row 0 .*allowed: above 0 and up to 1",
    ),
    "propensities of all levels": (
        lambda: estimate(TABLE, TARGET, propensities=TARGET * 0.5),
        "sum of the propensities of all levels is 0.5 in row 0",
    ),
    "gamma text": (lambda: estimate(TABLE, TARGET, gamma="0.8"), "gamma is '0.8'"),
    "no gamma": (lambda: estimate(TABLE, TARGET, gamma=None), "gamma is None"),
    "confidence text": (lambda: estimate(TABLE, TARGET, confidence="95"), "confidence is '95'"),
    "largest": (lambda: estimate(TABLE, TARGET, largest=-1.0), "largest is -1.0; allowed"),
    "largest 0": (
        lambda: on_policy(with_value("cost", 0, 0.0), "cost", largest=0),
        "largest is 0; allowed: a finite amount above 0",
    ),
    "largest below what the log holds": (
        lambda: estimate(with_value("reward", 7, 1.0), TARGET, largest=0.1),
        r"reward is \d.* in row \d+ .*allowed: at most 0.1, the largest possible",
    ),
    "cost above the largest": (
        lambda: on_policy(with_value("cost", 7, 9.5), "cost", largest=9.0),
        "cost is 9.5 in row 7 .*allowed: at most 9",
    ),
    "reward beyond single precision": (
        lambda: on_policy(with_value("reward", 7, 1e200)),
        "reward is 1e[+]200 in row 7",
    ),
    "no seed": (lambda: estimate(TABLE, TARGET, seed=None), "seed is None; allowed: a whole"),
    "seed below 0": (lambda: on_policy(TABLE, seed=-1), "seed is -1"),
    "seed text": (lambda: compare(TABLE, TARGET, seed="a"), "seed is 'a'"),
    "seed part": (lambda: estimate(TABLE, TARGET, seed=1.5), "seed is 1.5"),
    "no segments": (lambda: compare(TABLE, TARGET, segments="user_id", most=0), "most is 0"),
    "below 0": (lambda: compare(TABLE, TARGET, segments="user_id", most=-1), "most is -1"),
    "part of a segment": (lambda: compare(TABLE, TARGET, most=1.5), "most is 1.5"),
    "segments text": (lambda: compare(TABLE, TARGET, most="x"), "most is 'x'"),
    "list of segments": (
        lambda: compare(TABLE, TARGET, segments="state"),
        "column 'state' of list.*; allowed: texts or numbers",
    ),
    "masked permissions": (
        lambda: estimate(TABLE, TARGET, allowed=np.ma.masked_array(TARGET >= 0, TARGET > 0.5)),
        "allowed has masked entries",
    ),
    "masked propensities": (
        lambda: estimate(TABLE, TARGET, propensities=np.ma.masked_less(np.full(120, 0.5), 1)),
        "propensities has masked entries",
    ),
    "function without its column": (
        lambda: estimate(TABLE, lambda table: table["nope"]),
        "the target's function failed on the trajectories: KeyError: .*nope",
    ),
    "function of text": (
        lambda: estimate(TABLE, lambda table: [["a", "b", "c"]] * 120),
        "target is an array of <U1",
    ),
    "ragged propensities": (
        lambda: estimate(TABLE, TARGET, propensities=[[0.5], [0.1, 0.2]]),
        "propensities is not an array of numbers",
    ),
    "several estimators": (lambda: estimate(TABLE, TARGET, ["is"]), "unknown estimator"),
    "several intervals": (lambda: estimate(TABLE, TARGET, interval=[]), "unknown interval"),
    "several measures": (lambda: estimate(TABLE, TARGET, measure=[]), "unknown measure"),
    "settings": (lambda: estimate(TABLE, TARGET, settings={}), "settings is {}; allowed"),
    "lists of users": (
        lambda: estimate(TABLE.set_column(0, "user_id", pa.array([["a"]] * 120)), TARGET),
        "column 'user_id' of list.*; allowed: texts or numbers",
    ),
    "bytes that are no text": (
        lambda: estimate(TABLE.set_column(0, "user_id", pa.array([b"\xff"] * 120)), TARGET),
        "column 'user_id' of binary.*",
    ),
    "a column twice": (
        lambda: estimate(TABLE.append_column("step", TABLE["step"]), TARGET),
        "have the column 'step' twice",
    ),
    "mixed pandas column": (
        lambda: estimate(TABLE.to_pandas().assign(reward=[1.0] * 119 + ["x"]), TARGET),
        "trajectories cannot be read: .*reward",
    ),
    "smoothed by text": (lambda: smoothed(TARGET, "a"), "epsilon is 'a'"),
    "price of text": (lambda: priced(TARGET, TARGET, "a"), "price is an array of <U1"),
    "complex price": (lambda: priced(TARGET, TARGET, 1j), "price is an array of complex128"),
    "masked costs": (
        lambda: priced(TARGET, np.ma.masked_less(TARGET, 0.5), 1.0),
        "cost has masked entries",
    ),
    "text permissions": (
        lambda: greedy(TARGET, allowed=np.full(TARGET.shape, "False")),
        "allowed is an array of <U5",
    ),
    "propensities of nearly nothing": (
        lambda: estimate(TABLE, TARGET, "dm", propensities=np.full(120, 1e-300)),
        r"the propensity is 1e-300 in row \d+ .*more than 1e60",
    ),
    "largest nan": (lambda: estimate(TABLE, TARGET, largest=float("nan")), "largest is nan"),
    "all levels": (lambda: estimate(TABLE, TARGET, propensities=TARGET * 9), "0 to 1"),
    "twice": (lambda: estimate(*doubled()), "row 120 .* there twice"),
    "gap": (lambda: estimate(*without_second_step()), "step 2 follows step 0"),
    "period": (
        lambda: estimate(with_value("period", 100, datetime.date(2020, 1, 1)), TARGET),
        "row 100 .* earlier period",
    ),
    "no period": (lambda: estimate(with_value("period", 100, None), TARGET), "period is null"),
    "no user": (lambda: estimate(with_value("user_id", 1, None), TARGET), "user_id is null"),
    "terminal": (lambda: estimate(with_value("terminal", 0, True), TARGET), "row 0 .* terminal"),
    "reward": (lambda: estimate(with_value("reward", 9, float("inf")), TARGET), "inf in row 9"),
    "null reward": (lambda: estimate(with_value("reward", 9, None), TARGET), "nan in row 9"),
    "state": (
        lambda: estimate(with_value("state", 9, [1.0, 2.0]), TARGET),
        "length of the state is 2 in row 9",
    ),
    "null state": (lambda: estimate(with_value("state", 9, None), TARGET), "-1 in row 9"),
    "text": (
        lambda: estimate(TABLE.set_column(5, "reward", pa.array(["no"] * TABLE.num_rows)), TARGET),
        "column 'reward' of string: .*'no'.*; allowed: numbers",
    ),
    "too large": (
        lambda: estimate(
            TABLE.set_column(5, "reward", pa.array([2**60 + 1] * TABLE.num_rows)), TARGET
        ),
        f"column 'reward' of int64: .*{2**60 + 1}.*; allowed: numbers that a double can hold",
    ),
    "part of a microsecond": (
        lambda: estimate(
            TABLE.append_column("period_start", pa.array(range(1, 121), pa.timestamp("ns"))),
            TARGET,
        ),
        "'period_start' of timestamp.ns.: .*lose data.*; allowed: .* of whole microseconds",
    ),
    "flag": (
        lambda: estimate(
            TABLE.set_column(
                TABLE.column_names.index("terminal"),
                "terminal",
                pa.array(["perhaps"] * TABLE.num_rows),
            ),
            TARGET,
        ),
        "column 'terminal' of string: .*perhaps.*; allowed: true or false",
    ),
    "empty": (lambda: estimate(TABLE.slice(0, 0), TARGET[:0]), "empty"),
    "column": (lambda: estimate(TABLE.drop_columns(["step"]), TARGET), "no column 'step'"),
    "state column": (lambda: estimate(TABLE.drop_columns(["state"]), TARGET), "'state'"),
    "gamma": (lambda: estimate(TABLE, TARGET, gamma=1.5), "gamma is 1.5; allowed: 0 to 1"),
    "gamma nan": (lambda: estimate(TABLE, TARGET, gamma=float("nan")), "gamma is nan"),
    "estimator": (lambda: estimate(TABLE, TARGET, "magic"), "unknown estimator 'magic'; allowed"),
    "measure": (lambda: estimate(TABLE, TARGET, measure="joy"), "retention, cost"),
    "interval": (lambda: estimate(TABLE, TARGET, interval="exact"), "unknown interval 'exact'"),
    "confidence": (lambda: estimate(TABLE, TARGET, confidence=95), "confidence is 95"),
    "allowed shape": (lambda: estimate(TABLE, TARGET, allowed=np.ones((2, 2))), r"\(2, 2\)"),
    "allowed": (lambda: estimate(TABLE, TARGET, allowed=permissions(6, 1)), "row 6"),
    "type": (lambda: estimate([1, 2], TARGET), "list; allowed"),
    "target column": (lambda: estimate(TABLE, "probs"), "no column 'probs'"),
    "range": (
        lambda: estimate(
            TABLE, TARGET, interval="bernstein", settings=Settings(value_range=(0, 1e-3))
        ),
        "value_range is",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_line_says_it_all(mistake):
    call, says = MISTAKES[mistake]
    with pytest.raises(UserError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_the_unbroken_log_is_fine():
    assert np.isfinite(estimate(TABLE, TARGET).value)


def test_two_periods_of_one_day_are_no_mistake():
    days = np.array(TABLE["period"].cast(pa.timestamp("us")).cast(pa.int64()))
    hours = pa.array(days // 24).cast(pa.timestamp("us"))
    one_day = pa.array([datetime.date(2026, 1, 1)] * len(days))
    table = TABLE.set_column(1, "period", one_day).append_column("period_start", hours)
    found = estimate(table, TARGET)
    assert found.value == pytest.approx(estimate(TABLE, TARGET).value)
    assert found.periods == 3
    with pytest.raises(UserError, match="there twice"):
        estimate(table.drop_columns(["period_start"]), TARGET)


def test_float32_probabilities_are_close_enough():
    assert np.isfinite(estimate(TABLE, TARGET.astype(np.float32)).value)
