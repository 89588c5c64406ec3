"""Tables in memory, whatever library holds them, as pyarrow.Table."""

from typing import Any

import pyarrow as pa

from bcrlsp.errors import DataError


def as_table(frame: Any, name: str = "trajectories") -> pa.Table:
    """A pyarrow.Table of a table, a pandas, Polars or Spark DataFrame, in its row order.

    name: what the frame is, for the message. DataError for anything else.
    """
    if isinstance(frame, pa.Table):
        return frame
    for method in ("toArrow", "to_arrow"):
        if hasattr(frame, method):
            return getattr(frame, method)()
    if hasattr(frame, "to_records"):
        try:
            return pa.Table.from_pandas(frame, preserve_index=False)
        except (pa.ArrowException, ValueError, TypeError) as error:
            # Such as a column of numbers and texts, or two columns of one name.
            reason = " ".join(str(part) for part in error.args) or type(error).__name__
            raise DataError(
                f"{name} cannot be read: {' '.join(reason.split())}; allowed: columns of one type "
                "each, with names of their own"
            ) from None
    raise DataError(
        f"{name} are a {type(frame).__name__}; allowed: a pyarrow.Table, a pandas, Polars or Spark "
        "DataFrame"
    )
