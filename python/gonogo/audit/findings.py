"""Kinds of findings, in the words of a report, and what is said of single pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """A kind of finding: its title, and what to do about it."""

    title: str
    advice: str


@dataclass(frozen=True)
class Finding:
    """Something about one picture or, where ``file`` is ``""``, about a class."""

    file: str
    words: str

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return {"file": self.file, "reason": self.words}


# Groups of pictures.
GROUPS = {
    "label_conflicts": Kind(
        "one part, several labels", "look at the pairs, and correct the label or take the part out"
    ),
    "across_subsets": Kind(
        "one part on both sides of a split", "split anew by the groups file; until then the test figures are too good"
    ),
    "exact_duplicates": Kind("byte-identical files", "keep one of each"),
    "same_pixels": Kind("other files, same pixels", "keep one of each"),
    "siblings": Kind("one part, several pictures", "split by the groups file, so that no part is cut"),
}
# Single pictures.
PICTURES = {
    "bad_files": Kind("files that are no good pictures", "take them out, or fetch them again from where they came"),
    "blank": Kind("pictures that show nothing", "take them out; on a line this is a failed trigger or lamp"),
    "saturated": Kind("overexposed or underexposed pictures", "what is clipped is lost: set exposure or light"),
    "dark": Kind("dark pictures", "look whether the light failed"),
    "blurred": Kind("blurred pictures", "look whether focus or motion spoilt them"),
    "odd_sizes": Kind("pictures of another size", "look whether they come from another camera or were cut by hand"),
    "shrunk_faults": Kind("faults that the resizing makes invisible", "train with larger pictures"),
    "squeezed": Kind("pictures squeezed beyond 2:1", "use resize_mode pad or crop, or another image_size"),
    "bad_masks": Kind("masks that do not fit their picture", "correct the masks"),
}
# Whole classes.
CLASSES = {
    "telling_names": Kind("file names that give the label away", "never let a model or a person see the names"),
    "telling_formats": Kind(
        "formats that give the label away", "record all classes in the same way, or save them anew in one format"
    ),
    "telling_exposures": Kind(
        "light that gives the label away", "record all classes in one session, mixed; a model may learn the light"
    ),
}
KINDS = {**GROUPS, **PICTURES, **CLASSES}
