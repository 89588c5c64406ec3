"""Tables that cannot be read, told as a mistake of one line instead of Spark's traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException

from bcrlsp.errors import DataError
from bcrlsp.tables.lake import Lake

_LONGEST = 300


@contextmanager
def readable(lake: Lake) -> Iterator[None]:
    """What Spark cannot read inside becomes a DataError that names the lake and Spark's reason.

    For code that only reads: there a failure of Spark's is a damaged, foreign or forbidden table.
    """
    try:
        yield
    except (PySparkException, Py4JError, OSError) as error:
        raise DataError(
            f"the tables at {lake.place} cannot be read: {_reason(error)}; check lake.root (or "
            "lake.catalog and lake.schema), your rights there, and that the tables are whole"
        ) from error


def half_there(lake: Lake, name: str) -> bool:
    """Whether a table that Spark does not find has files all the same: damaged, or no Delta table.

    Only of a lake in a folder of this machine can that be known.
    """
    if not lake.identifier(name).startswith("delta."):
        return False
    place = lake.location(name).removeprefix("file://")
    if "://" in place:
        return False
    folder = Path(place)
    return folder.is_file() or (folder.is_dir() and any(folder.iterdir()))


def _reason(error: Exception) -> str:
    """The line that says why: Spark's own message, without what Java called where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line[2:] for line in lines if line.startswith(": ")), lines[0] if lines else "")
    words = " ".join((told or type(error).__name__).split())
    return words if len(words) <= _LONGEST else words[:_LONGEST] + " …"
