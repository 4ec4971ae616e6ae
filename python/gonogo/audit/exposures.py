"""Pictures that differ from the rest of their data: blank, saturated, dark, blurred, of another size.

No level means the same for every camera and part; so what is judged is how a picture compares with the median of all, or,
for sharpness, of its class. The rules are in ``docs/audit.md``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo.audit.findings import Finding
from gonogo.audit.items import Item

BLANK_DEVIATION = 2.0  # levels: what the noise of a camera makes of nothing
SATURATED_SHARE = 0.2  # of the pixels, more than in the median picture
DARK_SHARE = 0.25  # of the median picture's mean level
DARK_LEVEL = 10.0
COMMON_SIZE_SHARE = 0.9  # from which other sizes are odd

# Blur: sharpness below a third of the class's median and more than 4 robust standard deviations (of its logarithm) below it.
BLUR_FACTOR = 3.0
BLUR_DEVIATIONS = 4.0
BLUR_CLASS = 20  # pictures that a class must have to be judged by itself
_MAD_TO_DEVIATION = 1.4826  # of a normal distribution


def judge(items: Sequence[Item], rows: Sequence[dict[str, Any]]) -> dict[str, list[Finding]]:
    """Return findings by kind."""
    found: dict[str, list[Finding]] = {"blank": [], "saturated": [], "dark": [], "blurred": []}
    found["odd_sizes"] = _odd_sizes(items, rows)
    if not rows:
        return found
    mean, deviation, saturated, sharpness = (
        np.array([row[key] for row in rows], np.float64) for key in ("mean", "deviation", "saturated", "sharpness")
    )
    usual_mean, usual_saturated = float(np.median(mean)), float(np.median(saturated))
    limits = _blur_limits([item.label for item in items], sharpness, deviation >= BLANK_DEVIATION)
    for i, item in enumerate(items):
        if deviation[i] < BLANK_DEVIATION:
            words = f"levels {rows[i]['minimum']} to {rows[i]['maximum']}, standard deviation {deviation[i]:.1f}"
            found["blank"].append(Finding(item.name, words))
            continue
        if saturated[i] > usual_saturated + SATURATED_SHARE:
            words = f"{saturated[i]:.0%} of its pixels are at 0 or 255; usual {usual_saturated:.0%}"
            found["saturated"].append(Finding(item.name, words))
        if mean[i] < max(DARK_SHARE * usual_mean, DARK_LEVEL):
            words = f"mean level {mean[i]:.0f}; usual {usual_mean:.0f}"
            found["dark"].append(Finding(item.name, words))
        if sharpness[i] < limits[i]:
            words = f"sharpness {sharpness[i]:.2g}; in this class expected at least {limits[i]:.2g}"
            found["blurred"].append(Finding(item.name, words))
    return found


def _blur_limits(
    labels: Sequence[str], sharpness: NDArray[np.float64], shows_something: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return for each picture the sharpness below which it is called blurred."""
    logs = np.log(np.maximum(sharpness, 1e-12))
    given = np.array(labels)
    limits = np.full(len(labels), np.exp(_blur_limit(logs[shows_something])))
    for label in sorted(set(labels)):
        of_class = given == label
        if (of_class & shows_something).sum() >= BLUR_CLASS:
            limits[of_class] = np.exp(_blur_limit(logs[of_class & shows_something]))
    return limits


def _blur_limit(logs: NDArray[np.float64]) -> float:
    if len(logs) == 0:
        return float("-inf")
    median = float(np.median(logs))
    spread = _MAD_TO_DEVIATION * float(np.median(np.abs(logs - median)))
    return median - max(float(np.log(BLUR_FACTOR)), BLUR_DEVIATIONS * spread)


def _odd_sizes(items: Sequence[Item], rows: Sequence[dict[str, Any]]) -> list[Finding]:
    sizes = [(row["height"], row["width"]) for row in rows]
    if not sizes:
        return []
    (height, width), count = Counter(sizes).most_common(1)[0]
    if count < COMMON_SIZE_SHARE * len(sizes):
        return []
    return [
        Finding(item.name, f"{size[0]} x {size[1]} pixels; usual {height} x {width}")
        for item, size in zip(items, sizes, strict=True)
        if size != (height, width)
    ]
