"""docs/training.md names every setting of training with its default and what moving it does."""

import re
from pathlib import Path

import pytest

from bcrlsp.learning import Settings
from bcrlsp.learning.algorithms import ALGORITHMS

PAGE = Path(__file__).parent.parent.parent / "docs" / "training.md"
# At collection: a test of the recipes registers one of its own.
NAMES = ALGORITHMS.names()
_ROW = re.compile(r"^\| `(\w+)` \| `(.+?)` \| (.+?) \| (.*?) ?\|$", re.MULTILINE)


def rows(heading: str) -> dict[str, tuple[str, str, str]]:
    """Default, effect of raising, effect of lowering, by setting, under a heading."""
    sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]
    (section,) = (text for text in sections if text.splitlines()[0].endswith(heading))
    found = _ROW.findall(section)
    assert len(found) == len({name for name, *_ in found}), "a setting stands there twice"
    return {name: (default, up, down) for name, default, up, down in found}


@pytest.mark.parametrize("heading", ["All algorithms", *NAMES])
def test_every_setting_has_its_default_and_what_moving_it_does(heading: str) -> None:
    model = Settings if heading == "All algorithms" else ALGORITHMS.get(heading).options
    told = rows("All algorithms" if model is Settings else f"`{heading}`")
    defaults = {
        name: str(field.get_default(call_default_factory=True))
        for name, field in model.model_fields.items()
    }
    assert {name: default for name, (default, *_) in told.items()} == defaults
    for name, (default, up, down) in told.items():
        a_choice = up.startswith("a choice: ") or name == "options"
        assert len(up) > 5, name
        assert a_choice or len(down) > 5, (name, default)


def test_the_page_knows_no_algorithm_that_is_not_there() -> None:
    headings = re.findall(r"^## .*: `(\w+)`$", PAGE.read_text(), flags=re.MULTILINE)
    assert sorted(headings) == sorted(NAMES)
