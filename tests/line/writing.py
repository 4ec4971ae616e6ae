"""Cameras that write badly: in pieces with pauses, over what was there, with the file held open, and many files at once.

Usage: python -m line.writing FOLDER PICTURES SEED. Each picture tells its number.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path


def content(number: int) -> bytes:
    """A whole picture."""
    return b"ok %d " % number + b"." * 20_000 + b"end"


def pieces(path: Path, data: bytes, pause: float) -> None:
    """Write on and on, and hold the file open a little longer."""
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(data), 8_000):
            file.write(data[start : start + 8_000])
            time.sleep(pause)


def reopened(path: Path, data: bytes, pause: float) -> None:
    """Open the file anew for each piece, as some programs on shares do."""
    path.touch()
    for start in range(0, len(data), 8_000):
        with path.open("ab", buffering=0) as file:
            file.write(data[start : start + 8_000])
        time.sleep(pause / 4)


def rewritten(path: Path, data: bytes, pause: float) -> None:
    """Room first, then the picture, in place."""
    with path.open("wb", buffering=0) as file:
        file.write(bytes(len(data)))
        time.sleep(pause)
        file.seek(0)
        file.write(data)


def renamed(path: Path, data: bytes, pause: float) -> None:
    """Under another name until it is whole."""
    hidden = path.with_name(f"{path.name}.part")
    pieces(hidden, data, pause)
    hidden.rename(path)


def main() -> None:
    """Write pictures one after the other; now and then a burst of whole ones."""
    folder, count, draw = Path(sys.argv[1]), int(sys.argv[2]), random.Random(sys.argv[3])
    number = 0
    while number < count:
        way = draw.choice((pieces, reopened, rewritten, renamed, None))
        for _ in range(1 if way else 5):
            data, name = content(number), f"{os.getpid()}_{number}.png"
            if way:
                way(folder / name, data, draw.uniform(0, 0.1))
            else:
                (folder / f".{name}").write_bytes(data)
                (folder / f".{name}").rename(folder / name)
            number += 1


if __name__ == "__main__":
    main()
