"""`train` tells a mistake of its settings before it starts Spark."""

import pytest

from bcrlsp import session
from bcrlsp.commands.base import Context
from bcrlsp.commands.train import train_policy
from bcrlsp.config import load_config
from bcrlsp.errors import ConfigError


@pytest.mark.parametrize(
    ("algorithm", "overrides", "message"),
    [
        ("magic", (), "unknown algorithm 'magic'; allowed: advantage"),
        ("cql", ("training.options.alpha=-1",), r"options\.alpha = -1 of the algorithm cql"),
        (None, ("training.head=tall",), "unknown head 'tall'"),
    ],
)
def test_a_mistake_is_told_without_spark(
    monkeypatch: pytest.MonkeyPatch, algorithm: str | None, overrides: tuple[str], message: str
) -> None:
    monkeypatch.setattr(session, "get_session", lambda *_: pytest.fail("Spark was started"))
    with pytest.raises(ConfigError, match=message):
        train_policy(Context(load_config(None, overrides)), algorithm)
