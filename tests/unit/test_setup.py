"""What setup.py says when something that only the user can provide is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("STB_INCLUDE_DIR", ["stb_image.h was not found", "libstb-dev", "STB_INCLUDE_DIR"]),
        ("ONEDNN_ROOT", ["dnnl.h was not found", "oneDNN 3", "ONEDNN_ROOT"]),
    ],
)
def test_a_missing_header_is_named_in_one_line(variable: str, expected: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--build-temp", str(tmp_path), "--build-lib"]
    completed = subprocess.run(
        [*command, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, variable: str(tmp_path / "nowhere")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 1
    assert len(completed.stderr.splitlines()) == 1
    for part in [*expected, "nowhere"]:
        assert part in completed.stderr


def test_the_version_is_that_of_the_public_header() -> None:
    import gonogo

    command = [sys.executable, "setup.py", "--quiet", "--version"]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert completed.stdout.split()[-1] == gonogo.__version__


def test_a_wheel_holds_every_file_that_a_module_reads(tmp_path: Path) -> None:
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    suffixes = {".html", ".css", ".js", ".py", ".pyi", ".typed"}
    files = {path for path in (ROOT / "python").rglob("*") if path.suffix in suffixes or path.name == "py.typed"}
    assert {path.relative_to(ROOT / "python").as_posix() for path in files} <= there
