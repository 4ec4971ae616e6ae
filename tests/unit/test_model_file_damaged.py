"""Damaged model files: whatever differs from what was written is refused."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest
from corpus.models import model_files

from gonogo import _core

FILES = model_files()
Report = Callable[[str, object], None]


def loads(data: bytes) -> bool:
    try:
        _core.parse_model(data)
    except _core.CoreError as error:
        assert str(error)
        assert "\n" not in str(error)
        return False
    return True


def mutated(rng: random.Random, data: bytes) -> bytes:
    """One to four bytes, runs or places changed; never the same file."""
    changed = bytearray(data)
    while changed == data:
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(max(1, len(changed)))
            end = min(len(changed), at + rng.randint(1, 16))
            kind = rng.randrange(6)
            if kind == 0:
                changed[at:end] = b""
            elif kind == 1:
                changed[at:at] = rng.randbytes(end - at)
            elif kind == 2:
                changed[at:end] = bytes(end - at)
            elif kind == 3:
                changed[at:at] = changed[at:end]
            elif kind == 4 and at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            else:
                other = rng.randrange(max(1, len(changed)))
                changed[at:end] = changed[other : other + end - at]
    return bytes(changed)


@pytest.mark.parametrize("name", FILES)
def test_every_file_loads_as_it_was_written(name: str) -> None:
    assert loads(FILES[name])


def test_every_flipped_bit_of_the_header_is_refused(report_figure: Report) -> None:
    refused = 0
    for data in FILES.values():
        (length,) = struct.unpack("<Q", data[:8])
        changed = bytearray(data)
        for bit in range(8 * (8 + length)):
            changed[bit // 8] ^= 1 << bit % 8
            assert not loads(bytes(changed)), bit
            changed[bit // 8] ^= 1 << bit % 8
            refused += 1
    report_figure("single-bit flips of model headers", f"{refused} refused, 0 loaded")


def test_every_truncation_is_refused(report_figure: Report) -> None:
    refused = 0
    for data in FILES.values():
        for length in range(len(data)):
            assert not loads(data[:length]), length
            refused += 1
    report_figure("truncations of model files", f"{refused} refused, 0 loaded")


@pytest.mark.soak
def test_random_mutations_are_refused(often: Callable[[int, int], int], report_figure: Report) -> None:
    rng, files, count = random.Random(7), list(FILES.values()), often(10_000, 1_000_000)
    silent = 0
    for _ in range(count):
        silent += loads(mutated(rng, rng.choice(files)))
    report_figure("random mutations of model files", f"{count:,}: 0 crashes, {silent} silent loads")
    assert silent == 0
