"""A dataset in one line of text, and as a table in a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gonogo.data.dataset import Dataset


def as_text(data: Dataset) -> str:
    """Return ``Dataset('train', 3979 pictures of 300x300x1, def_front: 2254, ok_front: 1725, 663 groups)``."""
    counts = ", ".join(f"{name}: {count}" for name, count in data.class_counts().items())
    return f"Dataset({', '.join([*_heading(data), counts, *_extras(data)])})"


def as_html(data: Dataset) -> str:
    """Return a table with one row for each class."""
    rows = []
    for label, (name, count) in enumerate(data.class_counts().items()):
        cells = [f"{count}", f"{count / max(len(data), 1):.1%}"]
        if data.groups is not None:
            cells.append(f"{len(np.unique(data.groups[data.labels == label]))}")
        rows.append(f"<tr><th>{html.escape(name)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    heads = ["class", "pictures", "share", *(["groups"] if data.groups is not None else [])]
    head = "".join(f"<th>{text}</th>" for text in heads)
    caption = html.escape(", ".join(["Dataset", *_heading(data), *_extras(data)]))
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _heading(data: Dataset) -> list[str]:
    size = "x".join(map(str, data.pixels.shape[1:]))
    what = "pictures" if data.boxes is None else f"tiles of {len(set(data.paths or ()))} pictures, each"
    return [*([repr(data.subset)] if data.subset else []), f"{len(data)} {what} of {size}"]


def _extras(data: Dataset) -> list[str]:
    counts = {
        "groups": 0 if data.groups is None else len(np.unique(data.groups)),
        "pictures excluded": 0 if data.excluded is None else len(data.excluded),
        "bad files": len(data.bad_files),
    }
    return [f"{count} {what}" for what, count in counts.items() if count]
