"""Picture files -> one array of pixels, on all cores, with every bad file named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.decoding import Decoding
from gonogo.errors import DecodeError
from gonogo.preprocess import Preprocess

ColorMode = Literal["auto", "grayscale", "rgb"]
OnBad = Literal["raise", "skip"]

COLOR_MODES = ("auto", "grayscale", "rgb")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})
_FILE_BYTES_MAX = 64 * 1024 * 1024
_CHUNK = 256  # files in memory at a time


@dataclass(frozen=True)
class Pictures:
    """Decoded pictures.

    Attributes
    ----------
    images : uint8 array (n, height, width, channels)
        Good pictures only, in the order of the files.
    kept : intp array (n,)
        Positions of the good files in the list that was read.
    bad : list of DecodeError
        One for each bad file.
    cached : bool
        Whether a cache on disk gave them.
    """

    images: NDArray[np.uint8]
    kept: NDArray[np.intp]
    bad: list[DecodeError]
    cached: bool = False


@dataclass(frozen=True)
class Verdict:
    """What ``inspect_files`` says of one file.

    Attributes
    ----------
    file : pathlib.Path
        The file.
    verdict : str
        ``"ok"``; ``"unproven"`` for a valid picture that cannot be proven complete (a progressive JPEG, a BMP or TIFF that
        ends in zeros, a second JPEG behind the first), which training accepts and a line reviews; or the code of a fault.
    reason : str
        What was found and, unless it is ``"ok"``, what to do.
    offset : int
        Byte at which a fault or doubt was noticed; for ``"ok"`` where the picture ends.
    """

    file: Path
    verdict: str
    reason: str
    offset: int

    @property
    def bad(self) -> bool:
        """Whether the file has a fault."""
        return self.verdict not in ("ok", "unproven")


def inspect_files(
    paths: Sequence[str | Path],
    *,
    bit_depth: int = 16,
    threads: int = 0,
    progress: Callable[[int], object] | None = None,
) -> list[Verdict]:
    """Check picture files: their structure, and by decoding them on trial also what only the pixels show.

    Parameters
    ----------
    paths : sequence of paths
        JPEG, PNG, BMP or TIFF files; their content decides, not their names. Orientation tags are ignored.
    bit_depth : {16, 12, 10}
        How many bits of 16-bit grey are in use; larger values are a fault.
    threads : int
        0: one for each processor.
    progress : callable, optional
        Called with the number of files done since the last call.

    Returns
    -------
    list of Verdict
        One for each path, in their order.

    Raises
    ------
    ValueError
        ``bit_depth`` is none of the three.
    """
    verdicts: list[Verdict] = []
    files = [Path(path) for path in paths]
    for first in range(0, len(files), _CHUNK):
        part = files[first : first + _CHUNK]
        contents, unreadable = _read_part(part)
        for i, found in enumerate(_core.check_many(contents, threads, bit_depth)):
            if (error := unreadable.get(i)) is not None:
                verdicts.append(Verdict(part[i], error.fault, error.reason, error.offset))
            elif found["verdict"] == "ok":
                verdicts.append(Verdict(part[i], "ok", _praise(found, len(contents[i])), found["picture_bytes"]))
            else:
                verdicts.append(Verdict(part[i], found["verdict"], found["reason"], found["offset"]))
        if progress is not None:
            progress(len(part))
    return verdicts


def _praise(found: Mapping[str, Any], size: int) -> str:
    tail = size - found["picture_bytes"]
    behind = f"; {tail} bytes behind the picture are not looked at" if tail else ""
    return f"complete {found['format']}, {found['height']} x {found['width']} pixels{behind}"


def _read_part(files: Sequence[Path]) -> tuple[list[bytes], dict[int, DecodeError]]:
    """Return the bytes of files, empty for those that cannot be read, and the errors of these."""
    contents: list[bytes] = []
    unreadable: dict[int, DecodeError] = {}
    for i, path in enumerate(files):
        try:
            contents.append(read_bytes(path))
        except DecodeError as error:
            unreadable[i] = error
            contents.append(b"")
    return contents, unreadable


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes; raise ``DecodeError`` when it cannot be a picture or cannot be read."""
    try:
        if not path.is_file():
            what = "a folder" if path.is_dir() else "no file" if not path.exists() else "not a regular file"
            raise DecodeError(path, "unreadable", f"found {what}, expected a picture file", 0)
        if (size := path.stat().st_size) > _FILE_BYTES_MAX:
            reason = f"found {size} bytes, expected at most {_FILE_BYTES_MAX}; save the picture in a smaller size"
            raise DecodeError(path, "file-too-large", reason, 0)
        return path.read_bytes()
    except OSError as error:
        reason = f"cannot be read: {error.strerror}; check its permissions"
        raise DecodeError(path, "unreadable", reason, 0) from None


def find_size(paths: Sequence[Path], on_bad: OnBad = "raise") -> tuple[int, int] | None:
    """Return the (height, width) that all pictures share; None when no file is good.

    Raises
    ------
    ValueError
        Two pictures differ in size: both are named.
    DecodeError
        A file is bad and ``on_bad`` is ``"raise"``.
    """
    first: tuple[Path, tuple[int, int]] | None = None
    for path in paths:
        try:
            found = _core.inspect(read_bytes(path))
            if found["fault"] != "ok":
                raise DecodeError(path, found["fault"], found["reason"], found["offset"])
        except DecodeError:
            if on_bad == "raise":
                raise
            continue
        size = (found["height"], found["width"])
        if first is None:
            first = (path, size)
        elif size != first[1]:
            raise ValueError(
                f"image_size: pictures have different sizes: {first[0]} is {first[1][0]}x{first[1][1]}, "
                f"{path} is {size[0]}x{size[1]} (height x width); give image_size=(height, width)"
            )
    return first[1] if first else None


def read_pictures(
    paths: Sequence[str | Path],
    *,
    image_size: tuple[int, int] | None = None,
    color_mode: ColorMode = "auto",
    decoding: Decoding | None = None,
    on_bad: OnBad = "raise",
    threads: int = 0,
    progress: Callable[[int], object] | None = None,
) -> Pictures:
    """Decode picture files into one array.

    Parameters
    ----------
    paths : sequence of paths
        JPEG, PNG, BMP or TIFF files; their content decides, not their names. Orientation tags are ignored.
    image_size : (height, width), optional
        Size to which pictures of another size are brought; None: all must have the same size, which is kept (with a region
        of interest, its size).
    color_mode : {"auto", "grayscale", "rgb"}
        ``"auto"``: grey if and only if every picture has R = G = B in every pixel.
    decoding : Decoding, optional
        All other settings; None: their defaults.
    on_bad : {"raise", "skip"}
        Whether the first bad file ends the reading, or bad files are left out and listed.
    threads : int
        0: one for each processor.
    progress : callable, optional
        Called with the number of files done since the last call.

    Raises
    ------
    DecodeError
        For the first bad file, unless ``on_bad="skip"``.
    ValueError
        No file, no good file, or different sizes without ``image_size``.
    """
    files = [Path(path) for path in paths]
    decoding = decoding or Decoding()
    if color_mode not in COLOR_MODES:
        raise ValueError(f"color_mode: found {color_mode!r}, expected one of {', '.join(COLOR_MODES)}")
    if on_bad not in ("raise", "skip"):
        raise ValueError(f"on_bad: found {on_bad!r}, expected 'raise' or 'skip'")
    if not files:
        raise ValueError("paths: found no file, expected at least one picture")
    roi = None if decoding.preprocess is None else decoding.preprocess.roi
    size = image_size or (roi[2:] if roi else find_size(files, on_bad))
    if size is None:
        raise ValueError(f"paths: none of the {len(files)} files is a good picture; gonogo cannot read {files[0]}")

    channels = 3 if color_mode == "rgb" else 1
    images, grey, bad = _decode(files, size, channels, decoding, on_bad, threads, progress)
    if color_mode == "auto" and not grey:
        images, _, bad = _decode(files, size, 3, decoding, on_bad, threads, None)
    lost = {error.path for error in bad}
    kept = np.array([i for i, path in enumerate(files) if path not in lost], np.intp)
    if len(kept) == 0:
        raise ValueError(f"paths: none of the {len(files)} files is a good picture; the first: {bad[0]}")
    return Pictures(images if len(kept) == len(files) else images[kept], kept, bad)


def _decode(
    files: list[Path],
    size: tuple[int, int],
    channels: int,
    decoding: Decoding,
    on_bad: OnBad,
    threads: int,
    progress: Callable[[int], object] | None,
) -> tuple[NDArray[np.uint8], bool, list[DecodeError]]:
    images = np.zeros((len(files), *size, channels), np.uint8)
    preprocess = decoding.preprocess or Preprocess()
    all_grey, bad = True, []
    for first in range(0, len(files), _CHUNK):
        part = files[first : first + _CHUNK]
        contents, unreadable = _read_part(part)
        rows = images[first : first + len(part)]
        regions = counts = None
        if preprocess.roi is not None:
            regions = np.tile(np.array(preprocess.roi, np.int32), (len(part), 1))
            counts = np.ones(len(part), np.int32)
        failures, grey = _core.decode_many(
            contents,
            rows,
            decoding.resize_mode,
            threads,
            decoding.bit_depth,
            regions,
            counts,
            preprocess.enhancement(),
        )
        for i, fault, reason, offset in failures:
            bad.append(unreadable.get(i) or DecodeError(part[i], fault, reason, offset))
            if on_bad == "raise":
                raise bad[0]
        all_grey = all_grey and bool(grey.all())
        if progress is not None:
            progress(len(part))
    return images, all_grey, bad
