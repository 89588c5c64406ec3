"""Who carries a training run out: the updates of a loss, or the algorithm itself."""

from bcrlsp.learning.algorithms import Entry
from bcrlsp.learning.task import Task, TrainedPolicy


def trained_by(algorithm: Entry, task: Task) -> TrainedPolicy:
    """What the registry's entry learns; the task has been validated."""
    from bcrlsp.learning.q_algorithm import QAlgorithm

    if isinstance(algorithm, QAlgorithm):
        from bcrlsp.learning.run import run

        return run(algorithm, task)
    return algorithm.train(task)
