"""Settings: a mistake names its place, its value and what is allowed."""

from pathlib import Path

import pytest

from bcrlsp.config import load_config
from bcrlsp.errors import ConfigError

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("file", sorted((ROOT / "conf").glob("*.yaml")), ids=lambda f: f.name)
def test_every_shipped_file_is_valid(file: Path) -> None:
    load_config(str(file))


def test_an_override_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("seed: 3\nlake: {root: here}\n")
    assert load_config(str(file)).seed == 3
    changed = load_config(str(file), ["seed=4", "lake.root=there"])
    assert (changed.seed, changed.lake.root) == (4, "there")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("sed=1", r"--set sed=1: unknown setting sed; allowed here: .*seed"),
        ("spark.x=1", r"--set spark.x=1: unknown setting spark.x; allowed here: conf, driver"),
        ("seed=-1", r"--set seed=-1: seed = -1: .*greater than or equal to 0"),
        ("period.length=5m", r"period.length = '5m': allowed: .* h, d or w"),
        ("amounts=[1,2]", r"amounts = \[1, 2\]: allowed: at least two amounts, the first 0"),
        ("spark.driver_memory=lots", r"driver_memory = 'lots': allowed: a number and its unit"),
        ("lake.keep_versions=2 years", r"keep_versions = '2 years': allowed: hours, days or w"),
        ("lake.catalog=main", r"catalog and schema are given together"),
        ("seed", r"--set seed: allowed: key=value"),
        ("seed=[", r"'\[' is no YAML value"),
    ],
)
def test_a_mistake_gets_one_line(override: str, line: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("seed: 3\n")
    with pytest.raises(ConfigError, match=line) as caught:
        load_config(str(file), [override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [("seed: [\n", "are no YAML at line"), ("- 1\n", "allowed: a mapping"), ("a: 1\n", "unknown")],
)
def test_a_broken_file_is_named(text: str, line: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=line) as caught:
        load_config(str(file))
    assert str(file) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(str(tmp_path / "none.yaml"))
