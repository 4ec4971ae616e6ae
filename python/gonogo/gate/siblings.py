"""Whether an audit finds calibration parts again among the pictures that training and validation saw, whatever their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gonogo import seen
from gonogo.gate.parts import Calibration, is_dataset

_SHOWN = 5  # pairs in a message


def refuse_siblings(clf: Any, given: Calibration, kept: Mapping[str, Any] | None, report: Any) -> int | None:
    """Refuse calibration parts of which training or validation saw a picture.

    Parameters
    ----------
    clf : InspectionClassifier
        Tells the digest of a picture as its net reads it.
    given : Calibration
        The calibration pictures: a data set, or files.
    kept : mapping or None
        What :func:`gonogo.seen.record` kept of the training.
    report : AuditReport or None
        Of an audit of these pictures and those of training and validation together.

    Returns
    -------
    int or None
        Pictures that training or validation saw, among which siblings were looked for; None: without an audit.

    Raises
    ------
    ValueError, TypeError
        A calibration part has a sibling there, or the audit is of other pictures.
    """
    if report is None:
        return None
    # Told by what it has: this module must not know where data come from.
    if not all(hasattr(report, name) for name in ("items", "parts", "positions")):
        raise TypeError(f"audit: found {type(report).__name__}, expected what gonogo.audit returns")
    if not is_dataset(given.X) and given.paths is None:
        raise ValueError(
            "audit: given with an array as X, expected the Dataset, or the list of paths, that was audited"
        )
    if kept is None or kept.get("pictures") is None:
        raise ValueError("audit: the classifier does not tell which pictures its training saw; leave audit out")
    mine = {position for places in report.positions(given.X, "audit") for position in places}
    others = [position for position in range(len(report.items)) if position not in mine]
    digests = _digests(clf, [report.items[position] for position in others])
    known = seen.find(kept, "pictures", digests) or []
    if not known:
        raise ValueError(
            f"audit: training and validation saw none of the {len(others):,} pictures that were audited with the calibration "
            "parts; audit all of them together"
        )
    trained = {others[i] for i in known}
    pairs = []
    for part in report.parts:
        again = next((i for i in part if i in trained), None)
        pairs += [] if again is None else [(i, again) for i in part if i in mine]
    if pairs:
        names = [f"{report.items[i].name} of {report.items[again].name}" for i, again in pairs[:_SHOWN]]
        more = f" and {len(pairs) - _SHOWN:,} more" if len(pairs) > _SHOWN else ""
        raise ValueError(
            f"audit: {len(pairs):,} of {len(mine):,} calibration pictures are siblings of pictures that training or validation "
            f"saw: {', '.join(names)}{more}; split anew by the groups of the audit (gonogo audit DATA --groups-out FILE), "
            "train, and calibrate again"
        )
    return len({digests[i] for i in known})


def _digests(clf: Any, items: list[Any]) -> list[bytes]:
    """Digest of each picture as the net reads it."""
    paths = [item.path for item in items if item.path is not None]
    of_files = iter(clf.sample_digests(paths) if paths else [])
    return [clf.sample_digests(item.pixels[None])[0] if item.path is None else next(of_files) for item in items]
