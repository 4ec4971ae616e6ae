"""``audit``: reads the pictures once, compares each with each, and collects what was found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gonogo import _core
from gonogo.audit import exposures, giveaways, resizing
from gonogo.audit.connected import Connected
from gonogo.audit.findings import Finding
from gonogo.audit.items import Material, assign_subsets, gather
from gonogo.audit.portraits import Portraits, read_portraits, same_pixels
from gonogo.audit.report import AuditReport, Pair
from gonogo.checks import check_path
from gonogo.data.grouping import Groups
from gonogo.data.sources import Classes
from gonogo.decoding import ResizeMode


def audit(
    data: Any,
    *,
    split: str | Path | None = None,
    classes: Classes | None = None,
    groups: Groups | None = None,
    masks: str | Path | None = None,
    image_size: tuple[int, int] | None = None,
    resize_mode: ResizeMode = "pad",
    bit_depth: int | None = None,
    threads: int = 0,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> AuditReport:
    """Look for what makes the figures of a model too good, and its training worse than it could be.

    Parameters
    ----------
    data : Dataset, path, or mapping from str to these
        Pictures: a data set, a folder with one folder per class, or several of these by the name of their subset, such as what
        :meth:`Dataset.split` returns. Files are read anew, whatever a data set made of them.
    split : path, optional
        For one folder: a split file, which says which picture belongs to which subset; others are not audited.
    classes : list or mapping, optional
        For folders: as in :meth:`Dataset.from_folder`.
    groups : path, mapping or callable, optional
        Parts that are known already, as in :meth:`Dataset.from_folder`; a picture may be missing. Siblings within one known
        part are no finding.
    masks : path, optional
        Folder of masks: ``<class>/<name of the picture>`` or ``<name of the picture>``, with the ending of the picture or of a
        PNG, BMP or TIFF; 128 and more is fault. Needs ``image_size``.
    image_size : (height, width), optional
        The size that a model will have, in pixels.
    resize_mode : {"pad", "stretch", "crop"}
        How pictures will be brought to it.
    bit_depth : {16, 12, 10}, optional
        Bits in use of 16-bit grey; None: those of the data sets, 16 for folders.
    threads : int
        0: one for each processor. The result does not depend on it.
    seed : int
        Of the pairs of strangers that tell how alike pictures of different parts are.
    progress : callable, optional
        Called with the number of files read since the last call.

    Returns
    -------
    AuditReport

    Raises
    ------
    ValueError, TypeError, OSError
        Naming the parameter or file: there is no picture, a folder is given twice, masks are missing, a table is wrong.
    """
    work = resizing.Resizing(
        image_size,
        resize_mode,
        None if masks is None else check_path("masks", masks, "a folder of masks"),
    )
    material = gather(data, classes, groups, bit_depth)
    if split is not None:
        if len(material.subsets) > 1:
            raise ValueError("split: several data sets are subsets already; give one folder with a split file")
        material = assign_subsets(material, split)
    portraits = read_portraits(material, threads, progress)
    found = exposures.judge(portraits.items, portraits.rows)
    found["bad_files"] = [Finding(name, error.reason) for name, error in portraits.bad]
    found["squeezed"] = resizing.squeezed(portraits.items, portraits.rows, work)
    found["shrunk_faults"], found["bad_masks"], mask_count = resizing.shrunk_faults(
        portraits.items, portraits.rows, work
    )
    found["telling_names"] = giveaways.telling_names(portraits.items)
    found["telling_formats"] = giveaways.telling_formats(portraits.items, portraits.rows)
    found["telling_exposures"] = giveaways.telling_exposures(portraits.items, portraits.rows)
    return _compare(material, portraits, found, mask_count, threads, seed)


def _compare(
    material: Material,
    portraits: Portraits,
    found: dict[str, list[Finding]],
    mask_count: int,
    threads: int,
    seed: int,
) -> AuditReport:
    items = portraits.items
    marks = [(item.label, item.subset) for item in items]
    places = {mark: i for i, mark in enumerate(sorted(set(marks)))}
    # Pairs of two classes or subsets are looked at even where others connect them already.
    search = _core.find_siblings(
        portraits.thumbnails, np.array([places[mark] for mark in marks], np.uint32), threads, seed=seed
    )
    pairs = [
        Pair(int(first), int(second), float(score))
        for (first, second), score in zip(search["pairs"].tolist(), search["scores"].tolist(), strict=True)
    ]
    equal = Connected(len(items))
    first_of: dict[str, int] = {}
    for i, digest in enumerate(portraits.digests):
        equal.join((first_of.setdefault(digest, i), i))
    known = {(pair.first, pair.second) for pair in pairs}
    alike = same_pixels(portraits, material.bit_depth)
    for same in [*equal.groups(), *alike]:
        pairs += [Pair(same[0], i, 1.0) for i in same[1:] if (same[0], i) not in known]
        known |= {(same[0], i) for i in same[1:]}
    return AuditReport(
        items=items,
        rows=portraits.rows,
        digests=portraits.digests,
        bad=portraits.bad,
        subsets=material.subsets,
        pairs=sorted(pairs),
        duplicates=equal.groups(),
        same=alike,
        found=found,
        mask_count=mask_count,
        bit_depth=material.bit_depth,
        search={key: search[key] for key in ("threshold", "stranger_quantile", "compared", "verified")},
    )
