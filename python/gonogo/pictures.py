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
from gonogo.tiles import as_boxes

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
        Positions of the good files in the list that was read; of tiles, that of each one's file.
    bad : list of DecodeError
        One for each bad file.
    formats : int32 array (n, 3)
        Of each picture's file (of tiles, each one's): height and width in pixels, and 1 where a pixel of the whole picture is
        coloured (R, G and B differ), else 0.
    readouts : int32 array (n, 2)
        Of each picture before its enhancement: the brightest level (of tiles, that of all tiles of the file) and how many of
        the last rows have one colour.
    unproven : list of str (n,)
        Why each picture's file cannot be proven complete; empty where it can.
    cached : bool
        Whether a cache on disk gave them.
    boxes : int32 array (n, 4) or None
        ``[y0, x0, y1, x1]`` of each tile in pixels of its file; None where pictures were not cut into tiles.
    """

    images: NDArray[np.uint8]
    kept: NDArray[np.intp]
    bad: list[DecodeError]
    formats: NDArray[np.int32]
    readouts: NDArray[np.int32]
    unproven: list[str]
    cached: bool = False
    boxes: NDArray[np.int32] | None = None


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
    counted = "1 byte behind the picture is" if tail == 1 else f"{tail} bytes behind the picture are"
    behind = f"; {counted} not looked at" if tail else ""
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
            size = _inspected_size(path)
        except DecodeError:
            if on_bad == "raise":
                raise
            continue
        if first is None:
            first = (path, size)
        elif size != first[1]:
            raise ValueError(
                f"image_size: pictures have different sizes: {first[0]} is {first[1][0]}x{first[1][1]}, "
                f"{path} is {size[0]}x{size[1]} (height x width); give image_size=(height, width)"
            )
    return first[1] if first else None


def _inspected_size(path: Path) -> tuple[int, int]:
    found = _core.inspect(read_bytes(path))
    if found["fault"] != "ok":
        raise DecodeError(path, found["fault"], found["reason"], found["offset"])
    return found["height"], found["width"]


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
        of interest or tiles, their size).
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
    size = image_size or decoding.size or find_size(files, on_bad)
    if size is None:
        raise ValueError(f"paths: none of the {len(files)} files is a good picture; gonogo cannot read {files[0]}")
    cuts, bad = _find_regions(files, decoding, on_bad)
    positions = [i for i, cut in enumerate(cuts) if cut is not None]
    good, regions = [files[i] for i in positions], [cut for cut in cuts if cut is not None]
    if not good:
        raise ValueError(f"paths: none of the {len(files)} files is a good picture; the first: {bad[0]}")

    channels = 3 if color_mode == "rgb" else 1
    read = _decode(good, regions, size, channels, decoding, on_bad, threads, progress)
    if color_mode == "auto" and not read.grey:
        read = _decode(good, regions, size, 3, decoding, on_bad, threads, None)
    bad = sorted([*bad, *read.bad], key=lambda error: files.index(error.path))
    lost = {error.path for error in bad}
    counts = [len(cut) for cut in regions]
    source, formats = np.repeat(np.array(positions, np.intp), counts), np.repeat(read.formats, counts, axis=0)
    whole = np.array([files[i] not in lost for i in source.tolist()], np.bool_)
    if not whole.any():
        raise ValueError(f"paths: none of the {len(files)} files is a good picture; the first: {bad[0]}")
    boxes = None if decoding.tiles is None else as_boxes(np.concatenate(regions))[whole]
    images = read.images if whole.all() else read.images[whole]
    doubts = {positions[i]: reason for i, reason in read.unproven}
    unproven = [doubts.get(i, "") for i in source[whole].tolist()]
    return Pictures(images, source[whole], bad, formats[whole], read.readouts[whole], unproven, boxes=boxes)


@dataclass(frozen=True)
class _Read:
    """What ``_decode`` made of files: a row of ``images`` and ``readouts`` for each region, one of ``formats`` for each file, and
    the positions of files that are ``unproven``, with the reason."""

    images: NDArray[np.uint8]
    readouts: NDArray[np.int32]
    formats: NDArray[np.int32]
    grey: bool
    bad: list[DecodeError]
    unproven: list[tuple[int, str]]


def _find_regions(
    files: list[Path], decoding: Decoding, on_bad: OnBad
) -> tuple[list[NDArray[np.int32] | None], list[DecodeError]]:
    """Return what is cut out of each file, None for files that are bad or hold no tile, and the errors of these.

    Only tiles ask for a look at the files: how many there are depends on the size.
    """
    if decoding.tiles is None:
        roi = None if decoding.preprocess is None else decoding.preprocess.roi
        return [np.array([roi or (0, 0, 0, 0)], np.int32)] * len(files), []  # the latter stands for a whole picture
    cuts: list[NDArray[np.int32] | None] = []
    bad: list[DecodeError] = []
    for path in files:
        try:
            height, width = _inspected_size(path)
            cuts.append(decoding.regions(height, width))
        except ValueError as error:
            fault = "image-too-small"
            bad.append(error if isinstance(error, DecodeError) else DecodeError(path, fault, str(error), 0))
            cuts.append(None)
            if on_bad == "raise":
                raise bad[0] from None
    return cuts, bad


def _decode(
    files: list[Path],
    cuts: list[NDArray[np.int32]],
    size: tuple[int, int],
    channels: int,
    decoding: Decoding,
    on_bad: OnBad,
    threads: int,
    progress: Callable[[int], object] | None,
) -> _Read:
    """Decode files, each into as many rows as regions are cut out of it; ``grey`` is whether all that was read is."""
    images = np.zeros((sum(map(len, cuts)), *size, channels), np.uint8)
    preprocess, formats = decoding.preprocess or Preprocess(), np.zeros((len(files), 3), np.int32)
    readouts = np.zeros((len(images), 2), np.int32)
    all_grey, bad, unproven, row = True, [], [], 0
    for first in range(0, len(files), _CHUNK):
        part = files[first : first + _CHUNK]
        contents, unreadable = _read_part(part)
        counts = np.array([len(cut) for cut in cuts[first : first + len(part)]], np.int32)
        own = slice(row, row + int(counts.sum()))
        row = own.stop
        whole = decoding.size is None
        failures, grey, formats[first : first + len(part)], readouts[own], doubts = _core.decode_many(
            contents,
            images[own],
            decoding.resize_mode,
            threads,
            decoding.bit_depth,
            None if whole else np.concatenate(cuts[first : first + len(part)]),
            None if whole else counts,
            preprocess.enhancement(),
        )
        for i, fault, reason, offset in failures:
            bad.append(unreadable.get(i) or DecodeError(part[i], fault, reason, offset))
            if on_bad == "raise":
                raise bad[0]
        all_grey = all_grey and bool(grey.all())
        unproven += [(first + i, reason) for i, reason in doubts]
        if progress is not None:
            progress(len(part))
    return _Read(images, readouts, formats, all_grey, bad, unproven)
