"""Texts that are safe to open in a spreadsheet."""

from __future__ import annotations


def guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula.

    One that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return gets an apostrophe in front (OWASP, CSV
    injection).
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
