"""Which pictures and parts a training saw, so that a calibration on any of them can be refused.

A model file keeps the first bytes of the SHA-256 of each picture, as the net reads it, and of each group's name. Eight bytes
a picture are 11 characters of base64: 60,000 pictures take 0.66 of the 1 MiB that the header of a model file may have. Beyond
that the digests get shorter, down to five bytes, with which 10,000 calibration pictures meet one of 96,000 by chance in one
of a thousand cases; more pictures than that are not recorded, and certificates say so.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_BYTES, _BYTES_LEAST = 8, 5
_BUDGET = 480 * 1024  # bytes of all digests of a kind, before base64


def group_digest(name: str) -> bytes:
    """Return the SHA-256 of a group's name."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()


def record(pictures: Iterable[bytes], groups: Iterable[str] | None) -> dict[str, Any]:
    """Return what a model file keeps of a training.

    Parameters
    ----------
    pictures : iterable of bytes
        SHA-256 of each picture of training and validation.
    groups : iterable of str, optional
        Names of their groups; None where there are none.
    """
    return {
        "pictures": _packed(pictures),
        "groups": None if groups is None else _packed(map(group_digest, groups)),
    }


def _packed(digests: Iterable[bytes]) -> dict[str, Any] | None:
    distinct = sorted(set(digests))
    length = min([_BYTES, _BUDGET // max(1, len(distinct)), *map(len, distinct)])
    if length < _BYTES_LEAST:
        return None
    text = base64.b64encode(b"".join(digest[:length] for digest in distinct)).decode()
    return {"count": len(distinct), "bytes": length, "digests": text}


def extend(
    kept: Mapping[str, Any] | None, pictures: Iterable[bytes], groups: Iterable[str] | None
) -> dict[str, Any] | None:
    """Return a record that holds further pictures and groups; None where there is no record to add to.

    Parameters
    ----------
    kept : mapping or None
        What :func:`record` returned.
    pictures, groups
        As for :func:`record`.
    """
    if kept is None:
        return None
    names = None if groups is None else map(group_digest, groups)
    return {
        "pictures": None if kept.get("pictures") is None else _joined(kept["pictures"], pictures),
        "groups": kept.get("groups") if names is None else _joined(kept.get("groups"), names),
    }


def _joined(packed: Mapping[str, Any] | None, digests: Iterable[bytes]) -> dict[str, Any] | None:
    """Pack known digests, which may be shorter than the ones that come, and the latter, cut alike."""
    known, length = _unpacked(packed)
    return _packed([*known, *(digest[:length] for digest in digests)])


def count(kept: Mapping[str, Any]) -> int | None:
    """Return the number of distinct pictures that a model file keeps digests of; None where it keeps none."""
    pictures = kept.get("pictures")
    return None if pictures is None else int(pictures["count"])


def check(kept: Any) -> None:
    """Raise ``ValueError`` unless a model file's record can be read."""
    try:
        for kind in ("pictures", "groups"):
            _unpacked(kept[kind])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"seen: found a record that cannot be read ({error})") from None


def find(kept: Mapping[str, Any] | None, kind: str, digests: Sequence[bytes]) -> list[int] | None:
    """Return which digests a training saw, as positions; None where the record does not tell.

    Parameters
    ----------
    kept : mapping or None
        What :func:`record` returned.
    kind : {"pictures", "groups"}
        What the digests are of.
    digests : sequence of bytes
        Whole SHA-256 digests.
    """
    if kept is None or kept.get(kind) is None:
        return None
    known, length = _unpacked(kept[kind])
    return [i for i, digest in enumerate(digests) if digest[:length] in known]


def _unpacked(packed: Mapping[str, Any] | None) -> tuple[frozenset[bytes], int]:
    if packed is None:
        return frozenset(), _BYTES
    length = packed["bytes"]
    if length not in range(_BYTES_LEAST, _BYTES + 1):
        raise ValueError(f"bytes: found {length!r}, expected {_BYTES_LEAST} to {_BYTES}")
    data = base64.b64decode(packed["digests"], validate=True)
    if len(data) != length * packed["count"]:
        raise ValueError(f"digests: found {len(data)} bytes, expected {packed['count']} times {length}")
    return frozenset(data[i : i + length] for i in range(0, len(data), length)), length
