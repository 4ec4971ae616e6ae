"""The pictures that a person should look at: what escaped, what was refused, what was mistaken, what was doubtful."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.decision import REVIEW, margins
from gonogo.page import file_name, picture, text
from gonogo.report_page.verdict import percent

if TYPE_CHECKING:
    from gonogo.report import Report

_SIDE = 160  # pixels of a picture on the page
_SHOWN = 18  # of each kind


def galleries(report: Report) -> str:
    """Return the galleries."""
    if report.data is None:
        return "<p>These samples are no pictures that could be shown.</p>"
    chosen = _by_part(report) if report.pass_label is not None and report.parts is not None else _by_picture(report)
    return "".join(_gallery(report, *one) for one in chosen)


def _by_part(report: Report) -> list[tuple[str, str, NDArray[np.intp], str]]:
    """One picture stands for its part: the least PASS-like, which decides."""
    assert report.pass_label is not None and report.parts is not None  # checked by the caller
    passing = report.classes.index(report.pass_label)
    parts, unit = report.parts, report.unit
    score = margins(report.scores, passing)
    order = np.lexsort((score, report.part_of))
    first = order[np.r_[True, np.diff(report.part_of[order]) != 0]]
    least, good, passed = score[first], parts.truth == passing, parts.predicted == passing
    escaped, refused = np.flatnonzero(~good & passed), np.flatnonzero(good & ~passed)
    confused = np.flatnonzero(~good & ~passed & (parts.predicted >= 0) & (parts.predicted != parts.truth))
    limit = 0.0 if report.rule is None else report.rule.limit
    right = np.flatnonzero(good == passed)
    near = right[np.argsort(np.abs(least[right] - limit), kind="stable")]
    place = "the score of the least PASS-like picture"
    result = [
        (
            f"Bad {unit}s that passed (escapes)",
            "The most PASS-like first.",
            _sorted(first, least, escaped, -1),
            "escape",
        ),
        (
            f"Good {unit}s that did not pass (overkill)",
            "The least PASS-like first.",
            _sorted(first, least, refused, 1),
            "wrong",
        ),
    ]
    if len(report.classes) > 2:
        title = (
            "Bad parts that got another fault class" if unit == "part" else "Bad pictures that got another fault class"
        )
        result.append((title, "None of them passed.", _sorted(first, least, confused, 1), "wrong"))
    told = f"Decided rightly, but close: {place if unit == 'part' else 'the score'} is nearest to {limit:.4g}."
    result.append(("Doubtful", told, first[near[:_SHOWN]], "plain"))
    return result


def _sorted(
    first: NDArray[np.intp], least: NDArray[np.float64], which: NDArray[np.intp], sign: int
) -> NDArray[np.intp]:
    return first[which[np.argsort(sign * least[which], kind="stable")]]


def _by_picture(report: Report) -> list[tuple[str, str, NDArray[np.intp], str]]:
    unit = "tile" if report.unit == "tile" else "picture"
    ranked = np.sort(report.probabilities, axis=1)
    lead = ranked[:, -1] - ranked[:, -2]
    right = np.flatnonzero(report.truth == report.predicted)
    doubtful = right[np.argsort(lead[right], kind="stable")][:_SHOWN]
    return [
        ("Mistakes", f"Each {unit} with a wrong class, the most confident first.", report.mistakes, "wrong"),
        ("Doubtful", "Right, but the two most probable classes are the nearest to each other.", doubtful, "plain"),
    ]


def _gallery(report: Report, title: str, words: str, positions: NDArray[np.intp], kind: str) -> str:
    shown = positions[:_SHOWN].tolist()
    if not shown:
        return f"<h3>{text(title)}: none</h3>"
    count = f"{len(positions):,}" if len(shown) == len(positions) else f"{len(shown)} of {len(positions):,}"
    heading = f"<h3>{text(title)}</h3>" if kind == "plain" else f"<h3>{text(title)}: {count}</h3>"
    figures = "".join(_figure(report, i, kind) for i in shown)
    return f'{heading}<p class="note">{text(words)}</p><div class="pictures">{figures}</div>'


def _figure(report: Report, i: int, kind: str) -> str:
    assert report.data is not None  # checked by galleries
    truth, said = report.classes[report.truth[i]], report.classes[report.predicted[i]]
    name = report.data.files[i] if report.data.paths is not None else f"picture {i}"
    if report.data.boxes is not None:
        name += f", tile {' '.join(map(str, report.data.boxes[i].tolist()))}"
    score = ""
    if report.pass_label is not None:
        score = f"<div>score {margins(report.scores[i : i + 1], report.classes.index(report.pass_label))[0]:.3g}</div>"
    shown = picture(_small(report.data[i][0]), f"{name}: truth {truth}, said {said}")
    sure = percent(float(report.probabilities[i].max()))
    answer = f"said <b>{text(said)}</b> {sure}"
    if report.certificate is not None and report.parts is not None:
        decided = int(report.parts.predicted[report.part_of[i]])
        answer = (
            f"decided <b>{text(REVIEW if decided < 0 else report.classes[decided])}</b><br/>net: {text(said)} {sure}"
        )
    return (
        f'<figure class="{kind}">{shown}<figcaption>truth <b>{text(truth)}</b><br/>{answer}{score}</figcaption>'
        f'<div class="name">{file_name(name)}</div></figure>'
    )


def _small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What the net saw, made smaller where it is larger than the page shows it."""
    scale = _SIDE / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    return _core.resize(np.ascontiguousarray(image), height, width, "stretch")
