"""What the tests reach, as make coverage says it: C by lines, Python by branches, and why the rest is not reached.

``uncovered.toml`` beside this file gives the reason of every line that no test reaches, and in what decides about parts of
every branch. A line without a reason is a finding, and so is a reason without a line, so that the file stays true.
"""

from __future__ import annotations

import json
import sys
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
REASONS = Path(__file__).with_name("uncovered.toml")
C_LINES, PYTHON_BRANCHES = 0.98, 0.95
# What decides about parts: here a branch that is not taken needs a reason too, although each of its lines is reached.
DECIDING = (
    "python/gonogo/gate/*",
    "python/gonogo/decision.py",
    "python/gonogo/certificate*.py",
    "python/gonogo/inspector.py",
    *(
        f"python/gonogo/line/{name}.py"
        for name in ("claim", "decided", "decider", "inspection", "intake", "outcome", "recovery", "sorter", "transfer")
    ),
)


class Counts(NamedTuple):
    """Of one file: what can be reached, what was, and the numbers of the lines where something was not."""

    total: int
    reached: int
    missing: list[int]


class Reason(NamedTuple):
    """Why lines of some files (a pattern such as csrc/nn/*.c) that contain one of some texts are not reached.

    ``sometimes``: another machine or another moment reaches them, so the reason may find no line."""

    files: str
    texts: list[str]
    text: str
    sometimes: bool


def c_counts(reports: str) -> dict[str, Counts]:
    """Lines by file, from the JSON of gcov, one text line for each object. A line in a header is listed once for each use.

    Threads that count at the same time may lose counts, and gcov derives counts from others by subtraction: what is not
    zero, less than zero included, was reached."""
    lines: dict[str, dict[int, bool]] = defaultdict(lambda: defaultdict(bool))
    for report in reports.splitlines():
        for file in json.loads(report)["files"]:
            if file["file"].startswith("csrc/"):
                for line in file["lines"]:
                    lines[file["file"]][line["line_number"]] |= line["count"] != 0
    return {
        name: Counts(len(reached), sum(reached.values()), sorted(number for number in reached if not reached[number]))
        for name, reached in lines.items()
    }


def decides(name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in DECIDING)


def python_counts(report: dict[str, Any]) -> dict[str, Counts]:
    """Branches by file, from the JSON report of coverage.py. Missing are lines, and where parts are decided about also the
    lines that branches start from."""
    counts = {}
    for name, file in report["files"].items():
        missing = {*file["missing_lines"]}
        if decides(name):
            missing |= {start for start, _ in file["missing_branches"]}
        counts[name] = Counts(file["summary"]["num_branches"], file["summary"]["covered_branches"], sorted(missing))
    return counts


def share(counts: Iterable[Counts]) -> float:
    both = [(item.total, item.reached) for item in counts]
    total = sum(total for total, _ in both)
    return sum(reached for _, reached in both) / total if total else 1.0


def table(title: str, unit: str, counts: dict[str, Counts], depth: int) -> str:
    """One row for each folder, or for each file that lies at ``depth`` itself, and the sum."""
    rooms: dict[str, list[Counts]] = defaultdict(list)
    for name, item in sorted(counts.items()):
        parts = name.split("/")
        rooms["/".join(parts[depth:-1]) or parts[-1]].append(item)
    rows = [*rooms.items(), ("all", list(counts.values()))]
    lines = [f"{title:24}{unit:>10}{'reached':>10}{'share':>10}"]
    for name, items in rows:
        total, reached = sum(item.total for item in items), sum(item.reached for item in items)
        lines.append(f"{name:24}{total:10,}{reached:10,}{100 * share(items):9.2f}%")
    return "\n".join(lines)


def read_reasons(path: Path) -> list[Reason]:
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("uncovered", [])
    return [Reason(entry["files"], entry["lines"], entry["reason"], entry.get("sometimes", False)) for entry in entries]


def explain(
    counts: dict[str, Counts], reasons: Sequence[Reason], root: Path
) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """Lines by reason, lines without one, and texts of reasons that no line needs; lines as ``file:number: text``."""
    explained: dict[str, list[str]] = defaultdict(list)
    unexplained, used = [], set()
    for name, item in sorted(counts.items()):
        source = (root / name).read_text(encoding="utf-8").splitlines() if item.missing else []
        for number in item.missing:
            line = source[number - 1].strip()
            matches = [
                (index, text)
                for index, reason in enumerate(reasons)
                for text in reason.texts
                if fnmatchcase(name, reason.files) and text in line
            ]
            used.update(matches)
            (explained[reasons[matches[0][0]].text] if matches else unexplained).append(f"{name}:{number}: {line}")
    idle = [
        f"{reason.files}: {text}"
        for index, reason in enumerate(reasons)
        for text in reason.texts
        if (index, text) not in used and not reason.sometimes
    ]
    return explained, unexplained, idle


def main(folder: Path, root: Path = ROOT, reasons: Path = REASONS) -> int:
    c = c_counts((folder / "c.json").read_text())
    python = python_counts(json.loads((folder / "python.json").read_text()))
    explained, unexplained, idle = explain({**c, **python}, read_reasons(reasons), root)
    deciding = {name: item for name, item in python.items() if decides(name)}
    tables = (
        table("C", "lines", c, 1),
        table("Python", "branches", python, 2),
        table("deciding", "branches", deciding, 3),
    )
    print(*tables, sep="\n\n", end="\n\n")
    for reason, lines in explained.items():
        print(f"not reached: {reason}", *(f"    {line}" for line in lines), sep="\n")
    problems = [f"without a reason: {line}" for line in unexplained]
    problems += [f"a reason without a line: {text}" for text in idle]
    if share(c.values()) < C_LINES:
        problems.append(f"C: {100 * share(c.values()):.2f} % of the lines, expected at least {100 * C_LINES:.0f} %")
    if share(python.values()) < PYTHON_BRANCHES:
        found, expected = 100 * share(python.values()), 100 * PYTHON_BRANCHES
        problems.append(f"Python: {found:.2f} % of the branches, expected at least {expected:.0f} %")
    seconds = time.time() - int((folder / "started").read_text())
    print(*problems, sep="\n", end="\n" if problems else "")
    print(
        f"coverage: C {100 * share(c.values()):.2f} % of lines, Python {100 * share(python.values()):.2f} % of branches, "
        f"{sum(map(len, explained.values()))} lines not reached with a reason, {len(problems)} problems, {seconds:,.0f} s"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
