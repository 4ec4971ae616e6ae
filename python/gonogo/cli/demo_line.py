"""The last part of ``gonogo demo``: a line sorts pictures, its folders are verified, and a page tells how it is."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gonogo.cli.failures import writing
from gonogo.cli.output import counted, note
from gonogo.dashboard import read_line, write_dashboard
from gonogo.inspector import Inspector
from gonogo.ledger import user
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration, journal_of
from gonogo.line.files import LocalDisk
from gonogo.line.inspection import InspectorDecider
from gonogo.line.running import open_line
from gonogo.line.verify import verify

FOLDERS = ("inbox", "sorted")
_DAMAGED = "cut_short.png"
# Everything is there from the start, so nothing is waited for.
_CONFIGURATION = Configuration(settle_ms=0, max_wait=0.0, audit_share=0.05)


def run_line(args: argparse.Namespace, out: Path, paths: Sequence[Path], model: Path, *, gated: bool) -> dict[str, Any]:
    """Sort pictures as a line would, verify the folders, and write the page.

    Parameters
    ----------
    args : argparse.Namespace
        Of the demo.
    out : pathlib.Path
        Its folder, in which ``inbox`` and ``sorted`` are made.
    paths : sequence of pathlib.Path
        Pictures that the net has never seen; copies of them come into the inbox, and one of them a second time, cut short.
    model : pathlib.Path
        What decides.
    gated : bool
        Whether it has a certificate.

    Returns
    -------
    dict
        ``sorted``: the folder; ``labels``: pictures by decision; ``problems``: what ``verify`` found; ``dashboard``: the page.
    """
    inbox, target = (out / name for name in FOLDERS)
    with writing(out):
        inbox.mkdir()
        for path in paths:
            shutil.copyfile(path, inbox / path.name)
        data = paths[0].read_bytes()
        (inbox / _DAMAGED).write_bytes(data[: len(data) // 2])
    note(args, f"6. sorting {counted(len(paths), 'picture')}, and one that was cut short, from {inbox} into {target}")
    decider = InspectorDecider(Inspector(model, n_threads=args.threads), gated=gated, threads=args.threads or 0)
    disk, clock = LocalDisk(), Clock()
    settings = {**asdict(_CONFIGURATION), "copy": False, "watch": False, "model_file": str(model)}
    with open_line(
        inbox,
        target,
        _CONFIGURATION,
        decider,
        disk=disk,
        clock=clock,
        settings=settings,
        user=user(),
        facts=decider.facts,
    ) as line:
        line.once()
        labels = dict(line.sorter.counts.labels)
    found = verify(target, disk)
    with writing(target):
        page = write_dashboard(read_line(target, journal_of(target), disk, clock.today()), target / "dashboard.html")
    return {"sorted": str(target), "labels": labels, "problems": found["problems"], "dashboard": str(page)}


def line_text(found: dict[str, Any]) -> str:
    """Return what the line did, in a few words."""
    folders = ", ".join(f"{count:,} {label}" for label, count in sorted(found["labels"].items()))
    problems = "clean" if found["problems"] == 0 else counted(found["problems"], "PROBLEM")
    return f"sorted: {folders}; gonogo verify: {problems}"
