"""``gonogo inspect``: whether picture files are whole and what they seem to be."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gonogo.cli.arguments import Commands, add_command, add_common
from gonogo.cli.failures import DONE, PROBLEMS
from gonogo.cli.output import counted, note, show, table
from gonogo.decoding import BIT_DEPTHS
from gonogo.errors import in_one_line
from gonogo.pictures import SUFFIXES, Verdict, inspect_files

DESCRIPTION = """
Check that picture files (JPEG, PNG, BMP, TIFF) are whole: every file gets a verdict, a reason and the byte it belongs to.
Folders are searched with all folders in them. Files are only read.

Verdicts: "ok"; "unproven" for valid pictures whose completeness cannot be proven (progressive JPEG, BMP and TIFF that end in
zeros, a second JPEG behind the first), which training accepts and a line reviews; all others are faults, and with one of
them the exit code is 5. Content decides, not the ending of the name. An orientation stored in the file is ignored: gonogo
takes pixels as they are stored.
"""
EXAMPLES = """
gonogo inspect part-0815.png
gonogo inspect inbox/
gonogo inspect inbox/ --json
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "inspect",
        run,
        summary="check that picture files are whole",
        usage="PATH...",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="pictures, or folders of pictures")
    parser.add_argument(
        "--bit-depth",
        type=int,
        choices=BIT_DEPTHS,
        default=16,
        help="bits in use of grey pictures with 16 bits; larger values are a fault",
    )
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    verdicts = inspect_files(find_files(args.paths), bit_depth=args.bit_depth, threads=args.threads or 0)
    rows = [
        {"file": str(said.file), "verdict": said.verdict, "reason": said.reason, "offset": said.offset}
        for said in verdicts
    ]
    bad = sum(said.bad for said in verdicts)
    unproven = sum(said.verdict == "unproven" for said in verdicts)
    result = {"rows": rows, "files": len(rows), "ok": len(rows) - bad - unproven, "unproven": unproven, "bad": bad}
    show(args, result, _text(verdicts))
    note(args, f"{counted(len(rows), 'file')}: {result['ok']} ok, {unproven} unproven, {bad} bad")
    if bad:
        verb = "is" if len(rows) == 1 else "are"
        print(
            f"{args.parser.prog}: {bad} of {counted(len(rows), 'file')} {verb} bad; their rows say why", file=sys.stderr
        )
    return PROBLEMS if bad else DONE


def find_files(paths: Sequence[str]) -> list[Path]:
    """Return named files as they are, and in place of folders the pictures in them, hidden ones left out.

    Raises
    ------
    ValueError
        A folder holds no picture.
    OSError
        A folder cannot be read.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            files.append(path)
            continue
        inside = _pictures_below(path)
        if not inside:
            endings = ", ".join(sorted(SUFFIXES))
            raise ValueError(f"PATH: the folder {path} and those in it hold no picture ({endings})")
        files += inside
    return files


def _pictures_below(folder: Path) -> list[Path]:
    def fail(error: OSError) -> None:
        raise error

    found: list[Path] = []
    for root, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        pictures = (name for name in sorted(names) if not name.startswith("."))
        found += [Path(root, name) for name in pictures if Path(name).suffix.lower() in SUFFIXES]
    return found


def _text(verdicts: Sequence[Verdict]) -> str:
    rows: list[list[object]] = [["file", "verdict", "byte", "reason"]]
    rows += [[in_one_line(str(said.file)), said.verdict, said.offset, said.reason] for said in verdicts]
    return table(rows, right=(2,))
