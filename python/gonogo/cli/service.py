"""``gonogo service``: the sorter as a service of systemd."""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import sys
from pathlib import Path
from typing import Any

import gonogo
from gonogo.cli.arguments import Commands, add_command, add_common, whole_number
from gonogo.cli.failures import DONE, check_writable, one_line, writing
from gonogo.cli.output import note, show
from gonogo.cli.pinning import check_pin
from gonogo.inspector import Inspector
from gonogo.ledger import user
from gonogo.line.approval import check_start
from gonogo.line.configuration import Configuration, check_places, journal_of
from gonogo.line.files import LocalDisk
from gonogo.line.inspection import InspectorDecider
from gonogo.line.places import find_journal
from gonogo.storage import write_atomically
from gonogo.systemd import Service, writable_folders

DESCRIPTION = """
Have systemd start the sorter with the machine, watch over it and start it again. 'write' makes the file that tells systemd how.
"""
EXAMPLES = """
gonogo service write impeller.gonogo inbox/ sorted/ --user gonogo --out gonogo.service
"""
WRITE_DESCRIPTION = """
Write a systemd unit for 'gonogo sort FILE INBOX OUT --watch', all paths made absolute, after checking all that gonogo sort
checks at its start: options, folders, journal, self-test, and that no other model decided in OUT before (approve of a change by
starting gonogo sort with --approve yourself, once). Options of the sorter come from its TOML file (--config), which is read again
at each start; model-sha256 there holds the service to one model. The service may write to inbox, output and journal, knows no
network and asks for no rights; systemd starts it again after a crash, and when it hangs.

Nothing can be renamed between two folders that a service may write to: give INBOX and OUT a folder of their own in common, or
each picture is copied. docs/line.md says how a unit is installed.
"""
WRITE_EXAMPLES = """
gonogo service write impeller.gonogo inbox/ sorted/
gonogo service write impeller.gonogo inbox/ sorted/ --user gonogo --config line.toml --out gonogo.service
"""
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def add_parser(commands: Commands) -> None:
    """Add the command with its one."""
    parser = add_command(
        commands,
        "service",
        lambda args: int(args.run(args)),
        summary="the sorter as a service of systemd",
        usage="write",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    actions = parser.add_subparsers(
        title="commands", prog="gonogo service", metavar="write", dest="action", required=True
    )
    write = add_command(
        actions,
        "write",
        run,
        summary="make the unit",
        usage="FILE INBOX OUT",
        description=WRITE_DESCRIPTION,
        examples=WRITE_EXAMPLES,
    )
    write.usage = "gonogo service write FILE INBOX OUT [options]"
    write.add_argument("model_file", metavar="FILE", help="model file made by gonogo calibrate")
    write.add_argument("inbox", metavar="INBOX", help="folder that pictures come into")
    write.add_argument("folder", metavar="OUT", help="folder that holds the class folders; must exist")
    write.add_argument("--out", metavar="UNIT", help="file to write (default: standard output)")
    write.add_argument("--config", dest="line_config", metavar="FILE", help="TOML file with options of gonogo sort")
    write.add_argument("--user", metavar="NAME", help="account it runs as, not root (default: yours)")
    write.add_argument(
        "--watchdog",
        type=whole_number(10, 86_400),
        default=120,
        metavar="S",
        help="seconds without a finished look or batch after which it is started again",
    )
    add_common(write, threads=False)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    target = None if args.out is None else check_writable("out", args.out)
    account = _account(args.user)
    model, inbox, out = (Path(name).absolute() for name in (args.model_file, args.inbox, args.folder))
    config = None if args.line_config is None else Path(args.line_config).absolute()
    journal = _check(model, inbox, out, config)
    options = ["--config", str(config)] if config else []
    options += ["--journal", str(journal)] if journal != journal_of(out) else []
    program = [*_python(), model, *([config] if config else [])]
    service = Service(
        [*_command(), "sort", str(model), str(inbox), str(out), "--watch", *options],
        account,
        writable_folders(inbox, out, journal, program),
        program,
        args.watchdog,
    )
    text = service.unit()
    if target is not None:
        with writing(target):
            write_atomically(target, text.encode())
    renames = any(folder in inbox.parents for folder in service.writable)
    if not renames:
        note(args, "INBOX and OUT have no folder of their own in common: pictures will be copied, not renamed")
    result = {"unit": text, "out": None if target is None else str(target), "renames": renames}
    show(args, result, text.rstrip("\n") if target is None else f"written: {target}")
    return DONE


def _account(name: str | None) -> str:
    account = user() if name is None else name
    if account == "root" or not _ACCOUNT.fullmatch(account):
        raise ValueError(f"user: found {account!r}, expected an account that is not root, which owns INBOX and OUT")
    return account


def _check(model: Path, inbox: Path, out: Path, config: Path | None) -> Path:
    """Refuse what gonogo sort would refuse at its start; return where its journal is."""
    from gonogo.cli import parse  # the package imports this module

    options = [] if config is None else ["--config", str(config)]
    found = parse(["sort", str(model), str(inbox), str(out), "--watch", *options])
    for key, what in (("dry_run", "nothing is sorted"), ("once", "the sorter ends when the inbox is empty")):
        if getattr(found, key):
            raise ValueError(f"line_config: {config}: found {key.replace('_', '-')} = true, with which {what}")
    try:
        Configuration(**{field.name: getattr(found, field.name) for field in dataclasses.fields(Configuration)})
    except ValueError as error:
        raise ValueError(one_line(error, found.parser)) from None
    check_places(inbox, out)
    if not out.is_dir():
        raise FileNotFoundError(f"OUT: found no folder {out}; make it, owned by the account of the service")
    inspector = Inspector(model)
    check_pin(inspector, model, found.model_sha256)
    decider, disk = InspectorDecider(inspector, gated=not found.no_gate), LocalDisk()
    journal = find_journal(out, disk, found.journal).absolute()
    check_start(decider, out, journal, disk)
    return journal


def _command() -> list[str]:
    """How this very program is started: by its Python, or as the one folder that needs none."""
    return [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-P", "-m", "gonogo"]


def _python() -> list[Path]:
    """The folders of this very program."""
    folders: list[Any] = [sys.prefix, sys.base_prefix, Path(gonogo.__file__).parent]
    return [Path(folder).absolute() for folder in dict.fromkeys(map(os.fspath, folders))]
