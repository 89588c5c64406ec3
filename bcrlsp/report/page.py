"""From a lake to one self-contained HTML page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from bcrlsp import __version__
from bcrlsp.errors import UserError
from bcrlsp.periods import Calendar
from bcrlsp.report.header import header
from bcrlsp.report.reading import NothingToShowError, Reading
from bcrlsp.report.section import SECTIONS, Content, Plot, Section
from bcrlsp.tables import Lake
from bcrlsp.tables.unreadable import readable


@dataclass(frozen=True)
class _Shown:
    """A section and what it found: content, or one line on why there is none."""

    section: Section
    content: Content | None
    nothing: str = ""


def render(
    lake: Lake,
    calendar: Calendar,
    *,
    period: int | None,
    destination: Path,
    amounts: Sequence[float],
    source: str = "simulated market",
) -> Path:
    """Writes the report on a lake's tables as one HTML file that loads nothing from elsewhere.

    period: number of the period whose allocation is reported; None: the newest there is.
    destination: the file; its folder is made if it is not there.
    amounts: (levels,), money, face value of each bonus level; amounts[0] is 0.
    source: what the events are, in words.

    Tables are aggregated where they are; only small results come to the driver. The same tables
    give the same page. Returns `destination`. Raises DataError when `period` has no allocation or
    where a table cannot be read, and UserError when the page cannot be written; the page that was
    there stays as it is.
    """
    reading = Reading(lake, calendar, period=period, amounts=amounts, source=source)
    with readable(lake):
        head = header(reading)
        shown = [_show(reading, section) for section in _sections()]
    templates = Environment(
        loader=PackageLoader("bcrlsp.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["code"] = _code
    page = templates.get_template("page.html").render(
        head=head,
        shown=shown,
        source=source,
        versions=sorted(reading.versions.items()),
        version=__version__,
        as_json=_as_json,
        plotly=Markup(get_plotlyjs()),
        inlined=lambda name: Markup(templates.get_template(name).render()),
    )
    _write(destination, page)
    return destination


def _sections() -> list[Section]:
    held = (SECTIONS.get(name) for name in SECTIONS.names())
    return sorted(held, key=lambda section: (section.order, section.name))


def _show(reading: Reading, section: Section) -> _Shown:
    try:
        return _Shown(section, section.build(reading))
    except NothingToShowError as nothing:
        return _Shown(section, None, str(nothing))


def _as_json(plot: Plot) -> Markup:
    """JSON that may stand in a script element: no character there can end it."""
    text = json.dumps(plot, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _code(text: str) -> Markup:
    """A sentence whose `quoted` parts are code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part
        for place, part in enumerate(parts)
    )


def _write(destination: Path, page: str) -> None:
    # Beside it, then renamed: a killed run leaves the old page or the new one.
    draft = destination.with_name(f".{destination.name}.{uuid4().hex}")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_text(page, encoding="utf-8")
            draft.replace(destination)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"the page {destination} cannot be written: {error.strerror or error}; set artifacts "
            "to a folder that can be written"
        ) from error
