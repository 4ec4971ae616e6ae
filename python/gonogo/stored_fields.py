"""Fields of what a model file keeps as JSON: read back only where each is there and has its type."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from gonogo.checks import is_integer, is_number

_COUNT_MAX = 10**9  # of parts; far beyond it bounds would take for ever


def read_fields(stored: Any, kind: type, bit_exact: Sequence[str] = ()) -> dict[str, Any]:
    """Return the fields of a dataclass from a mapping, each of the type that its annotation names.

    Parameters
    ----------
    stored : mapping
        What the JSON text holds.
    kind : type
        The dataclass; its fields are texts, truth values, counts from 0, finite numbers, tuples of texts, tuples of objects
        (which stay mappings) or mappings from texts to counts or to finite numbers, or one of them or None.
    bit_exact : sequence of str
        Fields that are hexadecimal floating-point numbers.

    Raises
    ------
    ValueError
        Naming the field that is missing, unknown or of the wrong type.
    """
    kinds = {field.name: str(field.type) for field in fields(kind)}
    if not isinstance(stored, Mapping):
        raise ValueError(f"found {stored!r}, expected an object")
    if odd := sorted(stored.keys() ^ kinds.keys()):
        raise ValueError(f"{odd[0]}: {'unknown' if odd[0] in stored else 'missing'}")
    return {
        name: _bit_exact(name, stored[name]) if name in bit_exact else _read(name, stored[name], expected)
        for name, expected in kinds.items()
    }


def _read(name: str, value: Any, kind: str) -> Any:
    if value is None and kind.endswith("| None"):
        return None
    expected = kind.removesuffix(" | None")
    fits = {
        "str": isinstance(value, str),
        "bool": isinstance(value, bool),
        "int": _is_count(value),
        "float": _is_finite(value),
        "tuple[str, ...]": isinstance(value, list) and all(isinstance(item, str) for item in value),
        "Mapping[str, int]": isinstance(value, dict) and all(map(_is_count, value.values())),
        "Mapping[str, float]": isinstance(value, dict) and all(map(_is_finite, value.values())),
    }.get(expected, isinstance(value, list) and len(value) > 0)
    if not fits:
        raise ValueError(f"{name}: found {str(value)[:60]!r}, expected {kind}")
    return tuple(value) if isinstance(value, list) else value


def _is_count(value: Any) -> bool:
    return is_integer(value) and 0 <= value <= _COUNT_MAX


def _is_finite(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


def _bit_exact(name: str, value: Any) -> float:
    try:
        number = float.fromhex(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or number.hex() != value:
        raise ValueError(f"{name}: found {str(value)[:60]!r}, expected a hexadecimal floating-point number")
    return number
