"""What the fuzz targets start from."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from corpus.models import model_files
from corpus.pictures import CONTRADICTING, CORPUS, REFUSED, damaged_twins
from corpus.samples import SEED

TARGETS = ("models", "pictures", "warps")


def seeds(target: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file."""
    if target == "models":
        yield from model_files().items()
    elif target == "pictures":
        for name, data in (CORPUS | REFUSED).items():
            yield name, data
            yield from ((f"{name}-{what}", twin) for what, twin in damaged_twins(data))
        yield from ((name, data) for name, (data, _, _) in CONTRADICTING.items())
    else:
        rng = random.Random(SEED)
        yield from ((f"numbers-{length}", rng.randbytes(length)) for length in (0, 60, 120, 200, 200, 200))


def write_seeds(folder: Path) -> dict[str, list[Path]]:
    """Write folder/TARGET/NAME for every target and return the paths by target."""
    paths: dict[str, list[Path]] = {target: [] for target in TARGETS}
    for target, found in paths.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, data in seeds(target):
            path = folder / target / name.replace("<", "little-endian").replace(">", "big-endian")
            path.write_bytes(data)
            found.append(path)
    return paths
