"""How a line sorts: every setting, checked before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from gonogo.checks import check_integer, check_number

SUBFOLDERS = ("none", "day")
SEPARATORS = (",", ";", "\t")
DECIMALS = (".", ",")
ON_ALARM = ("log", "review", "stop")
DRIFT_RUN_LEAST = 100  # parts; shorter ones are no rare events


@dataclass(frozen=True)
class Configuration:
    """Settings of a line.

    Parameters
    ----------
    settle_ms : int
        For so many milliseconds size and time of a file must stay as they are before it is looked at.
    max_wait : float
        After so many seconds without change a picture that is not complete goes to QUARANTINE.
    batch : int
        Pictures that share the work of bringing things to the disk.
    part_pattern : str, optional
        Regular expression with a group ``(?P<part>...)``, and ``(?P<view>...)`` if views have names, that matches the whole
        name of a file. None: every picture is a part.
    views : int
        Pictures of a part.
    part_timeout : float
        After so many seconds a part whose pictures did not all come goes to REVIEW.
    accept_unproven : bool
        Whether a valid picture that cannot be proven complete (a progressive JPEG, a BMP that ends in zeros) is decided on;
        otherwise it goes to REVIEW.
    frozen_after : int
        So many pictures with the same bytes in a row are a frozen camera: REVIEW and an alarm. 0: never.
    audit_share : float
        Share of passed parts that are marked for people to look at.
    subfolders : {"none", "day"}
        Whether class folders get a folder for each day.
    self_test_hours : float
        A line that watches has the model compute the pictures in its file again after so many hours; 0: only at the start.
    reserve_mb : int
        With less room (in MB) on a disk nothing is taken from the inbox.
    csv_separator, csv_decimal : str
        Of ``decisions.csv``.
    on_alarm : {"log", "review", "stop"}
        What follows where drift is noticed, until a person acknowledges it: only rows and messages; every part goes to REVIEW;
        or parts in hand go to REVIEW and the sorter ends.
    drift_run_length : int
        Parts between two false alarms, at least, on average. 0: drift is not watched for.
    bad_share : float, optional
        Share of bad parts, at most; a larger share of rejects than it explains is drift. None: that of the certificate, and
        without one rejects are not watched.

    Raises
    ------
    ValueError
        Naming the setting, what was found and what was expected.
    """

    settle_ms: int = 500
    max_wait: float = 30.0
    batch: int = 64
    part_pattern: str | None = None
    views: int = 1
    part_timeout: float = 30.0
    accept_unproven: bool = False
    frozen_after: int = 10
    audit_share: float = 0.0
    subfolders: Literal["none", "day"] = "none"
    self_test_hours: float = 24.0
    reserve_mb: int = 64
    csv_separator: str = ","
    csv_decimal: str = "."
    on_alarm: Literal["log", "review", "stop"] = "log"
    drift_run_length: int = 1_000_000
    bad_share: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("settle_ms", 0), ("batch", 1), ("views", 1), ("frozen_after", 0), ("reserve_mb", 0)):
            check_integer(name, getattr(self, name), least)
        for name in ("max_wait", "part_timeout"):
            check_number(name, getattr(self, name), "seconds, 0 or more", least=0)
        check_number("self_test_hours", self.self_test_hours, "hours, 0 or more", least=0)
        if check_number("audit_share", self.audit_share, "a share from 0 to 1", least=0) > 1:
            raise ValueError(f"audit_share: found {self.audit_share!r}, expected a share from 0 to 1")
        if self.frozen_after == 1:
            raise ValueError("frozen_after: found 1, expected 2 or more pictures, or 0 for never")
        if self.bad_share is not None and not 0 < check_number("bad_share", self.bad_share, "a share", above=0) < 1:
            raise ValueError(f"bad_share: found {self.bad_share!r}, expected a share between 0 and 1, such as 0.02")
        check_integer("drift_run_length", self.drift_run_length, 0)
        if 0 < self.drift_run_length < DRIFT_RUN_LEAST:
            found = f"drift_run_length: found {self.drift_run_length}"
            raise ValueError(f"{found}, expected {DRIFT_RUN_LEAST} parts or more, or 0 for never")
        for name, choices in (
            ("subfolders", SUBFOLDERS),
            ("csv_separator", SEPARATORS),
            ("csv_decimal", DECIMALS),
            ("on_alarm", ON_ALARM),
        ):
            if getattr(self, name) not in choices:
                found = f"{name}: found {getattr(self, name)!r}"
                raise ValueError(f"{found}, expected one of {', '.join(map(repr, choices))}")
        if self.csv_separator == self.csv_decimal:
            raise ValueError("csv_separator: found the sign of csv_decimal, expected another, such as ';'")
        if self.part_pattern is None and self.views > 1:
            raise ValueError(f"views: found {self.views} without part_pattern, which says to which part a file belongs")
        if self.part_pattern is not None and "part" not in self.pattern_groups:
            raise ValueError(f"part_pattern: found {self.part_pattern!r}, expected a group such as (?P<part>[^_]+)")

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """The compiled ``part_pattern``."""
        try:
            return None if self.part_pattern is None else re.compile(self.part_pattern)
        except re.error as error:
            raise ValueError(f"part_pattern: found {self.part_pattern!r}, no regular expression: {error}") from None

    @property
    def pattern_groups(self) -> frozenset[str]:
        """Names of the groups of ``part_pattern``."""
        return frozenset() if self.pattern is None else frozenset(self.pattern.groupindex)


@dataclass(frozen=True)
class Places:
    """Where a line works.

    Attributes
    ----------
    inbox : pathlib.Path
        Where pictures come in.
    out : pathlib.Path
        Holds the class folders and all that gonogo keeps.
    work : pathlib.Path
        Claimed pictures, on the inbox's file system.
    journal : pathlib.Path
        The database.
    """

    inbox: Path
    out: Path
    work: Path
    journal: Path

    @property
    def csv(self) -> Path:
        """The table of decisions."""
        return table_of(self.out)


def configuration_of(start: Mapping[str, Any] | None) -> Configuration:
    """Return the settings that a START row tells of, as far as it does; None: no row."""
    settings = {} if start is None else start.get("settings", {})
    known = Configuration.__dataclass_fields__
    return Configuration(**{name: value for name, value in settings.items() if name in known})


def table_of(out: Path) -> Path:
    """Return where the table of decisions of an output is."""
    return out / "decisions.csv"


def journal_of(out: Path) -> Path:
    """Return where the journal of an output is kept unless another place is named."""
    return out / ".gonogo" / "journal.db"


def check_places(inbox: Path, out: Path) -> None:
    """Refuse a missing inbox (``FileNotFoundError``), and an output that is it, holds it or lies in it (``ValueError``)."""
    if not inbox.is_dir():
        raise FileNotFoundError(f"INBOX: found no folder {inbox}; make it, or name the one that pictures come into")
    ours, theirs = inbox.resolve(), out.resolve()
    if ours == theirs or ours in theirs.parents or theirs in ours.parents:
        raise ValueError(f"OUT: found {out}, which holds INBOX {inbox}, lies in it or is it; name two separate folders")
    if out.exists() and not out.is_dir():
        raise ValueError(f"OUT: found a file {out}, expected a folder")
