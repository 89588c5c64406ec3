"""Which groups of users a budget counts."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bcrlsp.allocation.problem.budget import Budget
from bcrlsp.budget_fields import named_values, refuse_unlike
from bcrlsp.errors import UserError

_LOG = logging.getLogger(__name__)


def members_of(
    budget: Budget, columns: Sequence[str], keys: Sequence[tuple[Any, ...]], warn: bool
) -> NDArray[np.bool_]:
    """(g,) whether a budget counts each group.

    columns: names of the group columns. keys: (g,) their values. warn: whether the log tells of
    named groups that no user is in. Raises UserError for an unknown column, and for a value that
    no value of the column can be equal to.
    """
    member = np.ones(len(keys), dtype=bool)
    for column, values in _wanted(budget, columns).items():
        present = [key[columns.index(column)] for key in keys]
        chosen = named_values(budget.name, column, values)
        for value in sorted(set(chosen) - set(present), key=repr):
            _tell(budget, column, chosen[value], set(present) - {None}, warn)
        member &= np.array([value in chosen for value in present], dtype=bool)
    return member


def _wanted(budget: Budget, columns: Sequence[str]) -> dict[str, Collection[Any]]:
    """The named values by column."""
    if budget.groups is None:
        return {}
    if isinstance(budget.groups, Mapping):
        unknown = [column for column in budget.groups if column not in columns]
        if unknown:
            raise UserError(
                f"budget {budget.name!r} names group column {unknown[0]!r}; "
                f"allowed: {', '.join(columns) or 'none'}"
            )
        return dict(budget.groups)
    if len(columns) == 1:
        return {columns[0]: budget.groups}
    raise UserError(
        f"budget {budget.name!r} names groups and there are {len(columns)} group columns "
        f"({', '.join(columns)}); write groups={{column: values}}"
        if columns
        else f"budget {budget.name!r} names groups and no groups are given; pass groups"
    )


def _tell(budget: Budget, column: str, given: Any, present: set[Any], warn: bool) -> None:
    """Says that no user is in a named group; UserError where no user ever could be."""
    refuse_unlike(budget.name, column, given, present, alone=True)
    if warn:
        some = ", ".join(repr(v) for v in sorted(present, key=repr)[:10])
        _LOG.warning(
            "budget %r names group %r, which no user has in %s: it counts nobody there; "
            "groups with users: %s", budget.name, given, column, some
        )  # fmt: skip
