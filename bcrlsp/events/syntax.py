"""The structure of a Spark SQL expression, as far as its tokens show it: brackets, calls, operands.

Tokens are those of `names.tokens`; a place is a token's number; partners: see `bracket_partners`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from bcrlsp.events.names import plain

# Words before a text that are a literal of their type with it.
_LITERALS = ("timestamp", "timestamp_ntz", "timestamp_ltz", "date", "time", "interval", "x")
# Words before a bracket that call nothing.
_KEYWORDS = ("then", "else", "when", "and", "or", "not", "in", "as", "between", "like", "is")


def word(token: re.Match[str]) -> str | None:
    """A word in lower case; None for a name in quotes, which is no keyword."""
    return plain(token) if token.lastgroup == "name" else None


def bracket_partners(words: Sequence[re.Match[str]]) -> dict[int, int]:
    """Each bracket's other one."""
    found: dict[int, int] = {}
    opened = []
    for place, token in enumerate(words):
        if token[0] in ("(", "["):
            opened.append(place)
        elif token[0] in (")", "]") and opened:
            found[place] = opened.pop()
            found[found[place]] = place
    return found


def arguments(
    words: Sequence[re.Match[str]],
    partners: Mapping[int, int],
    first: int,
    end: int,
) -> list[tuple[int, int]]:
    """First and last token of each part between commas, outside of brackets."""
    parts, start, place = [], first, first
    while place < end:
        if words[place][0] == ",":
            parts.append((start, place - 1))
            start = place + 1
        elif words[place][0] in ("(", "["):
            place = partners.get(place, place)
        place += 1
    return [each for each in [*parts, (start, end - 1)] if each[0] <= each[1]]


def end_of_case(words: Sequence[re.Match[str]], start: int) -> int:
    """Last token of the CASE that begins with token `start`; that of all where it has no end."""
    depth = 0
    for place in range(start, len(words)):
        name = word(words[place])
        depth += (name == "case") - (name == "end")
        if depth == 0:
            return place
    return len(words) - 1


def branches(
    words: Sequence[re.Match[str]], partners: Mapping[int, int], start: int, end: int
) -> Iterator[tuple[int, int]]:
    """What a CASE gives: from each THEN and ELSE of its own to the next word of its own."""
    first, depth, place = None, 0, start + 1
    while place <= end:
        name = word(words[place])
        if words[place][0] in ("(", "["):
            place = partners.get(place, place)
        elif name == "case":
            depth += 1
        elif depth == 0 and name in ("when", "then", "else", "end"):
            if first is not None and first < place:
                yield first, place - 1
            first = place + 1 if name in ("then", "else") else None
        elif name == "end":
            depth -= 1
        place += 1


def start_of_operand(words: Sequence[re.Match[str]], partners: Mapping[int, int], last: int) -> int:
    """First token of what ends with token `last` and binds closer than any operator but `::`."""
    if last <= 0:
        return 0
    before = [each[0] for each in words[max(last - 2, 0) : last]]
    if words[last][0] == "]":
        return start_of_operand(words, partners, partners.get(last, last) - 1)
    if words[last][0] == ")":
        start = partners.get(last, last)
        named = start > 0 and plain(words[start - 1]) not in (None, *_KEYWORDS)
        return start_of_operand(words, partners, start - 1) if named else start
    if word(words[last]) == "end":
        depth = 0
        for place in range(last, -1, -1):
            name = word(words[place])
            depth += (name == "end") - (name == "case")
            if depth == 0:
                return place
    if before[-2:] == [":", ":"] and last >= 3:
        return start_of_operand(words, partners, last - 3)
    if before[-1:] in (["."], [":"]) and last >= 2:
        return start_of_operand(words, partners, last - 2)
    if words[last].lastgroup == "text" and last and plain(words[last - 1]) in _LITERALS:
        return last - 1
    return last


def end_of_operand(words: Sequence[re.Match[str]], partners: Mapping[int, int], first: int) -> int:
    """Last token of what begins with token `first`."""
    last = partners.get(first, first)
    while last + 1 < len(words):
        after = words[last + 1][0]
        if after in ("(", "["):
            last = partners.get(last + 1, last + 1)
        elif after in (".", ":") and last + 2 < len(words):
            last += 2
        else:
            break
    return last
