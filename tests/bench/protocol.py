"""How benchmarks are run: sides interleaved in one process tree, medians compared, the machine described.

Each side is a child process, a script of the folder ``sides``, whose last line of output is one number. Nothing here
asserts; figures are printed and judged by people.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from gonogo import _core

ROUNDS = 5
# glibc then keeps its memory instead of returning it after every step: worth a factor of two to PyTorch.
KEPT_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592"}
SIDES = Path(__file__).parent / "sides"


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes
    ----------
    name : str
        What is printed.
    command : tuple of str
        Script in ``sides`` and its arguments.
    needs : tuple of str
        Modules without which the side is left out.
    environment : dict
        Additional environment variables of the child.
    """

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def _run(side: Side) -> float:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **side.environment}
    command = [sys.executable, str(SIDES / side.command[0]), *side.command[1:]]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if child.returncode != 0:
        sys.exit(f"{side.name}: {child.stderr.strip().splitlines()[-1]}")
    return float(child.stdout.strip().splitlines()[-1])


def compare(title: str, unit: str, sides: list[Side], *, higher_is_better: bool, rounds: int = ROUNDS) -> None:
    """Run all sides in turn, several rounds, and print best, median and the ratio to the first side."""
    load = Path("/proc/loadavg").read_text(encoding="ascii").split()[0]
    print(f"{title} [{unit}; {_core.describe_machine()['cpu']}; {_core.cpu_count()} processors; load {load}]")
    present = []
    for side in sides:
        missing = [name for name in side.needs if importlib.util.find_spec(name) is None]
        if missing:
            print(f"  {side.name}: not run, {', '.join(missing)} is not installed")
        else:
            present.append(side)
    figures: dict[str, list[float]] = {side.name: [] for side in present}
    for _ in range(rounds):
        for side in present:
            figures[side.name].append(_run(side))
    own = statistics.median(figures[present[0].name])
    for side in present:
        values = figures[side.name]
        median = statistics.median(values)
        best = max(values) if higher_is_better else min(values)
        ratio = own / median if higher_is_better else median / own
        print(f"  {side.name:56s} best {best:9,.1f}  median {median:9,.1f}  gonogo is {ratio:5.2f}x", flush=True)
