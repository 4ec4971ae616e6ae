"""Where a line works, kept in ``OUT/.gonogo/places.json``: every command finds the journal there, and a recovery the folder of
claimed pictures, also where the journal is damaged. What lies in the output is named from there, so that it may be moved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gonogo.line.configuration import Places, journal_of
from gonogo.line.disk import Disk
from gonogo.line.heads import check_heads


def below(out: Path, path: Path) -> str:
    """Return a path as rows and files name it, from the output where it lies in it; ``out / below(out, path)`` is the path."""
    return str(path.relative_to(out) if path.is_relative_to(out) else path)


def keep_places(places: Places, disk: Disk, *, keeps: bool) -> None:
    """Write where a line works, and whether pictures stay in the inbox, before it claims anything.

    Raises
    ------
    OSError, SyncError
        The file cannot be written, or may not have reached the disk.
    """
    said = {name: below(places.out, getattr(places, name)) for name in ("inbox", "work", "journal")}
    data = f"{json.dumps({**said, 'copy': keeps}, indent=1)}\n".encode()
    if _read(places.out, disk) != data:
        disk.publish(_file(places.out), data)
        disk.sync([_file(places.out).parent])


def kept_places(out: Path, disk: Disk) -> Places | None:
    """Return where the last line worked; None where nothing readable tells."""
    kept = _kept(out, disk)
    return None if kept is None else kept[0]


def were_copied(out: Path, disk: Disk) -> bool:
    """Return whether the last line left pictures in the inbox; False where nothing readable tells."""
    kept = _kept(out, disk)
    return kept is not None and kept[1]


def last_places(out: Path, journal: Path, start: Mapping[str, Any] | None, disk: Disk) -> Places:
    """Return where the last line worked, by the file or else by its START row; without both the output is all that is known."""
    kept = kept_places(out, disk)
    if kept is not None:
        return replace(kept, journal=journal)
    if start is None:
        return Places(out / "work", out, out / "work", journal)
    return Places(Path(start["inbox"]), out, out / start["work"], journal)


def find_journal(out: Path, disk: Disk, named: str | Path | None = None) -> Path:
    """Return where the journal of an output is: the one that is named, else that of the last start, else the usual place."""
    if named is not None:
        return Path(named)
    kept = kept_places(out, disk)
    return journal_of(out) if kept is None else kept.journal


def existing_journal(out: Path, disk: Disk, named: str | Path | None = None) -> Path:
    """Return the same for commands that only read.

    Raises
    ------
    FileNotFoundError
        The folder is no output of ``gonogo sort``, or has no journal yet.
    JournalError
        The journal is gone.
    """
    check_output(out, disk)
    path = find_journal(out, disk, named)
    if disk.status(path) is None:
        check_heads(out, path, disk)
        raise FileNotFoundError(f"OUT: found no journal {path}; expected a folder that gonogo sort has filled")
    return path


def check_output(out: Path, disk: Disk) -> None:
    """Raise ``FileNotFoundError`` where a folder is no output of ``gonogo sort``."""
    if disk.status(out / ".gonogo") is None:
        raise FileNotFoundError(f"OUT: found no .gonogo in {out}; expected a folder that gonogo sort has filled")


def _file(out: Path) -> Path:
    return out / ".gonogo" / "places.json"


def _kept(out: Path, disk: Disk) -> tuple[Places, bool] | None:
    """Where the last line worked, and whether it left pictures in the inbox; None where nothing readable tells."""
    try:
        said = json.loads(_read(out, disk))
        inbox, work, journal = (out / _checked(said[name]) for name in ("inbox", "work", "journal"))
        return Places(inbox, out, work, journal), said["copy"] is True
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _checked(path: str) -> str:
    """Return what may be a path; raise ``ValueError`` or ``TypeError`` about anything else."""
    if b"\0" in str.encode(path, "utf-8", "surrogateescape"):
        raise ValueError
    return path


def _read(out: Path, disk: Disk) -> bytes:
    found = disk.status(_file(out))
    return disk.read(_file(out))[0] if found is not None and found.kind == "file" else b""
