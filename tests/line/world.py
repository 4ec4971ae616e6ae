"""A line without a net: pictures are short texts that say what they are, and time passes when the sorter waits."""

from __future__ import annotations

import datetime
import random
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.decision import Decision
from gonogo.line.claim import places_of
from gonogo.line.configuration import Configuration
from gonogo.line.decider import Fault
from gonogo.line.drift_watch import watch_line
from gonogo.line.journal import TERMINAL, Entry, Journal
from gonogo.line.recovery import Recovery
from gonogo.line.segments import start_segment
from gonogo.line.sorter import Sorter
from gonogo.line.tables import create_schema
from line.simulated_disk import PowerLossError, SimulatedDisk

INBOX, OUT = Path("/inbox"), Path("/out")
JOURNAL = OUT / ".gonogo" / "journal.db"


@dataclass
class HandClock:
    """Time passes only when somebody sleeps."""

    seconds: float = 0.0

    def today(self) -> datetime.datetime:
        start = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
        return start + datetime.timedelta(seconds=self.seconds)

    def steady(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class TextDecider:
    """``ok 12`` is PASS, ``bad 3`` is bad, ``progressive 1`` unproven, ``half 1`` incomplete; ``poison`` ends the program."""

    labels: Sequence[str] = ("ok", "bad")
    description: dict[str, Any] = field(
        default_factory=lambda: {"model": "m", "certificate": "c", "version": "v", "fingerprint": "f"}
    )
    valid_until: str | None = None

    def check(self, data: bytes) -> Fault | None:
        word = data.split()[0] if data.split() else b""
        if word == b"progressive":
            return Fault("unproven", "a progressive picture")
        return (
            None
            if word in (b"ok", b"bad", b"poison", b"undecodable")
            else Fault("truncated", "the picture ends too early")
        )

    def self_test(self) -> float:
        return 0.0

    def decode(self, files: Sequence[bytes]) -> list[Any]:
        for data in files:
            if data.startswith(b"poison"):
                raise PowerLossError("a picture that ends the program")
        return [Fault("adler", "wrong pixels") if data.startswith(b"undecodable") else data for data in files]

    def decide(self, parts: Sequence[Sequence[Any]]) -> list[Decision]:
        return [
            Decision("ok", True, 5.0, "", "c")
            if all(view.split()[0] in (b"ok", b"progressive") for view in views)
            else Decision("bad", False, -5.0, "", "c")
            for views in parts
        ]


class SimulatedJournal(Journal):
    """Commits are steps too. What ``append`` returned from survives; what it was interrupted in is rolled back."""

    disk: SimulatedDisk

    def append(self, entries: Sequence[Entry]) -> list[int]:
        self.disk.step()
        numbers = super().append(entries)
        self.disk.step()
        return numbers


class World:
    """A disk, a journal and pictures; ``run`` is one life of the sorter, to its end or to the loss of power."""

    def __init__(self, mounts: dict[Path, int] | None = None, **settings: Any) -> None:
        self.disk = SimulatedDisk(mounts)
        self.disk.make_folder(INBOX)
        self.disk.make_folder(OUT)
        self.database = sqlite3.connect(":memory:", isolation_level=None)
        create_schema(self.database)
        self.configuration = Configuration(**{"settle_ms": 100, "max_wait": 1.0, "part_timeout": 1.5, **settings})
        self.brought: Counter[bytes] = Counter()
        self.foreign: dict[Path, bytes] = {}
        self.keeps = False
        self.decider = TextDecider()

    def bring(self, name: str, data: bytes) -> None:
        """A camera brings a picture, whole."""
        self.disk.put(INBOX / name, data)
        self.brought[data] += 1
        self.disk.sync_all()

    def leave(self, path: Path, data: bytes) -> None:
        """The plant keeps a file of its own in the output."""
        self.disk.put(path, data)
        self.foreign[path] = data
        self.disk.sync_all()

    def run(self, lose_power_at: int | None = None, seconds: float = 3.0) -> tuple[Sorter, dict[str, int]] | None:
        """Start, recover, sort for some seconds and end; None where the power was lost."""
        self.disk.steps, self.disk.lose_power_at = 0, lose_power_at
        clock = HandClock()
        try:
            places = places_of(INBOX, OUT, JOURNAL, self.disk, keeps=self.keeps)
            journal = SimulatedJournal(self.database, JOURNAL, clock)
            journal.disk = self.disk
            if journal.last("SEGMENT") is None:
                start_segment(journal)
            drift = watch_line(self.decider, self.configuration, journal, clock)
            what = (self.disk, clock, places, self.configuration, self.decider, journal)
            sorter = Sorter(*what, keeps=self.keeps, drift=drift)
            recovered = Recovery(sorter).run()
            while clock.seconds < seconds:
                sorter.step()
                clock.sleep(0.25)
        except PowerLossError:
            return None
        return sorter, recovered

    def after_power_loss(self, keep: str, seed: int) -> None:
        """Bring back the power."""
        if self.database.in_transaction:
            self.database.execute("ROLLBACK")
        self.disk.lose_power(keep, random.Random(seed))

    def copy(self) -> World:
        """A second world in the same state."""
        other = World.__new__(World)
        other.disk, other.database = self.disk.copy_of_all(), sqlite3.connect(":memory:", isolation_level=None)
        other.database.deserialize(self.database.serialize())
        other.configuration, other.brought, other.foreign = self.configuration, self.brought, self.foreign
        other.keeps, other.decider = self.keeps, self.decider
        return other

    def violations(self) -> list[str]:
        """What the promises forbid, once nothing is left to do."""
        problems = []
        files = {**self.disk.files(INBOX), **self.disk.files(OUT)}
        problems += [f"{path} was overwritten" for path, data in self.foreign.items() if files.get(path) != data]
        ours = {
            path: data for path, data in files.items() if path not in self.foreign and path != OUT / "decisions.csv"
        }
        found = Counter(ours.values())
        times = 2 if self.keeps else 1
        problems += [f"{data!r} lost" for data, n in self.brought.items() if found[data] < n * times]
        problems += [f"{data!r} doubled" for data, n in self.brought.items() if found[data] > n * times]
        problems += [f"{path} is none of the pictures" for path, data in ours.items() if data not in self.brought]
        problems += [f"{path} was left" for path in ours if path.is_relative_to(OUT / "work")]
        problems += [f"{path} was left" for path in ours if path.is_relative_to(INBOX) and not self.keeps]
        journal = Journal(self.database, JOURNAL, HandClock())
        problems += journal.damage() + [f"{name} has two ends" for name in journal.with_two_ends()]
        problems += [f"batch {row.sequence} has no end" for row in journal.open_batches()]
        ends = {row.id: row for row in journal.rows(*TERMINAL)}
        problems += [f"{row.id} has no end" for row in journal.rows("INTENT") if row.id not in ends]
        problems += [f"{row.id} is told to be lost" for row in ends.values() if row.kind == "LOST"]
        decided = list(journal.decisions())
        problems += [f"{row['place']} is not there" for row in decided if OUT / row["place"] not in files]
        problems += [f"{len(decided)} decisions about {self.brought.total()} pictures"] * (
            len(decided) != self.brought.total()
        )
        passed = [row for row in decided if row["decision"] == "ok"]
        problems += [
            f"{row['place']} passed" for row in passed if not files.get(OUT / row["place"], b"ok").startswith(b"ok")
        ]
        lines = self.disk.files(OUT)[OUT / "decisions.csv"].decode().split("\r\n")
        numbers = [line.split(",")[0] for line in lines[1:-1]]
        problems += ["the table is torn"] * (numbers != [str(row["sequence"]) for row in decided] or lines[-1] != "")
        return problems
