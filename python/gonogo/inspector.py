"""The deployment face: a model file with its certificate, and a decision about each part; no training code behind it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo.checks import check_threads
from gonogo.decision import REVIEW, Decision, doubt_about
from gonogo.model_file import ModelFile, read_model

Sample = NDArray[np.uint8] | NDArray[np.float32]


class Inspector:
    """Decide on parts as a certificate says. Any doubt is REVIEW, with its reason.

    Parameters
    ----------
    path : str or Path
        Model file, made by ``PassGate.save`` or ``gonogo calibrate``. One without certificate is read as well; then every
        decision is REVIEW.
    n_threads : int, optional
        None: one for each processor. The decisions do not depend on it.

    Raises
    ------
    ModelFileError
        The file is damaged, its certificate belongs to other weights, or this machine computes other scores.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> line = Inspector("impeller.gonogo")    # doctest: +SKIP
    >>> line.decide(pixels).passed             # doctest: +SKIP
    True
    """

    def __init__(self, path: str | Path, *, n_threads: int | None = None) -> None:
        self._file: ModelFile = read_model(path, threads=check_threads(n_threads))

    @property
    def model_file(self) -> ModelFile:
        """The checked model file."""
        return self._file

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return list(self._file.classes)

    def decide(self, pixels: Sample | Sequence[Sample]) -> Decision:
        """Return the decision about one part.

        Parameters
        ----------
        pixels : uint8 array (height, width[, channels]), or a sequence of them
            The picture in the size that the model reads, preprocessed as in training; or all pictures of the part, as a list,
            a tuple or an array (n, height, width, channels). For a model of rows: numbers (features,).
        """
        views = _views(pixels, self._file.sample_shape)
        for number, view in enumerate(views, 1):
            if doubt := doubt_about(view, self._file.sample_shape):
                place = f"picture {number} of {len(views)}: " if len(views) > 1 else ""
                return self._review(place + doubt)
        if not views:
            return self._review("found no picture of the part")
        samples = _stacked(views, self._file.sample_shape)
        scores = self._file.core.logits(samples).astype(np.float64)
        if (rule := self._file.rule) is None:
            return self._review("the model has no certified PASS threshold; make one with gonogo calibrate")
        return rule.decide(scores[:, 0] if scores.shape[1] == 1 else scores)

    def predict_proba(self, pixels: Sample | Sequence[Sample]) -> NDArray[np.float64]:
        """Return the class probabilities of each picture of a part, shape (pictures, classes), to be shown, not to decide by.

        They mean what their name says where the model has a temperature, see ``InspectionClassifier.fit_temperature``.

        Parameters
        ----------
        pixels
            As for :meth:`decide`.

        Raises
        ------
        ValueError
            A picture cannot be decided on; the message says why.
        """
        views = _views(pixels, self._file.sample_shape)
        doubts = [doubt_about(view, self._file.sample_shape) for view in views] or ["found no picture of the part"]
        if doubt := next(filter(None, doubts), None):
            raise ValueError(f"pixels: {doubt}")
        return self._file.probabilities(self._file.core.logits(_stacked(views, self._file.sample_shape)))

    def _review(self, reason: str) -> Decision:
        made = self._file.certificate
        return Decision(REVIEW, False, float("nan"), reason, "" if made is None else made.digest)

    def __repr__(self) -> str:
        made = self._file.certificate
        promise = "no certificate" if made is None else f"PASS {made.pass_label!r}, escape rate <= {made.max_escape}"
        return f"Inspector(classes={self._file.classes}, {promise})"


def _views(pixels: Any, shape: tuple[int, ...]) -> list[Any]:
    """The pictures of a part; one picture is not mistaken for several, and anything else is a doubtful one."""
    several = isinstance(pixels, (list, tuple)) or (isinstance(pixels, np.ndarray) and pixels.ndim == len(shape) + 1)
    return list(pixels) if several else [pixels]


def _stacked(views: Sequence[Sample], shape: tuple[int, ...]) -> Sample:
    """Pictures or rows as the core takes them."""
    stacked = np.stack([view.reshape(shape) for view in views])
    if len(shape) == 3:
        return np.ascontiguousarray(stacked, np.uint8)
    return np.ascontiguousarray(stacked, np.float32)
