"""Trains the policies of the experiment, each once, from logs that are made when needed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bcrlsp.experiments.cells import key_hash
from bcrlsp.experiments.log import log_transitions
from bcrlsp.experiments.scene import LOG, TRAINING, stream
from bcrlsp.experiments.settings import Settings
from bcrlsp.features import default_feature_set
from bcrlsp.learning import Settings as TrainingSettings
from bcrlsp.learning.transitions import Transitions
from bcrlsp.market.settings import Settings as MarketSettings
from bcrlsp.market.simulation import Simulation
from bcrlsp.periods import Calendar
from bcrlsp.policies import Policy, load_policy, save_policy


class Logs:
    """The logs of an experiment; the latest one is kept in memory.

    amounts (a,), calendar: of the market. folder: where policies are kept.
    """

    def __init__(
        self,
        settings: Settings,
        amounts: tuple[float, ...],
        calendar: Calendar,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self.settings, self.folder, self.say = settings, folder, say
        self.feature_set = default_feature_set(amounts, calendar)
        self._amounts, self._calendar = amounts, calendar
        self._latest: tuple[Simulation, Transitions] | None = None

    def workshop(self, market: MarketSettings, users: int, seed: int) -> "LogWorkshop":
        """What trains from the log of that market, size and seed."""
        drawn = int(stream(seed, LOG).integers(2**31))
        simulation = Simulation(
            users, self.settings.log_periods, drawn, self._amounts, self._calendar, market
        )
        return LogWorkshop(self, simulation, seed)

    def transitions(self, simulation: Simulation) -> Transitions:
        """The log's rows; of a log larger than `row_users`, those of that many users."""
        if self._latest is None or self._latest[0] != simulation:
            self._latest = None
            self.say(f"making a log of {simulation.users:,} users")
            rows = log_transitions(simulation, self.feature_set, self.settings.row_users)
            self._latest = simulation, rows
        return self._latest[1]


class LogWorkshop:
    """Trains policies from one log, each once: they are kept beside the results."""

    def __init__(self, logs: Logs, simulation: Simulation, seed: int) -> None:
        self._logs, self._simulation, self._seed = logs, simulation, seed

    @property
    def key(self) -> dict[str, Any]:
        """What the log and the training depend on, as JSON types."""
        settings, log = self._logs.settings, self._simulation
        return {
            "market": log.settings.model_dump(mode="json"),
            "amounts": list(log.amounts),
            "users": log.users,
            "periods": log.periods,
            "seed": log.seed,
            "row_users": min(settings.row_users, log.users),
            "training": settings.training,
            "features": self._logs.feature_set.hash,
        }

    def policy(self, algorithm: str) -> Policy:
        """The policy that an algorithm learns from this log."""
        path = self._logs.folder / f"{algorithm}-{key_hash({**self.key, 'algorithm': algorithm})}"
        if not path.exists():
            self._train(algorithm, path)
        return load_policy(str(path))

    def _train(self, algorithm: str, path: Path) -> None:
        # torch and Ray load for seconds: only where something is trained.
        from bcrlsp.learning import train

        chosen = self._logs.settings.training.get(algorithm, {})
        settings = TrainingSettings.model_validate({"algorithm": algorithm, **chosen})
        rows = self._logs.transitions(self._simulation)
        self._logs.say(f"training {algorithm} on {len(rows):,} rows")
        features = self._logs.feature_set
        trained = train(
            rows,
            settings,
            feature_names=features.names,
            feature_set=features.hash,
            amounts=self._simulation.amounts,
            seed=int(stream(self._seed, TRAINING).integers(2**31)),
        )
        save_policy(trained.policy, str(path))
