"""An output that the real sorter has filled, with a decider that knows bright pictures from dark ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gonogo import _core
from gonogo.decision import REVIEW, Decision
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration
from gonogo.line.decider import PROVEN, Fault
from gonogo.line.files import LocalDisk
from gonogo.line.running import open_line
from gonogo.png import png

DARK, DOUBTFUL, BRIGHT = 60, 130, 200
LIMIT = 2.0
FACTS = {"classes": ["bad", "ok"], "pass_label": "ok", "bit_depth": 16, "limit": LIMIT, "promise": ["A promise."]}


@dataclass
class BrightnessDecider:
    """Bright pictures are ``ok``, dark ones ``bad``, those between REVIEW; the score grows with the brightness."""

    labels: Sequence[str] = ("bad", "ok")
    description: Mapping[str, Any] = field(
        default_factory=lambda: {"model": "m" * 64, "certificate": "c" * 64, "version": "0.1.0", "fingerprint": "f"}
    )
    valid_until: str | None = None

    def check(self, data: bytes) -> Fault | None:
        found = _core.inspect(data)
        return None if found["verdict"] == PROVEN else Fault(found["verdict"], found["reason"])

    def self_test(self) -> float:
        return 0.0

    def decode(self, files: Sequence[bytes]) -> list[Any]:
        return [_core.decode(data, 1, 16) for data in files]

    def decide(self, parts: Sequence[Sequence[Any]]) -> list[Decision]:
        scores = [min((float(view.mean()) - DOUBTFUL) / 10 for view in views) for views in parts]
        return [self._of(score) for score in scores]

    @staticmethod
    def _of(score: float) -> Decision:
        if score > LIMIT:
            return Decision("ok", True, score, "", "c" * 64)
        if score < -LIMIT:
            return Decision("bad", False, score, "", "c" * 64)
        return Decision(REVIEW, False, score, f"the score {score:.3g} does not exceed {LIMIT}", "c" * 64)


def part_picture(level: int, seed: int, *, height: int = 40, width: int = 56) -> bytes:
    """A disk of some brightness as PNG; no two seeds give the same."""
    y, x = np.mgrid[:height, :width]
    disk = np.where(np.hypot(y - height / 2, x - width / 2) < 0.45 * height, level, level // 2 + 10)
    grain = np.random.default_rng(seed).integers(-9, 10, disk.shape)
    return png(np.clip(disk + (level - disk.mean()) + grain, 0, 255).astype(np.uint8))


def fill(
    folder: Path,
    pictures: Mapping[str, bytes],
    clock: Clock | None = None,
    decider: BrightnessDecider | None = None,
    **settings: Any,
) -> Path:
    """Sort pictures (name -> file) from ``folder/inbox`` into ``folder/out``, which is returned."""
    inbox, out = folder / "inbox", folder / "out"
    inbox.mkdir(exist_ok=True)
    for name, data in pictures.items():
        (inbox / name).write_bytes(data)
    configuration = Configuration(**{"settle_ms": 0, "max_wait": 0.0, "part_timeout": 0.0, **settings})
    with open_line(
        inbox,
        out,
        configuration,
        decider or BrightnessDecider(),
        disk=LocalDisk(),
        clock=clock or Clock(),
        settings={**settings, "model_file": "bright.gonogo"},
        user="tester",
        facts=FACTS,
        approval=None if decider is None else "another model",
    ) as line:
        assert line.once() == []
    return out
