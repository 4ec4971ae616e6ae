"""``gonogo relabel``: bring the verdicts of a worksheet into the data."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.cli.arguments import Commands, add_command, add_common, add_table_options
from gonogo.cli.failures import DONE, check_writable, writing
from gonogo.cli.output import counted, note, show, table
from gonogo.data.grouping import find_groups
from gonogo.data.reading import names_below
from gonogo.data.sources import find_in_folders, find_in_table
from gonogo.relabel import (
    Corrections,
    carry_out,
    check_not_frozen,
    corrected_table,
    find_corrections,
    groups_of_split,
    plan_moves,
    read_log,
    remaining,
    write_log,
)
from gonogo.storage import write_atomically

DESCRIPTION = """
Bring the verdicts of a worksheet, made by gonogo label, into the data: either as moves between the class folders of DATA, or
with --csv as a new table, which moves nothing. Pictures found unclear stay where they are; --unclear exclude leaves them out of
the table, so that a model can be trained on the unambiguous ones alone.

Moves: a log of all of them is written first (WORKSHEET.moves.json); --undo takes them back. No file is ever overwritten: where a
name is taken nothing is moved at all. A run that was cut off is continued by the same command, or undone.

Labels of calibration parts are frozen once a model was scored on them: a label that changes after a look at the scores makes the
certificate's promise false. With --split, or --ledger, such corrections are refused.
"""
EXAMPLES = """
gonogo relabel parts/ labels.csv --split split.csv --dry-run
gonogo relabel parts/ labels.csv --split split.csv
gonogo relabel --undo labels.csv.moves.json
gonogo relabel parts/ labels.csv --csv corrected.csv --unclear exclude
gonogo train corrected.csv --root parts/ --validation 0.2 --out parts.gonogo
"""


@dataclass(frozen=True)
class _Data:
    """Pictures by their path below the root: where they are, their labels and, where known, their parts."""

    root: Path
    paths: dict[str, Path]
    labels: dict[str, str]
    classes: list[str]
    groups: dict[str, str] | None


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "relabel",
        run,
        summary="apply a worksheet of corrected labels",
        usage="DATA WORKSHEET",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help="folder with one folder of pictures per class; with --csv also a CSV table",
    )
    parser.add_argument("worksheet", nargs="?", metavar="WORKSHEET", help="the worksheet of gonogo label")
    group = parser.add_argument_group("what is done")
    group.add_argument("--csv", metavar="CSV", help="write a table with the columns path and label, and move nothing")
    group.add_argument(
        "--unclear",
        choices=("keep", "exclude"),
        default="keep",
        help="whether --csv holds, under their old label, the pictures that were found unclear",
    )
    group.add_argument("--log", metavar="FILE", help="the log of the moves (default: WORKSHEET.moves.json)")
    group.add_argument(
        "--undo", metavar="LOG", help="take the moves of this log back; DATA if the folder is elsewhere now"
    )
    group.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    group = parser.add_argument_group("which labels are frozen")
    group.add_argument("--split", metavar="CSV", help="the split; its ledger is looked for at CSV.ledger")
    group.add_argument("--ledger", metavar="FILE", help="the ledger of calibrations (default: that of --split)")
    group.add_argument(
        "--groups", metavar="CSV", help="table with columns class,file,group (default: the groups in --split)"
    )
    group = parser.add_argument_group("data options")
    add_table_options(group)
    group.add_argument("--group-col", metavar="NAME", help="for a CSV table: column of the groups")
    add_common(parser, threads=False)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.undo is not None:
        return _undo(args)
    if args.data is None or args.worksheet is None:
        raise ValueError("expected DATA and WORKSHEET, or --undo LOG; see gonogo relabel --help")
    if args.csv is None:
        return _move(args)
    if args.log is not None:
        raise ValueError("log: --csv moves nothing; leave one of the two out")
    data = _read_data(args)
    found = _corrections(args, data)
    if args.groups is None and args.group_col is None and args.split is None:
        data = _Data(data.root, data.paths, data.labels, data.classes, None)
    out = check_writable("csv", args.csv)
    for name in filter(None, (args.data, args.worksheet, args.split, args.groups)):
        if out.exists() and out.samefile(name):
            raise ValueError(f"csv: {out} is read by this command too; give the new table another name")
    without = found.unclear if args.unclear == "exclude" else ()
    text = corrected_table(data.labels, found.changed, without=without, groups=data.groups)
    if not args.dry_run:
        with writing(out):
            write_atomically(out, text)
    rows = len(data.labels) - len(without)
    verb = "would be written" if args.dry_run else "written"
    result = {"csv": str(out), "rows": rows, "left_out": len(without), **_numbers(args, found)}
    show(
        args,
        result,
        f"{_summary(found, data.labels)}\n{counted(rows, 'row')} {verb} to {out}, {counted(len(without), 'picture')} left "
        f"out; its paths start from {data.root}: read it with --root {data.root}",
    )
    return DONE


def _move(args: argparse.Namespace) -> int:
    if not Path(args.data).is_dir():
        raise ValueError(f"DATA: {args.data} is no folder, in which alone files can be moved; give --csv for a table")
    if args.unclear != "keep":
        raise ValueError("unclear: moves leave unclear pictures where they are; give --csv with --unclear exclude")
    log = Path(args.log or f"{args.worksheet}.moves.json")
    if log.exists():
        return _continue(args, log)
    check_writable("log", log)
    data = _read_data(args)
    found = _corrections(args, data)
    planned = plan_moves(args.data, args.worksheet, found.changed)
    if planned.moves and not args.dry_run:
        with writing(log):
            write_log(log, planned)
        carry_out(remaining(planned))
    moves = [{"from": move.source, "to": move.target} for move in planned.moves]
    made = planned.moves and not args.dry_run
    result = {"moved": len(moves) if made else 0, "moves": moves, "log": str(log) if made else None}
    lines = [_summary(found, data.labels)]
    lines += [f"would move {move['from']} to {move['to']}" for move in moves] if args.dry_run else []
    lines += [f"moved {counted(len(moves), 'file')}; gonogo relabel --undo {log} takes that back"] if made else []
    show(args, {**result, **_numbers(args, found)}, "\n".join(lines))
    if made:
        note(
            args,
            "tables that name these files by their folder (groups, splits) still name the old one; make them anew, or use "
            "--csv, which moves nothing",
        )
    return DONE


def _continue(args: argparse.Namespace, log: Path) -> int:
    """Make what a run that was cut off, or undone, has left."""
    planned = read_log(log)
    if planned.root != Path(args.data).resolve() or not planned.is_of(args.worksheet):
        raise ValueError(
            f"log: {log} belongs to other moves, and is needed to take them back; give another name with --log"
        )
    pending = remaining(planned)
    if not args.dry_run:
        carry_out(pending)
    verb = "would be moved" if args.dry_run else "moved"
    already = len(planned.moves) - len(pending)
    show(
        args,
        {"moved": 0 if args.dry_run else len(pending), "already": already, "log": str(log), "dry_run": args.dry_run},
        f"{log} was begun before: {counted(len(pending), 'more file')} {verb}, {already:,} were in their place",
    )
    return DONE


def _undo(args: argparse.Namespace) -> int:
    if args.worksheet is not None or args.csv is not None or args.log is not None:
        raise ValueError("undo: takes a log and, if the folder is elsewhere now, DATA; leave all else out")
    planned = read_log(args.undo)
    pending = remaining(planned, undo=True, root=args.data)
    if not args.dry_run:
        carry_out(pending)
    verb = "would be moved" if args.dry_run else "moved"
    already = len(planned.moves) - len(pending)
    show(
        args,
        {"moved": 0 if args.dry_run else len(pending), "already": already, "log": args.undo, "dry_run": args.dry_run},
        f"{counted(len(pending), 'file')} {verb} back, {already:,} were in their old place",
    )
    return DONE


def _read_data(args: argparse.Namespace) -> _Data:
    path = Path(args.data)
    if path.suffix.lower() == ".csv" and not path.is_dir():
        root = Path(args.root or path.parent)
        found = find_in_table(path, root, args.path_col, args.label_col, args.group_col, None)
    else:
        root, found = path, find_in_folders(path, None)
    for error in found.bad:
        note(args, f"left out: {error}")
    files = names_below(found.paths, root)
    labels = {file: found.classes[label] for file, label in zip(files, found.labels, strict=True)}
    groups: Mapping[str, str | None] | None = None
    if args.groups is not None:
        groups = dict(zip(files, find_groups(args.groups, found.paths, files), strict=True))
    elif found.groups is not None:
        groups = dict(zip(files, found.groups, strict=True))
    elif args.split is not None:
        groups = groups_of_split(args.split)
    known = None if groups is None else {file: group for file, group in groups.items() if group is not None}
    return _Data(root, dict(zip(files, found.paths, strict=True)), labels, found.classes, known)


def _corrections(args: argparse.Namespace, data: _Data) -> Corrections:
    """Read the worksheet, and refuse what the ledger forbids."""
    found = find_corrections(args.worksheet, data.labels, data.classes)
    ledger = args.ledger
    if ledger is None and args.split is not None and Path(f"{args.split}.ledger").exists():
        ledger = f"{args.split}.ledger"
    if ledger is not None:
        # An unclear picture that is left out changes what was calibrated on as well.
        touched = [*found.changed, *(found.unclear if args.unclear == "exclude" else ())]
        check_not_frozen(touched, data.paths, ledger, groups=data.groups)
    elif args.split is None:
        note(
            args,
            "no ledger was looked at: labels of parts that a calibration used must not change; give --split to be sure",
        )
    return found


def _numbers(args: argparse.Namespace, found: Corrections) -> dict[str, Any]:
    return {
        "changed": len(found.changed),
        "unclear": len(found.unclear),
        "confirmed": found.confirmed,
        "open": found.open,
        "dry_run": args.dry_run,
    }


def _summary(found: Corrections, labels: Mapping[str, str]) -> str:
    """What the worksheet says, and how many pictures go from which class to which."""
    said = f"{len(found.changed):,} corrected, {found.confirmed:,} confirmed, {len(found.unclear):,} unclear, {found.open:,} open"
    ways: dict[tuple[str, str], int] = {}
    for file, label in found.changed.items():
        ways[labels[file], label] = ways.get((labels[file], label), 0) + 1
    if not ways:
        return said
    rows: list[list[object]] = [["from", "to", "pictures"]]
    rows += [[*way, number] for way, number in sorted(ways.items())]
    return f"{said}\n{table(rows, right=(2,))}"
