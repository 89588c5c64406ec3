"""`bcrlsp control`: decides requests as they come, within budgets that may change meanwhile."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from bcrlsp.commands.base import Context, Outcome, command, option
from bcrlsp.control.limits import Limit
from bcrlsp.control.monitor import Board
from bcrlsp.control.page import Page
from bcrlsp.control.stream.book import Book
from bcrlsp.control.stream.knowledge import learn
from bcrlsp.control.stream.loop import Loop
from bcrlsp.control.stream.run import Stream
from bcrlsp.control.stream.tables import Tables
from bcrlsp.control.stream.users import UserStates
from bcrlsp.decisions.trained import Trained, find_policy
from bcrlsp.errors import DataError, UserError
from bcrlsp.trajectories import states_at

_SAMPLE = 400


@command(
    "control",
    option("--policy", metavar="ID", help="Default: the newest trained as of the period."),
    option("--period", metavar="D", help="First period of the requests. Default: the present one."),
    option("--drain", is_flag=True, help="End when every request that is there is decided."),
)
def control(
    context: Context, policy: str | None = None, period: str | None = None, drain: bool = False
) -> Outcome:
    """Decide requests as they come, at prices that keep every budget.

    Requests come from the table requests (or Kafka, control.kafka), budgets from control_budgets;
    decisions, ledger and status are tables. It goes on where it was stopped or killed.
    """
    settings, calendar = context.config.control, context.calendar
    first = calendar.index(datetime.now(UTC)) if period is None else calendar.parse(period)
    trained = find_policy(context.deployment, policy, calendar.period(first))
    held = trained.policy
    if getattr(held, "input", "features") != "features":
        raise UserError(
            f"policy {trained.policy_id} takes carried states; allowed here: one of features"
        )
    board = Board(title=trained.policy_id)
    page = None if settings.port is None else Page(board, settings.port)
    try:
        stream, loop = _made(context, trained, first, period, board)
        if page is not None:
            context.say(f"page: {page.address}, health: {page.address}/health")
        stream.run(drain)
    finally:
        if page is not None:
            page.close()
    return _outcome(context, stream, loop)


def _made(
    context: Context, trained: Trained, first: int, period: str | None, board: Board
) -> tuple[Stream, Loop]:
    """The stream and its loop, ready to run. first: number of the first period."""
    settings, calendar, held = context.config.control, context.calendar, trained.policy
    tables = Tables(context.lake, calendar, trained.policy_id, settings.unit)
    tables.create()
    if not tables.limits(first, max(calendar.start(first).timestamp(), _now(period))):
        raise DataError(
            f"control_budgets has no budget of the period {calendar.start(first):%Y-%m-%dT%H:%M}; "
            f"add rows (name, from_ts, amount) to {context.lake.identifier('control_budgets')}"
        )
    with context.stage("Reading the users' states"):
        users = UserStates(
            states_at(context.lake, context.config.trajectories, context.feature_set, first),
            context.feature_set,
            first,
        )
    _read_events(context, users, first)
    with context.stage("Learning arrivals and redemptions from the log"):
        knowledge = learn(context.lake, settings, calendar.start(first), len(users.ids))
    for note in knowledge.notes:
        context.say(f"  {note}")
    chosen = np.random.default_rng(context.config.seed).permutation(len(users.ids))[:_SAMPLE]

    def open_book(number: int, limits: tuple[Limit, ...]) -> Book:
        span = (calendar.start(number).timestamp(), calendar.start(number + 1).timestamp())
        sample = users.states(chosen, number), users.segments[chosen]
        return Book(number, span, limits, held, settings, knowledge, sample)

    loop = Loop(users, calendar, settings, context.config.amounts, open_book, tables.limits)
    stream = Stream(
        context.lake, settings, calendar, loop, tables, first,
        context.artifact("control", "checkpoint"), board, context.say,
    )  # fmt: skip
    return stream, loop


def _now(period: str | None) -> float:
    return 0.0 if period is not None else datetime.now(UTC).timestamp()


def _read_events(context: Context, users: UserStates, first: int) -> None:
    """Activity since the start of the first period: the stream tells only what is new to it."""
    calendar = context.calendar
    since = calendar.start(first)
    rows = context.lake.read("activity")
    rows = rows.where(rows["event_ts"] >= since).select("user_id", "event_ts", "kind")
    for row in rows.toArrow().to_pylist():
        moment = row["event_ts"].timestamp()
        number = calendar.index(row["event_ts"])
        users.add_event(row["user_id"], number, round(moment * 1e6), row["kind"])


def _outcome(context: Context, stream: Stream, loop: Loop) -> Outcome:
    lines, budgets = [], dict[str, Any]()
    for number, book in sorted(loop.books.items()):
        name = f"{context.calendar.start(number):%Y-%m-%dT%H:%M}"
        position = book.position
        for budget, limit, redeemed, out in zip(
            book.names, position.limit, position.redeemed, position.out, strict=True
        ):
            lines.append(
                f"{name}, budget {budget}: {redeemed:,.2f} redeemed and {out:,.2f} out of "
                f"{limit:,.2f}"
            )
            budgets[f"{name} {budget}"] = {
                "limit": float(limit), "redeemed": float(redeemed), "out": float(out)
            }  # fmt: skip
    lines += [
        f"requests: {stream.requests:,}; decided {stream.decided:,}, duplicates "
        f"{stream.duplicates:,}, redemptions without a decision {loop.waiting:,}",
        f"decisions: {context.lake.identifier('decisions')}",
    ]
    data = {
        "requests": stream.requests,
        "decided": stream.decided,
        "duplicates": stream.duplicates,
        "budgets": budgets,
    }
    return Outcome(lines, data)
