"""The way into the tables: one after another, those first that others refer to.

Of each table what is bad is put into quarantine first and what is good is taken out of it last, so
that a run that is killed between leaves no row nowhere, and the next one completes it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.events import people, settle
from bcrlsp.events.keeping import Keeper
from bcrlsp.events.quarantine import Quarantine
from bcrlsp.events.shapes import GOOD, HISTORY, SHAPES, VERDICT, Shape
from bcrlsp.events.source import Grid
from bcrlsp.events.users import OF_EVENTS, Derivation
from bcrlsp.events.validate import Tally
from bcrlsp.tables import Lake, patiently, until_whole


@dataclass(frozen=True)
class TableCount:
    """What became of one table's rows.

    read = written + duplicates + the sum of quarantined (reason: rows).
    released: rows that left the quarantine for the table, their partner having come.
    displaced: rows that left the table for the quarantine: another of their key was first.
    mended: rows whose ids lost blanks or invisible marks. dated: rows with a date for an instant.
    """

    read: int
    written: int
    duplicates: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    released: int = 0
    displaced: int = 0
    mended: int = 0
    dated: int = 0


@dataclass(frozen=True)
class _Found:
    """One table: counts, its settled rows, and whether a key had two of them.

    settled: None where no row came and none was waiting. put: rows of the table that were added or
    replaced, in how many commits. whole: whether all was as it had been seen when it was written.
    """

    count: TableCount
    settled: DataFrame | None = None
    lost: bool = False
    put: int = 0
    whole: bool = True
    commits: int = 0


@dataclass(frozen=True)
class Load:
    """One ingestion's way into the tables.

    source: its name. whole: its rows replace all that the tables hold. judged, tallies: the rows of
    each table that it gives, each judged by itself, and their counts. keeper: of rows that are used
    several times.
    """

    lake: Lake
    source: str
    grid: Grid
    whole: bool
    judged: dict[str, DataFrame]
    tallies: dict[str, Tally]
    keeper: Keeper

    def tables(self) -> dict[str, TableCount]:
        """Every table, those first that others refer to."""
        if "users" in self.judged:
            counts = {"users": self._users()}
            found = {name: self._table(name, "users") for name in OF_EVENTS}
        else:
            found = {name: self._table(name) for name in OF_EVENTS}
            counts = {"users": self._made_up(found)}
        counts |= {name: of.count for name, of in found.items()}
        bonuses = found["bonuses"].settled
        redemptions = self._again(lambda: self._redemptions(bonuses), "redemptions", "bonuses")
        return counts | {"redemptions": redemptions.count}

    def _again(self, once: Callable[[], _Found], name: str, *decisive: str) -> _Found:
        """A table's load; once more where another run changed what it looked at.

        decisive: tables whose other rows decide about the rows.
        """
        earlier = 0

        def tried() -> _Found | None:
            nonlocal earlier
            versions = {} if self.whole else {each: self.lake.version(each) for each in decisive}
            found = once()
            if found.whole and all(self.lake.version(each) == v for each, v in versions.items()):
                return found
            earlier += min(found.put, found.count.written)
            return None

        found = until_whole(name, tried)
        earlier = min(earlier, found.count.duplicates)
        count = replace(
            found.count,
            written=found.count.written + earlier,
            duplicates=found.count.duplicates - earlier,
        )
        return replace(found, count=count)

    def _users(self) -> TableCount:
        found = self._again(self._told, HISTORY)
        if self.whole:
            self.lake.overwrite("users", people.from_history(self._pinned(HISTORY)))
        elif found.settled is not None:
            touched = found.settled.select("user_id").distinct()
            Derivation(self.lake, self.keeper, touched, made_up=False).put()
        return found.count

    def _told(self) -> _Found:
        shape = SHAPES["users"]
        history = people.known_history(self.lake, whole=self.whole)
        judged = self.judged["users"]
        new = people.dated(_good(judged), history, people.now())
        quarantine = self._quarantine(shape)
        if self._nothing(shape, quarantine):
            self.lake.create(HISTORY)
            self.lake.create("users")
            return _Found(TableCount(0, 0))
        rows = self._candidates(
            shape, new, history.held, ["user_id"], quarantine, untold=history.untold
        )
        settled = settle.settled(shape, settle.of_one_sign_up(rows))
        found = self._write(shape, judged, settled, quarantine)
        # A user's rows decide about one another: no other may have come in the meantime.
        alone = self.whole or self.lake.version(HISTORY) == history.version + found.commits
        return replace(found, whole=found.whole and alone)

    def _table(self, name: str, *decisive: str) -> _Found:
        """Activity or bonuses. decisive: "users" where only those that there are have events."""
        return self._again(lambda: self._events(name, bool(decisive)), name, *decisive)

    def _events(self, name: str, known: bool) -> _Found:
        shape, judged = SHAPES[name], self.judged[name]
        quarantine = self._quarantine(shape)
        if self._nothing(shape, quarantine):
            self.lake.create(name)
            return _Found(TableCount(0, 0))
        rows = self._candidates(shape, _good(judged), self._held(name), shape.keys, quarantine)
        rows = settle.of_users(rows, self._pinned("users")) if known else settle.of_anybody(rows)
        return self._write(shape, judged, settle.settled(shape, rows), quarantine)

    def _redemptions(self, bonuses: DataFrame | None) -> _Found:
        """Redemptions; those in the table, too, whose bonus was among the settled `bonuses`."""
        shape, judged = SHAPES["redemptions"], self.judged["redemptions"]
        quarantine = self._quarantine(shape)
        if bonuses is None and self._nothing(shape, quarantine):
            self.lake.create(shape.table)
            return _Found(TableCount(0, 0))
        rows = self._candidates(
            shape, _good(judged), self._held(shape.name), shape.keys, quarantine, beside=bonuses
        )
        rows = settle.of_bonuses(rows, self._pinned("bonuses"), self.grid.redemption_above_face)
        return self._write(shape, judged, settle.settled(shape, rows), quarantine)

    def _made_up(self, found: Mapping[str, _Found]) -> TableCount:
        """Users from the events that were accepted; of users with a history nothing changes."""
        self.lake.create(HISTORY)
        self.lake.create("users")
        if self.whole:
            users = people.from_events(*((name, self._pinned(name)) for name in found))
            self.lake.overwrite("users", users)
            written = self._pinned("users").count()
            return TableCount(read=written, written=written)
        settled = [of.settled for of in found.values() if of.settled is not None]
        if not settled:
            return TableCount(0, 0)
        touched = _union([rows.select("user_id") for rows in settled]).distinct()
        # A row that is no longer accepted may have been somebody's first, or only one.
        lost = any(of.lost for of in found.values())
        derivation = Derivation(self.lake, self.keeper, touched, made_up=True, lost=lost)
        number, new = derivation.put()
        return TableCount(read=number, written=new, duplicates=number - new)

    def _candidates(
        self,
        shape: Shape,
        new: DataFrame,
        held: DataFrame | None,
        keys: Sequence[str],
        quarantine: Quarantine,
        *,
        beside: DataFrame | None = None,
        untold: DataFrame | None = None,
    ) -> DataFrame:
        """New rows and those of the table and the quarantine that they may have to do with.

        keys: what the rows of the table share with the new ones. beside: rows with further keys.
        untold: rows that are to be there and were never written.
        """
        if self.whole:
            return settle.candidates(shape, new)
        pending = quarantine.pending()
        if shape.name == "users" and pending is not None:
            # What an older version of this package put there had no date of knowledge.
            pending = pending.withColumn("known_ts", F.coalesce("known_ts", "ingest_ts"))
        if held is not None:
            parts = [new.select(*keys)]
            parts += [] if pending is None else [pending.select(*keys)]
            parts += [] if beside is None else [beside.select(*keys)]
            met = _union(parts).distinct()
            held = held.join(met, list(keys), "left_semi")
            if untold is not None:
                untold = untold.join(met, list(keys), "left_semi")
        return settle.candidates(shape, new, pending, held, untold)

    def _quarantine(self, shape: Shape) -> Quarantine:
        return Quarantine.of(self.lake, shape, self.grid, self.source)

    def _nothing(self, shape: Shape, quarantine: Quarantine) -> bool:
        """Whether no row came and none is waiting: the table stays as it is."""
        return not (self.whole or self.tallies[shape.name].read or quarantine.waiting)

    def _write(
        self, shape: Shape, judged: DataFrame, settled: DataFrame, quarantine: Quarantine
    ) -> _Found:
        alone = self.tallies[shape.name]
        settled = self.keeper.keep(settled)
        found = settle.counted(shape, settled)
        quarantine.put(judged if alone.bad else None, settled if found.known_bad else None)
        done = _Found(TableCount(0, 0))
        if self.whole:
            self.lake.overwrite(shape.table, settled.where(F.col(VERDICT) == GOOD))
            quarantine.keep_only(judged, settled)
        else:
            self.lake.create(shape.table)
            done = self._change(shape, settled, found)
            if done.whole:
                quarantine.clear(settled)
        bad = dict(alone.bad)
        for reason, number in (found.bad or {}).items():
            bad[reason] = bad.get(reason, 0) + number
        count = TableCount(
            read=alone.read,
            written=found.written,
            duplicates=found.duplicates,
            quarantined=dict(sorted(bad.items())),
            released=found.released,
            displaced=found.displaced,
            mended=alone.mended,
            dated=alone.dated,
        )
        return replace(done, count=count, settled=settled, lost=found.lost > 0)

    def _change(self, shape: Shape, settled: DataFrame, found: settle.Settlement) -> _Found:
        """Writes the settled rows.

        A row that was taken for new never takes the place of one that another run wrote, nor does
        any row take that of one that it was not held against.
        """
        merge, remove, table = self.lake.merge, self.lake.remove, shape.table
        put = gone = 0
        if found.inserted:
            rows = settled.where(settle.inserts())
            put += patiently(lambda: merge(table, rows, update=False))
        if found.replaced:
            better = settled.where(settle.replaces())
            put += patiently(lambda: merge(table, better, seen=settle.ROW_HELD))
        if found.removed:
            worse = settled.where(settle.removes())
            gone = patiently(lambda: remove(table, worse, seen=settle.ROW_HELD))
        wanted = (found.inserted, found.replaced, found.removed)
        return _Found(
            TableCount(0, 0),
            put=put,
            whole=put + gone == sum(wanted),
            commits=sum(number > 0 for number in wanted),
        )

    def _held(self, name: str) -> DataFrame | None:
        return None if self.whole or not self.lake.exists(name) else self._pinned(name)

    def _pinned(self, name: str) -> DataFrame:
        """The table as it is now, whatever is written to it while it is read."""
        return self.lake.read(name, self.lake.version(name))


def _good(judged: DataFrame) -> DataFrame:
    return judged.where(F.col(VERDICT).isNull())


def _union(frames: Sequence[DataFrame]) -> DataFrame:
    return reduce(DataFrame.unionByName, frames)
