"""What make asan says in the end, and that it fails where it must."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAIN = runpy.run_path(str(ROOT / "tests" / "sanitize" / "report.py"))["main"]


def results(folder: Path, tests: int, failures: int = 0, errors: int = 0, skipped: int = 0) -> None:
    counts = f'tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
    (folder / "tests.xml").write_text(f"<testsuites><testsuite {counts}/></testsuites>")


def test_a_clean_run_is_counted(tmp_path, capsys):
    results(tmp_path, 12, skipped=2)
    (tmp_path / "report.7").write_text("==7==WARNING: AddressSanitizer failed to allocate 0x7f bytes\n")
    assert MAIN(tmp_path) == 0
    assert capsys.readouterr().out == "asan: 10 tests, 0 failed, 0 findings\n"


@pytest.mark.parametrize(
    "line",
    [
        "==7==ERROR: AddressSanitizer: heap-use-after-free",
        "csrc/base/rng.c:3:4: runtime error: signed integer overflow",
    ],
)
def test_a_finding_is_shown_though_no_test_failed(tmp_path, capsys, line):
    results(tmp_path, 12)
    (tmp_path / "report.7").write_text(line + "\n")
    assert MAIN(tmp_path) == 1
    assert capsys.readouterr().out == f"{line}\nasan: 12 tests, 0 failed, 1 findings\n"


def test_a_failed_test_fails_and_so_does_none(tmp_path):
    results(tmp_path, 12, failures=1)
    assert MAIN(tmp_path) == 1
    results(tmp_path, 12, errors=1)
    assert MAIN(tmp_path) == 1
    results(tmp_path, 2, skipped=2)
    assert MAIN(tmp_path) == 1
