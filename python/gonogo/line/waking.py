"""Pauses that end as soon as something comes into a folder: a hint, never the truth, which is the listing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gonogo.line.clock import Clock

_LEAST = 0.02  # seconds: a file that is written on and on gives one hint after the other


class WakefulClock(Clock):
    """The clocks of this machine; ``sleep`` returns early when the file system tells of a change in a folder.

    Needs ``watchfiles`` (extra ``serve``). Without it, and where the system has no such hints or the folder is not there, it
    sleeps as long as it is told. Events that are lost, as on network shares, cost nothing but that.

    Parameters
    ----------
    folder : pathlib.Path
        Which is looked at after each pause.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hints: Iterator[object] | None = None
        self._milliseconds = 0

    def sleep(self, seconds: float) -> None:
        """Wait, or until something comes."""
        end = self.steady() + seconds
        super().sleep(min(seconds, _LEAST))
        milliseconds = round((seconds - _LEAST) * 1000)
        if milliseconds > 0 and not self._is_told(milliseconds):
            super().sleep(max(0.0, end - self.steady()))

    def _is_told(self, milliseconds: int) -> bool:
        """Wait for a hint; False where none can be had, True after one or when the time is over."""
        try:
            from watchfiles import watch
        except ImportError:
            return False
        try:
            if self._hints is None or self._milliseconds != milliseconds:
                self._milliseconds = milliseconds
                self._hints = watch(
                    self._folder,
                    watch_filter=None,
                    debounce=50,
                    step=25,
                    rust_timeout=milliseconds,
                    yield_on_timeout=True,
                    force_polling=False,
                    recursive=False,
                )
            next(self._hints)
        except (OSError, StopIteration):  # no such folder, or no more watches left on this machine
            self._hints = None
            return False
        return True
