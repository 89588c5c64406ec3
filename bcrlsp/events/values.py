"""Values as they come, of any type, to a column's own type, or the reason why they have none.

A text is not guessed at: what Spark's cast would complete (`10:30` to today, `2025` to New Year) or
drop (the fraction of `1.5`) is no value. A reason names a column and a rule and never a value.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    FractionalType,
    IntegerType,
    IntegralType,
    NullType,
    NumericType,
    StringType,
    StructField,
    TimestampNTZType,
    TimestampType,
)

from bcrlsp.periods import Calendar

IDS = ("user_id", "bonus_id")
"""Columns that say who or which: their texts are compared between tables."""

# Blanks, line ends, byte order marks and zero-width characters around a text, and marks within it.
_AROUND = r"^[\p{Z}\p{Cc}\p{Cf}]+|[\p{Z}\p{Cc}\p{Cf}]+$"
_WITHIN = "[\ufeff\u200b\u2060]"

_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$"
_DATE = r"^\d{4}-\d{1,2}-\d{1,2}"
_TIME = r"\d{1,2}:\d{1,2}(:\d{1,2}(\.\d+)?)?"
_ZONE = r"( ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?|[A-Z][A-Za-z]+/[A-Z][A-Za-z_/]+))"
_DATE_ALONE = _DATE + "$"
_INSTANT = _DATE + "([T ]" + _TIME + _ZONE + "?)?$"
_ZONED = _ZONE + "$"
_TIME_ALONE = "^T?" + _TIME + _ZONE + "?$"
_PART_OF_DATE = r"^\d{4}(-\d{1,2})?$"

# What people and programs write where they know nobody.
_NOBODY = (
    r"(?i)^[\p{P}\p{S}\p{Z}]*("
    r"null|none|nil|nan|n/?a|undefined|unknown|not[ _]set|not[ _]available|missing|anonymous|"
    r"guest|empty|inf|infinity|\\n|0{8}-0{4}-0{4}-0{4}-0{12})?[\p{P}\p{S}\p{Z}]*$"
)
# An id that was a number with a fraction, in scientific notation, or with separators.
_FLOAT = r"^[+-]?(\d+[.,]0+|\d+[.,]\d*[eE][+-]?\d+|\d+[eE][+-]\d+|\d{1,3}([,' ]\d{3})+([.,]0+)?)$"

# Instants beyond these years are no dates of anything, and arithmetic on them overflows.
_FLOAT32 = 2.0**-24
_LEAST_ROOM, _MOST_ROOM = 1e-6, 4e-3
_LEAST, _MOST = "TIMESTAMP'0001-01-01 00:00:00Z'", "TIMESTAMP'9999-12-31 00:00:00Z'"


@dataclass(frozen=True)
class Value:
    """A column's value in its own type.

    typed: null where there is none. problems: (condition, reason), the first that holds counts.
    mended: whether blanks or marks were taken away. dated: whether a date stood for its start.
    """

    typed: Column
    problems: list[tuple[Column, str]] = field(default_factory=list)
    mended: Column | None = None
    dated: Column | None = None


def refusal(target: StructField, kind: DataType) -> str | None:
    """Why no value of type `kind` can be one of `target`; None where some can."""
    wanted, name, held = target.dataType, target.name, kind.simpleString()
    if isinstance(kind, NullType | StringType):
        return None
    if isinstance(wanted, TimestampType):
        if isinstance(kind, NumericType):
            return (
                f"{name} has type {held}: a number is no instant before its unit is said; map "
                f"timestamp_seconds({name}), timestamp_millis({name}) or timestamp_micros({name})"
            )
        if isinstance(kind, TimestampType | TimestampNTZType | DateType):
            return None
        return f"{name} has type {held}; allowed: a timestamp, a date or a text"
    if isinstance(wanted, StringType):
        exact = isinstance(kind, IntegralType) or (
            isinstance(kind, DecimalType) and kind.scale == 0
        )
        if name in IDS and not exact:
            told = ": an id loses digits in it" if isinstance(kind, FractionalType) else ""
            return (
                f"{name} has type {held}{told}; allowed: a text or an integer; give the ids as "
                f"they were written, or map CAST({name} AS BIGINT) where none was changed"
            )
        single = isinstance(
            kind, NumericType | BooleanType | DateType | TimestampType | TimestampNTZType
        )
        return None if single else f"{name} has type {held}; allowed: what can be a text"
    if isinstance(kind, NumericType):
        return None
    return f"{name} has type {held}; allowed: a number or a text that is one"


def value(target: StructField, raw: Column, kind: DataType, calendar: Calendar) -> Value:
    """The value of column `raw`, which has type `kind`, for the column `target`.

    calendar: whose local days dates are.
    """
    if isinstance(target.dataType, TimestampType):
        return _instant(target.name, raw, kind, calendar)
    if isinstance(target.dataType, StringType):
        return _text(target.name, raw)
    number = _number(raw, kind)
    if isinstance(target.dataType, IntegerType):
        whole = (number == F.floor(number)) & number.between(-(2**31), 2**31 - 1)
        typed = F.when(whole, number.cast("int"))
    else:
        # -0.0 is 0.0: the two would be told apart as texts.
        finite = ~F.isnan(number) & (F.abs(number) < F.lit(float("inf")))
        typed = F.when(finite, number + F.lit(0.0))
    reason = f"{target.name} is no {target.dataType.simpleString()}"
    return Value(typed, [(raw.isNotNull() & typed.isNull(), reason)])


def room(amount: Column) -> Column:
    """How far floating point of 32 bits can be off an amount of money; always less than a cent."""
    return F.least(F.greatest(F.lit(_LEAST_ROOM), amount * F.lit(_FLOAT32)), F.lit(_MOST_ROOM))


def normal(raw: Column) -> Column:
    """A text without blanks and invisible marks around it, and without marks within."""
    return F.regexp_replace(F.regexp_replace(raw.cast("string"), _AROUND, ""), _WITHIN, "")


def _text(name: str, raw: Column) -> Value:
    text = normal(raw)
    problems = [(text == "", f"{name} is empty")]
    if name in IDS:
        problems += [
            (text.rlike(_NOBODY), f"{name} is a text for nobody, such as null or N/A"),
            (text.rlike(_FLOAT), f"{name} went through a number and may have lost digits"),
        ]
    return Value(text, problems, mended=text != raw.cast("string"))


def _number(raw: Column, kind: DataType) -> Column:
    """A double. What float32 holds is the shortest number that it is written as."""
    if isinstance(kind, NumericType) and not isinstance(kind, FloatType):
        return raw.try_cast(DoubleType())
    text = normal(raw) if isinstance(kind, StringType) else raw.cast("string")
    return F.when(text.rlike(_NUMBER), text.try_cast(DoubleType()))


def _instant(name: str, raw: Column, kind: DataType, calendar: Calendar) -> Value:
    if isinstance(kind, TimestampType):
        typed, problems, alone = raw, [], F.lit(False)
    else:
        text = normal(raw)
        alone = text.rlike(_DATE_ALONE)
        full = F.when(alone, F.concat(text, F.lit("T00:00:00Z"))).when(
            text.rlike(_INSTANT),
            F.when(text.rlike(_ZONED), text).otherwise(F.concat(text, F.lit("Z"))),
        )
        utc = full.try_cast(TimestampType())
        typed = F.when(alone, _local(utc, calendar)).otherwise(utc)
        problems = [
            (text.rlike(_TIME_ALONE), f"{name} is a time without a date"),
            (text.rlike(_PART_OF_DATE), f"{name} is part of a date"),
            (
                text.rlike(_NUMBER),
                f"{name} is a number, not an instant: seconds or milliseconds?",
            ),
        ]
    within = F.when((typed >= F.expr(_LEAST)) & (typed < F.expr(_MOST)), typed)
    problems.append((raw.isNotNull() & within.isNull(), f"{name} is no timestamp"))
    return Value(within, problems, dated=alone & within.isNotNull())


def _local(midnight: Column, calendar: Calendar) -> Column:
    """Where the local day begins whose midnight, as if it were UTC's, is given."""
    if calendar.zone is not None:
        return F.to_utc_timestamp(midnight, calendar.zone)
    if not calendar.offset:
        return midnight
    return F.timestamp_micros(
        F.unix_micros(midnight) - calendar.offset // timedelta(microseconds=1)
    )
