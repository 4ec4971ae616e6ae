"""Evaluation of a classifier on labelled pictures: figures, tables and galleries."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape as escape_html
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gonogo.data import Dataset
from gonogo.metrics import ClassFigures, Rate, class_figures, confusion_matrix, escape_rate, overkill_rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

RIGHT, WRONG = "#0b5cad", "#c62828"


class Classifier(Protocol):
    """What can be evaluated."""

    classes_: NDArray[Any]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities."""


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
    """

    classes: list[str]
    truth: NDArray[np.intp]
    predicted: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    confusion: NDArray[np.int64]
    pass_label: str | None
    data: Dataset | None

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
        """Return all figures as plain values, ready for JSON."""
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
                "rate": escaped.value,
                "upper95": escaped.upper95,
            }
            result["overkill"] = {"refused": overkilled.count, "good": overkilled.of, "rate": overkilled.value}
        return result

    def to_pandas(self) -> DataFrame:
        """Return the figures of the classes as a table; needs pandas."""
        import pandas as pd

        rows = {figures.name: figures.to_dict() for figures in self.per_class}
        return pd.DataFrame.from_dict(rows, orient="index")[["precision", "recall", "f1", "support"]]

    def __str__(self) -> str:
        width = max(len("class"), *(len(name) for name in self.classes))
        lines = [f"{'class':<{width}}  precision  recall  f1      support"]
        lines += [
            f"{f.name:<{width}}  {f.precision.value:9.4f}  {f.recall.value:6.4f}  {f.f1:6.4f}  {f.support:7d}"
            for f in self.per_class
        ]
        lines += ["", f"accuracy  {self.accuracy}"]
        if (escaped := self.escape) is not None and (overkilled := self.overkill) is not None:
            lines += [f"escape    {escaped}", f"overkill  {overkilled}"]
        lines += ["", "confusion (rows: truth, columns: prediction)"]
        cells = [["", *self.classes], *([name, *map(str, row)] for name, row in zip(self.classes, self.confusion, strict=True))]
        widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
        lines += ["  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True)) for row in cells]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape_html(f.name)}</td><td>{f.precision.value:.4f}</td><td>{f.recall.value:.4f}</td>"
            f"<td>{f.f1:.4f}</td><td>{f.support}</td></tr>"
            for f in self.per_class
        )
        head = "<tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>support</th></tr>"
        return f"<p>accuracy {escape_html(str(self.accuracy))}</p><table><thead>{head}</thead><tbody>{rows}</tbody></table>"

    def plot_confusion(self, ax: Axes | None = None) -> Axes:
        """Draw the confusion matrix with counts and the share of each row; needs matplotlib.

        Returns
        -------
        matplotlib Axes
        """
        import matplotlib.pyplot as plt

        count = len(self.classes)
        if ax is None:
            side = 2.2 + 0.9 * count
            ax = plt.subplots(figsize=(side + 0.6, side), layout="constrained")[1]
        shares = self.confusion / np.maximum(self.confusion.sum(axis=1, keepdims=True), 1)
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), share in np.ndenumerate(shares):
            text = f"{self.confusion[row, column]}\n{share:.1%}"
            ax.text(column, row, text, ha="center", va="center", color="white" if share > 0.6 else "black")
        ax.set_xticks(range(count), self.classes, rotation=0 if count <= 3 else 45, ha="center" if count <= 3 else "right")
        ax.set_yticks(range(count), self.classes)
        ax.set_xlabel("prediction")
        ax.set_ylabel("truth")
        ax.set_title(f"accuracy {self.accuracy.value:.4f} on {len(self)} pictures")
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
            Replaced by a grid in its place; a new figure when None.

        Returns
        -------
        matplotlib Axes
            The axes that the grid fills, with the title.
        """
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.permutation(len(self))[:n])
        return self._gallery(chosen, f"{len(chosen)} predictions, chosen at random", ax)

    def plot_errors(self, n: int = 16, ax: Axes | None = None) -> Axes:
        """Draw the mistakes, the most confident first; parameters and result as in :meth:`plot_gallery`."""
        wrong = self.mistakes
        shown = wrong[:n]
        title = f"{len(wrong)} mistakes in {len(self)} pictures"
        return self._gallery(shown, title if len(shown) == len(wrong) else f"{title}, the {len(shown)} most confident", ax)

    def _gallery(self, positions: NDArray[np.intp], title: str, ax: Axes | None) -> Axes:
        import matplotlib.pyplot as plt

        if self.data is None:
            raise ValueError("plot: this report was made from arrays without pictures; evaluate a Dataset to draw galleries")
        columns = min(4, max(1, len(positions)))
        rows = max(1, -(-len(positions) // columns))
        if ax is None:
            figure: Figure = plt.figure(figsize=(2.6 * columns, 0.6 + 2.9 * rows))
            ax = figure.add_axes((0.01, 0.01, 0.98, 0.98 - 0.4 / (0.6 + 2.9 * rows)))
        ax.set_axis_off()
        ax.set_title(title, fontsize=12)
        for k, position in enumerate(positions):
            row, column = divmod(k, columns)
            place = (column / columns + 0.005, 1 - (row + 1) / rows, 1 / columns - 0.01, 0.85 / rows)
            cell = ax.inset_axes(place)
            image = self.data[int(position)][0]
            cell.imshow(image[:, :, 0] if image.shape[2] == 1 else image, cmap="gray", vmin=0, vmax=255)
            cell.set_xticks([])
            cell.set_yticks([])
            said, true = self.predicted[position], self.truth[position]
            text = f"{self.classes[said]} {self.probabilities[position, said]:.1%}"
            if said != true:
                text += f"\ntruth: {self.classes[true]}"
            cell.set_title(text, fontsize=9, color=RIGHT if said == true else WRONG)
            for spine in cell.spines.values():
                spine.set_color(RIGHT if said == true else WRONG)
                spine.set_linewidth(2)
        return ax


def evaluate(clf: Classifier, data: Any) -> Report:
    """Compare a classifier with labelled data.

    Parameters
    ----------
    clf : InspectionClassifier or compatible
        Anything with ``classes_`` and ``predict_proba``.
    data : Dataset or (X, y)
        Labelled pictures.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        A label is not among the classifier's classes, or there is no picture.
    """
    if isinstance(data, Dataset):
        names, X, dataset = np.array(data.classes)[data.labels], data, data
    else:
        X, names, dataset = data[0], np.asarray(data[1]), None
    classes = [str(name) for name in clf.classes_]
    positions = {name: i for i, name in enumerate(classes)}
    given = [str(name) for name in names]
    if not given:
        raise ValueError("data: found no picture, expected at least one")
    if unknown := sorted(set(given) - set(classes)):
        raise ValueError(f"data: the class {unknown[0]!r} is unknown to the model, whose classes are {', '.join(classes)}")
    truth = np.array([positions[name] for name in given], np.intp)
    probabilities = clf.predict_proba(X)
    if len(probabilities) != len(truth):
        raise ValueError(f"data: found {len(truth)} labels for {len(probabilities)} samples, expected one for each")
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(truth, predicted, len(classes))
    pass_label = getattr(clf, "pass_label", None)
    return Report(classes, truth, predicted, probabilities, confusion, pass_label, dataset)
