"""Evaluation of a classifier on labelled pictures: figures, tables and galleries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gonogo import _core, curve_plots
from gonogo.certificate import Certificate
from gonogo.checks import check_integer, check_path
from gonogo.confusion_plot import draw_confusion, plain_percent
from gonogo.curves import Curve, curve
from gonogo.data import Dataset
from gonogo.decision import Rule, margins
from gonogo.gallery import INK, draw_gallery
from gonogo.macro import Macro, macro_figures
from gonogo.metrics import ClassFigures, Rate, class_figures, confusion_matrix
from gonogo.part_results import PartResults
from gonogo.reliability import Reliability, mix_weights, reliability
from gonogo.report_text import report_dict, report_html, report_text
from gonogo.resampling import design_effect
from gonogo.review_zone import ReviewZone
from gonogo.unknown_guard import UnknownGuard

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

RIGHT, WRONG = "#0b5cad", "#c62828"  # blue and red that colour-blind readers tell apart, also by their brightness


@dataclass(frozen=True)
class Report:
    """Result of :func:`gonogo.evaluate`.

    Attributes
    ----------
    classes : list of str
        In the order of all tables.
    truth, predicted : intp arrays (n,)
        Positions in ``classes``, of each picture.
    probabilities : float64 array (n, classes)
    scores : float64 array (n,) or (n, classes)
        Logit of the second of two classes, or one for each class; logarithms of probabilities where there are no others.
    confusion : int array (classes, classes)
        Of pictures; rows are the truth.
    pass_label : str or None
        The class that means PASS, where it is known.
    data : Dataset or None
        The pictures, for galleries.
    part_of : intp array (n,)
        The part that each picture shows; each its own where no groups are known.
    parts : PartResults or None
        Truth and decision of each part; None for tiles, whose labels may differ within a part.
    certificate : Certificate or None
        That of the gate that decided about the parts.
    openings : int or None
        How often any of these parts had been opened as a test set before, by the ledger; None where there is no ledger.
    shares : mapping of str -> float or None
        Mix of classes that the probabilities are for, where the model has a temperature.
    independent : Report or None
        The same without the parts that are among the training pictures, where :func:`gonogo.evaluate` was given an audit.
    audit : AuditReport or None
        That audit.
    review_zone : ReviewZone or None
        That of the gate, where it has one.
    unknown_guard : UnknownGuard or None
        That of the gate, where it has one.
    model : dict or None
        Facts of the model, where it is one of ours; see :func:`gonogo.model_card.model_card`.
    """

    classes: list[str]
    truth: NDArray[np.intp]
    predicted: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    scores: NDArray[np.float64]
    confusion: NDArray[np.int64]
    pass_label: str | None
    data: Dataset | None
    part_of: NDArray[np.intp]
    parts: PartResults | None
    certificate: Certificate | None = None
    openings: int | None = None
    shares: Mapping[str, float] | None = None
    independent: Report | None = None
    audit: Any = None
    review_zone: ReviewZone | None = None
    unknown_guard: UnknownGuard | None = None
    model: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def unit(self) -> str:
        """What escape and overkill count: ``"part"``, or ``"picture"`` where no groups are known, or ``"tile"``."""
        if self.parts is None:
            return "tile"
        return "part" if self.parts.grouped else "picture"

    @property
    def accuracy(self) -> Rate:
        """Share of pictures predicted right; approximate limits where several show one part."""
        right = self.truth == self.predicted
        return Rate(int(right.sum()), len(self), design_effect(right, np.ones(len(self), bool), self.part_of))

    @property
    def per_class(self) -> list[ClassFigures]:
        """Precision, recall, F1 and support of each class, in pictures."""
        return class_figures(self.truth, self.predicted, self.classes, self.part_of)

    @cached_property
    def macro(self) -> dict[str, Macro]:
        """Precision, recall and F1 averaged over the classes, in pictures, with approximate limits (bootstrap of parts)."""
        return macro_figures(self.truth, self.predicted, len(self.classes), self.part_of)

    @property
    def mix(self) -> dict[str, float]:
        """Share of each class in these pictures: precision holds for this mix alone."""
        shares = np.bincount(self.truth, minlength=len(self.classes)) / len(self)
        return dict(zip(self.classes, shares.tolist(), strict=True))

    @property
    def escape(self) -> Rate | None:
        """Share of bad parts called PASS; None where no PASS class is known."""
        if self.pass_label is None:
            return None
        passing = self.classes.index(self.pass_label)
        if self.parts is not None:
            return self.parts.escape(passing)
        bad, escaped = self.truth != passing, (self.truth != passing) & (self.predicted == passing)
        return Rate(int(escaped.sum()), int(bad.sum()), design_effect(escaped, bad, self.part_of))

    @property
    def overkill(self) -> Rate | None:
        """Share of good parts not called PASS; None where no PASS class is known."""
        if self.pass_label is None:
            return None
        passing = self.classes.index(self.pass_label)
        if self.parts is not None:
            return self.parts.overkill(passing)
        good, refused = self.truth == passing, (self.truth == passing) & (self.predicted != passing)
        return Rate(int(refused.sum()), int(good.sum()), design_effect(refused, good, self.part_of))

    @property
    def rule(self) -> Rule | None:
        """What the gate decided by; None where there was none."""
        certified = None if self.certificate is None else self.certificate.rule
        return certified if certified is None or self.review_zone is None else self.review_zone.applied(certified)

    @property
    def escape_by_class(self) -> dict[str, Rate]:
        """Share of the bad parts of each fault class that are called PASS; empty where no PASS class is known."""
        if self.pass_label is None:
            return {}
        passing = self.classes.index(self.pass_label)
        parts = self.parts
        truth, said = (self.truth, self.predicted) if parts is None else (parts.truth, parts.predicted)
        rates = {}
        for k, name in enumerate(self.classes):
            of_class, escaped = truth == k, (truth == k) & (said == passing)
            effect = design_effect(escaped, of_class, self.part_of) if parts is None else None
            rates[name] = Rate(int(escaped.sum()), int(of_class.sum()), effect)
        del rates[self.pass_label]
        return rates

    @cached_property
    def curves(self) -> dict[str, Curve]:
        """ROC and precision-recall curve of each class against all others, by picture."""
        scores = [margins(self.scores, k) for k in range(len(self.classes))]
        return {name: curve(scores[k], self.truth == k, self.part_of) for k, name in enumerate(self.classes)}

    @cached_property
    def reliability(self) -> dict[str, Reliability]:
        """How often the probabilities of each class came true, by picture, in the mix of classes that they are for."""
        weights = mix_weights(self.truth, self.classes, self.shares)
        shown = zip(self.classes, self.probabilities.T, strict=True)
        return {name: reliability(told, self.truth == k, self.part_of, weights) for k, (name, told) in enumerate(shown)}

    @property
    def mistakes(self) -> NDArray[np.intp]:
        """Positions of the wrong predictions, the most confident first."""
        wrong = np.flatnonzero(self.truth != self.predicted)
        return wrong[np.argsort(-self.probabilities[wrong, self.predicted[wrong]], kind="stable")]

    def to_html(self, path: str | Path) -> Path:
        """Write a page that answers whether to ship on this model, with all figures, curves and the pictures to look at.

        One file that needs no network, on a screen, a phone or paper. The same report gives the same bytes.

        Parameters
        ----------
        path : str or Path
            Such as ``report.html``; replaced when it exists. Its folder must exist.

        Returns
        -------
        Path
            The page.

        Raises
        ------
        OSError
            It cannot be written; nothing is left half-written.
        """
        from gonogo.report_page import write_report

        return write_report(self, check_path("path", path, "a file to write"))

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values, ready for JSON; a share of nothing is None."""
        return report_dict(self)

    def select(self, kept: NDArray[np.bool_]) -> Report:
        """Return the report on those parts of which all pictures are kept.

        Parameters
        ----------
        kept : bool array (n,)
            Which pictures.

        Raises
        ------
        ValueError
            None is left.
        """
        whole = np.bincount(self.part_of, weights=~kept) == 0
        kept = whole[self.part_of]
        if not kept.any():
            raise ValueError(
                "without: every picture shows a part that is among the training pictures; nothing is left to test"
            )
        truth, predicted = self.truth[kept], self.predicted[kept]
        return replace(
            self,
            truth=truth,
            predicted=predicted,
            probabilities=self.probabilities[kept],
            scores=self.scores[kept],
            confusion=confusion_matrix(truth, predicted, len(self.classes)),
            data=None if self.data is None else self.data[kept],
            part_of=(np.cumsum(whole) - 1)[self.part_of[kept]],
            parts=None if self.parts is None else self.parts.select(whole),
            independent=None,
        )

    def to_pandas(self) -> DataFrame:
        """Return the figures of the classes as a table; needs pandas."""
        import pandas as pd

        rows = {figures.name: figures.to_dict() for figures in self.per_class}
        return pd.DataFrame.from_dict(rows, orient="index")[["precision", "recall", "f1", "support"]]

    def __str__(self) -> str:
        return report_text(self)

    def _repr_html_(self) -> str:
        return report_html(self)

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
        title = f"accuracy {self.accuracy.value:.4f} on {len(self):,} pictures"
        return draw_confusion(self.confusion, [_shortened(name) for name in self.classes], title, ax)

    def plot_roc(self, ax: Axes | None = None) -> Axes:
        """Draw the ROC curve of each class against all others, of PASS alone where it is known; needs matplotlib.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure when None.

        Returns
        -------
        matplotlib Axes
        """
        return curve_plots.plot_roc(self, ax)

    def plot_precision_recall(self, ax: Axes | None = None) -> Axes:
        """Draw precision against recall, dotted what guessing gives; classes, parameter and result as in :meth:`plot_roc`."""
        return curve_plots.plot_precision_recall(self, ax)

    def plot_reliability(self, ax: Axes | None = None) -> Axes:
        """Draw how often probabilities came true; classes, parameter and result as in :meth:`plot_roc`."""
        return curve_plots.plot_reliability(self, ax)

    def plot_scores(self, ax: Axes | None = None) -> Axes:
        """Draw how the scores of good and bad pictures lie, and the threshold where there is a gate; needs matplotlib.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure when None.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ValueError
            No PASS class is known.
        """
        if self.pass_label is None:
            raise ValueError(
                "pass_label: no PASS class is known, whose score could be drawn; give pass_label to evaluate"
            )
        import matplotlib.pyplot as plt

        if ax is None:
            ax = plt.subplots(figsize=(6, 3.6), layout="constrained")[1]
        passing = self.classes.index(self.pass_label)
        score, good = margins(self.scores, passing), self.truth == passing
        edges = np.histogram_bin_edges(score[np.isfinite(score)], 40).tolist()
        ax.hist(score[good], edges, color=RIGHT, alpha=0.6, label=f"good, {int(good.sum()):,}")
        ax.hist(score[~good], edges, histtype="step", color=WRONG, linewidth=2, label=f"bad, {int((~good).sum()):,}")
        if self.certificate is not None:
            limit = self.certificate.threshold + self.certificate.guard_band
            ax.axvline(limit, color=INK, linestyle="--", label=f"PASS above {limit:.4g}")
        ax.set_xlabel(f"score of {_shortened(self.pass_label)} (margin in logits)", color=INK)
        ax.set_ylabel("pictures", color=INK)
        ax.legend(frameon=False)
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
            caption = f"{_shortened(self.classes[said])} {plain_percent(self.probabilities[position, said])}"
            images.append(self.data[position][0])
            captions.append(caption if said == true else f"{caption}\ntruth: {_shortened(self.classes[true])}")
            colors.append(RIGHT if said == true else WRONG)
        return draw_gallery(images, captions, colors, title, ax)


def _shortened(name: str) -> str:
    return name if len(name) <= 20 else name[:19] + "…"
