"""What every command shares: its context, its outcome, and how it is declared.

A command is one module of this package: a function from a `Context` and its own options to an
`Outcome`, declared with `command`. The options that all commands take (--config, --set, --json)
are added here, so that no command repeats them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from time import monotonic
from typing import Any

import click
from pyspark.sql import SparkSession
from rich.console import Console

from bcrlsp import session
from bcrlsp.config import Config, load_config
from bcrlsp.decisions.deployment import Deployment
from bcrlsp.features import FeatureSet, default_feature_set
from bcrlsp.periods import Calendar
from bcrlsp.places import absolute
from bcrlsp.registry import Registry
from bcrlsp.tables import Lake


@dataclass(frozen=True)
class Outcome:
    """What a command did.

    lines: what a person reads on stdout; the last says where the result is.
    data: the same for a program (--json): JSON types only.
    """

    lines: list[str]
    data: dict[str, Any] = field(default_factory=dict)


class Context:
    """What a command works with: settings, tables, and a place to say how far it is.

    config: the settings in force.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        # Progress goes to stderr: stdout holds the result alone.
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    @cached_property
    def spark(self) -> SparkSession:
        """The Spark session, started on first use."""
        with self.stage("Starting Spark"):
            running = session.get_session(self.config.spark)
        session.require_zone(running, self.config.period.zone)
        return running

    @cached_property
    def lake(self) -> Lake:
        """The tables."""
        return Lake(self.spark, self.config.lake)

    @property
    def calendar(self) -> Calendar:
        """The grid of periods."""
        return self.config.period.calendar()

    @property
    def feature_set(self) -> FeatureSet:
        """What a policy sees of a user."""
        return default_feature_set(self.config.amounts, self.calendar)

    @cached_property
    def deployment(self) -> Deployment:
        """What decisions are made with."""
        return Deployment(
            lake=self.lake,
            calendar=self.calendar,
            feature_set=self.feature_set,
            amounts=self.config.amounts,
            allocation=self.config.allocation,
            trajectories=self.config.trajectories,
            log=self.say,
            stage=self.stage,
        )

    def artifact(self, *parts: str) -> str:
        """Path or URI of something that is kept beside the tables, such as a policy."""
        return "/".join((absolute(self.config.artifacts), *parts))

    def say(self, text: str) -> None:
        """One line of progress on stderr."""
        self._console.print(text, markup=False)

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Says that a stage begins and, when it ends, how long it took."""
        self.say(f"… {title}")
        started = monotonic()
        yield
        self.say(f"✓ {title} ({monotonic() - started:.1f} s)")


Body = Callable[..., Outcome]

COMMANDS: Registry[click.Command] = Registry("command", "bcrlsp.commands", "bcrlsp.commands")


def option(*names: str, **attributes: Any) -> click.Option:
    """An option of a command, as `click.Option` takes it."""
    return click.Option(list(names), **attributes)


def command(name: str, *parameters: click.Parameter) -> Callable[[Body], Body]:
    """Declares a function as the command `name`; its docstring is the command's help."""

    def declare(body: Body) -> Body:
        def callback(
            config: str | None, overrides: tuple[str, ...], as_json: bool, **options: Any
        ) -> tuple[Outcome, bool]:
            context = Context(load_config(config, overrides))
            return body(context, **options), as_json

        COMMANDS.register(name)(
            click.Command(
                name, callback=callback, params=[*parameters, *_common()], help=body.__doc__
            )
        )
        return body

    return declare


def _common() -> list[click.Parameter]:
    return [
        option(
            "--config", metavar="FILE", help="Settings (YAML). Default: conf/local.yaml, if there."
        ),
        option(
            "--set",
            "overrides",
            metavar="KEY=VALUE",
            multiple=True,
            help="One setting, such as training.gamma=0.9; may be given many times.",
        ),
        option(
            "--json", "as_json", is_flag=True, help="Print one JSON object as stdout's last line."
        ),
    ]
