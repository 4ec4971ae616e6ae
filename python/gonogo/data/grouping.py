"""Which pictures show the same part: groups from a table, a mapping or a function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gonogo.data.tables import read_table
from gonogo.errors import in_one_line

Groups = str | Path | Mapping[Any, Any] | Callable[[Path], Any]


def find_groups(groups: Groups, paths: Sequence[Path], files: Sequence[str]) -> list[str | None]:
    """Return the group of each picture, None where there is none.

    Parameters
    ----------
    groups : path, mapping or callable
        A CSV file with the columns class, file and group, where class is the folder and file the name within it; a mapping
        from the path, the path below the root or, where it occurs once, the bare file name; or a function of the path.
    paths, files : sequences
        The pictures, whole and as paths below the root with forward slashes.
    """
    if isinstance(groups, (str, Path)):
        table = _read_groups(groups)
        return [table.get(file) for file in files]
    if isinstance(groups, Mapping):
        return _look_up(groups, paths, files)
    if callable(groups):
        return [_name(groups(path)) for path in paths]
    raise TypeError(
        f"groups: found {type(groups).__name__}, expected the path of a CSV table, a mapping or a function of the path"
    )


def check_complete(groups: Sequence[str | None], files: Sequence[str]) -> None:
    """Raise ``ValueError`` with a count and an example when a picture has no group."""
    if lacking := [file for file, group in zip(files, groups, strict=True) if group is None]:
        raise ValueError(
            f"groups: {len(lacking)} of {len(files)} pictures have no group, such as {lacking[0]}; "
            "give every picture the group of its part"
        )


def _name(value: Any) -> str | None:
    """Groups are compared as text; nothing, empty text and NaN (an empty cell of pandas) are no group."""
    if value is None or value != value:
        return None
    return str(value) or None


def _read_groups(path: str | Path) -> dict[str, str]:
    table: dict[str, str] = {}
    for line, row in read_table(path, ("class", "file", "group"), "groups"):
        # A split file names pictures by their path below the root already.
        file = row["file"] if "/" in row["file"] else f"{row['class']}/{row['file']}"
        if not row["group"]:
            raise ValueError(f"{path}, line {line}: {in_one_line(file)} has no group, expected the name of its part")
        if table.setdefault(file, row["group"]) != row["group"]:
            found = f"{in_one_line(file)} is in the groups {table[file]!r} and {row['group']!r}"
            raise ValueError(f"{path}, line {line}: {found}")
    return table


def _look_up(groups: Mapping[Any, Any], paths: Sequence[Path], files: Sequence[str]) -> list[str | None]:
    occurrences = Counter(path.name for path in paths)
    found = []
    for path, file in zip(paths, files, strict=True):
        keys: list[Any] = [file, Path(file), path, str(path)]
        if occurrences[path.name] == 1:
            keys.append(path.name)
        found.append(next((_name(groups[key]) for key in keys if key in groups), None))
    return found
