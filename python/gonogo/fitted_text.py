"""Text that keeps within its place however a figure is laid out or resized."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@cache
def _fitted_text() -> Any:
    """Return the class, made at its first use: matplotlib is imported where it is used."""
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    class FittedText(Text):
        """Text as large as its place allows, decided anew at each drawing.

        Parameters
        ----------
        x, y, text
            As for :class:`matplotlib.text.Text`.
        place : (float, float)
            Width and height that it may fill, in units of the axes' data.
        largest : float
            Points, at most.
        **style
            As for :class:`matplotlib.text.Text`.
        """

        def __init__(
            self, x: float, y: float, text: str, *, place: tuple[float, float], largest: float, **style: Any
        ) -> None:
            super().__init__(x, y, text, fontsize=largest, clip_on=False, **style)
            self.place = place
            self.largest = largest
            self.companions: Sequence[FittedText] = (self,)
            self._extent: tuple[float, float] | None = None  # width and height in inches of one point of size

        def possible(self) -> float:
            """Return the size in points at which this text alone would fill its place."""
            axes: Any = self.axes
            dpi = axes.figure.canvas.figure.dpi
            if self._extent is None:
                box, inch = super().get_window_extent(), dpi * float(self.get_fontsize())
                self._extent = box.width / inch, box.height / inch
            (x0, y0), (x1, y1) = axes.transData.transform([(0, 0), self.place])
            wide, high = abs(x1 - x0) / dpi, abs(y1 - y0) / dpi
            return float(min(self.largest, wide / self._extent[0], high / self._extent[1]))

        def _fit(self) -> None:
            size = min(text.possible() for text in self.companions)
            if size != self.get_fontsize():  # a text that was set anew asks to be drawn again
                self.set_fontsize(size)

        def get_window_extent(self, renderer: Any = None, dpi: float | None = None) -> Bbox:
            """Return the box of the fitted text."""
            self._fit()
            return super().get_window_extent(renderer, dpi)

        def draw(self, renderer: Any) -> None:
            """Draw the fitted text."""
            self._fit()
            super().draw(renderer)

    FittedText.__module__, FittedText.__qualname__ = __name__, "FittedText"  # found below, also by pickle
    return FittedText


def __getattr__(name: str) -> Any:
    if name == "FittedText":
        return _fitted_text()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def write_fitted(ax: Axes, texts: Sequence[Any]) -> None:
    """Add texts to axes; all get the size at which none of them leaves its place."""
    for text in texts:
        text.companions = texts
        ax.add_artist(text)
