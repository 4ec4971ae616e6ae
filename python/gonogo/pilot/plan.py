"""The plan of a trial: bad parts, parts and months that it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gonogo.checks import check_integer, check_number
from gonogo.pilot.e_process import Trial
from gonogo.pilot.operating import OperatingCharacteristic, operating_characteristic

# A trial of more bad parts takes decades everywhere.
_LARGEST = 100_000
# The table's rates, as multiples of the one on trial.
_MULTIPLES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)


@dataclass(frozen=True)
class Duration:
    """What a number of bad parts costs.

    Attributes
    ----------
    bad_parts, parts : int
        ``parts`` is how many must be inspected until, on average, so many are bad.
    months : float or None
        Of production; None where the parts per day are unknown.
    """

    bad_parts: int
    parts: int
    months: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return {"bad_parts": self.bad_parts, "parts": self.parts, "months": self.months}


@dataclass(frozen=True)
class Plan:
    """Result of :func:`plan_trial`.

    Attributes
    ----------
    trial : Trial
        The promise.
    least : list of Duration
        What a certificate takes with 0, 1 and 2 escapes.
    needed : dict of float -> tuple of (Duration or None, Duration or None)
        For each expected escape rate: certified with a probability of one half, and of ``power``, by then; None: later than
        the planned end.
    power : float
    end : Duration
        Planned end.
    characteristic : OperatingCharacteristic
        Of the trial with this end.
    """

    trial: Trial
    least: list[Duration]
    needed: dict[float, tuple[Duration | None, Duration | None]]
    power: float
    end: Duration
    characteristic: OperatingCharacteristic

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as numbers, lists and dicts."""
        made = self.characteristic
        rows = zip(made.true_escape, made.certified, made.failed, made.not_shown, strict=True)
        names = ("true_escape", "certified", "failed", "not_shown")
        return {
            "max_escape": self.trial.max_escape,
            "confidence": self.trial.confidence,
            "power": self.power,
            **self.end.to_dict(),
            "least": [{"escapes": k, **duration.to_dict()} for k, duration in enumerate(self.least)],
            "needed": [
                {
                    "true_escape": rate,
                    "half": None if half is None else half.to_dict(),
                    "power": None if powered is None else powered.to_dict(),
                }
                for rate, (half, powered) in self.needed.items()
            ],
            "operating_characteristic": [dict(zip(names, map(float, row), strict=True)) for row in rows],
        }


def plan_trial(
    trial: Trial,
    *,
    bad_share: float,
    true_escape: Sequence[float] = (0.002,),
    power: float = 0.9,
    bad_parts: int | None = None,
    parts_per_day: float | None = None,
    days_per_month: float = 21.0,
) -> Plan:
    """Return what a trial takes.

    Parameters
    ----------
    trial : Trial
        The promise.
    bad_share : float
        Expected share of bad parts in production.
    true_escape : sequence of float
        Escape rates that the model may have; at least one below ``trial.max_escape`` unless ``bad_parts`` is given.
    power : float
        Probability with which the largest of these rates below ``trial.max_escape`` shall be certified by the planned end.
    bad_parts : int, optional
        Planned end; None: the number that ``power`` asks for.
    parts_per_day : float, optional
        Inspected parts; None: no months are told.
    days_per_month : float
        Days of production.

    Raises
    ------
    ValueError
        A number outside its range, no rate below ``trial.max_escape``, or a rate so close to it that no trial ends.
    """
    for name, value in (("bad_share", bad_share), ("power", power), *(("true_escape", rate) for rate in true_escape)):
        if check_number(name, value, "a number between 0 and 1", above=0.0) >= 1.0:
            raise ValueError(f"{name}: found {value}, expected a number between 0 and 1")
    for name, days in (("parts_per_day", parts_per_day), ("days_per_month", days_per_month)):
        if days is not None:
            check_number(name, days, "a finite number above 0", above=0.0)
    rates = sorted(set(true_escape))
    last = _end(trial, rates, power) if bad_parts is None else check_integer("bad_parts", bad_parts, 1)

    def cost(bad: int | None) -> Duration | None:
        return None if bad is None else duration(bad)

    def duration(bad: int) -> Duration:
        parts = math.ceil(bad / bad_share)
        months = None if parts_per_day is None else parts / (parts_per_day * days_per_month)
        return Duration(bad, parts, months)

    # Rounded, so that 3 times 0.01 and a given 0.03 are one row.
    multiples = {round(share * trial.max_escape, 12) for share in _MULTIPLES}
    shown = sorted({share for share in multiples if share < 1.0} | set(rates))
    made = operating_characteristic(trial, shown, last)
    needed = {}
    for rate, half, powered in zip(shown, made.needed(0.5), made.needed(power), strict=True):
        if rate in rates:
            needed[rate] = (cost(half), cost(powered))
    least = [duration(trial.certified_at(k)) for k in range(3)]
    return Plan(trial, least, needed, power, duration(last), made)


def _end(trial: Trial, rates: Sequence[float], power: float) -> int:
    """Return the number of bad parts by which the largest rate below the one on trial is certified with this power."""
    below = [rate for rate in rates if rate < trial.max_escape]
    if not below:
        found = ", ".join(map(str, rates)) or "none"
        expected = f"at least one below max_escape ({trial.max_escape}), or bad_parts"
        raise ValueError(f"true_escape: found {found}, expected {expected}")
    last = 2 * trial.certified_at(0)
    while last <= _LARGEST:
        (bad_parts,) = operating_characteristic(trial, below[-1:], last).needed(power)
        if bad_parts is not None:
            return bad_parts
        last *= 2
    raise ValueError(
        f"true_escape: {below[-1]} is too close to max_escape ({trial.max_escape}): a trial of {_LARGEST:,} bad parts "
        f"would not certify it with probability {power}; expect a lower rate, or plan with bad_parts"
    )
