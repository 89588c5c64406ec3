"""What is over: how far each feed of events is whole, and which feed a period still waits for.

A period's row is final when every feed that it needs has passed the periods that it needs it for:

- activity: up to the end of the reward's window; the state needs it up to the period's start;
- bonuses: up to the end of the period;
- redemptions: up to the end of the attribution window, if a bonus that can be redeemed was sent.

A feed is whole up to its mark (`bcrlsp.deliveries`) where it has one, else as far as its own counts
prove it (`evidence`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial, reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from bcrlsp.deliveries import FEEDS, Mark, all_marks
from bcrlsp.features import MEMORY
from bcrlsp.periods import Calendar
from bcrlsp.trajectories import kinds
from bcrlsp.trajectories.evidence import Evidence, Gap, judge_feeds
from bcrlsp.trajectories.settings import Settings
from bcrlsp.trajectories.sources import Sources

# Events of a feed just behind the first period looked at that say what is usual for it.
_ENOUGH = 100


@dataclass(frozen=True)
class Feed:
    """One feed. All periods before `until` are over for it; None: none is known to be.

    mark: its delivery mark, or None: `until` was inferred. last: the last period with an event;
    holes: where it lacks events; those that its mark covers are no reason to wait. strays: events
    whose dates lie far off all others, which prove nothing. void: a mark of other rows than those
    that are there.
    """

    name: str
    until: int | None
    mark: Mark | None
    last: int | None
    holes: tuple[Gap, ...] = ()
    strays: int = 0
    void: Mark | None = None

    def passed(self, first: int, stop: int) -> bool:
        """Whether periods [first, stop) are over for it and have no hole."""
        if self.until is None or stop > self.until:
            return False
        return self.mark is not None or not self.holes_in(first, stop)

    def holes_in(self, first: int, stop: int) -> list[Gap]:
        """Its holes that touch periods [first, stop)."""
        return [hole for hole in self.holes if hole.first < stop and hole.stop > first]

    def watermark(self, calendar: Calendar) -> datetime | None:
        """The instant, UTC, until which it is whole."""
        if self.mark is not None:
            return self.mark.complete_until
        return None if self.until is None else calendar.start(self.until)


@dataclass(frozen=True)
class Completeness:
    """What is over, of the periods that were looked at.

    feeds: by name. paid: number of bonuses that can be redeemed, by period. begin: the first
    period that was looked at.
    """

    calendar: Calendar
    settings: Settings
    feeds: Mapping[str, Feed]
    paid: Mapping[int, int]
    begin: int = 0

    def waits_for(self, period: int) -> list[str]:
        """The feeds that the row of `period` waits for; none: it is final."""
        how = self.settings
        needed = {
            "activity": (period + how.reward.after, period + how.label_reach + 1),
            "bonuses": (period, period + 1),
        }
        if self.paid.get(period):
            needed["redemptions"] = (period, period + how.attribution + 1)
        return [name for name, span in needed.items() if not self.feeds[name].passed(*span)]

    def lags(self, period: int) -> dict[str, int]:
        """Periods before `period` that are not over yet for a feed that its state needs."""
        lags = {}
        for name in ("activity", "bonuses"):
            until = self.feeds[name].until
            if until is None or until < period:
                lags[name] = period - (self.begin if until is None else until)
        return lags

    @property
    def past(self) -> int | None:
        """The last period whose start both feeds of a state have passed; None: there is none."""
        ends = [self.feeds[name].until for name in ("activity", "bonuses")]
        known = [end for end in ends if end is not None]
        return min(known) if len(known) == len(ends) else None


def find_completeness(sources: Sources, begin: int) -> Completeness:
    """How far the feeds are whole, from their marks and their counts since period `begin`.

    Of a feed that has few events just behind `begin`, all are counted: one that ended before it
    would have its mistyped dates alone in what is looked at, and they would count as the feed.
    """
    counts, paid = _counts(sources, FEEDS, begin)
    few = [name for name in FEEDS if _soon(counts[name], begin) < _ENOUGH]
    if few:
        every, _ = _counts(sources, few, None)
        counts.update(every)
    marks = all_marks(sources.lake, sources.known_at)
    feeds = {
        name: judged(
            name,
            sources.calendar,
            said,
            marks.get(name),
            partial(sources.size, name),
            sources.known_at,
        )
        for name, said in judge_feeds(counts).items()
    }
    return Completeness(sources.calendar, sources.settings, feeds, paid, begin)


def _soon(counts: Mapping[int, int], begin: int) -> int:
    """Events of the first `MEMORY` periods from `begin` on."""
    return sum(number for period, number in counts.items() if period < begin + MEMORY)


def _counts(
    sources: Sources, names: Sequence[str], begin: int | None
) -> tuple[dict[str, dict[int, int]], dict[int, int]]:
    """Events by feed and period since `begin`, None for all, and bonuses that can be redeemed."""
    rows = reduce(DataFrame.unionByName, (_counted(sources, name, begin) for name in names))
    counts: dict[str, dict[int, int]] = {name: {} for name in names}
    paid: dict[int, int] = {}
    for row in rows.collect():
        counts[row["name"]][row["period_index"]] = row["n"]
        if row["paid"]:
            paid[row["period_index"]] = row["paid"]
    return counts, paid


def _counted(sources: Sources, name: str, begin: int | None) -> DataFrame:
    rows = sources.between(name, begin, None)
    chosen = sources.settings.activity_kinds
    if name == "activity" and chosen is not None:
        rows = rows.where(kinds.counts(F.col("kind"), chosen))
    paid = F.col("level") > 0 if name == "bonuses" else F.lit(False)
    return (
        rows.select(F.lit(name).alias("name"), "period_index", paid.alias("paid"))
        .groupBy("name", "period_index")
        .agg(F.count("*").alias("n"), F.count_if("paid").alias("paid"))
    )


def judged(
    name: str,
    calendar: Calendar,
    found: Evidence,
    mark: Mark | None,
    size: Callable[[], int],
    known_at: datetime | None = None,
) -> Feed:
    """A feed by its mark, or else by what its counts say. size: gives its number of rows."""
    void = None
    if mark is not None and mark.rows is not None and not mark.holds(size()):
        mark, void = None, mark
    until = found.until
    if mark is not None:
        until = calendar.index(mark.complete_until)
    elif until is not None and known_at is not None:
        # A period that was not over then is incomplete, whatever it holds.
        until = min(until, calendar.index(known_at))
    return Feed(name, until, mark, found.last, found.gaps, found.strays, void)


def waiting(found: Completeness, window: range) -> dict[str, list[int]]:
    """The periods of a window that are not final, by the feeds that they wait for."""
    held: dict[str, list[int]] = {}
    for period in window:
        for name in found.waits_for(period):
            held.setdefault(name, []).append(period)
    return held


def told_waiting(found: Completeness, waits: Mapping[str, list[int]]) -> str:
    """Which feeds periods wait for, in words: 5 for activity (complete until 2025-01-11), ..."""
    return ", ".join(
        f"{len(periods)} for {name} ({told_end(found, name)})" for name, periods in waits.items()
    )


def told_end(found: Completeness, name: str) -> str:
    """How far a feed is whole, in words."""
    feed, calendar = found.feeds[name], found.calendar
    end = feed.watermark(calendar)
    if end is None:
        return (
            "it has no event; if that is right, say so: bcrlsp ingest SOURCE "
            f"--complete-until {name}=INSTANT"
        )
    local = end.astimezone(calendar.tz).strftime("%Y-%m-%dT%H:%M").removesuffix("T00:00")
    return f"complete until {local}" + ("" if feed.mark else " as far as its events show")


def described_holes(found: Completeness, first: int, stop: int) -> list[dict[str, Any]]:
    """The holes that touch periods [first, stop), as JSON types.

    feed; from, to: ISO instants, to is excluded; events: in it; usual: events a period around it;
    marked: whether a mark says that nothing is missing there.
    """
    calendar = found.calendar
    return [
        {
            "feed": name,
            "from": calendar.start(hole.first).isoformat(),
            "to": calendar.start(hole.stop).isoformat(),
            "events": hole.events,
            "usual": round(hole.usual, 1),
            "marked": feed.mark is not None and hole.stop <= (feed.until or hole.first),
        }
        for name, feed in found.feeds.items()
        for hole in feed.holes_in(first, stop)
    ]


def warned(found: Completeness, first: int, stop: int) -> Iterator[str]:
    """What puts periods [first, stop) in doubt, a line each: holes, and events far off."""
    calendar = found.calendar
    for name, feed in found.feeds.items():
        for hole in feed.holes_in(first, stop):
            events = f"{hole.events:,} events" if hole.events else "nothing"
            cure = (
                "its mark says that this is right"
                if feed.mark is not None
                else "periods that need it wait; load it, or if it is right, say so: bcrlsp "
                f"ingest SOURCE --complete-until {name}=INSTANT"
            )
            yield (
                f"hole in {name}: {events} from {calendar.label(hole.first)} to "
                f"{calendar.label(hole.stop)} (usual: {hole.usual:,.0f} a period); {cure}"
            )
        if feed.void is not None:
            yield (
                f"{name} was marked when it had {feed.void.rows:,} rows and was changed since: the "
                "mark does not count; if nothing is missing, say so: bcrlsp ingest SOURCE "
                f"--complete-until {name}=INSTANT"
            )
        if feed.strays:
            yield (
                f"{feed.strays:,} events of {name} are dated far off all others; they prove "
                "nothing about what is over"
            )


def lagging(found: Completeness) -> Iterator[str]:
    """Feeds that are periods behind the one that is furthest, a line each."""
    ends = {name: feed.until for name, feed in found.feeds.items() if feed.until is not None}
    furthest = max(ends, key=lambda name: ends[name], default="")
    for name, end in ends.items():
        lag = ends[furthest] - end
        if lag > 1:
            yield (
                f"{name} lags {lag} periods behind {furthest}: {told_end(found, name)}, "
                f"{furthest} {told_end(found, furthest)}"
            )
