"""Proves that the one folder does a line's work where there is no Python: in a root with the C library and zlib beside it alone.

Usage: smoke.py FOLDER. Where the system allows no such root, the folder runs with nothing on its PATH instead, and it is said.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NET = """
[[layers]]
type = "conv"
filters = 4
kernel = 3
stride = 2
activation = "relu"

[[layers]]
type = "flatten"

[[layers]]
type = "dense"
units = "classes"
"""
# Everything else comes with the folder.
SYSTEM = (
    "ld-linux-x86-64.so.2",
    *("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libz.so.1"),
)
ENTER = 'mount --rbind /proc "$0/proc" && exec chroot "$0" "$@"'
STARTS = 5


def make_root(root: Path, folder: Path) -> None:
    """Fill a root that holds the folder, the C library, zlib and nothing else."""
    for name in ("proc", "tmp", "lib64"):
        (root / name).mkdir()
    (root / "lib").symlink_to("lib64")  # one of them is where the loader looks
    shutil.copytree(folder, root / "gonogo", symlinks=True)
    loader = Path("/lib64/ld-linux-x86-64.so.2").resolve()
    for name in SYSTEM:
        source = loader if name.startswith("ld-") else loader.parent / name
        if source.exists():
            shutil.copy(source, root / "lib64" / name)


def entering(root: Path) -> tuple[list[str], Path]:
    """How to run a program in the root without network, and where its files lie then; or with nothing on its PATH."""
    inside = ["unshare", "--map-root-user", "--mount", "--net", "sh", "-c", ENTER, str(root)]
    tried = subprocess.run([*inside, "/gonogo/gonogo", "--version"], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return [*inside, "/gonogo/gonogo"], Path("/tmp")
    print(f"no root of its own here ({tried.stderr.strip()}): nothing on the PATH instead", file=sys.stderr)
    return ["env", "-i", "PATH=", str(root / "gonogo" / "gonogo")], root / "tmp"


def run(program: Sequence[str], *arguments: object) -> dict[str, Any]:
    """Run a command and return its JSON."""
    command = [*program, *map(str, arguments), "--json", "--quiet"]
    completed = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PATH": os.defpath + ":/usr/sbin"}
    )
    if completed.returncode != 0:
        raise SystemExit(f"gonogo {arguments[0]}: exit code {completed.returncode}:\n{completed.stderr}")
    return dict(json.loads(completed.stdout))


def require(holds: bool, text: str) -> None:
    """End the program with a text where something does not hold."""
    if not holds:
        raise SystemExit(text)


def main(folder: Path) -> None:
    """Sort generated castings with nothing but the folder."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    times = []
    for _ in range(STARTS):
        started = time.perf_counter()
        subprocess.run([folder / "gonogo", "--version"], check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make_root(root, folder)
        program, work = entering(root)
        (root / "tmp" / "net.toml").write_text(NET)
        castings, groups, split = work / "castings", work / "castings" / "groups.csv", work / "split.csv"
        run(program, "synth", "--out", castings, "--n", 160, "--size", 64, 64)
        parts = ["--fractions", "train=.5,rest=.5", "--out", split]
        run(program, "split", castings, "--groups", groups, *parts)
        use = [castings, "--groups", groups, "--split", split, "--subset"]
        model, gated = work / "m.gonogo", work / "gated.gonogo"
        learn = ["--model", work / "net.toml", "--epochs", 3, "--pass-label", "ok_front", "--out", model]
        run(program, "train", *use, "train", *learn)
        run(program, "calibrate", model, *use, "rest", "--max-escape", ".6", "--confidence", ".6", "--out", gated)
        inbox, out = castings / "ok_front", work / "sorted"
        count = len(list((root / "tmp" / "castings" / "ok_front").iterdir()))
        done = run(program, "sort", gated, inbox, out)
        require(done["sorted"] + done["review"] == count, f"sorted {done['sorted']} and {done['review']} of {count}")
        checked = run(program, "verify", out)
        require(checked["problems"] == 0 and checked["pictures"] == count, f"verify: {checked}")
        unit = run(program, "service", "write", gated, inbox, out, "--user", "line")["unit"]
        require("gonogo sort" in unit and " -m gonogo" not in unit, "the unit starts another program than the folder's")
    megabytes, seconds = size / 1e6, sorted(times)[STARTS // 2]
    print(f"{folder}: {megabytes:.0f} MB, starts in {seconds:.2f} s, sorted {count} pictures without Python")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
