"""What make coverage says, and that it fails where something is reached too little or without a reason."""

from __future__ import annotations

import json
import re
import runpy
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REPORT = runpy.run_path(str(ROOT / "tests" / "coverage" / "report.py"))
MAIN = REPORT["main"]
REMOVE_UNFINISHED = runpy.run_path(str(ROOT / "tests" / "coverage" / "unfinished.py"))["main"]
SOURCE = "int a;\nreturn impossible;\nint b;\n"


Run = Callable[..., int]


def gcov(file: str, counts: dict[int, int]) -> str:
    """What gcov prints of one object."""
    lines = [{"line_number": number, "count": count} for number, count in counts.items()]
    return json.dumps({"files": [{"file": file, "lines": lines}]}) + "\n"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """``run(c_missing, branches, reasons)``: 100 lines of C, 40 branches of Python. ``more`` is printed by gcov too;
    ``untaken`` are the lines of gate/gate.py that an untaken branch starts from."""

    def report(c_missing: list[int], branches: int, reasons: str, more: str = "", untaken: Sequence[int] = ()) -> int:
        (tmp_path / "csrc").mkdir(exist_ok=True)
        (tmp_path / "csrc" / "one.c").write_text(SOURCE)
        counts = {number: int(number not in c_missing) for number in range(1, 101)}
        foreign = gcov("/usr/include/foreign.h", {1: 0})
        (tmp_path / "c.json").write_text(gcov("csrc/one.c", counts) + foreign + more)
        files = {"python/gonogo/two.py": (40, branches, [[1, 2]] if branches < 40 else [])}
        if untaken:
            (tmp_path / "python" / "gonogo" / "gate").mkdir(parents=True, exist_ok=True)
            (tmp_path / "python" / "gonogo" / "gate" / "gate.py").write_text("if sure:\n    release()\n")
            files["python/gonogo/gate/gate.py"] = (8, 8 - len(untaken), [[line, -1] for line in untaken])
        python = {
            name: {
                "summary": {"num_branches": number, "covered_branches": covered},
                "missing_lines": [],
                "missing_branches": missing,
            }
            for name, (number, covered, missing) in files.items()
        }
        (tmp_path / "python.json").write_text(json.dumps({"files": python}))
        (tmp_path / "started").write_text(f"{int(time.time())}\n")
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
    last = "coverage: C 99.00 % of lines, Python 97.50 % of branches, 1 lines not reached with a reason, 0 problems, "
    assert re.fullmatch(re.escape(last) + r"[0-9]+ s", out.splitlines()[-1])


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


def test_what_is_reached_only_sometimes_may_be_reached(run):
    assert run([], 40, REASON + "sometimes = true\n") == 0


def test_a_line_of_several_objects_is_reached_where_one_reaches_it(run):
    assert run([2], 40, "", gcov("csrc/one.c", {2: 5})) == 0
    assert run([], 40, "", gcov("csrc/one.c", {2: 0})) == 0


def test_a_count_that_threads_spoiled_is_a_reached_line(run):
    assert run([2], 40, "", gcov("csrc/one.c", {2: -3}) + gcov("csrc/one.c", {2: 3})) == 0


def test_what_decides_about_parts_needs_a_reason_for_each_branch(run, capsys):
    assert run([], 40, "", untaken=[1]) == 1
    out = capsys.readouterr().out
    assert "gate.py                          8         7    87.50%" in out
    assert "without a reason: python/gonogo/gate/gate.py:1: if sure:" in out
    reason = '[[uncovered]]\nfiles = "python/gonogo/gate/*"\nlines = ["if sure"]\nreason = "never in doubt"\n'
    assert run([], 40, reason, untaken=[1]) == 0
    assert "not reached: never in doubt\n    python/gonogo/gate/gate.py:1: if sure:" in capsys.readouterr().out


@pytest.mark.parametrize("pattern", REPORT["DECIDING"])
def test_what_decides_about_parts_is_there(pattern):
    assert list(ROOT.glob(pattern))


def test_data_files_that_were_left_half_written_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, *others = (tmp_path / f"python.host.{number}" for number in range(5))
    with closing(sqlite3.connect(whole)) as database, database:
        database.execute("CREATE TABLE coverage_schema (version)")
        database.execute("CREATE TABLE arc (a)")
        database.executemany("INSERT INTO arc VALUES (?)", [("x" * 100,)] * 500)
    data = whole.read_bytes()
    broken = (b"", data[:1000], data[:20_000], data[:20_000] + bytes(len(data) - 20_000))
    for path, content in zip(others, broken, strict=True):
        path.write_bytes(content)
    (tmp_path / "python.json").write_text("{}")
    assert REMOVE_UNFINISHED(tmp_path) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["python.host.0", "python.json"]
    assert "4 of 5 data files were left half written" in capsys.readouterr().out
