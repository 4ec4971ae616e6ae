"""Pictures that a line brings to people whatever their score, told by the samples that a gate is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo.decision import which_picture
from gonogo.gate.parts import Calibration, is_dataset
from gonogo.gate.scores import model_of


def format_doubts(clf: Any, X: Any) -> dict[int, str]:
    """Return the positions of samples whose file has another format, and what is said of each."""
    file = model_of(clf)
    if file is None or file.formats is None:
        return {}
    found = clf.file_formats(X)
    said = ((i, file.formats.doubt_about(row)) for i, row in enumerate([] if found is None else found))
    return {i: doubt for i, doubt in said if doubt}


def sample_doubts(clf: Any, X: Any) -> dict[int, str]:
    """Return the positions of samples that raise a doubt, and what is said of each; none for a foreign classifier."""
    return {} if model_of(clf) is None else dict(clf.sample_doubts(X))


def part_doubts(clf: Any, X: Any, own: Sequence[NDArray[np.intp]]) -> dict[int, str]:
    """Return the positions of parts of which a sample raises a doubt, and what is said of the first, as an ``Inspector`` does.

    ``own`` are the samples of each part; tiles of one file are one picture.
    """
    doubts = sample_doubts(clf, X)
    tiled = is_dataset(X) and X.boxes is not None
    found = {}
    for part, samples in enumerate(own) if doubts else ():
        if (first := next((sample for sample in samples.tolist() if sample in doubts), None)) is not None:
            pictures = list(dict.fromkeys(X.paths[sample] if tiled else sample for sample in samples.tolist()))
            number = pictures.index(X.paths[first] if tiled else first) + 1
            found[part] = which_picture(number, len(pictures)) + doubts[first]
    return found


def refuse_other_formats(clf: Any, given: Calibration) -> None:
    """Raise ``ValueError`` where a calibration picture has another format.

    The line brings such pictures to REVIEW: a certificate would be about other parts than those that it decides on.
    """
    if doubts := format_doubts(clf, given.X):
        first = min(doubts)
        name = f"sample {first}" if given.paths is None else str(given.paths[first])
        raise ValueError(
            f"X: {name}: {doubts[first]} Such pictures ({len(doubts):,} of {len(given.labels):,}) are REVIEW on the line, and "
            "the certificate would be about others than it decides on; leave them out, or train on all formats to come"
        )
