"""A page as its reader sees it: headlines, tables, plots, and what it would load."""

import json
from html.parser import HTMLParser
from pathlib import Path

# Attributes by which an element has something fetched.
_LOADING = {"src", "href", "srcset", "poster", "data", "action", "xlink:href"}
_VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """text: {place: words}, by section id or the tag header, footer, aside.

    headlines: {section: figure}. tables: {section: list of tables, each a list of rows}.
    plots: {section: Plotly JSON}. loads: (tag, attribute, value) of what has an address.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: dict[str, str] = {}
        self.headlines: dict[str, str] = {}
        self.tables: dict[str, list[list[list[str]]]] = {}
        self.plots: dict[str, dict] = {}
        self.loads: list[tuple[str, str, str]] = []
        self.meta: dict[str, str] = {}
        self._path: list[tuple[str, dict]] = []
        self._cell: list[str] | None = None
        self.feed(html)
        assert not self._path, f"elements left open: {self._path}"

    @classmethod
    def of(cls, path: Path) -> "Page":
        return cls(path.read_text(encoding="utf-8"))

    def figures(self, section: str) -> dict[str, dict[str, str]]:
        """The section's first table: {first cell: {column: cell}}."""
        head, *rows = self.tables[section][0]
        return {row[0]: dict(zip(head, row, strict=True)) for row in rows}

    def handle_starttag(self, tag, attrs) -> None:
        held = dict(attrs)
        self.loads += [(tag, name, held[name] or "") for name in _LOADING & held.keys()]
        if tag == "meta" and "http-equiv" in held:
            self.meta[held["http-equiv"]] = held["content"]
        if tag in _VOID:
            return
        self._path.append((tag, held))
        if tag == "table":
            self.tables.setdefault(self._place(), []).append([])
        if tag == "tr":
            self.tables[self._place()][-1].append([])
        if tag in ("td", "th"):
            self._cell = []

    def handle_endtag(self, tag) -> None:
        assert self._path[-1][0] == tag, f"</{tag}> closes {self._path[-1]}"
        self._path.pop()
        if tag in ("td", "th"):
            self.tables[self._place()][-1][-1].append(" ".join("".join(self._cell).split()))
            self._cell = None

    def handle_data(self, data) -> None:
        inside = [tag for tag, _ in self._path]
        if "style" in inside:
            return
        if "script" in inside:
            if self._path[-1][1].get("type") == "application/json":
                self.plots[self._place()] = json.loads(data)
            return
        place = self._place()
        if self._cell is not None:
            self._cell.append(data)
        words = " ".join(data.split())
        if words:
            self.text[place] = f"{self.text.get(place, '')} {words}".strip()
        if inside[-1:] == ["b"] and ("section" in inside):
            self.headlines[place] = words

    def _place(self) -> str:
        for tag, held in reversed(self._path):
            if tag == "section":
                return held["id"]
            if tag in ("header", "footer", "aside", "nav"):
                return tag
        return "page"
