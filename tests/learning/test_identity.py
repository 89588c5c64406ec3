"""What a run is known by: every input changed alone is another run, and nothing else is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from known_mdp import AMOUNTS, NAMES, SMALL, UNIFORM, KnownMDP

from bcrlsp import code_version
from bcrlsp.learning import Settings
from bcrlsp.learning import identity as module
from bcrlsp.learning.disk import created, finished
from bcrlsp.learning.identity import run_identity, transitions_digest
from bcrlsp.learning.task import Task, no_progress
from bcrlsp.learning.training import checked, train
from bcrlsp.learning.transitions import Transitions

LOG = KnownMDP(2).log(UNIFORM, users=30, steps=6, seed=1, masks=True)
SETTINGS = Settings(**SMALL)


def task(log: Transitions = LOG, settings: Settings = SETTINGS, **changes) -> Task:
    _, options, amounts = checked(settings, AMOUNTS)
    given = {
        "transitions": log, "settings": settings, "options": options, "feature_names": NAMES,
        "feature_set": "fs", "amounts": amounts, "seed": 5, "progress": no_progress,
    }  # fmt: skip
    return Task(**given | changes)


def one_other(array: np.ndarray, row: int) -> np.ndarray:
    """The array with one entry changed to the next number there is."""
    changed = array.copy()
    entry = changed[row] if changed.ndim == 1 else changed[row, 1]
    other = ~entry if array.dtype == bool else (
        np.nextafter(entry, np.float32(0)) if array.dtype == np.float32 else (entry + 1) % 3
    )  # fmt: skip
    if changed.ndim == 1:
        changed[row] = other
    else:
        changed[row, 1] = other
    return changed


@pytest.mark.parametrize(
    "name", ["states", "levels", "rewards", "costs", "propensities", "has_next", "allowed"]
)
@pytest.mark.parametrize("row", [0, 78, 178])
def test_one_value_of_the_data_is_another_run(name: str, row: int) -> None:
    rewards = np.where(LOG.rewards == 0, np.float32(0.5), LOG.rewards)
    log = replace(LOG, rewards=rewards, costs=LOG.costs + np.float32(1.0), states=LOG.states + 1)
    changed = replace(log, **{name: one_other(getattr(log, name), row)})
    assert (getattr(log, name) != getattr(changed, name)).sum() == 1
    assert run_identity(task(log)) != run_identity(task(changed))


def test_ends_users_and_feature_sets_count_and_the_order_of_rows_does() -> None:
    ends = LOG.terminal.copy()
    ends[5] = True
    offsets = np.delete(LOG.users, 3)
    turned = LOG.of_users(np.arange(30) < 15), LOG.of_users(np.arange(30) >= 15)
    swapped = {
        name: np.concatenate([getattr(turned[1], name), getattr(turned[0], name)])
        for name in ("states", "levels", "rewards", "costs", "propensities", "has_next", "allowed")
    }
    others = [
        replace(LOG, terminal=ends), replace(LOG, users=offsets), replace(LOG, feature_set="fs"),
        replace(LOG, allowed=None), replace(LOG, **swapped),
    ]  # fmt: skip
    found = {transitions_digest(log) for log in (LOG, *others)}
    assert len(found) == 6
    assert transitions_digest(replace(LOG, states=LOG.states.copy())) == transitions_digest(LOG)


OTHERS = {
    "algorithm": "dqn", "options": {"alpha": 0.5}, "search": {"gamma": (0.5,)}, "gamma": 0.7,
    "price": 0.1, "largest_price": 0.5, "hidden": (16,), "head": "plain", "members": 2,
    "pessimism": 0.5, "n_step": 2, "batch_size": 128, "updates": 10, "iteration": 5,
    "learning_rate": 1e-3, "decay": "constant", "weight_decay": 0.1, "clip_gradient": 5.0,
    "target_rate": 0.1, "cost_weight": 0.5, "discounted_cost": True, "holdout": 0.2, "patience": 3,
    "learners": 2, "threads": 2,
}  # fmt: skip


def test_every_setting_seed_name_amount_and_code_is_an_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert set(OTHERS) == set(Settings.model_fields)
    runs = [task(settings=Settings(**{**SMALL, name: OTHERS[name]})) for name in OTHERS]
    runs += [
        task(), task(seed=6), task(feature_set="other"), task(amounts=(0.0, 1.0, 2.5)),
        task(feature_names=(*NAMES[:-1], "another")),
    ]  # fmt: skip
    found = {run_identity(run) for run in runs}
    for name, value in (
        ("code_version", lambda *_: "another"),
        ("library_versions", lambda *_: {"torch": "0"}),
        ("_source", lambda _: "another"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, value)
            found.add(run_identity(task()))
    assert len(found) == len(runs) + 3
    assert run_identity(task()) == task().identity in found


def test_states_in_a_file_are_the_same_run(tmp_path: Path) -> None:
    states = created(tmp_path / "states", LOG.states.shape)
    states[:] = LOG.states
    assert transitions_digest(replace(LOG, states=finished(states))) == transitions_digest(LOG)


@pytest.mark.parametrize(
    "change",
    [
        lambda home: (home / "learning" / "new.py").write_text(""),
        lambda home: (home / "learning" / "loss.py").write_text("x = 2"),
        lambda home: (home / "learning" / "loss.py").rename(home / "learning" / "lost.py"),
        lambda home: (home / "arrays.py").write_text("y = 2"),
    ],
)
def test_the_code_is_known_by_its_sources(tmp_path: Path, change: Callable[[Path], object]) -> None:
    (tmp_path / "learning").mkdir()
    (tmp_path / "learning" / "loss.py").write_text("x = 1")
    (tmp_path / "arrays.py").write_text("y = 1")
    (tmp_path / "report.py").write_text("z = 1")
    roots = [tmp_path / "learning", tmp_path / "arrays"]
    before = code_version.sources_digest(tmp_path, roots)
    (tmp_path / "report.py").write_text("z = 2")
    assert code_version.sources_digest(tmp_path, roots) == before
    change(tmp_path)
    assert code_version.sources_digest(tmp_path, roots) != before


def test_the_same_table_with_other_values_is_another_policy() -> None:
    given = {"feature_names": NAMES, "feature_set": "fs", "amounts": AMOUNTS, "seed": 5}
    brief = Settings(**{**SMALL, "updates": 4, "iteration": 2, "algorithm": "dqn"})
    other = replace(LOG, rewards=1 - LOG.rewards)
    one, same, another = (train(log, brief, **given).policy for log in (LOG, LOG, other))
    assert one.policy_id == same.policy_id != another.policy_id
    assert one.policy_id.startswith("dqn-")
