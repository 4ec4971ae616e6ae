"""Where journals are kept: the file in use and, by month, the closed ones before it, each linked to the next by its head."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from gonogo.errors import JournalError
from gonogo.line.clock import Clock
from gonogo.line.disk import NETWORK_FILE_SYSTEMS, Disk
from gonogo.line.journal import Entry, Journal
from gonogo.line.tables import NO_CHAIN, check_schema, create_schema, head, mend_hours


def open_journal(path: Path, disk: Disk, clock: Clock) -> Journal:
    """Open a journal for writing, made where it does not exist; a month that is over gets a file of its own.

    Raises
    ------
    JournalError
        The file is damaged, of another version, or would lie on a network file system.
    OSError
        It cannot be made.
    """
    disk.make_folder(path.parent)
    if (kind := disk.file_system(path.parent)) in NETWORK_FILE_SYSTEMS:
        raise JournalError(
            path, f"found a network file system ({kind}), expected a local disk; name one with --journal"
        )
    if disk.status(path) is not None:
        _close_month(path, disk, clock)
    previous = closed_segments(path, disk)
    if disk.status(path) is None:
        _begin(path, previous, disk, clock)
    with _translated(path):
        connection = _connect_writing(path)
        check_schema(connection, path)
        return Journal(connection, path, clock, [_connect_reading(older) for older in previous])


def _begin(path: Path, previous: list[Path], disk: Disk, clock: Clock) -> None:
    """Make a new file, whole before it gets its name: one that is not whole is always a damaged one."""
    unfinished = path.with_name(f"{path.stem}.new{path.suffix}")
    for tail in ("", "-journal"):
        disk.remove(Path(f"{unfinished}{tail}"))
    with _translated(path), closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        create_schema(connection)
        journal = Journal(connection, unfinished, clock, [_connect_reading(older) for older in previous])
        start_segment(journal, previous[-1].name if previous else None)
        journal.close()
    disk.move(unfinished, path)
    disk.sync_folder(path.parent)


def _connect_writing(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def start_segment(journal: Journal, previous: str | None = None) -> None:
    """Write the first row of a file."""
    body = {"previous": previous, "head": journal.head, "mark": secrets.token_hex(3)}
    journal.append([Entry("SEGMENT", body=body)])


def read_journal(path: Path, disk: Disk) -> Journal:
    """Open a journal for reading.

    Raises
    ------
    JournalError
        It is damaged or of another version.
    FileNotFoundError
        There is none.
    """
    if disk.status(path) is None:
        raise FileNotFoundError(f"{path}: no journal; expected a folder that gonogo sort has filled")
    with _translated(path):
        connection = _connect_reading(path)
        check_schema(connection, path)
        return Journal(connection, path, Clock(), [_connect_reading(older) for older in closed_segments(path, disk)])


def mend_counts(path: Path, disk: Disk) -> list[str]:
    """Count the hours anew in files where they do not follow from the rows, and return their names. Nobody else may write."""
    mended = []
    for file in (*closed_segments(path, disk), path):
        with _translated(file):
            connection = sqlite3.connect(file, isolation_level=None)
            try:
                mended += [file.name] * mend_hours(connection)
            finally:
                connection.close()
    return mended


def set_aside(path: Path, disk: Disk, clock: Clock) -> Path:
    """Give a damaged journal another name, with what SQLite keeps beside it, and return that name."""
    aside = path.with_name(f"{path.stem}.damaged-{clock.today():%Y%m%d-%H%M%S}{path.suffix}")
    for tail in ("", "-wal", "-shm"):
        if disk.status(Path(f"{path}{tail}")) is not None:
            disk.move(Path(f"{path}{tail}"), Path(f"{aside}{tail}"))
    disk.sync_folder(path.parent)
    return aside


def closed_segments(path: Path, disk: Disk) -> list[Path]:
    """Return the closed files before a journal, oldest first: their names hold the month."""
    start = f"{path.stem}-"
    names = [name for name, _ in disk.scan(path.parent) if name.startswith(start) and name.endswith(path.suffix)]
    return [path.with_name(name) for name in sorted(names)]


def _close_month(path: Path, disk: Disk, clock: Clock) -> None:
    """Rename the file after the month of its first row, once that is over and nothing in it is unfinished."""
    with _translated(path):
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            check_schema(connection, path)
            journal = Journal(connection, path, clock)
            first = next(journal.rows(), None)
            month = "" if first is None else first.time[:7]
            if first is None or month >= f"{clock.today():%Y-%m}" or journal.open_batches():
                return
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
    with suppress(FileExistsError):  # a clock that stepped back: the file grows on
        disk.move(path, path.with_name(f"{path.stem}-{month}{path.suffix}"))
        disk.sync_folder(path.parent)


def _connect_reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn errors of SQLite into ``JournalError``."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(path, f"{error}; run gonogo recover OUT") from error


def segment_faults(path: Path, disk: Disk) -> list[str]:
    """Return where a closed file is not the one that the next was linked to."""
    faults, expected = [], NO_CHAIN.hex()
    for file in (*closed_segments(path, disk), path):
        connection = _connect_reading(file)
        try:
            first = next(Journal(connection, file, Clock()).rows("SEGMENT"), None)
            if first is None or first.body["head"] != expected:
                faults.append(f"{file.name}: is not linked to the file before it")
            expected = head(connection)[1].hex()
        finally:
            connection.close()
    return faults
