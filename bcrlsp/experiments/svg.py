"""Plain SVG: one chart area with axes, as text. No dependency, and the same file every time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

INK, FAINT, GRID = "#1f2933", "#61707f", "#e4e8ec"
COLOURS = ("#0b6e99", "#c8553d", "#5b8c5a", "#8a6fb0", "#b8860b", "#444444")
FONT = "font-family='system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif'"


@dataclass(frozen=True)
class Axis:
    """One axis: its range, its ticks and how a tick is written.

    log: whether distances are of logarithms; low is then above 0.
    """

    title: str
    low: float
    high: float
    ticks: Sequence[float]
    write: Callable[[float], str]
    log: bool = False

    def part(self, value: float) -> float:
        """Place of a value along the axis, 0 to 1."""
        low, high, at = (self.low, self.high, value)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        # A range of one value, as of a sweep that has just begun, is all in the middle.
        return (at - low) / (high - low) if high > low else 0.5


@dataclass
class Chart:
    """A chart under construction.

    width, height: pixels. left, right, top, bottom: margins around the plot area.
    """

    title: str
    width: int = 760
    height: int = 420
    left: int = 70
    right: int = 200
    top: int = 50
    bottom: int = 55
    _parts: list[str] = field(default_factory=list)

    def x(self, axis: Axis, value: float) -> float:
        """Pixel of a value on the horizontal axis."""
        return self.left + axis.part(value) * (self.width - self.left - self.right)

    def y(self, axis: Axis, value: float) -> float:
        """Pixel of a value on the vertical axis."""
        return self.height - self.bottom - axis.part(value) * self._tall

    @property
    def _tall(self) -> float:
        return self.height - self.top - self.bottom

    def horizontal(self, axis: Axis) -> None:
        """Draws the horizontal axis with its grid."""
        for tick in axis.ticks:
            at = self.x(axis, tick)
            self.line([(at, self.top), (at, self.height - self.bottom)], GRID, 1)
            self.text(at, self.height - self.bottom + 18, axis.write(tick), FAINT, "middle", 12)
        middle = (self.left + self.width - self.right) / 2
        self.text(middle, self.height - 12, axis.title, INK, "middle", 13)

    def vertical(self, axis: Axis) -> None:
        """Draws the vertical axis with its grid; its title stands above it."""
        for tick in axis.ticks:
            at = self.y(axis, tick)
            self.line([(self.left, at), (self.width - self.right, at)], GRID, 1)
            self.text(self.left - 8, at + 4, axis.write(tick), FAINT, "end", 12)
        self.text(8, self.top - 10, axis.title, FAINT, "start", 12)

    def line(
        self, points: Sequence[tuple[float, float]], colour: str, width: float, dashed: bool = False
    ) -> None:
        """A line through pixels."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = " stroke-dasharray='5 4'" if dashed else ""
        self._parts.append(
            f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='{width}'"
            f" stroke-linejoin='round'{dash}/>"
        )

    def band(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        """A faint area around pixels."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f"<polygon points='{path}' fill='{colour}' opacity='0.14'/>")

    def dot(self, x: float, y: float, colour: str) -> None:
        """A point."""
        self._parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='4.5' fill='{colour}'/>")

    def text(
        self, x: float, y: float, text: str, colour: str, anchor: str = "start", size: int = 13
    ) -> None:
        """A line of text."""
        self._parts.append(
            f"<text x='{x:.1f}' y='{y:.1f}' fill='{colour}' text-anchor='{anchor}' "
            f"font-size='{size}'>{escape(text)}</text>"
        )

    def render(self) -> str:
        """The whole file."""
        head = (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width} {self.height}' "
            f"width='{self.width}' height='{self.height}' role='img' {FONT}>"
            f"<title>{escape(self.title)}</title>"
            f"<rect width='100%' height='100%' fill='white'/>"
            f"<text x='8' y='22' fill='{INK}' font-size='16' font-weight='600'>"
            f"{escape(self.title)}</text>"
        )
        return "\n".join([head, *self._parts, "</svg>"]) + "\n"


def spread(places: Sequence[float], apart: float) -> list[float]:
    """Places moved so that they are at least so far apart, in the same order, little moved."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = list(places)
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + apart)
    shift = sum(places[i] - moved[i] for i in order) / max(len(order), 1)
    return [place + shift for place in moved]


def nice_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that cover a range, the first and last at or outside its ends."""
    raw = (high - low or 1.0) / about
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 5, 10) if m * magnitude >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, last + 1)]
