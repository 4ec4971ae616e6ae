"""Pictures that come one after another over a stream of bytes, and the parts that they make.

A frame is the length of a picture file, four bytes, the least significant first, and then the file. Before it may stand a mark,
four bytes too: the picture is then one of several of a part. A length never has the highest bit set, and a mark always has.
Since each picture says which part it belongs to, which of its pictures it is and of how many, one that was lost on its way is
noticed, and no part is ever made out of pictures of two.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

_LENGTH = struct.Struct("<I")
_MARK = struct.Struct("<BBH")  # which picture, of how many, and the number of the part with the highest bit set
_MARKED = 0x8000
VIEWS_MAX = 64
PART_FILES = 8  # the pictures of a part together may be so many times as large as the largest file
Read = Callable[[int], bytes]


class FrameError(ValueError):
    """What came is no frame; nothing after it can be understood."""


class Mark(NamedTuple):
    """Which picture a frame holds: ``view`` (from 1) of ``views`` of the part with a number (0 to 32767)."""

    part: int
    view: int
    views: int


@dataclass(frozen=True)
class Frame:
    """A picture file, the steady time in seconds at which it was complete, and its mark; None: it is a part of its own."""

    data: bytes
    complete: float
    mark: Mark | None = None


@dataclass(frozen=True)
class Part:
    """What is to be decided on.

    Attributes
    ----------
    pictures : list of bytes
        Files in the order of their views.
    complete : float
        Steady time, in seconds, at which the last of them was complete.
    number : int or None
        As the sender says; None where a frame had no mark.
    doubt : str
        Why it is REVIEW whatever its pictures show; empty: nothing speaks against it.
    views : tuple of int
        Which of the part's pictures they are, from 1; a frame without mark is the first.
    """

    pictures: list[bytes]
    complete: float
    number: int | None = None
    doubt: str = ""
    views: tuple[int, ...] = (1,)


def frames(read: Read, bytes_max: int) -> Iterator[Frame]:
    """Yield frames until the sender ends.

    Parameters
    ----------
    read : callable
        Returns at most as many bytes as asked for, none at the end.
    bytes_max : int
        Of a picture file.

    Raises
    ------
    FrameError
        A frame is empty, too large, or ends early, or its mark names a picture that its part does not have.
    """
    number = 0
    while header := _read_whole(read, _LENGTH.size):
        number += 1
        if (mark := _mark(header)) is not None:
            if not 1 <= mark.view <= mark.views <= VIEWS_MAX:
                (size,) = _LENGTH.unpack(header)
                found = f"found the mark of picture {mark.view} of {mark.views}, or a length of {size} bytes"
                expected = f"1 <= picture <= pictures <= {VIEWS_MAX}, or a length of 1 to {bytes_max} bytes"
                raise FrameError(f"frame {number}: {found}; expected {expected}")
            header = _read_whole(read, _LENGTH.size)
        if len(header) < _LENGTH.size:
            raise FrameError(f"frame {number}: found {len(header)} bytes, expected a length of {_LENGTH.size}")
        (size,) = _LENGTH.unpack(header)
        if not 0 < size <= bytes_max:
            raise FrameError(f"frame {number}: found a length of {size}, expected 1 to {bytes_max} bytes")
        data = _read_whole(read, size)
        if len(data) < size:
            raise FrameError(f"frame {number}: ends after {len(data)} of {size} bytes")
        yield Frame(data, time.monotonic(), mark)


def _mark(header: bytes) -> Mark | None:
    """The mark that four bytes are, whatever it says; None where they are a length, or too few."""
    view, views, part = _MARK.unpack(header) if len(header) == _MARK.size else (0, 0, 0)
    return Mark(part - _MARKED, view, views) if part >= _MARKED else None


def _read_whole(read: Read, size: int) -> bytes:
    """Return so many bytes, fewer at the end. Memory grows with what came, not with what was promised."""
    pieces: list[bytes] = []
    while size > 0 and (piece := read(min(size, 1 << 20))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


class Assembly:
    """Makes parts of frames. The pictures of a part come one after another, in any order; whatever else comes ends it.

    Parameters
    ----------
    timeout : float
        Seconds after the first picture of a part in which the others have to come.
    bytes_max : int
        Of all pictures of a part together.
    """

    def __init__(self, timeout: float, bytes_max: int) -> None:
        self._timeout, self._bytes_max = timeout, bytes_max
        self._held: dict[int, Frame] = {}
        self._mark = Mark(-1, 0, 0)  # of the part whose pictures come or came last
        self._bytes = 0
        self._doubt = ""

    def add(self, frame: Frame) -> list[Part]:
        """Return the parts that end with a frame: the one whose pictures came until now, the frame's own, both or none."""
        ended = self.expire(frame.complete)
        if (mark := frame.mark) is None:
            return [*ended, *self.end(), Part([frame.data], frame.complete)]
        if self._held and (mark.view in self._held or mark != self._mark._replace(view=mark.view)):
            ended += self.end()
        if not self._held:
            self._begin(mark)
        self._bytes += len(frame.data)
        if self._bytes > self._bytes_max:
            self._doubt = f"its pictures have {self._bytes} bytes together, expected at most {self._bytes_max}"
            self._held = {view: replace(held, data=b"") for view, held in self._held.items()}
            frame = replace(frame, data=b"")
        self._held[mark.view] = frame
        return ended if len(self._held) < mark.views else [*ended, *self.end()]

    def _begin(self, mark: Mark) -> None:
        self._doubt, self._bytes = "", 0
        if mark.part == self._mark.part:
            self._doubt = (
                f"it has the number of the part before, {mark.part}; count parts from 0 to {_MARKED - 1} and again"
            )
        self._mark = mark

    def expire(self, now: float) -> list[Part]:
        """Return the part whose pictures did not all come in time."""
        late = bool(self._held) and now - min(frame.complete for frame in self._held.values()) > self._timeout
        return self.end() if late else []

    def end(self) -> list[Part]:
        """Return the part whose pictures came until now: nothing more comes of it."""
        if not self._held:
            return []
        held, self._held = sorted(self._held.items()), {}
        doubt = self._doubt
        if len(held) < self._mark.views and not doubt:
            found = ", ".join(str(view) for view, _ in held)
            doubt = f"the part is incomplete: found picture {found} of {self._mark.views}"
        complete = max(frame.complete for _, frame in held)
        views = tuple(view for view, _ in held)
        return [Part([frame.data for _, frame in held], complete, self._mark.part, doubt, views)]
