"""Decisions about parts whose pictures a program sends, each with a deadline: frames in, one line of JSON for each part out.

A thread reads frames as they come (``framing`` says what they are) and notes when each was complete, so that a part that waited
too long behind others is known to be late.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import os
import queue
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.decision import REVIEW, which_picture
from gonogo.framing import PART_FILES, Assembly, Frame, FrameError, Part, Read, frames
from gonogo.line.claim import Picture
from gonogo.line.configuration import Configuration
from gonogo.line.decider import Decider
from gonogo.line.disk import FILE_BYTES_MAX, Status
from gonogo.line.frozen_camera import Repeats
from gonogo.line.outcome import Job, Outcome, decide_jobs

_WAITING_MAX = 4  # frames that were read and not yet decided on; more wait with the sender
_MANNERS = 0.1  # seconds after which a signal to stop is seen at the latest
_PATIENCE = 10  # seconds that a sender may take to read a line
_Came = queue.SimpleQueue[Frame | FrameError | OSError | None]


@dataclass(frozen=True)
class Settings:
    """How a stream is decided on.

    Attributes
    ----------
    deadline : float or None
        Seconds from a complete part to its decision; a later one is REVIEW.
    heartbeat : float
        Seconds without a frame after which a line says that all is well; 0: never.
    bytes_max : int
        Of a picture file; all pictures of a part together may have eight times as many.
    part_timeout : float
        Seconds after the first picture of a part in which the others have to come.
    accept_unproven : bool
        Whether a picture that cannot be proven complete is decided on.
    frozen_after : int
        So many pictures of a view with the same bytes in a row are a frozen camera; 0: never.
    """

    deadline: float | None = None
    heartbeat: float = 10.0
    bytes_max: int = FILE_BYTES_MAX
    part_timeout: float = 30.0
    accept_unproven: bool = False
    frozen_after: int = Configuration.frozen_after

    def __post_init__(self) -> None:
        Configuration(frozen_after=self.frozen_after)  # which refuses what gonogo sort refuses


class Stream:
    """Decides on the parts of one sender after another.

    Parameters
    ----------
    decider : Decider
        Decides, by the rules of the sorter.
    settings : Settings
        How.
    is_stopped : callable
        Whether to end after the part in hand.
    """

    def __init__(self, decider: Decider, settings: Settings, is_stopped: Callable[[], bool]) -> None:
        self._decider, self._settings, self._is_stopped = decider, settings, is_stopped
        self.frames = self.late = self._of_sender = 0
        # Over all senders: a program may connect anew for each picture of its camera.
        self._repeats = Repeats(settings.frozen_after)

    def run(self, read: Read, write: Callable[[str], None]) -> FrameError | OSError | None:
        """Decide on all parts of a sender; return what ended it, None for its own end or a word to stop.

        Each line is given to ``write`` without its line feed; its errors are raised.
        """
        self._of_sender = 0  # as the lines about errors count
        came: _Came = queue.SimpleQueue()
        room, over = threading.Semaphore(_WAITING_MAX), threading.Event()

        def receive() -> None:
            ended: FrameError | OSError | None = None
            try:
                for frame in frames(read, self._settings.bytes_max):
                    room.acquire()
                    if over.is_set():
                        return
                    came.put(frame)
            except (FrameError, OSError) as error:
                ended = error
            came.put(ended)

        threading.Thread(target=receive, name="frames", daemon=True).start()
        try:
            return self._answer(came, room, write)
        finally:
            over.set()
            room.release()

    def _answer(
        self, came: _Came, room: threading.Semaphore, write: Callable[[str], None]
    ) -> FrameError | OSError | None:
        settings, beat = self._settings, time.monotonic()
        assembly = Assembly(settings.part_timeout, PART_FILES * settings.bytes_max)

        def decide_all(parts: list[Part]) -> None:
            for part in parts:
                write(_line(self.decide(part)))

        write(_line({"ready": True, **self._decider.description, "classes": list(self._decider.labels)}))
        ended: FrameError | OSError | None = None
        while not self._is_stopped():
            try:
                frame = came.get(timeout=_MANNERS)
            except queue.Empty:
                decide_all(assembly.expire(time.monotonic()))
                if settings.heartbeat and time.monotonic() - beat >= settings.heartbeat:
                    write(_line({"heartbeat": True, "frames": self.frames, "late": self.late}))
                    beat = time.monotonic()
                continue
            if not isinstance(frame, Frame):
                ended = frame
                break
            room.release()
            decide_all(assembly.add(frame))
            beat = time.monotonic()
        decide_all(assembly.end())
        if ended is not None:
            write(_line({"error": str(ended)}))
        return ended

    def decide(self, part: Part) -> dict[str, Any]:
        """Return what the line about a part says."""
        self.frames += len(part.pictures)
        self._of_sender += len(part.pictures)
        deadline = self._settings.deadline or math.inf
        frozen = self._count(part)
        outcome, waited = _review(part.doubt, "part"), time.monotonic() - part.complete
        if not part.doubt:
            # Whoever waited too long gets its line at once, so that the stream catches up.
            outcome = _late(waited, deadline) if waited > deadline else self._judge(part, frozen)
        seconds = time.monotonic() - part.complete
        if seconds > deadline and not part.doubt:
            outcome = _late(seconds, deadline)
            self.late += 1
        return {
            "frame": self._of_sender,
            **({} if part.number is None else {"part": part.number, "pictures": len(part.pictures)}),
            "decision": outcome.label,
            "passed": outcome.passed,
            "score": outcome.finite_score,
            "reason": outcome.reason,
            "cause": outcome.cause,
            "milliseconds": round(seconds * 1000, 3),
        }

    def _count(self, part: Part) -> str:
        """Why the part cannot pass because of what its cameras showed before; what is late counts like all others."""
        doubt = ""
        for number, (view, data) in enumerate(zip(part.views, part.pictures, strict=True)):
            picture, content = str(self.frames - number), hashlib.sha256(data).hexdigest()
            found = self._repeats.doubt(self._repeats.count(str(view), picture, content))
            doubt = doubt or (found and which_picture(view, len(part.pictures)) + found)
        return doubt

    def _judge(self, part: Part, doubt: str) -> Outcome:
        """Decide as the sorter does: damage is QUARANTINE, or REVIEW where the part has other pictures, and any doubt REVIEW."""
        pictures = []
        for view, data in enumerate(part.pictures, 1):
            name = f"picture {view}"
            pictures.append(Picture(name, name, Path(), Status("file", 0, 0, len(data), 0), data=data))
            pictures[-1].fault = self._decider.check(data)
        job = Job("part", pictures, doubt)
        unproven = self._settings.accept_unproven
        (outcomes,) = decide_jobs([job], self._decider, accept_unproven=unproven, today=datetime.date.today())
        for picture, outcome in zip(pictures, outcomes, strict=True):
            if picture.is_damaged and len(pictures) > 1:
                return _review(f"{picture.name} of {len(pictures)}: {outcome.reason}", outcome.cause)
        return outcomes[0]


def _review(reason: str, cause: str) -> Outcome:
    return Outcome("", REVIEW, False, math.nan, reason, cause)


def _late(seconds: float, deadline: float) -> Outcome:
    found = f"late: {seconds * 1000:.1f} ms after the frame, the deadline is {deadline * 1000:g} ms"
    return _review(found, "late")


def _line(said: dict[str, Any]) -> str:
    return json.dumps(said, allow_nan=False)


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Listen on a Unix socket that nobody but this account may open, and take it away in the end.

    A socket that was left by a program that is no more is replaced.

    Raises
    ------
    ValueError
        Something else is there, or another program listens on it.
    OSError
        It cannot be made.
    """
    _clear(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        before = os.umask(0o177)  # so that it is never open to others, not even for a moment
        try:
            server.bind(str(path))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None  # Python names no path
        finally:
            os.umask(before)
        made = path.lstat()
        try:
            server.listen(1)
            server.settimeout(_MANNERS)
            yield server
        finally:
            if path.exists() and os.path.samestat(path.lstat(), made):
                path.unlink()


def _clear(path: Path) -> None:
    if len(os.fsencode(path)) > 100:
        raise ValueError(f"socket: found a path of {len(os.fsencode(path))} bytes, expected at most 100")
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ValueError(f"socket: {path} exists and is no socket; name another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise ValueError(f"socket: another program listens on {path}; stop it, or name another path")


def serve(stream: Stream, server: socket.socket, is_stopped: Callable[[], bool], tell: Callable[[str], None]) -> None:
    """Serve one sender after another until the word to stop; what is wrong with one is told, and ends that one alone."""
    while not is_stopped():
        try:
            sender, _ = server.accept()
        except TimeoutError:
            continue
        with sender:
            ended = _serve_one(stream, sender)
        if ended is not None:
            tell(f"the sender was left: {ended}")


def _serve_one(stream: Stream, sender: socket.socket) -> Exception | None:
    """Return what ended it, None for its own end."""
    sender.settimeout(None)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _PATIENCE, 0))
    try:
        return stream.run(sender.recv, lambda line: sender.sendall(f"{line}\n".encode()))
    except OSError as error:  # the sender is gone, or does not read
        return error
    finally:
        with suppress(OSError):
            sender.shutdown(socket.SHUT_RDWR)  # which ends the thread that reads
