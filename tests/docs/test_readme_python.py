"""The Python of the README, run as it stands on a log whose truth is known."""

import re
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
# Chance of a return by level: bonuses help the recent alone, by 0.2 a level.
CHANCE = {0.0: (0.3, 0.3, 0.3), 1.0: (0.3, 0.5, 0.7)}


def log(users: int, steps: int, rng: np.random.Generator) -> pd.DataFrame:
    """Levels at random (1/3 each); a level costs its number where the user returns."""
    recent = rng.integers(0, 2, (users, steps)).astype(float)
    levels = rng.integers(0, 3, (users, steps))
    chance = np.where(recent == 1, 0.3 + 0.2 * levels, 0.3)
    returned = (rng.random((users, steps)) < chance).astype(float)
    return pd.DataFrame(
        {
            "user_id": np.repeat([f"u{user:05d}" for user in range(users)], steps),
            "period": [date(2025, 1, 6) + timedelta(days=step) for step in range(steps)] * users,
            "step": np.tile(np.arange(steps, dtype=np.int32), users),
            "state": [np.array([x, 1.0], np.float32) for x in recent.ravel()],
            "level": levels.ravel().astype(np.int32),
            "reward": returned.ravel(),
            "cost": (levels * returned).ravel(),
            "propensity": np.full(users * steps, 1 / 3),
            "terminal": np.zeros(users * steps, bool),
        }
    )


@pytest.mark.usefixtures("ray_instance")
def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    log(2_000, 3, rng).to_parquet("trajectories.parquet")
    recent = np.arange(400) % 2
    states = [np.array([x, 1.0], np.float32) for x in recent]
    pd.DataFrame({"user_id": np.arange(400).astype(str), "state": states}).to_parquet(
        "today.parquet"
    )
    space: dict = {}
    exec(compile(code, "README.md", "exec"), space)
    assert "Estimate(value=" in capsys.readouterr().out
    allocation = space["allocation"]
    assert 90 < allocation.spend["today"] <= 100
    # All the money that matters goes to those whom a bonus brings back.
    assert (allocation.levels[recent == 1] > 0).mean() > 5 * (
        allocation.levels[recent == 0] > 0
    ).mean()
