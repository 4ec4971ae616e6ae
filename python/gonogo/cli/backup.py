"""Options of ``gonogo train`` that keep an unfinished training and go on with it."""

from __future__ import annotations

import argparse
import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

from gonogo.callbacks import BackupAndRestore
from gonogo.cli import arguments
from gonogo.cli.failures import writing
from gonogo.cli.output import note


def add_backup(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group("stopping and going on")
    group.add_argument(
        "--backup",
        metavar="DIR",
        help="keep the state of the training in this folder after every epoch, until FILE is written (default with --resume "
        "or --save-every: FILE.backup)",
    )
    group.add_argument(
        "--save-every", type=arguments.whole_number(1), metavar="STEPS", help="keep it every so many steps instead"
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on with the training that was stopped, however it was: the file becomes the one it would have been, byte for "
        "byte; from the beginning where nothing was kept",
    )


def open_backup(args: argparse.Namespace, out: Path) -> BackupAndRestore | None:
    """Return the callback that keeps the training, None where none is wanted.

    Raises
    ------
    ValueError
        A training was kept there and ``--resume`` was not given.
    """
    folder = Path(args.backup) if args.backup is not None else out.with_name(f"{out.name}.backup")
    if args.backup is None and args.save_every is None and not args.resume:
        if (left := BackupAndRestore(folder).path).exists():
            note(
                args, f"{left} holds a training that was stopped; this one begins anew and leaves it, --resume goes on"
            )
        return None
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"backup: {folder} is a file, expected a folder")
    # The command removes the file itself, after the model is on the disk.
    backup = BackupAndRestore(folder, args.save_every or "epoch", delete_checkpoint=False)
    if backup.path.exists() and not args.resume:
        raise ValueError(
            f"backup: {backup.path} holds a training that was stopped; go on with --resume, or remove the file"
        )
    if args.resume and not backup.path.exists():
        note(args, f"nothing to resume in {folder}: the training begins anew")
    return backup


@contextlib.contextmanager
def plain_warnings(args: argparse.Namespace) -> Iterator[None]:
    """Have warnings of the training printed as one line each."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_, **__: note(args, f"{args.parser.prog}: {message}")
        yield


def end_backup(backup: BackupAndRestore | None) -> None:
    """Remove what was kept, and its folder unless it holds something else: the training has ended."""
    if backup is not None:
        with writing(backup.path):
            backup.remove()
        with contextlib.suppress(OSError):
            backup.path.parent.rmdir()
