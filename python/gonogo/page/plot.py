"""What charts are drawn on: axes, words, the frame of an SVG. Lengths are in units of the drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gonogo.page.frame import text

INK, GRID = "#222", "#d9d9d9"
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 46  # margins around the plot, for ticks and names of axes
_FONT = 13


@dataclass(frozen=True)
class Axis:
    """What is along an axis, and from where to where."""

    name: str
    low: float
    high: float

    def ticks(self, about: int = 5) -> list[float]:
        """Return round numbers within the axis, 1, 2 or 5 times a power of ten apart."""
        span = self.high - self.low
        rough = span / about
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(k * step, 12) for k in range(first, last + 1)]


class Plot:
    """Axes that turn figures into places of the drawing."""

    def __init__(self, x: Axis, y: Axis, width: int, height: int, top: int = TOP) -> None:
        self.x, self.y, self.width, self.height, self.top = x, y, width, height, top

    @property
    def right(self) -> int:
        """Where the plot ends."""
        return self.width - RIGHT

    @property
    def bottom(self) -> int:
        """Where the plot ends, downwards."""
        return self.height - BOTTOM

    def across(self, value: float) -> float:
        """Return the place of a value of x."""
        return LEFT + (value - self.x.low) / (self.x.high - self.x.low) * (self.right - LEFT)

    def up(self, value: float) -> float:
        """Return the place of a value of y."""
        return self.bottom - (value - self.y.low) / (self.y.high - self.y.low) * (self.bottom - self.top)

    def axes(self, ticks: Sequence[tuple[float, str]], below: Sequence[tuple[float, str]] | None = None) -> str:
        """Grid, ticks and names; ticks of y are given with their texts, those of x where they are not round numbers."""
        lines, words = [], []
        for value, shown in [(value, f"{value:g}") for value in self.x.ticks()] if below is None else below:
            at = self.across(value)
            lines.append(f"M{at:.1f} {self.top}V{self.bottom}" if below is None else "")
            words.append(words_at(at, self.bottom + 17, shown, "middle"))
        for value, shown in ticks:
            at = self.up(value)
            lines.append(f"M{LEFT} {at:.1f}H{self.right}")
            words.append(words_at(LEFT - 6, at + 4.5, shown, "end"))
        middle = (self.top + self.bottom) / 2
        names = words_at((LEFT + self.right) / 2, self.height - 8, self.x.name, "middle")
        names += (
            f'<text x="13" y="{middle:.1f}" text-anchor="middle" transform="rotate(-90 13 {middle:.1f})">'
            f"{text(self.y.name)}</text>"
        )
        frame = f'<path d="M{LEFT} {self.top}V{self.bottom}H{self.right}" stroke="{INK}" fill="none"/>'
        return f'<path d="{"".join(lines)}" stroke="{GRID}" fill="none"/>{frame}{"".join(words)}{names}'


def words_at(a: float, b: float, words: str, anchor: str, *, halo: bool = False) -> str:
    """Return a text at a place; ``anchor`` is start, middle or end, and a halo keeps it readable above lines."""
    around = ' stroke="#fff" stroke-width="4" paint-order="stroke"' if halo else ""
    return f'<text x="{a:.1f}" y="{b:.1f}" text-anchor="{anchor}"{around}>{text(words)}</text>'


def svg(width: int, height: int, title: str, inside: str) -> str:
    """Return a drawing; its title is for those who cannot see it."""
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{text(title)}" font-size="{_FONT}" fill="{INK}">'
        f"{inside}</svg>"
    )
