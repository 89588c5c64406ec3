"""Texts that a Spark SQL expression turns into instants without a format of its own.

Spark completes such a text: `10:30` to today, `2025` to New Year, `now` to when it runs. Which
texts these are is read off the expression's tokens; what is no whole date must be no instant.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql.types import (
    DataType,
    DateType,
    StringType,
    TimestampNTZType,
    TimestampType,
    VariantType,
)

from bcrlsp.events.names import plain, tokens
from bcrlsp.events.syntax import (
    arguments,
    bracket_partners,
    branches,
    end_of_case,
    end_of_operand,
    start_of_operand,
    word,
)
from bcrlsp.events.values import only_whole_dates

INSTANT_TYPES = (DateType, TimestampType, TimestampNTZType)

_ALL = tuple(range(64))
# With one argument alone: a second is a format.
_READERS = frozenset(
    (
        "date",
        "timestamp",
        "to_date",
        "try_to_date",
        "to_timestamp",
        "try_to_timestamp",
        "to_timestamp_ntz",
        "to_timestamp_ltz",
    )
)
# Places of arguments that become instants by themselves; -1: the last.
_FIRST = (
    "to_utc_timestamp",
    "from_utc_timestamp",
    "trunc",
    "last_day",
    "next_day",
    "add_months",
    "date_add",
    "date_sub",
    "date_format",
    "window",
    "year",
    "quarter",
    "month",
    "day",
    "dayofmonth",
    "dayofweek",
    "dayofyear",
    "weekday",
    "weekofyear",
)
_TAKERS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(_FIRST, (0,)),
    "date_trunc": (1,),
    "time_bucket": (1,),
    "timestampadd": (2,),
    "convert_timezone": (-1,),
    "datediff": (0, 1),
    "date_diff": (0, 1),
    "months_between": (0, 1),
}
# Places of arguments that become instants where another argument is one.
_CHOICES: Mapping[str, tuple[int, ...]] = {
    "coalesce": _ALL,
    "nvl": _ALL,
    "ifnull": _ALL,
    "nvl2": (1, 2),
    "if": (1, 2),
    "iff": (1, 2),
}
_INTERVALS = ("interval", "make_interval", "make_dt_interval", "make_ym_interval")
_TYPES = re.compile(r"(timestamp|timestamp_ntz|timestamp_ltz|date)\b", re.IGNORECASE)
_CASTS = ("cast", "try_cast")
_PARSERS = ("from_json", "from_csv", "from_xml", "variant_get", "try_variant_get")

# A type within another, of a field, or as the text of a type.
_WITHIN = re.compile(
    r"(?:<|[\w`]\s*:|[\w`]\s|<[^<>]*,|['\"])\s*(?:timestamp(?:_ntz|_ltz)?|date)\s*(?=[>,'\")]|$|not\b)",
    re.IGNORECASE,
)
_FORMAT = re.compile(r"(timestamp|timestampntz|date)format", re.IGNORECASE)

KindOf = Callable[[str], DataType | None]


@dataclass(frozen=True)
class _Part:
    """A part of the expression. start, end: of its characters. choice: that of the choice it is in.

    A part of a choice becomes an instant only where the whole choice is one.
    """

    start: int
    end: int
    choice: tuple[int, int] | None = None


def guarded(expression: str, kind_of: KindOf) -> tuple[str, list[str]]:
    """The expression in which no partial date becomes an instant, and the texts that it reads.

    kind_of: type of a part of the expression; None where it has none of its own (a lambda's
    variable). A text without a whole date fails, or is null, as any text that is no instant.
    """
    found: dict[tuple[int, int], bool] = {}
    for part in _parts(expression):
        if part.start >= part.end:  # brackets that do not fit
            continue
        if part.choice is not None and not isinstance(
            kind_of(expression[slice(*part.choice)]), INSTANT_TYPES
        ):
            continue
        kind = kind_of(expression[part.start : part.end])
        if kind is None or isinstance(kind, StringType | VariantType):
            found[part.start, part.end] = kind is not None
    texts = [expression[slice(*span)] for span, alone in found.items() if alone]
    return _rewritten(expression, list(found)), list(dict.fromkeys(texts))


def hidden(expression: str) -> list[str]:
    """Calls that make instants of texts inside of a value, where no text can be looked at."""
    words = tokens(expression)
    partners = bracket_partners(words)
    told = []
    for place, token in enumerate(words):
        name = plain(token)
        close = partners.get(place + 1, 0)
        if name not in (*_CASTS, *_PARSERS) or close <= place:
            continue
        first = place + 1
        if name in _CASTS:
            first = max(
                each for each in range(first, close) if each == first or _is_as(words[each])
            )
        inner = expression[words[first].end() : words[close].start()]
        if _WITHIN.search(inner) and not _FORMAT.search(inner):
            told.append(f"{name}()")
    return told


def _rewritten(expression: str, spans: Sequence[tuple[int, int]]) -> str:
    """The expression with each span looked at; spans lie in one another or apart."""
    if not spans:
        return expression
    start, end = min(spans, key=lambda span: (span[0], -span[1]))
    within = [s for s in spans if s != (start, end) and s[1] <= end]
    after = [s for s in spans if s[0] >= end]
    inner = _rewritten(expression[start:end], [(a - start, b - start) for a, b in within])
    rest = _rewritten(expression[end:], [(a - end, b - end) for a, b in after])
    return expression[:start] + only_whole_dates(inner) + rest


def _parts(expression: str) -> Iterator[_Part]:
    words = tokens(expression)
    partners = bracket_partners(words)

    def part(first: int, last: int, choice: tuple[int, int] | None = None) -> _Part:
        outer = None if choice is None else (words[choice[0]].start(), words[choice[1]].end())
        return _Part(words[first].start(), words[last].end(), outer)

    for place, token in enumerate(words):
        after = [plain(each) or each[0] for each in words[place + 1 : place + 4]] + [""] * 3
        if after[0] == "(" and plain(token) is not None and place + 1 in partners:
            for first, last, chosen in _of_call(words, partners, place):
                yield part(first, last, (place, partners[place + 1]) if chosen else None)
        if word(token) == "case":
            end = end_of_case(words, place)
            for first, last in branches(words, partners, place, end):
                yield part(first, last, (place, end))
        elif token[0].lower() == "interval":
            # INTERVAL 1 HOUR + x
            plus = place + 1
            while plus < len(words) and words[plus][0] not in "+,()":
                plus += 1
            if plus + 1 < len(words) and words[plus][0] == "+":
                yield part(plus + 1, end_of_operand(words, partners, plus + 1))
        elif place and (
            (token[0] == ":" and after[0] == ":" and _TYPES.fullmatch(after[1]))
            or (token[0] in "+-" and after[0] in _INTERVALS)
        ):
            yield part(start_of_operand(words, partners, place - 1), place - 1)


def _of_call(
    words: Sequence[re.Match[str]], partners: Mapping[int, int], place: int
) -> Iterator[tuple[int, int, bool]]:
    """First and last token of what a call makes instants of, and whether as a choice."""
    name, close = plain(words[place]) or "", partners[place + 1]
    given = arguments(words, partners, place + 2, close)
    for index in _places(name, len(given)):
        yield (*given[index], False)
    for index in _CHOICES.get(name, ()):
        if index < len(given):
            yield (*given[index], True)
    if name in _CASTS:
        for first, last in _cast(words, place + 2, close):
            yield first, last, False
    if name in ("try_add", "try_subtract") and len(given) == 2:
        for one, other in (given, given[::-1]):
            if plain(words[other[0]]) in _INTERVALS:
                yield (*one, False)


def _places(name: str, number: int) -> list[int]:
    """Places of the arguments of a function that it makes instants of."""
    if name in _READERS:
        return [0] if number == 1 else []
    if name == "dateadd":
        return [0] if number == 2 else [number - 1]
    if name == "make_timestamp":
        return [0] if number in (2, 3) else []
    return [place % number for place in _TAKERS.get(name, ()) if number and place < number]


def _is_as(token: re.Match[str]) -> bool:
    return word(token) == "as"


def _cast(words: Sequence[re.Match[str]], first: int, close: int) -> list[tuple[int, int]]:
    """What a cast to an instant is of."""
    places = [place for place in range(first, close) if _is_as(words[place])]
    if not places or places[-1] == first or not _TYPES.fullmatch(words[places[-1] + 1][0]):
        return []
    return [(first, places[-1] - 1)]
