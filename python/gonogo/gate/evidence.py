"""What a calibration rests on: parts with their scores, ids and lots, and proof that no training saw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gonogo import seen
from gonogo.decision import Rule, best_classes, margins, samples_of_parts
from gonogo.gate.doubts import refuse_other_formats, sample_doubts
from gonogo.gate.parts import Calibration, Parts, check_groups, collect, digest_of_set, find_parts, part_ids
from gonogo.gate.scores import identity, model_of, scores_of
from gonogo.gate.siblings import refuse_siblings

_LOWEST = -float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Evidence:
    """Calibration parts, scored.

    Attributes
    ----------
    parts : Parts
        Which samples are one part.
    margin : float64 array (n,)
        Margin of PASS of each sample; minus infinity of a doubtful one, which is never PASS.
    best : intp array (n,)
        Most probable class of each sample.
    is_good : bool array (parts,)
        Whether a part is of the PASS class.
    bad : float64 array (bad parts,)
        Score of each bad part.
    good : float64 array (good parts,)
        Score of each good part.
    faults : intp array (bad parts,)
        Position of its class among the fault classes.
    lots : str array (parts,) or None
        Lot of each part.
    pictures_per_part : int
        Pictures that a part must have in production.
    ids : list of str
        Id of each part.
    parts_sha256, labels_sha256 : str
        Of the set of ids, and of these with their labels.
    model_sha256, preprocess_sha256 : str
        What the ledger knows the model by.
    grouped : bool
        Whether groups say which pictures are one part; otherwise each is one.
    disjoint : str
        What calibration and training parts were compared by.
    seen, audited : int or None
        Pictures that training and validation saw, and those of them among which an audit found no sibling.
    split_file : Path or None
        The split file that the parts were selected by.
    doubts : dict of int -> str
        Samples that are REVIEW whatever their score, and why.
    """

    parts: Parts
    margin: NDArray[np.float64]
    best: NDArray[np.intp]
    is_good: NDArray[np.bool_]
    bad: NDArray[np.float64]
    good: NDArray[np.float64]
    faults: NDArray[np.intp]
    lots: NDArray[np.str_] | None
    pictures_per_part: int
    ids: list[str]
    parts_sha256: str
    labels_sha256: str
    model_sha256: str
    preprocess_sha256: str
    grouped: bool
    disjoint: str
    seen: int | None
    audited: int | None
    split_file: Path | None
    doubts: Mapping[int, str]

    def check_judged(self, threshold: float) -> None:
        """Raise ``ValueError`` where a threshold lies below all scores, because doubtful pictures alone bar PASS."""
        if self.doubts and threshold <= _LOWEST:
            first = min(self.doubts)
            raise ValueError(
                f"X: {len(self.doubts):,} of {len(self.margin):,} pictures are REVIEW whatever their score, and too few other "
                f"bad parts are left to set a threshold; the first: sample {first}: {self.doubts[first]}"
            )

    def check_informative(self) -> None:
        """Raise ``ValueError`` where the scores cannot carry a threshold."""
        scores = np.concatenate([self.bad, self.good])
        if len(scores) > 1 and (scores == scores[0]).all():
            raise ValueError(
                f"X: all {len(scores):,} parts have the score {scores[0]:.6g}: the classifier does not tell them apart; "
                "train it before calibrating"
            )

    def passing_parts(self, rule: Rule) -> NDArray[np.bool_]:
        """Return for each part whether all its pictures are PASS."""
        refused = ~rule.passes(self.margin, self.best)
        return np.asarray(np.bincount(self.parts.of, weights=refused, minlength=len(self.parts)) == 0)

    @cached_property
    def promised_pictures(self) -> NDArray[np.intp]:
        """The samples of each part that a line is promised to need, its first, intp (parts, pictures_per_part)."""
        own = samples_of_parts(self.parts.of, len(self.parts))
        return np.array([samples[: self.pictures_per_part] for samples in own])

    def lots_of(self, chosen: Sequence[NDArray[np.bool_]]) -> list[int] | None:
        """Return the number of lots among some choices of bad parts."""
        if self.lots is None:
            return None
        lots = self.lots[~self.is_good]
        return [len(set(lots[choice].tolist())) for choice in chosen]


def collect_evidence(
    clf: Any,
    X: Any,
    y: Any,
    groups: ArrayLike | None,
    lots: ArrayLike | None,
    classes: Sequence[str],
    passing: int,
    pictures_per_part: int | None,
    audit: Any,
) -> Evidence:
    """Return the evidence in calibration samples.

    Raises
    ------
    TypeError, ValueError, DecodeError
        Naming what is wrong.
    """
    given = collect(X, y, groups, classes)
    parts = find_parts(given.labels, given.groups, classes)
    is_good = parts.labels == passing
    if is_good.all():
        raise ValueError(
            f"X: found {len(parts):,} parts of {classes[passing]!r} and no bad part; the threshold is set by bad parts, "
            "add those that neither training nor validation has seen"
        )
    file = model_of(clf)
    kept = None if file is None else file.training.get("seen")
    refuse_other_formats(clf, given)
    disjoint = _refuse_seen(clf, kept, given)
    audited = refuse_siblings(clf, given, kept, audit)
    ids = part_ids(given, parts)
    _refuse_copies(given, parts, is_good, ids)
    scores = scores_of(clf, X, classes)
    if len(scores) != len(given.labels):
        raise ValueError(f"clf: found {len(scores)} scores for {len(given.labels)} samples, expected one for each")
    margin = margins(scores, passing)
    if (bad := np.flatnonzero(np.isnan(margin))).size:
        raise ValueError(f"X: the score of sample {bad[0]} is NaN ({bad.size} in all); find out why before calibrating")
    # A doubtful picture is REVIEW on the line: it never passes, whatever its score.
    doubts = sample_doubts(clf, X)
    margin[list(doubts)] = -np.inf
    needed = _pictures_per_part(pictures_per_part, parts)
    part_scores = _part_scores(margin, parts, is_good, needed)
    if np.isposinf(part_scores[~is_good]).any():
        raise ValueError(
            "X: the score of a bad part is infinite, and no score exceeds it; use a classifier with finite scores"
        )
    labels = [f"{id_} {classes[label]}" for id_, label in zip(ids, parts.labels.tolist(), strict=True)]
    model, preprocess = identity(clf, scores)
    return Evidence(
        parts=parts,
        margin=margin,
        best=best_classes(scores),
        is_good=is_good,
        # Minus infinity is as good as the smallest number: every finite score lies above both.
        bad=np.maximum(part_scores[~is_good], _LOWEST),
        good=part_scores[is_good],
        faults=parts.labels[~is_good] - (parts.labels[~is_good] > passing),
        lots=_lots_of_parts(lots, parts),
        pictures_per_part=needed,
        ids=ids,
        parts_sha256=digest_of_set(ids),
        labels_sha256=digest_of_set(labels),
        model_sha256=model,
        preprocess_sha256=preprocess,
        grouped=given.groups is not None,
        disjoint=disjoint,
        seen=None if kept is None else seen.count(kept),
        audited=audited,
        split_file=given.split_file,
        doubts=doubts,
    )


def _pictures_per_part(given: int | None, parts: Parts) -> int:
    least = int(parts.sizes.min())
    if given is not None and given > least:
        raise ValueError(
            f"pictures_per_part: found {given}, but a calibration part has {least}; leave such parts out of the whole split, "
            "or promise for fewer pictures"
        )
    return least if given is None else int(given)


def _part_scores(
    margin: NDArray[np.float64], parts: Parts, is_good: NDArray[np.bool_], needed: int
) -> NDArray[np.float64]:
    """Score of each part: that of its least PASS-like picture.

    A production part may show any ``needed`` of the pictures that a bad calibration part has: it counts with the choice
    whose least PASS-like picture is the most PASS-like one, the ``needed``-th from above. A good part counts with all.
    """
    order = np.lexsort((-margin, parts.of))
    starts = np.concatenate([[0], np.cumsum(parts.sizes)[:-1]])
    place = np.where(is_good, parts.sizes, needed) - 1
    return np.asarray(margin[order[starts + place]])


def _lots_of_parts(lots: ArrayLike | None, parts: Parts) -> NDArray[np.str_] | None:
    given = None if lots is None else np.asarray(lots)
    names = check_groups(given, len(parts.of)) if given is not None and given.shape == parts.of.shape else None
    if given is None:
        return None
    if names is None:
        raise ValueError(f"lots: found the shape {given.shape}, expected ({len(parts.of)},), one for each sample")
    _, first = np.unique(parts.of, return_index=True)
    if (mixed := np.flatnonzero(names != names[first][parts.of])).size:
        raise ValueError(f"lots: the part of sample {mixed[0]} is in two lots, expected each part in one")
    return np.asarray(names[first])


def _refuse_seen(clf: Any, kept: Any, given: Calibration) -> str:
    """Refuse parts that training or validation has seen, and return what was compared."""
    remedy = "calibrate on parts that neither training nor validation has seen: split by part before training"
    compared = []
    pictures = seen.find(kept, "pictures", [] if kept is None else clf.sample_digests(given.X))
    if pictures:
        raise ValueError(
            f"X: training or validation has seen {len(pictures):,} of {len(given.labels):,} pictures, the first at position "
            f"{pictures[0]}; {remedy}"
        )
    if pictures is not None:
        compared.append("pixels of pictures")
    names = [] if given.named is None else sorted(set(given.named.tolist()))
    groups = seen.find(kept, "groups", [seen.group_digest(name) for name in names]) if names else None
    if groups:
        raise ValueError(
            f"groups: training or validation has seen {len(groups):,} of {len(names):,} parts, such as {names[groups[0]]!r}; "
            f"{remedy}; where equal names mean other parts, rename the groups"
        )
    if groups is not None:
        compared.append("names of groups")
    return " and ".join(compared)


def _refuse_copies(given: Calibration, parts: Parts, is_good: NDArray[np.bool_], ids: Sequence[str]) -> None:
    """Two pictures with the same pixels are one part, not two: they would count double. Rows may be equal by chance."""
    first: dict[str, int] = {}
    if given.paths is None and (given.samples is None or given.samples.ndim < 3):
        return
    _, sample = np.unique(parts.of, return_index=True)
    for part in np.flatnonzero(~is_good).tolist():
        if (other := first.setdefault(ids[part], part)) != part:
            raise ValueError(
                f"X: {_picture(given, sample[other])} and {_picture(given, sample[part])} hold the same pixels but count as "
                "two bad parts; put them into one group, or remove one"
            )


def _picture(given: Calibration, position: int) -> str:
    return f"picture {position}" if given.paths is None else str(given.paths[position])
