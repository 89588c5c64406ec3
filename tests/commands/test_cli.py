"""The command line: exit codes, one line a mistake, and a script in jobs/ for each command."""

import json
import math
from pathlib import Path

import pytest

from bcrlsp import cli
from bcrlsp.commands.base import COMMANDS, Context, Outcome, command, option
from bcrlsp.errors import ConflictError, UserError

JOBS = Path(__file__).parents[2] / "jobs"


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch):
    """A command of its own that ends as it is told to."""
    COMMANDS.names()
    monkeypatch.setattr(COMMANDS, "_entries", dict(COMMANDS._entries))

    @command("probe", option("--end", default="well"))
    def probe(context: Context, end: str) -> Outcome:
        """Ends as it is told to."""
        ends = {
            "mistake": UserError("a = 1 in b: allowed: 2;\nset it"),
            "conflict": ConflictError("another run was first"),
            "defect": RuntimeError("boom"),
        }
        if end in ends:
            raise ends[end]
        return Outcome(["at home"], {"seed": context.config.seed})


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("mistake", 2, "bcrlsp: a = 1 in b: allowed: 2; set it\n"),
        ("conflict", 1, "bcrlsp: another run was first\n"),
    ],
)
def test_an_error_is_one_line(probe, capsys, end: str, code: int, said: str) -> None:
    assert cli.run(["probe", "--end", end]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", said)


def test_a_defect_shows_its_traceback(probe, capsys) -> None:
    assert cli.run(["probe", "--end", "defect"]) == 1
    assert "RuntimeError: boom" in capsys.readouterr().err


def test_json_is_the_last_line(probe, capsys) -> None:
    assert cli.run(["probe", "--json", "--set", "seed=7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "at home"
    assert json.loads(lines[-1]) == {"seed": 7}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "unknown command 'nope'; allowed: "),
        (["probe", "--nope"], "No such option"),
        (["probe", "--set", "sed=1"], "unknown setting sed"),
        (["probe", "--config", "none.yaml"], "cannot read the settings none.yaml"),
        # Before Spark starts: the line stands alone.
        (["ingest", "nosuch"], "unknown event source 'nosuch'; allowed: "),
        (["ingest", "tables"], "events.sources.tables.activity is missing"),
    ],
)
def test_a_wrong_call_ends_with_2_and_one_line(probe, capsys, arguments, said) -> None:
    assert cli.run(arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_help_and_version_end_with_0(capsys) -> None:
    assert cli.run(["--help"]) == 0
    assert cli.run(["--version"]) == 0
    assert "bcrlsp 0" in capsys.readouterr().out


def test_every_command_has_its_job() -> None:
    scripts = {path.stem: path.read_text() for path in JOBS.glob("*.py")}
    assert sorted(scripts) == sorted(name.replace("-", "_") for name in COMMANDS.names())
    for stem, text in scripts.items():
        assert f'run_job("{stem.replace("_", "-")}")' in text


def test_what_json_has_no_number_for_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    held = {"limits": {"total": math.inf}, "what_if": [{"value": math.nan}, 1.5], "users": 3}
    cli._show(Outcome([], held), as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "limits": {"total": None}, "what_if": [{"value": None}, 1.5], "users": 3
    }  # fmt: skip
