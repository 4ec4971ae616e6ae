"""What make coverage says, and that it fails where something is reached too little or without a reason."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAIN = runpy.run_path(str(ROOT / "tests" / "coverage" / "report.py"))["main"]
SOURCE = "int a;\nreturn impossible;\nint b;\n"


@pytest.fixture
def run(tmp_path):
    """``run(c_missing, branches, reasons)``: 100 lines of C, 40 branches of Python."""

    def report(c_missing: list[int], branches: int, reasons: str) -> int:
        (tmp_path / "csrc").mkdir(exist_ok=True)
        (tmp_path / "csrc" / "one.c").write_text(SOURCE)
        lines = [{"line_number": number, "count": int(number not in c_missing)} for number in range(1, 101)]
        (tmp_path / "c.json").write_text(json.dumps({"files": [{"file": "csrc/one.c", "lines": lines}]}))
        summary = {"num_branches": 40, "covered_branches": branches}
        file = {"summary": summary, "missing_lines": []}
        (tmp_path / "python.json").write_text(json.dumps({"files": {"python/gonogo/two.py": file}}))
        (tmp_path / "reasons.toml").write_text(reasons)
        return MAIN(tmp_path, tmp_path, tmp_path / "reasons.toml")

    return report


REASON = '[[uncovered]]\nfiles = "csrc/*.c"\nlines = ["return imp"]\nreason = "cannot happen"\n'


def test_both_tables_and_each_reason_are_shown(run, capsys):
    assert run([2], 39, REASON) == 0
    out = capsys.readouterr().out
    assert "one.c                          100        99    99.00%" in out
    assert "two.py                          40        39    97.50%" in out
    assert "not reached: cannot happen\n    csrc/one.c:2: return impossible;" in out
    assert out.endswith(
        "coverage: C 99.00 % of lines, Python 97.50 % of branches, 1 lines not reached with a reason, 0 problems\n"
    )


@pytest.mark.parametrize(
    ("missing", "branches", "reasons", "problem"),
    [
        ([1], 40, "", "without a reason: csrc/one.c:1: int a;"),
        ([], 40, REASON, "a reason without a line: csrc/*.c: return imp"),
        ([2], 37, REASON, "Python: 92.50 % of the branches, expected at least 95 %"),
        ([1, 2, 3], 40, REASON.replace('"return imp"', '"return imp", "int"'), "C: 97.00 % of the lines, expected"),
    ],
)
def test_what_is_wrong_is_said_and_fails(run, capsys, missing, branches, reasons, problem):
    assert run(missing, branches, reasons) == 1
    assert problem in capsys.readouterr().out


def test_what_only_other_machines_reach_may_be_reached_here(run):
    assert run([], 40, REASON + "elsewhere = true\n") == 0


def test_a_line_listed_twice_counts_once(run, tmp_path, capsys):
    assert run([2], 40, REASON) == 0
    report = json.loads((tmp_path / "c.json").read_text())
    report["files"][0]["lines"].append({"line_number": 2, "count": 5})
    (tmp_path / "c.json").write_text(json.dumps(report))
    assert MAIN(tmp_path, tmp_path, tmp_path / "reasons.toml") == 1
    assert "a reason without a line" in capsys.readouterr().out
