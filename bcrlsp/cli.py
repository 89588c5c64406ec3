"""The command line: finds the commands, runs one, and turns its end into an exit code.

0: done. 2: a mistake of the user, told in one line on stderr. 1: anything else.
"""

import json
import math
import re
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from bcrlsp import __version__
from bcrlsp.errors import BcrlspError, UserError
from bcrlsp.extras import missing_dependency

if TYPE_CHECKING:
    from bcrlsp.commands.base import Outcome
    from bcrlsp.registry import Registry

_USER_MISTAKE = 2
_FAILURE = 1

_MISTAKE = re.compile(r"^bcrlsp\.errors\.(?:User|Config|Data)Error: (.+)$", re.MULTILINE)


def _commands() -> "Registry[click.Command]":
    """The registry of commands: imported when it is asked for, since it needs Spark."""
    from bcrlsp.commands.base import COMMANDS

    return COMMANDS


class _Group(click.Group):
    """The commands of the registry, imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return _commands().names()

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return _commands().get(name)


_GROUP = _Group(
    "bcrlsp",
    help="Which user gets which bonus: budget constrained reinforcement learning on Spark and Ray.",
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=lambda ctx, _, asked: _version(ctx) if asked else None,
            help="Show the version and exit.",
        )
    ],
)


def run(arguments: Sequence[str]) -> int:
    """Runs one command, as `bcrlsp` with these arguments would; returns its exit code."""
    try:
        answer = _GROUP.main(list(arguments), prog_name="bcrlsp", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as help_wanted:
        click.echo(help_wanted.format_message(), err=True)
        return _USER_MISTAKE
    except click.ClickException as mistake:
        return _told(mistake.format_message())
    except UserError as mistake:
        return _told(str(mistake))
    except ModuleNotFoundError as error:
        missing = missing_dependency(error)
        if missing is None:
            traceback.print_exc()
            return _FAILURE
        return _told(str(missing))
    except BcrlspError as failure:
        click.echo(f"bcrlsp: {failure}", err=True)
        return _FAILURE
    except (click.Abort, KeyboardInterrupt):
        click.echo("bcrlsp: interrupted; run the same command again to go on", err=True)
        return _FAILURE
    except Exception as error:
        found = _of_a_worker(error)
        if found is not None:
            return _told(found)
        traceback.print_exc()
        return _FAILURE
    if isinstance(answer, tuple):
        _show(*answer)
    return 0


def _of_a_worker(error: Exception) -> str | None:
    """The user's mistake that a Spark worker found: its one line, out of Spark's own report."""
    # By its module: a plain installation has no Spark to ask for the class.
    if not type(error).__module__.startswith("pyspark."):
        return None
    found = _MISTAKE.search(str(error))
    return None if found is None else found[1]


def main() -> None:
    """Entry point of the console script and of wheel tasks."""
    _exit(run(sys.argv[1:]))


def run_job(name: str) -> None:
    """Entry point of the scripts in jobs/: the command `name` with the script's arguments."""
    _exit(run([name, *sys.argv[1:]]))


def _exit(code: int) -> None:
    # Some cluster launchers take any SystemExit, even 0, for a failure.
    if code:
        sys.exit(code)


def _show(outcome: "Outcome", as_json: bool) -> None:
    for line in outcome.lines:
        click.echo(line)
    if as_json:
        click.echo(json.dumps(_finite(outcome.data), allow_nan=False, sort_keys=True))


def _finite(value: Any) -> Any:
    """The same with null for numbers that JSON has not: no limit, or nothing known."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _told(message: str) -> int:
    click.echo("bcrlsp: " + " ".join(message.split()), err=True)
    return _USER_MISTAKE


def _version(ctx: click.Context) -> None:
    click.echo(f"bcrlsp {__version__}")
    ctx.exit()
