"""`allocate`: an allocation of the users of a DataFrame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame

from bcrlsp.allocation.certificate import Certificate, restate
from bcrlsp.allocation.dual.frontier import SHARES, Frontier, frontier
from bcrlsp.allocation.engine import Outcome, run
from bcrlsp.allocation.problem.budget import Budget
from bcrlsp.allocation.problem.constraints import Constraints, check_budgets, compile_constraints
from bcrlsp.allocation.settings import Settings
from bcrlsp.allocation.spark.build import Layout
from bcrlsp.allocation.spark.choice import choose_store
from bcrlsp.allocation.spark.file_store import FileStore
from bcrlsp.allocation.spark.source import SparkSource
from bcrlsp.allocation.spark.stores import Store
from bcrlsp.arrays import is_whole
from bcrlsp.errors import DataError, UserError
from bcrlsp.given_settings import given_settings

_OWN = ("user_id", "value", "cost", "allowed")


@dataclass(frozen=True)
class Allocation:
    """decisions: user_id (as in scores), level int, value double, cost double; it reads the blocks
    and can be read again until `release`. certificate: what proves it."""

    decisions: DataFrame
    certificate: Certificate
    _source: SparkSource
    _store: Store
    _columns: tuple[str, ...]
    _budgets: tuple[Budget, ...]
    _settings: Settings

    def what_if(self, budgets: Sequence[Budget]) -> Certificate:
        """The certificate that the same scores would have under other budgets.

        The blocks are read again, the scores are not evaluated again. Raises as `allocate`.
        """
        known = self.certificate.prices
        start = {b.name: known[b.name] for b in budgets if b.name in known}
        return _decide(self._source, self._columns, budgets, self._settings, start or None)[2]

    def frontier(self, budget: str | None = None, shares: Sequence[float] = SHARES) -> Frontier:
        """Value and spend as functions of one budget, None for the first, from one more pass."""
        rows, _ = _rows(self._budgets, self._columns, self._source)
        result = frontier(self._source, rows, self._budgets, self._settings, budget, shares)
        offset = self._source.offset
        return replace(result, value=result.value + offset, base=result.base + offset)

    def release(self) -> None:
        """Deletes the blocks; the decisions cannot be read any more."""
        self._store.release()


def allocate(
    scores: DataFrame,
    budgets: Sequence[Budget],
    *,
    store: Store | str | None = None,
    groups: str | Sequence[str] | None = None,
    warm_start: Mapping[str, float] | None = None,
    settings: Settings | None = None,
    block_users: int | None = None,
) -> Allocation:
    """Levels that maximise the sum of values within the budgets.

    scores: user_id (of any simple type, unique), value array<float>, cost array<float>, one entry a
        level, costs at least 0; optionally allowed array<boolean>; group columns.
    store: where the blocks live: a folder that driver and workers see, a FileStore or a DeltaStore;
        None as `settings` say: see `choose_store`. The scores are evaluated once.
    groups: the group column, or several; None for every column that is not one of the above.
    warm_start: {budget: price} to begin at, such as yesterday's prices.
    block_users: users of a block; None as `settings` say.

    The levels are those of `solve` with the same scores and the users' ids, whatever the
    partitions. Raises UserError for scores that cannot be worked with and InfeasibleBudgetError.
    """
    columns, settings = _group_columns(scores, groups), given_settings(Settings, settings)
    block_users = settings.block_users if block_users is None else block_users
    if not is_whole(block_users) or block_users < 1:
        raise UserError(f"block_users is {block_users!r}; allowed: a whole number of at least 1")
    layout = Layout(tuple(columns), "allowed" in scores.columns, block_users)
    budgets = check_budgets(budgets)
    if isinstance(store, str):
        store = FileStore(scores.sparkSession, store)
    elif store is None:
        store = choose_store(scores.sparkSession, settings)
    wanted = ["user_id", "value", "cost", *(["allowed"] if layout.allowed else []), *columns]
    try:
        source = SparkSource(store, store.build(scores.select(*wanted), layout))
        used, outcome, certificate = _decide(source, columns, budgets, settings, warm_start)
    except BaseException:
        store.release()
        raise
    user_type = scores.schema["user_id"].dataType.simpleString()
    decisions = used.decisions(outcome, user_type)
    return Allocation(
        decisions, certificate, source, store, tuple(columns), tuple(budgets), settings
    )


def _decide(
    source: SparkSource,
    columns: Sequence[str],
    budgets: Sequence[Budget],
    settings: Settings,
    warm_start: Mapping[str, float] | None,
) -> tuple[SparkSource, Outcome, Certificate]:
    """The best outcome, the source that it is of, and its certificate in the users' values."""
    several: list[tuple[SparkSource, Outcome]] = []
    own: list[float] = []
    for used in (source, source.plain()):
        outcome = run(used, *_rows(budgets, columns, used), budgets, settings, warm_start)
        if source.conditioning is None:
            return used, outcome, outcome.certificate
        worth, above = used.worth(outcome)
        several.append((used, outcome))
        own.append(worth)
        if not above:
            break
    certificates = [outcome.certificate for _, outcome in several]
    best, certificate = restate(certificates, own, source.offset)
    return *several[best], certificate


def _rows(
    budgets: Sequence[Budget], columns: Sequence[str], source: SparkSource
) -> tuple[Constraints, Constraints]:
    """What must be kept, and what is watched."""
    given = (budgets, columns, source.keys, source.sizes, source.levels, source.units)
    return compile_constraints(*given), compile_constraints(*given, watch=True)


def _group_columns(scores: DataFrame, groups: str | Sequence[str] | None) -> list[str]:
    """Names of the group columns. Raises UserError for a column that is not there."""
    for name in _OWN[:3]:
        if name not in scores.columns:
            raise DataError(
                f"scores has no column {name}; its columns are {', '.join(scores.columns)}"
            )
    others = [name for name in scores.columns if name not in _OWN]
    if groups is None:
        return others
    named = [groups] if isinstance(groups, str) else list(groups)
    for name in named:
        if name not in others:
            raise UserError(f"groups names column {name!r}; allowed: {', '.join(others) or 'none'}")
    return named
