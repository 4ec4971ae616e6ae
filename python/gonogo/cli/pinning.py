"""The model that a line is held to: ``--model-sha256`` names it, whatever file lies at its path."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from gonogo.cli.arguments import Parser
from gonogo.errors import ModelFileError
from gonogo.inspector import Inspector


def add_pin(parser: Parser) -> None:
    """Add the option."""
    parser.add_argument(
        "--model-sha256",
        type=_digest,
        metavar="HEX",
        help="refuse every other model (exit code 3): the 64 digits that gonogo info FILE calls model_sha256",
    )


def check_pin(inspector: Inspector, path: str | Path, expected: str | None) -> None:
    """Raise ``ModelFileError`` where a model is another one than the line is held to; None: it is held to none."""
    found = inspector.model_file.core.model_sha256
    if expected is not None and found != expected:
        raise ModelFileError(
            path,
            f"found the model_sha256 {found}, expected {expected} (model-sha256); name the file of that model, or, after its "
            "approval, set model-sha256 to what gonogo info FILE shows of the new one",
        )


def _digest(text: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        found = f"found {text[:80]!r}, {len(text)} characters"
        raise argparse.ArgumentTypeError(f"{found}, expected 64 hexadecimal digits; gonogo info FILE shows them")
    return text.lower()
