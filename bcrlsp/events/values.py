"""Values as they come, of any type, to a column's own type, or the reason why they have none.

A text is not guessed at: what Spark's cast would complete (`10:30` to today, `2025` to New Year) or
drop (the fraction of `1.5`) is no value. A reason names a column and a rule and never a value.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce

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
_ZONE = r"( ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?))"
_DATE_ALONE = _DATE + "$"
_INSTANT = _DATE + "([T ]" + _TIME + _ZONE + "?)?$"
_ZONED = _ZONE + "$"
# Spark reads a zone behind seconds alone.
_NO_SECONDS = r"([T ]\d{1,2}:\d{1,2})(" + _ZONE + ")?$"
_TIME_ALONE = "^T?" + _TIME + _ZONE + "?$"
_PART_OF_DATE = r"^\d{4}(-\d{1,2})?$"
_NO_WHOLE_DATE = r"(?s)^(?![\p{Z}\p{Cc}\p{Cf}]*" + _DATE.removeprefix("^") + ").*$"

# What people and programs write where they know nobody, once or, in parts of a name, repeatedly.
_WHO = "(user|customer|client|member|id|name)"
_NO_NAME = (
    r"(null|none|nil|nan|(?-i:NaT)|n[./-]?a|undefined|unknown|missing|"
    r"not[ _](set|available|applicable)|anonymous|anon|guest|empty|nobody|no[ _-]one|"
    r"no[ _-]" + _WHO + "|"
    r"object[ _]object|inf|infinity|\\n|(?<=#)(ref|value|num|div/0)!|(?<=#)name\?)"
    r"([ _-]?" + _WHO + ")?"
    r"(\.0+)?"
)
_NOBODY = (
    r"(?i)^[\p{P}\p{S}\p{Z}]*("
    + _NO_NAME
    + r"([\p{P}\p{S}\p{Z}]+"
    + _NO_NAME
    + r")*|(0{8}-?0{4}-?0{4}-?0{4}-?0{12}|f{8}-?f{4}-?f{4}-?f{4}-?f{12}))?[\p{P}\p{S}\p{Z}]*$"
)
# An id that was a number with a fraction, in scientific notation, or with marks between thousands:
# any one mark (in India some have two digits), or several points (four parts of up to 255 are an
# internet address).
_ADDRESS = r"(?!((25[0-5]|2[0-4]\d|1?\d?\d)(\.(?=\d)|$)){4}$)"
_FLOAT = (
    r"^[+-]?(\d+[.,]0+|\d+[.,]\d*[eE][+-]?\d+|\d+[eE][+-]\d+|"
    r"\d{1,3}(,\d{2,3})*,\d{3}(\.0+)?|"
    r"\d{1,3}(['\u2019\u066c \u00a0\u2007\u2009\u202f]\d{3})+([.,]0+)?|"
    + _ADDRESS
    + r"\d{1,3}(\.\d{3}){2,}(,0+)?)$"
)
# What a reader writes for bytes that are no letter in the encoding that it reads by.
_LOST = "\ufffd"

# Instants beyond these years are no dates of anything, and arithmetic on them overflows.
_FLOAT32 = 2.0**-24
_LEAST_ROOM, _MOST_ROOM = 1e-6, 4e-3
_LEAST, _MOST = "TIMESTAMP'0001-01-01 00:00:00Z'", "TIMESTAMP'9999-12-31 00:00:00Z'"


@dataclass(frozen=True)
class Reading:
    """How a column's values come to their type, in steps that each name the one before.

    A step is a column of its own: Spark would compute, and compile, what it holds again wherever it
    is used. normal: of the raw column: texts without blanks and marks. base: of `normal`: the
    value. typed: of `base`: null where it is none. problems: of raw, normal and typed: conditions
    with their reasons, the first that holds counts. dated: of `normal`: whether a date stood for
    its start. mends: whether what `normal` takes away is to be counted.
    """

    normal: Callable[[Column], Column]
    base: Callable[[Column], Column]
    typed: Callable[[Column], Column]
    problems: Callable[[Column, Column, Column], list[tuple[Column, str]]]
    dated: Callable[[Column], Column] | None = None
    mends: bool = False


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


def only_whole_dates(text: str) -> str:
    """SQL: the text expression's value where that begins with a whole date, else one of no date.

    It may hold more than a column's bare text may, such as the name of a zone: a cast was asked
    for.
    """
    return f"regexp_replace(CAST(({text}\n) AS STRING), r'{_NO_WHOLE_DATE}', 'no whole date')"


def unclear(name: str, text: Column) -> list[tuple[Column, str]]:
    """Conditions, with reasons, of which one holds where a text is no whole instant.

    name: of the column that the instant is for. text: `normal`.
    """
    unit = f"{name} is a number, not an instant: seconds or milliseconds?"
    return [
        (text.rlike(_TIME_ALONE), f"{name} is a time without a date"),
        (text.rlike(_PART_OF_DATE), f"{name} is part of a date"),
        (text.rlike(_NUMBER), unit),
    ]


def reading(target: StructField, kind: DataType, calendar: Calendar) -> Reading:
    """How values of type `kind` come to the type of column `target`.

    calendar: whose local days dates are.
    """
    if isinstance(target.dataType, TimestampType):
        return _instant(target.name, kind, calendar)
    if isinstance(target.dataType, StringType):
        return _text(target.name)
    return _number(target, kind)


def first_reason(problems: list[tuple[Column, Column]]) -> Column:
    """The reason of the first condition that holds; a condition that is null does not."""
    if not problems:
        return F.lit(None).cast("string")
    (broken, reason), *others = problems
    return reduce(lambda cases, each: cases.when(*each), others, F.when(broken, reason))


def room(amount: Column) -> Column:
    """How far floating point of 32 bits can be off an amount of money; always less than a cent."""
    return F.least(F.greatest(F.lit(_LEAST_ROOM), amount * F.lit(_FLOAT32)), F.lit(_MOST_ROOM))


def normal(raw: Column) -> Column:
    """A text without blanks and invisible marks around it, and without marks within."""
    return F.regexp_replace(F.regexp_replace(raw.cast("string"), _AROUND, ""), _WITHIN, "")


def _same(column: Column) -> Column:
    return column


def _text(name: str) -> Reading:
    def problems(_: Column, text: Column, __: Column) -> list[tuple[Column, str]]:
        lost = (
            f"{name} has letters that were lost: its file has another encoding (options.encoding)"
        )
        found = [(text == "", f"{name} is empty"), (text.contains(_LOST), lost)]
        if name in IDS:
            found += [
                (text.rlike(_NOBODY), f"{name} is a text for nobody, such as null or N/A"),
                (text.rlike(_FLOAT), f"{name} went through a number and may have lost digits"),
            ]
        return found

    return Reading(normal, _same, _same, problems, mends=name in IDS)


def _number(target: StructField, kind: DataType) -> Reading:
    """A number. What float32 holds is the shortest number that it is written as."""
    is_text = not isinstance(kind, NumericType) or isinstance(kind, FloatType)

    def base(text: Column) -> Column:
        if not is_text:
            return text.try_cast(DoubleType())
        return F.when(text.rlike(_NUMBER), text.try_cast(DoubleType()))

    def typed(number: Column) -> Column:
        if isinstance(target.dataType, IntegerType):
            whole = (number == F.floor(number)) & number.between(-(2**31), 2**31 - 1)
            return F.when(whole, number.cast("int"))
        # -0.0 is 0.0: the two would be told apart as texts.
        finite = ~F.isnan(number) & (F.abs(number) < F.lit(float("inf")))
        return F.when(finite, number + F.lit(0.0))

    def problems(raw: Column, _: Column, done: Column) -> list[tuple[Column, str]]:
        reason = f"{target.name} is no {target.dataType.simpleString()}"
        return [(raw.isNotNull() & done.isNull(), reason)]

    return Reading(normal if is_text else _same, base, typed, problems)


def _instant(name: str, kind: DataType, calendar: Calendar) -> Reading:
    is_text = not isinstance(kind, TimestampType)

    def base(text: Column) -> Column:
        if not is_text:
            return text
        alone = text.rlike(_DATE_ALONE)
        seconds = F.regexp_replace(text, _NO_SECONDS, "$1:00$2")
        full = F.when(alone, F.concat(text, F.lit("T00:00:00Z"))).when(
            text.rlike(_INSTANT),
            F.when(text.rlike(_ZONED), seconds).otherwise(F.concat(seconds, F.lit("Z"))),
        )
        utc = full.try_cast(TimestampType())
        if calendar.zone is None and not calendar.offset:
            return utc
        return F.when(alone, _local(utc, calendar)).otherwise(utc)

    def typed(instant: Column) -> Column:
        within = (instant >= F.expr(_LEAST)) & (instant < F.expr(_MOST))
        return F.when(within, instant)

    def problems(raw: Column, text: Column, done: Column) -> list[tuple[Column, str]]:
        found = [(raw.isNotNull() & done.isNull(), f"{name} is no timestamp")]
        return [*unclear(name, text), *found] if is_text else found

    def dated(text: Column) -> Column:
        return text.rlike(_DATE_ALONE)

    return Reading(
        normal if is_text else _same, base, typed, problems, dated=dated if is_text else None
    )


def _local(midnight: Column, calendar: Calendar) -> Column:
    """Where the local day begins whose midnight, as if it were UTC's, is given."""
    if calendar.zone is not None:
        return F.to_utc_timestamp(midnight, calendar.zone)
    ahead = calendar.offset // timedelta(microseconds=1)
    return F.timestamp_micros(F.unix_micros(midnight) - ahead)
