"""What commands say of pictures that a line brings to people whatever their score."""

from __future__ import annotations

import argparse

from gonogo.classifier import InspectionClassifier
from gonogo.cli.output import counted, note
from gonogo.data import Dataset
from gonogo.gate.doubts import format_doubts, sample_doubts


def note_doubts(args: argparse.Namespace, classifier: InspectionClassifier, dataset: Dataset) -> None:
    """Tell how many pictures have another format, how many are in doubt, and what is said of the first of each."""
    others, doubts = format_doubts(classifier, dataset), sample_doubts(classifier, dataset)
    in_doubt = {sample: doubt for sample, doubt in doubts.items() if sample not in others}
    for what, told in (("of another format", others), ("in doubt", in_doubt)):
        if told:
            first, found = min(told), f"{counted(len(told), 'picture')} {what}, REVIEW on the line"
            note(args, f"{found}, the first: {dataset.files[first]}: {told[first]}")
