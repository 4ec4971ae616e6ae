"""``Dataset.from_journal``: what people said of the pictures of a line, as a training set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gonogo.checks import check_path
from gonogo.data.cache import Cache
from gonogo.data.reading import Options
from gonogo.data.sources import Classes, Found, name_classes
from gonogo.decoding import Decoding, ResizeMode
from gonogo.errors import DecodeError
from gonogo.pictures import ColorMode, OnBad
from gonogo.preprocess import Preprocess
from gonogo.tiles import Tiles

if TYPE_CHECKING:
    from gonogo.data.dataset import Dataset


def from_journal(
    cls: type[Dataset],
    out: str | Path,
    *,
    journal: str | Path | None = None,
    blind: bool = False,
    classes: Classes | None = None,
    image_size: tuple[int, int] | None = None,
    color_mode: ColorMode = "auto",
    resize_mode: ResizeMode = "pad",
    bit_depth: int = 16,
    preprocess: Preprocess | None = None,
    tiles: Tiles | None = None,
    on_bad: OnBad = "raise",
    cache: str | Path | None = None,
    threads: int = 0,
    progress: Callable[[int], object] | None = None,
) -> Dataset:
    """Read the pictures of a line whose class people have said (``gonogo review``), at the places where the line brought them.

    The label is what more than half of the reviewers of a picture say, each with the last word; pictures on which they disagree,
    or which they found unclear, are left out. The groups are the parts. Pictures with the same content are one, and content that
    two parts share makes them one group. Each file must still have the content that was judged.

    Parameters
    ----------
    out : str or Path
        Folder that ``gonogo sort`` has filled.
    journal : str or Path, optional
        Where the journal is kept, with the verdicts beside it; None: in ``out``.
    blind : bool
        Count verdicts only of people who had not seen the model's decision.
    classes : list or mapping, optional
        As in :meth:`from_folder`, with verdicts for folders.
    image_size, color_mode, resize_mode, bit_depth, preprocess, tiles, on_bad, cache, threads, progress
        As in :meth:`from_folder`; a file that is gone, or has another content, is a bad one.

    Raises
    ------
    JournalError, OSError
        Journal or verdicts are missing, damaged or cannot be read.
    DecodeError, ValueError
        As :meth:`from_folder`; also where there are verdicts of fewer than two classes.
    """
    # The line belongs to another room; only who comes through this door loads it.
    from gonogo.line.judged import judged_pictures

    root = check_path("out", out, "the folder of a line's results")
    kept = None if journal is None else check_path("journal", journal, "a journal, or None")
    judged = judged_pictures(root, kept, blind=blind)
    label_of, names = name_classes(classes, sorted({one.verdict for one in judged}), f"{root}: no verdict says")
    if len(names) < 2:
        found = f"only of the class {names[0]!r}" if names else "none"
        raise ValueError(f"{root}: verdicts: found {found}, expected at least two classes; run gonogo review {root}")
    taken = [one for one in judged if one.verdict in label_of]
    good = [one for one in taken if not one.fault]
    bad = [DecodeError(one.path, "altered", one.fault, 0) for one in taken if one.fault]
    if lacking := set(range(len(names))) - {label_of[one.verdict] for one in good}:
        raise ValueError(
            f"{root}: the class {names[min(lacking)]!r} has no picture that is still as it was judged: {bad[0]}"
        )
    labels, parts = [label_of[one.verdict] for one in good], [one.part for one in good]
    options = Options(
        image_size,
        color_mode,
        Decoding(resize_mode, bit_depth, preprocess, tiles),
        on_bad,
        threads,
        progress,
        Cache.of(cache, root),
    )
    return cls._read(Found([one.path for one in good], labels, names, bad, parts), root, None, options)
