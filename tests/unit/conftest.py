"""Small pictures, a small net and a trained model that the tests of the command line share."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from line.commands import make_models

Run = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]
VARIANTS = ("sanitize", "threads", "debug", "coverage")

SMALL_NET = """
[parameters]
dropout = 0.1

[[layers]]
type = "conv"
filters = 4
kernel = 3
stride = 2
activation = "relu"

[[layers]]
type = "max_pool"
size = 2

[[layers]]
type = "flatten"

[[layers]]
type = "dropout"
rate = "dropout"

[[layers]]
type = "dense"
units = "classes"
"""


@pytest.fixture(scope="session")
def run_small() -> Callable[..., str]:
    """``run_small(source, "argument")`` runs a Python program whose ``ru_maxrss`` is its own and returns what it printed.

    A program begins with the peak of the process that starts it, here of a shell; that of all tests would hide any growth.
    """

    def run(source: str, *arguments: str | Path) -> str:
        command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", source, *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    return run


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, on another file system than ``tmp_path``."""
    folder = Path("/dev/shm") / f"gonogo-{os.getpid()}-{tmp_path.name}"
    folder.mkdir()
    assert folder.stat().st_dev != tmp_path.stat().st_dev
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def core_build() -> Path:
    """The folder of the build under test: the core as an archive, oneDNN, and the command that compiled both."""
    variant = next((name for name in VARIANTS if os.environ.get(f"GONOGO_{name.upper()}") == "1"), "release")
    return ROOT / "build" / variant


@pytest.fixture(scope="session")
def compile_c(core_build: Path) -> Callable[..., None]:
    """``compile_c(source, target, *options)`` with the command that compiled the core, warnings being errors."""
    command = [*shlex.split((core_build / "command.txt").read_text()), "-Wall", "-Wextra", "-Werror"]

    def compile_source(source: Path, target: Path, *options: str) -> None:
        subprocess.run([*command, str(source), *options, "-o", str(target)], cwd=ROOT, check=True)

    return compile_source


@pytest.fixture(scope="session")
def gonogo_json(run_gonogo: Run) -> Callable[..., dict[str, Any]]:
    """``gonogo_json("info", path)`` runs a command with --json and returns its one object."""

    def run(command: str, *arguments: str | Path, **options: Any) -> dict[str, Any]:
        completed = run_gonogo(command, *arguments, "--json", **options)
        assert completed.stdout.count("\n") == 1
        result = json.loads(completed.stdout)
        assert isinstance(result, dict)
        return result

    return run


@pytest.fixture(scope="session")
def castings(run_gonogo: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 generated castings of 48 parts, 64x64, with groups.csv; not to be changed."""
    folder = tmp_path_factory.mktemp("pictures") / "castings"
    run_gonogo("synth", "--out", folder, "--n", "120", "--size", "64", "64")
    return folder


@pytest.fixture(scope="session")
def small_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file in TOML that trains in no time."""
    path = tmp_path_factory.mktemp("nets") / "small.toml"
    path.write_text(SMALL_NET)
    return path


@pytest.fixture(scope="session")
def model(run_gonogo: Run, castings: Path, small_net: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on ``castings`` for two epochs, with ok_front as PASS; not to be changed."""
    path = tmp_path_factory.mktemp("models") / "small.gonogo"
    options = ["--model", small_net, "--epochs", "2", "--batch-size", "32", "--pass-label", "ok_front"]
    run_gonogo("train", castings, *options, "--out", path)
    return path


@pytest.fixture(scope="session")
def line_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``"gated"``: a model file that passes bright pictures of 6 x 7 pixels; ``"plain"``: without gate. Not to be changed."""
    return make_models(tmp_path_factory.mktemp("line"))
