"""The reference has an entry for every export, and no entry for what is not there."""

import importlib
import re
from pathlib import Path

import pytest
import yaml

import bcrlsp

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page for page in (DOCS / "reference").glob("*.md") if page.stem != "index")


def entries(page: Path) -> list[str]:
    """The dotted names that a page documents."""
    return re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_just_the_exports_of_its_package(page: Path) -> None:
    package = importlib.import_module(f"bcrlsp.{page.stem}")
    names = {name.rpartition(".")[2] for name in entries(page)}
    assert all(getattr(package, name) is not None for name in names)
    if hasattr(package, "__all__"):
        assert names == set(package.__all__)


def test_every_name_of_the_front_door_has_an_entry() -> None:
    documented = {name for page in PAGES for name in entries(page)}
    for name in bcrlsp.__all__:
        if name != "__version__":
            package, _, there = bcrlsp._HOME[name].partition(":")
            assert f"{package}.{there or name}" in documented


def test_every_page_is_listed() -> None:
    index = (DOCS / "reference" / "index.md").read_text(encoding="utf-8")
    for page in PAGES:
        assert f"[{page.stem}]({page.name})" in index


def test_the_glossary_is_in_order() -> None:
    rows = re.findall(
        r"^\| ([a-z -]+) \|", (DOCS / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    head, *terms = rows
    assert head == "term"
    assert len(terms) >= 25
    assert terms == sorted(terms)


def test_the_site_is_built_strictly() -> None:
    site = yaml.safe_load((DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8"))
    assert site["strict"] is True
