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
        return pa.Table.from_pandas(frame, preserve_index=False)
    raise DataError(
        f"{name} are a {type(frame).__name__}; allowed: a pyarrow.Table, a pandas, Polars or Spark "
        "DataFrame"
    )
