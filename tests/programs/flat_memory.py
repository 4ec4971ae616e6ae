"""Repeats one use of the package and prints by how many KiB the process grew after a warm-up, and by how many blocks the core.

Usage: flat_memory.py USE TIMES.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from small_work import LABELS, PICTURES, trained

from gonogo import Dataset, _core, evaluate, load

PR_SET_THP_DISABLE = 41
FOLDER = tempfile.TemporaryDirectory()
CLASSIFIER = trained()
FILE = CLASSIFIER.save(Path(FOLDER.name) / "model.gonogo")
PICTURE_FILE = Path(FOLDER.name) / "grey.bmp"


def bmp() -> bytes:
    """Return a picture file of 8-bit grey, 32 x 32."""
    palette = b"".join(bytes((level, level, level, 0)) for level in range(256))
    start = 54 + len(palette)
    numbers = (start + 1024, 0, start, 40, 32, 32, 1 | 8 << 16, 0, 1024, 0, 0, 256, 0)
    return b"BM" + b"".join(number.to_bytes(4, "little") for number in numbers) + palette + PICTURES[0].tobytes()


def refuse() -> None:
    """Make the errors that bad input brings."""
    for call in (
        lambda: load(PICTURE_FILE),
        lambda: CLASSIFIER.predict(PICTURES[:, :5]),
        lambda: _core.parse_model(b""),
    ):
        try:
            call()
        except ValueError:
            continue
        raise AssertionError("bad input was taken")


USES: dict[str, Callable[[], object]] = {
    "prediction": lambda: CLASSIFIER.predict(PICTURES[:1]),
    "prediction of a file": lambda: CLASSIFIER.predict([PICTURE_FILE]),
    "load": lambda: load(FILE),
    "fit": trained,
    "report": lambda: evaluate(CLASSIFIER, Dataset.from_arrays(PICTURES, LABELS)),
    "refusal": refuse,
}


def resident_kib() -> int:
    """Return the memory that the process has in use."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") // 1024


def main() -> None:
    """Warm up, measure, repeat, measure."""
    # Where huge pages are given unasked, the system may at any time join small ones, and count more than is in use.
    ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
    use, times = USES[sys.argv[1]], int(sys.argv[2])
    PICTURE_FILE.write_bytes(bmp())
    for _ in range(max(20, times // 10)):
        use()
    before = resident_kib()
    blocks = _core.live_allocations()
    for _ in range(times):
        use()
    print(resident_kib() - before, _core.live_allocations() - blocks)
    FOLDER.cleanup()


if __name__ == "__main__":
    main()
