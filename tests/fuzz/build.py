"""Compiles the fuzz targets: with gcc and a plain main for the tests, with clang and libFuzzer for ``make fuzz``."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUZZ = ROOT / "tests" / "fuzz"
# What changes compilers and flags, or loads sanitizers into programs that are not built for them.
FOREIGN = ("CC", "CFLAGS", "LD_PRELOAD", "ASAN_OPTIONS", "UBSAN_OPTIONS", "GONOGO_COVERAGE", "GONOGO_DEBUG")
COVERAGE_FLAGS = (
    "-fsanitize=fuzzer-no-link -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang"  # setup.py
)


def build_core(compiler: str) -> Path:
    """Build what is out of date of the core with sanitizers, for fuzzing where the compiler is clang; return its folder."""
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN} | {"GONOGO_SANITIZE": "1"}
    folder = ROOT / "build" / "sanitize"
    if "clang" in compiler:
        folder = ROOT / "build" / "fuzz"
        environment |= {"CC": compiler, "CFLAGS": COVERAGE_FLAGS}
    command = [
        sys.executable,
        "setup.py",
        "--quiet",
        "build_ext",
        "--build-temp",
        folder,
        "--build-lib",
        folder / "lib",
    ]
    # Two builds in one tree take turns, as in the Makefile.
    subprocess.run(["flock", Path(sys.prefix) / "lock", *command], cwd=ROOT, env=environment, check=True)
    return folder


def build_target(
    folder: Path, target: str, program: Path, more: list[str], source: Path | None = None, flags: tuple[str, ...] = ()
) -> Path:
    """Compile fuzz_TARGET.c (or ``source``) as the core in ``folder`` was compiled, and link it with that."""
    command = shlex.split((folder / "command.txt").read_text())
    sources = [source or FUZZ / f"fuzz_{target}.c", *(FUZZ / name for name in ["poison.c", *more])]
    libraries = [folder / "libgonogo.a", folder / "libgng_dnnl.so.3", f"-Wl,-rpath,{folder}", "-lgomp", "-lm"]
    strict = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror", f"-I{FUZZ}", "-Wl,--wrap=aligned_alloc"]
    subprocess.run([*command, *strict, *flags, *sources, *libraries, "-o", program], cwd=ROOT, check=True)
    return program
