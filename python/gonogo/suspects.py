"""Labels in doubt: pictures that nets which have not seen their part take for another class, again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gonogo.data import Dataset
from gonogo.worksheet import Row, check_name, read_worksheet, write_worksheet

_SCORE_DIGITS = 4


@dataclass(frozen=True)
class Suspect:
    """A picture whose label is in doubt.

    Attributes
    ----------
    position : int or None
        In the data that were cross-validated; None for a picture that was left out of it.
    file : str
        Path below the root, or the position as text where there are no files.
    label, suggested : str
        The class that it has, and the most probable other one.
    score : float
        0 to 1, the higher the more probably wrong.
    reason : str
        Why, in a sentence.
    """

    position: int | None
    file: str
    label: str
    suggested: str
    score: float
    reason: str


def label_scores(labels: NDArray[np.intp], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each label how probably it is wrong, float64 (n,), 0 to 1; from 0.5 on another class is more probable.

    The normalised margin (Northcutt, Jiang, Chuang: "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal
    of Artificial Intelligence Research 70, 2021), turned around: (1 + largest probability of another class - that of the
    label) / 2, of the mean probabilities over repeats.

    Parameters
    ----------
    labels : intp array (n,)
        Positions of classes.
    probabilities : float64 array (repeats, n, classes)
        Out of fold.
    """
    mean = probabilities.mean(axis=0)
    own = mean[np.arange(len(labels)), labels]
    return np.asarray((1 + mean[np.arange(len(labels)), _best_others(labels, mean)] - own) / 2)


def find_suspects(data: Dataset, probabilities: NDArray[np.float64], excluded: Dataset | None = None) -> list[Suspect]:
    """Return pictures whose label is in doubt, the most doubtful first.

    Listed are pictures that the nets of at least one repeat take for another class: where most do, the label is probably
    wrong; where they disagree, the picture shows a bit of both. Pictures of parts with several classes come first: there
    one label or the other is wrong, or the class is not that of the part.

    Parameters
    ----------
    data : Dataset
        The pictures that were cross-validated.
    probabilities : float64 array (repeats, n, classes)
        Out of fold.
    excluded : Dataset, optional
        Pictures of parts with several classes, left out of the cross-validation.

    Raises
    ------
    ValueError
        The data are tiles, whose labels are not those of files.
    """
    if data.boxes is not None:
        raise ValueError("data: tiles have no files of their own whose labels could be doubted; look at whole pictures")
    mean, scores = probabilities.mean(axis=0), label_scores(data.labels, probabilities)
    others = _best_others(data.labels, mean)
    against = (probabilities.argmax(axis=2) != data.labels).sum(axis=0)
    files, found = data.files, _of_mixed_parts(excluded)
    for i in np.flatnonzero(against).tolist():
        label, other = data.classes[data.labels[i]], data.classes[others[i]]
        reason = _reason(int(against[i]), len(probabilities), other, float(mean[i, others[i]]))
        score = round(float(scores[i]), _SCORE_DIGITS)
        found.append(Suspect(i, files[i], label, other, score, reason))
    return sorted(found, key=lambda suspect: (-suspect.score, suspect.file))


def _best_others(labels: NDArray[np.intp], mean: NDArray[np.float64]) -> NDArray[np.intp]:
    """The most probable class besides the label, of each picture."""
    others = mean.copy()
    others[np.arange(len(labels)), labels] = -1
    return np.asarray(others.argmax(axis=1))


def _reason(against: int, repeats: int, other: str, share: float) -> str:
    told = f"mean probability of {other} {share:.0%}"
    if against == repeats:
        return f"taken for another class in each of {repeats} repeats, by nets that had not seen its part; {told}"
    return f"perhaps two classes: taken for another one in {against} of {repeats} repeats; {told}"


def _of_mixed_parts(excluded: Dataset | None) -> list[Suspect]:
    if excluded is None or excluded.groups is None:
        return []
    groups, labels = excluded.groups.tolist(), [excluded.classes[k] for k in excluded.labels.tolist()]
    counts = {group: Counter[str]() for group in groups}
    for group, label in zip(groups, labels, strict=True):
        counts[group][label] += 1
    found = []
    for file, group, label in zip(excluded.files, groups, labels, strict=True):
        other = max((name for name in counts[group] if name != label), key=lambda name: (counts[group][name], name))
        told = ", ".join(f"{n} {name}" for name, n in sorted(counts[group].items()))
        found.append(
            Suspect(None, file, label, other, 1.0, f"its part {group} has pictures of several classes: {told}")
        )
    return found


def write_suspects(path: str | Path, suspects: Iterable[Suspect]) -> Path:
    """Write a worksheet for ``gonogo label`` and ``gonogo relabel``; see :mod:`gonogo.worksheet`.

    Raises
    ------
    ValueError
        The name of a file is not Unicode.
    OSError
        The file cannot be written; nothing is left half-written.
    """
    rows = []
    for suspect in suspects:
        check_name(suspect.file)
        score = f"{suspect.score:.{_SCORE_DIGITS}f}"
        rows.append(Row(suspect.file, suspect.label, suspect.suggested, score, suspect.reason))
    return write_worksheet(path, rows)


def without_suspects(path: str | Path, data: Dataset, known: Dataset) -> Dataset:
    """Return the pictures that a worksheet does not doubt, or whose present label a person has confirmed in it.

    Parameters
    ----------
    path : str or Path
        The worksheet.
    data : Dataset
        Pictures to choose from.
    known : Dataset
        All pictures there are: the worksheet may list no others.

    Raises
    ------
    OSError, ValueError
        The worksheet cannot be read, or lists a picture that does not exist.
    """
    rows, files = read_worksheet(path, "without"), set(known.files)
    if unknown := [file for file in rows if file not in files]:
        raise ValueError(
            f"{path}: {len(unknown)} of {len(rows)} listed files are not among the pictures, such as {unknown[0]}; give the "
            "worksheet that was made of these"
        )
    labels = [data.classes[k] for k in data.labels.tolist()]
    return data[
        [file not in rows or rows[file].corrected == label for file, label in zip(data.files, labels, strict=True)]
    ]
