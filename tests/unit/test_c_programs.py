"""Every tests/c/test_*.c is one small program, linked with the core alone: no Python, no NumPy."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted((ROOT / "tests" / "c").glob("test_*.c"))
SANITIZERS = ("LD_PRELOAD", "ASAN_OPTIONS", "UBSAN_OPTIONS")
NOT_RUN_CODE = 77  # of a program that names the missing hardware on standard output
Build = Callable[[Path, Path], None]


@pytest.fixture(scope="session")
def build(compile_c: Callable[..., None], core_build: Path) -> Build:
    """``build(source, program)`` links with the core's archive."""
    libraries = [str(core_build / "libgonogo.a"), str(core_build / "libgng_dnnl.so.3"), f"-Wl,-rpath,{core_build}"]
    return lambda source, program: compile_c(source, program, *libraries, "-lgomp", "-lm")


def run(program: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    # An instrumented program loads its own sanitizers, looks for leaks and reports on its own error stream.
    environment = {name: value for name, value in os.environ.items() if name not in SANITIZERS}
    environment["ASAN_OPTIONS"] = "allocator_may_return_null=1"
    return subprocess.run(
        [str(program)], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("source", PROGRAMS, ids=[source.stem for source in PROGRAMS])
def test_program_succeeds(source: Path, build: Build, tmp_path: Path, not_run: Callable[[str], NoReturn]) -> None:
    program = tmp_path / source.stem
    build(source, program)
    completed = run(program, tmp_path)
    if completed.returncode == NOT_RUN_CODE and completed.stderr == "":
        not_run(completed.stdout.strip())
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_a_failing_program_is_noticed(build: Build, tmp_path: Path) -> None:
    source = tmp_path / "failing.c"
    source.write_text(
        '#include "base/status.h"\nint main(void) { return gng_error_set(GNG_STATUS_SHAPE, "planted"); }\n'
    )
    build(source, tmp_path / "failing")
    assert run(tmp_path / "failing", tmp_path).returncode != 0


def test_a_leak_is_noticed_where_sanitizers_watch(build: Build, core_build: Path, tmp_path: Path) -> None:
    source = tmp_path / "leaking.c"
    source.write_text(
        '#include "base/memory.h"\n'
        "int main(void) { void *volatile block = gng_memory_allocate(8); block = NULL; return block != NULL; }\n"
    )
    build(source, tmp_path / "leaking")
    completed = run(tmp_path / "leaking", tmp_path)
    assert (completed.returncode != 0) == ("LeakSanitizer" in completed.stderr) == (core_build.name == "sanitize")
