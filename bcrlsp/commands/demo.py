"""`bcrlsp demo`: the whole pipeline, from events to the report, and what it learned."""

from datetime import datetime
from typing import Any

from pyspark.sql import functions as F

from bcrlsp.commands.allocate import allocate_period
from bcrlsp.commands.base import Context, Outcome, command
from bcrlsp.commands.evaluate import evaluate
from bcrlsp.commands.ingest import ingest_source
from bcrlsp.commands.report import report
from bcrlsp.commands.simulate import simulate
from bcrlsp.commands.train import train_policy
from bcrlsp.commands.trajectories import trajectories
from bcrlsp.decisions.trained import find_policy
from bcrlsp.errors import DataError
from bcrlsp.experiments.learned import player
from bcrlsp.experiments.rollout import play_scenario
from bcrlsp.experiments.scenario import Scenario, ScenarioConfig
from bcrlsp.experiments.scoring import Scorer
from bcrlsp.policies import load_policy

# Of the score of a policy that was played: what else was possible at the same spend.
_REFERENCES = {"nothing": "nothing sent", "constant": "best constant mix", "bound": "at most"}


@command("demo")
def demo(context: Context) -> Outcome:
    """Run the whole pipeline on the source of the setting demo.source, and say what it learned."""
    settings, calendar = context.config.demo, context.calendar
    if settings.source == "simulated":
        simulate(context, users=settings.users, periods=settings.periods)
    else:
        ingest_source(context, source=settings.source)
    first, last = _logged(context)

    def named(index: int) -> str:
        return calendar.start(index).isoformat()

    built = trajectories(context, first=named(first), last=named(last + 1)).data
    done = [calendar.parse(name) for name in (*built["built"], *built["skipped"])]
    newest = max(done, default=first - 1)
    # A single bonus of a far date is not the end of the log.
    end = built["watermarks"]["bonuses"]
    if end is not None:
        last = min(last, calendar.index(datetime.fromisoformat(end)))
    split = newest + 1 - settings.held_out
    if split <= first:
        raise DataError(
            f"{newest + 1 - first} periods are too few to keep demo.held_out = "
            f"{settings.held_out} of them from training; lower it"
        )
    trained = train_policy(context, algorithm=settings.algorithm, as_of=named(split)).data
    judged = evaluate(context, policy=trained["policy_id"]).data
    chosen = allocate_period(
        context, period=named(last + 1), budget=judged["budget"], policy=trained["policy_id"]
    ).data
    page = report(context, period=named(last + 1)).data
    found = {"built": built, "judged": judged, "chosen": chosen, **page}
    if settings.source == "simulated":
        found["realised"] = _realised(context, trained["policy_id"], split - first)
    return _summary(context, found)


def _realised(context: Context, policy_id: str, warmup: int) -> dict[str, float]:
    """What the policy brings when it is played on the simulated market itself.

    warmup: periods under the logging policy before it, as many as it was trained on. It is then
    played for as many periods as it was evaluated on, at the spend of the log.
    """
    config = context.config
    scenario = Scenario(
        ScenarioConfig(
            market=config.market,
            amounts=config.amounts,
            calendar=context.calendar,
            users=config.demo.users,
            warmup=warmup,
            periods=config.demo.held_out,
            budget=1.0,
            budget_variation=0.0,
            seed=config.seed,
        )
    )
    policy = load_policy(find_policy(context.deployment, policy_id, None).uri)
    with context.stage("Playing the policy on the market, whose law is known"):
        score = Scorer(scenario).score(play_scenario(scenario, player(policy)))
    return {name: getattr(score, name) for name in ("retention", "spend", *_REFERENCES)}


def _logged(context: Context) -> tuple[int, int]:
    """First and last period with decisions in the log."""
    ends = (context.calendar.index_of(end("sent_ts")) for end in (F.min, F.max))
    found = context.lake.read("bonuses").agg(*ends).first()
    if found is None or found[0] is None:
        raise DataError("the table bonuses is empty: there is nothing to learn from")
    return found[0], found[1]


def _truth(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines on what the policy really brought, where the market's law is known."""
    if "realised" not in found:
        return []
    realised = found["realised"]
    others = ", ".join(f"{text} {realised[name]:.2%}" for name, text in _REFERENCES.items())
    return [
        ("retention a period, new policy, played", f"{realised['retention']:.2%} ({others})"),
        ("spend a user and period, new policy, played", f"{realised['spend']:.4f}"),
    ]


def _summary(context: Context, found: dict[str, Any]) -> Outcome:
    judged, chosen = found["judged"], found["chosen"]
    by = {(row["measure"], row["estimator"]): row for row in judged["estimates"]}
    new = context.config.evaluation.estimators[0]
    share = judged["discounted_periods"]

    def rate(measure: str, estimator: str, form: str) -> str:
        row = by[measure, estimator]
        if row["estimate"] is None:
            return "unknown: the log does not support a number; the report says why"
        return " ".join(
            (
                f"{row['estimate'] / share:{form}}",
                f"[{row['low'] / share:{form}}, {row['high'] / share:{form}}]",
            )
        )

    periods = len(found["built"]["built"]) + len(found["built"]["skipped"])
    table = [
        ("users", f"{chosen['users']:,}"),
        ("periods of trajectories", f"{periods:,}, of which {judged['periods']} held out"),
        ("retention a period, logged policy", rate("retention", "on-policy", ".2%")),
        (f"retention a period, new policy ({new})", rate("retention", new, ".2%")),
        ("spend a user and period, logged policy", rate("cost", "on-policy", ".4f")),
        (f"spend a user and period, new policy ({new})", rate("cost", new, ".4f")),
        *_truth(found),
        ("period that is allocated", chosen["period"]),
        *(
            (f"budget {name}", f"{chosen['spend'][name]:,.2f} of {limit:,.2f} spent at most")
            for name, limit in chosen["limits"].items()
        ),
        ("gap of the allocation", f"{chosen['gap']:.2e} (certified)"),
        ("tables", context.lake.place),
        ("report", found["report"]),
    ]
    width = max(len(name) for name, _ in table)
    return Outcome([f"{name.ljust(width)}  {value}" for name, value in table], found)
