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
# The file that Spark was reading.
_FILE = re.compile(r"(?:CSV file: |reading file |Failed to read file |File: )(\S+[^\s.,;:])")
_NO_READER = re.compile(r"^([\w.-]+)\.DefaultSource$|Failed to find the data source: ([\w-]+)")
_NO_TABLE = re.compile(r"TABLE_OR_VIEW_NOT_FOUND\] The table or view (\S+) cannot be found")


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
    """Why, in one line: the innermost cause that Spark names, and the file where it names one."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    causes = [found[1] for line in lines if (found := _CAUSE.match(line))]
    plain = [line for line in lines if not line.startswith("An error occurred while calling")]
    first = causes[-1] if causes else " ".join(_message(plain))
    why = _NOISE.sub("", _CLASS.sub("", first))[:_LONGEST] or type(error).__name__
    if found := _NO_READER.search(why):
        return (
            f"Spark has no reader of the format {found[1] or found[2]} here; it has delta, "
            "parquet, orc, csv, json and those of packages that the cluster installed"
        )
    if found := _NO_TABLE.search(why):
        return f"there is no table {found[1]} (a folder or file has a / in it, such as ./name)"
    file = _FILE.search(str(error))
    return why if file is None or file[1] in why else f"{why} (file {file[1]})"


def _message(lines: list[str]) -> list[str]:
    """The lines before the stack trace or the query's plan."""
    message: list[str] = []
    for line in lines:
        if line.startswith(("at ", "'", "+-", "== ", "JVM stacktrace", "Driver stacktrace")):
            break
        message.append(line)
    return message or lines[:1] or [""]
