"""Pictures of another format than the files of the training had, told by the samples that a gate is given."""

from __future__ import annotations

from typing import Any

from gonogo.gate.parts import Calibration
from gonogo.gate.scores import model_of


def format_doubts(clf: Any, X: Any) -> dict[int, str]:
    """Return the positions of samples whose file has another format, and what is said of each."""
    file = model_of(clf)
    if file is None or file.formats is None:
        return {}
    found = clf.file_formats(X)
    said = ((i, file.formats.doubt_about(row)) for i, row in enumerate([] if found is None else found))
    return {i: doubt for i, doubt in said if doubt}


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
