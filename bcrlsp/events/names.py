"""Names in the user's tables and expressions: what is a column, and what only looks like one."""

import re
from collections.abc import Sequence

# Zero-width characters and byte order marks: nobody sees them, and no two names are equal for them.
_INVISIBLE = re.compile("[\ufeff\u200b\u200c\u200d\u2060\u200e\u200f\u00ad]")

# What Spark makes of these names where no column has them: a function that is called without ().
_FUNCTIONS = frozenset(
    (
        "user",
        "current_user",
        "session_user",
        "current_date",
        "current_timestamp",
        "current_time",
        "localtimestamp",
        "current_database",
        "current_catalog",
        "current_schema",
        "current_path",
        "grouping__id",
    )
)
# What says when it runs.
_CLOCKS = frozenset(
    (
        "current_timestamp",
        "current_date",
        "current_time",
        "localtimestamp",
        "now",
        "curdate",
        "getdate",
        "sysdate",
        "systimestamp",
    )
)
# The clock, if they have no argument.
_CLOCKS_ALONE = frozenset(("unix_timestamp", "to_unix_timestamp"))
# Typed literals of words that say when they run, and of a time that is completed by today.
_LITERALS = frozenset(("timestamp", "timestamp_ntz", "timestamp_ltz", "date"))
_TODAY = re.compile(r"\W*(now|today|yesterday|tomorrow|T?\d{1,2}:)", re.IGNORECASE)
# Another value in each run: rows would be new ones every time.
_RANDOM = frozenset(
    (
        "uuid",
        "rand",
        "random",
        "randn",
        "randstr",
        "uniform",
        "shuffle",
        "monotonically_increasing_id",
        "spark_partition_id",
        # They call anything, such as java.util.UUID.randomUUID.
        "reflect",
        "try_reflect",
        "java_method",
    )
)

# Texts, quoted names, comments, names (with what they belong to), anything else.
_TOKEN = re.compile(
    r"""(?P<text>[rR]?'(?:[^'\\]|\\.|'')*'|[rR]?"(?:[^"\\]|\\.|"")*")"""
    r"""|(?P<quoted>`(?:[^`]|``)*`)"""
    r"""|(?P<comment>--[^\n]*|/\*.*?\*/)"""
    r"""|(?P<name>[^\W\d]\w*)"""
    r"""|(?P<other>\S)""",
    re.DOTALL,
)


def cleaned(name: str) -> str:
    """A column's name without what nobody sees: marks, zero-width characters, blanks around it."""
    return _INVISIBLE.sub("", name).strip()


def quoted(name: str) -> str:
    """The column as an SQL expression."""
    return "`" + name.replace("`", "``") + "`"


def matching(name: str, columns: Sequence[str]) -> list[str]:
    """The columns whose name is `name`, as Spark tells names apart: in any case."""
    return [column for column in columns if cleaned(column).lower() == name.lower()]


def repeated(name: str, columns: Sequence[str]) -> list[str]:
    """Columns that a reader numbered because a header holds `name` more than once."""
    form = re.compile(re.escape(name) + r"\d+", re.IGNORECASE)
    found = [column for column in columns if form.fullmatch(cleaned(column))]
    return found if len(found) > 1 else []


def called_without_brackets(expression: str, columns: Sequence[str]) -> list[str]:
    """Bare names in the expression that are no column and that Spark takes for functions."""
    known = {column.lower() for column in columns}
    return [
        name
        for name, called in _names(expression)
        if not called and name.lower() in _FUNCTIONS and name.lower() not in known
    ]


def changing(expression: str, columns: Sequence[str]) -> list[str]:
    """What gives another value in each run in the expression: functions, clocks, typed literals."""
    known = {column.lower() for column in columns}
    found = []
    parts = tokens(expression)
    for place, token in enumerate(parts):
        name = plain(token)
        if name is None:
            continue
        after = [each[0] for each in parts[place + 1 : place + 3]] + ["", ""]
        qualified = place > 0 and parts[place - 1][0] == "."
        if after[0] == "(":
            alone = name in _CLOCKS_ALONE and after[1] == ")"
            if alone or name in _RANDOM or name in _CLOCKS:
                found.append(f"{name}()")
        elif token.lastgroup == "name" and not qualified:
            if name in _CLOCKS & _FUNCTIONS and name not in known and after[0] != ".":
                found.append(name)
            elif (
                name in _LITERALS
                and _TODAY.match(after[0].lstrip("rR"))
                and (after[0].endswith(("'", '"')))
            ):
                found.append(f"{name} {after[0]}")
    return found


def plain(token: re.Match[str]) -> str | None:
    """A name in lower case, without quotes; None for another token."""
    return token[0].strip("`").lower() if token.lastgroup in ("name", "quoted") else None


def tokens(expression: str) -> list[re.Match[str]]:
    """The expression's tokens in order, comments left out.

    Groups: text, quoted, name, other (one sign or digit).
    """
    return [found for found in _TOKEN.finditer(expression) if found.lastgroup != "comment"]


def mentioned(expression: str) -> list[str]:
    """All names in the expression, quoted or not."""
    return [
        found[0].strip("`") for found in tokens(expression) if found.lastgroup in ("name", "quoted")
    ]


def _names(expression: str) -> list[tuple[str, bool]]:
    """Bare names that do not follow a dot, and whether a bracket follows."""
    parts = tokens(expression)
    names = []
    for place, token in enumerate(parts):
        before = parts[place - 1][0] if place else ""
        after = parts[place + 1][0] if place + 1 < len(parts) else ""
        if token.lastgroup == "name" and before != "." and after != ".":
            names.append((token[0], after == "("))
    return names


_CONDITION = frozenset(
    (
        "and",
        "or",
        "not",
        "in",
        "is",
        "null",
        "true",
        "false",
        "like",
        "between",
    )
)


def is_simple_condition(expression: str, texts: Sequence[str], others: Sequence[str]) -> bool:
    """Whether no row can make the condition fail: comparisons of columns with their own kind.

    texts, others: columns of texts, and of single values of other types. Such a condition may be
    left to the reader, which skips files by it.
    """
    used = {name.lower() for name in mentioned(expression)}
    named = used - _CONDITION
    symbols = {token[0] for token in tokens(expression) if token.lastgroup == "other"}
    if any(symbol in "+-*/%|&^~:.[]" for symbol in symbols):
        return False
    if {name.lower() for name, called in _names(expression) if called} - _CONDITION:
        return False
    if named <= {name.lower() for name in others}:
        return True
    plain = not any(symbol.isdigit() for symbol in symbols) and not used & {"true", "false"}
    return plain and named <= {name.lower() for name in texts}
