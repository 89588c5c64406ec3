"""The lake: the one module that reads and writes tables.

A table is either a folder under a root (`lake.root`/NAME) or NAME in a catalog and schema. Every
write is one Delta transaction, and one that can be repeated: a whole table or a window of it is
replaced, or rows are merged by key. A killed writer leaves the table as it was.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from uuid import uuid4

from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from bcrlsp.errors import ConflictError, DataError
from bcrlsp.places import absolute
from bcrlsp.tables.ddl import alterations, create_statement
from bcrlsp.tables.patience import PAUSES, is_conflict
from bcrlsp.tables.rows import fingerprint
from bcrlsp.tables.schemas import MADE_BY, TABLES
from bcrlsp.tables.settings import Settings

# Commits among which a write looks for its own: so many others may have come in the meantime.
_RECENT = 100
_SEEN = "_seen_row"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Guard:
    """Lets one of several runs write what they share, and tells the others.

    key: what is shared, such as one period. version: of the table, when the run looked at it. Of
    two writes of one key, each looked at before the other was made, the first one counts.
    """

    key: str
    version: int


class Lake:
    """Reads and writes the tables of `TABLES`.

    spark: the session, classic or Connect.
    settings: where the tables are.
    """

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self.spark = spark
        self._settings = settings
        # Tables found to be there, and found whole: asking costs a statement each time.
        self._found: set[str] = set()
        self._whole: set[str] = set()

    @property
    def place(self) -> str:
        """Where all tables are, for people: the root folder, or catalog.schema."""
        if self._settings.root is not None:
            return self._base
        return f"{self._settings.catalog}.{self._settings.schema_}"

    def beside(self, name: str) -> str:
        """Path or name of a further table in the same place, which is none of `TABLES`."""
        return f"{self.place}/{name}" if self._settings.root is not None else f"{self.place}.{name}"

    def identifier(self, name: str) -> str:
        """What SQL calls the table: delta.`root/NAME` or `catalog`.`schema`.`NAME`."""
        if self._settings.root is not None:
            return f"delta.`{self.location(name).replace('`', '``')}`"
        return f"`{self._settings.catalog}`.`{self._settings.schema_}`.`{name}`"

    def location(self, name: str) -> str:
        """Absolute path or URI of the table's folder, for readers without Spark."""
        if self._settings.root is not None:
            return f"{self._base}/{name}"
        detail = self.spark.sql(f"DESCRIBE DETAIL {self.identifier(name)}").first()
        return str(detail["location"]) if detail else ""

    def exists(self, name: str) -> bool:
        """Whether the table has been created."""
        return self._properties(name) is not None

    def version(self, name: str) -> int:
        """The newest version of the table; DataError when there is no such table."""
        self._require(name)
        rows = self._history(name, 1)
        return int(rows[0]["version"]) if rows else 0

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """The table, or its pinned `version`; DataError when there is no such table.

        A column that is younger than the version is there, and null.
        """
        self._require(name)
        at = "" if version is None else f" VERSION AS OF {int(version)}"
        rows = self.spark.sql(f"SELECT * FROM {self.identifier(name)}{at}")
        young = {
            field.name: F.lit(None).cast(field.dataType)
            for field in TABLES[name].schema
            if field.name not in rows.columns
        }
        return rows.withColumns(young) if young else rows

    def create(self, name: str) -> None:
        """The empty table with its constraints, if it is not there; safe to repeat.

        A table of an older version of this package gets the columns that it lacks (null in its
        rows), and one of other settings their properties.
        """
        if name in self._whole:
            return
        for pause in (*PAUSES, None):
            try:
                self._complete(name)
                break
            except PySparkException:
                # Another run may be making it: between its first file and its commit there is a
                # folder that is no table yet, and CREATE ... IF NOT EXISTS leaves it alone.
                if pause is None:
                    raise
                time.sleep(pause)
        self._found.add(name)
        self._whole.add(name)

    def overwrite(self, name: str, rows: DataFrame) -> None:
        """The table's rows become `rows`, in one transaction."""
        self.replace(name, rows, "true")

    def replace(
        self, name: str, rows: DataFrame, where: str, *, guard: Guard | None = None
    ) -> None:
        """The rows that meet the SQL condition `where` become `rows`, in one transaction.

        An empty `rows` clears them. Delta refuses rows that do not meet the condition.
        ConflictError when another writer was first, also one that was through before this one
        began, if a `guard` says what they share.
        """
        self.create(name)
        writer = self._shaped(name, rows).write.format("delta").mode("overwrite")
        writer = writer.option("replaceWhere", where)
        mark = uuid4().hex
        if guard is not None:
            # Delta leaves out, without a word, a write whose number the key has had already.
            writer = writer.option("txnAppId", guard.key).option("txnVersion", guard.version)
            writer = writer.option("userMetadata", mark)
        if self._settings.root is not None:
            self._commit(name, lambda: writer.save(self.location(name)))
        else:
            self._commit(name, lambda: writer.saveAsTable(self.identifier(name)))
        if guard is not None and not self._has_mark(name, mark):
            raise _conflict(name)

    def append(self, name: str, rows: DataFrame, application: str, version: int) -> None:
        """Adds `rows` in one transaction, once: not again for an application's version that is not
        above its last.

        ConflictError when another writer was first.
        """
        self.create(name)
        writer = self._shaped(name, rows).write.format("delta").mode("append")
        writer = writer.option("txnAppId", application).option("txnVersion", version)
        if self._settings.root is not None:
            self._commit(name, lambda: writer.save(self.location(name)))
        else:
            self._commit(name, lambda: writer.saveAsTable(self.identifier(name)))

    def compact(self, name: str, where: str, most: int) -> bool:
        """Puts small files together, if the last write made more than `most`; says whether it did.

        where: SQL condition on the table's partitions. No row changes. Another writer goes first:
        then the files stay as they are.
        """
        written = self._history(name, 1)[0]["operationMetrics"] or {}
        if int(written.get("numFiles", 0)) <= most:
            return False
        statement = f"OPTIMIZE {self.identifier(name)} WHERE {where}"
        try:
            self._commit(name, lambda: self.spark.sql(statement).collect())
        except ConflictError:
            return False
        return True

    def merge(
        self, name: str, rows: DataFrame, *, update: bool = True, seen: str | None = None
    ) -> int:
        """`rows` are added by the table's keys, in one transaction; returns how many took effect.

        A row whose key is there replaces it, or is left out where `update` is false. `rows` must
        hold each key once. seen: a column of theirs with the `fingerprint` of the row that each is
        to replace: one that another run changed since then stays. ConflictError when another writer
        was first.
        """
        self.create(name)
        more = [] if seen is None else [rows[seen].alias(_SEEN)]
        still = "" if seen is None else f"AND {fingerprint(name, 't.')} = s.{_SEEN} "
        matched = f"WHEN MATCHED {still}THEN UPDATE SET * " if update else ""
        shaped = self._shaped(name, rows, more)
        return self._merge(name, shaped, "", f"{matched}WHEN NOT MATCHED THEN INSERT *")

    def _has_mark(self, name: str, mark: str) -> bool:
        """Whether a commit has this mark: the write was not left out."""
        return any(row["userMetadata"] == mark for row in self._history(name, _RECENT))

    def _history(self, name: str, most: int) -> list[Row]:
        """The newest commits, the last one first."""
        statement = f"DESCRIBE HISTORY {self.identifier(name)} LIMIT {most}"
        return self.spark.sql(statement).collect()

    def remove(self, name: str, keys: DataFrame, *, seen: str | None = None) -> int:
        """The rows that have one of `keys` go, in one transaction; returns how many went.

        keys: the table's key columns, each key once. seen, ConflictError: see `merge`.
        """
        self.create(name)
        more = [] if seen is None else [keys[seen].alias(_SEEN)]
        still = "" if seen is None else f" AND {fingerprint(name, 't.')} = s.{_SEEN}"
        chosen = keys.select(*TABLES[name].keys, *more)
        return self._merge(name, chosen, still, "WHEN MATCHED THEN DELETE")

    def _merge(self, name: str, rows: DataFrame, still: str, clauses: str) -> int:
        view = f"rows_{uuid4().hex}"
        rows.createOrReplaceTempView(view)
        same = " AND ".join(f"t.{key} <=> s.{key}" for key in TABLES[name].keys)
        statement = (
            f"MERGE INTO {self.identifier(name)} AS t USING {view} AS s ON {same}{still} {clauses}"
        )
        try:
            found = self._commit(name, lambda: self.spark.sql(statement).collect())
        finally:
            self.spark.catalog.dropTempView(view)
        return int(found[0]["num_affected_rows"])

    def _complete(self, name: str) -> None:
        """Makes the table, or adds to it what it lacks; PySparkException while it is half made."""
        table, target, keep = TABLES[name], self.identifier(name), self._settings.keep_versions
        properties = self._properties(name)
        if properties is None:
            self.spark.sql(create_statement(table, target, keep))
        columns = self.spark.table(target).columns  # an error where it is half made
        if properties is None:
            return
        for change in alterations(table, columns, properties, keep):
            statement = f"ALTER TABLE {target} {change}"
            self._commit(name, partial(self.spark.sql, statement))

    def _commit(self, name: str, write: Callable[[], _T]) -> _T:
        try:
            return write()
        except PySparkException as error:
            if is_conflict(error):
                raise _conflict(name) from error
            raise

    @staticmethod
    def _shaped(name: str, rows: DataFrame, more: Sequence[Column] = ()) -> DataFrame:
        """`rows` with the table's columns, types and order; a missing one is DataError."""
        table = TABLES[name]
        missing = [column for column in table.columns if column not in rows.columns]
        if missing:
            raise DataError(
                f"rows for table {name} lack the columns {', '.join(missing)}; "
                f"they have {', '.join(rows.columns)}"
            )
        typed = (rows[field.name].cast(field.dataType) for field in table.schema)
        return rows.select(*typed, *more)

    @property
    def _base(self) -> str:
        return absolute(self._settings.root or "")

    def _require(self, name: str) -> None:
        if name not in self._found and not self.exists(name):
            raise DataError(
                f"there is no table {name} at {self.identifier(name)}; {MADE_BY[name]} makes it"
            )

    def _properties(self, name: str) -> dict[str, str] | None:
        """The table's properties; None where there is no such table.

        Of all that Delta tells of a table it is what costs least: no file list is read.
        """
        statement = f"SHOW TBLPROPERTIES {self.identifier(name)}"
        try:
            rows = self.spark.sql(statement).collect()
        except AnalysisException:
            self._found.discard(name)
            return None
        self._found.add(name)
        return {row["key"]: row["value"] for row in rows}


def _conflict(name: str) -> ConflictError:
    return ConflictError(
        f"another run changed table {name} at the same time; nothing was written, run again"
    )
