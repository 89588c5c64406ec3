"""The page against figures computed from the same rows in plain Python."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

import plotly.graph_objects as go
import pytest
from page_reader import Page
from report_lake import AMOUNTS, CALENDAR, POLICY, Written, put, write

from bcrlsp.errors import DataError
from bcrlsp.report import render
from bcrlsp.report.facts.decision import AllocatedLevel, Certificate, Decision
from bcrlsp.report.section import SECTIONS
from bcrlsp.tables import MADE_BY, Lake
from bcrlsp.tables import Settings as LakeSettings

USERS, PERIODS = 30, 6


@pytest.fixture(scope="module")
def filled(spark, tmp_path_factory) -> tuple[Lake, Written]:
    lake = Lake(spark, LakeSettings(root=str(tmp_path_factory.mktemp("report") / "lake")))
    return lake, write(lake, users=USERS, periods=PERIODS)


@pytest.fixture(scope="module")
def written(filled) -> Written:
    return filled[1]


@pytest.fixture(scope="module")
def path(filled, tmp_path_factory) -> Path:
    return shown(filled[0], tmp_path_factory.mktemp("page") / "deep" / "report.html")


@pytest.fixture(scope="module")
def page(path) -> Page:
    return Page.of(path)


def shown(lake: Lake, destination: Path, period: int | None = None, source: str = "a test") -> Path:
    return render(
        lake, CALENDAR, period=period, destination=destination, amounts=AMOUNTS, source=source
    )


def newest(written: Written) -> list[dict]:
    return [row for row in written["allocations"] if row["policy_id"] == POLICY]


def test_it_loads_nothing_from_elsewhere(page: Page) -> None:
    assert [load for load in page.loads if not load[2].startswith("#")] == []
    assert "default-src 'none'" in page.meta["Content-Security-Policy"]


def test_every_section_is_there_with_a_headline_and_a_plot_that_plotly_takes(page: Page) -> None:
    assert page.headlines.keys() == page.plots.keys() == set(SECTIONS.names())
    for name, plot in page.plots.items():
        figure = go.Figure(plot)
        assert figure.data, name
    assert "unknown" not in page.headlines.values()


def test_links_of_the_page_have_their_targets(page: Page) -> None:
    assert {load[2] for load in page.loads} == {f"#{name}" for name in SECTIONS.names()}


def test_the_header_states_the_decision(page: Page, written: Written) -> None:
    rows, certificate = newest(written), written["certificates"][0]
    bonuses = sum(row["level"] > 0 for row in rows)
    spend = sum(row["cost"] for row in rows)
    said = page.text["header"]
    assert "Bonuses for 2025-01-12" in said
    assert f"{bonuses} of {USERS} users get a bonus" in said
    assert f"{spend:.2f} of a budget of {certificate['limits']['total']:.2f} is spent" in said
    assert "within 0.00031 % of the best possible" in said
    assert "the policy keeps a user for 1.290 periods, the logged one for 1.210." in said
    log = written["trajectories"]
    assert f"for as many users: {USERS * fmean(row['cost'] for row in log):,.2f}" in said


def test_the_market(page: Page, written: Written) -> None:
    active = defaultdict(set)
    for row in written["activity"]:
        active[row["event_ts"].date()].add(row["user_id"])
    spent = defaultdict(float)
    for row in written["redemptions"]:
        spent[row["redeemed_ts"].date()] += row["amount"]
    users = {
        day: sum(CALENDAR.index(row["signup_ts"]) <= CALENDAR.index(start) for row in log_users)
        for day, start, log_users in (
            (CALENDAR.period(i), CALENDAR.start(i), written["users"]) for i in range(PERIODS)
        )
    }
    found = page.figures("market")
    assert found.keys() == {day.isoformat() for day in users}
    for day, number in users.items():
        row = found[day.isoformat()]
        assert row["Users"] == str(number)
        assert row["Active users"] == str(len(active[day]))
        assert row["Redeemed money"] == f"{spent[day]:.2f}"
    share = sum(map(len, active.values())) / sum(users.values())
    assert page.headlines["market"] == f"{100 * share:.1f} %"
    lines = {trace["name"]: trace["y"] for trace in page.plots["market"]["data"]}
    assert lines["active users"] == [len(active[day]) for day in users]


def test_the_trajectories_and_the_quarantine(page: Page, written: Written) -> None:
    log = written["trajectories"]
    assert page.headlines["trajectories"] == f"{len(log):,}"
    found = page.figures("trajectories")
    for level, amount in enumerate(AMOUNTS):
        rows = [row for row in log if row["level"] == level]
        shown = found["none" if level == 0 else f"{level} ({amount:.2f})"]
        weights = [1 / row["propensity"] for row in rows]
        rewards = [row["reward"] for row in rows]
        weighted = sum(w * r for w, r in zip(weights, rewards, strict=True)) / sum(weights)
        assert shown["Decisions"] == str(len(rows))
        assert shown["Reward"] == f"{100 * fmean(rewards):.1f} %"
        assert shown["Weighted reward"] == f"{100 * weighted:.1f} %"
        assert shown["Cost a decision"] == f"{fmean(row['cost'] for row in rows):.2f}"
        assert shown["Propensity known"] == "100.0 %"
        assert float(shown["Least"]) == pytest.approx(min(row["propensity"] for row in rows))
    tables = [rows[1:] for rows in page.tables["trajectories"]]
    quarantine = [
        ["activity", "event_ts is null", "5"],
        ["bonuses", "level 9 is not one of 0 to 3", "2"],
    ]
    assert quarantine in tables


def test_learning_quotes_the_held_out_curve(page: Page, written: Written) -> None:
    held_out = [row for row in written["curves"] if row["metric"] == "held_out_td_error"]
    assert float(page.headlines["learning"]) == pytest.approx(held_out[-1]["value"], abs=1e-4)
    lines = {trace["name"]: trace for trace in page.plots["learning"]["data"]}
    assert len(lines["held out td error"]["y"]) == len(held_out)


def test_the_evaluation(page: Page) -> None:
    assert page.headlines["evaluation"] == "+0.080"
    said = page.text["evaluation"]
    assert "against 1.210 as logged (1.190 to 1.230). The difference is proven at " in said
    assert "12 users of 30" in said
    refused = [row for row in page.tables["evaluation"][0] if row[:2] == ["is", "retention"]]
    assert refused == [
        ["is", "retention", "no number: it would mislead", "unknown", "unknown", "2"]
    ]
    by_name = {trace["name"]: trace for trace in page.plots["evaluation"]["data"][:2]}
    assert by_name["new policy"]["y"] == ["dm", "dr", "snpdis"]
    assert by_name["new policy"]["x"] == [1.34, 1.29, 1.27]
    assert set(by_name["as logged"]["x"]) == {1.21}


def test_the_decision_to_launch_by_segment(page: Page) -> None:
    assert page.headlines["launch"] == "+0.0800"
    said = page.text["launch"]
    assert "(95 % interval +0.0500 to +0.110, estimator dr): a gain." in said
    assert "Cost 2.20 against 2.31 a user, a change of −0.110" in said
    rows = [row for row in page.tables["launch"][0] if row[1] == "retention"]
    assert [(row[0], row[2], row[-1]) for row in rows] == [
        ("all users", "30", "a gain"),
        ("old", "16", "a gain"),
        ("new", "10", "not proven"),
        ("rare", "4", ""),
    ]
    assert rows[-1][4:7] == ["no number: it would mislead", "unknown", "unknown"]
    plot = page.plots["launch"]["data"][0]
    assert plot["y"] == ["all users", "old", "new"]
    assert plot["x"] == [0.08, 0.12, -0.02]


def test_figures_are_of_one_run_and_name_its_window_and_budget(page: Page) -> None:
    """An older run's row is not beside them; another budget than the allocation's is said."""
    said = page.text["evaluation"]
    assert "mis" not in [row[0] for row in page.tables["evaluation"][0]]
    assert "Evaluated over 6 periods from 2025-01-12, each under total " in said
    assert "these figures are not of it" not in said
    said = page.text["launch"]
    assert "each under total 55.00. The allocation of this page has total " in said
    assert "these figures are not of it" in said


@pytest.mark.parametrize(("low", "verdict"), [(0.0003, "a gain"), (-0.0003, "not proven")])
def test_the_page_has_one_answer_to_whether_the_difference_is_proven(
    lake: Lake, tmp_path: Path, low: float, verdict: str
) -> None:
    """Values whose own intervals overlap may differ for sure on the same users."""
    written = write(lake, users=USERS, periods=PERIODS)
    for row in written["evaluations"]:
        if row["estimator"] == "on-policy":
            row["high"] = 9.0
    for row in written["comparisons"]:
        if (row["segment"], row["measure"]) == ("all users", "retention"):
            row["gain_low"] = low
    for name in ("evaluations", "comparisons"):
        put(lake, name, written[name])
    page = Page.of(shown(lake, tmp_path / "page.html"))
    assert f"estimator dr): {verdict}." in page.text["launch"]
    doubted = verdict == "not proven"
    assert ("the difference is not proven" in page.text["header"]) == doubted
    assert ("The difference is not proven." in page.text["evaluation"]) == doubted


def test_spend_by_level_beside_the_log(page: Page, written: Written) -> None:
    found, log = page.figures("levels"), written["trajectories"]
    for level, amount in enumerate(AMOUNTS):
        rows = [row for row in newest(written) if row["level"] == level]
        logged = [row for row in log if row["level"] == level]
        row = found["none" if level == 0 else f"{level} ({amount:.2f})"]
        assert row["Users"] == str(len(rows))
        assert row["Money"] == f"{sum(r['cost'] for r in rows):.2f}"
        assert row["Users as logged"] == f"{USERS * len(logged) / len(log):.0f}"
        expected = USERS * sum(r["cost"] for r in logged) / len(log)
        assert float(row["Money as logged"]) == pytest.approx(expected, abs=0.0051)
    assert found["All"]["Users"] == str(USERS)
    assert "what it is expected to cost" in page.text["levels"]


def test_the_frontier_marks_the_chosen_budget(page: Page, written: Written) -> None:
    certificate = written["certificates"][0]
    assert page.headlines["frontier"] == "0.0417"
    curve, mark = page.plots["frontier"]["data"]
    assert curve["x"] == pytest.approx([row["budget"] for row in written["frontiers"]])
    assert curve["y"] == pytest.approx([row["value"] for row in written["frontiers"]])
    assert mark["x"] == pytest.approx([certificate["limits"]["total"]])
    assert mark["y"] == pytest.approx([certificate["value"]])


def test_the_certificate(page: Page, written: Written) -> None:
    certificate = written["certificates"][0]
    limit, spend = certificate["limits"]["total"], certificate["spend"]["total"]
    assert page.headlines["certificate"] == "0.00031 %"
    row = page.figures("certificate")["total"]
    assert row["Spend"] == f"{spend:.2f}"
    assert row["Limit"] == f"{limit:.2f}"
    assert row["Used"] == f"{100 * spend / limit:.1f} %"
    assert row["Price"] == "0.0417"
    made = {row[0]: row[1] for row in page.tables["certificate"][1]}
    assert made["Passes over all users"] == "3"
    assert made["Policy"] == f"{POLICY} (cql)"
    assert made["Versions read"] == "states 4, users 1"
    assert "Every budget is kept." in page.text["certificate"]


def test_the_control_loop(page: Page) -> None:
    # 6 redeemed and 15 out of 40.
    assert page.headlines["control"] == "52.5 %"
    said = page.text["control"]
    assert "after 40 requests" in said
    assert "0: 24, 1: 16" in said
    assert "spend is below its plan" in said
    spend = page.plots["control"]["data"][0]
    assert list(spend["y"]) == [0, 7, 14, 21]


def test_the_same_tables_give_the_same_page(filled, path: Path, tmp_path: Path) -> None:
    assert shown(filled[0], tmp_path / "again.html").read_bytes() == path.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["again.html"]


def test_an_older_period_is_shown_when_it_is_asked_for(filled, tmp_path: Path) -> None:
    page = Page.of(shown(filled[0], tmp_path / "old.html", period=PERIODS - 1))
    assert "Bonuses for 2025-01-11" in page.text["header"]
    assert f"of {USERS // 2} users get a bonus" in page.text["header"]
    # What this period lacks is said, and nothing of the other period is shown for it.
    assert "whether that keeps the budget is unknown" in page.text["header"]
    assert "There is no certificate for 2025-01-11" in page.text["certificate"]
    assert "There is no frontier for 2025-01-11" in page.text["frontier"]
    assert "Policy old left no learning curve" in page.text["learning"]
    assert "Policy old was not evaluated" in page.text["evaluation"]


def test_a_period_without_allocation_is_one_line(filled, tmp_path: Path) -> None:
    with pytest.raises(DataError) as raised:
        shown(filled[0], tmp_path / "none.html", period=40)
    assert str(raised.value) == (
        "there is no allocation for --period 2025-02-15: the newest is of 2025-01-12; run "
        "`bcrlsp allocate --period 2025-02-15T00:00 --budget B` first, or leave --period out"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_empty_lake_says_what_fills_it(lake: Lake, tmp_path: Path) -> None:
    page = Page.of(shown(lake, tmp_path / "empty.html", source="<b>no one's</b> events"))
    assert page.headlines == {}
    assert "No decision yet" in page.text["header"]
    assert "<b>no one's</b> events" in page.text["header"]
    tables = dict.fromkeys(SECTIONS.names(), "allocations") | {
        "market": "activity",
        "trajectories": "trajectories",
        "learning": "policies",
        "evaluation": "policies",
        "launch": "policies",
        "control": "control_status",
    }
    for name, table in tables.items():
        maker = MADE_BY[table].replace("`", "")
        said = page.text[name].replace(" .", ".")
        assert f"There is no table {table} yet; {maker} makes it." in said
    with pytest.raises(DataError, match="no allocation for --period 2025-01-06: there is none"):
        shown(lake, tmp_path / "none.html", period=0)


def test_observational_data_say_what_cannot_be_concluded(lake: Lake, tmp_path: Path) -> None:
    written = write(
        lake, users=8, periods=3, propensities=False, leave_out=("redemptions", "quarantine")
    )
    put(lake, "quarantine", [])
    page = Page.of(shown(lake, tmp_path / "seen.html"))
    assert "the data are observational, so that is no proof" in page.text["header"]
    assert "That a bonus caused a return" in page.text["aside"]
    assert page.text["trajectories"].count("unknown") >= 3
    assert "No row was refused." in page.text["trajectories"]
    # Money that the page cannot know is unknown, not 0.
    assert all(row["Redeemed money"] == "unknown" for row in page.figures("market").values())
    assert len(page.plots["market"]["data"]) == 2
    assert page.headlines["trajectories"] == str(len(written["trajectories"]))


def test_a_logged_propensity_makes_it_no_observational_data(page: Page) -> None:
    assert "aside" not in page.text


def test_what_puts_a_decision_in_doubt_is_said(lake: Lake, tmp_path: Path) -> None:
    written = write(
        lake, users=8, periods=3, leave_out=("activity", "users", "trajectories", "frontiers")
    )
    certificate = dict(written["certificates"][0])
    certificate |= {
        "run_id": "another",
        "spend": {"total": 10.0, "north": 3.0},
        "limits": {"total": 9.0, "north": 3.0},
        "prices": {"total": 0.1, "north": 0.0},
    }
    put(lake, "certificates", [certificate])
    page = Page.of(shown(lake, tmp_path / "doubt.html"))
    assert "The certificate is of run another" in page.text["header"]
    assert "is spent under 2 budgets" in page.text["header"]
    assert "A budget is exceeded." in page.text["certificate"]
    assert "do not send these bonuses" in page.text["certificate"]
    assert "There is no table trajectories yet" in page.text["trajectories"]
    assert "In the log it is unknown of the decisions" in page.text["levels"]


def test_a_decision_that_was_changed_is_in_doubt() -> None:
    """Half of a run's decisions, or other amounts than the settings give: pure arithmetic."""
    levels = (AllocatedLevel(0, 5, 0.0, 0.0, 1.0), AllocatedLevel(1, 3, 3.0, 3.0, 2.0))
    proof = Certificate("r", 3.0, 3.0, 0.0, {}, {"total": 3.0}, {"total": 3.0}, 1, 8, {})
    given = Decision(4, "p", "r", levels, True, proof, (0.0, 1.0))
    assert given.doubt is None
    fewer = replace(given, levels=levels[1:]).doubt
    assert fewer is not None
    assert "certificate is of 8 users, and 3 have a decision of its run" in fewer
    edited = replace(levels[1], amount=101.0)
    other = replace(given, levels=(levels[0], edited)).doubt
    assert other is not None
    assert "3 users have level 1 and bonuses of 101.00 together" in other
    assert "1.50 each" in str(replace(given, amounts=(0.0, 1.5)).doubt)
    assert "no such level" in str(replace(given, amounts=(0.0,)).doubt)


def test_periods_of_one_day_are_told_apart(lake: Lake, tmp_path: Path) -> None:
    from datetime import timedelta

    from bcrlsp.periods import Calendar

    calendar = Calendar(datetime(2025, 1, 6, tzinfo=UTC), timedelta(hours=6))
    row = {
        "amount": 1.0, "value": 1.0, "cost": 1.0, "level": 1, "policy_id": "p", "run_id": "r",
    }  # fmt: skip
    put(
        lake,
        "allocations",
        [
            row | {"period": start.date(), "period_start": start, "user_id": str(user)}
            for number, start in enumerate(map(calendar.start, range(4)))
            for user in range(number + 1)
        ],
    )
    destination = tmp_path / "hours.html"
    render(lake, calendar, period=2, destination=destination, amounts=AMOUNTS)
    said = Page.of(destination).text["header"]
    assert "Bonuses for 2025-01-06 12:00" in said
    assert "3 of 3 users get a bonus" in said
    assert "Spend, at face value 3.00" in said
