"""Ray for a run whose learners are processes of their own."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from bcrlsp.learning.transitions import Transitions

# Beside the transitions, the store holds weights and messages.
_SPARE = 100 * 2**20


@contextmanager
def ray_for(learners: int, transitions: Transitions) -> Iterator[None]:
    """Ray while the block runs: not for 0 learners; a running one or RAY_ADDRESS's is joined.

    One started here has room for one copy of the transitions and is shut down afterwards.
    """
    if learners == 0 or ray.is_initialized():
        yield
        return
    if os.environ.get("RAY_ADDRESS"):
        ray.init(logging_level=logging.ERROR)
    else:
        ray.init(
            num_cpus=learners + 1,
            include_dashboard=False,
            object_store_memory=int(1.1 * transitions.nbytes) + _SPARE,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    try:
        yield
    finally:
        ray.shutdown()
