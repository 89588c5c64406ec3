"""The tables of the experiment, as Markdown."""

import math
from collections.abc import Callable, Sequence

from bcrlsp.experiments.contender import CONTENDERS
from bcrlsp.experiments.ope import Judgement
from bcrlsp.experiments.results import Results
from bcrlsp.experiments.summary import Mean, over, plain

KNOWS = {
    "events": "the events",
    "law": "the market's law",
    "state": "each user's hidden state",
}


def comparison(results: Results, study: str) -> str:
    """One row a contender, the largest share of the oracle's gain first."""
    scored = results.by_contender(study)
    rows = []
    for name in sorted(scored, key=lambda name: _order(over(scored[name], lambda s: s.share))):
        scores, contender = scored[name], CONTENDERS.get(name)
        spend = over(scores, lambda s: s.spend)
        budget = over(scores, lambda s: s.budget)
        apart = abs(spend.value / budget.value - 1) > results.settings.tolerance
        rows.append(
            [
                contender.title,
                KNOWS[contender.knows],
                percent(over(scores, lambda s: s.retention), 2),
                number(spend, 3) + (" †" if apart else ""),
                number(over(scores, lambda s: s.price), 2),
                percent(over(scores, lambda s: s.share), 0),
                percent(over(scores, lambda s: s.above), 0),
                f"{100 * max(score.excess for score in scores):.1f} %",
            ]
        )
    head = [
        "policy",
        "decides from",
        "retention",
        "spend a user and period",
        "cost an extra return",
        "share of the oracle's gain",
        "periods above the budget",
        "by at most",
    ]
    return table(head, rows)


def sweep(results: Results, study: str, first: str, write: Callable[[float], str]) -> str:
    """One row a varied value, one column a contender: shares of the oracle's gain."""
    places = results.places(study)
    names = results.contenders(study)
    rows = []
    for at in places:
        shares = [over(results.scores(study, at, name), lambda s: s.share) for name in names]
        rows.append([write(at), *(percent(share, 0) for share in shares)])
    return table([first, *(CONTENDERS.get(name).title for name in names)], rows)


def estimators(judgements: Sequence[Judgement]) -> str:
    """One row an estimator, target and measure."""
    rows = [
        [
            each.target,
            each.estimator,
            each.measure,
            f"{each.truth:.3f}",
            _plain(each.bias, "+.3f"),
            _plain(each.rmse, ".3f"),
            _plain(each.width, ".3f"),
            "–" if math.isnan(each.coverage) else f"{100 * each.coverage:.0f} %",
            f"{each.answered} of {each.repetitions}",
        ]
        for each in judgements
    ]
    head = ["target", "estimator", "measure", "truth", "mean error", "root mean square error"]
    return table([*head, "width of interval", "intervals that hold the truth", "answered"], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; columns after the first are right-aligned where they hold numbers."""
    numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(head))]
    lines = [
        f"| {' | '.join(head)} |",
        f"|{'|'.join('---:' if right else '---' for right in numeric)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def number(mean: Mean, digits: int) -> str:
    """A mean with half its interval's width, such as 0.393 ± 0.002."""
    if math.isnan(mean.value):
        return "–"
    half = "" if math.isnan(mean.half) else f" ± {mean.half:.{digits}f}"
    return f"{plain(mean.value, digits)}{half}"


def percent(mean: Mean, digits: int) -> str:
    """The same as percentages."""
    if math.isnan(mean.value):
        return "–"
    return number(Mean(100 * mean.value, 100 * mean.half), digits) + " %"


def _plain(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)


def _order(mean: Mean) -> float:
    return math.inf if math.isnan(mean.value) else -mean.value


def _is_number(text: str) -> bool:
    return text[:1] in "0123456789+-–" or text[:1] == "–"
