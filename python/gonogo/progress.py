"""Progress of long work: a tqdm bar where tqdm is installed, a plain line elsewhere. All on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, Literal

Verbose = Literal["auto"] | bool | int


def wants_progress(verbose: Verbose) -> bool:
    """Whether to show progress; ``"auto"``: in a terminal or a notebook."""
    if verbose == "auto":
        return sys.stderr.isatty() or "ipykernel" in sys.modules
    if isinstance(verbose, str):
        raise ValueError(f"verbose: found {verbose!r}, expected 'auto', True or False")
    return bool(verbose)


def _figures(logs: Mapping[str, float]) -> str:
    names = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}
    return ", ".join(f"{names.get(key, key)} {value:.4f}" for key, value in logs.items() if key != "learning_rate")


class _Line:
    """A line that is written over a few times a second in a terminal, and once at the end elsewhere."""

    def __init__(self, description: str, total: int) -> None:
        self.description, self.total, self.done = description, total, 0
        self.begun = self.shown = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def text(self, figures: str) -> str:
        rate = self.done / max(time.monotonic() - self.begun, 1e-9)
        return f"{self.description}: {self.done}/{self.total}, {rate:,.0f} images/s" + (f", {figures}" if figures else "")

    def update(self, count: int, figures: str) -> None:
        self.done += count
        if self.terminal and time.monotonic() - self.shown > 0.2:
            self.shown = time.monotonic()
            print(f"\r\x1b[K{self.text(figures)}", end="", file=sys.stderr, flush=True)

    def close(self, figures: str) -> None:
        print(("\r\x1b[K" if self.terminal else "") + self.text(figures), file=sys.stderr, flush=True)


class _Bar:
    """The same through tqdm."""

    def __init__(self, tqdm: Any, description: str, total: int) -> None:
        self.bar = tqdm(total=total, desc=description, unit=" images", file=sys.stderr, leave=True)

    def update(self, count: int, figures: str) -> None:
        self.bar.set_postfix_str(figures, refresh=False)
        self.bar.update(count)

    def close(self, figures: str) -> None:
        self.bar.set_postfix_str(figures)
        self.bar.close()


def open_progress(description: str, total: int) -> _Bar | _Line:
    """Return a bar or a line for ``total`` pictures, with ``update(count, figures)`` and ``close(figures)``."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Line(description, total)
    return _Bar(tqdm, description, total)


class TrainingProgress:
    """One bar or line for each epoch."""

    def __init__(self) -> None:
        self.current: _Bar | _Line | None = None

    def start(self, epoch: int, epochs: int, images: int) -> None:
        """Begin an epoch, counted from 0."""
        self.current = open_progress(f"epoch {epoch + 1}/{epochs}", images)

    def update(self, images: int, logs: Mapping[str, float]) -> None:
        """Count pictures."""
        if self.current is not None:
            self.current.update(images, _figures(logs))

    def finish(self, logs: Mapping[str, float]) -> None:
        """End the epoch with its figures."""
        if self.current is not None:
            self.current.close(_figures(logs))
            self.current = None
