"""The head of the page: the decision in one sentence, its figures, and what puts it in doubt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bcrlsp.report import text
from bcrlsp.report.facts.decision import Decision, decision
from bcrlsp.report.facts.evaluation import Evaluation, evaluation
from bcrlsp.report.facts.launch import proven
from bcrlsp.report.facts.log import Log, log
from bcrlsp.report.reading import NothingToShowError, Reading

T = TypeVar("T")


@dataclass(frozen=True)
class Figure:
    """One figure of the head: what it is, its value, and what to hold it against."""

    name: str
    value: str
    beside: str = ""


@dataclass(frozen=True)
class Header:
    """title, sentence: the decision. figures: what it rests on. warnings: what doubts it.

    observational: whether no propensity was logged, so that the page must say what follows.
    """

    title: str
    sentence: str
    figures: Sequence[Figure]
    warnings: Sequence[str]
    observational: bool


def header(reading: Reading) -> Header:
    """The head of the page; DataError where the period that was asked for has no allocation."""
    logged = _or_none(reading, log)
    observational = logged is not None and logged.known == 0
    try:
        chosen = reading.fact(decision)
    except NothingToShowError as nothing:
        return Header("No decision yet", str(nothing), (), (), observational)
    evaluated = _or_none(reading, evaluation)
    return Header(
        title=f"Bonuses for {reading.label(chosen.period)}",
        sentence=f"{_choice(chosen)} {_outcome(reading, evaluated, observational)}".strip(),
        figures=_figures(chosen, logged, evaluated),
        warnings=[chosen.doubt] if chosen.doubt else [],
        observational=observational,
    )


def _choice(chosen: Decision) -> str:
    who = f"{text.count(chosen.bonuses)} of {text.plural(chosen.users, 'user')} get a bonus"
    if chosen.certificate is None:
        return f"{who}, worth {text.money(chosen.spend)}; whether that keeps the budget is unknown."
    if chosen.budget is not None:
        name, limit = chosen.budget
        spent = text.money(chosen.certificate.spend.get(name))
        held = f"{spent} of a budget of {text.money(limit)} is spent"
    else:
        held = (
            f"{text.money(chosen.spend)} is spent under "
            f"{text.plural(len(chosen.certificate.limits), 'budget')}"
        )
    return (
        f"{who}, {held}, and the choice is within {text.percent(chosen.certificate.gap)} of the "
        "best possible."
    )


def _outcome(reading: Reading, evaluated: Evaluation | None, observational: bool) -> str:
    best = None if evaluated is None else evaluated.best("retention")
    logged = None if evaluated is None else evaluated.logged("retention")
    if best is None or logged is None:
        return ""
    told = (
        f"Estimated from the log, the policy keeps a user for {text.number(best.estimate)} "
        f"periods, the logged one for {text.number(logged.estimate)}"
    )
    if observational:
        return f"{told}; the data are observational, so that is no proof."
    if not reading.fact(proven):
        return f"{told}; the difference is not proven."
    return f"{told}."


def _figures(chosen: Decision, logged: Log | None, evaluated: Evaluation | None) -> list[Figure]:
    before = None if logged is None else chosen.users * logged.cost
    found = chosen.certificate
    return [
        Figure("Users", text.count(chosen.users), f"{text.count(chosen.bonuses)} get a bonus"),
        Figure(
            "Spend, at face value" if chosen.face_value else "Expected spend",
            text.money(chosen.spend),
            f"redeemed as logged, for as many users: {text.money(before)}",
        ),
        _retention(evaluated),
        Figure(
            "Gap to the best possible",
            text.percent(None if found is None else found.gap),
            "certified by the dual bound" if found else "there is no certificate",
        ),
    ]


def _retention(evaluated: Evaluation | None) -> Figure:
    best = None if evaluated is None else evaluated.best("retention")
    logged = None if evaluated is None else evaluated.logged("retention")
    low, high = (None, None) if best is None else (best.low, best.high)
    interval = "" if best is None else f"estimated {text.number(low)} to {text.number(high)}; "
    return Figure(
        "Periods kept a user",
        text.number(None if best is None else best.estimate),
        f"{interval}as logged {text.number(None if logged is None else logged.estimate)}",
    )


def _or_none(reading: Reading, compute: Callable[[Reading], T]) -> T | None:
    try:
        return reading.fact(compute)
    except NothingToShowError:
        return None
