"""The task of one candidate: the same log, an algorithm of its own."""

from dataclasses import replace
from typing import Any

from bcrlsp.learning.algorithms import ALGORITHMS
from bcrlsp.learning.task import Task


def task_of(task: Task, algorithm: str, options: dict[str, Any]) -> Task:
    """The task of `auto` as one of `algorithm`; progress carries the algorithm's points alone."""
    settings = task.settings.model_copy(update={"algorithm": algorithm, "options": options})
    checked = ALGORITHMS.get(algorithm).options.model_validate(options)
    return replace(task, settings=settings, options=checked, checkpoints=None)
