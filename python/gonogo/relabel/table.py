"""Corrections as a table that ``Dataset.from_csv`` reads; no file is touched."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping

from gonogo.worksheet import check_name


def corrected_table(
    labels: Mapping[str, str],
    changed: Mapping[str, str],
    *,
    without: Collection[str] = (),
    groups: Mapping[str, str] | None = None,
) -> str:
    """Return CSV text with the columns path, label and, where groups are given, group.

    Parameters
    ----------
    labels : mapping of str -> str
        The label that each picture has now, by its path below the root.
    changed : mapping of str -> str
        New labels.
    without : collection of str
        Pictures to leave out.
    groups : mapping of str -> str, optional
        The part that each picture shows.

    Raises
    ------
    ValueError
        The name of a file is not Unicode, or a picture has no group.
    """
    left_out = frozenset(without)
    rows: list[list[str]] = []
    for file, label in labels.items():
        check_name(file)
        if file in left_out:
            continue
        row = [file, changed.get(file, label)]
        if groups is not None:
            if file not in groups:
                raise ValueError(f"groups: {file} has no group; give every picture the group of its part")
            row.append(groups[file])
        rows.append(row)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["path", "label", *([] if groups is None else ["group"])])
    writer.writerows(rows)
    return text.getvalue()
