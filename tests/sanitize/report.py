"""The last word of make asan: what the sanitizers found, and how many tests they watched.

Findings lie in files ``report.<process>``, because pytest keeps what a dying process prints, and because a test may expect
a command to fail and never hear why it did.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

FINDING = re.compile(r"ERROR: \w+Sanitizer|runtime error:")


def findings(folder: Path) -> list[str]:
    """What each process reported that is a finding; warnings, such as of a refused allocation, are none."""
    texts = [path.read_text(errors="replace") for path in sorted(folder.glob("report.*"))]
    return [text for text in texts if FINDING.search(text)]


def watched(results: Path) -> tuple[int, int]:
    """Tests that ran, and how many of them failed, as pytest wrote them."""
    suites = [
        {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
        for suite in ElementTree.parse(results).iter("testsuite")
    ]
    ran = sum(suite["tests"] - suite["skipped"] for suite in suites)
    return ran, sum(suite["failures"] + suite["errors"] for suite in suites)


def main(folder: Path) -> int:
    found = findings(folder)
    ran, failed = watched(folder / "tests.xml")
    print(*found, sep="\n", end="")
    print(f"asan: {ran} tests, {failed} failed, {len(found)} findings")
    return 1 if found or failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
