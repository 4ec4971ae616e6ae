"""Sorts on a disk that is full, makes room, and sorts again: nothing may be lost.

Usage: python -m line.full FOLDER, on a small disk of its own. Prints how each life on the full disk ended: "full" or "sorted".
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from line.real_line import RealLine

ROOMS = (0, 4_000, 20_000, 60_000, 120_000, 400_000)  # bytes


def life(line: RealLine) -> str:
    """One life of the sorter."""
    try:
        line.once()
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        assert Path(str(error.filename)).is_relative_to(line.out), error
        return "full"
    return "sorted"


def main() -> None:
    """Leave more and more room."""
    folder = Path(sys.argv[1])
    line, ballast = RealLine(folder / "in", folder / "out", batch=4), folder / "ballast"
    for number, room in enumerate(ROOMS):
        for name in range(10):
            line.bring(f"{name}.png", b"ok %d %d " % (number, name) + b"." * 3_000)
        disk = os.statvfs(folder)
        ballast.write_bytes(bytes(max(0, disk.f_bavail * disk.f_frsize - room)))
        print(life(line))
        ballast.unlink()
        assert life(line) == "sorted"
        assert line.violations() == [], line.violations()


if __name__ == "__main__":
    main()
