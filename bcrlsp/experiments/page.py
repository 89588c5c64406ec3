"""The results as one Markdown page with its figures beside it."""

from collections.abc import Iterator
from pathlib import Path

from bcrlsp.experiments import figures, studies, tables
from bcrlsp.experiments.contender import CONTENDERS
from bcrlsp.experiments.results import Results
from bcrlsp.experiments.scoring import Score
from bcrlsp.experiments.summary import Mean, over

FIGURES = "results"


def write_page(results: Results, page: Path, command: str) -> Path:
    """Writes the page, and its figures to the folder `results` beside it. Returns the page.

    command: what makes this page, said at its top. Same results, same files.
    """
    folder = page.parent / FIGURES
    folder.mkdir(parents=True, exist_ok=True)
    parts = [_head(results, command)]
    for name, title, text, figure in _sections(results):
        parts.append(f"## {title}\n\n{text}")
        if figure:
            (folder / f"{name}.svg").write_text(figure, encoding="utf-8")
            parts.append(f"![{title}]({FIGURES}/{name}.svg)\n")
    page.write_text("\n".join(parts), encoding="utf-8")
    return page


def _head(results: Results, command: str) -> str:
    held = results.settings
    largest = max([held.log_users, *held.log_sizes])
    capped = (
        f" Of a log of more than {held.row_users:,} users they saw that many."
        if largest > held.row_users
        else ""
    )
    return (
        f"# Results on the simulated market\n\n{_unfinished(results)}"
        f"Made by `{command}`. {held.seeds} seeds, each with a log of its own; every policy is "
        f"played by {held.users:,} users over {held.periods} periods, after {held.warmup} periods "
        f"under the logging policy. Learners saw {held.log_users:,} users over "
        f"{held.log_periods} periods unless a table says otherwise.{capped} Intervals are "
        "Student's 95 % over seeds.\n\n"
        "Realised spend is steered to the same budget for every policy "
        f"(† marks one more than {100 * held.tolerance:g} % away from it, such as those that have "
        "no budget), so that about half of the periods are above theirs. With a margin each "
        "period's spend is kept within its own budget with that probability. The share of the "
        "oracle's gain is (retention - best constant mix) / (oracle - best constant mix), with "
        "oracle and mix at the policy's own realised spend, period by period. The oracle is the "
        "fluid program over occupation measures, which no policy can beat, whatever it sees.\n"
    )


def _unfinished(results: Results) -> str:
    if results.missing is None:
        return ""
    found = len(results.played)
    return (
        f"**The run is not finished: {found} of {found + results.missing} scores are there.** The "
        "same command goes on from here; an interval without a width is of one seed.\n\n"
    )


def _sections(results: Results) -> Iterator[tuple[str, str, str, str]]:
    there = results.studies()
    for name, study, title in (
        ("comparison", studies.COMPARISON, "The same budget every period"),
        ("daily", studies.DAILY, "A budget that changes every period"),
    ):
        if study in there:
            scored = results.by_contender(study)
            rows = [
                (CONTENDERS.get(who).title, over(scores, lambda s: s.share))
                for who, scores in scored.items()
            ]
            rows.sort(key=lambda row: -row[1].value)
            yield name, title, tables.comparison(results, study), figures.shares(title, rows)
    if studies.BUDGET in there:
        title = "Budgets, as shares of the logged spend"
        text = tables.sweep(results, studies.BUDGET, "budget", figures.percent)
        yield "budgets", title, text, _frontier(results, title)
    if studies.LOG_SIZE in there:
        title = "Users in the log"
        text = tables.sweep(results, studies.LOG_SIZE, "users in the log", thousands)
        figure = _shares_over(results, studies.LOG_SIZE, title, "users in the log", log=True)
        yield "log-sizes", title, text, figure
    if studies.NOISE in there:
        title = "Noise of the logging policy"
        text = tables.sweep(results, studies.NOISE, "noise", "{:g}".format)
        figure = _shares_over(results, studies.NOISE, title, "noise of the logging policy")
        yield "noises", title, text, figure
    if studies.NO_SEND in there:
        title = "Coverage: the logging policy's chance of sending nothing"
        text = tables.sweep(results, studies.NO_SEND, "sends nothing", figures.percent)
        yield "no_send_probabilities", title, text, ""
    if results.estimators:
        title = "Off-policy evaluation against the truth"
        yield "estimators", title, tables.estimators(results.estimators), ""


def thousands(value: float) -> str:
    """A whole number with commas."""
    return f"{value:,.0f}"


def _frontier(results: Results, title: str) -> str:
    study = studies.BUDGET
    bound, mix = "Oracle", "Best constant mix"
    names = [name for name in results.contenders(study) if CONTENDERS.get(name).knows != "state"]
    lines: dict[str, dict[float, Mean]] = {CONTENDERS.get(n).title: {} for n in names}
    lines |= {bound: {}, mix: {}}
    for at in results.places(study):
        every: list[Score] = []
        for name in names:
            scores = results.scores(study, at, name)
            every += scores
            lines[CONTENDERS.get(name).title][at] = over(scores, lambda s: s.retention)
        # What was possible differs a little with each contender's own spend: its mean is drawn.
        lines[bound][at] = Mean(over(every, lambda s: s.bound).value, 0.0)
        lines[mix][at] = Mean(over(every, lambda s: s.constant).value, 0.0)
    return figures.curves(
        title,
        lines,
        across="budget, as a share of the logged spend",
        up="retention",
        write=figures.percent,
        faint=(bound, mix),
    )


def _shares_over(results: Results, study: str, title: str, across: str, log: bool = False) -> str:
    lines = {
        CONTENDERS.get(name).title: {
            at: over(results.scores(study, at, name), lambda s: s.share)
            for at in results.places(study)
        }
        for name in results.contenders(study)
    }
    return figures.curves(
        title,
        lines,
        across=across,
        up="share of the oracle's gain",
        write=thousands if log else "{:g}".format,
        log=log,
    )
