"""A model that answers what the line asks: an ``Inspector``, or, without certificate, the most probable class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.certificate_words import promise
from gonogo.decision import REVIEW, Decision, most_probable_classes
from gonogo.errors import ModelFileError
from gonogo.inspector import Floats, Inspector, Sample
from gonogo.line.decider import ANOTHER_COLOUR, ANOTHER_SIZE, PROVEN, Fault, Looked
from gonogo.line.drift import Monitor, make_monitors
from gonogo.machine import fingerprint


class InspectorDecider:
    """Decides with a model file.

    Parameters
    ----------
    inspector : Inspector
        The deployment face of the model.
    gated : bool
        False, only for a model without certificate: a part gets the most probable class, and PASS only if all its pictures do.
    threads : int
        For decoding; 0: one for each processor.

    Raises
    ------
    ValueError
        The model reads rows of numbers; or it has no certificate and ``gated`` is True, or the other way round.
    """

    def __init__(self, inspector: Inspector, *, gated: bool = True, threads: int = 0) -> None:
        self._inspector = inspector
        self._file = inspector.model_file
        self._gated = gated
        self._threads = threads
        certificate = self._file.certificate
        if len(self._file.sample_shape) == 1:
            raise ValueError("FILE: found a model of rows of numbers, expected one of pictures")
        if gated and certificate is None:
            raise ValueError("FILE: the model has no certified PASS threshold; run gonogo calibrate, or add --no-gate")
        if not gated and certificate is not None:
            raise ValueError("--no-gate: the model has a certified PASS threshold; leave the option out")
        self._description = {
            "model": self._file.core.model_sha256,
            "certificate": "" if certificate is None else certificate.digest,
            "version": _core.__version__,
            "fingerprint": fingerprint()["digest"],
        }

    @property
    def labels(self) -> list[str]:
        """The classes."""
        return list(self._file.classes)

    @property
    def description(self) -> dict[str, str]:
        """As ``Decider`` says."""
        return dict(self._description)

    @property
    def valid_until(self) -> str | None:
        """As ``Decider`` says."""
        return None if self._file.certificate is None else self._file.certificate.valid_until

    @property
    def facts(self) -> dict[str, Any]:
        """What pages and people want to know about the model without its file: ``classes``, ``pass_label`` (or None),
        ``bit_depth`` of 16-bit grey, and of a certified one ``limit`` (PASS needs a score above it), ``promise``,
        ``valid_until`` (or None), and ``reference_scores``, order statistics of the good calibration parts."""
        made, rule = self._file.certificate, self._file.rule
        return {
            "classes": self.labels,
            "pass_label": self._file.training.get("pass_label") if made is None else made.pass_label,
            "bit_depth": self._file.decoding.bit_depth,
            "limit": None if rule is None else rule.limit,
            "promise": [] if made is None else promise(made),
            "valid_until": self.valid_until,
            "reference_scores": [] if self._file.reference is None else list(self._file.reference.score),
        }

    def check(self, data: bytes) -> Fault | None:
        """As ``Decider`` says."""
        found, formats = _core.inspect(data), self._file.formats
        if formats is not None and found["fault"] == PROVEN:
            doubt = formats.doubt_about_size(found["height"], found["width"])
            if doubt:
                return Fault(ANOTHER_SIZE, doubt)
        return None if found["verdict"] == PROVEN else Fault(found["verdict"], found["reason"])

    def decode(self, files: Sequence[bytes]) -> list[Any]:
        """As ``Decider`` says. Enhancement, region, tiles are left to the inspector; whole pictures get the net's size."""
        if self._file.decoding.size is None:
            return self._decode(files, self._file.sample_shape) if files else []
        by_size: dict[tuple[int, int], list[int]] = {}
        decoded: list[Any] = [None] * len(files)
        for position, data in enumerate(files):
            found = _core.inspect(data)
            decoded[position] = Fault(found["fault"], found["reason"])
            if found["fault"] == PROVEN:
                by_size.setdefault((found["height"], found["width"]), []).append(position)
        for size, positions in by_size.items():
            read = self._decode([files[position] for position in positions], (*size, self._file.sample_shape[2]))
            for position, pixels in zip(positions, read, strict=True):
                decoded[position] = pixels
        return decoded

    def _decode(self, files: Sequence[bytes], shape: tuple[int, ...]) -> list[Any]:
        """Return pixels of this shape, or a fault, for each file."""
        decoding, formats = self._file.decoding, self._file.formats
        pixels = np.zeros((len(files), *shape), np.uint8)
        failures, _, found, _, _ = _core.decode_many(
            list(files), pixels, decoding.resize_mode, self._threads, decoding.bit_depth
        )
        decoded: list[Any] = list(pixels)
        if formats is not None:
            for position, coloured in enumerate(found[:, 2].tolist()):
                if doubt := formats.doubt_about_colour(bool(coloured)):
                    decoded[position] = Fault(ANOTHER_COLOUR, doubt)
        for position, fault, reason, _ in failures:
            decoded[position] = Fault(fault, reason)
        return decoded

    def decide(self, parts: Sequence[Sequence[Any]]) -> list[Decision]:
        """As ``Decider`` says."""
        if self._gated:
            return self._inspector.decide_many([list(views) for views in parts], expires=False)
        pictures = [view for views in parts for view in views]
        try:
            shares = self._inspector.predict_proba(pictures)
        except ValueError:  # of one of them; those of the others count all the same
            return [self._most_probable(views) for views in parts]
        if len(shares) != len(pictures):  # tiles
            return [self._most_probable(views) for views in parts]
        ends = np.cumsum([len(views) for views in parts], dtype=int).tolist()
        return [self._by_shares(shares[end - len(views) : end]) for views, end in zip(parts, ends, strict=True)]

    def monitors(self, bad_share: float | None) -> list[Monitor]:
        """As ``Measuring`` says; without ``bad_share`` that of the certificate counts."""
        made, reference = self._file.certificate, self._file.reference
        if made is None or reference is None:
            return []
        share = made.bad_share if bad_share is None else bad_share
        return make_monitors(reference, made, guarded=self._file.unknown_guard is not None, bad_share=share)

    def decide_and_measure(self, parts: Sequence[Sequence[Any]]) -> list[Looked]:
        """As ``Measuring`` says. Drift is told by as many pictures of a part as at the calibration."""
        made = self._file.certificate
        if made is None:
            return [Looked(decision, decision) for decision in self.decide(parts)]
        needed = made.pictures_per_part
        first: dict[int, tuple[Decision | None, tuple[float, ...]]] = {}

        def measure(number: int, samples: Sample, logits: Floats, features: Floats | None) -> None:
            pictures = samples[:needed].astype(np.uint8, copy=False)
            rows = [_core.measure_exposure(picture) for picture in pictures]
            asked = None
            if len(samples) > needed:
                asked = self._file.decide(logits[:needed], None if features is None else features[:needed])
            first[number] = (asked, tuple(sum(column) / len(rows) for column in zip(*rows, strict=True)))

        decisions = self._inspector.decide_many([list(views) for views in parts], measure, expires=False)
        found = []
        for number, decision in enumerate(decisions):
            asked, exposure = first.get(number, (None, ()))
            found.append(Looked(decision, asked or decision, exposure))
        return found

    def self_test(self) -> float:
        """As ``Decider`` says."""
        try:
            return self._file.core.self_test()
        except (ValueError, RuntimeError) as error:
            raise ModelFileError("FILE", str(error)) from None

    def _most_probable(self, views: Sequence[Any]) -> Decision:
        try:
            return self._by_shares(self._inspector.predict_proba(list(views)))
        except ValueError as error:
            return Decision(REVIEW, False, math.nan, str(error), doubtful=True)

    def _by_shares(self, shares: NDArray[np.float64]) -> Decision:
        try:
            best = most_probable_classes(shares)
        except ValueError as error:
            return Decision(REVIEW, False, math.nan, str(error))
        passing = self._file.training.get("pass_label")
        if passing is None:
            if len(set(best.tolist())) > 1:
                return Decision(REVIEW, False, math.nan, "the pictures of the part look like different classes")
            return Decision(self.labels[best[0]], False, math.nan)
        faulty = np.flatnonzero(best != self.labels.index(passing))
        if len(faulty):
            surest = faulty[shares.max(axis=1)[faulty].argmax()]
            return Decision(self.labels[best[surest]], False, math.nan)
        return Decision(passing, True, math.nan)
