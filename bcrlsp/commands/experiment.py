"""`bcrlsp experiment`: the comparison of policies on the simulated market."""

from pathlib import Path

from bcrlsp.commands.base import Context, Outcome, command, option
from bcrlsp.experiments import quick as quickened
from bcrlsp.experiments import run, write_page


@command(
    "experiment",
    option("--quick", is_flag=True, help="Less data and fewer seeds: minutes instead of hours."),
    option("--page", metavar="FILE", help="The page to write. Default: among the artifacts."),
)
def experiment(context: Context, quick: bool = False, page: str | None = None) -> Outcome:
    """Compare policies on the simulated market at equal spend, and estimators with the truth.

    What was computed before is kept: a run that was stopped goes on from there.
    """
    config = context.config
    settings = quickened(config.experiment) if quick else config.experiment
    folder = Path(settings.folder)
    results = run(
        settings,
        config.market,
        amounts=config.amounts,
        calendar=context.calendar,
        seed=config.seed,
        folder=folder,
        say=context.say,
    )
    told = "bcrlsp experiment" + (" --quick" if quick else "")
    written = write_page(results, Path(page) if page else folder / "results.md", told)
    return Outcome([f"results: {written.absolute()}"], {"page": str(written.absolute())})
