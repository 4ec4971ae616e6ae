"""Decoded pictures kept on disk: the next reading of the same files maps them into memory instead of decoding them anew.

One file holds what one folder or table gave with one set of settings. It is used only while nothing has changed that its
pixels depend on: path and inode, size and times of every picture, all settings of reading, and the core that decoded. Layout:
magic number, length of the header, SHA-256 of the header, header (JSON), zeros up to a whole page, pixels.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from gonogo import _core
from gonogo.checks import check_path
from gonogo.errors import DecodeError
from gonogo.machine import fingerprint
from gonogo.pictures import Pictures
from gonogo.storage import write_atomically

_MAGIC = b"gonogo pixels 3\n"
_START = struct.Struct("<16sQ32s")
_PAGE = 4096
_BLOCK = 8 * 1024 * 1024  # bytes hashed at a time
_FRESH_NS = 2 * 10**9  # the coarsest clock of a file system in use (FAT)


@dataclass(frozen=True)
class Cache:
    """Where decoded pictures are kept.

    Parameters
    ----------
    folder : Path
        Created where it is missing. What is in it may be deleted or replaced at any time, but not written into: a program
        that has mapped the file would see that.
    source : Path
        Folder or table that names the pictures: each has a file of its own, so that a stale one is replaced.
    """

    folder: Path
    source: Path

    @classmethod
    def of(cls, folder: str | Path | None, source: str | Path) -> Self | None:
        """Return the cache in a folder, or None for None; ``TypeError`` or ``ValueError`` naming ``cache`` for no folder."""
        if folder is None:
            return None
        return cls(check_path("cache", folder, "a folder, or None"), Path(source))

    def read(
        self, paths: Sequence[Path], settings: dict[str, Any], threads: int, decode: Callable[[], Pictures]
    ) -> Pictures:
        """Return the pictures from the cache, or decode and keep them.

        A cache that is damaged or out of date counts as none. One that cannot be written is told of in a warning.

        Parameters
        ----------
        paths : sequence of Path
            The picture files.
        settings : dict
            All that their pixels depend on besides, as values for JSON.
        threads : int
            0: one for each processor.
        decode : callable
            Decodes the files.
        """
        name = _digest([str(self.source.resolve()), settings])[:32]
        file = self.folder / f"{name}.pixels"
        key = _key(paths, settings)
        if (pictures := _load(file, key, paths, threads)) is not None:
            return pictures
        begun = time.time_ns()
        pictures = decode()
        try:
            if doubt := _doubt(paths, pictures, begun, key, settings):
                warnings.warn(f"cache: {doubt}; the pictures are not kept this time", RuntimeWarning, stacklevel=2)
            else:
                self.folder.mkdir(parents=True, exist_ok=True)
                _save(file, key, pictures, threads)
        except OSError as error:
            reason = error.strerror or error
            warnings.warn(
                f"cache: {self.folder} cannot be written: {reason}; the pictures are decoded anew next time",
                RuntimeWarning,
                stacklevel=2,
            )
        return pictures


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _key(paths: Sequence[Path], settings: dict[str, Any]) -> str:
    """Return what names the state of all files; a file that is not there has no size and no time.

    Programs set the time of content back (copies and archives do) and exchange names: the time of the inode, which no program
    sets, and the inode itself tell of both.
    """
    files: list[tuple[str | int, ...]] = []
    for path in paths:
        try:
            found = path.stat()
            state = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        except OSError:
            state = (-1, -1, -1, -1)
        files.append((str(path.absolute()), *state))
    return _digest([_core.__version__, fingerprint()["extension_sha256"], settings, files])


def _doubt(paths: Sequence[Path], pictures: Pictures, begun: int, key: str, settings: dict[str, Any]) -> str:
    """Return why sizes and times may not tell these pixels from later ones; an empty text where they do."""
    if any(error.fault == "unreadable" for error in pictures.bad):
        return "some files could not be read"  # which nothing in the key will show when they can
    if _key(paths, settings) != key:
        return "some files changed while they were read"
    lost = {error.path for error in pictures.bad}
    if any(path.stat().st_mtime_ns > begun - _FRESH_NS for path in paths if path not in lost or path.exists()):
        return "some files were written within the last two seconds, and may be written again in the same moment"
    return ""


def _save(file: Path, key: str, pictures: Pictures, threads: int) -> None:
    pixels = np.ascontiguousarray(pictures.images).data.cast("B")
    header = json.dumps(
        {
            "key": key,
            "shape": pictures.images.shape,
            "kept": pictures.kept.tolist(),
            "formats": pictures.formats.tolist(),
            "readouts": pictures.readouts.tolist(),
            "unproven": pictures.unproven,
            "boxes": None if pictures.boxes is None else pictures.boxes.tolist(),
            "bad": [(os.fspath(error.path), error.fault, error.reason, error.offset) for error in pictures.bad],
            "pixels_sha256": _blocks_digest(lambda first, count: pixels[first : first + count], len(pixels), threads),
        }
    ).encode()
    start = _START.pack(_MAGIC, len(header), hashlib.sha256(header).digest())
    padding = bytes(-(len(start) + len(header)) % _PAGE)
    write_atomically(file, [start, header, padding, pixels])


def _blocks_digest(read: Callable[[int, int], bytes | memoryview], count: int, threads: int) -> str:
    """Return the SHA-256 of the SHA-256 values of all blocks, which are read and hashed in parallel."""
    with ThreadPoolExecutor(threads or _core.cpu_count()) as pool:
        digests = pool.map(
            lambda first: hashlib.sha256(read(first, min(_BLOCK, count - first))).digest(), range(0, count, _BLOCK)
        )
        return hashlib.sha256(b"".join(digests)).hexdigest()


def _load(file: Path, key: str, paths: Sequence[Path], threads: int) -> Pictures | None:
    """Return what a file holds if it is whole and belongs to ``key``; the pixels are mapped, read-only, and shared."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _parse(handle, key, paths, threads)
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return None
    finally:
        os.close(handle)


def _parse(handle: int, key: str, paths: Sequence[Path], threads: int) -> Pictures | None:
    magic, length, digest = _START.unpack(os.pread(handle, _START.size, 0))
    size = os.fstat(handle).st_size
    if magic != _MAGIC or length > size:
        return None
    text = os.pread(handle, length, _START.size)
    if hashlib.sha256(text).digest() != digest:
        return None
    header = json.loads(text)
    shape = tuple(header["shape"])
    first = _START.size + length
    first += -first % _PAGE
    count = int(np.prod(shape, dtype=np.int64))
    if header["key"] != key or size != first + count:
        return None
    # Read and not mapped, so that checking keeps no page resident.
    found = _blocks_digest(lambda at, wanted: os.pread(handle, wanted, first + at), count, threads)
    if found != header["pixels_sha256"]:
        return None
    mapped = mmap.mmap(handle, size, access=mmap.ACCESS_READ)
    images = np.frombuffer(mapped, np.uint8, count, first).reshape(shape)
    by_name = {os.fspath(path): path for path in paths}
    bad = [DecodeError(by_name[name], fault, reason, offset) for name, fault, reason, offset in header["bad"]]
    boxes = None if header["boxes"] is None else np.array(header["boxes"], np.int32)
    kept, formats = np.array(header["kept"], np.intp), np.array(header["formats"], np.int32)
    readouts = np.array(header["readouts"], np.int32)
    return Pictures(images, kept, bad, formats, readouts, header["unproven"], cached=True, boxes=boxes)
