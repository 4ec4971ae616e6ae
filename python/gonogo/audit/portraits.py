"""Reading all pictures once: what each is, its digests and its thumbnail. Few are in memory at a time."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.audit.items import Item, Material, digest_of
from gonogo.errors import DecodeError

_CHUNK = 256  # files in memory at a time, fewer where they are large
_CHUNK_BYTES = 32 * 1024 * 1024
_GOOD = ("ok", "unproven")


@dataclass(frozen=True)
class Portraits:
    """What was read of the pictures that are good.

    Attributes
    ----------
    items : list of Item
    rows : list of dict
        What the core says of each (``describe_pictures``), with ``bytes`` and ``tables``: the length of the file, and the
        digest of the quantisation tables of a JPEG, ``""`` otherwise.
    digests : list of str
        SHA-256 of each file.
    thumbnails : float32 array (n, 64, 64)
    bad : list of (str, DecodeError)
        Name and fault of each file that is no good picture.
    """

    items: list[Item]
    rows: list[dict[str, Any]]
    digests: list[str]
    thumbnails: NDArray[np.float32]
    bad: list[tuple[str, DecodeError]]


def read_portraits(material: Material, threads: int, progress: Callable[[int], object] | None) -> Portraits:
    """Read all pictures."""
    items: list[Item] = []
    rows: list[dict[str, Any]] = []
    digests: list[str] = []
    thumbnails = np.empty((len(material.items), 64, 64), np.float32)
    bad = list(material.bad)
    for part, contents in _chunks(material.items):
        described, drawn = _core.describe_pictures(
            [b"" if isinstance(content, DecodeError) else content for content in contents], threads, material.bit_depth
        )
        for i, (item, content, row) in enumerate(zip(part, contents, described, strict=True)):
            if isinstance(content, DecodeError):
                bad.append((item.name, content))
            elif row["verdict"] not in _GOOD:
                bad.append(
                    (item.name, DecodeError(item.path or item.name, row["verdict"], row["reason"], row["offset"]))
                )
            else:
                thumbnails[len(items)] = drawn[i]
                items.append(item)
                rows.append({**row, "bytes": len(content), "tables": _quantisation(content)})
                digests.append(digest_of(content))
        if progress is not None:
            progress(len(part))
    return Portraits(items, rows, digests, thumbnails[: len(items)], sorted(bad, key=lambda pair: pair[0]))


def same_pixels(portraits: Portraits, bit_depth: int) -> list[list[int]]:
    """Return groups of pictures with equal pixels of which not all have equal bytes.

    Those whose thumbnails and exposure are equal to the last bit are decoded and compared pixel by pixel.
    """
    alike: dict[Any, list[int]] = defaultdict(list)
    for i, row in enumerate(portraits.rows):
        exposure = (row["height"], row["width"], row["mean"], row["deviation"], row["sharpness"])
        alike[exposure].append(i)
    groups: list[list[int]] = []
    for candidates in alike.values():
        if len({portraits.digests[i] for i in candidates}) > 1:
            by_pixels: dict[bytes, list[int]] = defaultdict(list)
            for i in candidates:
                pixels = _core.decode(portraits.items[i].content(), 3, bit_depth)
                by_pixels[hashlib.sha256(pixels.data).digest()].append(i)
            groups += [same for same in by_pixels.values() if len({portraits.digests[i] for i in same}) > 1]
    return groups


def _chunks(items: Sequence[Item]) -> Iterator[tuple[list[Item], list[bytes | DecodeError]]]:
    part: list[Item] = []
    contents: list[bytes | DecodeError] = []
    size = 0
    for item in items:
        try:
            contents.append(content := item.content())
            size += len(content)
        except DecodeError as error:
            contents.append(error)
        part.append(item)
        if len(part) == _CHUNK or size >= _CHUNK_BYTES:
            yield part, contents
            part, contents, size = [], [], 0
    if part:
        yield part, contents


def _quantisation(content: bytes) -> str:
    """Digest of the quantisation tables of a JPEG (ITU-T T.81, B.2.4.1), which its quality setting decides."""
    if not content.startswith(b"\xff\xd8"):
        return ""
    tables = hashlib.sha256()
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != 0xDA:
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        if content[at + 1] == 0xDB:
            tables.update(content[at + 4 : at + 2 + length])
        at += 2 + length
    return tables.hexdigest()[:8]
