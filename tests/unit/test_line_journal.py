"""The journal of the line: rows that are only added, linked, on a local disk, in files by month and model."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import shutil
import sqlite3
from pathlib import Path

import pytest
from line.simulated_disk import SimulatedDisk
from line.world import World

from gonogo.errors import JournalError
from gonogo.line.claim import Picture
from gonogo.line.clock import Clock
from gonogo.line.configuration import Configuration, Places
from gonogo.line.decided import open_history
from gonogo.line.disk import Status
from gonogo.line.files import LocalDisk
from gonogo.line.intents import batch_folder
from gonogo.line.journal import Entry, Journal, shown
from gonogo.line.outcome import Job, Outcome
from gonogo.line.rebuilding import recover
from gonogo.line.replay import find_past
from gonogo.line.segments import (
    _connect_writing,
    closed_segments,
    journal_faults,
    open_journal,
    read_journal,
    set_aside,
)
from gonogo.line.sorter import batch_row
from gonogo.line.tables import create_schema, translated
from gonogo.line.transfer import Transfer


class Calendar(Clock):
    """A clock that shows the day it is told."""

    def __init__(self, day: str = "2026-03-14") -> None:
        self.day = day

    def today(self) -> datetime.datetime:
        return datetime.datetime.fromisoformat(f"{self.day}T12:00:00+02:00")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / ".gonogo" / "journal.db"


def sort_one(journal: Journal, identifier: str, name: str, content: str = "c0") -> None:
    batch = journal.append([Entry("BATCH", body={"files": [], "next": 1})])[0]
    body = {"name": name, "final": f"ok/{name}", "decision": "ok", "score": 0.1, "passed": True}
    final = shown(f"ok/{name}")
    (intent,) = journal.append([Entry("INTENT", batch, identifier, None, shown(name), final, content, body=body)])
    done = Entry("DONE", None, identifier, intent, shown(name), final, content)
    journal.append([done, Entry("END", batch=batch)])


def test_rows_are_kept_in_order_with_time_zone_and_read_by_others(path: Path) -> None:
    with open_journal(path, LocalDisk(), Calendar()) as journal:
        sort_one(journal, "a1", "x.png")
        assert journal.append([]) == []
        with read_journal(path, LocalDisk()) as reader:
            rows = list(reader.rows())
            assert [row.sequence for row in rows] == [1, 2, 3, 4, 5]
            assert [row.kind for row in rows] == ["SEGMENT", "BATCH", "INTENT", "DONE", "END"]
            assert rows[0].time == "2026-03-14T12:00:00.000+02:00"
            (decision,) = reader.decisions()
            shown_columns = {key: decision[key] for key in ("id", "name", "decision", "score", "final", "sha256")}
            assert list(shown_columns.values()) == ["a1", "x.png", "ok", 0.1, "ok/x.png", "c0"]
            assert reader.damage() == []
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader.append([Entry("ALARM")])
        assert journal.finals(["ok/x.png", "ok/y.png"]) == {"ok/x.png"}
        assert journal.first_with(["c0", "c1"]) == {"c0": "a1"}
    with open_journal(path, LocalDisk(), Calendar()) as again:
        assert (again.sequence, again.head) == (5, journal.head)


def test_names_that_are_no_text_come_back_as_they_were(path: Path) -> None:
    name = "a\udcff\n'\";--.png"
    with open_journal(path, LocalDisk(), Calendar()) as journal:
        sort_one(journal, "a1", name)
        (intent,) = journal.rows("INTENT")
        assert intent.body["name"] == name
        (decision,) = journal.decisions()
        assert decision["place"] == f"ok/{name}"
        assert decision["final"] == "ok/a\\udcff\n'\";--.png"


def test_the_view_shows_what_decisions_yields(tmp_path: Path) -> None:
    world = World()
    for name, data in [("a", b"ok 1"), ("b\udcff", b"bad"), ("c", b"half"), ("d", b"ok 1")]:
        world.bring(name, data)
    assert world.run() is not None
    journal = Journal(world.database, tmp_path, Clock())
    found = world.database.execute("SELECT * FROM decisions ORDER BY sequence")
    names = [column[0] for column in found.description]
    view = [dict(zip(names, row, strict=True)) for row in found]
    yielded = [
        {key: value for key, value in row.items() if key not in ("place", "batch")} for row in journal.decisions()
    ]
    assert yielded == view
    assert [row["place"] for row in journal.decisions()] == ["ok/a", "bad/b\udcff", "ok/d", "QUARANTINE/c"]
    assert (view[0]["model"], view[0]["fingerprint"], view[2]["duplicate_of"]) == ("m", "f", view[0]["id"])


def test_no_question_reads_all_rows() -> None:
    """However many pictures there are: what a start, a batch, a page and a status ask is found by an index."""
    database, asked = sqlite3.connect(":memory:", isolation_level=None), list[str]()
    create_schema(database)
    journal = Journal(database, Path("journal.db"), Clock())
    database.set_trace_callback(asked.append)
    answers: list[object] = [
        journal.last("ALARM"),
        journal.count("ALARM", "LOST"),
        list(journal.rows("LOST", "ALARM")),
        list(journal.models()),
        journal.open_batches(),
        journal.finals(["a", "b"]),
        journal.first_with(["c0"]),
        journal.content_of("x"),
        journal.of_picture("x"),
        journal.chain_of(3),
        journal.hourly("2026"),
        journal.decision_of("x"),
        list(journal.decisions(7)),
        list(journal.decisions(among="REVIEW")),
        list(journal.decisions(among="AUDIT")),
    ]
    assert not any(answers)
    database.set_trace_callback(None)
    assert len(asked) >= len(answers)
    for query in asked:
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {query}")]
        assert not any(step.startswith("SCAN") for step in plan), (query, plan)


def test_few_bytes_are_kept_of_a_picture(tmp_path: Path) -> None:
    path, disk = tmp_path / "journal.db", LocalDisk()
    description = {"model": "0" * 64, "certificate": "1" * 64, "version": "0.1.0", "fingerprint": "2" * 16}
    with open_journal(path, disk, Clock()) as journal:
        places = Places(Path("/inbox"), Path("/out"), Path("/out/work"), path)
        simulated = SimulatedDisk()
        simulated.make_folder(Path("/out/work"))
        transfer = Transfer(simulated, Clock(), places, Configuration(), journal, description)
        sizes = []
        for first in range(0, 1920, 64):
            pictures = [
                Picture(
                    f"a1b2c3{n:06x}", f"part-{n:07d}.png", Path("/"), Status("file", 64768, 10**6 + n, 60_000, 10**18)
                )
                for n in range(first, first + 64)
            ]
            jobs = [Job(picture.name, [picture]) for picture in pictures]
            (batch,) = journal.append([batch_row(jobs, places, first + 64)])
            for picture in pictures:
                picture.place = batch_folder(places.work, batch) / picture.name
                picture.content, picture.since = hashlib.sha256(picture.name.encode()).hexdigest(), 0.0
                simulated.put(picture.place, b"x")
                picture.status = simulated.read(picture.place)[1]
            outcomes = [Outcome(picture.name, "ok", True, 7.123456789, "") for picture in pictures]
            transfer.finish(batch, list(zip(pictures, outcomes, strict=True)))
            sizes.append(4096 * journal._connection.execute("PRAGMA page_count").fetchone()[0])
        assert journal.damage() == []
    assert (sizes[29] - sizes[9]) / (20 * 64) <= 564


def test_a_commit_that_fails_adds_nothing(path: Path) -> None:
    with open_journal(path, LocalDisk(), Calendar()) as journal:
        with pytest.raises(sqlite3.IntegrityError):
            journal.append([Entry("ALARM"), Entry(None)])  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="not JSON compliant"):
            journal.append([Entry("ALARM"), Entry("ALARM", body={"score": float("nan")})])
        assert [row.kind for row in journal.rows()] == ["SEGMENT"]
        assert journal.append([Entry("ALARM")]) == [2]
        assert journal.damage() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE journal SET body = '{}' WHERE sequence = 3",
        "UPDATE journal SET name = 'y.png' WHERE sequence = 4",
        "DELETE FROM journal WHERE sequence = 3",
        "UPDATE journal SET chain = zeroblob(32) WHERE sequence = 4",
    ],
)
def test_rows_resist_change_and_a_change_shows(change: str, path: Path) -> None:
    with open_journal(path, LocalDisk(), Calendar()) as journal:
        sort_one(journal, "a1", "x.png")
    forger = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.IntegrityError, match="rows are only added"):
        forger.execute(change)
    forger.execute("DROP TRIGGER journal_keeps")
    forger.execute("DROP TRIGGER journal_holds")
    forger.execute(change)
    forger.close()
    for access in (lambda: open_journal(path, LocalDisk(), Calendar()), lambda: read_journal(path, LocalDisk())):
        with pytest.raises(JournalError, match=r"damaged: row [34] was changed or is missing; run gonogo recover"):
            access()


def test_a_journal_without_its_first_row_is_damaged(path: Path) -> None:
    with open_journal(path, LocalDisk(), Calendar()) as journal:
        sort_one(journal, "a1", "x.png")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as forger:
        forger.execute("DROP TRIGGER journal_holds")
        forger.execute("DELETE FROM journal WHERE sequence = 1")
    with read_journal(path, LocalDisk(), check_rows=False) as reader:
        assert reader.damage() == ["its first row is missing"]


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00" + bytes(5000), b"x" * 5000])
def test_a_file_that_is_no_journal_is_refused_and_kept(content: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(JournalError, match="run gonogo recover"):
        open_journal(path, LocalDisk(), Calendar())
    assert path.read_bytes() == content
    aside = set_aside(path, LocalDisk(), Calendar())
    assert aside.read_bytes() == content
    with open_journal(path, LocalDisk(), Calendar()) as journal:
        assert journal.sequence == 1


def test_a_journal_is_whole_or_not_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object) -> None:
        raise MemoryError("the program ends here")

    for step in ("create_schema", "start_segment"):
        with monkeypatch.context() as patched, pytest.raises(MemoryError):
            patched.setattr(f"gonogo.line.segments.{step}", end)
            open_journal(path, LocalDisk(), Calendar())
        assert not path.exists()
    with open_journal(path, LocalDisk(), Calendar()) as journal:
        assert journal.sequence == 1
    assert sorted(file.name for file in path.parent.iterdir()) == ["journal.db", "journal.db-shm", "journal.db-wal"]
    path.write_bytes(b"")
    with pytest.raises(JournalError, match="run gonogo recover"):
        open_journal(path, LocalDisk(), Calendar())


def test_another_version_is_refused(path: Path) -> None:
    open_journal(path, LocalDisk(), Calendar()).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(JournalError, match="found version 7, expected 1"):
        open_journal(path, LocalDisk(), Calendar())


def test_a_journal_of_another_version_is_not_taken_for_damaged(tmp_path: Path) -> None:
    path = tmp_path / ".gonogo" / "journal.db"
    path.parent.mkdir()
    open_journal(path, LocalDisk(), Calendar()).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(JournalError, match="found version 7, expected 1"):
        recover(tmp_path, disk=LocalDisk(), clock=Calendar())
    assert not list(path.parent.glob("*damaged*"))


def test_network_file_systems_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = LocalDisk()
    monkeypatch.setattr(disk, "file_system", lambda _: "nfs4")
    with pytest.raises(
        JournalError, match=r"network file system \(nfs4\), expected a local disk; name one with --journal"
    ):
        open_journal(path, disk, Calendar())
    assert not path.exists()


def test_no_journal_is_no_empty_one(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a folder that gonogo sort has filled"):
        read_journal(path, LocalDisk())
    assert not path.exists()


def test_what_was_appended_is_on_the_disk_when_it_returns(path: Path) -> None:
    with open_journal(path, LocalDisk(), Calendar()) as journal:
        settings = [
            journal._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
        ]
        assert settings == ["wal", 2], "2 is FULL"


def test_a_month_that_is_over_gets_a_file_of_its_own(path: Path) -> None:
    disk = LocalDisk()
    for day, name in [("2026-02-27", "x.png"), ("2026-03-01", "y.png"), ("2026-05-01", "z.png")]:
        with open_journal(path, disk, Calendar(day)) as journal:
            assert bool(journal.finals(["ok/x.png"])) == (name != "x.png"), "closed files still answer"
            sort_one(journal, f"id of {name}", name)
    assert [file.name for file in closed_segments(path, disk)] == ["journal-2026-02.db", "journal-2026-03.db"]
    with open_journal(path, disk, Calendar("2026-05-02")) as journal:
        assert journal.first_with(["c0"]) == {"c0": "id of x.png"}
        assert [row.sequence for row in journal.rows()] == list(range(11, 16)), "numbers go on"
        assert journal.damage() == []
    assert list(journal_faults(path, disk)) == []
    closed = path.with_name("journal-2026-03.db")
    closed.rename(path.with_name("gone.db"))
    assert list(journal_faults(path, disk)) == [(path, "is not linked to the file before it")]


@pytest.mark.parametrize("left", ["an empty file", "a second name"])
def test_a_month_whose_closing_was_cut_short_is_closed_by_the_next_start(path: Path, left: str) -> None:
    """On file systems without a rename that replaces nothing a move has two steps."""
    with open_journal(path, LocalDisk(), Calendar("2026-02-27")) as journal:
        sort_one(journal, "a1", "x.png")
    closed = path.with_name("journal-2026-02.db")
    if left == "an empty file":
        closed.touch()
    else:
        closed.hardlink_to(path)
    with read_journal(path, LocalDisk()) as reader:
        assert reader.finals(["ok/x.png"])
    assert closed_segments(path, LocalDisk()) == list(journal_faults(path, LocalDisk())) == []
    with open_journal(path, LocalDisk(), Calendar("2026-03-01")) as journal:
        assert closed_segments(path, LocalDisk()) == [closed]
        assert journal.finals(["ok/x.png"])
    assert list(journal_faults(path, LocalDisk())) == []
    assert not closed.samefile(path)


def test_a_month_stays_open_while_somebody_reads_in_it(path: Path) -> None:
    with open_journal(path, LocalDisk(), Calendar("2026-02-27")) as journal:
        sort_one(journal, "a1", "x.png")
        reader = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM journal").fetchone()
        sort_one(journal, "a2", "y.png")
    with open_journal(path, LocalDisk(), Calendar("2026-03-01")) as journal:
        assert closed_segments(path, LocalDisk()) == [], "rows in the log would be left behind"
        assert journal.finals(["ok/y.png"])
    reader.close()
    with open_journal(path, LocalDisk(), Calendar("2026-03-01")) as journal:
        assert len(closed_segments(path, LocalDisk())) == 1
        assert journal.finals(["ok/y.png"])


def test_the_log_is_brought_into_the_file_now_and_then_and_at_the_end(path: Path) -> None:
    log = path.with_name("journal.db-wal")
    with open_journal(path, LocalDisk(), Calendar()) as journal:
        sizes = []
        for _ in range(5):
            journal.append([Entry("ALARM", body={"reason": "x" * 4000})] * 400)
            sizes.append(log.stat().st_size)
        assert sizes[2] == sizes[3] == sizes[4], "the log begins anew"
    assert log.stat().st_size == 0
    with pytest.raises(OSError, match="another"), open_journal(path, LocalDisk(), Calendar()) as journal:
        journal.append([Entry("ALARM")])
        raise OSError("another error")
    assert log.stat().st_size > 0, "after an error nothing is asked of the disk"
    with read_journal(path, LocalDisk()) as reader:
        assert reader.sequence == 2002


def test_errors_of_the_database_are_told_in_words(path: Path) -> None:
    with (
        pytest.raises(JournalError, match=r"cannot be read or written: disk I/O error; see to the disk"),
        translated(path),
    ):
        raise sqlite3.OperationalError("disk I/O error")
    with pytest.raises(JournalError, match=r"malformed; run gonogo recover OUT"), translated(path):
        raise sqlite3.DatabaseError("malformed")


def test_a_month_with_an_unfinished_batch_stays_open(path: Path) -> None:
    with open_journal(path, LocalDisk(), Calendar("2026-02-27")) as journal:
        journal.append([Entry("BATCH", body={"files": [], "next": 0})])
    with open_journal(path, LocalDisk(), Calendar("2026-03-01")) as journal:
        assert closed_segments(path, LocalDisk()) == []
        assert [row.sequence for row in journal.open_batches()] == [2]


def test_another_reason_ends_a_file_too_and_names_sort_in_their_order(path: Path) -> None:
    disk, names = LocalDisk(), ["journal-2026-03.db", "journal-2026-03_02.db", "journal-2026-03_03.db"]
    for number, day in enumerate(["2026-03-14", "2026-03-15", "2026-02-01", "2026-04-01"]):
        with open_journal(path, disk, Calendar(day), is_over=lambda file: file.count("DONE") > 0) as journal:
            assert [file.name for file in closed_segments(path, disk)] == names[:number]
            sort_one(journal, f"id {number}", f"{number}.png")
    assert len(names) == number, "also the file that a clock told to be of February, which stood before"
    assert list(journal_faults(path, disk)) == []


def test_a_month_has_no_more_files_than_names_that_sort(path: Path) -> None:
    disk, last = LocalDisk(), path.with_name("journal-2026-03_99.db")
    with open_journal(path, disk, Calendar()) as journal:
        sort_one(journal, "a1", "x.png")
    shutil.copy(path, last)
    kept = last.read_bytes()
    with open_journal(path, disk, Calendar("2026-03-15"), is_over=lambda _: True) as journal:
        assert journal.count("DONE") == 1, "the file grows on"
    assert last.read_bytes() == kept
    assert closed_segments(path, disk) == [last]


def test_a_file_that_a_person_put_beside_the_journal_is_none_of_it(path: Path) -> None:
    with open_journal(path, LocalDisk(), Calendar()) as journal:
        sort_one(journal, "a1", "x.png")
    shutil.copy(path, path.with_name("journal-backup.db"))
    assert closed_segments(path, LocalDisk()) == list(journal_faults(path, LocalDisk())) == []


def test_a_clock_that_steps_back_closes_nothing(path: Path) -> None:
    for day in ("2026-03-01", "2026-02-27"):
        open_journal(path, LocalDisk(), Calendar(day)).close()
    assert closed_segments(path, LocalDisk()) == []


def test_a_name_that_was_taken_for_a_new_journal_is_used(path: Path) -> None:
    """As a crash leaves it on file systems where an empty file takes a name first."""
    open_journal(path, LocalDisk(), Calendar()).close()
    path.rename(path.with_name("journal.new.db"))
    path.write_bytes(b"")
    with open_journal(path, LocalDisk(), Calendar()) as journal:
        assert journal.sequence == 1
    assert not path.with_name("journal.new.db").exists()


def test_a_database_without_a_log_is_no_journal() -> None:
    with pytest.raises(JournalError, match=r"found the journal mode 'memory', expected 'wal'"), translated(Path("x")):
        _connect_writing(Path(":memory:"))


def test_a_block_that_the_disk_has_lost_is_damage(path: Path) -> None:
    with open_journal(path, LocalDisk(), Calendar()) as journal:
        for _ in range(20):
            journal.append([Entry("ALARM", body={"reason": "x" * 400})] * 100)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 8192 * 4096)
        file.write(b"x" * 4096)
    with read_journal(path, LocalDisk()) as reader:  # its last rows are sound
        assert reader.damage() == ["database disk image is malformed"]


def test_pictures_and_rows_are_found_in_the_months_that_are_over(path: Path) -> None:
    for day, name in [("2026-02-27", "x.png"), ("2026-03-01", "y.png")]:
        with open_journal(path, LocalDisk(), Calendar(day)) as journal:
            sort_one(journal, f"id of {name}", name)
    with open_history(path, LocalDisk()) as history:
        found = history.by_id(["id of x.png", "id of y.png", "no picture"])
        assert {identifier: one.name for identifier, one in found.items()} == {
            "id of x.png": "x.png",
            "id of y.png": "y.png",
        }
        assert [row.id for row in history.newest(1, "DONE")] == ["id of y.png"]
        assert [row.id for row in history.newest(9, "DONE")] == ["id of y.png", "id of x.png"]


def test_an_index_that_lacks_rows_is_no_proof_that_a_picture_is_unknown(path: Path) -> None:
    with open_journal(path, LocalDisk(), Calendar()) as journal:
        sort_one(journal, "a1", "x.png")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as forger:
        (created,) = forger.execute("SELECT sql FROM sqlite_schema WHERE name = 'journal_id'").fetchone()
        forger.execute("DROP INDEX journal_id")
        forger.execute("CREATE INDEX journal_id ON journal (id) WHERE sequence < 0")
        forger.execute("PRAGMA writable_schema = ON")
        forger.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'journal_id'", (created,))
    out = path.parent.parent
    with pytest.raises(JournalError, match="damaged: an index lacks rows; run gonogo recover OUT"):
        find_past(out, "a1", LocalDisk())
    with pytest.raises(ValueError, match="ID: found no decision about 'a2'"):
        find_past(out, "a2", LocalDisk())
