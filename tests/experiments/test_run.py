"""The run: resumable, the same for the same seed, and its page."""

import re
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from small_scenario import AMOUNTS, CALENDAR

from bcrlsp.config import load_config
from bcrlsp.errors import ConfigError
from bcrlsp.experiments import Results, Settings, changes, quick, run, write_page
from bcrlsp.experiments.settings import OpeSettings
from bcrlsp.market.settings import Settings as MarketSettings

SMALL = Settings(
    seeds=2,
    users=1_000,
    periods=4,
    warmup=15,
    budgets=(0.5, 1.0),
    log_sizes=(),
    noises=(),
    no_send_probabilities=(),
    contenders=("constant", "exact_filter", "oracle", "random"),
    swept=("exact_filter",),
    ope=OpeSettings(
        repetitions=4,
        users=300,
        periods=3,
        truth_users=10_000,
        estimators=("pdis", "snis"),
        contender=None,
    ),
)


def go(folder: Path, settings: Settings = SMALL, seed: int = 0) -> tuple[Results, list[str]]:
    said: list[str] = []
    results = run(
        settings,
        MarketSettings(),
        amounts=AMOUNTS,
        calendar=CALENDAR,
        seed=seed,
        folder=folder,
        say=said.append,
    )
    return results, said


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    folder = tmp_path_factory.mktemp("experiment")
    return folder, go(folder)[0]


def test_a_second_run_computes_nothing_and_finds_the_same(kept: tuple[Path, Results]) -> None:
    folder, results = kept
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again, said = go(folder)
    assert again == results
    assert not [line for line in said if "retention" in line]
    assert before == {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_a_run_that_lost_a_result_makes_that_one_alone_and_the_same(
    kept: tuple[Path, Results],
) -> None:
    folder, results = kept
    next(folder.rglob("exact_filter-1-*.json")).unlink()
    again, said = go(folder)
    assert again == results
    assert len([line for line in said if "retention" in line]) == 1


def test_a_run_cut_short_has_a_page_of_what_there_is(
    kept: tuple[Path, Results], tmp_path: Path
) -> None:
    folder, results = kept
    next(folder.rglob("exact_filter-0-*.json")).unlink()
    pages: list[str] = []

    def keep(found: Results) -> None:
        pages.append(write_page(found, tmp_path / "results.md", "bcrlsp experiment").read_text())

    run(
        SMALL,
        MarketSettings(),
        amounts=AMOUNTS,
        calendar=CALENDAR,
        seed=0,
        folder=folder,
        say=lambda line: None,
        keep=keep,
    )
    assert len(pages) == 1
    said = re.search(r"not finished: (\d+) of (\d+) scores are there", pages[0])
    assert said is not None
    assert 0 < int(said[1]) < int(said[2]) == len(results.played)


def test_what_two_studies_share_is_played_once(kept: tuple[Path, Results]) -> None:
    folder, results = kept
    # The comparison, the daily budget and two budgets, one of which is the comparison's.
    assert len(list(folder.rglob("exact_filter-0-*.json"))) == 3
    same = results.scores("budget", 1.0, "exact_filter")
    assert same == results.scores("comparison", 1.0, "exact_filter")


def test_knowing_more_earns_more(kept: tuple[Path, Results]) -> None:
    _, results = kept
    for number in (0, 1):
        share = {
            name: results.scores("comparison", 1.0, name)[number].share for name in SMALL.contenders
        }
        assert share["constant"] < 0.1 < share["exact_filter"] < 1.02
        assert share["exact_filter"] < share["oracle"] + 0.02
        assert 0.95 < share["oracle"] < 1.02


def test_another_seed_is_another_result(kept: tuple[Path, Results]) -> None:
    _, results = kept
    first, second = results.scores("comparison", 1.0, "oracle")
    assert first.retention != second.retention


def test_the_page_shows_the_figures_and_is_the_same_twice(
    kept: tuple[Path, Results], tmp_path: Path
) -> None:
    _, results = kept
    page = write_page(results, tmp_path / "results.md", "bcrlsp experiment")
    text = page.read_text()
    shares = [s.share for s in results.scores("comparison", 1.0, "exact_filter")]
    assert f"{100 * sum(shares) / 2:.0f} ± " in text
    for file in sorted((tmp_path / "results").iterdir()):
        assert f"results/{file.name}" in text
        assert ET.fromstring(file.read_text()).tag.endswith("svg")
    assert len(list((tmp_path / "results").iterdir())) == 3
    write_page(results, page, "bcrlsp experiment")
    assert page.read_text() == text


def test_estimators_are_near_the_truth_of_a_target_near_the_log(
    kept: tuple[Path, Results],
) -> None:
    _, results = kept
    assert {(j.estimator, j.measure) for j in results.estimators} == {
        (name, measure) for name in ("pdis", "snis") for measure in ("retention", "cost")
    }
    for judged in results.estimators:
        assert judged.answered == judged.repetitions == 4
        assert abs(judged.bias) < 0.25 * judged.truth
        assert judged.rmse >= abs(judged.bias)
        assert 0 < judged.width < judged.truth
        assert judged.coverage >= 0.5


def test_no_repetitions_no_judgement(kept: tuple[Path, Results]) -> None:
    folder, _ = kept
    none = SMALL.model_copy(update={"ope": OpeSettings(repetitions=0, contender=None)})
    assert go(folder, none)[0].estimators == []


def test_an_unknown_contender_is_named_before_anything_is_played(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown contender 'orakel'; allowed: .*oracle"):
        go(tmp_path, SMALL.model_copy(update={"contenders": ("oracle", "orakel")}))
    assert list(tmp_path.rglob("*.json")) == []


def test_quick_is_smaller_but_for_what_was_set() -> None:
    usual = quick(Settings())
    assert usual.seeds < Settings().seeds
    assert usual.ope.repetitions < Settings().ope.repetitions
    asked = Settings(users=500, seeds=7, budgets=(0.3,), ope={"users": 99})
    found = quick(asked)
    assert (found.users, found.seeds, found.budgets, found.ope.users) == (500, 7, (0.3,), 99)
    assert (found.log_users, found.ope.repetitions) == (usual.log_users, usual.ope.repetitions)


def test_the_page_names_the_settings_that_were_changed(tmp_path: Path) -> None:
    """The command on the page, as a shell reads it, gives the same settings again."""
    changed = Settings(folder=str(tmp_path), seeds=3, budgets=(), ope=OpeSettings(contender=None))
    assert changes(Settings(folder="elsewhere")) == ""
    words = shlex.split(changes(changed))
    assert words[::2] == ["--set"] * 3
    again = load_config(overrides=[*words[1::2], f"experiment.folder={tmp_path}"])
    assert again.experiment == changed
