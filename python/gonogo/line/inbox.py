"""What lies in the inbox, and what of it has come to rest: a picture is taken only when nobody writes it any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration
from gonogo.line.disk import AWAY, Disk, InboxAwayError, NotRegularError, Status
from gonogo.line.journal import shown
from gonogo.line.naming import is_ignored, part_of

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0  # seconds until a forbidden file is tried again
REMEDIES = {
    "read": "let gonogo's account read them",
    "taken": "let gonogo's account write into this folder, and give it the files where the folder is a sticky one",
}


@dataclass
class Waiting:
    """A file that was seen.

    Attributes
    ----------
    name : str
        In the inbox.
    status : Status
        At the last look.
    since : float
        Steady time since which it is as it is.
    scans : int
        Looks since then.
    incomplete : str
        Why it was no complete picture when it was read; read again only after a change, or when it is overdue.
    forbidden : {"", "read", "taken"}
        What the system did not allow when it was tried.
    refusals : int
        How often that was so.
    tried : float
        Steady time at which it was so last.
    """

    name: str
    status: Status
    since: float
    scans: int = 1
    incomplete: str = ""
    forbidden: Literal["", "read", "taken"] = ""
    refusals: int = 0
    tried: float = 0.0


@dataclass(frozen=True)
class Part:
    """Files that are decided on together.

    Attributes
    ----------
    name : str
        Of the part.
    files : tuple of Waiting
        Its pictures, in the order of their views.
    doubt : str
        Why it cannot pass, whatever its pictures show; empty where nothing speaks against it.
    """

    name: str
    files: tuple[Waiting, ...]
    doubt: str = ""

    @property
    def tried(self) -> float | None:
        """Steady time at which one of its pictures was forbidden last; None where none is."""
        return max((file.tried for file in self.files if file.forbidden), default=None)


@dataclass
class Inbox:
    """The folder that pictures come into.

    Parameters
    ----------
    disk, clock : Disk, Clock
        Of the machine.
    folder : pathlib.Path
        The inbox.
    configuration : Configuration
        Of the line.
    is_known : callable, optional
        Says of a file whether it is done already, where files stay in the inbox.
    """

    disk: Disk
    clock: Clock
    folder: Path
    configuration: Configuration
    is_known: Callable[[str, Status], bool] = lambda _name, _status: False
    waiting: dict[str, Waiting] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    _parts: dict[str, float] = field(default_factory=dict)
    _pause: float = 0.0
    _retry: float = 0.0  # steady time at which one of the forbidden files is tried again

    def look(self, only: Iterable[str] | None = None) -> list[Part]:
        """Scan the folder and return the parts that are ready, oldest first.

        Parameters
        ----------
        only : iterable of str, optional
            Names; others are not looked at, unless they complete a part that has too few of these.

        Raises
        ------
        InboxAwayError, FileNotFoundError
            The folder cannot be looked into, or is not there.
        """
        now, chosen = self.clock.steady(), None if only is None else set(only)
        begun = Counter[str | None](filter(None, map(self._part_of, chosen or ())))
        seen, wanted = dict[str, Waiting](), self.configuration.views
        self.refused = set()
        for name, status in self._scan():
            if is_ignored(name):
                continue
            if status.kind != "file":
                self.refused.add(name)
                continue
            if chosen is not None and name not in chosen and not 0 < begun[self._part_of(name)] < wanted:
                continue
            before = self.waiting.get(name)
            if before is not None and before.status.identity == status.identity:
                before.scans += 1
                seen[name] = before
            elif not self.is_known(name, status):
                seen[name] = Waiting(name, status, now)
        self.waiting = seen
        ready = self._ready_parts(now)
        forbidden = [part for part in ready if part.tried is not None]
        ready = [part for part in ready if part.tried is None]
        return ready + (sorted(forbidden, key=_by_try)[:1] if now >= self._retry else [])

    def _scan(self) -> list[tuple[str, Status]]:
        try:
            return self.disk.scan(self.folder)
        except OSError as error:
            if error.errno not in AWAY:
                raise
            raise InboxAwayError(error.errno, error.strerror, str(self.folder)) from error

    def _part_of(self, name: str) -> str | None:
        """The part that a name tells; None where it tells none, or every picture is one."""
        said = None if self.configuration.pattern is None else part_of(name, self.configuration.pattern)
        return None if said is None else said[0]

    def put_back(self, name: str, incomplete: str = "") -> None:
        """Let a file wait on: as no complete picture until it changes or is overdue, or as one that is in use."""
        if (file := self.waiting.get(name)) is not None:
            file.incomplete, file.forbidden = incomplete, ""
            if not incomplete:
                file.since, file.scans = self.clock.steady(), 1

    def forbid(self, name: str, what: Literal["read", "taken"]) -> None:
        """Let a file wait that the system keeps from this process. One of all such files is tried again after growing pauses."""
        if (file := self.waiting.get(name)) is None:
            return
        file.forbidden, file.refusals, file.tried = what, file.refusals + 1, self.clock.steady()
        if file.tried >= self._retry:
            self._pause = min(max(_FIRST_PAUSE, 2 * self._pause), _LONGEST_PAUSE)
            self._retry = file.tried + self._pause

    def finish(self, name: str) -> None:
        """Forget a file that is done; where it was forbidden before, the others may be allowed, too."""
        file = self.waiting.pop(name, None)
        if file is not None and file.refusals:
            self._pause = self._retry = 0.0
            for other in self.waiting.values():
                other.forbidden, other.refusals = "", 0

    @property
    def problem(self) -> str:
        """What a person should do about forbidden files; empty where there are none, or for a moment only."""
        files = [file for file in self.waiting.values() if file.forbidden]
        if not any(file.refusals >= 2 for file in files):
            return ""
        what, name = files[0].forbidden, shown(files[0].name)
        return (
            f"{self.folder}: files in the inbox cannot be {what} (permission denied), such as {name}; {REMEDIES[what]}"
        )

    def may_read(self, name: str) -> bool:
        """Return whether the rights of a file let this process read it."""
        try:
            self.disk.is_open_for_writing(self.folder / name)
        except (OSError, NotRegularError) as error:
            return not isinstance(error, PermissionError)
        return True

    def oldest(self) -> float | None:
        """Return for how many seconds the longest-waiting file has been as it is; None where nothing waits."""
        now = self.clock.steady()
        return max((now - file.since for file in self.waiting.values()), default=None)

    def _ready_parts(self, now: float) -> list[Part]:
        settled: dict[str, list[tuple[str, Waiting]]] = {}
        strangers: list[Part] = []
        for file in self.waiting.values():
            if not self._is_settled(file, now):
                continue
            said = part_of(file.name, self.configuration.pattern)
            if said is None:
                doubt = "the name of the file does not match part_pattern, so its part is unknown"
                if not file.incomplete or self._is_overdue(file, now):
                    strangers.append(Part(file.name, (file,), doubt))
            else:
                settled.setdefault(said[0], []).append((said[1], file))
        self._parts = {name: self._parts.get(name, now) for name in settled}
        whole = [self._part(name, sorted(views, key=_by_view), now) for name, views in settled.items()]
        return sorted((part for part in [*whole, *strangers] if part is not None), key=_by_age)

    def _part(self, name: str, views: list[tuple[str, Waiting]], now: float) -> Part | None:
        files = tuple(file for _, file in views)
        wanted = self.configuration.views
        late = now - self._parts[name] >= self.configuration.part_timeout
        incomplete = [file for file in files if file.incomplete]
        if incomplete and not all(self._is_overdue(file, now) for file in incomplete):
            return None
        if len(files) < wanted and not late:
            return None
        return Part(name, files, doubt_about_views([view for view, _ in views], wanted))

    def _is_settled(self, file: Waiting, now: float) -> bool:
        return file.scans >= 2 and now - file.since >= self.configuration.settle_ms / 1000

    def _is_overdue(self, file: Waiting, now: float) -> bool:
        return now - file.since >= self.configuration.max_wait


def _by_try(part: Part) -> float:
    return part.tried or 0.0


def doubt_about_views(views: list[str], wanted: int) -> str:
    """Return why a part with these views cannot pass; empty where it can."""
    if len(views) != wanted:
        return f"found {len(views)} picture{'s' * (len(views) != 1)} of the part, expected {wanted}"
    if len(set(views)) != len(views):
        return "found two pictures of the same view of the part"
    return ""


def _by_view(view: tuple[str, Waiting]) -> tuple[str, str]:
    return view[0], view[1].name


def _by_age(part: Part) -> tuple[int, str]:
    return min(file.status.modified for file in part.files), part.files[0].name
