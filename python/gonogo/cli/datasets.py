"""From the options about data to data sets, with remarks on what was read."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

from gonogo.cli.output import counted, note
from gonogo.data import Dataset, load_split
from gonogo.data.tables import read_table
from gonogo.model_file import ModelFile, read_model
from gonogo.tiles import Tiles

_BAD_FILES_SHOWN = 10


def open_model(args: argparse.Namespace) -> ModelFile:
    """Return the checked model file FILE; its self-test has passed."""
    path = Path(args.model_file)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ValueError(f"FILE: {path} {what}, expected a model file made by gonogo train")
    model = read_model(path, threads=args.threads or 0)
    if not model.preprocess:
        raise ValueError(f"FILE: {path} is a model of rows of numbers, not of pictures; use it from Python")
    return model


def picture_options(model: ModelFile) -> dict[str, Any]:
    """Return how a model wants its pictures read."""
    channels, height, width = model.core.input_shape
    return {
        "image_size": (height, width),
        "color_mode": "grayscale" if channels == 1 else "rgb",
        **model.decoding.options(),
    }


def refuse_other_options(args: argparse.Namespace, model: ModelFile) -> None:
    """Raise ``ValueError`` where options contradict what is stored in the model."""
    given = {"image_size": args.image_size and tuple(args.image_size), "resize_mode": args.resize_mode}
    given["bit_depth"] = args.bit_depth
    given["color_mode"] = None if args.color_mode == "auto" else args.color_mode
    for name, stored in picture_options(model).items():
        if given.get(name) is not None and given[name] != stored:
            raise ValueError(
                f"{name}: found {given[name]}, but the model reads pictures with {stored}; leave the option out"
            )


def open_dataset(
    args: argparse.Namespace,
    data: str | Path | None = None,
    *,
    options: dict[str, Any] | None = None,
    groups: bool = True,
) -> Dataset:
    """Read DATA, or another folder or table of the same kind.

    Parameters
    ----------
    args : Namespace
        With the options of ``add_data``.
    data : path, optional
        Instead of DATA.
    options : dict, optional
        What ``picture_options`` returns, instead of those of ``args``.
    groups : bool
        Whether ``--groups`` and ``--group-col`` are for these pictures.
    """
    path = Path(args.data if data is None else data)
    given = {
        "image_size": args.image_size and tuple(args.image_size),
        "color_mode": args.color_mode or "auto",
        "resize_mode": args.resize_mode or "pad",
        "bit_depth": args.bit_depth or 16,
        "preprocess": getattr(args, "preprocess", None),
        "tiles": _tiles(args),
    }
    shared: dict[str, Any] = {
        **(given if options is None else options),
        "classes": class_selection(args.classes),
        "groups": args.groups if groups else None,
        "on_bad": args.on_bad,
        "cache": args.cache,
        "threads": args.threads or 0,
    }
    with warnings.catch_warnings(record=True, action="always", category=RuntimeWarning) as warned:
        if path.suffix.lower() == ".csv" and not path.is_dir():
            columns = {
                "path_col": args.path_col,
                "label_col": args.label_col,
                "group_col": args.group_col if groups else None,
            }
            dataset = Dataset.from_csv(path, root=args.root or path.parent, **columns, **shared)
        else:
            dataset = Dataset.from_folder(path, **shared)
    for warning in warned:
        note(args, f"--{warning.message}")
    height, width = dataset.image_size
    # Options that others chose are no news to the user.
    kind = f", {height}x{width} {'grey' if dataset.color_mode == 'grayscale' else 'RGB'}" if options is None else ""
    parts = "" if dataset.groups is None else f" of {len(set(dataset.groups.tolist())):,} parts"
    note(
        args,
        f"read {_counts(dataset)}{parts}{kind}, {len(dataset.classes)} classes, "
        f"in {dataset.decode_seconds:.1f} s{' from the cache' if dataset.cached else ''}",
    )
    for error in dataset.bad_files[:_BAD_FILES_SHOWN]:
        note(args, f"left out: {error}")
    if (more := len(dataset.bad_files) - _BAD_FILES_SHOWN) > 0:
        note(args, f"left out: {counted(more, 'more bad file')}")
    return dataset


def _counts(dataset: Dataset) -> str:
    if dataset.boxes is None:
        return counted(len(dataset), "picture")
    return f"{counted(len(dataset), 'tile')} of {counted(len(set(dataset.paths or ())), 'picture')}"


def _tiles(args: argparse.Namespace) -> Tiles | None:
    """Only a training chooses tiles; other commands have no such options."""
    size, overlap = getattr(args, "tiles", None), getattr(args, "tile_overlap", None)
    if size is None and overlap is not None:
        raise ValueError("tile_overlap: given without --tiles; give the size of the tiles too")
    return None if size is None else Tiles(size[0], size[1], overlap or 0.0)


def class_selection(names: list[str] | None) -> list[str] | dict[str, str] | dict[str, int] | None:
    """A list of names, or, with ``FOLDER=NAME``, a mapping whose classes keep the order in which they are first named."""
    if names is None or not any("=" in name for name in names):
        return names
    mapping = {folder: name or folder for folder, _, name in (item.partition("=") for item in names)}
    if len(mapping) < len(names):
        raise ValueError("classes: a folder is named twice, expected each once")
    return mapping


def read_parts(args: argparse.Namespace, dataset: Dataset) -> dict[str, Dataset]:
    """Return the subsets of ``--split``."""
    return load_split(args.split, dataset)


def groups_of_split(args: argparse.Namespace) -> None:
    """Take the groups from the split file where it names them and no option does."""
    if args.groups is None and args.group_col is None and args.split is not None:
        rows = read_table(args.split, ("file", "subset"), "split")
        if rows and all(row.get("group") and row.get("class") for _, row in rows):
            args.groups = args.split


def subset(args: argparse.Namespace, dataset: Dataset, default: str) -> Dataset:
    """Return what ``--split`` and ``--subset`` select; all pictures without ``--split``."""
    if args.split is None:
        if args.subset is not None:
            raise ValueError("subset: given without --split; name the split file too")
        return dataset
    return named_part(read_parts(args, dataset), args.subset or default, "subset")


def named_part(parts: dict[str, Dataset], name: str, option: str) -> Dataset:
    """Return one subset of a split."""
    if name not in parts:
        raise ValueError(f"{option}: {name!r} is not a subset of the split; there are: {', '.join(parts)}")
    return parts[name]


def excluded_note(args: argparse.Namespace, parts: dict[str, Dataset]) -> int:
    """Tell how many pictures a split left out for their group's mixed classes, and return the number."""
    excluded = next((part.excluded for part in parts.values() if part.excluded is not None), None)
    if excluded is None:
        return 0
    groups = sorted(set() if excluded.groups is None else set(excluded.groups.tolist()))
    note(
        args,
        f"left out: {len(excluded)} pictures of {len(groups)} groups with several classes ({', '.join(groups[:10])})",
    )
    return len(excluded)
