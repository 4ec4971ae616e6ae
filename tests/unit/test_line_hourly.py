"""The counts by hour follow from the rows of the journal, are kept with them, and are read quickly."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from line.world import JOURNAL, World

from gonogo.line.clock import Clock
from gonogo.line.files import LocalDisk
from gonogo.line.hourly import counts, quantile, score_bin, score_edge, time_bin, time_edge
from gonogo.line.journal import Entry, Journal
from gonogo.line.segments import mend_counts, open_journal, read_journal
from gonogo.line.tables import count_again, create_schema, mend_hours
from gonogo.line.verify import verify


def counted(world: World) -> dict[tuple[Any, ...], int]:
    journal = Journal(world.database, JOURNAL, Clock())
    assert journal.wrong_hours() == []
    return {key[1:]: count for key, count in journal.hourly("2026-03-01").items()}


def test_what_became_of_pictures_is_counted_by_hour() -> None:
    world = World(audit_share=1.0)
    pictures = [b"ok 1", b"ok 2", b"ok 1", b"bad 4", b"progressive 5", b"half 6", b"undecodable 7", b"elsewhere"]
    for number, data in enumerate(pictures):
        world.bring(f"{number}.png", data)
    assert world.run() is not None
    found = counted(world)
    simple = {key: count for key, count in found.items() if key[1] not in ("milliseconds", "latency")}
    assert simple == {
        ("ok", "pictures", ""): 3,
        ("ok", "passed", ""): 3,
        ("ok", "duplicates", ""): 1,
        ("ok", "score", score_bin(5.0)): 3,
        ("bad", "pictures", ""): 1,
        ("bad", "score", score_bin(-5.0)): 1,
        ("REVIEW", "pictures", ""): 1,
        ("REVIEW", "cause", "unproven"): 1,
        ("QUARANTINE", "pictures", ""): 3,
        ("QUARANTINE", "cause", "truncated"): 2,
        ("QUARANTINE", "cause", "adler"): 1,
        ("", "audit", ""): 3,
    }
    latency = {key[2]: count for key, count in found.items() if key[:2] == ("ok", "latency")}
    assert sum(latency.values()) == 3
    assert 100 <= (quantile(latency, 0.5) or 0) <= 3000, "settle_ms at least"
    assert {key[0] for key in Journal(world.database, JOURNAL, Clock()).hourly()} == {"2026-03-01T12+00:00"}


def test_doubts_are_told_apart() -> None:
    world = World(part_pattern=r"(?P<part>\d+)_(?P<view>\w)\.png", views=2)
    world.bring("3_a.png", b"ok 5")
    assert world.run() is not None
    assert counted(world)["REVIEW", "cause", "doubt"] == 1


def test_counts_that_were_tampered_with_are_a_problem_and_counted_again(tmp_path: Path) -> None:
    path, disk = tmp_path / ".gonogo" / "journal.db", LocalDisk()
    with open_journal(path, disk, Clock()) as journal:
        journal.append([Entry("ALARM"), Entry("ALARM")])
        right = journal.hourly()
        with read_journal(path, disk) as reader:
            assert reader.wrong_hours() == []
    assert verify(tmp_path, disk)["problems"] == 0
    forger = sqlite3.connect(path)
    forger.execute("UPDATE hourly SET count = 7")
    forger.commit()
    forger.close()
    (problem,) = verify(tmp_path, disk)["rows"]
    assert problem["problem"] == "damaged"
    assert "do not follow from the rows; run gonogo recover" in problem["reason"]
    assert mend_counts(path, disk) == ["journal.db"]
    assert mend_counts(path, disk) == []
    with read_journal(path, disk) as reader:
        assert reader.hourly() == right
    assert verify(tmp_path, disk)["problems"] == 0


def test_a_commit_that_fails_counts_nothing(tmp_path: Path) -> None:
    with open_journal(tmp_path / "journal.db", LocalDisk(), Clock()) as journal:
        with pytest.raises(sqlite3.IntegrityError):
            journal.append([Entry("ALARM"), Entry(None)])  # type: ignore[arg-type]
        assert journal.hourly() == {}


def test_an_hour_in_two_files_adds_up() -> None:
    connections = [sqlite3.connect(":memory:", isolation_level=None) for _ in range(2)]
    for connection in connections:
        create_schema(connection)
    Journal(connections[0], JOURNAL, Clock()).append([Entry("ALARM")])
    both = Journal(connections[1], JOURNAL, Clock(), connections[:1])
    both.append([Entry("ALARM")])
    assert sum(both.hourly().values()) == 2
    assert sum(count_again(connections[1]).values()) == 1
    assert not mend_hours(connections[1])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_bins_hold_their_values(value: float) -> None:
    for position, edge in ((score_bin(value), score_edge), (time_bin(abs(value)), time_edge)):
        shown = value if edge is score_edge else abs(value)
        inside = -400 < position < 400 if edge is score_edge else -40 < position < 160
        if inside:
            near = 1e-9 * (1 + abs(shown))
            assert edge(position) - near <= shown <= edge(position + 1) + near


def test_quantiles_are_exact_to_a_bin() -> None:
    times = [1.5**n for n in range(30)]
    bins: dict[int, int] = {}
    for time in times:
        bins[time_bin(time)] = bins.get(time_bin(time), 0) + 1
    for share in (0.01, 0.5, 0.99, 1.0):
        exact = times[math.ceil(share * len(times)) - 1]
        assert exact <= (quantile(bins, share) or 0) <= exact * 10 ** (1 / 20)
    assert quantile({}, 0.5) is None


def test_rows_of_other_kinds_are_not_counted() -> None:
    assert not counts(
        [("2026-03-14T12:00:00.000+02:00", "BATCH", None), ("2026-03-14T12:00:00.000+02:00", "END", None)]
    )
