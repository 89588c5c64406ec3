"""`import bcrlsp`: what it gives, lazily, and with which packages alone."""

import json
import os
import subprocess
import sys
import textwrap
import venv
from pathlib import Path

import numpy as np
import pytest

import bcrlsp
from bcrlsp.policies import HeadSpec, Manifest, Network, NetworkSpec, Policy, save_policy

ROOT = Path(__file__).parents[2]

# Everything that no plain installation has.
BLOCKED = (
    "pyspark",
    "delta",
    "pandas",
    "torch",
    "ray",
    "deltalake",
    "plotly",
    "jinja2",
    "filelock",
)
BLOCKER = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
"""

# The LP by hand: three users, levels 0 and 1 at cost 1 and gains 3, 2, 1; two of them fit 2.
# The estimate by hand: a deterministic target of level 1, logged with probability 1/2 each: the
# importance-weighted mean of (2 x 1, 2 x 0, 0, 0), 100 times over, is 1/2.
ARRAYS = """
import json, sys
import numpy as np
import pyarrow as pa
from datetime import date
import bcrlsp
found = bcrlsp.solve(
    np.array([[0, 3], [0, 2], [0, 1]]), np.array([[0, 1], [0, 1], [0, 1]]),
    [bcrlsp.Budget("day", 2)],
)
n = 100
log = pa.table({
    "user_id": [f"u{user}" for user in range(4 * n)],
    "period": [date(2025, 1, 6)] * 4 * n,
    "step": pa.array([0] * 4 * n, pa.int32()),
    "state": pa.array([[0.0]] * 4 * n, pa.list_(pa.float32())),
    "level": pa.array([1, 1, 0, 0] * n, pa.int32()),
    "reward": [1.0, 0.0, 1.0, 0.0] * n,
    "cost": [1.0, 0.0, 0.0, 0.0] * n,
    "propensity": [0.5] * 4 * n,
    "terminal": [False] * 4 * n,
})
value = bcrlsp.estimate(log, np.array([[0.0, 1.0]] * 4 * n), estimator="is", gamma=0.0).value
policy = bcrlsp.load_policy(sys.argv[1])
q = policy.q_values(np.ones((2, 2), np.float32)).tolist()
foreign = sorted({name.partition(".")[0] for name in sys.modules} & set(json.loads(sys.argv[2])))
print(json.dumps([found.levels.tolist(), value, q, foreign]))
"""


@pytest.fixture(scope="module")
def policy_place(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A policy of two features whose values are x0 + x1 and x0 - x1 (times one)."""
    spec = NetworkSpec(
        inputs=2, hidden=(), heads=(HeadSpec(name="q", amounts=(0.0, 1.0)),
                                    HeadSpec(name="cost", amounts=(0.0, 1.0)))
    )  # fmt: skip
    weights = {name: np.zeros(shape, np.float32) for name, shape in spec.shapes().items()}
    weights["std"] = np.ones_like(weights["std"])
    manifest = Manifest(
        policy_id="by-hand",
        algorithm="by-hand",
        amounts=(0.0, 1.0),
        feature_names=("x0", "x1"),
        feature_set="none",
        gamma=0.5,
        network=spec,
    )
    place = str(tmp_path_factory.mktemp("policy") / "by-hand")
    save_policy(Policy(manifest, Network(spec, weights)), place)
    return place


def python(code: str, *arguments: str, executable: str = sys.executable) -> list:
    """What `code` prints as JSON on its last line, run by an interpreter of its own."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if executable == sys.executable:
        environment["PYTHONPATH"] = str(ROOT)
    result = subprocess.run(
        [executable, "-c", code, *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_every_name_of_the_front_door_is_there() -> None:
    for name in bcrlsp.__all__:
        assert getattr(bcrlsp, name) is not None
    assert set(bcrlsp.__all__) <= set(dir(bcrlsp))
    with pytest.raises(AttributeError, match="has no attribute 'solv'"):
        _ = bcrlsp.solv


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys, json; import bcrlsp; print(json.dumps(sorted(sys.modules)))"
    loaded = {name.partition(".")[0] for name in python(code)}
    assert not loaded & {*BLOCKED, "numpy", "scipy", "numba", "pyarrow", "pydantic"}


def test_arrays_need_neither_spark_nor_ray(policy_place: str) -> None:
    levels, value, q, foreign = python(BLOCKER + ARRAYS, policy_place, json.dumps(BLOCKED))
    assert levels == [1, 1, 0]
    assert value == pytest.approx(0.5)
    assert np.shape(q) == (2, 2)
    assert foreign == []


TRAIN = """
n = 4
bcrlsp.train(
    bcrlsp.Transitions(
        states=np.zeros((n, 1)), levels=np.zeros(n), rewards=np.zeros(n), costs=np.zeros(n),
        propensities=np.ones(n), terminal=np.zeros(n, bool), has_next=np.zeros(n, bool),
        users=np.arange(n + 1),
    ),
    bcrlsp.TrainingSettings(algorithm="dqn"),
    feature_names=["x"], feature_set="none", amounts=[0, 1], seed=0,
)
"""


@pytest.mark.parametrize(
    ("use", "modules", "extra"),
    [
        (TRAIN, ("torch", "ray"), "train"),
        ("bcrlsp.Lake", ("pyspark",), "spark"),
        ("bcrlsp.allocate", ("pyspark",), "spark"),
    ],
)
def test_what_is_missing_is_one_line_that_names_the_extra(
    use: str, modules: tuple[str, ...], extra: str
) -> None:
    code = (
        f"{BLOCKER}\nimport json, bcrlsp\nimport numpy as np\ntry:\n"
        + textwrap.indent(use.strip(), "    ")
        + "\nexcept bcrlsp.UserError as error:\n    print(json.dumps(str(error)))"
    )
    message = python(code)
    assert message in [
        f"{module} is not installed; this step needs it: pip install 'bcrlsp[{extra}]'"
        for module in modules
    ]


def test_a_command_without_its_packages_ends_with_one_line() -> None:
    code = BLOCKER + "import sys; from bcrlsp.cli import run; sys.exit(run(['report']))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.endswith("pip install 'bcrlsp[spark]'")


def test_the_wheel_without_extras_in_an_environment_of_its_own(
    tmp_path: Path, policy_place: str
) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("bcrlsp-*.whl")
    venv.create(tmp_path / "plain", with_pip=True)
    plain = str(tmp_path / "plain" / "bin" / "python")
    subprocess.run([plain, "-m", "pip", "install", "--quiet", str(wheel)], check=True)
    levels, value, _, foreign = python(ARRAYS, policy_place, json.dumps(BLOCKED), executable=plain)
    assert levels == [1, 1, 0]
    assert value == pytest.approx(0.5)
    assert foreign == []
