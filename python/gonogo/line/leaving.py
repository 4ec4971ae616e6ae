"""The end of a sorter that is no crash: what it had in hand is not to blame, and counts as if nobody had tried it yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gonogo.errors import JournalError
from gonogo.line.disk import SyncError
from gonogo.line.journal import Entry, Journal, shown
from gonogo.line.tables import translated

# Disks, folders, the journal, and Ctrl-C. All others, as of memory that is used up, may be for what a picture holds.
_NOBODYS_FAULT = (OSError, SyncError, JournalError, KeyboardInterrupt)


@contextmanager
def leaving(journal: Journal) -> Iterator[None]:
    """Write a row LEFT for each batch that was begun inside and is open when disks or people end the work.

    Parameters
    ----------
    journal : Journal
        Open for writing.
    """
    before = journal.sequence
    try:
        with translated(journal.path):
            yield
    except _NOBODYS_FAULT as error:
        reason = {"reason": shown(str(error) or type(error).__name__)}
        with suppress(Exception):  # as of a full disk: the error itself has to be told
            journal.append([Entry("LEFT", batch=number, body=reason) for number in _open(journal, before)])
        raise


def left_batches(journal: Journal, since: int) -> set[int | None]:
    """Return the numbers of batches, from the row ``since`` on, that were left in order."""
    return {row.batch for row in journal.rows("LEFT", after=since)}


def _open(journal: Journal, before: int) -> list[int]:
    return [row.sequence for row in journal.open_batches() if row.sequence > before]
