"""Progress of long work: a tqdm bar where tqdm is installed, a plain line elsewhere. All on standard error."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping
from typing import Any, Literal

Verbose = Literal["auto"] | bool | int

_NAMES = {"val_loss": "validation loss", "val_accuracy": "accuracy"}


def wants_progress(verbose: Verbose) -> bool:
    """Whether to show progress; ``"auto"``: in a terminal or a notebook."""
    if verbose == "auto":
        return sys.stderr.isatty() or "ipykernel" in sys.modules
    if not isinstance(verbose, int):
        raise ValueError(f"verbose: found {verbose!r}, expected 'auto', True or False")
    return bool(verbose)


def _figures(logs: Mapping[str, float]) -> str:
    return ", ".join(f"{_NAMES.get(key, key)} {value:.4f}" for key, value in logs.items() if key != "learning_rate")


class _Counter:
    """Pictures a second up to the last one, so that a validation afterwards does not count."""

    def __init__(self, description: str, total: int) -> None:
        self.description, self.total, self.done = description, total, 0
        self.begun = self.last = time.monotonic()

    def count(self, count: int) -> None:
        self.done += count
        self.last = time.monotonic()

    def text(self, figures: str) -> str:
        rate = self.done / max(self.last - self.begun, 1e-9)
        return f"{rate:,.0f} images/s" + (f", {figures}" if figures else "")


class _Line(_Counter):
    """A line that is written over a few times a second in a terminal, and once at the end elsewhere."""

    def __init__(self, description: str, total: int) -> None:
        super().__init__(description, total)
        self.terminal = sys.stderr.isatty()
        self.shown = self.begun

    def update(self, count: int, figures: str) -> None:
        """Count pictures."""
        self.count(count)
        if self.terminal and self.last - self.shown > 0.2:
            self.shown = self.last
            self._show(figures, "")

    def close(self, figures: str) -> None:
        """Write the last state."""
        self._show(figures, "\n")

    def _show(self, figures: str, end: str) -> None:
        start = "\r\x1b[K" if self.terminal else ""
        text = f"{start}{self.description}: {self.done}/{self.total}, {self.text(figures)}"
        print(text, end=end, file=sys.stderr, flush=True)


class _Bar(_Counter):
    """The same through tqdm."""

    def __init__(self, tqdm: Any, description: str, total: int) -> None:
        super().__init__(description, total)
        layout = "{desc} {bar} {n_fmt}/{total_fmt}{postfix}"
        self.bar = tqdm(total=total, desc=description, file=sys.stderr, dynamic_ncols=True, bar_format=layout)

    def update(self, count: int, figures: str) -> None:
        """Count pictures."""
        self.count(count)
        self.bar.set_postfix_str(self.text(figures), refresh=False)
        self.bar.update(count)

    def close(self, figures: str) -> None:
        """Leave the last state."""
        self.bar.set_postfix_str(self.text(figures), refresh=False)
        self.bar.refresh()
        self.bar.close()


def open_progress(description: str, total: int) -> _Bar | _Line:
    """Return a bar or a line for ``total`` pictures, with ``update(count, figures)`` and ``close(figures)``."""
    try:
        with warnings.catch_warnings():
            # tqdm warns in notebooks without ipywidgets and then draws its plain bar, which is fine.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm
    except ImportError:
        return _Line(description, total)
    return _Bar(tqdm, description, total)


class TrainingProgress:
    """One bar or line for each epoch."""

    def __init__(self) -> None:
        self._current: _Bar | _Line | None = None
        self._shown = ""

    def start(self, epoch: int, epochs: int, images: int) -> None:
        """Begin epoch ``epoch``, counted from 0, of ``images`` pictures."""
        self._current = open_progress(f"epoch {epoch + 1}/{epochs}", images)

    def update(self, images: int, logs: Mapping[str, float]) -> None:
        """Count ``images`` more pictures."""
        if self._current is not None:
            self._shown = _figures(logs)
            self._current.update(images, self._shown)

    def finish(self, logs: Mapping[str, float]) -> None:
        """End the epoch with its figures."""
        self._shown = _figures(logs)
        self.close()

    def close(self) -> None:
        """End the training, perhaps in the middle of an epoch."""
        if self._current is not None:
            self._current.close(self._shown)
            self._current = None
