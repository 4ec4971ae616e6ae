"""Every tests/c/test_*.c is one small program, linked with the core alone: no Python, no NumPy."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted((ROOT / "tests" / "c").glob("test_*.c"))
VARIANT = next(
    (name for name in ("sanitize", "debug", "coverage") if os.environ.get(f"GONOGO_{name.upper()}") == "1"), "release"
)
BUILD = ROOT / "build" / VARIANT
SANITIZERS = ("LD_PRELOAD", "ASAN_OPTIONS", "UBSAN_OPTIONS")


def build(source: Path, program: Path) -> None:
    """Compiles `source` with the command that built the core and links it with the core's archive."""
    command = shlex.split((BUILD / "command.txt").read_text())
    libraries = [str(BUILD / "libgonogo.a"), str(BUILD / "libgng_dnnl.so.3"), f"-Wl,-rpath,{BUILD}", "-lgomp", "-lm"]
    subprocess.run(
        [*command, "-Wall", "-Wextra", "-Werror", str(source), *libraries, "-o", str(program)], cwd=ROOT, check=True
    )


def run(program: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    # An instrumented program loads its own sanitizers, looks for leaks and reports on its own error stream.
    environment = {name: value for name, value in os.environ.items() if name not in SANITIZERS}
    return subprocess.run(
        [str(program)], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("source", PROGRAMS, ids=[source.stem for source in PROGRAMS])
def test_program_succeeds(source: Path, tmp_path: Path) -> None:
    program = tmp_path / source.stem
    build(source, program)
    completed = run(program, tmp_path)
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_a_failing_program_is_noticed(tmp_path: Path) -> None:
    source = tmp_path / "failing.c"
    source.write_text(
        '#include "base/status.h"\nint main(void) { return gng_error_set(GNG_STATUS_SHAPE, "planted"); }\n'
    )
    build(source, tmp_path / "failing")
    assert run(tmp_path / "failing", tmp_path).returncode != 0
