"""Finding pictures and their classes in folders and tables, before any of them is decoded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.checks import check_path
from gonogo.data.tables import read_table
from gonogo.errors import DecodeError, in_one_line
from gonogo.pictures import SUFFIXES

Classes = Sequence[str] | Mapping[str, int] | Mapping[str, str]

# What file managers leave behind without hiding it.
_LITTER = frozenset({"desktop.ini", "thumbs.db"})


@dataclass(frozen=True)
class Found:
    """Pictures to read. ``labels`` are positions in ``classes``; ``bad`` are files known to be none."""

    paths: list[Path]
    labels: list[int]
    classes: list[str]
    bad: list[DecodeError]
    groups: list[str] | None = None


def find_in_folders(root: str | Path, classes: Classes | None, least: int = 2) -> Found:
    """Look into one folder per class, of which there must be ``least``; see ``Dataset.from_folder``."""
    root = check_path("root", root, "a folder with one folder of pictures per class")
    entries = _visible(root, "expected a folder with one folder of pictures per class")
    folders = [entry.name for entry in entries if entry.is_dir()]
    if not folders:
        loose = "pictures but " if any(_is_picture(entry) for entry in entries) else ""
        raise ValueError(f"{root}: found {loose}no folder, expected one folder of pictures per class")
    label_of, names = name_classes(classes, folders, f"{root}: no folder")
    paths, labels, bad = [], [], []
    for folder in sorted(label_of):
        good, refused = _pictures_of(root / folder)
        if not good:
            raise ValueError(_why_empty(root / folder, refused))
        paths += good
        labels += [label_of[folder]] * len(good)
        bad += refused
    if len(names) < least:
        raise ValueError(
            f"{root}: found only the class {names[0]!r}, expected at least two folders of pictures, one per class"
        )
    return Found(paths, labels, names, bad)


def find_in_table(
    table: str | Path, root: str | Path, path_col: str, label_col: str, group_col: str | None, classes: Classes | None
) -> Found:
    """Read which picture has which label from a CSV file; see ``Dataset.from_csv``."""
    columns = [path_col, label_col, *([] if group_col is None else [group_col])]
    rows = read_table(table, columns, "path")
    if not rows:
        raise ValueError(f"{table}: found no row, expected one for each picture")
    root = check_path("root", root, "the folder that the paths of the table start from")
    if not root.is_dir():
        raise _missing(root, "root: expected the folder that the paths of the table start from")
    for line, row in rows:
        if empty := [name for name in columns if not row[name]]:
            raise ValueError(f"{table}, line {line}: the column {empty[0]!r} is empty")
    label_of, names = name_classes(
        classes, sorted({row[label_col] for _, row in rows}), f"{table}: no row has the label"
    )
    kept = [(line, row) for line, row in rows if row[label_col] in label_of]
    if len(names) < 2:
        raise ValueError(f"{table}: found only the class {names[0]!r} in {label_col!r}, expected at least two")
    paths = [root / row[path_col] for _, row in kept]
    lines: dict[Path, int] = {}
    for path, (line, _) in zip(paths, kept, strict=True):
        if lines.setdefault(path, line) != line:
            name = in_one_line(str(path))
            raise ValueError(
                f"{table}: {name} is in line {lines[path]} and in line {line}, expected one row for each picture"
            )
    groups = None if group_col is None else [row[group_col] for _, row in kept]
    return Found(paths, [label_of[row[label_col]] for _, row in kept], names, [], groups)


def name_classes(classes: Classes | None, found: Sequence[str], lacking: str) -> tuple[dict[str, int], list[str]]:
    """Return the class index of each folder or label that takes part, and the names of the classes.

    Parameters
    ----------
    classes : None, list or mapping
        None: all that was found, in alphanumeric order. A list gives order and selection. A mapping gives each folder an
        index (the class is called like the folder; folders with one index are joined by ``+``) or a name (classes are then
        in the order in which they are first named).
    found : sequence of str
        Folders or labels that exist.
    lacking : str
        Beginning of the message about one that does not.
    """
    if classes is None:
        names = sorted(found)
        return {name: i for i, name in enumerate(names)}, names
    if isinstance(classes, str) or not isinstance(classes, (Mapping, Sequence)) or not classes:
        raise ValueError(f"classes: found {classes!r}, expected a list of names, or a mapping to indices or names")
    if wrong := [name for name in classes if not isinstance(name, str) or not name]:
        raise ValueError(f"classes: found {wrong[0]!r}, expected the name of a folder or label")
    if missing := [name for name in classes if name not in found]:
        raise ValueError(f"{lacking} {missing[0]!r}, which classes names; found {_list(sorted(found))}")
    if not isinstance(classes, Mapping):
        names = list(classes)
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"classes: {twice!r} is named twice, expected each class once")
        return {name: i for i, name in enumerate(names)}, names
    return _name_by_mapping(classes)


def _name_by_mapping(classes: Mapping[str, Any]) -> tuple[dict[str, int], list[str]]:
    values = list(classes.values())
    if all(isinstance(value, str) and value for value in values):
        names = list(dict.fromkeys(values))
        return {folder: names.index(name) for folder, name in classes.items()}, names
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        raise ValueError(f"classes: found {dict(classes)!r}, expected all values to be names, or all to be indices")
    if (present := sorted(set(values))) != list(range(len(present))):
        raise ValueError(f"classes: found the indices {present}, expected 0 to {len(present) - 1} without a gap")
    joined = ["+".join(sorted(folder for folder in classes if classes[folder] == value)) for value in present]
    return dict(classes), joined


def _visible(folder: Path, expected: str) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(folder, expected) from None
    except OSError as error:
        raise type(error)(f"{folder}: cannot be read: {error.strerror}; check its permissions") from None
    return [folder / name for name in names if not name.startswith(".") and name.lower() not in _LITTER]


def _missing(folder: Path, expected: str) -> OSError:
    if folder.exists():
        return NotADirectoryError(f"{folder}: is not a folder; {expected}")
    return FileNotFoundError(f"{folder}: no such folder; {expected}")


def _pictures_of(folder: Path) -> tuple[list[Path], list[DecodeError]]:
    """Return files that claim to be pictures, and all else that is not hidden, with the reason why it is none."""
    good, bad = [], []
    for path in _visible(folder, "expected a folder of pictures"):
        if path.is_dir():
            bad.append(
                DecodeError(path, "unreadable", "found a folder among pictures, which is not searched; move it away", 0)
            )
        elif not _is_picture(path):
            ending = f"the ending {path.suffix!r}" if path.suffix else "a name without an ending"
            reason = f"found {ending}, expected {_list(sorted(SUFFIXES))}; rename the file if it is a picture, or move it away"
            bad.append(DecodeError(path, "name", reason, 0))
        else:
            good.append(path)
    return good, bad


def _why_empty(folder: Path, refused: list[DecodeError]) -> str:
    if any(error.path.is_dir() for error in refused):
        return f"{folder}: found folders, expected pictures; if those are the classes, give {folder} itself"
    return f"{folder}: found no picture of this class; add pictures, remove the folder, or leave it out with classes"


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _list(names: Iterable[str], limit: int = 12) -> str:
    names = list(names)
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
