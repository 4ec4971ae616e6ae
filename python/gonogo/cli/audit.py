"""``gonogo audit``: what is wrong with pictures before a model is trained on them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gonogo.audit import AuditReport, audit
from gonogo.audit.findings import KINDS, PICTURES
from gonogo.audit.words import group_line
from gonogo.cli.arguments import Commands, Parser, add_command, add_common, add_table_options, whole_number
from gonogo.cli.datasets import class_selection
from gonogo.cli.failures import DONE, PROBLEMS, check_new_folder, check_writable, writing
from gonogo.cli.output import note, show
from gonogo.data import Dataset
from gonogo.decoding import BIT_DEPTHS, RESIZE_MODES
from gonogo.errors import in_one_line
from gonogo.progress import open_progress

DESCRIPTION = """
Look for what makes a model seem better than it is: pictures of one part (photographed again, turned by any angle, mirrored,
shifted, in other light, saved anew) in several subsets or with several labels, files that are equal, file names, formats and
light that give the label away; and for what spoils a training: damaged, blank, saturated, dark, blurred and odd-sized pictures,
and faults that vanish when pictures are brought to the size of the model. Files are only read.

DATA is a folder with one folder of pictures per class. Several are compared with each other: the one called train, or
else the first, is what a model learns from. The exit code is 5 when anything was found.
"""
EXAMPLES = """
gonogo audit parts/
gonogo audit parts/ --groups-out groups.csv --report audit/
gonogo audit train/ test/ --json
gonogo audit parts/ --split split.csv --groups groups.csv
gonogo audit parts/ --masks masks/ --image-size 128 128
"""


_SHOWN = 5  # of each kind; --json and --report have all


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "audit",
        run,
        summary="find siblings, wrong labels and bad pictures",
        usage="DATA...",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument(
        "data", nargs="+", metavar="DATA", help="folder with one folder of pictures per class, or a CSV table"
    )
    parser.add_argument(
        "--report", metavar="DIR", help="write a page (audit.html) with the pictures; new or empty folder"
    )
    parser.add_argument("--groups-out", metavar="FILE", help="write a table of parts for --groups of gonogo split")
    _add_data_options(parser)
    add_common(parser, seed="which pairs of strangers are drawn to compare siblings with")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    groups_out = None if args.groups_out is None else check_writable("groups_out", args.groups_out)
    report_folder = None if args.report is None else check_new_folder("report", args.report)
    sources = _by_name(args.data, [_source(args, path) for path in args.data])
    tables = any(isinstance(source, Dataset) for source in sources.values())
    with reading(args, sources.values()) as progress:
        report = audit(
            sources,
            split=args.split,
            classes=None if tables else class_selection(args.classes),
            groups=args.groups,
            masks=args.masks,
            image_size=args.image_size and tuple(args.image_size),
            resize_mode=args.resize_mode or "pad",
            bit_depth=args.bit_depth,
            threads=args.threads or 0,
            seed=args.seed,
            progress=progress,
        )
    result: dict[str, Any] = report.to_dict()
    if groups_out is not None:
        with writing(groups_out):
            report.save_groups(groups_out)
        note(args, f"parts written to {groups_out}")
    if report_folder is not None:
        with writing(report_folder):
            result["report"] = str(report.to_html(report_folder))
        note(args, f"page written to {result['report']}")
    show(args, result, f"{report}{_examples(report)}")
    return PROBLEMS if report.problems else DONE


def _add_data_options(parser: Parser) -> None:
    group = parser.add_argument_group("data options")
    group.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="which class folders to use; FOLDER=NAME renames, and joins folders that get one name (default: all)",
    )
    group.add_argument(
        "--groups",
        metavar="CSV",
        help="table with columns class,file,group: parts that are known; siblings within one are no finding",
    )
    group.add_argument("--split", metavar="CSV", help="for one DATA: split file made by gonogo split")
    group.add_argument(
        "--image-size", nargs=2, type=whole_number(1, 16384), metavar=("H", "W"), help="size that a model will have"
    )
    group.add_argument("--resize-mode", choices=RESIZE_MODES, help="how it will be reached (default: pad)")
    group.add_argument(
        "--masks", metavar="DIR", help="masks of the faults, as <class>/<name of the picture>; needs --image-size"
    )
    group.add_argument("--bit-depth", type=int, choices=BIT_DEPTHS, help="bits in use of 16-bit grey (default: 16)")
    add_table_options(group)


def _source(args: argparse.Namespace, data: str) -> Path | Dataset:
    """A folder stays one; of a table, names and labels matter: the pictures themselves are read by the audit."""
    path = Path(data)
    if path.suffix.lower() != ".csv" or path.is_dir():
        return path
    return Dataset.from_csv(
        path,
        root=args.root or path.parent,
        path_col=args.path_col,
        label_col=args.label_col,
        classes=class_selection(args.classes),
        image_size=(32, 32),
        color_mode="grayscale",
        bit_depth=args.bit_depth or 16,
        on_bad="skip",
        threads=args.threads or 0,
    )


def _by_name(given: list[str], sources: list[Path | Dataset]) -> dict[str, Path | Dataset]:
    """Subsets are called like their folders; where two are called alike, as they were given."""
    if len(given) == 1:
        return {"": sources[0]}
    names = [Path(data).resolve().stem if Path(data).is_file() else Path(data).resolve().name for data in given]
    if len(set(names)) < len(names):
        names = [Path(data).as_posix() for data in given]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(
            f"DATA: {twice[0]!r} is given twice, so that every picture would be its own twin; give it once"
        )
    return dict(zip(names, sources, strict=True))


@contextmanager
def reading(args: argparse.Namespace, sources: Iterable[Path | Dataset]) -> Iterator[Callable[[int], object] | None]:
    """Show how many files have been read, in a terminal."""
    if args.quiet or not sys.stderr.isatty():
        yield None
        return
    total = sum(len(source) if isinstance(source, Dataset) else len(list(source.glob("*/*"))) for source in sources)
    shown = open_progress("reading", total)
    try:
        yield lambda count: shown.update(count, "")
    finally:
        shown.close("")


def _examples(report: AuditReport) -> str:
    """Name some pictures of each kind that a person should look at first."""
    lines = []
    for kind in ("label_conflicts", "across_subsets", "exact_duplicates", "same_pixels"):
        shown = report.members(kind)[:_SHOWN]
        lines += [f"{KINDS[kind].title}: {group_line(report, kind, group, 3)}" for group in shown]
        lines += _more(len(report.members(kind)), KINDS[kind].title)
    for kind in PICTURES:
        lines += [
            f"{KINDS[kind].title}: {in_one_line(finding.file)}: {finding.words}"
            for finding in report.found[kind][:_SHOWN]
        ]
        lines += _more(len(report.found[kind]), KINDS[kind].title)
    return "\n\n" + "\n".join(lines) if lines else ""


def _more(count: int, title: str) -> list[str]:
    return (
        [f"{title}: {count - _SHOWN:,} more; --report DIR shows pictures, --json lists all"] if count > _SHOWN else []
    )
