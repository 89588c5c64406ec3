"""`bcrlsp experiment`: the comparison of policies on the simulated market."""

from pathlib import Path

from bcrlsp.commands.base import Context, Outcome, command, option
from bcrlsp.experiments import Results, changes, run, write_page
from bcrlsp.experiments import quick as quickened


@command(
    "experiment",
    option("--quick", is_flag=True, help="Less data and fewer seeds: minutes instead of hours."),
    option("--page", metavar="FILE", help="The page to write. Default: among the artifacts."),
)
def experiment(context: Context, quick: bool = False, page: str | None = None) -> Outcome:
    """Compare policies on the simulated market at equal spend, and estimators with the truth.

    What was computed before is kept: a run that was stopped goes on from there, and its page holds
    what there is.
    """
    config = context.config
    settings = quickened(config.experiment) if quick else config.experiment
    folder = Path(settings.folder)
    destination = Path(page) if page else folder / "results.md"
    told = "bcrlsp experiment" + (" --quick" if quick else "") + changes(config.experiment)

    def keep(found: Results) -> None:
        write_page(found, destination, told)

    results = run(
        settings,
        config.market,
        amounts=config.amounts,
        calendar=context.calendar,
        seed=config.seed,
        folder=folder,
        say=context.say,
        keep=keep,
    )
    keep(results)
    written = str(destination.absolute())
    return Outcome([f"results: {written}"], {"page": written})
