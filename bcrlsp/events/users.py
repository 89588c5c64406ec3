"""The table `users`: what the history and the accepted events, as they are now, say of users.

Another run may load at the same time. A pass pins `users` before what it derives from, and writes
only over rows that are as it saw them; when anything moved in the meantime it derives again. So the
run whose events came last has the last word, whichever run wrote its users last.
"""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.events import people
from bcrlsp.events.keeping import Keeper
from bcrlsp.events.shapes import HISTORY, SHAPES
from bcrlsp.tables import TABLES, Lake, fingerprint, patiently, until_whole

OF_EVENTS = ("activity", "bonuses")
"""Tables whose events make users where no mapping tells of them."""

_SAID = ("signup_ts", "segment", "ingest_ts")


@dataclass(frozen=True)
class Derivation:
    """The part of `users` that is to follow from what there is.

    touched: user_id, each once: of whom something came. made_up: whether those without a history
    are made up from events. lost: whether a row may have left the tables: then a sign-up may become
    later, and a user without events goes; else none does, as events may be deleted for their age.
    """

    lake: Lake
    keeper: Keeper
    touched: DataFrame
    made_up: bool
    lost: bool = False

    def put(self) -> tuple[int, int]:
        """Writes what the table lacks; returns how many were made up, and how many are new.

        ConflictError when other runs do not stop to change what it follows from.
        """
        new = 0

        def once() -> tuple[int, int] | None:
            nonlocal new
            number, more, whole = self._pass()
            new += more
            return (number, min(new, number)) if whole else None

        return until_whole("users", once)

    def _pass(self) -> tuple[int, int, bool]:
        """One derivation: users made up, those of them that are new, whether nothing moved."""
        held = self.lake.read("users", self.lake.version("users"))
        names = (HISTORY, *OF_EVENTS) if self.made_up else (HISTORY,)
        versions = {name: self.lake.version(name) for name in names}
        tables = {name: self.lake.read(name, version) for name, version in versions.items()}
        history = tables.pop(HISTORY).select(*SHAPES["users"].columns)
        users = people.from_history(self._touched(history)).withColumn("_made", F.lit(False))
        gone = None
        if self.made_up:
            told = history.select("user_id").unionByName(
                people.untold(held, history).select("user_id")
            )
            events = ((name, self._touched(rows)) for name, rows in tables.items())
            made = people.from_events(*events).join(told, "user_id", "left_anti")
            if self.lost:
                kept = told.unionByName(made.select("user_id"))
                gone = self._touched(_seen(held)).join(kept, "user_id", "left_anti")
            else:
                made = people.no_later(made, held)
            users = users.unionByName(made.withColumn("_made", F.lit(True)))
        compared = self.keeper.keep(_compared(users, held))
        counts = compared.groupBy("_made", "_there", "_same").count().collect()
        differ = sum(int(row["count"]) for row in counts if not row["_same"])
        made_up = [row for row in counts if row["_made"]]
        whole = True
        if differ:
            rows = compared.where("NOT _same")
            whole = patiently(lambda: self.lake.merge("users", rows, seen="_row")) == differ
        number = 0 if gone is None else gone.count()
        if gone is not None and number:
            keys = gone
            whole &= patiently(lambda: self.lake.remove("users", keys, seen="_row")) == number
        whole &= all(self.lake.version(name) == version for name, version in versions.items())
        new = sum(int(row["count"]) for row in made_up if not row["_there"])
        return sum(int(row["count"]) for row in made_up), new, whole

    def _touched(self, rows: DataFrame) -> DataFrame:
        return rows.join(self.touched, "user_id", "left_semi")


def _seen(held: DataFrame) -> DataFrame:
    return held.select("user_id", F.expr(fingerprint("users")).alias("_row"))


def _compared(users: DataFrame, held: DataFrame) -> DataFrame:
    """Users, with `_there`, `_same` (whether the table has them, and says so) and its `_row`."""
    seen = held.select(
        "user_id",
        *(F.col(column).alias(f"_{column}") for column in _SAID),
        F.expr(fingerprint("users")).alias("_row"),
    )
    same = " AND ".join(f"{column} <=> _{column}" for column in _SAID)
    return users.join(seen, "user_id", "left").select(
        *TABLES["users"].columns,
        "_made",
        "_row",
        F.col("_row").isNotNull().alias("_there"),
        F.expr(same).alias("_same"),
    )
