"""Pictures that the line has taken: what is known of each, and how it comes from the inbox into ``work/``."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gonogo.line.configuration import Places
from gonogo.line.decider import DOUBTS, Fault
from gonogo.line.disk import Disk, NotRegularError, Status

PROBE = ".gonogo-probe"
# What reading or renaming a file gives while somebody else still has a hand on it.
BUSY = (errno.EACCES, errno.EPERM, errno.EBUSY, errno.ETXTBSY)


@dataclass
class Picture:
    """A picture on its way.

    Attributes
    ----------
    id : str
        Given at the first look; no other picture of this output has it.
    name : str
        In the inbox.
    place : pathlib.Path
        Where it is now.
    status : Status
        When it was read last, or found.
    tries : int
        How often it was begun; more than one after a crash.
    data : bytes
        Its content, read once.
    content : str
        SHA-256 of it.
    fault : Fault or None
        What speaks against it.
    since : float or None
        Steady time at which it was first seen as it is; None where it was not seen in the inbox by this process.
    """

    id: str
    name: str
    place: Path
    status: Status
    tries: int = 1
    data: bytes = b""
    content: str = ""
    fault: Fault | None = None
    since: float | None = None

    def read(self, disk: Disk, check: Callable[[bytes], Fault | None] | None) -> None:
        """Read it once, and look at it unless ``check`` is None.

        Raises
        ------
        FileChangedError, NotRegularError, OSError
            It cannot be read now, or is no file; ``FileNotFoundError``: others have taken it away.
        """
        try:
            self.data, self.status = disk.read(self.place)
        except OSError as error:
            if error.errno != errno.EFBIG:
                raise
            self.fault = Fault("file-too-large", f"{error.strerror}; save the picture in a smaller size")
            self.content = disk.digest(self.place) or ""
            return
        self.content = hashlib.sha256(self.data).hexdigest()
        self.fault = None if check is None else check(self.data)

    @property
    def is_damaged(self) -> bool:
        """Whether it is no complete picture."""
        return self.fault is not None and self.fault.fault not in DOUBTS


def is_in_use(path: Path, disk: Disk) -> bool:
    """Return whether somebody still has a hand on a file: it is open for writing, locked away, or was just replaced."""
    try:
        return disk.is_open_for_writing(path)
    except (FileNotFoundError, NotRegularError):
        return True
    except OSError as error:
        if error.errno in BUSY:
            return True
        raise


def claim(picture: Picture, folder: Path, disk: Disk) -> bool:
    """Rename a picture into a folder of ``work/``; return whether it is ours now. A claim never copies.

    What was read stays valid only if the very same file is found under the new name.

    Raises
    ------
    PermissionError
        The system does not allow it, for now or for ever.
    """
    target = folder / picture.name
    try:
        disk.move(picture.place, target)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in BUSY and not isinstance(error, PermissionError):
            return False
        raise
    found = disk.status(target)
    if found is not None and found.kind != "file":  # somebody put a link, a pipe or a folder in its place
        disk.move(target, picture.place)
        return False
    picture.place = target
    if found is None or found.identity != picture.status.identity:
        picture.data, picture.content = b"", ""
    return True


def find_work(inbox: Path, out: Path, disk: Disk) -> Path:
    """Return where pictures are claimed to: below the output, or, on another file system, in a hidden folder of the inbox.

    Raises
    ------
    OSError
        The inbox or the output cannot be written.
    """
    work = out / "work"
    disk.make_folder(work)
    try:
        return work if can_move(inbox, work, disk) else inbox / ".gonogo-work"
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        refused = f"gonogo must be able to write into this folder ({error.strerror}); let its account write there"
        if can_write(inbox, disk):
            raise OSError(error.errno, refused, str(work)) from None
        raise OSError(error.errno, f"{refused}, or leave pictures in INBOX with --copy", str(inbox)) from None


def can_move(source: Path, target: Path, disk: Disk) -> bool:
    """Return whether files can be renamed from one folder into the other; mounts may part what one device holds."""
    for folder in (source, target):
        disk.remove(folder / PROBE)
    disk.append(source / PROBE, b"")
    try:
        disk.move(source / PROBE, target / PROBE)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    finally:
        for folder in (source, target):
            disk.remove(folder / PROBE)
    return True


def can_write(folder: Path, disk: Disk) -> bool:
    """Return whether a small file can be written in a folder; in the nearest one above it, where it does not exist."""
    try:
        probe = existing_folder(folder, disk) / PROBE
        try:
            disk.append(probe, b"." * 4096)
        finally:
            disk.remove(probe)
    except OSError:
        return False
    return True


def existing_folder(path: Path, disk: Disk) -> Path:
    """Return a folder; of what is not there, or is a file, the nearest one above it."""
    while (found := disk.status(path)) is None or found.kind == "file":
        path = path.parent
    return path


def places_of(inbox: Path, out: Path, journal: Path, disk: Disk, *, keeps: bool = False) -> Places:
    """Return where a line works, after making its folders and trying which are on one file system.

    Where pictures stay in the inbox (``keeps``), it is not touched: it may be a read-only one.
    """
    disk.make_folder(out / ".gonogo")
    work = out / "work" if keeps else find_work(inbox, out, disk)
    disk.make_folder(work)
    can_move(out, out / ".gonogo", disk)  # so that the disk knows how names are taken there
    return Places(inbox, out, work, journal)
