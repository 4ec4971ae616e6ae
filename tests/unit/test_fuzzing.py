"""The fuzz targets, run without a fuzzer: old crashes, the corpus, and mutations of it under the sanitizers."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from corpus.pictures import CORPUS
from corpus.seeds import TARGETS, write_seeds
from fuzz.build import ROOT, build_core, build_target

Report = Callable[[str, object], None]
Often = Callable[[int, int], int]
CRASHES = ROOT / "tests" / "fuzz" / "crashes"
# Of a hundred mutations. Most of them are refused at once, a warp is always carried out.
SHARES = {"pictures": 80, "models": 14, "warps": 6}
# A program loads its own sanitizers and reports on its own error stream.
SANITIZERS = ("LD_PRELOAD", "ASAN_OPTIONS", "UBSAN_OPTIONS")


@pytest.fixture(scope="module")
def build_folder() -> Path:
    return build_core("gcc")


@pytest.fixture(scope="module")
def programs(build_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("programs")
    return {target: build_target(build_folder, target, folder / target, ["driver.c"]) for target in TARGETS}


@pytest.fixture(scope="module")
def seed_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    return write_seeds(tmp_path_factory.mktemp("seeds"))


def run(program: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in SANITIZERS}
    return subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)


def executions(completed: subprocess.CompletedProcess[str]) -> int:
    assert completed.returncode == 0, completed.stderr
    return int(completed.stdout.split()[0])


@pytest.mark.parametrize("target", TARGETS)
def test_old_crashes_stay_away(target: str, programs: dict[str, Path]) -> None:
    files = sorted((CRASHES / target).glob("*"))
    assert executions(run(programs[target], *files)) == len(files)


@pytest.mark.soak
def test_mutations_break_no_promise(
    programs: dict[str, Path], seed_files: dict[str, list[Path]], tmp_path: Path, often: Often, report_figure: Report
) -> None:
    cores = len(os.sched_getaffinity(0))
    promised = often(100_000, 10_000_000)  # of inspector and decoder alone
    jobs, first = [], {}
    for target, share in SHARES.items():
        count = math.ceil(promised * share / SHARES["pictures"] / cores)
        first[target] = count
        for core in range(cores):
            numbers = ["--mutations", count, "--first", core * count, "--seed", 1, "--findings", tmp_path]
            jobs.append((target, [*map(str, numbers), *map(str, seed_files[target])]))
    with ThreadPoolExecutor(cores) as pool:
        done = list(pool.map(lambda job: executions(run(programs[job[0]], *job[1])), jobs))
    by_target = {name: sum(n for n, job in zip(done, jobs, strict=True) if job[0] == name) for name in SHARES}
    found = ", ".join(f"{name} {count:,}" for name, count in by_target.items())
    report_figure("fuzz executions under ASan and UBSan", f"{sum(done):,} without a finding ({found})")
    assert by_target["pictures"] >= promised


def test_a_hundred_decodes_under_poisoned_memory_are_identical(
    programs: dict[str, Path], tmp_path: Path, report_figure: Report
) -> None:
    """Each look at a file decodes it with memory that holds zeros, 0xAA and random bytes, and compares the pixels."""
    looks = 34
    for name, data in CORPUS.items():
        (tmp_path / name).write_bytes(data)
    files = sorted(tmp_path.iterdir())
    assert executions(run(programs["pictures"], "--repeat", str(looks), *files)) == looks * len(CORPUS)
    report_figure("decodes under poisoned memory", f"{3 * looks} of each of {len(files)} files identical")


PLANTED = """
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    REQUIRE(count == 0 || bytes[0] != 'x');
    volatile uint8_t *copy = malloc(count);
    const int index = (int)count + (bytes[0] == 'y' ? 0 : -1);
    copy[index] = 1;
    free((void *)copy);
    return 0;
}
"""


@pytest.mark.parametrize("letter", ["x", "y"])
def test_a_broken_promise_and_a_step_beyond_memory_are_noticed(letter: str, build_folder: Path, tmp_path: Path) -> None:
    """The input is kept, and the same seed and number give it again."""
    source, good = tmp_path / "planted.c", tmp_path / "good"
    source.write_text(PLANTED)
    good.write_text("abc")
    program = build_target(build_folder, "planted", tmp_path / "planted", ["driver.c"], source)
    assert executions(run(program, good)) == 1
    bad = tmp_path / "bad"
    bad.write_text(letter + "bc")
    assert run(program, bad).returncode != 0
    options = ["--mutations", "100000", "--seed", "3", "--findings", str(tmp_path)]
    assert run(program, *options, good).returncode != 0
    (finding,) = tmp_path.glob("crash-3-*")
    content = finding.read_bytes()
    finding.unlink()
    number = finding.name.rpartition("-")[2]
    assert run(program, *options[2:], "--mutations", "1", "--first", number, good).returncode != 0
    assert finding.read_bytes() == content
    assert run(program, finding).returncode != 0
