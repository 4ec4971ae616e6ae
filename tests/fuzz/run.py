"""Fuzzes every target for a while: ``python tests/fuzz/run.py --compiler clang --seconds 60`` (make fuzz).

What libFuzzer learns stays in build/fuzz/corpus and is where the next run goes on. Inputs that break a promise are written to
build/fuzz/findings; the last lines say how one becomes a test.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from corpus.seeds import TARGETS, write_seeds

from fuzz.build import FUZZ, build_core, build_target
from fuzz.tables import fuzz_tables

INPUT_BYTES_MAX = {"pictures": 8192, "models": 16384, "warps": 512}


def fuzz_target(folder: Path, target: str, seeds: Path, seconds: int, cores: int) -> bool:
    """Run libFuzzer on all cores; print executions and coverage. True when nothing was found."""
    program = build_target(folder, target, folder / f"fuzz_{target}", [], flags=("-fsanitize=fuzzer",))
    kept, findings = folder / "corpus" / target, folder / "findings" / target
    for path in (kept, findings):
        path.mkdir(parents=True, exist_ok=True)
    before = set(findings.iterdir())
    options = {
        "fork": cores, "ignore_crashes": 1, "max_total_time": seconds, "max_len": INPUT_BYTES_MAX[target],
        "artifact_prefix": f"{findings}/",
    }  # fmt: skip
    command = [program, *(f"-{name}={value}" for name, value in options.items()), kept, seeds]
    log = folder / f"fuzz_{target}.log"
    with log.open("w") as file:
        subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    text = log.read_text(errors="replace")
    states = re.findall(r"^#(\d+):? .*?cov: (\d+) ft: (\d+) corp: (\d+)", text, re.MULTILINE)
    if not states:
        print(f"{target}: libFuzzer did not run, see {log}")
        return False
    executions, edges, features, inputs = map(int, states[-1])
    new = sorted(set(findings.iterdir()) - before)
    print(
        f"{target}: {executions:,} executions, {edges:,} edges and {features:,} features covered by {inputs:,} inputs, "
        f"{len(new)} findings",
        flush=True,
    )
    for path in new:
        test = FUZZ / "crashes" / target / "NAME.crash"
        print(f"  {path}\n  what happened: {program} {path}\n  to make it a test: cp {path} {test}")
    return not new


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", required=True, metavar="CLANG", help="clang with its sanitizers and libFuzzer")
    parser.add_argument("--seconds", type=int, default=60, help="for each target; default 60")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes; default: all cores")
    arguments = parser.parse_args()
    folder = build_core(arguments.compiler)
    write_seeds(folder / "seeds")
    fine = [
        fuzz_target(folder, target, folder / "seeds" / target, arguments.seconds, arguments.jobs) for target in TARGETS
    ]
    executions, findings = fuzz_tables(folder / "findings" / "tables", arguments.seconds)
    print(f"tables: {executions:,} executions, {len(findings)} findings")
    for path in findings:
        print(f"  {path}\n  to make it a test: cp {path} {FUZZ / 'crashes' / 'tables' / 'NAME.crash'}")
    return 0 if all(fine) and not findings else 1


if __name__ == "__main__":
    sys.exit(main())
