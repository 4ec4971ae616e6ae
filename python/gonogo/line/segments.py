"""Where journals are kept: the file in use and, by month and model, the closed ones before it, each linked to the next."""

from __future__ import annotations

import errno
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from gonogo.errors import JournalError
from gonogo.line.clock import Clock
from gonogo.line.disk import NETWORK_FILE_SYSTEMS, Disk, Status
from gonogo.line.journal import Entry, Journal
from gonogo.line.tables import NO_CHAIN, check_schema, create_schema, mend_hours, translated

_LOGGED_MAX = 1000  # rows in the log, about as many pages
_PATIENCE_MS = 500
_TAILS = ("", "-wal", "-shm")  # of the names of SQLite's files
_ROWS_OF_A_COMMIT = 10  # a commit takes as much room as so many rows
_FILES_OF_A_MONTH = 99  # two digits, so that names sort as the files followed each other


class _Writer(Journal):
    """The file in use.

    SQLite brings its log into the file now and then, and when the last connection that writes is closed, and keeps to itself if
    the disk failed then. Here it is done by statements of their own, which raise; closing does nothing more as long as a second
    connection, the ``guard``, has the file open for reading.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        clock: Clock,
        older: Sequence[sqlite3.Connection],
        guard: sqlite3.Connection,
    ) -> None:
        super().__init__(connection, path, clock, older)
        self._guard = guard
        self._logged = 0

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """As ``Journal`` says."""
        numbers = super().append(entries)
        self._logged += len(entries) + _ROWS_OF_A_COMMIT
        if self._logged >= _LOGGED_MAX:
            _empty_log(self._connection, "PASSIVE")
            self._logged = 0
        return numbers

    def close(self) -> None:
        """As ``Journal`` says."""
        try:
            _empty_log(self._connection, "TRUNCATE")
        finally:
            self._close()

    def _close(self) -> None:
        super().close()
        self._guard.close()

    def __exit__(self, *raised: object) -> None:
        # After an error nothing more is asked of the disk: what reached the log is found there by the next start.
        if raised[0] is None:
            self.close()
        else:
            self._close()


def open_journal(
    path: Path, disk: Disk, clock: Clock, is_over: Callable[[Journal], bool] = lambda _file: False
) -> Journal:
    """Open a journal for writing, made where it does not exist; a month that is over gets a file of its own.

    ``is_over`` gets the file in use, without those before it, and says whether another one shall begin for another reason.

    Raises
    ------
    JournalError
        The file is damaged, of another version, or would lie on a network file system.
    OSError
        It cannot be made.
    """
    disk.make_folder(path.parent)
    check_local(path, disk)
    found = _file_status(path, disk)
    if found is not None and found.size == 0 and disk.status(_unfinished(path)) is not None:
        disk.remove(path)  # the name was taken, and the new file not yet moved
    elif found is not None:
        _close_file(path, disk, clock, is_over)
    previous = closed_segments(path, disk)
    if disk.status(path) is None:
        _begin(path, previous, disk, clock)
    with translated(path):
        connection, guard = _connect_writing(path), _connect_reading(path)
        for opened in (guard, connection):  # the guard guards as soon as it has read
            check_schema(opened, path)
        disk.sync_folder(path.parent)  # SQLite does so for its log, and does not look whether that failed
        return _Writer(connection, path, clock, [_connect_reading(older) for older in previous], guard)


def check_local(path: Path, disk: Disk) -> None:
    """Raise ``JournalError`` where a journal would lie on a network file system."""
    if (kind := disk.file_system(path.parent)) in NETWORK_FILE_SYSTEMS:
        raise JournalError(
            path, f"found a network file system ({kind}), expected a local disk; name one with --journal"
        )


def _file_status(path: Path, disk: Disk) -> Status | None:
    found = disk.status(path)
    if found is not None and found.kind == "folder":
        expected = f"found a folder, expected the file of a journal, such as {path / 'journal.db'}"
        raise IsADirectoryError(errno.EISDIR, expected, str(path))
    return found


def _unfinished(path: Path) -> Path:
    """Where a new file is made."""
    return path.with_name(f"{path.stem}.new{path.suffix}")


def rebuild(path: Path, disk: Disk, clock: Clock, fill: Callable[[Journal], None], *, after: int) -> None:
    """Make a journal anew, with rows above ``after`` that ``fill`` appends; it gets its name when these are on the disk."""
    disk.make_folder(path.parent)
    _begin(path, closed_segments(path, disk), disk, clock, fill, after=after)


def _begin(
    path: Path,
    previous: list[Path],
    disk: Disk,
    clock: Clock,
    fill: Callable[[Journal], None] = lambda _: None,
    *,
    after: int = 0,
) -> None:
    """Make a new file, whole before it gets its name: one that is not whole is always a damaged one."""
    unfinished = _unfinished(path)
    for tail in ("", "-journal", "-wal", "-shm"):
        disk.remove(Path(f"{unfinished}{tail}"))
    with translated(path), closing(_connect_writing(unfinished)) as connection:
        create_schema(connection)
        older = [_connect_reading(closed) for closed in previous]
        journal = Journal(connection, unfinished, clock, older, after=after)
        start_segment(journal, previous[-1].name if previous else None)
        fill(journal)
        _empty_log(connection, "TRUNCATE")
        journal.close()
    disk.move(unfinished, path)
    disk.sync_folder(path.parent)


def _connect_writing(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":  # how SQLite says that it failed
        raise sqlite3.OperationalError(f"found the journal mode {mode!r}, expected 'wal'")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def _empty_log(connection: sqlite3.Connection, how: str) -> bool:
    """Bring the log into the file; return False where others, who read, kept some of it there.

    Only TRUNCATE waits for them, and only so long that a sorter's end, or a month's, is not held up by somebody's long query.
    """
    if how == "TRUNCATE":
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
    busy, *_ = connection.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
    return not busy


def start_segment(journal: Journal, previous: str | None = None) -> None:
    """Write the first row of a file."""
    body = {"previous": previous, "head": journal.head, "mark": secrets.token_hex(3)}
    journal.append([Entry("SEGMENT", body=body)])


def read_journal(path: Path, disk: Disk, *, check_rows: bool = True) -> Journal:
    """Open a journal for reading, ``check_rows``: after a look at the last thousand rows.

    Raises
    ------
    JournalError
        It is damaged or of another version.
    FileNotFoundError
        There is none.
    """
    if _file_status(path, disk) is None:
        raise FileNotFoundError(f"{path}: no journal; expected a folder that gonogo sort has filled")
    with translated(path):
        connection = _connect_reading(path)
        check_schema(connection, path, rows=check_rows)
        return Journal(connection, path, Clock(), [_connect_reading(older) for older in closed_segments(path, disk)])


def mend_counts(path: Path, disk: Disk) -> list[str]:
    """Count the hours anew in files where they do not follow from the rows, and return their names. Nobody else may write."""
    mended = []
    for file in (*closed_segments(path, disk), path):
        with translated(file), closing(_connect_writing(file)) as connection:
            mended += [file.name] * mend_hours(connection)
            _empty_log(connection, "TRUNCATE")
    return mended


def set_aside(path: Path, disk: Disk, clock: Clock) -> Path:
    """Give a damaged journal, or what is left of one, another name, with what SQLite keeps beside it; return that name."""
    start, number = f"{aside_start(path)}{clock.today():%Y%m%d-%H%M%S}", 1
    aside = path.with_name(f"{start}{path.suffix}")
    while any(disk.status(Path(f"{aside}{tail}")) is not None for tail in _TAILS):
        number += 1
        aside = path.with_name(f"{start}-{number}{path.suffix}")
    for tail in _TAILS:
        if disk.status(Path(f"{path}{tail}")) is not None:
            disk.move(Path(f"{path}{tail}"), Path(f"{aside}{tail}"))
    disk.sync_folder(path.parent)
    return aside


def aside_start(path: Path) -> str:
    """Return how the names of damaged journals begin that were set aside."""
    return f"{path.stem}.damaged-"


def closed_segments(path: Path, disk: Disk) -> list[Path]:
    """Return the closed files before a journal, oldest first: their names hold month and, from the second on, number.

    An empty one, or another name of the journal itself, is what a crash left of a move without a rename that replaces nothing.
    """
    found = dict(disk.scan(path.parent))
    return [
        path.with_name(name)
        for name, status in sorted(found.items())
        if _closed_as(path, name) is not None
        if status.size and not status.is_same_file(found.get(path.name))
    ]


def _closed_as(path: Path, name: str) -> tuple[str, int] | None:
    """Month and number in the name of a closed file; None where it is none of this journal."""
    said = re.fullmatch(rf"{re.escape(path.stem)}-(\d{{4}}-\d\d)(?:_(\d\d))?{re.escape(path.suffix)}", name)
    return None if said is None else (said[1], int(said[2] or 1))


def _close_file(path: Path, disk: Disk, clock: Clock, is_over: Callable[[Journal], bool]) -> None:
    """Rename the file after the month of its first row, once that is over, or ``is_over``, and nothing in it is unfinished."""
    with translated(path):
        with closing(_connect_reading(path)) as connection:
            check_schema(connection, path)
            journal = Journal(connection, path, clock)
            first = next(journal.rows(), None)
            if first is None or journal.open_batches():
                return
            month = first.time[:7]
            if month >= f"{clock.today():%Y-%m}" and not is_over(journal):
                return
        with closing(_connect_writing(path)) as connection:
            if not _empty_log(connection, "TRUNCATE"):  # somebody reads in it: the file grows on
                return
    closed = _next_name(path, month, disk)
    if closed is not None:
        disk.remove(closed)  # what a crash left that came before the end of the move
        disk.move(path, closed)
        disk.sync_folder(path.parent)


def _next_name(path: Path, month: str, disk: Disk) -> Path | None:
    """Return a name that sorts after all closed files, also where the clock stepped back; None where a month has no more."""
    closed = [said for file in closed_segments(path, disk) if (said := _closed_as(path, file.name)) is not None]
    last, number = max([*closed, (month, 0)])
    if number == _FILES_OF_A_MONTH:
        return None
    return path.with_name(f"{path.stem}-{last}{f'_{number + 1:02d}' if number else ''}{path.suffix}")


def _connect_reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


def journal_faults(path: Path, disk: Disk) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong with the files of a journal, oldest first: each with itself, and how it follows the one before.

    Raises
    ------
    JournalError
        A file cannot be opened; ``path`` of the error is which.
    """
    before = NO_CHAIN.hex()
    for file in (*closed_segments(path, disk), *([path] if disk.status(path) is not None else [])):
        with read_journal(file, disk, check_rows=False) as opened:
            found = opened.damage()
            if not found and next(opened.rows("SEGMENT")).body["head"] != before:
                found = ["is not linked to the file before it"]
            yield from ((file, text) for text in found)
            before = opened.head
