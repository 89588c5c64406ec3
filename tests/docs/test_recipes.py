"""The recipes of CONTRIBUTING.md and the commands of the README do what they say."""

import importlib
import re
import shlex
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import numpy as np
import pytest

from bcrlsp.commands.base import COMMANDS
from bcrlsp.config import load_config
from bcrlsp.periods import Calendar
from bcrlsp.registry import Registry
from bcrlsp.tables import Lake

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
CODE = {
    re.match(r"# (\S+\.py)\n", block)[1]: block
    for block in re.findall(r"```python\n(# bcrlsp/.*?)```", CONTRIBUTING, re.DOTALL)
}


def registry_of(path: str) -> Registry:
    """The registry that loads the folder which the recipe puts its file in."""
    package = str(Path(path).parent).replace("/", ".")
    importlib.import_module(package)
    found = {
        id(value): value
        for name, module in list(sys.modules.items())
        if name.startswith("bcrlsp")
        for value in vars(module).values()
        if isinstance(value, Registry) and value._package == package
    }
    (registry,) = found.values()
    return registry


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch):
    """Runs a recipe's file, and takes it out again after the test."""

    def add(path: str):
        # The registries of these packages are found through the modules that hold them.
        for home in ("bcrlsp.events.source", "bcrlsp.report.section", "bcrlsp.commands.base"):
            importlib.import_module(home)
        registry = registry_of(path)
        before = set(registry.names())
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
        space: dict = {"__name__": Path(path).stem}
        exec(compile(CODE[path], path, "exec"), space)
        (name,) = set(registry.names()) - before
        return registry.get(name), space

    return add


def test_every_recipe_is_tested() -> None:
    assert sorted(CODE) == [
        "bcrlsp/allocation/measures/double_count.py",
        "bcrlsp/commands/versions.py",
        "bcrlsp/evaluation/estimators/clipped.py",
        "bcrlsp/events/sources/nightly.py",
        "bcrlsp/learning/algorithms/half_huber.py",
        "bcrlsp/report/sections/segments.py",
    ]
    for path in CODE:
        assert (ROOT / path).parent.is_dir()
        assert not (ROOT / path).exists()


def test_the_algorithm_has_the_loss_it_names(added) -> None:
    torch = pytest.importorskip("torch")
    from bcrlsp.learning.algorithms import dqn

    algorithm, space = added("bcrlsp/learning/algorithms/half_huber.py")
    assert type(algorithm).__mro__[1] is type(dqn.DQN()).__mro__[1]
    values = torch.tensor([[[0.0], [3.0]]])
    seen: dict = {}
    space["chosen"] = lambda *_: values
    space["double_targets"] = lambda *_: torch.zeros_like(values)
    views = type("Views", (), {"online": {space["VALUE"]: values}})
    batch = type("Batch", (), {"levels": None})
    space["Loss"] = lambda **given: seen.update(given)
    type(algorithm).loss(
        algorithm, views, batch, algorithm.options(width=1.0), torch.Generator(), 0.0
    )
    assert float(seen["total"]) == pytest.approx((0 + 3 - 0.5) / 2)


def test_the_estimator_estimates(added) -> None:
    import pyarrow as pa

    from bcrlsp.evaluation import estimate

    added("bcrlsp/evaluation/estimators/clipped.py")
    rng = np.random.default_rng(3)
    users, steps = 200, 3
    levels = rng.integers(0, 2, users * steps)
    rewards = (rng.random(users * steps) < 0.2 + 0.3 * levels).astype(float)
    start = [datetime(2025, 1, 6, tzinfo=UTC) + timedelta(days=step) for step in range(steps)]
    table = pa.table(
        {
            "user_id": np.repeat([f"u{user:03d}" for user in range(users)], steps),
            "period": pa.array([day.date() for day in start] * users),
            "period_start": pa.array(start * users, pa.timestamp("us", tz="UTC")),
            "step": pa.array(np.tile(np.arange(steps), users), pa.int32()),
            "state": [[0.0]] * (users * steps),
            "level": pa.array(levels, pa.int32()),
            "reward": rewards,
            "cost": np.zeros(users * steps),
            "propensity": np.full(users * steps, 0.5),
            "terminal": np.zeros(users * steps, bool),
        }
    )
    target = np.tile([0.3, 0.7], (users * steps, 1))
    found = estimate(table, target, "clipped", gamma=0.8)
    # No weight reaches 10 in three steps of at most 1.4: the plain estimator's value.
    assert found.value == pytest.approx(estimate(table, target, "pdis", gamma=0.8).value)
    assert found.low < found.value < found.high


def test_the_event_source_loads(added, spark, tmp_path: Path) -> None:
    from bcrlsp.events.source import Grid

    source, _ = added("bcrlsp/events/sources/nightly.py")
    for name in ("activity", "bonuses", "redemptions", "users"):
        spark.createDataFrame([("a",)], "user_id string").write.parquet(str(tmp_path / name))
    grid = Grid(Calendar(datetime(2025, 1, 6, tzinfo=UTC), timedelta(days=1)), (0.0, 1.0))
    events = source.load(spark, source.settings(folder=str(tmp_path)), grid)
    assert events.whole
    assert [row.user_id for row in events.bonuses.collect()] == ["a"]


def test_the_measure_counts(added) -> None:
    from bcrlsp.allocation import Budget, solve

    added("bcrlsp/allocation/measures/double_count.py")
    value, cost = np.tile([0.0, 1.0], (5, 1)), np.tile([0.0, 1.0], (5, 1))
    budget = Budget("pairs", 7, levels=[1], measure="double_count")
    found = solve(value, cost, [budget])
    assert found.levels.sum() == 3
    assert found.spend == {"pairs": 6.0}


def test_the_section_counts(added, lake: Lake) -> None:
    from bcrlsp.report.reading import Reading

    section, _ = added("bcrlsp/report/sections/segments.py")
    rows = [(str(user), "north" if user < 3 else "south") for user in range(5)]
    frame = lake.spark.createDataFrame(rows, "user_id string, segment string")
    frame.coalesce(1).write.format("delta").save(lake.location("users"))
    calendar = Calendar(datetime(2025, 1, 6, tzinfo=UTC), timedelta(days=1))
    reading = Reading(lake, calendar, period=None, amounts=(0.0, 1.0), source="a test")
    found = section.build(reading)
    assert (section.order, found.headline) == (15, "2")
    assert found.grids[0].rows == [["north", "3"], ["south", "2"]]


def test_the_command_runs(added, lake: Lake, capsys) -> None:
    from bcrlsp import cli

    added("bcrlsp/commands/versions.py")
    lake.spark.range(1).write.format("delta").save(lake.location("users"))
    root = str(Path(lake.location("users")).parent)
    assert cli.run(["versions", "--table", "users", "--set", f"lake.root={root}"]) == 0
    assert capsys.readouterr().out == "users: version 0\n"


def shell_lines() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def parsed(words: list[str]) -> None:
    """Fails when there is no such command, or it does not take these options."""
    COMMANDS.get(words[0]).make_context(words[0], list(words[1:]))


@pytest.mark.parametrize("line", [line for line in shell_lines() if line.startswith("bcrlsp ")])
def test_a_command_of_the_readme_is_one(line: str) -> None:
    parsed(shlex.split(line)[1:])


def test_a_wrong_command_of_the_readme_would_be_noticed() -> None:
    with pytest.raises(click.NoSuchOption):
        parsed(["report", "--perod", "2025-01-06"])


def test_the_jobs_of_the_readme_are_scripts_with_these_options() -> None:
    found = 0
    for line in shell_lines():
        words = shlex.split(line, comments=True)
        jobs = [place for place, word in enumerate(words) if word.startswith("jobs/")]
        for place in jobs:
            assert (ROOT / words[place]).is_file()
            parsed([Path(words[place]).stem, *words[place + 1 :]])
            found += 1
    assert found == 2


def test_the_table_of_commands_is_complete() -> None:
    table = README.split("## Commands")[1]
    rows = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert sorted(row.split()[0] for row in rows) == COMMANDS.names()
    examples = {"N": "9", "P": "9", "S": "1", "B": "5", "D": "2025-01-06", "SOURCE": "tables"}
    for row in rows:
        parsed([examples.get(word, word) for word in row.split()])


def test_the_settings_of_the_readme_are_settings(tmp_path: Path) -> None:
    from bcrlsp.events.source import SOURCES

    text = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)[1]
    (tmp_path / "my.yaml").write_text(text)
    config = load_config(str(tmp_path / "my.yaml"))
    assert config.amounts == (0, 1, 2, 5)
    held = config.events.sources["tables"]
    mapped = SOURCES.get("tables").settings.model_validate(held)
    assert mapped.activity.columns["user_id"] == "customer"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if not link.startswith(("http://", "https://", "#")):
            assert (path.parent / link.split("#")[0]).exists(), link


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_that_are_named_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^|`)make ([a-z-]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= targets
