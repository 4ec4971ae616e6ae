"""Makes and drops many trainings with other numbers of threads and prints whether too many threads were started.

Usage: many_plans.py TIMES.
"""

from __future__ import annotations

import sys
from pathlib import Path

from small_work import LABELS, PICTURES, scores, untrained

THREADS_MOST = 5


def threads() -> int:
    """Return the threads of this process; the libraries of NumPy have some of their own."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def main() -> None:
    """Train with 1 to THREADS_MOST threads in turn."""
    before, found = threads(), set()
    for number in range(int(sys.argv[1])):
        classifier = untrained(epochs=1).set_params(n_threads=1 + number % THREADS_MOST)
        found.add(scores(classifier.fit(PICTURES, LABELS)))
    print("too many" if threads() - before > THREADS_MOST - 1 else "as many as asked for", len(found))


if __name__ == "__main__":
    main()
