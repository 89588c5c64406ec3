"""The Databricks bundle calls commands that there are, with options that they take."""

import re
import runpy
from pathlib import Path

import click
import pytest
import setuptools
import yaml

from bcrlsp.commands.base import COMMANDS
from bcrlsp.config import load_config

ROOT = Path(__file__).parents[2]
BUNDLE = yaml.safe_load((ROOT / "databricks.yml").read_text())
VARIABLES = {name: str(held["default"]) for name, held in BUNDLE["variables"].items()}
JOBS = {
    name: job
    for path in sorted((ROOT / "resources").glob("*.job.yml"))
    for name, job in yaml.safe_load(path.read_text())["resources"]["jobs"].items()
}
TASKS = [
    pytest.param(job, task, id=f"{name}-{task['task_key']}")
    for name, job in JOBS.items()
    for task in job["tasks"]
]


def resolved(text: str, job: dict) -> str:
    """The text as a run would see it; a reference to what nobody declares is a KeyError."""
    parameters = {held["name"]: str(held["default"]) for held in job.get("parameters", [])}
    text = re.sub(r"\{\{job\.parameters\.(\w+)\}\}", lambda found: parameters[found[1]], text)
    text = re.sub(r"\$\{var\.(\w+)\}", lambda found: VARIABLES[found[1]], text)
    text = text.replace("${workspace.file_path}", str(ROOT))
    text = text.replace("{{job.start_time.iso_date}}", "2025-03-01")
    assert "{{" not in text
    assert "${" not in text
    return text


def called(job: dict, task: dict) -> tuple[click.Command, dict]:
    """The command of a task, and its options as the command line would read them."""
    wheel = task["python_wheel_task"]
    assert (wheel["package_name"], wheel["entry_point"]) == ("bcrlsp", "bcrlsp")
    name, *arguments = (resolved(str(word), job) for word in wheel["parameters"])
    command = COMMANDS.get(name)
    return command, command.make_context(name, arguments).params


@pytest.mark.parametrize(("job", "task"), TASKS)
def test_a_task_is_a_command_with_its_options(job: dict, task: dict) -> None:
    _, options = called(job, task)
    config = load_config(options["config"], options["overrides"])
    assert config.lake.root is None
    assert (config.lake.catalog, config.lake.schema_) == ("main", "bcrlsp")
    assert config.artifacts == "/Volumes/main/bcrlsp/artifacts"


@pytest.mark.parametrize(("job", "task"), TASKS)
def test_a_task_has_its_compute_and_what_it_waits_for(job: dict, task: dict) -> None:
    keys = [other["task_key"] for other in job["tasks"]]
    for wait in task.get("depends_on", []):
        assert keys.index(wait["task_key"]) < keys.index(task["task_key"])
    environments = {held["environment_key"] for held in job.get("environments", [])}
    clusters = {held["job_cluster_key"] for held in job.get("job_clusters", [])}
    assert ("environment_key" in task) != ("job_cluster_key" in task)
    assert task.get("environment_key", next(iter(environments))) in environments
    if "job_cluster_key" in task:
        assert task["job_cluster_key"] in clusters
        wheel, *packages = task["libraries"]
        assert wheel == {"whl": "../dist/*.whl"}
        assert [held["pypi"]["package"] for held in packages] == requirements()["train"]


def requirements() -> dict[str, list[str]]:
    """The extras of setup.py, and under "" what the wheel always needs."""
    given: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **arguments: given.update(arguments))
        runpy.run_path(str(ROOT / "setup.py"))
    return {"": given["install_requires"], **given["extras_require"]}


def test_serverless_tasks_of_the_daily_job_have_what_the_report_needs() -> None:
    (environment,) = JOBS["daily"]["environments"]
    wheel, *packages = environment["spec"]["dependencies"]
    assert wheel == "../dist/*.whl"
    assert packages == requirements()["report"]


def test_the_daily_job_is_the_pipeline_and_only_training_needs_a_cluster() -> None:
    tasks = JOBS["daily"]["tasks"]
    assert [task["task_key"] for task in tasks] == ["trajectories", "train", "allocate", "report"]
    assert [task["task_key"] for task in tasks if "job_cluster_key" in task] == ["train"]


def test_a_wrong_option_would_be_noticed() -> None:
    task = {
        "python_wheel_task": {
            "package_name": "bcrlsp",
            "entry_point": "bcrlsp",
            "parameters": ["report", "--perod", "2025-03-01"],
        }
    }
    with pytest.raises(click.NoSuchOption):
        called({}, task)


def test_the_bundle_builds_the_wheel_and_has_both_targets() -> None:
    assert BUNDLE["artifacts"]["default"]["type"] == "whl"
    assert BUNDLE["targets"].keys() == {"dev", "prod"}
    assert BUNDLE["targets"]["dev"]["mode"] == "development"
    assert BUNDLE["targets"]["prod"]["mode"] == "production"
    assert {"catalog", "schema"} <= VARIABLES.keys()
    for target in BUNDLE["targets"].values():
        assert target.get("variables", {}).keys() <= VARIABLES.keys()
    assert BUNDLE["include"] == ["resources/*.job.yml"]


def name_of(requirement: str) -> str:
    """The distribution that a requirement names."""
    return re.split(r"[=<>\[]", requirement)[0]


def test_the_plain_wheel_needs_neither_spark_nor_ray() -> None:
    extras = requirements()
    plain = {name_of(line) for line in extras[""]}
    assert plain == {
        "numpy", "scipy", "numba", "pyarrow", "pydantic", "PyYAML", "click", "rich",
    }  # fmt: skip
    assert {name_of(line) for line in extras["spark"]} >= {"pyspark", "delta-spark"}
    assert {name_of(line) for line in extras["train"]} == {"torch", "ray", "deltalake"}
    everything = {"spark", "train", "report", "experiment", "mlflow", "examples", "connect"}
    assert set(extras["all"]) == {line for extra in everything for line in extras[extra]}
