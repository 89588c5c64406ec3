"""Expressions of the user's that cannot stop a load: where one fails, the row says so.

`try_to_binary` gives null for whatever its argument throws: a text that is no date, a number out of
its type's range, a division by zero, an index beyond an array; in any ANSI mode, in classic
sessions and through Connect. A marker tells a value, a null and a failure apart. Spark computes
what several expressions share once, ahead of them and outside their `try`; not so in the branch of
a condition, so each stands in one that always holds, which no optimizer knows.
"""

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DateType,
    NumericType,
    StringType,
    StructType,
    TimestampNTZType,
    TimestampType,
)

from bcrlsp.events.names import quoted

_LEAST_HASH = -(2**31)
_ATOMIC = (BooleanType, DateType, NumericType, StringType, TimestampNTZType, TimestampType)


def attempt(expression: str, schema: StructType) -> Column:
    """The expression over rows of `schema`, as marked text: see `value` and `failed`."""
    tried = f"try_to_binary(coalesce(concat('=', CAST(({expression}\n) AS STRING)), '!'), 'utf-8')"
    marked = f"CAST({tried} AS STRING)"
    guards = [quoted(f.name) for f in schema if isinstance(f.dataType, _ATOMIC)]
    if guards:
        marked = f"IF(hash({guards[0]}) >= {_LEAST_HASH}, {marked}, NULL)"
    return F.expr(marked)


def failed(marked: Column) -> Column:
    """Whether the expression failed."""
    return marked.isNull()


def value(marked: Column) -> Column:
    """The expression's value as text; null where it is null, or failed."""
    return F.when(marked.startswith("="), F.substring(marked, 2, 2**31 - 1))


def atomic(schema: StructType) -> Sequence[str]:
    """Columns of single values, quoted."""
    return [quoted(field.name) for field in schema if isinstance(field.dataType, _ATOMIC)]
