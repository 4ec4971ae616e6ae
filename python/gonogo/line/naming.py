"""Names of pictures: which are looked at, to which part they belong, and under which they end."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePath

NAME_BYTES_MAX = 255  # of every file system in use
_ENDING_BYTES_MAX = 32  # longer ones are no kind of file, but part of the name
_PARTIAL = (".tmp", ".part", ".filepart")  # what programs that copy call unfinished files


def is_ignored(name: str) -> bool:
    """Return whether a name in the inbox is hidden or that of a file that is still being copied."""
    return name.startswith(".") or name.lower().endswith(_PARTIAL)


def part_of(name: str, pattern: re.Pattern[str] | None) -> tuple[str, str] | None:
    """Return part and view that a name tells, by the groups ``part`` and ``view`` of the pattern; None if it does not match.

    Without pattern every picture is a part. Without a group ``view`` every name is a view of its own.
    """
    if pattern is None:
        return name, ""
    if (found := pattern.fullmatch(name)) is None:
        return None
    named = found.groupdict()
    return named["part"] or "", named.get("view") or name


def final_name(name: str, identifier: str, is_taken: Callable[[str], bool], *, always: bool = False) -> str:
    """Return the name under which a picture is kept: its own, or ``stem__id.ext`` where that is taken.

    Parameters
    ----------
    name : str
        Its name in the inbox.
    identifier : str
        Its id, which no other picture has.
    is_taken : callable
        Says whether a name is in use, or ever was.
    always : bool
        With the id in any case.

    Raises
    ------
    FileExistsError
        All names are taken, which nobody does by accident.
    """
    if not always and not is_taken(name):
        return name
    for number in range(1000):
        made = with_id(name, identifier + (f"-{number}" if number else ""))
        if not is_taken(made):
            return made
    raise FileExistsError(
        f"{name}: found files with all names that gonogo would give it; make room in the class folder"
    )


def with_id(name: str, identifier: str) -> str:
    """Return ``stem__id.ext``, the stem cut so that no more than 255 bytes are left."""
    ending = PurePath(name).suffix
    if len(_bytes(ending)) > _ENDING_BYTES_MAX:
        ending = ""
    stem = name.removesuffix(ending) if ending else name
    room = NAME_BYTES_MAX - len(_bytes(f"__{identifier}{ending}"))
    while len(_bytes(stem)) > room:
        stem = stem[:-1]
    return f"{stem}__{identifier}{ending}"


def _bytes(text: str) -> bytes:
    """A name as the file system holds it."""
    return text.encode("utf-8", "surrogateescape")
