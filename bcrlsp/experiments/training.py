"""Trains the policies of the experiment, each once, from logs that are made when needed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bcrlsp.decisions.margin import SpendRecord
from bcrlsp.errors import ConfigError
from bcrlsp.experiments.cells import key_hash
from bcrlsp.experiments.contender import Recipe
from bcrlsp.experiments.log import last_periods, log_transitions
from bcrlsp.experiments.scenario import LOG, TRAINING, Scenario, ScenarioConfig, stream
from bcrlsp.experiments.scoring import Scorer
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

    def trainer(self, market: MarketSettings, users: int, seed: int) -> "LogPolicyTrainer":
        """What trains from the log of that market, size and seed."""
        drawn = int(stream(seed, LOG).integers(2**31))
        simulation = Simulation(
            users, self.settings.log_periods, drawn, self._amounts, self._calendar, market
        )
        return LogPolicyTrainer(self, simulation, seed)

    def transitions(self, simulation: Simulation) -> Transitions:
        """The log's rows; of a log larger than `row_users`, those of that many users."""
        if self._latest is None or self._latest[0] != simulation:
            self._latest = None
            self.say(f"making a log of {simulation.users:,} users")
            rows = log_transitions(simulation, self.feature_set, self.settings.row_users)
            self._latest = simulation, rows
        return self._latest[1]


class LogPolicyTrainer:
    """Trains policies from one log, each once: they are kept beside the results."""

    def __init__(self, logs: Logs, simulation: Simulation, seed: int) -> None:
        self._logs, self._simulation, self._seed = logs, simulation, seed

    def key(self, recipe: Recipe, config: ScenarioConfig) -> dict[str, Any]:
        """What the policy of a recipe depends on, as JSON types."""
        log, held = self._simulation, self._logs.settings
        return {
            "market": log.settings.model_dump(mode="json"),
            "amounts": list(log.amounts),
            "users": log.users,
            "periods": log.periods,
            "seed": log.seed,
            "row_users": min(held.row_users, log.users),
            "features": self._logs.feature_set.hash,
            "training": self._settings(recipe, {}).model_dump(mode="json"),
            "budget": None if recipe.fit is None else config.budget_key,
        }

    def policy(self, recipe: Recipe, scenario: Scenario, scorer: Scorer) -> Policy:
        """The policy that a recipe gives from this log."""
        name = f"{recipe.name}-{key_hash(self.key(recipe, scenario.config))}"
        path = self._logs.folder / name
        if not path.exists():
            fitted = {} if recipe.fit is None else recipe.fit(scenario, scorer)
            self._train(self._settings(recipe, fitted), path)
        return load_policy(str(path))

    def record(self, policy: Policy) -> SpendRecord:
        """What the policy expects of the log's last decisions, and what these cost."""
        return last_periods(self._logs.transitions(self._simulation), policy)

    def _settings(self, recipe: Recipe, fitted: dict[str, Any]) -> TrainingSettings:
        changes = self._logs.settings.training.get(recipe.name, {})
        options = {**fitted.get("options", {}), **changes.get("options", {})}
        try:
            return TrainingSettings.model_validate(
                {"algorithm": recipe.algorithm, **fitted, **changes, "options": options}
            )
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in (recipe.name, *first["loc"]))
            raise ConfigError(f"experiment.training.{place}: {first['msg']}") from None

    def _train(self, settings: TrainingSettings, path: Path) -> None:
        # torch and Ray load for seconds: only where something is trained.
        from bcrlsp.learning.training import train

        rows = self._logs.transitions(self._simulation)
        self._logs.say(f"training {settings.algorithm} on {len(rows):,} rows")
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
