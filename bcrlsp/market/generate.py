"""A simulated market's tables as DataFrames: NumPy inside Spark tasks.

One Spark row is one block of users, so that a million users are a matter of partitions. Each table
runs the simulation again: that is cheaper than keeping it.
"""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from bcrlsp.market.emit import EMITTERS
from bcrlsp.market.simulation import BLOCK, Simulation
from bcrlsp.tables import TABLES


def simulated_table(
    spark: SparkSession, simulation: Simulation, name: str, partitions: int | None = None
) -> DataFrame:
    """One table of the market: an event table, or `market_truth`.

    partitions: number of Spark tasks (None: the session's default); the rows are the same.
    """
    emit = EMITTERS[name]
    blocks = -(-simulation.users // BLOCK)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from emit(simulation.block(number), simulation)

    return spark.range(0, blocks, 1, partitions).mapInArrow(run, TABLES[name].schema)
