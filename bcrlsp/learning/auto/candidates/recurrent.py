"""The plans of the recurrent ensemble, which `auto` has fitted already."""

from dataclasses import replace

from bcrlsp.learning.auto.candidates import CANDIDATES, Bench, Offer
from bcrlsp.learning.auto.tasks import task_of
from bcrlsp.learning.recurrent import Settings
from bcrlsp.learning.recurrent.learner import teach


class RecurrentPlans:
    """The entry of the registry."""

    def make(self, bench: Bench) -> Offer:
        """See `learning.recurrent`."""
        options = Settings.model_validate({"budget": bench.budget, **bench.options})
        task = replace(task_of(bench.task, "recurrent", bench.options), options=options)
        return Offer(teach(task, options, bench.learned))


CANDIDATES.register("recurrent")(RecurrentPlans())
