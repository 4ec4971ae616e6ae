"""The deployment face: a model file with its certificate, and a decision about each part; no training code behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.checks import check_threads
from gonogo.decision import REVIEW, Decision, doubt_about, which_picture
from gonogo.expiry import expired
from gonogo.model_file import ModelFile, read_model

Sample = NDArray[np.uint8] | NDArray[np.float32]
Floats = NDArray[np.float32]
Look = Callable[[int, Sample, Floats, Floats | None], None]

PICTURES_MAX = 1000  # of one part: all are in memory together
_NOTHING = np.zeros(0, np.uint8)
_UNCERTIFIED = "the model has no certified PASS threshold; make one with gonogo calibrate"
_GROUP_BYTES = 32 * 1024 * 1024  # of pixels that go through the net together


class Inspector:
    """Decide on parts as a certificate says. Any doubt is REVIEW, with its reason.

    Parameters
    ----------
    path : str or Path
        Model file, made by ``PassGate.save`` or ``gonogo calibrate``. One without certificate is read as well; then every
        decision is REVIEW.
    n_threads : int, optional
        None: one for each processor. The decisions do not depend on it.
    today : callable, optional
        Returns the local date, by which a certificate with a last day expires: every part is REVIEW from the day after.

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

    def __init__(
        self, path: str | Path, *, n_threads: int | None = None, today: Callable[[], date] = date.today
    ) -> None:
        self._file: ModelFile = read_model(path, threads=check_threads(n_threads))
        made = self._file.certificate
        self._today, self._valid_until = today, None if made is None else made.valid_until

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
            The picture as a file would hold it: region of interest, tiles and enhancement of the training follow. Or all pictures
            of the part, as a list, a tuple or an array (n, height, width, channels), at most 1,000. A picture of which no region
            or tile is cut out has the size that the net reads. For a model of rows: numbers (features,).

        Notes
        -----
        A C-contiguous picture that is neither cut nor enhanced is read where it lies: nothing of its size is allocated.
        """
        doubt, samples = self._samples(pixels)
        if doubt or (over := self._expired()):
            return self._review(doubt or over, doubtful=bool(doubt))
        logits, features = self._file.run(samples)
        if self._file.certificate is None:
            return self._review(_UNCERTIFIED)
        return self._file.decide(logits, features)

    def decide_many(
        self,
        parts: Sequence[Sample | Sequence[Sample]],
        look: Look = lambda _number, _samples, _logits, _features: None,
        *,
        expires: bool = True,
    ) -> list[Decision]:
        """Return the decisions about several parts, to the last bit those of :meth:`decide`, in less time.

        Parameters
        ----------
        parts : sequence
            What :meth:`decide` takes, of each part.
        look : callable, optional
            Called with the position of each part that the net decides on, what it reads of it, (n, height, width, channels), the
            logits that it computes, (n, units), and what its last layer reads, (n, width), where the model has a guard against
            unknown pictures.
        expires : bool
            Whether a certificate ends with its last day. False: whoever asks takes care of that, as for a decision of the past.
        """
        if not isinstance(parts, (Sequence, np.ndarray)) or isinstance(parts, (str, bytes)):
            raise TypeError(
                f"parts: found {type(parts).__name__}, expected a list of what decide takes, one for each part"
            )
        over = self._expired() if expires else ""
        decisions: list[Decision | None] = [None] * len(parts)
        group: list[tuple[int, Sample]] = []
        for number, pixels in enumerate(parts):
            doubt, samples = self._samples(pixels)
            if doubt or over or self._file.certificate is None:
                decisions[number] = self._review(doubt or over or _UNCERTIFIED, doubtful=bool(doubt))
                continue
            if sum(held.nbytes for _, held in group) + samples.nbytes > _GROUP_BYTES:
                self._decide_group(group, decisions, look)
                group = []
            group.append((number, samples))
        self._decide_group(group, decisions, look)
        return [decision for decision in decisions if decision is not None]

    def _decide_group(self, group: Sequence[tuple[int, Sample]], decisions: list[Decision | None], look: Look) -> None:
        if not group:
            return
        logits, features = self._file.run(np.concatenate([samples for _, samples in group]))
        first = 0
        for number, samples in group:
            last = first + len(samples)
            of_part = logits[first:last], None if features is None else features[first:last]
            decisions[number] = self._file.decide(*of_part)
            look(number, samples, *of_part)
            first = last

    def _samples(self, pixels: Any) -> tuple[str, Sample]:
        """Why a part cannot be decided on, and what the net reads of its pictures."""
        views = _views(pixels, self._file.sample_shape)
        if len(views) > PICTURES_MAX:
            return f"found {len(views):,} pictures of the part, expected at most {PICTURES_MAX:,}", _NOTHING
        samples: list[Any] = []
        for number, view in enumerate(views, 1):
            doubt, read = self._read(view)
            if doubt:
                return which_picture(number, len(views)) + doubt, _NOTHING
            samples.append(read)
        if not samples:
            return "found no picture of the part", _NOTHING
        return "", samples[0] if len(samples) == 1 else np.concatenate(samples)

    def _read(self, view: Any) -> tuple[str, Sample]:
        """Why a picture or row cannot be decided on, and what the net reads of it."""
        shape, decoding = self._file.sample_shape, self._file.decoding
        if len(shape) == 1:
            doubt = doubt_about(view, shape)
            return doubt, np.ascontiguousarray(view.reshape(1, *shape), np.float32) if not doubt else _NOTHING
        cut = isinstance(view, np.ndarray) and decoding.size is not None and view.ndim in (2, 3)
        whole = (*view.shape[:2], shape[2]) if cut else shape
        if doubt := doubt_about(view, whole) or self._doubt_about_format(view):
            return doubt, _NOTHING
        pixels, checks = np.ascontiguousarray(view).reshape(whole), self._file.checks
        if decoding.size is None and decoding.preprocess is None:  # the picture itself, without a copy
            return checks.doubt_about_levels(pixels), pixels.reshape(1, *shape)
        try:
            parts, _ = decoding.cut(pixels, (shape[0], shape[1]))
        except ValueError as error:
            return str(error), _NOTHING
        samples = decoding.enhance(parts)
        readouts = [_core.measure_readout(part) for part in parts]
        brightest, read = max(level for level, _ in readouts), int(samples.max())
        doubts = (
            checks.doubt_about(sample, (brightest, bottom_rows), read)
            for sample, (_, bottom_rows) in zip(samples, readouts, strict=True)
        )
        return next(filter(None, doubts), ""), samples

    def _doubt_about_format(self, view: NDArray[np.uint8]) -> str:
        """Why the files of the training had another format, where the picture is what a file would hold."""
        formats, (height, width, channels) = self._file.formats, self._file.sample_shape
        if formats is None or (self._file.decoding.size is None and formats.sizes != ((height, width),)):
            return ""
        doubt = formats.doubt_about_size(*view.shape[:2])
        if doubt or channels == 1 or not formats.has_one_colour:
            return doubt
        return formats.doubt_about_colour(not _core.is_grey(np.ascontiguousarray(view)))

    def predict_proba(self, pixels: Sample | Sequence[Sample]) -> NDArray[np.float64]:
        """Return the class probabilities of each picture (or tile) of a part, shape (n, classes), to be shown, not to decide by.

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
        doubt, samples = self._samples(pixels)
        if doubt:
            raise ValueError(f"pixels: {doubt}")
        return self._file.probabilities(self._file.core.logits(samples))

    def _expired(self) -> str:
        """Why no part passes today; empty while the certificate is valid, and where nobody has said until when."""
        return "" if self._valid_until is None else expired(self._valid_until, self._today())

    def _review(self, reason: str, *, doubtful: bool = False) -> Decision:
        made = self._file.certificate
        return Decision(REVIEW, False, float("nan"), reason, "" if made is None else made.digest, doubtful=doubtful)

    def __repr__(self) -> str:
        made = self._file.certificate
        promise = "no certificate" if made is None else f"PASS {made.pass_label!r}, escape rate <= {made.max_escape}"
        return f"Inspector(classes={self._file.classes}, {promise})"


def _views(pixels: Any, shape: tuple[int, ...]) -> Sequence[Any] | NDArray[Any]:
    """The pictures of a part; one picture is not mistaken for several, and anything else is a doubtful one."""
    several = isinstance(pixels, (list, tuple)) or (isinstance(pixels, np.ndarray) and pixels.ndim == len(shape) + 1)
    return pixels if several else [pixels]
