"""Removes the data files that processes of a coverage run left half written when they were killed, and says how many these were.

Combining warns of a file whose beginning is damaged, and ends at the first one that is damaged further on.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path


def is_whole(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with a file, and coverage.py has written its tables."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("SELECT * FROM coverage_schema")
            return list(database.execute("PRAGMA integrity_check")) == [("ok",)]
    except sqlite3.DatabaseError:
        return False


def main(folder: Path) -> int:
    """Look at all data files of a folder."""
    files = sorted(folder.glob("python.*.*"))
    broken = [path for path in files if not is_whole(path)]
    for path in broken:
        path.unlink()
    print(f"coverage: {len(broken)} of {len(files)} data files were left half written by processes that were killed")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
