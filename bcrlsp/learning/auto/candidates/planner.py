"""The structured planner, and its model as a world."""

from dataclasses import replace

import numpy as np

from bcrlsp.learning.auto.candidates import CANDIDATES, Bench, Offer
from bcrlsp.learning.auto.tasks import task_of
from bcrlsp.learning.auto.worlds import StructuredWorld
from bcrlsp.learning.planner import Settings
from bcrlsp.learning.planner.planner import planned


class StructuredPlanner:
    """The entry of the registry."""

    def make(self, bench: Bench) -> Offer:
        """See `learning.planner.planner`."""
        task = task_of(bench.task, "planner", bench.options)
        options = Settings.model_validate({"budget": bench.budget, **bench.options})
        trained, made = planned(replace(task, options=options), options)
        pieces = np.arange(len(bench.learned.held))
        return Offer(trained, [StructuredWorld(made.response, made.spending, pieces)])


CANDIDATES.register("planner")(StructuredPlanner())
