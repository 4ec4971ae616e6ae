"""What the rules of the sorter need of a disk. ``files.LocalDisk`` is the one of this machine; tests put a simulated one in its
place, which loses power.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

FILE_BYTES_MAX = 64 * 1024 * 1024
# Of these types of file systems other machines write the same files, or locks and memory maps are not to be trusted.
NETWORK_FILE_SYSTEMS = frozenset(
    (
        *(
            "9p",
            "afs",
            "beegfs",
            "ceph",
            "cifs",
            "coda",
            "davfs",
            "gfs2",
            "glusterfs",
            "gpfs",
            "lustre",
            "ncpfs",
            "nfs",
        ),
        *("nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs"),
        *("fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"),
    )
)

# What a share that is away, or comes back with other rights, gives in place of its names.
AWAY = frozenset(
    (
        *(errno.ESTALE, errno.EIO, errno.EREMOTEIO, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN),
        *(errno.ENETUNREACH, errno.ETIMEDOUT, errno.ENOTCONN, errno.ECONNRESET, errno.ECONNREFUSED),
        *(errno.ECONNABORTED, errno.ENODEV, errno.ENXIO, errno.EACCES, errno.EPERM),
    )
)


class SyncError(Exception):
    """What was written may not have reached the disk; nothing can be promised of it, and asking again would lie."""


class BlockedError(OSError):
    """A disk or a folder does not take what is to be written; nothing is lost, and what was begun is finished once it does."""


class DiskFullError(BlockedError):
    """There is too little room."""


class InboxAwayError(OSError):
    """The inbox cannot be looked into, as when its share is away."""


class FileChangedError(Exception):
    """A file changed while it was read."""


class NotRegularError(Exception):
    """A link, folder, pipe, socket or device where a file was expected."""


class LockedError(ValueError):
    """Another process holds a lock."""


class Status(NamedTuple):
    """What the file system says of a name.

    Attributes
    ----------
    kind : {"file", "folder", "other"}
        ``"other"``: a link, pipe, socket or device.
    device, inode : int
        Which file it is.
    size : int
        Bytes.
    modified : int
        Time of the last change of its content, nanoseconds since 1970.
    """

    kind: Literal["file", "folder", "other"]
    device: int
    inode: int
    size: int
    modified: int

    @property
    def identity(self) -> tuple[int, int, int, int]:
        """Equal as long as it is the same file with the same content."""
        return self[1:]

    def is_same_file(self, other: Status | None) -> bool:
        """Whether both are names of one file."""
        return other is not None and (self.device, self.inode) == (other.device, other.inode)


class Disk(Protocol):
    """What the sorter asks of a disk. Errors of the system are ``OSError``; a failed synchronisation is ``SyncError``."""

    def scan(self, folder: Path) -> list[tuple[str, Status]]:
        """Return the names in a folder in their order, dot names included; names that vanish meanwhile are left out."""

    def status(self, path: Path) -> Status | None:
        """Return what lies at a path, links not followed; None where nothing does."""

    def read(self, path: Path) -> tuple[bytes, Status]:
        """Return a file's content, read once through one descriptor, and what it was before and after.

        Raises ``NotRegularError``, ``FileChangedError`` or ``OSError``, with ``EFBIG`` beyond 64 MiB.
        """

    def digest(self, path: Path) -> str | None:
        """Return the SHA-256 of a regular file; None where there is none."""

    def is_open_for_writing(self, path: Path) -> bool:
        """Return whether a process on this machine has a file open for writing; False where nobody can tell."""

    def make_folder(self, path: Path) -> None:
        """Make a folder and those above it, where missing."""

    def remove_empty_folder(self, path: Path) -> None:
        """Remove a folder; one that is not empty, or not there, stays as it is."""

    def move(self, source: Path, target: Path) -> None:
        """Rename without replacement: ``FileExistsError`` where the target exists, ``EXDEV`` across file systems."""

    def reserves(self, folder: Path) -> bool:
        """Return whether a move into a folder first makes an empty file under the new name, which a crash may leave there.

        So it is on file systems without a rename that replaces nothing and without second names, from the first move on.
        """

    def copy(self, source: Path, target: Path) -> None:
        """Copy into a new file and bring its content to the disk."""

    def remove(self, path: Path) -> None:
        """Remove a name; one that is not there is no error."""

    def read_tail(self, path: Path, count: int) -> tuple[bytes, int]:
        """Return the last bytes of a file and its size; nothing and 0 where there is none."""

    def append(self, path: Path, data: bytes) -> None:
        """Append to a file, made where it does not exist; what cannot be written whole is taken back."""

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file."""

    def replace(self, path: Path, data: bytes) -> None:
        """Write a file whole or not at all, in place of what was there."""

    def publish(self, path: Path, data: bytes) -> None:
        """Write a file that all accounts may read and find whole, in place of what was there.

        After a power loss it may be an old or empty one.
        """

    def sync_folder(self, path: Path) -> None:
        """Bring the names in a folder to the disk."""

    def sync(self, paths: Iterable[Path]) -> None:
        """Bring all that was done on the file systems of these paths to the disk, each file system once."""

    def free_bytes(self, path: Path) -> int:
        """Return the bytes that may still be written below a path."""

    def file_system(self, path: Path) -> str:
        """Return the type of the file system of a path, such as ``"ext4"``."""

    def lock(self, path: Path) -> AbstractContextManager[None]:
        """Hold a folder or a file, made where it does not exist, until the block ends; ``LockedError`` where another does."""
