"""Dividing pictures among subsets: stratified by class, keyed by a seed, never cutting a part in two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gonogo import _core

By = Literal["auto", "group", "image"]
OnMixed = Literal["raise", "exclude"]

_SUM_TOLERANCE = 1e-9
_DOMINANT = 0.1  # share of a subset's pictures of one class from which a single part would decide its figures


@dataclass(frozen=True)
class Assignment:
    """Positions of the pictures of each subset, in rising order, and of those left out."""

    subsets: dict[str, NDArray[np.intp]]
    excluded: NDArray[np.intp]


def assign(
    names: Sequence[str],
    labels: NDArray[np.intp],
    classes: Sequence[str],
    groups: NDArray[np.str_] | None,
    fractions: Mapping[str, float],
    *,
    by: By,
    on_mixed: OnMixed,
    seed: int,
) -> Assignment:
    """Divide pictures among subsets; see ``Dataset.split``.

    Parameters
    ----------
    names : sequence of str
        What a picture is called: the result depends on names, not on the order of the pictures.
    labels : intp array (n,)
        Positions in ``classes``.
    groups : str array (n,) or None
        Which pictures show the same part.
    """
    _check(fractions, by, on_mixed, seed, groups is not None)
    if groups is not None and by != "image":
        what, units = "groups", groups
        excluded = _mixed(names, labels, classes, groups, on_mixed)
    else:
        what, units = "pictures", np.asarray(names, dtype=np.str_)
        excluded = np.zeros(len(labels), np.bool_)

    # Neither the order of the classes nor that of the fractions may matter.
    order = sorted(fractions)
    shares = [float(fractions[name]) for name in order]
    subset_of = np.full(len(labels), -1)
    for rank, label in enumerate(sorted(range(len(classes)), key=lambda label: classes[label])):
        members = np.flatnonzero((labels == label) & ~excluded)
        found, unit_of, sizes = np.unique(units[members], return_inverse=True, return_counts=True)
        if len(found) < len(order):
            raise ValueError(
                f"fractions: the class {classes[label]!r} has {len(found)} {what}, expected at least {len(order)}, "
                f"one for each of {', '.join(order)}; give more pictures or fewer subsets"
            )
        subset_of[members] = np.array(_draw(sizes.tolist(), shares, seed, rank))[unit_of]
    positions = {name: np.flatnonzero(subset_of == order.index(name)) for name in fractions}
    return Assignment(positions, np.flatnonzero(excluded))


def _draw(sizes: list[int], shares: list[float], seed: int, rank: int) -> list[int]:
    """Return the subset of each unit of one class.

    Large units come first, so that small ones even out the counts at the end. A unit is drawn into one of the subsets that
    still have room for it, with a probability in proportion to that room: units of any usual size then meet each subset
    about as often as its share says, which filling the emptiest subset would not give. A unit so large that it would make
    up a good part of a subset, and where nothing has room, goes where most is lacking. No subset stays empty.
    """
    count = len(sizes)
    order = sorted(_core.shuffled(count, seed, 2 * rank, "split").tolist(), key=lambda unit: -sizes[unit])
    lots = [(lot + 0.5) / count for lot in _core.shuffled(count, seed, 2 * rank + 1, "split").tolist()]
    targets = [sum(sizes) * share for share in shares]
    room = list(targets)
    empty = set(range(len(shares)))
    chosen = [0] * count
    for step, unit in enumerate(order):
        size = sizes[unit]
        last_chance = count - step <= len(empty)
        usual = [size <= max(1, _DOMINANT * target) and not last_chance for target in targets]
        candidates = [s for s, left in enumerate(room) if usual[s] and left >= size - _SUM_TOLERANCE]
        if not candidates:
            candidates = [max(sorted(empty) if last_chance else range(len(room)), key=room.__getitem__)]
        bounds = list(accumulate(max(room[s], _SUM_TOLERANCE) for s in candidates))
        subset = next(s for s, bound in zip(candidates, bounds, strict=True) if lots[step] * bounds[-1] < bound)
        chosen[unit] = subset
        room[subset] -= size
        empty.discard(subset)
    return chosen


def check_fractions(fractions: Mapping[str, float]) -> None:
    """Raise ``ValueError`` unless the fractions are named shares that add up to 1."""
    if not isinstance(fractions, Mapping) or not fractions:
        raise ValueError(
            f"fractions: found {fractions!r}, expected a mapping such as {{'train': 0.8, 'validation': 0.2}}"
        )
    for name, share in fractions.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"fractions: found the name {name!r}, expected text such as 'train'")
        if (
            isinstance(share, bool)
            or not isinstance(share, (int, float, np.integer, np.floating))
            or not 0 < share <= 1
        ):
            raise ValueError(f"fractions: found {share!r} for {name!r}, expected a share above 0 and at most 1")
    if not abs((total := sum(map(float, fractions.values()))) - 1) <= _SUM_TOLERANCE:
        raise ValueError(f"fractions: found a sum of {total:.10g}, expected 1")


def _check(fractions: Mapping[str, float], by: str, on_mixed: str, seed: int, grouped: bool) -> None:
    check_fractions(fractions)
    if by not in ("auto", "group", "image"):
        raise ValueError(f"by: found {by!r}, expected 'auto', 'group' or 'image'")
    if by == "group" and not grouped:
        raise ValueError("by: found 'group', but the data has no groups; read it with groups=..., or split by 'image'")
    if on_mixed not in ("raise", "exclude"):
        raise ValueError(f"on_mixed: found {on_mixed!r}, expected 'raise' or 'exclude'")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise ValueError(f"seed: found {seed!r}, expected an integer from 0 to 2^64 - 1")


def _mixed(
    names: Sequence[str], labels: NDArray[np.intp], classes: Sequence[str], groups: NDArray[np.str_], on_mixed: str
) -> NDArray[np.bool_]:
    """Return which pictures belong to a group with more than one class; raise where that is asked for."""
    found, group_of = np.unique(groups, return_inverse=True)
    lowest, highest = np.full(len(found), len(classes)), np.full(len(found), -1)
    np.minimum.at(lowest, group_of, labels)
    np.maximum.at(highest, group_of, labels)
    mixed = lowest < highest
    if mixed.any() and on_mixed == "raise":
        first = int(np.flatnonzero(mixed)[0])
        members = np.flatnonzero(group_of == first).tolist()
        examples = [min(names[i] for i in members if labels[i] == label) for label in (lowest[first], highest[first])]
        name = str(found[first])
        raise ValueError(
            f"groups: {mixed.sum()} of {len(found)} groups hold pictures of several classes, such as {name!r} "
            f"({' and '.join(examples)}); correct the labels, or leave these groups out with on_mixed='exclude'"
        )
    return np.asarray(mixed[group_of], dtype=np.bool_)
