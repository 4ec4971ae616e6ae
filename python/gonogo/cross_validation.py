"""Repeated cross-validation by part: what to expect of a recipe, how much of it is luck, and a verdict on each picture by nets
that have not seen its part."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gonogo.callbacks import Callback
from gonogo.checks import check_integer
from gonogo.data import Dataset
from gonogo.data.folds import LEFT_OUT, assign_folds
from gonogo.data.split import OnMixed
from gonogo.evaluation import evaluate
from gonogo.progress import Verbose, open_progress, wants_progress
from gonogo.report import Report
from gonogo.suspects import Suspect, find_suspects

if TYPE_CHECKING:
    from gonogo.classifier import InspectionClassifier

CAVEAT = (
    "figures of folds are not independent, their nets share most training pictures: no standard error follows from their "
    "spread (Bengio, Grandvalet 2004)"
)


@dataclass(frozen=True)
class Spread:
    """A figure over all trainings of a cross-validation.

    Attributes
    ----------
    mean : float
        Over repeats, of the figure on all pictures.
    between_repeats : float
        Standard deviation over repeats: what another draw of folds and initial weights changes. NaN for one repeat.
    between_folds : float
        Standard deviation over the single folds.
    least, most : float
        Of the single folds.
    """

    mean: float
    between_repeats: float
    between_folds: float
    least: float
    most: float

    def __str__(self) -> str:
        return (
            f"{self.mean:.4f}  +- {self.between_repeats:.4f} between repeats, +- {self.between_folds:.4f} between folds "
            f"({self.least:.4f} to {self.most:.4f})"
        )


@dataclass(frozen=True)
class CrossValidation:
    """Result of :func:`gonogo.cross_validate`.

    Attributes
    ----------
    data : Dataset
        The pictures that were tested, all of them in each repeat.
    excluded : Dataset or None
        Pictures of parts with several classes, which were left out.
    fold : intp array (repeats, n)
        The fold in which each picture was tested.
    probabilities : float64 array (repeats, n, classes)
        Out of fold: told by the one net of each repeat that was not trained on the picture's part.
    reports : list of Report
        For each repeat, on all pictures, each judged out of fold.
    fold_reports : list of list of Report
        For each repeat, one for each fold.
    """

    data: Dataset
    excluded: Dataset | None
    fold: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    reports: list[Report]
    fold_reports: list[list[Report]]

    @property
    def repeats(self) -> int:
        """How often all pictures were tested."""
        return len(self.reports)

    @property
    def folds(self) -> int:
        """Trainings of each repeat."""
        return len(self.fold_reports[0])

    @cached_property
    def figures(self) -> dict[str, Spread]:
        """Mean and spread of accuracy, macro F1, and, where they are known, accuracy by part, escape and overkill."""
        of_repeats = [_figures(report) for report in self.reports]
        of_folds = [_figures(report) for reports in self.fold_reports for report in reports]
        return {
            name: Spread(
                float(np.mean([figures[name] for figures in of_repeats])),
                _deviation([figures[name] for figures in of_repeats]),
                _deviation([figures[name] for figures in of_folds]),
                min(figures[name] for figures in of_folds),
                max(figures[name] for figures in of_folds),
            )
            for name in of_repeats[0]
        }

    def suspects(self) -> list[Suspect]:
        """Return pictures whose label is in doubt, the most doubtful first; see :func:`gonogo.suspects.find_suspects`."""
        return find_suspects(self.data, self.probabilities, self.excluded)

    def doubted(self, suspects: list[Suspect]) -> dict[str, float]:
        """Return the share of each class among the tested pictures that is in doubt."""
        listed = Counter(suspect.label for suspect in suspects if suspect.position is not None)
        return {name: listed[name] / count for name, count in self.data.class_counts().items()}

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values, ready for JSON; what is undefined is None."""
        return {
            "n": len(self.data),
            "folds": self.folds,
            "repeats": self.repeats,
            "by": "image" if self.data.groups is None else "group",
            "figures": {name: _plain(vars(spread)) for name, spread in self.figures.items()},
            "per_fold": [
                {"repeat": repeat, "fold": fold, "n": len(report), **_plain(_figures(report))}
                for repeat, reports in enumerate(self.fold_reports)
                for fold, report in enumerate(reports)
            ],
            "confusion": [report.confusion.tolist() for report in self.reports],
            "classes": self.data.classes,
            "excluded": 0 if self.excluded is None else len(self.excluded),
            "caveat": CAVEAT,
        }

    def __str__(self) -> str:
        unit = "picture" if self.data.groups is None else "part"
        repeated = f"{self.repeats} repeat{'s' * (self.repeats != 1)} of {self.folds} folds by {unit}"
        width = max(map(len, self.figures))
        lines = [f"{name.replace('_', ' '):<{width}}  {spread}" for name, spread in self.figures.items()]
        return "\n".join([f"{len(self.data):,} pictures, {repeated}", "", *lines, "", CAVEAT])


def cross_validate(
    clf: InspectionClassifier,
    data: Dataset | tuple[Any, Any],
    *,
    folds: int = 5,
    repeats: int = 3,
    seed: int = 0,
    groups: ArrayLike | None = None,
    on_mixed: OnMixed = "raise",
    verbose: Verbose = "auto",
) -> CrossValidation:
    """Train on all folds but one and test on that one, in turn, several times over.

    Folds are drawn by part where groups say which pictures show one part, and each has its share of every class. The held-out
    fold takes no part in the training, neither to stop it nor to choose its weights. Keep the test set out of it.

    Parameters
    ----------
    clf : InspectionClassifier
        The recipe: its parameters are used, it is neither trained nor changed. Each training gets its own seed.
    data : Dataset or (X, y)
        Labelled pictures, uint8 arrays (n, h, w[, c]) in a pair.
    folds, repeats : int
        Trainings of a repeat, at least 2, and repeats, each with folds drawn anew.
    seed : int
        Of folds and trainings; ``random_state`` of ``clf`` is not used.
    groups : array-like (n,), optional
        Part that each picture of a pair shows; a Dataset brings its own.
    on_mixed : {"raise", "exclude"}
        What happens to parts with pictures of more than one class.
    verbose : "auto" or bool
        Progress bar; ``"auto"``: in a terminal or a notebook.

    Returns
    -------
    CrossValidation

    Raises
    ------
    ValueError, TypeError
        Naming the parameter; also where a class has fewer parts than there are folds.
    """
    pictures = _as_dataset(data, groups)
    times = check_integer("repeats", repeats, 1)
    start = check_integer("seed", seed, 0)
    drawn = [
        assign_folds(
            pictures.files,
            pictures.labels,
            pictures.classes,
            pictures.groups,
            folds,
            on_mixed=on_mixed,
            seed=start + repeat,
        )
        for repeat in range(times)
    ]
    tested = drawn[0] != LEFT_OUT
    excluded = None if tested.all() else pictures[~tested]
    fold = np.stack(drawn)[:, tested]
    pictures = pictures[tested]
    bar = _TrainingBar(clf, fold) if wants_progress(verbose) else None
    probabilities = np.full((times, len(pictures), len(pictures.classes)), np.nan)
    fold_reports: list[list[Report]] = []
    try:
        for repeat in range(times):
            fold_reports.append([])
            for number in range(folds):
                held = fold[repeat] == number
                trained = type(clf)(**{**clf.get_params(deep=False), "verbose": False})
                trained.set_params(random_state=start + repeat * folds + number)
                trained.fit(pictures[~held], callbacks=[] if bar is None else [bar])
                report = evaluate(trained, pictures[held])
                probabilities[repeat, held] = report.probabilities
                fold_reports[-1].append(report)
    finally:
        if bar is not None:
            bar.close()
    told = [_OutOfFold(pictures.classes, shares, clf.pass_label) for shares in probabilities]
    return CrossValidation(
        data=pictures,
        excluded=excluded,
        fold=fold,
        probabilities=probabilities,
        reports=[evaluate(nets, pictures) for nets in told],
        fold_reports=fold_reports,
    )


class _OutOfFold:
    """All nets of a repeat as one classifier of the pictures that they were tested on."""

    def __init__(self, classes: list[str], probabilities: NDArray[np.float64], pass_label: Any) -> None:
        self.classes_ = np.array(classes)
        self.pass_label = pass_label
        self._probabilities = probabilities

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: ARG002 - the pictures are those of the folds
        return self._probabilities


class _TrainingBar(Callback):
    """One bar for all trainings, in pictures trained on."""

    def __init__(self, clf: InspectionClassifier, fold: NDArray[np.intp]) -> None:
        repeats, n = fold.shape
        self.trainings = repeats * (int(fold.max()) + 1)
        self.begun = 0
        # Each repeat trains on each picture in all folds but its own.
        total = repeats * int(fold.max()) * n * clf.epochs
        if clf.steps_per_epoch is not None:
            total = self.trainings * clf.epochs * clf.steps_per_epoch * clf.batch_size
        self.bar = open_progress("cross-validation", total)
        self.seen = 0

    def on_train_begin(self, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        self.begun += 1
        self.seen = 0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:  # noqa: ARG002 - the hook's signature
        self.bar.update(self.model.images - self.seen, self._place())
        self.seen = self.model.images

    def close(self) -> None:
        self.bar.close(self._place())

    def _place(self) -> str:
        return f"training {self.begun} of {self.trainings}"


def _as_dataset(data: Any, groups: ArrayLike | None) -> Dataset:
    if not isinstance(data, Dataset):
        if not isinstance(data, (tuple, list)) or len(data) != 2:
            raise TypeError(f"data: found a {type(data).__name__}, expected a Dataset or a pair (X, y)")
        return Dataset.from_arrays(data[0], data[1], groups=groups)
    if groups is not None:
        raise ValueError("groups: a Dataset brings its own; leave groups out, or read it with groups")
    pictures = data[:]
    # A cross-validation is no opening of a test set: what it looks at is trained on as well.
    pictures.subset = pictures.split_file = None
    return pictures


def _figures(report: Report) -> dict[str, float]:
    found = {"accuracy": report.accuracy.value}
    if report.parts is not None and report.parts.grouped:
        found["accuracy_by_part"] = report.parts.accuracy.value
    found["macro_f1"] = report.macro["f1"].value
    if (escaped := report.escape) is not None and (overkilled := report.overkill) is not None:
        found |= {"escape": escaped.value, "overkill": overkilled.value}
    return found


def _deviation(values: list[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _plain(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
