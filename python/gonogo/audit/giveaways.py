"""What tells the label without the part being looked at: file names, formats, sizes, light.

A net learns the easiest difference. Where one class was saved as PNG and the other as JPEG, that is the difference.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo.audit.findings import Finding
from gonogo.audit.items import Item

COVERED = 0.25  # of a class: what fewer of its pictures have is no rule of it
CHANCE = 0.001  # that any value at all would be pure if labels were drawn at random; smaller ones are no accident
SEPARATED = 0.98  # of the pictures, both classes weighing the same, that one limit puts on the right side
LEAST = 20  # pictures of a class, and of the others, for such a limit


def telling_names(items: Sequence[Item]) -> list[Finding]:
    """Return the words in file names that occur in one class only."""
    words = [set(_tokens(item.file)) for item in items]
    labels = [item.label for item in items]
    found = []
    for label, token, count in pure(labels, words):
        of_class = labels.count(label)
        example = next(item.file for item, here in zip(items, words, strict=True) if token in here)
        found.append(
            Finding("", f"{token!r} is in {_share(count, of_class)} of {label} and in no other class, as in {example}")
        )
    return found


def telling_formats(items: Sequence[Item], rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """Return what only pictures of one class have: format, ending, size, channels, JPEG tables."""
    labels = [item.label for item in items]
    facts = {
        "format": [row["format"] for row in rows],
        "ending of the name": [item.file.rpartition(".")[2] if "." in item.file else "" for item in items],
        "size": [f"{row['height']} x {row['width']}" for row in rows],
        "number of channels": [str(row["channels"]) for row in rows],
        "colour": ["grey" if row["grey"] else "colour" for row in rows],
        "JPEG quality (quantisation tables)": [row["tables"] or "none" for row in rows],
    }
    found = []
    told: set[tuple[str, int]] = set()
    for fact, values in facts.items():
        for label, value, count in pure(labels, [{value} for value in values]):
            # A PNG has another ending too, and no tables; once is enough.
            if (label, count) not in told:
                told.add((label, count))
                words = (
                    f"the {fact} is {value} in {_share(count, labels.count(label))} of {label} and in no other class"
                )
                found.append(Finding("", words))
    return found


def telling_exposures(items: Sequence[Item], rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """Return figures of the whole picture by which one limit separates a class from all others."""
    given = np.array([item.label for item in items])
    found = []
    for label in sorted(set(given.tolist())):
        of_class = given == label
        if min(of_class.sum(), (~of_class).sum()) < LEAST:
            continue
        for key, name in (("mean", "mean level"), ("deviation", "contrast"), ("sharpness", "sharpness")):
            values = np.array([row[key] for row in rows], np.float64)
            share, limit, above = best_limit(values, of_class)
            if share >= SEPARATED:
                side = "above" if above else "below"
                words = (
                    f"the {name} alone tells {label} from the rest: {side} {limit:.3g} in {share:.1%} of the pictures"
                )
                found.append(Finding("", words))
    return found


def pure(labels: Sequence[str], values: Sequence[Iterable[str]]) -> list[tuple[str, str, int]]:
    """Return (class, value, pictures) for values that occur in one class only, which is no accident.

    A value that k pictures share is found in one class of share p by accident with probability p^k; with as many values as
    there are, none may be expected (Bonferroni). Those that occur in a small part of the class are left out.
    """
    counts: Counter[str] = Counter()
    classes: dict[str, set[str]] = defaultdict(set)
    for label, here in zip(labels, values, strict=True):
        for value in here:
            counts[value] += 1
            classes[value].add(label)
    of_class = Counter(labels)
    found = []
    for value in sorted(counts, key=lambda value: (-counts[value], value)):
        count = counts[value]
        if len(classes[value]) == 1 and len(of_class) > 1:
            label = next(iter(classes[value]))
            chance = (of_class[label] / len(labels)) ** count * len(counts)
            if chance < CHANCE and count >= COVERED * of_class[label]:
                found.append((label, value, count))
    return sorted(found)


def best_limit(values: NDArray[np.float64], of_class: NDArray[np.bool_]) -> tuple[float, float, bool]:
    """Return the share that the best limit separates (mean of both classes' shares), the limit, and the class's side."""
    order = np.argsort(values, kind="stable")
    ranked, mine = values[order], of_class[order]
    below = np.cumsum(mine) / mine.sum()
    others = np.cumsum(~mine) / (~mine).sum()
    ends = np.append(ranked[1:] > ranked[:-1], True)  # equal values cannot be told apart
    lower, upper = np.where(ends, (below + 1 - others) / 2, 0), np.where(ends, (others + 1 - below) / 2, 0)
    above = bool(upper.max() > lower.max())
    at = int((upper if above else lower).argmax())
    limit = (ranked[at] + ranked[min(at + 1, len(ranked) - 1)]) / 2
    return float(max(upper.max(), lower.max())), float(limit), above


def _tokens(file: str) -> Iterable[str]:
    """Words and numbers of the bare name, in small letters; the folder is the class itself."""
    stem = file.rpartition("/")[2].rpartition(".")[0]
    return re.findall(r"[^\W\d_]+|\d+", stem.lower())


def _share(count: int, total: int) -> str:
    return f"all {total:,} pictures" if count == total else f"{count:,} of {total:,} pictures"
