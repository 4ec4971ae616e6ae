"""A line from its start to its end: locks, recovery, then batch after batch until all is sorted or somebody says stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gonogo.line.claim import places_of
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration, Places, check_places, journal_of
from gonogo.line.decider import Decider
from gonogo.line.disk import Disk
from gonogo.line.drift_watch import watch_line
from gonogo.line.recovery import Recovery
from gonogo.line.segments import open_journal, translated
from gonogo.line.sorter import DiskFullError, Sorter, start_row

_LONGEST_PAUSE = 1.0  # seconds between two looks at the inbox, at most


class Line:
    """A sorter at work. Made by ``open_line``; ``recovered`` says what a crash had left to do."""

    def __init__(self, sorter: Sorter, recovered: Mapping[str, int], clock: Clock) -> None:
        self.sorter = sorter
        self.recovered = dict(recovered)
        self._clock = clock
        settle = sorter.configuration.settle_ms / 1000
        self._pause = min(max(settle / 2, 0.01), _LONGEST_PAUSE)

    def once(self, is_stopped: Callable[[], bool] = lambda: False) -> list[str]:
        """Sort what lies in the inbox now, and return the names of what is still not ready when nothing more can be expected."""
        configuration, inbox = self.sorter.configuration, self.sorter.inbox
        self.sorter.step()
        names = list(inbox.waiting)
        patience = max(configuration.max_wait, configuration.part_timeout) + configuration.settle_ms / 1000 + 1
        last = self._clock.steady()
        while inbox.waiting and not is_stopped() and not self.sorter.stops and self._clock.steady() - last < patience:
            self._clock.sleep(self._pause)
            if self.sorter.step(names):
                last = self._clock.steady()
        return sorted(inbox.waiting)

    def watch(self, is_stopped: Callable[[], bool], tell: Callable[[str], None]) -> None:
        """Sort whatever comes until somebody says stop; the batch in hand is finished.

        A missing inbox and a full disk are waited for and told once; nothing is taken meanwhile.
        """
        told = ""
        while not is_stopped() and not self.sorter.stops:
            problem = ""
            try:
                self.sorter.step()
            except DiskFullError as error:
                problem = f"{error.filename}: {error.strerror}; nothing is taken from the inbox until then"
            except FileNotFoundError as error:
                if self.sorter.disk.status(self.sorter.places.inbox) is not None:
                    raise
                problem = f"{self.sorter.places.inbox}: the inbox is not there; waiting for it ({error.strerror})"
            problem = problem or self.sorter.csv.problem
            if problem and problem != told:
                tell(problem)
            told = problem
            self._clock.sleep(self._pause)


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

    Raises
    ------
    LockedError
        Another sorter works there.
    JournalError
        The journal is damaged or cannot be kept there.
    ValueError, OSError
        The folders cannot be used.
    """
    check_places(inbox, out)
    with ExitStack() as stack:
        inbox, out = inbox.absolute(), out.absolute()
        path = (journal or journal_of(out)).absolute()
        lock_output(out, disk, stack)
        if not keeps:
            stack.enter_context(disk.lock(inbox))
        places = places_of(inbox, out, path, disk)
        stack.enter_context(translated(path))
        opened = stack.enter_context(open_journal(path, disk, clock))
        drift = watch_line(decider, configuration, opened, clock)
        sorter = Sorter(disk, clock, places, configuration, decider, opened, keeps=keeps, drift=drift)
        opened.append([start_row(places, dict(settings or {}), dict(decider.description), user, facts or {})])
        if drift is not None and acknowledged_by:
            opened.append(drift.acknowledge(acknowledged_by))
        yield Line(sorter, Recovery(sorter).run(), clock)
        opened.append([] if drift is None else drift.take_rows(at_end=True))


def lock_output(out: Path, disk: Disk, stack: ExitStack) -> None:
    """Hold an output until the stack ends."""
    disk.make_folder(out / ".gonogo")
    stack.enter_context(disk.lock(out / ".gonogo" / "lock"))


def last_places(out: Path, journal: Path, start: Mapping[str, Any] | None) -> Places:
    """Return where the line worked that wrote a START row; without one the output is all that is known."""
    if start is None:
        return Places(out / "work", out, out / "work", journal)
    return Places(Path(start["inbox"]), out, Path(start["work"]), journal)
