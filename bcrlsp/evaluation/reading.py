"""From a table of trajectories and target probabilities to a validated log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from bcrlsp.arrays import as_flags, as_numbers
from bcrlsp.errors import BcrlspError, ConfigError, DataError
from bcrlsp.evaluation.columns import Columns
from bcrlsp.evaluation.log import Bools, Floats, Ints, Log
from bcrlsp.trajectory_order import early_end, late_period

MEASURES = {"retention": "reward", "cost": "cost"}
"""What can be evaluated, and the column it is read from."""

Target: TypeAlias = ArrayLike | str | Callable[[pa.Table], ArrayLike]
"""Probabilities (n, a), one row a row of the table in its order; or the name of the column that
holds them as lists; or a function that makes them from the table."""

SUM_TOLERANCE = 1e-6
"""By how much a row of target probabilities may miss 1: float32 policies do by 1e-7 a level."""

LARGEST = float(np.finfo(np.float32).max)
"""Rewards and costs are at most this, as in training: beyond it their squares have no sum."""

WEIGHT_DIGITS = 60
"""Decimal digits of the largest weight of a trajectory."""

ROUNDED = 1e-6
"""Part by which an amount in single precision may be off."""

LOGGED_TOLERANCE = 1e-3
"""By how much a row of propensities may: logs hold them with three or four digits."""


@dataclass(frozen=True, eq=False)
class LoggedTable:
    """A log whose propensities may still be missing (nan), and what else the table tells.

    behaviour: array (N, a), float64: the log's probability of every level, where it was given.
    periods: number of distinct periods.
    """

    log: Log
    behaviour: Floats | None
    periods: int


def read_log(
    table: pa.Table,
    target: Target,
    measure: str,
    *,
    gamma: float,
    states: bool,
    propensities: ArrayLike | None = None,
    allowed: ArrayLike | None = None,
    largest: float | None = None,
    calendar: Ints | None = None,
) -> LoggedTable:
    """Checks everything that a user can get wrong and sorts the rows by user and step.

    table: the contract's trajectory columns. target: see `Target`. states: whether to read them;
    they are read as well where a propensity is unknown (null or nan). propensities: (n,) of the
    level sent or (n, a) of all levels, instead of the column. allowed: bool (n, a). largest: what
    no row's measure may be above. calendar: starts of all periods, sorted, in microseconds since
    1970, where the table is a part of a larger one.
    Raises DataError or ConfigError with the row, its user and period.
    """
    if not isinstance(measure, str) or measure not in MEASURES:
        raise ConfigError(f"unknown measure {measure!r}; allowed: {', '.join(MEASURES)}")
    if not 0.0 <= gamma <= 1.0:
        raise ConfigError(f"gamma is {gamma}; allowed: 0 to 1")
    columns = Columns(table)
    columns.need("user_id", "period", "step", "level", MEASURES[measure], "terminal")
    if not len(columns):
        raise DataError("the table of trajectories is empty; nothing to evaluate: give periods")

    users, codes = columns.users()
    steps = columns.whole("step")
    instants = columns.instants()
    periods = np.unique(instants) if calendar is None else calendar
    ranks = np.searchsorted(periods, instants)
    order = np.lexsort((steps, codes))
    offsets = np.concatenate([[0], np.flatnonzero(np.diff(codes[order])) + 1, [len(order)]])
    _check_sequence(columns, order, codes, steps, ranks)

    probabilities = _target(columns, table, target)
    width = probabilities.shape[1]
    levels = _levels(columns, width)
    permitted = None if allowed is None else _permitted(columns, allowed, probabilities, levels)
    chosen, behaviour = _propensities(columns, propensities, levels, width)

    # A model of the behaviour needs the states as well.
    states = states or bool(np.isnan(chosen).any())
    if states:
        columns.need("state")

    terminal = columns.flags("terminal")[order]
    last = offsets[1:] - 1
    early = early_end(terminal, offsets)
    if early is not None:
        raise DataError(
            f"trajectories: {columns.place(order[early])} is terminal but another row of the "
            "user follows; only a user's last row may be: rebuild the trajectories"
        )
    lengths = np.diff(offsets)
    window = len(periods) - ranks[order][offsets[:-1]]
    measured = columns.numbers(MEASURES[measure])
    if measure == "cost":
        columns.fail(measured < 0, "cost", measured, "0 or more")
    most = LARGEST if largest is None else min(float(largest), LARGEST)
    # Shares and amounts may have passed through single precision.
    beyond = np.maximum(measured - most * (1 + ROUNDED), -measured - LARGEST) > 0
    columns.fail(beyond, MEASURES[measure], measured, f"at most {most:g}, the largest possible")
    log = Log(
        users=users,
        offsets=offsets,
        levels=levels[order],
        rewards=measured[order],
        target=probabilities[order],
        propensities=chosen[order],
        horizon=np.where(terminal[last], np.maximum(window, lengths), lengths),
        gamma=float(gamma),
        states=columns.states()[order] if states else None,
        allowed=None if permitted is None else permitted[order],
    )
    _check_weights(columns, log, order)
    return LoggedTable(log, None if behaviour is None else behaviour[order], len(periods))


def _levels(columns: Columns, width: int) -> Ints:
    levels = columns.whole("level")
    columns.fail(
        (levels < 0) | (levels >= width),
        "level",
        levels,
        f"0 to {width - 1}, the columns of the target",
    )
    return levels


def _target(columns: Columns, table: pa.Table, target: Target) -> Floats:
    if isinstance(target, str):
        columns.need(target)
        values = columns.matrix(target)
    else:
        values = as_numbers(_called(target, table) if callable(target) else target, "target")
    if values.ndim != 2 or values.shape[0] != len(columns) or values.shape[1] < 1:
        raise DataError(
            f"target has the shape {values.shape}; allowed: ({len(columns)}, levels), "
            "one row of probabilities a row of the trajectories"
        )
    columns.fail(
        np.logical_not((values >= 0).all(axis=1)), "target", values, "probabilities from 0 to 1"
    )
    sums = values.sum(1)
    columns.fail(
        np.logical_not(np.abs(sums - 1) <= SUM_TOLERANCE),
        "sum of the target",
        sums,
        "1, divide by the sum",
    )
    normalised: Floats = values / sums[:, None]
    return normalised


def _called(target: Callable[[pa.Table], ArrayLike], table: pa.Table) -> ArrayLike:
    try:
        return target(table)
    except BcrlspError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"the target's function failed on the trajectories: {type(error).__name__}: {reason}; "
            "allowed: a function of a pyarrow.Table that returns probabilities (n, a)"
        ) from error


def _permitted(columns: Columns, allowed: ArrayLike, target: Floats, levels: Ints) -> Bools:
    permitted = as_flags(allowed, "allowed")
    if permitted.shape != target.shape:
        raise DataError(
            f"allowed has the shape {permitted.shape}; allowed: {target.shape}, the target's"
        )
    mass = np.where(permitted, 0.0, target).sum(1)
    columns.fail(
        mass > SUM_TOLERANCE, "the target's mass on levels not allowed", mass, "0, mask them"
    )
    rows = np.arange(len(levels))
    columns.fail(
        ~permitted[rows, levels],
        "the level sent",
        levels,
        "a level that `allowed` permits in the row",
    )
    return permitted


def _propensities(
    columns: Columns, given: ArrayLike | None, levels: Ints, width: int
) -> tuple[Floats, Floats | None]:
    """Propensities of the levels sent, and of all levels where those were given."""
    behaviour = None
    if given is not None:
        chosen = as_numbers(given, "propensities")
        if chosen.shape == (len(levels), width):
            behaviour = chosen
            unknown = np.asarray(np.isnan(chosen).all(axis=1))
            columns.fail(
                np.asarray(~((chosen >= 0) & (chosen <= 1)).all(axis=1) & ~unknown),
                "propensities of all levels",
                chosen,
                "0 to 1",
            )
            sums = chosen.sum(1)
            columns.fail(
                np.abs(sums - 1) > LOGGED_TOLERANCE,
                "sum of the propensities of all levels",
                sums,
                "1, or all nan where they are unknown",
            )
            chosen = chosen[np.arange(len(levels)), levels]
        elif chosen.shape != levels.shape:
            raise DataError(
                f"propensities have the shape {chosen.shape}; allowed: ({len(levels)},) or "
                f"({len(levels)}, {width})"
            )
    elif columns.has("propensity"):
        chosen = columns.numbers("propensity", nulls=True)
    else:
        chosen = np.full(len(levels), np.nan)
    known = ~np.isnan(chosen)
    columns.fail(
        known & ~((chosen > 0) & (chosen <= 1)),
        "propensity",
        chosen,
        "above 0 and up to 1, or null where it was not logged",
    )
    return chosen, behaviour


def _check_weights(columns: Columns, log: Log, order: Ints) -> None:
    """No weight along a trajectory whose square a double cannot hold."""
    with np.errstate(divide="ignore", over="ignore"):
        ratios = np.nan_to_num(log.ratios, nan=1.0, posinf=np.inf)
    beyond = log.total(np.log10(np.maximum(ratios, 1.0))) > WEIGHT_DIGITS
    if beyond.any():
        first, end = log.offsets[int(beyond.argmax()) :][:2]
        row = int(first) + int(np.argmax(ratios[first:end]))
        raise DataError(
            f"trajectories: the propensity is {log.propensities[row]:g} in "
            f"{columns.place(order[row])}, and the target's probabilities over the propensities of "
            f"the user's rows come to more than 1e{WEIGHT_DIGITS}; allowed: the chances that the "
            "levels were drawn with"
        )


def _check_sequence(columns: Columns, order: Ints, codes: Ints, steps: Ints, ranks: Ints) -> None:
    """No period twice, steps one after another, later steps in later periods."""
    by_period = np.lexsort((ranks, codes))
    twice = (np.diff(codes[by_period]) == 0) & (np.diff(ranks[by_period]) == 0)
    if twice.any():
        row = by_period[np.flatnonzero(twice)[0] + 1]
        raise DataError(
            f"trajectories: {columns.place(row)} is there twice; allowed: one row a user and period"
        )
    same = np.diff(codes[order]) == 0
    gap = same & (np.diff(steps[order]) != 1)
    if gap.any():
        at = int(np.flatnonzero(gap)[0])
        raise DataError(
            f"trajectories: step {steps[order][at + 1]} follows step {steps[order][at]} in "
            f"{columns.place(order[at + 1])}; steps must be consecutive: do not filter rows"
        )
    late = late_period(same, ranks[order])
    if late is not None:
        raise DataError(
            f"trajectories: {columns.place(order[late])} is of an earlier period than the "
            "step before it; periods must rise with the steps"
        )
