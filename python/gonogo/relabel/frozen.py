"""Labels of calibration parts are frozen once the parts were scored: the certificate's proof rests on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from gonogo.data.tables import read_table
from gonogo.errors import in_one_line
from gonogo.gate.parts import Calibration, find_parts, part_ids
from gonogo.ledger import read_ledger
from gonogo.pictures import inspect_files


def check_not_frozen(
    files: Collection[str],
    paths: Mapping[str, Path],
    ledger: str | Path,
    *,
    groups: Mapping[str, str] | None = None,
) -> int:
    """Raise ``ValueError`` where a label would change that a calibration has used.

    Parameters
    ----------
    files : collection of str
        Pictures whose labels would change.
    paths : mapping of str -> Path
        Where each picture of the data lies.
    ledger : str or Path
        The ledger of the split.
    groups : mapping of str -> str, optional
        The part that each picture shows; None: each is a part. A part is known by all its pictures, so these must be the
        groups of the calibration.

    Returns
    -------
    int
        How many calibration parts the ledger knows.

    Raises
    ------
    FileNotFoundError
        There is no ledger.
    LedgerError, OSError
        It was edited, or a file cannot be read.
    """
    if not Path(ledger).exists():
        raise FileNotFoundError(f"{ledger}: no such ledger; give the one beside the split of the calibration")
    entries = [entry for entry in read_ledger(ledger) if entry["kind"] == "calibration"]
    time_of = {part: entry["time"] for entry in reversed(entries) for part in entry["parts"]}
    if not time_of or not files:
        return len(time_of)
    # A picture without a group was calibrated on as a part of its own, or not at all.
    part_of = {file: (groups or {}).get(file, f"\0{file}") for file in paths}
    asked = {part_of[file] for file in files}
    # A picture that cannot be decoded was in no calibration either.
    whole = [file for file in paths if part_of[file] in asked]
    whole = [file for file, said in zip(whole, inspect_files([paths[f] for f in whole]), strict=True) if not said.bad]
    if not whole:
        return len(time_of)
    names = np.array([part_of[file] for file in whole], np.str_)
    labels = np.zeros(len(whole), np.intp)
    parts = find_parts(labels, names, ["part"])
    given = Calibration(None, labels, names, [paths[file] for file in whole], None, None)
    ids = part_ids(given, parts)
    frozen = {whole[i]: ids[part] for i, part in enumerate(parts.of.tolist()) if ids[part] in time_of}
    if refused := [file for file in files if file in frozen]:
        first = refused[0]
        raise ValueError(
            f"{ledger}: {len(refused)} of {len(files)} corrections are of calibration parts, such as "
            f"{in_one_line(first)}, scored on {time_of[frozen[first]]}; their labels are frozen, because a label that changes "
            "after a look at the scores makes the certificate's promise false: correct the other pictures, leave these rows "
            "out of the worksheet, and calibrate the next model on fresh parts"
        )
    return len(time_of)


def groups_of_split(path: str | Path) -> dict[str, str] | None:
    """Return the part of each picture that has one in a split file; None where none has."""
    rows = read_table(path, ("file", "group", "subset"), "--split")
    return {row["file"]: row["group"] for _, row in rows if row["group"]} or None
