"""What a worksheet changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gonogo.errors import in_one_line
from gonogo.worksheet import UNCLEAR, read_worksheet


@dataclass(frozen=True)
class Corrections:
    """Verdicts of a worksheet, by what follows from them; files are paths below the root, in the worksheet's order.

    Attributes
    ----------
    changed : dict of str -> str
        Files whose label was wrong, with the right one.
    unclear : list of str
        Files that show two classes, or none clearly.
    confirmed, open : int
        Files whose label was found right, and those without a verdict.
    """

    changed: dict[str, str]
    unclear: list[str]
    confirmed: int
    open: int


def find_corrections(path: str | Path, labels: Mapping[str, str], classes: Sequence[str]) -> Corrections:
    """Read a worksheet and compare it with the data.

    Parameters
    ----------
    path : str or Path
        The worksheet.
    labels : mapping of str -> str
        The label that each picture has now.
    classes : sequence of str
        Classes that there are.

    Raises
    ------
    OSError
        The worksheet is missing or cannot be read.
    ValueError
        It names a picture that is not there, one with another label than it has now, or a class that does not exist.
    """
    changed: dict[str, str] = {}
    unclear: list[str] = []
    confirmed = still_open = 0
    for file, row in read_worksheet(path).items():
        name = in_one_line(file)
        if file not in labels:
            raise ValueError(
                f"{path}: {name} is not among the pictures; give the folder that the worksheet was made from, as it was"
            )
        if row.label != labels[file]:
            raise ValueError(
                f"{path}: {name} has the label {row.label!r}, but in the data it is {labels[file]!r}; make a new worksheet"
            )
        if not row.corrected:
            still_open += 1
        elif row.corrected == UNCLEAR:
            unclear.append(file)
        elif row.corrected not in classes:
            known = ", ".join(classes)
            raise ValueError(f"{path}: {name}: corrected is {row.corrected!r}, expected {known} or {UNCLEAR}")
        elif row.corrected == row.label:
            confirmed += 1
        else:
            changed[file] = row.corrected
    return Corrections(changed, unclear, confirmed, still_open)
