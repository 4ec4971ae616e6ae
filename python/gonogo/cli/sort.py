"""``gonogo sort``: pictures from an inbox into class folders, with a journal of every step."""

from __future__ import annotations

import argparse
import dataclasses
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from gonogo.cli.arguments import Commands, Parser, add_command, add_common, as_number, share, whole_number
from gonogo.cli.failures import DONE, INTERRUPTED, PROBLEMS, one_line
from gonogo.cli.output import counted, note, show, table
from gonogo.cli.pinning import add_pin, check_pin
from gonogo.inspector import Inspector
from gonogo.ledger import user
from gonogo.line.clock import Clock
from gonogo.line.configuration import DECIMALS, ON_ALARM, SEPARATORS, SUBFOLDERS, Configuration, check_places
from gonogo.line.decider import expiry_doubt
from gonogo.line.disk import LockedError
from gonogo.line.files import LocalDisk
from gonogo.line.inbox import REMEDIES
from gonogo.line.inspection import InspectorDecider
from gonogo.line.rehearsal import rehearse
from gonogo.line.running import Line, open_line
from gonogo.line.sorter import Counts
from gonogo.line.waiting import can_be_seen, is_away, is_waited_for, wait_for, wait_for_inbox
from gonogo.line.waking import WakefulClock
from gonogo.systemd import notify

DESCRIPTION = """
Take pictures from INBOX, decide on each part with the certified PASS threshold of FILE, and move them to OUT/<class>,
OUT/REVIEW (any doubt) or OUT/QUARANTINE (damaged files). Every step is first written to a journal (OUT/.gonogo/journal.db), so
that after a crash or a power loss the next start finishes what was begun: no picture is lost, doubled or overwritten.
OUT/decisions.csv is a table for spreadsheets, OUT/status.json and OUT/gonogo.prom (Prometheus) tell how the line is. A file
that is still being written is left alone until it has come to rest.

With --copy the inbox stays as it is and pictures are copied; with --dry-run nothing is written at all. All options but --approve
and --acknowledge, which are words for one start, can stand in a TOML file (--config); unknown keys are refused. SIGTERM and
Ctrl-C finish the batch in hand.

Another model than the one that decided in OUT until now needs --approve with a reason. At the start, and every --self-test-hours
while watching, the model computes the pictures in its file; where it gives other scores nothing more is taken (exit code 3).
"""
EXAMPLES = """
gonogo sort impeller.gonogo inbox/ sorted/
gonogo sort impeller.gonogo inbox/ sorted/ --watch --config line.toml
gonogo sort impeller.gonogo inbox/ trial/ --copy --json
gonogo sort impeller.gonogo inbox/ sorted/ --part-pattern "(?P<part>[^_]+)_(?P<view>.)[.]png" --views 2
"""

_DEFAULTS = Configuration()
_PATIENCE = 0.5  # seconds between two tries to lock an output


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "sort",
        run,
        summary="move pictures into class folders",
        usage="FILE INBOX OUT",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("model_file", metavar="FILE", help="model file made by gonogo calibrate")
    parser.add_argument("inbox", metavar="INBOX", help="folder that pictures come into")
    parser.add_argument("out", metavar="OUT", help="folder that holds the class folders; made where it does not exist")
    often = parser.add_mutually_exclusive_group()
    often.add_argument(
        "--once",
        action="store_true",
        help="sort what lies in the inbox now, with late pictures of its parts, and end (default)",
    )
    often.add_argument("--watch", action="store_true", help="go on until stopped")
    parser.add_argument("--copy", action="store_true", help="copy, and leave the inbox as it is")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be decided")
    parser.add_argument(
        "--no-gate", action="store_true", help="take a model without certificate: the most probable class"
    )
    parser.add_argument(
        "--acknowledge",
        type=_word,
        metavar="NAME",
        help="NAME has looked into the alarm of drift, which ends with that",
    )
    parser.add_argument(
        "--approve",
        type=_word,
        metavar="REASON",
        help="let FILE decide in place of another model; the journal keeps who and why",
    )
    add_pin(parser)
    parser.add_argument(
        "--journal",
        metavar="FILE",
        help="journal on a local disk (default: that of the last start, or OUT/.gonogo/journal.db)",
    )
    parser.add_argument("--config", metavar="FILE", help="TOML file with options; the command line wins")
    _add_settings(parser)
    add_common(parser)


def _add_settings(parser: Parser) -> None:
    """Add the fields of ``Configuration``."""
    whole, seconds = whole_number, _seconds
    group = parser.add_argument_group("line options")
    options: list[tuple[str, dict[str, Any], str]] = [
        ("settle-ms", {"type": whole(0), "metavar": "MS"}, "a file must stay as it is for so long"),
        ("max-wait", {"type": seconds, "metavar": "S"}, "seconds after which an incomplete file goes to QUARANTINE"),
        ("batch", {"type": whole(1, 100_000), "metavar": "N"}, "pictures that share the work of writing to the disk"),
        (
            "part-pattern",
            {"metavar": "REGEX"},
            "tells part and view from a file's name: (?P<part>...) and (?P<view>...)",
        ),
        ("views", {"type": whole(1), "metavar": "N"}, "pictures of a part"),
        ("part-timeout", {"type": seconds, "metavar": "S"}, "seconds after which an incomplete part goes to REVIEW"),
        (
            "accept-unproven",
            {"action": "store_true"},
            "decide on pictures that cannot be proven complete, too; no certificate is about them",
        ),
        ("frozen-after", {"type": whole(0), "metavar": "N"}, "equal pictures in a row are a frozen camera; 0: never"),
        ("audit-share", {"type": _share, "metavar": "P"}, "share of passed parts that is marked for people to look at"),
        ("subfolders", {"choices": SUBFOLDERS}, "day: class folders get a folder for each day"),
        (
            "self-test-hours",
            {"type": _hours, "metavar": "H"},
            "hours between self-tests while watching; 0: only at the start",
        ),
        ("reserve-mb", {"type": whole(0), "metavar": "MB"}, "with less room nothing is taken from the inbox"),
        ("csv-separator", {"choices": SEPARATORS}, "between the columns of decisions.csv"),
        ("csv-decimal", {"choices": DECIMALS}, "sign before decimals in decisions.csv"),
        ("on-alarm", {"choices": ON_ALARM}, "what follows drift: messages only, REVIEW for all, or the end, code 5"),
        (
            "drift-run-length",
            {"type": whole(0), "metavar": "N"},
            "parts between two false alarms of drift, on average; 0: it is not watched for",
        ),
        ("bad-share", {"type": share, "metavar": "P"}, "share of bad parts, at most: more rejects are drift"),
    ]
    for name, settings, text in options:
        group.add_argument(f"--{name}", default=getattr(_DEFAULTS, name.replace("-", "_")), help=text, **settings)


def _word(text: str) -> str:
    """Of a person who answers for something: not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("found nothing, expected a few words, which the journal keeps")
    return text


def _seconds(text: str) -> float:
    value = as_number(text)
    if value is None or not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected seconds, such as 30")
    return value


def _hours(text: str) -> float:
    value = as_number(text)
    if value is None or not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected hours, such as 24")
    return value


def _share(text: str) -> float:
    value = as_number(text)
    if value is None or not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a share from 0 to 1, such as 0.02")
    return value


def check_modes(args: argparse.Namespace) -> None:
    """Refuse options that say two things, as they may where some stand in a file."""
    if args.watch and (args.once or args.dry_run):
        other = "once" if args.once else "dry-run"
        raise ValueError(f"watch: found {other} too, expected one of the two; leave the other out, also in the file")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    check_modes(args)
    settings = {field.name: getattr(args, field.name) for field in dataclasses.fields(Configuration)}
    configuration = Configuration(**settings)
    inbox, out = Path(args.inbox), Path(args.out)
    if not args.watch or can_be_seen(inbox):
        check_places(inbox, out)
    inspector = Inspector(args.model_file, n_threads=args.threads)
    check_pin(inspector, args.model_file, args.model_sha256)
    decider = InspectorDecider(inspector, gated=not args.no_gate, threads=args.threads or 0)
    disk, clock = LocalDisk(), WakefulClock(inbox) if args.watch else Clock()
    if args.dry_run:
        return _show_rehearsal(args, rehearse(inbox, configuration, decider, disk=disk, clock=clock))
    started = {
        **settings,
        "copy": args.copy,
        "watch": args.watch,
        "model_file": str(Path(args.model_file).absolute()),
        "model_file_sha256": inspector.model_file.core.file_sha256,
    }
    counts, goes_on, acknowledged_by, ended = Counts(), True, args.acknowledge or "", DONE
    blocked, has_begun = "", False
    with stop_signals() as stopped:
        while goes_on and _is_there(args, inbox, clock, lambda: bool(stopped)):
            try:
                with open_line(
                    inbox,
                    out,
                    configuration,
                    decider,
                    disk=disk,
                    clock=clock,
                    journal=None if args.journal is None else Path(args.journal),
                    keeps=args.copy,
                    settings=started,
                    user=user(),
                    facts=decider.facts,
                    acknowledged_by=acknowledged_by,
                    approval=args.approve,
                    counts=counts,
                    tell=lambda text: note(args, text),
                ) as line:
                    blocked = acknowledged_by = ""
                    has_begun = True
                    goes_on = _sort(args, line, lambda: bool(stopped))
                    ended = PROBLEMS if line.sorter.stops else DONE
            except LockedError as error:
                if not has_begun or not args.watch:
                    raise
                blocked = _told(args, error, blocked)  # somebody came in while it waited, or closed a month
                notify(*_alive(blocked))
                clock.sleep(_PATIENCE)
            except OSError as error:
                is_kept_out = (
                    has_begun and isinstance(error, PermissionError) and error.filename == str(inbox.absolute())
                )
                away = is_away(error, inbox.absolute())
                if not args.watch or not (away or is_kept_out or is_waited_for(error)):
                    raise
                blocked, has_begun = _told(args, error, blocked), True
                wait = partial(wait_for, error, out, configuration.reserve_mb, disk=disk, clock=clock)
                if away:
                    wait = partial(wait_for_inbox, inbox, clock=clock)
                wait(is_stopped=lambda: bool(stopped), progress=partial(notify, *_alive(blocked)))
    return INTERRUPTED if signal.SIGINT in stopped else ended


def _alive(status: str) -> tuple[str, str, str]:
    """What systemd is told: who waits has begun, and is alive."""
    return "READY=1", "WATCHDOG=1", f"STATUS={status}"


def _told(args: argparse.Namespace, error: OSError | LockedError, before: str) -> str:
    """Tell what is waited for, unless that was told before, and return it."""
    text = f"{one_line(error, args.parser)}; waiting for it"
    if text != before:
        note(args, text)
    return text


def _is_there(args: argparse.Namespace, inbox: Path, clock: Clock, is_stopped: Callable[[], bool]) -> bool:
    """Wait for an inbox that is to be watched, as of a share that comes later; False where somebody said stop before."""
    if args.watch and not can_be_seen(inbox):
        waited = f"{inbox}: the inbox is not there; waiting for it"
        note(args, waited)
        wait_for_inbox(inbox, clock=clock, is_stopped=is_stopped, progress=partial(notify, *_alive(waited)), least=0.0)
    return not is_stopped()


def _sort(args: argparse.Namespace, line: Line, is_stopped: Callable[[], bool]) -> bool:
    """Sort; return whether to go on with a new journal."""
    if any(line.recovered.values()):
        note(args, f"recovered: {', '.join(f'{value} {key}' for key, value in line.recovered.items())}")
    waiting: list[str] = []
    if args.watch:
        # A service is ready from here on, and alive as long as there is progress.
        notify("READY=1")
        if line.watch(is_stopped, lambda: notify("WATCHDOG=1", f"STATUS={_counted(line)}")):
            return True
        notify("STOPPING=1")
    else:
        waiting = line.once(is_stopped)
    for text in _left(line, waiting, stopped=is_stopped()):
        note(args, text)
    _show_result(args, line, waiting)
    return False


def _counted(line: Line) -> str:
    counts = line.sorter.counts
    return f"{counts.sorted} sorted, {counts.review} in REVIEW, {counts.quarantined} in QUARANTINE since the start"


def _left(line: Line, waiting: list[str], *, stopped: bool) -> Iterator[str]:
    """Why files are still in the inbox."""
    forbidden = [name for name in waiting if not line.sorter.inbox.may_read(name)]
    files = line.sorter.inbox.waiting
    kept = [name for name in waiting if name not in set(forbidden) and files[name].forbidden]
    others = [name for name in waiting if name not in {*forbidden, *kept}]
    why = "that are not ready"
    if stopped or line.sorter.stops:
        why = f"that were not taken because {'the sorter was stopped' if stopped else 'the alarm stops the line'}"
    unreadable, untakeable = (
        "that gonogo may not read (permission denied)",
        "that gonogo may not take (permission denied)",
    )
    for names, told, remedy in (
        (forbidden, unreadable, ""),
        (kept, untakeable, f"; {REMEDIES['taken']}"),
        (others, why, ""),
    ):
        if names:
            told = told if len(names) > 1 else told.replace(" are ", " is ").replace(" were ", " was ")
            yield f"{counted(len(names), 'file')} left in the inbox {told}, such as {names[0]}{remedy}"


def _show_result(args: argparse.Namespace, line: Line, waiting: list[str]) -> None:
    counts, refused, drift = line.sorter.counts, sorted(line.sorter.inbox.refused), line.sorter.drift
    result = {
        "sorted": counts.sorted,
        "review": counts.review,
        "quarantined": counts.quarantined,
        "lost": counts.lost,
        "labels": counts.labels,
        "waiting": waiting,
        "refused": refused,
        "recovered": line.recovered,
        "csv_problem": line.sorter.csv.problem,
        "drift": None if drift is None else drift.figures,
        "head": line.sorter.journal.head,
    }
    rows: list[list[object]] = [[label, count] for label, count in sorted(counts.labels.items())]
    text = table([["folder", "pictures"], *rows], right=(1,)) if rows else "nothing to sort"
    if refused:
        note(args, f"{len(refused)} in the inbox no regular files, left alone, such as {refused[0]}")
    if counts.lost:
        note(args, f"ALARM: {counted(counts.lost, 'picture')} taken away after it was claimed; the journal names it")
    if line.sorter.csv.problem:
        note(args, line.sorter.csv.problem)
    over = expiry_doubt(line.sorter.decider, line.sorter.clock.today().date())
    for problem in filter(None, ["" if drift is None else drift.problem, over]):
        if not args.watch:  # a line that watches has told it
            note(args, problem)
    show(args, result, text)


def _show_rehearsal(args: argparse.Namespace, rows: list[dict[str, Any]]) -> int:
    decisions = [row["decision"] for row in rows]
    result = {
        "sorted": sum(label not in (None, "REVIEW", "QUARANTINE") for label in decisions),
        "review": decisions.count("REVIEW"),
        "quarantined": decisions.count("QUARANTINE"),
        "waiting": [row["file"] for row in rows if row["decision"] is None],
        "rows": rows,
    }
    lines = [[row["file"], row["decision"] or "not ready", row["reason"]] for row in rows]
    show(args, result, table([["file", "decision", "reason"], *lines]))
    return DONE


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect SIGTERM and the first SIGINT, so that the batch in hand is finished; a second Ctrl-C ends the program at once."""
    stopped: list[int] = []

    def stop(number: int, _frame: object) -> None:
        if number in stopped and number == signal.SIGINT:
            raise KeyboardInterrupt
        stopped.append(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
