"""A log that holds every path exactly as often as its probability says: no sampling error is left,
and every estimator must give the chain's value, which is written out, to rounding."""

import datetime
import itertools

import numpy as np
import pyarrow as pa
import pytest
from folds import folds_of

from bcrlsp.evaluation import ESTIMATORS, Settings, estimate

# Two states, two levels, two periods; every probability of the log is a number of quarters.
START = np.array([0.5, 0.5])
BEHAVIOUR = np.array([[0.25, 0.75], [0.5, 0.5]])
TARGET = np.array([[0.9, 0.1], [0.3, 0.7]])
RETAINED = np.array([[0.25, 0.5], [0.5, 0.75]])
MOVE = np.array([[[0.75, 0.25], [0.5, 0.5]], [[0.25, 0.75], [0.5, 0.5]]])
AMOUNT = np.array([0.5, 3.0])  # paid to those who are retained
FOLDS = 3
GAMMA = 0.7


def users_of_fold(fold: int):
    """Ids that fall in a fold, without end."""
    for number in itertools.count():
        if folds_of([f"u{number:06d}"], FOLDS)[0] == fold:
            yield f"u{number:06d}"


@pytest.fixture(scope="module")
def log():
    """Each fold holds the whole population: what is fitted on the others is exact as well."""
    bit = (0, 1)
    names = [users_of_fold(fold) for fold in range(FOLDS)]
    columns = {name: [] for name in ("user_id", "step", "x", "level", "reward", "propensity")}
    for x0, a0, r0, x1, a1, r1 in itertools.product(bit, repeat=6):
        chance = START[x0] * MOVE[x0, a0, x1]
        for x, a, r in ((x0, a0, r0), (x1, a1, r1)):
            chance *= BEHAVIOUR[x, a] * (RETAINED[x, a] if r else 1 - RETAINED[x, a])
        copies = chance * 2 * 4**5
        assert copies == round(copies)
        for fold, _ in itertools.product(range(FOLDS), range(round(copies))):
            user = next(names[fold])
            for step, (x, a, r) in enumerate(((x0, a0, r0), (x1, a1, r1))):
                row = (user, step, x, a, float(r), BEHAVIOUR[x, a])
                for name, value in zip(columns, row, strict=True):
                    columns[name].append(value)
    x, level = np.array(columns["x"]), np.array(columns["level"])
    table = pa.table(
        {
            "user_id": columns["user_id"],
            "period": pa.array(
                [datetime.date(2026, 1, 5 + step) for step in columns["step"]], pa.date32()
            ),
            "step": pa.array(columns["step"], pa.int32()),
            "state": pa.array([[float(value)] for value in x], pa.list_(pa.float32())),
            "level": pa.array(level, pa.int32()),
            "reward": columns["reward"],
            "cost": AMOUNT[level] * np.array(columns["reward"]),
            "propensity": columns["propensity"],
            "terminal": np.zeros(len(x), bool),
        }
    )
    return table, TARGET[x]


def value_of(policy: np.ndarray, measure: str) -> float:
    """Σ_x p(x) Σ_a π(a|x) (r(x, a) + gamma Σ_x' P(x'|x, a) Σ_b π(b|x') r(x', b))."""
    earned = RETAINED if measure == "retention" else RETAINED * AMOUNT
    last = (policy * earned).sum(axis=1)
    return float(START @ (policy * (earned + GAMMA * MOVE @ last)).sum(axis=1))


@pytest.mark.parametrize("measure", ["retention", "cost"])
@pytest.mark.parametrize("name", ESTIMATORS.names())
def test_every_estimator_gives_the_value_itself(name, measure, log):
    table, target = log
    settings = Settings(resamples=50, folds=FOLDS)
    found = estimate(table, target, name, measure, gamma=GAMMA, settings=settings)
    truth = value_of(TARGET, measure)
    assert found.value == pytest.approx(truth, rel=1e-6)
    # The log's own value is far from it.
    assert abs(value_of(BEHAVIOUR, measure) - truth) > 0.05 * truth
