"""Corrections as moves between class folders, with a log that is complete before the first move.

The log lists every move with the SHA-256 of its file. Whatever happens, each file is under its old name, its new one, or for a
moment both; which of these is seen from the disk, so that a run that was cut off can be continued or undone from the log
alone, as often as one likes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gonogo.storage import move_without_replacing, sync_folder, write_atomically

_KIND = "gonogo relabel"


@dataclass(frozen=True)
class Move:
    """A file's old and new path below the root, and the SHA-256 of its bytes."""

    source: str
    target: str
    sha256: str


@dataclass(frozen=True)
class Moves:
    """What a log holds.

    Attributes
    ----------
    root : Path
        Folder that the paths start from, absolute.
    worksheet_sha256 : str
        Of the worksheet that asked for the moves.
    moves : list of Move
        In the worksheet's order.
    """

    root: Path
    worksheet_sha256: str
    moves: list[Move]

    def is_of(self, worksheet: str | Path) -> bool:
        """Return whether these are the moves of a worksheet as it is now."""
        return _digest(Path(worksheet)) == self.worksheet_sha256


def plan_moves(root: str | Path, worksheet: str | Path, changed: Mapping[str, str]) -> Moves:
    """Return the moves that corrections ask for, after making sure that each can be made; nothing is moved.

    Parameters
    ----------
    root : str or Path
        Folder with one folder per class.
    worksheet : str or Path
        Where the corrections come from.
    changed : mapping of str -> str
        Path below the root -> class folder that it goes to, under its own name.

    Raises
    ------
    ValueError
        A name is taken in the folder that a file would go to, two files would get one name, or a file is a link.
    OSError
        A file cannot be read.
    """
    root = Path(root).resolve()
    moves: list[Move] = []
    taken: dict[str, str] = {}
    conflicts: list[str] = []
    for file, folder in changed.items():
        path = root / file
        if path.is_symlink():
            raise ValueError(f"{path}: is a link, which may not lead to the same place elsewhere; use --csv")
        target = f"{folder}/{PurePosixPath(file).name}"
        first = taken.setdefault(target.casefold(), file)
        if first != file:
            conflicts.append(f"{file} and {first} would both become {target}")
        elif _occupied(root / target):
            conflicts.append(f"{file} would become {target}, which exists")
        moves.append(Move(file, target, _digest(path)))
    if conflicts:
        more = f" (and {len(conflicts) - 1} more such names)" if len(conflicts) > 1 else ""
        raise ValueError(f"{root}: {conflicts[0]}{more}; nothing was moved: rename one of the two files, or use --csv")
    return Moves(root, _digest(Path(worksheet)), moves)


def write_log(path: str | Path, planned: Moves) -> Path:
    """Write a log; when this returns it is on the disk."""
    content = {
        "kind": _KIND,
        "version": 1,
        "root": str(planned.root),
        "worksheet_sha256": planned.worksheet_sha256,
        "moves": [{"from": move.source, "to": move.target, "sha256": move.sha256} for move in planned.moves],
    }
    return write_atomically(path, json.dumps(content, indent=1) + "\n")


def read_log(path: str | Path) -> Moves:
    """Read a log.

    Raises
    ------
    OSError
        It is missing or cannot be read.
    ValueError
        It is none, or was damaged.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["kind"] != _KIND or content["version"] != 1:
            raise ValueError
        moves = [
            Move(_inside(entry["from"]), _inside(entry["to"]), _text(entry["sha256"])) for entry in content["moves"]
        ]
        return Moves(Path(_text(content["root"])), _text(content["worksheet_sha256"]), moves)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; expected a log that gonogo relabel wrote") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{path}: is no log of gonogo relabel, or was damaged; give the file that it wrote") from None


def remaining(planned: Moves, *, undo: bool = False, root: str | Path | None = None) -> list[tuple[Path, Path]]:
    """Return old and new path of each move of a log that is still to be made, or with ``undo`` to be taken back.

    Parameters
    ----------
    planned : Moves
        What the log holds.
    undo : bool
        Back instead of forth.
    root : str or Path, optional
        Where the folder is now; None: where it was.

    Raises
    ------
    ValueError
        A file is in neither place, is not the one it was, or its place is taken.
    OSError
        A file cannot be read.
    """
    base = planned.root if root is None else Path(root)
    ways = [(base / move.source, base / move.target, move.sha256) for move in planned.moves]
    if undo:
        ways = [(target, source, sha256) for source, target, sha256 in ways]
    return [(here, there) for here, there, sha256 in ways if not _in_place(here, there, sha256)]


def carry_out(pending: Sequence[tuple[Path, Path]]) -> None:
    """Make moves that :func:`remaining` returned. Where this is cut off, asking for what remains and calling it again goes on.

    Raises
    ------
    OSError
        A file cannot be moved, or its new name was taken meanwhile; those before it were moved.
    """
    for here, there in pending:
        if there.exists() and here.samefile(there):
            here.unlink()  # cut off between the two steps of a move: both names are the same file
        else:
            move_without_replacing(here, there)
    for folder in sorted({path.parent for pair in pending for path in pair}):
        sync_folder(folder)


def _in_place(here: Path, there: Path, sha256: str) -> bool:
    """Whether a file has arrived; raise ``ValueError`` unless that, or that it can go, is sure."""
    if _occupied(here):
        if _digest(here) != sha256:
            raise ValueError(f"{here}: was changed since the log was written; nothing was moved: put the old file back")
        if _occupied(there) and not (there.exists() and here.samefile(there)):
            raise ValueError(f"{there}: is in the way of {here}; nothing was moved: rename one of the two")
        return False
    if not _occupied(there):
        raise ValueError(f"{here}: is neither here nor at {there}; nothing was moved: put it back in one of the places")
    if _digest(there) != sha256:
        raise ValueError(f"{there}: is not the file that the log names; nothing was moved: put that one back")
    return True


def _occupied(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _inside(value: Any) -> str:
    """A path of two names: a class folder and a file in it."""
    parts = _text(value).split("/")
    if len(parts) != 2 or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise ValueError
    return _text(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
