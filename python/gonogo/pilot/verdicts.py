"""Verdicts of people about parts, and what they say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

COLUMNS = ("part", "model_passed", "verdict", "reviewer")

_PASSED = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_BAD = {"bad": True, "good": False}


@dataclass(frozen=True)
class Verdict:
    """What one person said of one part without seeing the model's answer.

    Attributes
    ----------
    part : str
        Name of the physical part.
    model_passed : bool
        Whether the model called it PASS.
    bad : bool
        What the person said.
    reviewer : str
        Who.
    time : datetime or None
        When.
    reference_bad : bool or None
        What a better examination found, such as a measurement, where there was one.
    line : int
        In the table, for messages.
    """

    part: str
    model_passed: bool
    bad: bool
    reviewer: str
    time: datetime | None = None
    reference_bad: bool | None = None
    line: int = 0


@dataclass(frozen=True)
class Part:
    """One part with all that was said of it.

    Attributes
    ----------
    name : str
    model_passed : bool
    said : dict of str -> bool
        Reviewer -> bad.
    reference_bad : bool or None
    time : datetime or None
        The last verdict.
    """

    name: str
    model_passed: bool
    said: dict[str, bool]
    reference_bad: bool | None
    time: datetime | None

    @property
    def bad(self) -> bool | None:
        """The reference where there is one, else what more than half of the people say; None: disputed."""
        return self.reference_bad if self.reference_bad is not None else majority(self.said.values())

    def bad_without(self, reviewer: str) -> bool | None:
        """The reference, else what more than half of at least two *other* people say; None where there is neither."""
        if self.reference_bad is not None:
            return self.reference_bad
        others = [bad for name, bad in self.said.items() if name != reviewer]
        return majority(others) if len(others) >= 2 else None


def majority(said: Iterable[bool]) -> bool | None:
    """Return what more than half say, None where there is no such thing."""
    counts = Counter(said)
    return None if counts[True] == counts[False] else counts[True] > counts[False]


def verdicts_from_rows(rows: Iterable[tuple[int, Mapping[str, str]]], source: str) -> list[Verdict]:
    """Return the verdicts of a table.

    Parameters
    ----------
    rows : iterable of (int, mapping)
        Line number, and the texts of the columns ``part``, ``model_passed`` (true/false, yes/no, 1/0), ``verdict``
        (good/bad), ``reviewer`` and, where the table has them, ``time`` (ISO 8601) and ``reference`` (good/bad, or empty
        where there was no better examination). Others are left alone. Capitals do not matter in the answers.
    source : str
        Name of the table, for messages.

    Raises
    ------
    ValueError
        A value that is none of these, naming table and line.
    """
    verdicts = []
    for line, row in rows:
        where = f"{source}, line {line}"
        for name in ("part", "reviewer"):
            if not row[name].strip():
                raise ValueError(f"{where}: {name}: found nothing, expected a name")
        reference = row.get("reference", "").strip()
        verdicts.append(
            Verdict(
                part=row["part"].strip(),
                model_passed=_choice(where, "model_passed", row["model_passed"], _PASSED),
                bad=_choice(where, "verdict", row["verdict"], _BAD),
                reviewer=row["reviewer"].strip(),
                time=_time(where, row["time"]) if "time" in row else None,
                reference_bad=_choice(where, "reference", reference, _BAD) if reference else None,
                line=line,
            )
        )
    return verdicts


def parts_of(verdicts: Sequence[Verdict], source: str = "verdicts") -> list[Part]:
    """Return the parts in the order of their last verdict, then by name; each once, however often it was looked at.

    Raises
    ------
    ValueError
        Rows of a part that contradict each other: two answers of the model, two of one person, two references; or times
        with and without time zone, or for some rows only.
    """
    _check_times(verdicts, source)
    rows_by_part: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        rows_by_part.setdefault(verdict.part, []).append(verdict)
    parts = [_part(name, rows, source) for name, rows in rows_by_part.items()]
    return sorted(parts, key=lambda part: (part.time or datetime.min, part.name))


def _part(name: str, rows: list[Verdict], source: str) -> Part:
    said: dict[str, Verdict] = {}
    reference: Verdict | None = None
    for row in rows:
        if row.model_passed != rows[0].model_passed:
            _contradiction(source, name, "answers of the model", rows[0], row)
        before = said.setdefault(row.reviewer, row)
        if before.bad != row.bad:
            _contradiction(source, name, f"verdicts of {row.reviewer!r}", before, row)
        if row.reference_bad is not None:
            reference = reference or row
            if reference.reference_bad != row.reference_bad:
                _contradiction(source, name, "references", reference, row)
    times = [row.time for row in rows if row.time is not None]
    return Part(
        name,
        rows[0].model_passed,
        {reviewer: row.bad for reviewer, row in said.items()},
        None if reference is None else reference.reference_bad,
        max(times, default=None),
    )


def _contradiction(source: str, part: str, what: str, first: Verdict, second: Verdict) -> None:
    raise ValueError(
        f"{source}, lines {first.line} and {second.line}: part {part!r}: found two {what} that differ, expected one; "
        "a part counts once: correct the table, or give another part another name"
    )


def _check_times(verdicts: Sequence[Verdict], source: str) -> None:
    for verdict in verdicts:
        first = verdicts[0].time
        if (verdict.time is None) != (first is None):
            raise ValueError(f"{source}, line {verdict.line}: found a time for some rows only; give it for all or none")
        if verdict.time is not None and first is not None and (verdict.time.tzinfo is None) != (first.tzinfo is None):
            raise ValueError(
                f"{source}, line {verdict.line}: found times with and without time zone, expected one kind"
            )


def _choice(where: str, name: str, text: str, choices: Mapping[str, bool]) -> bool:
    value = choices.get(text.strip().lower())
    if value is None:
        raise ValueError(f"{where}: {name}: found {text!r}, expected one of {', '.join(choices)}")
    return value


def _time(where: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        expected = "a time such as 2024-05-17T14:03:00+02:00"
        raise ValueError(f"{where}: time: found {text!r}, expected {expected}") from None
