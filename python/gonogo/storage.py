"""Writing files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: str | Path, content: bytes | str) -> Path:
    """Write a file so that a reader, or a power cut, finds the old content or the new one, never a part.

    The content goes to a temporary file in the same folder, is brought to the disk and renamed; then the folder is
    brought to the disk as well.

    Parameters
    ----------
    path : str or Path
        Target; replaced when it exists. Its folder must exist.
    content : bytes or str
        Text is written as UTF-8.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    OSError
        Naming the target; the temporary file is gone and the target is as before.
    """
    target = Path(path)
    data = content.encode() if isinstance(content, str) else content
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: the folder {target.parent} does not exist; create it first")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            mask = os.umask(0)
            os.umask(mask)
            os.fchmod(file.fileno(), 0o666 & ~mask)
        Path(name).replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return target
