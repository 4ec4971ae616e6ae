"""Names of classes, which become folders of a sorted output."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_FOLDERS = {"review", "quarantine", "work", "decisions.csv", "status.json", "gonogo.prom"}
_DEVICES = {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"}


def check_class_names(names: Sequence[str]) -> None:
    """Refuse names that could not be folders of a sorted output.

    Raises
    ------
    ValueError
        Naming the class, and why: over 100 bytes of UTF-8, a slash or control character, a leading dot, a trailing dot or
        space, a name the sorter or Windows keeps for itself, or two names that differ only in case or in their Unicode form.
    """
    seen: dict[str, str] = {}
    for name in names:
        # Some file systems keep both forms of an accented letter apart, others do not; people see one name.
        plain = unicodedata.normalize("NFC", name.casefold())
        reason = None
        if not name:
            reason = "is empty"
        elif len(name.encode("utf-8", "surrogatepass")) > 100:
            reason = "is longer than 100 bytes"
        elif re.search(r"[/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]", name):
            reason = "contains a slash, a control character or an invalid character"
        elif name.startswith(".") or name.endswith((".", " ")):
            reason = "begins with a dot or ends with a dot or a space"
        elif plain in _FOLDERS or plain.split(".")[0] in _DEVICES:
            reason = "is a name that the sorted output or Windows keeps for itself"
        elif name in seen.values():
            reason = "is there twice"
        elif plain in seen:
            other, kind = seen[plain], "upper and lower case"
            if unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", other):
                kind = f"its Unicode form ({name!a} and {other!a})"
            reason = f"differs from {other!r} in {kind} only"
        if reason:
            raise ValueError(f"classes: the class name {name!r} {reason}; rename the class, it becomes a folder name")
        seen[plain] = name
