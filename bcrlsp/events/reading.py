"""Errors of reading the user's data, told in one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.errors import PySparkException

from bcrlsp.errors import DataError

_CAUSE = re.compile(r"Caused by: (?:[\w.$]+(?:Exception|Error): )?(.+)")
_CLASS = re.compile(r"^:? ?(?:[\w.$]+(?:Exception|Error): )+")
_NOISE = re.compile(r"( SQLSTATE: \w+.*| Please use .*)$")
_LONGEST = 400


@contextmanager
def told_as_data_error(what: str) -> Iterator[None]:
    """An error of Spark's inside becomes a DataError, one line: `what`, and why."""
    try:
        yield
    except Exception as error:
        # What fails in a task is an error of Py4J's, which is not there under Connect alone.
        if not isinstance(error, PySparkException) and not type(error).__module__.startswith(
            "py4j"
        ):
            raise
        raise DataError(f"{what}: {told(error)}") from None


def told(error: Exception) -> str:
    """Why, in one line: the innermost cause that Spark names."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    causes = [found[1] for line in lines if (found := _CAUSE.match(line))]
    plain = [line for line in lines if not line.startswith("An error occurred while calling")]
    first = causes[-1] if causes else " ".join(_message(plain))
    return _NOISE.sub("", _CLASS.sub("", first))[:_LONGEST] or type(error).__name__


def _message(lines: list[str]) -> list[str]:
    """The lines before the stack trace or the query's plan."""
    message: list[str] = []
    for line in lines:
        if line.startswith(("at ", "'", "+-", "== ", "JVM stacktrace", "Driver stacktrace")):
            break
        message.append(line)
    return message or lines[:1] or [""]
