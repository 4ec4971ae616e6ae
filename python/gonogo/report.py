"""Evaluation of a classifier on labelled pictures: figures, tables and galleries."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from html import escape as escape_html
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.checks import check_integer
from gonogo.data import Dataset
from gonogo.gallery import INK, draw_gallery
from gonogo.labels import class_names, label_array, label_positions
from gonogo.metrics import ClassFigures, Rate, class_figures, confusion_matrix, defined, escape_rate, overkill_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

RIGHT, WRONG = "#0b5cad", "#c62828"  # blue and red that colour-blind readers tell apart, also by their brightness


class Classifier(Protocol):
    """What can be evaluated."""

    classes_: NDArray[Any]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities."""


class Audit(Protocol):
    """What knows which pictures of a data set show a part that is among the training pictures."""

    def leaked(self, data: Dataset) -> NDArray[np.bool_]:
        """Return which ones, bool (n,)."""


@dataclass(frozen=True)
class Report:
    """Result of :func:`evaluate`.

    Attributes
    ----------
    classes : list of str
        In the order of all tables.
    truth, predicted : intp arrays (n,)
        Positions in ``classes``.
    probabilities : float64 array (n, classes)
    confusion : int array (classes, classes)
        Rows are the truth.
    pass_label : str or None
        The class that means PASS, where it is known.
    data : Dataset or None
        The pictures, for galleries.
    independent : Report or None
        The same without the pictures whose part is among the training pictures, where :func:`evaluate` was given an audit.
    """

    classes: list[str]
    truth: NDArray[np.intp]
    predicted: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    confusion: NDArray[np.int64]
    pass_label: str | None
    data: Dataset | None
    independent: Report | None = None

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def accuracy(self) -> Rate:
        """Share of right predictions."""
        return Rate(int(np.trace(self.confusion)), len(self))

    @property
    def per_class(self) -> list[ClassFigures]:
        """Precision, recall, F1 and support of each class."""
        return class_figures(self.confusion, self.classes)

    @property
    def escape(self) -> Rate | None:
        """Share of bad pictures called PASS; None where no PASS class is known."""
        return None if self.pass_label is None else escape_rate(self.confusion, self.classes.index(self.pass_label))

    @property
    def overkill(self) -> Rate | None:
        """Share of good pictures not called PASS; None where no PASS class is known."""
        return None if self.pass_label is None else overkill_rate(self.confusion, self.classes.index(self.pass_label))

    @property
    def mistakes(self) -> NDArray[np.intp]:
        """Positions of the wrong predictions, the most confident first."""
        wrong = np.flatnonzero(self.truth != self.predicted)
        return wrong[np.argsort(-self.probabilities[wrong, self.predicted[wrong]], kind="stable")]

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values, ready for JSON; a share of nothing is None."""
        result: dict[str, Any] = {
            "n": len(self),
            "accuracy": self.accuracy.value,
            "accuracy_interval": list(self.accuracy.interval),
            "interval_unit": "picture (approximate where several pictures show one part)",
            "classes": self.classes,
            "confusion": self.confusion.tolist(),
            "per_class": {figures.name: figures.to_dict() for figures in self.per_class},
        }
        if (escaped := self.escape) is not None and (overkilled := self.overkill) is not None:
            result["escape"] = {
                "escapes": escaped.count,
                "defects": escaped.of,
                "rate": defined(escaped.value),
                "upper95": escaped.upper95,
            }
            result["overkill"] = {"refused": overkilled.count, "good": overkilled.of, "rate": defined(overkilled.value)}
        if self.independent is not None:
            result["independent"] = self.independent.to_dict()
        return result

    def select(self, kept: NDArray[np.bool_]) -> Report:
        """Return the report on a part of the pictures.

        Parameters
        ----------
        kept : bool array (n,)
            Which pictures.

        Raises
        ------
        ValueError
            None is left.
        """
        if not kept.any():
            raise ValueError(
                "without: every picture shows a part that is among the training pictures; nothing is left to test"
            )
        truth, predicted = self.truth[kept], self.predicted[kept]
        confusion = confusion_matrix(truth, predicted, len(self.classes))
        data = None if self.data is None else self.data[kept]
        return Report(self.classes, truth, predicted, self.probabilities[kept], confusion, self.pass_label, data)

    def to_pandas(self) -> DataFrame:
        """Return the figures of the classes as a table; needs pandas."""
        import pandas as pd

        rows = {figures.name: figures.to_dict() for figures in self.per_class}
        return pd.DataFrame.from_dict(rows, orient="index")[["precision", "recall", "f1", "support"]]

    def __str__(self) -> str:
        width = max(len("class"), *(len(name) for name in self.classes))
        lines = [f"{'class':<{width}}  precision  recall  f1      support"]
        lines += [
            f"{f.name:<{width}}  {_digits(f.precision.value):>9}  {_digits(f.recall.value)}  {_digits(f.f1)}  {f.support:7d}"
            for f in self.per_class
        ]
        lines += ["", f"accuracy  {self.accuracy}"]
        if (escaped := self.escape) is not None and (overkilled := self.overkill) is not None:
            lines += [f"escape    {escaped}", f"overkill  {overkilled}"]
        if (clean := self.independent) is not None:
            lines += ["", f"without the {len(self) - len(clean):,} pictures whose part is among the training pictures:"]
            lines += [f"accuracy  {clean.accuracy}"]
            if clean.escape is not None and clean.overkill is not None:
                lines += [f"escape    {clean.escape}", f"overkill  {clean.overkill}"]
        lines += ["", "confusion (rows: truth, columns: prediction)"]
        cells = [
            ["", *self.classes],
            *([name, *map(str, row)] for name, row in zip(self.classes, self.confusion, strict=True)),
        ]
        widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
        lines += ["  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True)) for row in cells]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape_html(f.name)}</td><td>{_digits(f.precision.value)}</td><td>{_digits(f.recall.value)}</td>"
            f"<td>{_digits(f.f1)}</td><td>{f.support}</td></tr>"
            for f in self.per_class
        )
        head = "<tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>support</th></tr>"
        return f"<p>accuracy {escape_html(str(self.accuracy))}</p><table><thead>{head}</thead><tbody>{rows}</tbody></table>"

    def plot_confusion(self, ax: Axes | None = None) -> Axes:
        """Draw the confusion matrix with counts and the share of each row; needs matplotlib.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure when None.

        Returns
        -------
        matplotlib Axes
        """
        import matplotlib.pyplot as plt

        from gonogo.fitted_text import FittedText, write_fitted

        count = len(self.classes)
        names = [_shortened(name) for name in self.classes]
        slanted = count > 3 or max(map(len, names)) > 10
        if ax is None:
            side = max(3.6, 1.6 + 0.95 * count)
            ax = plt.subplots(figsize=(side + 0.6, side), layout="constrained")[1]
        shares = self.confusion / np.maximum(self.confusion.sum(axis=1, keepdims=True), 1)
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        written: list[FittedText] = []
        for (row, column), share in np.ndenumerate(shares):
            style = {"color": "white" if share > 0.6 else INK, "ha": "center", "va": "center", "linespacing": 1.3}
            text = f"{self.confusion[row, column]:,}\n{_percent(share)}"
            written.append(FittedText(column, row, text, place=(0.9, 0.8), largest=11, **style))
        ax.set_xticks(range(count), names, rotation=40 if slanted else 0, ha="right" if slanted else "center")
        ax.set_yticks(range(count), names)
        ax.tick_params(length=0, colors=INK)
        ax.set_xticks(np.arange(count - 1) + 0.5, minor=True)
        ax.set_yticks(np.arange(count - 1) + 0.5, minor=True)
        ax.grid(which="minor", color="white", linewidth=2)
        ax.tick_params(which="minor", length=0)
        ax.spines[:].set_visible(False)
        ax.set_xlabel("prediction", color=INK)
        ax.set_ylabel("truth", color=INK)
        ax.set_title(f"accuracy {self.accuracy.value:.4f} on {len(self):,} pictures", fontsize=12, color=INK)
        write_fitted(ax, written)
        return ax

    def plot_gallery(self, n: int = 16, seed: int = 0, ax: Axes | None = None) -> Axes:
        """Draw ``n`` random predictions: blue where right, red where wrong, with the probability in percent.

        Parameters
        ----------
        n : int
            Pictures.
        seed : int
            Of the choice.
        ax : matplotlib Axes, optional
            Where to draw; a new figure when None.

        Returns
        -------
        matplotlib Axes
        """
        chosen = _core.shuffled(len(self), seed)[: check_integer("n", n, 1)].astype(np.intp)
        return self._gallery(chosen, f"{len(chosen)} of {len(self):,} predictions", ax)

    def plot_errors(self, n: int = 16, ax: Axes | None = None) -> Axes:
        """Draw the mistakes, the most confident first; parameters and result as in :meth:`plot_gallery`."""
        wrong = self.mistakes
        shown = wrong[: check_integer("n", n, 1)]
        title = f"{len(wrong):,} mistake{'' if len(wrong) == 1 else 's'} in {len(self):,} pictures"
        if len(shown) < len(wrong):
            title += f"\nthe {len(shown)} most confident"
        return self._gallery(shown, title, ax)

    def _gallery(self, positions: NDArray[np.intp], title: str, ax: Axes | None) -> Axes:
        if self.data is None:
            raise ValueError("data: this report has no pictures to draw; evaluate a Dataset or an array of pictures")
        images, captions, colors = [], [], []
        for position in positions.tolist():
            said, true = self.predicted[position], self.truth[position]
            caption = f"{_shortened(self.classes[said])} {_percent(self.probabilities[position, said])}"
            images.append(self.data[position][0])
            captions.append(caption if said == true else f"{caption}\ntruth: {_shortened(self.classes[true])}")
            colors.append(RIGHT if said == true else WRONG)
        return draw_gallery(images, captions, colors, title, ax)


def evaluate(clf: Classifier, data: Any, *, without: Audit | None = None) -> Report:
    """Compare a classifier with labelled data.

    Parameters
    ----------
    clf : InspectionClassifier or compatible
        Anything with ``classes_`` and ``predict_proba``.
    data : Dataset or (X, y)
        Labelled pictures.
    without : AuditReport, optional
        An audit of the training pictures together with ``data``, a Dataset: the report then also holds, as ``independent``, the
        figures without the pictures whose part was in training.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        A label is not among the classifier's classes, or there is no picture.
    """
    classes = class_names(clf.classes_)
    if isinstance(data, Dataset):
        given, X, dataset = np.array(data.classes)[data.labels], data, data
    else:
        if not isinstance(data, (tuple, list)) or len(data) != 2:
            raise TypeError(f"data: found a {type(data).__name__}, expected a Dataset or a pair (X, y)")
        X, given, dataset = data[0], label_array("data", data[1]), None
    if len(given) == 0:
        raise ValueError("data: found no sample, expected at least one sample with its label")
    truth = label_positions("data", given, clf.classes_)
    probabilities = clf.predict_proba(X)
    if len(probabilities) != len(truth):
        raise ValueError(f"data: found {len(truth)} labels for {len(probabilities)} samples, expected one for each")
    if isinstance(X, np.ndarray) and X.dtype == np.uint8 and X.ndim in (3, 4):
        pixels = X if X.ndim == 4 else X[..., None]
        dataset = Dataset(pixels, np.arange(len(pixels), dtype=np.uint32), truth, classes)
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(truth, predicted, len(classes))
    pass_label = getattr(clf, "pass_label", None)
    if pass_label is not None:
        pass_label = classes[label_positions("pass_label", [pass_label], clf.classes_)[0]]
    report = Report(classes, truth, predicted, probabilities, confusion, pass_label, dataset)
    if without is None:
        return report
    if not isinstance(data, Dataset):
        raise TypeError(f"without: needs the pictures as a Dataset, found a {type(data).__name__}")
    return replace(report, independent=report.select(~without.leaked(data)))


def _digits(value: float) -> str:
    return "     -" if math.isnan(value) else f"{value:.4f}"


def _percent(share: float) -> str:
    """Four digits would be too many for a caption; only what is certain is called 100 %."""
    text = f"{share:.1%}"
    return "99.9%" if text == "100.0%" and share < 1 else "0.1%" if text == "0.0%" and share > 0 else text


def _shortened(name: str) -> str:
    return name if len(name) <= 20 else name[:19] + "…"
