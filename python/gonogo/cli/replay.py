"""``gonogo replay``: make a past decision again, and compare."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gonogo.cli.arguments import Commands, add_command, add_common
from gonogo.cli.failures import DONE, PROBLEMS
from gonogo.cli.output import note, show, table
from gonogo.inspector import Inspector
from gonogo.line.files import LocalDisk
from gonogo.line.inspection import InspectorDecider
from gonogo.line.replay import Past, decider_of, find_past, replay

DESCRIPTION = """
Make a decision of gonogo sort again and compare it with the journal. The picture is found by its place and its SHA-256, wherever
in OUT the plant has put it; all pictures of its part are decided on together. FILE is the model file that decided then, by
default the one that the journal names; another model is refused by its digest. With the recorded version, on a machine with the
recorded fingerprint, the score must be the same to the last bit; elsewhere it may differ by a tenth of the guard band. The output
says which. Exit code 5 when the decision is another one.
"""
EXAMPLES = """
gonogo replay sorted/ a1b2c3000001
gonogo replay sorted/ a1b2c3000001 impeller.gonogo --json
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "replay",
        run,
        summary="make a past decision again",
        usage="OUT ID [FILE]",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("out", metavar="OUT", help="folder that gonogo sort has filled")
    parser.add_argument("id", metavar="ID", help="of the picture: column id of decisions.csv")
    parser.add_argument("model_file", metavar="FILE", nargs="?", help="model file (default: the one the journal names)")
    parser.add_argument("--journal", metavar="FILE", help="its journal (default: that of the last start)")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    out, disk = Path(args.out), LocalDisk()
    past = find_past(out, args.id, disk, None if args.journal is None else Path(args.journal))
    settings = past.start.get("settings", {})
    named = args.model_file or settings.get("model_file")
    files: list[str] = []

    def make() -> InspectorDecider:
        inspector = _inspector(named, past, args.threads)
        files.append(inspector.model_file.core.file_sha256)
        return InspectorDecider(
            inspector, gated=inspector.model_file.certificate is not None, threads=args.threads or 0
        )

    result = replay(past, out, decider_of(past, make), disk)
    # What stands beside a certificate is not in its digest: review zone and guard.
    result["same_model_file"] = settings.get("model_file_sha256") in (None, *files) if files else None
    show(args, result, _text(result))
    if result["same_model_file"] is False:
        note(args, f"{named}: the same model and certificate, but not the very file that decided then")
    return DONE if result["same"] else PROBLEMS


def _inspector(named: str | None, past: Past, threads: int | None) -> Inspector:
    remedy = f"name the model file with model_sha256 {past.model[:16]}"
    if named is None:
        raise ValueError(f"FILE: missing, and the journal names none; {remedy}")
    try:
        return Inspector(named, n_threads=threads)
    except FileNotFoundError:
        raise FileNotFoundError(f"FILE: found no file {named}; {remedy}") from None


def _text(result: dict[str, Any]) -> str:
    rows: list[list[object]] = [["picture", "", "decision", "score", "reason"]]
    for picture in result["pictures"]:
        for when in ("recorded", "now"):
            said = picture[when]
            score = "" if said["score"] is None else repr(said["score"])
            rows.append([picture["file"] if when == "recorded" else "", when, said["decision"], score, said["reason"]])
    bits = "recorded version and fingerprint, so that every bit must be the same"
    other = f"another version or machine, where scores within g/10 = {result['tolerance']:g} are the same"
    answer = "the same decision" if result["same"] else "ANOTHER DECISION: " + "; ".join(result["differences"])
    return "\n".join([table(rows), f"{answer} ({bits if result['expected'] == 'bits' else other})"])
