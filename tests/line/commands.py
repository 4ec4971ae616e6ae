"""What tests of the line's commands share: a small model that passes bright pictures, an inbox, and a way to run a command."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gonogo import InspectionClassifier, PassGate, layers
from gonogo.cli import main
from gonogo.line.files import LocalDisk
from gonogo.line.inspection import InspectorDecider

FAST = ["--settle-ms", "20", "--max-wait", "0.2", "--part-timeout", "0.2"]


def make_models(folder: Path) -> dict[str, Path]:
    """A gated model that passes bright pictures, and the same without gate."""
    rng = np.random.default_rng(1)
    y = np.where(np.arange(700) < 500, "bad", "ok")
    light = 120 * (y == "ok")[:, None, None, None].astype(np.uint8)
    X, fresh = (rng.integers(0, 100, (700, 6, 7, 1), dtype=np.uint8) + light for _ in range(2))
    clf = InspectionClassifier(
        [layers.flatten(), layers.dense("classes")], epochs=12, learning_rate=0.02, verbose=False
    )
    clf.fit(X[::2], y[::2])
    clf.save(folder / "plain.gonogo")
    gate = PassGate(clf, "ok", 0.01, 0.95).fit(fresh, y)
    return {"gated": Path(gate.save(folder / "gated.gonogo")), "plain": folder / "plain.gonogo"}


def fill(folder: Path, levels: dict[str, int], seed: int = 2) -> Path:
    """Pictures by name, as bright as said: 120 is good, 0 is bad."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    for name, level in levels.items():
        (folder / name).write_bytes(picture(rng, level))
    return folder


def picture(rng: np.random.Generator, level: int, shape: tuple[int, int] = (6, 7)) -> bytes:
    """A PNG file, as bright as said."""
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 100, shape, dtype=np.uint8) + np.uint8(level)).save(file, "png")
    return file.getvalue()


def keep_from_being_taken(name: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system refuse to rename a file: EPERM, as in a sticky folder of somebody else, or EACCES."""
    move = LocalDisk.move

    def refusing(disk: LocalDisk, source: Path, target: Path) -> None:
        if source.name == name:
            raise PermissionError(code, os.strerror(code), str(source))
        move(disk, source, target)

    monkeypatch.setattr(LocalDisk, "move", refusing)


class Commands:
    """``commands("verify", out)`` runs a command in this process and returns its JSON."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str | Path, exit_code: int = 0) -> dict[str, Any]:
        found = main([*map(str, arguments), "--json"])
        said = self._capsys.readouterr()
        assert found == exit_code, said.err
        self.error = said.err
        return dict(json.loads(said.out)) if said.out else {}


def crash(run: Commands, model: Path, inbox: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sort until pictures are claimed, and end there."""

    def fail(*_: object) -> None:
        raise MemoryError("the program ends here")

    with monkeypatch.context() as patched:
        patched.setattr(InspectorDecider, "decode", fail)
        run("sort", model, inbox, out, *FAST, exit_code=1)
