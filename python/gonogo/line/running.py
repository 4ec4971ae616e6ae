"""A line from its start to its end: locks, recovery, then batch after batch until all is sorted or somebody says stop."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gonogo.decision import REVIEW
from gonogo.line.approval import change_of_model, is_of_another_model, self_test
from gonogo.line.claim import places_of
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration, check_places
from gonogo.line.decider import QUARANTINE, Decider, expiry_doubt
from gonogo.line.disk import BlockedError, Disk, DiskFullError, InboxAwayError, NotRegularError
from gonogo.line.drift_watch import watch_line
from gonogo.line.heads import check_heads, write_head
from gonogo.line.journal import Entry, Journal, shown
from gonogo.line.leaving import leaving
from gonogo.line.places import find_journal, keep_places, kept_places
from gonogo.line.recovery import Recovery
from gonogo.line.segments import open_journal
from gonogo.line.sorter import Counts, Sorter, start_row
from gonogo.line.status import Status
from gonogo.line.tables import translated

_LONGEST_PAUSE = 1.0  # seconds between two looks at the inbox, at most


class Line:
    """A sorter at work. Made by ``open_line``; ``recovered`` says what a crash had left to do.

    Parameters
    ----------
    sorter : Sorter
        Which sorts.
    clock : Clock
        Of the machine.
    tell : callable
        Gets what a person should read in the log.
    """

    def __init__(self, sorter: Sorter, clock: Clock, tell: Callable[[str], None]) -> None:
        self.sorter = sorter
        self.status = Status(sorter, clock)
        self._clock, self._tell, self._told = clock, tell, set[str]()
        settle = sorter.configuration.settle_ms / 1000
        self._pause = min(max(settle / 2, 0.01), _LONGEST_PAUSE)
        self._tested = clock.steady()
        self._month = f"{clock.today():%Y-%m}"
        self._day: datetime.date | None = None
        self._head_problem = ""
        self._was_forbidden = False

    @property
    def recovered(self) -> dict[str, int]:
        """What a crash had left to do."""
        return dict(self.status.recovered)

    def begin(self) -> None:
        """Test the model, and finish what a crash left.

        Raises
        ------
        ModelFileError
            The model computes something else than where it was made.
        """
        self.test()
        self.status.recovered = Recovery(self.sorter).run()
        self.keep_head()
        self._say({self._head_problem} - {""})

    def test(self) -> None:
        """Have the model compute the pictures in its file; raise ``ModelFileError`` where the scores are others."""
        self.status.self_test = self_test(self.sorter.decider, self.sorter.journal, self._clock)
        self._tested = self._clock.steady()

    def keep_head(self) -> None:
        """Write the journal's head where the journal is not, once a day; where that fails, it is tried again."""
        sorter, today = self.sorter, self._clock.today().date()
        if today == self._day:
            return
        try:
            if line := write_head(sorter.disk, self._clock, sorter.places, sorter.journal):
                self._tell(f"journal: {line}")
            self._day, self._head_problem = today, ""
        except (OSError, NotRegularError) as error:
            self._head_problem = f"heads.log: cannot be written: {error}"

    def once(self, is_stopped: Callable[[], bool] = lambda: False) -> list[str]:
        """Sort what lies in the inbox now, and return the names of what is still not ready when nothing more can be expected."""
        configuration, inbox = self.sorter.configuration, self.sorter.inbox
        self._prepare(is_stopped, "sorting")
        self.sorter.step()
        names = list(inbox.waiting)
        patience = max(configuration.max_wait, configuration.part_timeout) + configuration.settle_ms / 1000 + 1
        last = self._clock.steady()
        while inbox.waiting and not is_stopped() and not self.sorter.stops and self._clock.steady() - last < patience:
            self.status.tell("sorting")
            self._clock.sleep(self._pause)
            if self.sorter.step(names):
                last = self._clock.steady()
        return sorted(inbox.waiting)

    def watch(self, is_stopped: Callable[[], bool], progress: Callable[[], None] = lambda: None) -> bool:
        """Sort whatever comes until somebody says stop; the batch in hand is finished.

        An inbox that is away and a full disk are waited for and told once; nothing is taken meanwhile. Each finished look at the
        inbox and each finished batch is ``progress``.

        Returns
        -------
        bool
            Whether to open the line anew and go on: a month is over, and its journal is to be closed.

        Raises
        ------
        ModelFileError
            The model computes something else than where it was made; nothing more is taken.
        """
        self._prepare(is_stopped, "watching", progress)
        hours, full = self.sorter.configuration.self_test_hours, ""
        while not is_stopped() and not self.sorter.stops:
            problem = ""
            try:
                if self.sorter.is_full:
                    self.sorter.check_room()
                self.sorter.step()
            except DiskFullError as error:
                full = full or f"{error.filename}: {error.strerror}; nothing is taken from the inbox until then"
            except InboxAwayError as error:
                problem = f"{error.filename}: the inbox cannot be looked into; waiting for it ({error.strerror})"
            except FileNotFoundError as error:
                if self.sorter.in_hand or self.sorter.disk.status(self.sorter.places.inbox) is not None:
                    raise  # whoever opens the line again has what is in hand finished
                problem = f"{self.sorter.places.inbox}: the inbox is not there; waiting for it ({error.strerror})"
            full = full if self.sorter.is_full else ""
            problem = problem or full
            self.status.tell("waiting" if problem else "watching", problem)
            alarm = "" if self.sorter.drift is None else self.sorter.drift.problem
            over = expiry_doubt(self.sorter.decider, self._clock.today().date())
            self.keep_head()
            forbidden = self._forbidden()
            told = {problem, forbidden, alarm, over, self.sorter.csv.problem, self.status.problem, self._head_problem}
            self._say(told - {""})
            if hours and self._clock.steady() - self._tested >= hours * 3600:
                self.test()
            if f"{self._clock.today():%Y-%m}" > self._month and not self.sorter.csv.problem:
                return True
            progress()
            self._clock.sleep(self._pause)
        return False

    def _prepare(self, is_stopped: Callable[[], bool], state: str, progress: Callable[[], None] = lambda: None) -> None:
        def after_batch() -> None:
            self.status.tell(state)
            progress()

        self.sorter.is_stopped = is_stopped
        self.sorter.after_batch = after_batch

    def _forbidden(self) -> str:
        """Return what keeps files in the inbox; an ALARM row tells it when it begins."""
        problem = self.sorter.inbox.problem
        if problem and not self._was_forbidden:
            self.sorter.journal.append([Entry("ALARM", body={"reason": shown(problem)})])
        self._was_forbidden = bool(problem)
        return problem

    def _say(self, problems: set[str]) -> None:
        for problem in sorted(problems - self._told):
            self._tell(problem)
        self._told = problems


@contextmanager
def open_line(
    inbox: Path,
    out: Path,
    configuration: Configuration,
    decider: Decider,
    *,
    disk: Disk,
    clock: Clock,
    journal: Path | None = None,
    keeps: bool = False,
    settings: Mapping[str, Any] | None = None,
    user: str = "",
    facts: Mapping[str, Any] | None = None,
    acknowledged_by: str = "",
    approval: str | None = None,
    counts: Counts | None = None,
    tell: Callable[[str], None] = lambda _text: None,
) -> Iterator[Line]:
    """Take inbox and output, finish what a crash left, and yield the line.

    Parameters
    ----------
    inbox, out : pathlib.Path
        Two separate folders; the output is made where it does not exist.
    configuration : Configuration
        How it sorts.
    decider : Decider
        Decides on parts.
    disk, clock : Disk, Clock
        Of the machine.
    journal : pathlib.Path, optional
        Where the journal is kept, on a local disk; None: in the output.
    keeps : bool
        Whether pictures stay in the inbox and are copied.
    settings, user, facts : mapping, str, mapping
        For the row that tells of the start: how it sorts, who began it, and what the pages say about the model.
    acknowledged_by : str
        Who has looked into an alarm of drift, which ends with that; empty: nobody.
    approval : str, optional
        Why another model may decide than before.
    counts : Counts, optional
        Of a line that goes on.
    tell : callable
        Gets what a person should read in the log.

    Raises
    ------
    ModelFileError
        The model computes something else than where it was made.
    LockedError
        Another sorter works there.
    JournalError
        The journal is damaged or cannot be kept there.
    BlockedError
        A folder of the output cannot be written, a file lies in its place, or (``DiskFullError``) a disk is full.
    ValueError, OSError
        The folders cannot be used.
    """
    check_places(inbox, out)
    with ExitStack() as stack:
        inbox, out = inbox.absolute(), out.absolute()
        path = find_journal(out, disk, journal).absolute()
        lock_output(out, path, disk, stack)
        if not keeps:
            stack.enter_context(disk.lock(inbox))
        places = places_of(inbox, out, path, disk, keeps=keeps)
        stack.enter_context(translated(path))
        check_heads(out, path, disk)

        def is_over(file: Journal) -> bool:
            return approval is not None and is_of_another_model(file, decider.description)

        opened = stack.enter_context(open_journal(path, disk, clock, is_over))
        check_owner(out, opened, disk)
        change = change_of_model(decider.description, opened, user, approval)
        keep_places(places, disk, keeps=keeps)
        drift = watch_line(decider, configuration, opened, clock)
        sorter = Sorter(disk, clock, places, configuration, decider, opened, keeps=keeps, drift=drift)
        stack.callback(sorter.close)
        sorter.counts = counts or sorter.counts
        start = start_row(places, dict(settings or {}), dict(decider.description), user, facts or {})
        opened.append([start] if change is None else [start, change])
        if drift is not None and acknowledged_by:
            opened.append(drift.acknowledge(acknowledged_by))
        line = Line(sorter, clock, tell)
        try:
            line.status.tell("starting", at_once=True)
            sorter.transfer.check_folders([*decider.labels, REVIEW, QUARANTINE])
            with leaving(opened):
                line.begin()
                yield line
            opened.append([] if drift is None else drift.take_rows(at_end=True))
        except BlockedError as error:
            reason, waits = f"{error.filename}: {error.strerror}", bool((settings or {}).get("watch"))
            line.status.tell("waiting" if waits else "failed", reason, at_once=True)
            if waits and not isinstance(error, DiskFullError):
                opened.append([Entry("ALARM", body={"reason": shown(reason)})])
            raise
        except BaseException as error:
            line.status.tell("failed", str(error) or type(error).__name__, at_once=True)
            raise
        line.status.tell("ended", at_once=True)


def lock_output(out: Path, journal: Path, disk: Disk, stack: ExitStack) -> None:
    """Hold an output, and its journal where that lies elsewhere, until the stack ends."""
    disk.make_folder(out / ".gonogo")
    stack.enter_context(disk.lock(out / ".gonogo" / "lock"))
    if not journal.is_relative_to(out):
        disk.make_folder(journal.parent)
        # Not the file itself: SQLite's own locks end when it is closed by anybody in the process.
        stack.enter_context(disk.lock(journal.with_name(f"{journal.name}.lock")))


def check_owner(out: Path, journal: Journal, disk: Disk) -> None:
    """Raise ``ValueError`` where a journal is that of another output, which is still there: each line has one of its own."""
    start = journal.last("START", of_all=True)
    other = out if start is None else Path(start.body["out"])
    if other == out or journal.path.is_relative_to(out):
        return
    there = disk.status(other / ".gonogo")
    if there is None or there.is_same_file(disk.status(out / ".gonogo")):  # it was moved, or has two names
        return
    kept = kept_places(other, disk)
    if kept is not None and kept.journal == journal.path:
        raise ValueError(f"--journal: {journal.path} is the journal of {other}; name another file for {out}")
