"""The last day of a certificate: its form, the days that are left, and what is said when it is over."""

from __future__ import annotations

from datetime import date
from typing import Any

SOON = 30  # days before the end from which people should prepare a calibration


def check_last_day(name: str, value: Any) -> str:
    """Return a day written as YYYY-MM-DD.

    Raises
    ------
    ValueError
        It is no such text, or there is no such day.
    """
    if isinstance(value, str):
        try:
            if date.fromisoformat(value).isoformat() == value:
                return value
        except ValueError:
            pass
    raise ValueError(f"{name}: found {str(value)[:40]!r}, expected a day as YYYY-MM-DD, such as '2027-06-30'")


def days_left(valid_until: str, today: date) -> int:
    """Return the days after today on which the certificate is still valid: 0 on its last day, less than 0 when it is over."""
    return (date.fromisoformat(valid_until) - today).days


def validity(valid_until: str, today: date) -> str:
    """Return how long a certificate is valid, as of a day: ``"valid until 2027-06-30, 12 days left"``."""
    left = days_left(valid_until, today)
    days = f"{abs(left):,} day{'s' * (abs(left) != 1)}"
    return f"valid until {valid_until}, {f'{days} left' if left > 0 else f'{days} over' if left else 'its last day'}"


def expired(valid_until: str | None, today: date) -> str:
    """Return why no part passes on a day, and what to do; empty while the certificate is valid, or valid for ever."""
    if valid_until is None or days_left(valid_until, today) >= 0:
        return ""
    return f"the certificate was valid until {valid_until}; calibrate anew, on fresh parts (gonogo calibrate)"
