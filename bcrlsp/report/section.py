"""A section of the report: one question, one headline figure, one plot, and the figures behind.

A section is one module of `bcrlsp.report.sections` that declares a function with `section`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bcrlsp.registry import Registry
from bcrlsp.report.reading import Reading

Plot = dict[str, Any]
"""A Plotly figure as JSON: its "data" and "layout"."""


@dataclass(frozen=True)
class Grid:
    """The figures behind a plot, as text.

    columns: the heads; columns from `numbers_from` on hold numbers and are set to the right.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    numbers_from: int = 1


@dataclass(frozen=True)
class Content:
    """What a section found.

    headline: the figure that answers the question; caption: what that figure is, a sentence.
    plot: with `plot_says`, one sentence for those who cannot see it. grids: the figures behind.
    notes: what a reader has to know to read it right; warnings: what puts the answer in doubt.
    """

    headline: str
    caption: str
    plot: Plot | None = None
    plot_says: str = ""
    grids: Sequence[Grid] = ()
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """order: place on the page, ascending. build: raises NothingToShowError: nothing to show."""

    name: str
    title: str
    question: str
    order: int
    build: Callable[[Reading], Content] = field(repr=False)


SECTIONS: Registry[Section] = Registry(
    "report section", "bcrlsp.report.sections", "bcrlsp.report_sections"
)


def section(
    name: str, *, title: str, question: str, order: int
) -> Callable[[Callable[[Reading], Content]], Callable[[Reading], Content]]:
    """Declares a function as the section `name`, which is also its anchor on the page."""

    def declare(build: Callable[[Reading], Content]) -> Callable[[Reading], Content]:
        SECTIONS.register(name)(Section(name, title, question, order, build))
        return build

    return declare
