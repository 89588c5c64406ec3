"""A rule's budgets held against those of its ledger: what they count, and the smaller limit."""

import logging
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bcrlsp.control.ledger.entries import Line
from bcrlsp.control.limits import Limit, columns_of
from bcrlsp.control.money import Money
from bcrlsp.errors import DataError
from bcrlsp.group_values import by_value

_LOG = logging.getLogger(__name__)


class DisagreementError(DataError):
    """A rule takes a budget for another than its ledger does; nothing was committed."""


@dataclass(frozen=True)
class Agreement:
    """What a rule takes the budgets of its ledger to be; checked at each commitment.

    caps: {budget: units}, limits of the rule below the ledger's. turn: how often the ledger's
    limits had been set then; once they are set again, that newer word is the limit.
    """

    limits: tuple[Limit, ...]
    scopes: tuple[str, ...]
    caps: Mapping[str, int] = field(default_factory=dict)
    turn: float = 0

    @staticmethod
    def of(limits: Sequence[Limit]) -> "Agreement":
        """Of budgets whose limits are the ledger's."""
        return Agreement(tuple(limits), tuple(scope_of(limit) for limit in limits))

    @staticmethod
    def made(
        limits: Sequence[Limit], lines: Sequence[Line], money: Money, turn: float
    ) -> "Agreement":
        """Of budgets beside a ledger's lines; the log tells of a limit that is another.

        Raises DisagreementError; see `check`.
        """
        agreement = Agreement.of(limits)
        agreement.check(lines)
        held = {line.name: line for line in lines}
        caps = {}
        for limit in limits:
            mine, most = limit.units(money), held[limit.name].limit
            if mine == most:
                continue
            if mine is not None and (most is None or mine < most):
                caps[limit.name] = mine
            unit = money if limit.measure == "cost" else Money(1)
            _LOG.warning(
                "budget %r: the rule was given the limit %s and its ledger has %s; the smaller one "
                "is kept until set_limits of the ledger or reload of the rule says another",
                limit.name, limit.limit, "none" if most is None else unit.amount(most),
            )  # fmt: skip
        return Agreement(agreement.limits, agreement.scopes, caps, turn)

    @property
    def names(self) -> list[str]:
        """Names of the budgets, in order."""
        return [limit.name for limit in self.limits]

    def check(self, lines: Sequence[Line]) -> None:
        """Raises DisagreementError where the rule and its ledger do not count the same."""
        held = {line.name: line for line in lines}
        for limit, scope in zip(self.limits, self.scopes, strict=True):
            if limit.name not in held:
                raise DisagreementError(
                    f"the ledger has no budget {limit.name!r}; make it with these budgets"
                )
            refuse_other(held[limit.name], limit, scope)
        mine = set(self.names)
        more = [line.name for line in lines if line.limit is not None and line.name not in mine]
        if more:
            raise DisagreementError(
                f"the ledger bounds the budget {more[0]!r}, which the rule was not given; give the "
                "rule all budgets of its ledger"
            )

    def room(self, line: Line, turn: float) -> int | None:
        """What may still be committed of a budget; None: no bound."""
        cap = self.caps.get(line.name) if turn == self.turn else None
        if cap is None or line.room is None:
            return line.room if cap is None else cap - line.used
        return min(line.room, cap - line.used)


def refuse_other(line: Line, limit: Limit, scope: str | None = None) -> None:
    """DisagreementError where a limit of a line's name counts in another measure, or others.

    scope: of the limit, None where it may be another.
    """
    if limit.measure != line.measure:
        raise DisagreementError(
            f"budget {line.name!r} counts {line.measure} in the ledger and is to count "
            f"{limit.measure}; give the new one another name"
        )
    if scope is not None and line.scope is not None and scope != line.scope:
        raise DisagreementError(
            f"budget {line.name!r} counts {line.scope} in the ledger and is to count {scope}; give "
            "the new one another name, or change the ledger's with set_limits (opened without it)"
        )


def scope_of(limit: Limit) -> str:
    """Whom and what a budget counts, in words that are the same for the same."""
    columns = sorted(columns_of(limit.groups).items())
    users = " and ".join(f"{column or 'groups'} {_list(values)}" for column, values in columns)
    levels = "all levels" if limit.levels is None else f"levels {_list(limit.levels)}"
    return f"{users or 'all users'}, {levels}"


def _list(values: Collection[Hashable]) -> str:
    return ", ".join(sorted({repr(_plain(by_value(value))) for value in values}))


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
