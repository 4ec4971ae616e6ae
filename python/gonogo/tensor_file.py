"""Named arrays and texts in one file, in safetensors layout: 8 bytes of header length, a JSON header, raw little-endian data.

The layout is that of model files, which the core reads and writes because it must build nets from them; this one holds any
arrays. A SHA-256 over the whole file guards it, and the bytes are hostile until every check has passed.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

_TYPES = {"U8": "|u1", "I32": "<i4", "I64": "<i8", "F32": "<f4", "F64": "<f8"}
_NAMES = {np.dtype(code): name for name, code in _TYPES.items()}
_HEADER_BYTES_MAX = 64 * 1024 * 1024
_ALIGNMENT = 8
_AXES_MAX = 32  # NumPy 1 allows no more
_NO_DIGEST = "0" * 64


def tensor_file_bytes(arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> bytes:
    """Return the bytes of a file; equal content gives equal bytes.

    Raises
    ------
    TypeError
        An array is of a type other than uint8, int32, int64, float32 or float64.
    """
    header: dict[str, Any] = {"__metadata__": {**texts, "sha256": _NO_DIGEST}}
    blocks, offset = [], 0
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        kind = stored_type(name, array)
        block = array.astype(_TYPES[kind]).tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [offset, offset + len(block)]}
        blocks.append(block)
        offset += len(block)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    whole = b"".join([len(text).to_bytes(8, "little"), text, *blocks])
    digest = hashlib.sha256(whole).hexdigest()
    return whole.replace(_digest_entry(_NO_DIGEST), _digest_entry(digest), 1)


def stored_type(name: str, array: NDArray[Any]) -> str:
    """Return what a file calls the type of an array; ``TypeError`` naming it by ``name`` where no file holds such a one."""
    if (kind := _NAMES.get(array.dtype.newbyteorder("="))) is None:
        raise TypeError(f"{name}: found an array of {array.dtype}, expected uint8, int32, int64, float32 or float64")
    return kind


def _digest_entry(digest: str) -> bytes:
    return f'"sha256":"{digest}"'.encode()


def parse_tensor_file(data: bytes) -> tuple[Arrays, dict[str, str]]:
    """Return the arrays, as copies, and the texts of a file.

    Raises
    ------
    ValueError
        Saying what was found and what was expected.
    """
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > len(data) - 8:
        raise ValueError(
            f"found {len(data):,} bytes, which end before the header does; the file is cut off or of another kind"
        )
    if size > _HEADER_BYTES_MAX:
        raise ValueError(f"header: found {size:,} bytes, expected at most {_HEADER_BYTES_MAX:,}")
    header = _parse_header(data[8 : 8 + size])
    texts = header.pop("__metadata__", None)
    if not isinstance(texts, dict) or not all(isinstance(value, str) for value in texts.values()):
        raise ValueError("__metadata__: expected an object of texts")
    digest = texts.pop("sha256", "")
    entry = _digest_entry(digest)
    if not re.fullmatch("[0-9a-f]{64}", digest) or data.count(entry, 8, 8 + size) != 1:
        raise ValueError("__metadata__: sha256: expected 64 hexadecimal digits, once")
    if hashlib.sha256(data.replace(entry, _digest_entry(_NO_DIGEST), 1)).hexdigest() != digest:
        raise ValueError("the file is damaged: its SHA-256 is another than the one that it holds")
    return _read_arrays(header, memoryview(data)[8 + size :]), texts


def _parse_header(data: bytes) -> dict[str, Any]:
    def refuse_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) != len(pairs):
            raise ValueError("a name appears twice")
        return found

    try:
        header = json.loads(data.decode(), object_pairs_hook=refuse_doubles)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"header: expected JSON: {error}") from None
    if not isinstance(header, dict):
        raise ValueError("header: expected a JSON object")
    return header


def _read_arrays(header: Mapping[str, Any], data: memoryview) -> Arrays:
    arrays, expected = {}, 0
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"{name}: expected dtype, shape and data_offsets")
        kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(kind, str) or kind not in _TYPES:
            raise ValueError(f"{name}: dtype: found {kind!r}, expected one of {', '.join(_TYPES)}")
        if not _is_counts(shape) or len(shape) > _AXES_MAX or not _is_counts(offsets) or len(offsets) != 2:
            raise ValueError(f"{name}: expected a shape of at most {_AXES_MAX} sides and a pair of data_offsets")
        size = math.prod(shape) * np.dtype(_TYPES[kind]).itemsize
        if offsets != [expected, expected + size] or expected + size > len(data):
            raise ValueError(
                f"{name}: data_offsets: found {offsets}, expected {[expected, expected + size]} of {len(data)}"
            )
        values = np.frombuffer(data[expected : expected + size], _TYPES[kind])
        arrays[name] = values.reshape(shape).astype(values.dtype.newbyteorder("="))
        expected += size
    if expected != len(data):
        raise ValueError(f"found {len(data):,} bytes of data, expected {expected:,}")
    return arrays


def _is_counts(value: Any) -> bool:
    # 2**40: products of sides must stay numbers that NumPy can hold.
    return isinstance(value, list) and all(type(item) is int and 0 <= item <= 2**40 for item in value)
