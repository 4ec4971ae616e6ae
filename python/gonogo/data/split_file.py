"""A split as a CSV table, so that one division serves training, calibration and test, today and next year."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gonogo.checks import check_path
from gonogo.data.dataset import Dataset
from gonogo.data.reading import names_below
from gonogo.data.tables import read_table
from gonogo.errors import in_one_line
from gonogo.storage import write_atomically

_COLUMNS = ("file", "class", "group", "subset")


def save_split(path: str | Path, parts: Mapping[str, Dataset]) -> Path:
    """Write a split as CSV with the columns file, class, group and subset.

    Parameters
    ----------
    path : str or Path
        Target; replaced when it exists.
    parts : mapping from str to Dataset
        What :meth:`Dataset.split` returned. ``file`` is the path below the root; pictures that the split left out are
        written with an empty subset.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    ValueError
        The pictures have no files, a picture is in two subsets, or a name is not Unicode.
    OSError
        The table cannot be written; nothing is left half-written.
    """
    excluded = {id(part.excluded): ("", part.excluded) for part in parts.values() if part.excluded is not None}
    subset_of: dict[str, str] = {}
    rows: list[tuple[str, str, str, str]] = []
    for subset, part in [*parts.items(), *excluded.values()]:
        if part.paths is None:
            raise ValueError("parts: pictures from arrays have no files to name; keep the positions in index instead")
        files = part.files
        for i in sorted(range(len(part)), key=files.__getitem__):
            if part.boxes is not None and subset_of.get(files[i]) == subset:
                continue  # another tile of a picture that has its row
            if files[i] in subset_of:
                raise ValueError(
                    f"parts: {files[i]} is in {subset_of[files[i]]!r} and in {subset!r}, expected one subset"
                )
            subset_of[files[i]] = subset
            group = "" if part.groups is None else str(part.groups[i])
            rows.append((files[i], part.classes[part.labels[i]], group, subset))
    if foreign := [file for file in subset_of if file.encode(errors="ignore").decode() != file]:
        raise ValueError(f"{path}: the file name {foreign[0]!r} is not Unicode; rename the picture")
    text = io.StringIO(newline="")
    # The writer quotes only the line break it writes itself, the reader stops at any.
    broken = any("\r" in cell for row in rows for cell in row)
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if broken else csv.QUOTE_MINIMAL)
    writer.writerow(_COLUMNS)
    writer.writerows(rows)
    target = write_atomically(path, text.getvalue())
    for part in parts.values():
        part.split_file = target
    return target


def load_split(path: str | Path, dataset: Dataset) -> dict[str, Dataset]:
    """Divide a dataset as a table says.

    Parameters
    ----------
    path : str or Path
        Table written by :func:`save_split`, or any CSV with the columns file (path below the root) and subset (empty:
        left out).
    dataset : Dataset
        The pictures of the table, all of them and no others; files in its ``bad_files`` may be missing from it.

    Returns
    -------
    dict from str to Dataset
        In the order in which the subsets occur in the table; all share the pixels of ``dataset``.

    Raises
    ------
    OSError
        The table is missing or cannot be read.
    ValueError
        Pictures are missing from the table or from the dataset, a file is listed twice, or a group is in two subsets.
    """
    if dataset.paths is None:
        raise ValueError("dataset: pictures from arrays have no files that a table could name")
    path = check_path("path", path, "the table of a split")
    subset_of: dict[str, str] = {}
    for line, row in read_table(path, ("file", "subset"), "a split"):
        if row["file"] in subset_of:
            raise ValueError(f"{path}, line {line}: {in_one_line(row['file'])} is listed a second time")
        subset_of[row["file"]] = row["subset"]
    files = dataset.files
    if unlisted := [file for file in files if file not in subset_of]:
        raise ValueError(
            f"{path}: {len(unlisted)} of {len(files)} pictures are not listed, such as {in_one_line(unlisted[0])}; "
            "split the data anew"
        )
    known = {*files, *names_below([error.path for error in dataset.bad_files], dataset.root)}
    if unknown := [file for file in subset_of if file not in known]:
        raise ValueError(
            f"{path}: {len(unknown)} of {len(subset_of)} listed files are not among the pictures, "
            f"such as {in_one_line(unknown[0])}; check the folder and the classes"
        )
    names = np.array([subset_of[file] for file in files], np.str_)
    parts = {name: dataset[names == name] for name in dict.fromkeys(subset_of.values()) if name}
    if not parts:
        raise ValueError(f"{path}: found no subset, expected the name of one for each file")
    _check_groups_whole(path, dataset, names)
    excluded = dataset[names == ""]
    for name, part in parts.items():
        part.subset, part.excluded = name, excluded if len(excluded) else None
        part.split_file = path
    return parts


def _check_groups_whole(path: str | Path, dataset: Dataset, names: np.ndarray[tuple[int], np.dtype[np.str_]]) -> None:
    """The group that the pictures have now counts, not the one in the table."""
    if dataset.groups is None:
        return
    first: dict[str, str] = {}
    for group, subset in zip(dataset.groups.tolist(), names.tolist(), strict=True):
        if first.setdefault(group, subset) != subset:
            where = " and ".join(sorted(repr(name) if name else "none" for name in (first[group], subset)))
            raise ValueError(f"{path}: the group {group!r} is in the subsets {where}, expected each in one; split anew")
