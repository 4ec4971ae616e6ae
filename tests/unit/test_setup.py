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
