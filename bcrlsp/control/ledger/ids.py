"""Ids of bonuses as the ledger keeps them: a text each, the same one wherever it comes from."""

from collections.abc import Iterable, Mapping, Set
from typing import Any
from uuid import UUID

import numpy as np

from bcrlsp.errors import DataError, shown
from bcrlsp.group_values import is_missing

_ALLOWED = "allowed: texts that are not empty, whole numbers or UUIDs, each of one bonus"


def as_ids(ids: Iterable[Any], n: int | None = None, name: str = "ids") -> list[str]:
    """Ids as texts, in order; 7 is "7". n: how many there must be.

    Raises DataError, with the row, for an id that is missing or is no id, and for what is no list.
    """
    if isinstance(ids, str | bytes | Set | Mapping) or not isinstance(ids, Iterable):
        raise DataError(f"{name} is {shown(ids)}; allowed: a list of ids, one a bonus")
    if getattr(ids, "ndim", 1) != 1:
        raise DataError(f"{name} is {shown(ids)}; allowed: a list of ids, one a bonus")
    given = list(ids)
    if n is not None and len(given) != n:
        raise DataError(f"{len(given)} {name} for {n} states; give one a state")
    if not (set(map(type, given)) <= {str} and all(given)):
        given = [_as_id(each, row, name) for row, each in enumerate(given)]
    try:
        "".join(given).encode()
    except UnicodeEncodeError:
        row = next(row for row, each in enumerate(given) if not _writable(each))
        raise DataError(
            f"{name} has {shown(given[row])} in row {row}, which is no valid text; {_ALLOWED}"
        ) from None
    return given


def _as_id(given: Any, row: int, name: str) -> str:
    if is_missing(given) or given is np.ma.masked:
        raise DataError(f"{name} has {given} in row {row}; give every bonus its own id")
    known = isinstance(given, str | int | np.integer | UUID) and not isinstance(given, bool)
    if not known or given == "":
        kind = type(given).__name__
        raise DataError(f"{name} has {shown(given)} ({kind}) in row {row}; {_ALLOWED}")
    return str(given)


def _writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
