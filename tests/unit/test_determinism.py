"""The same bits whatever the number of threads, in each repetition, and whatever else goes on in a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

PROGRAMS = Path(__file__).parents[1] / "determinism"
# Texts that Python reads and writes: it cannot read 0.0025 in a thread that rounds otherwise than to nearest.
BY_PYTHON = {"model, command line", "JSON", "CSV", "tables"}

FAKE_LIBRARY = """
#include <stdlib.h>
void *dnnl_version(void) { abort(); }
int dnnl_engine_create(void *engine, int kind, size_t index) { (void)engine, (void)kind, (void)index; abort(); }
int dnnl_set_max_cpu_isa(int isa) { (void)isa; abort(); }
"""

# What is changed -> variables of the environment, and what the program does first (tests/determinism/circumstances.py).
ENVIRONMENTS: dict[str, tuple[dict[str, str], str | None]] = {
    "limit of the engine": (
        {"ONEDNN_MAX_CPU_ISA": "SSE41", "DNNL_MAX_CPU_ISA": "AVX2", "ONEDNN_CPU_ISA_HINTS": "PREFER_YMM"},
        None,
    ),
    "precision of the engine": (
        {
            "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
            "DNNL_DEFAULT_FPMATH_MODE": "BF16",
            "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "0",
        },
        None,
    ),
    "talk of the engine": (
        {
            "ONEDNN_VERBOSE": "2",
            "DNNL_VERBOSE": "2",
            "ONEDNN_JIT_DUMP": "1",
            "DNNL_JIT_DUMP": "1",
            "ONEDNN_JIT_PROFILE": "3",
        },
        None,
    ),
    "OpenMP": (
        {"OMP_NUM_THREADS": "7", "OMP_DYNAMIC": "true", "OMP_WAIT_POLICY": "active", "OMP_PROC_BIND": "true"},
        None,
    ),
    "other OpenMP": (
        {
            "KMP_AFFINITY": "compact",
            "KMP_BLOCKTIME": "0",
            "GOMP_SPINCOUNT": "0",
            "OMP_NESTED": "true",
            "OMP_MAX_ACTIVE_LEVELS": "3",
        },
        "linear algebra",
    ),
    "linear algebra": (
        {"MKL_NUM_THREADS": "3", "MKL_DYNAMIC": "0", "MKL_CBWR": "COMPATIBLE", "OPENBLAS_NUM_THREADS": "1"},
        "linear algebra",
    ),
    "locale": ({"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8", "LANGUAGE": "de"}, "locale"),
    "time and hashes": ({"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "4321", "MALLOC_PERTURB_": "165"}, None),
    "foreign libraries": ({}, None),
    "flush to zero": ({}, "flush"),
    "rounding up": ({}, "round up"),
    "rounding to zero": ({}, "round to zero"),
    "PyTorch first": ({}, "torch"),
    "PyTorch flushing": ({"OMP_NUM_THREADS": "2"}, "torch flushing"),
}
Digests = dict[str, str]
Outcome = tuple[list[Digests], str, list[str]]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """62 files of all formats and many sizes in two classes."""
    root = tmp_path_factory.mktemp("determinism") / "pictures"
    generator = np.random.default_rng(3)
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        ("png", "RGB", {}),
        ("jpg", "RGB", {"quality": 85}),
        ("jpg", "L", {"quality": 70, "restart_marker_blocks": 3}),
        ("bmp", "RGB", {}),
        ("tif", "L", {}),
        ("jpg", "RGB", {"subsampling": 2, "optimize": True}),
    ]
    for i in range(62):
        name = "ok" if i % 3 else "bad"
        (root / name).mkdir(parents=True, exist_ok=True)
        height, width = generator.integers(20, 60, 2).tolist()
        pixels = generator.integers(0, 120, (height, width, 3), dtype=np.uint8)
        if name == "ok":
            pixels[height // 3 : height // 2, width // 3 : width // 2] += 100
        suffix, mode, options = kinds[i % len(kinds)]
        Image.fromarray(pixels).convert(mode).save(root / name / f"{i:03}.{suffix}", **options)
    return root


@pytest.fixture(scope="module")
def compute(
    pictures: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[..., Outcome]:
    """``compute("--threads", "1", TZ="UTC")``: digests of the runs, what else was printed, and files left behind."""
    limit = request.config.getoption("--instruction-set")

    def run(*arguments: str, **environment: str) -> Outcome:
        here = tmp_path_factory.mktemp("process")
        limited = ["--limit", limit] if limit else []
        command = [sys.executable, str(PROGRAMS / "everything.py"), str(pictures), *limited, *arguments]
        variables = {**os.environ, **environment}
        completed = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=here, timeout=300)
        assert completed.returncode == 0, completed.stderr
        *talk, last = completed.stdout.splitlines()
        return json.loads(last)["runs"], "\n".join(talk), [path.name for path in here.iterdir()]

    return run


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the locale de_DE.UTF-8, whether or not the machine has it."""
    folder = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.fail(f"de_DE.UTF-8 could not be made ({error}); install the Debian package locales")
    return folder


@pytest.fixture(scope="module")
def foreign_libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Libraries with the names of the engine, its own and the bundled one, whose functions end the process."""
    folder = tmp_path_factory.mktemp("libraries")
    (folder / "fake.c").write_text(FAKE_LIBRARY)
    for name in ("libdnnl.so.3", "libgng_dnnl.so.3"):
        command = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "fake.c", "-o", name]
        subprocess.run(command, cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def plain(compute: Callable[..., Outcome]) -> Digests:
    """What a process computes that nobody disturbs."""
    runs, talk, left = compute()
    assert (len(runs), talk, left) == (1, "", [])
    return runs[0]


@pytest.fixture(scope="module")
def disturbed(compute: Callable[..., Outcome], german: Path, foreign_libraries: Path) -> dict[str, Outcome]:
    """What the disturbed processes compute, two at a time."""
    more = {"locale": {"LOCPATH": str(german)}, "foreign libraries": {"LD_LIBRARY_PATH": str(foreign_libraries)}}

    def run(name: str) -> Outcome:
        environment, first = ENVIRONMENTS[name]
        arguments = ["--first", first] if first else []
        return compute(*arguments, **{**environment, **more.get(name, {})})

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(ENVIRONMENTS, pool.map(run, ENVIRONMENTS), strict=True))


@pytest.mark.any_engine
def test_bits_do_not_depend_on_threads_or_repetition(compute: Callable[..., Outcome], plain: Digests) -> None:
    runs, _, _ = compute("--threads", "1,2,3,8,16", "--repeat", "3", "--casting")
    assert len(runs) == 15
    for key in runs[0]:
        assert len({run[key] for run in runs if key in run}) == 1, key
    assert sum("casting" in key for key in runs[4]) == 4
    assert plain.items() <= runs[0].items()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_bits_do_not_depend_on_the_environment(name: str, plain: Digests, disturbed: dict[str, Outcome]) -> None:
    (found,), talk, left = disturbed[name]
    ignored = BY_PYTHON if name.startswith("rounding") else set()
    assert [key for key in plain if found[key] != plain[key] and key not in ignored] == []
    assert (talk, left) == ("", [])


def test_the_digests_see_one_pixel(plain: Digests, compute: Callable[..., Outcome], pictures: Path) -> None:
    """So the comparisons above can fail."""
    path = min((pictures / "ok").glob("*.tif"))
    before = path.read_bytes()
    with Image.open(path) as opened:
        pixels = np.array(opened)
    pixels[8, 8] ^= 128
    Image.fromarray(pixels).save(path)
    try:
        (found,), _, _ = compute()
    finally:
        path.write_bytes(before)
    same = {key for key in plain if found[key] == plain[key]}
    assert same == {"split"}


def test_pytorch_is_not_disturbed_either() -> None:
    def run(how: str) -> list[dict[str, Any]]:
        command = [sys.executable, str(PROGRAMS / "torch_beside.py"), how]
        completed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        result: list[dict[str, Any]] = json.loads(completed.stdout)
        return result

    (alone,), (before, after) = run("alone"), run("beside")
    assert alone["denormals"]
    assert alone == before == after
