"""What time it is: of the day for people, and a steady one for waiting, which no correction of the day's time moves."""

from __future__ import annotations

import datetime
import time


class Clock:
    """The clocks of this machine. Tests put others in their place."""

    def today(self) -> datetime.datetime:
        """Return the time of day with its UTC offset."""
        return datetime.datetime.now().astimezone()

    def steady(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
