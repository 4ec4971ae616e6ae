"""What a line says of itself, and when it refuses to go on: status files, self-tests, another model, daily heads, months."""

from __future__ import annotations

import csv
import datetime
import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from line.commands import FAST, Commands, fill, keep_from_being_taken, make_models
from line.world import HandClock, TextDecider
from prometheus_client.parser import text_string_to_metric_families

from gonogo.errors import JournalError, ModelFileError
from gonogo.line.configuration import Configuration
from gonogo.line.disk import LockedError
from gonogo.line.files import LocalDisk
from gonogo.line.rebuilding import recover
from gonogo.line.running import Line, open_line
from gonogo.line.segments import closed_segments, read_journal
from gonogo.line.verify import verify

NAMES = ("model", "certificate", "version", "fingerprint")


class Days(HandClock):
    """Time passes when somebody waits, and when the test says so."""

    def __init__(self, day: str = "2026-03-14") -> None:
        super().__init__()
        self.start = datetime.datetime.fromisoformat(f"{day}T12:00:00+02:00")

    def today(self) -> datetime.datetime:
        return self.start + datetime.timedelta(seconds=self.seconds)


def decider(model: str = "m1", certificate: str = "c1") -> TextDecider:
    return TextDecider(description=dict(zip(NAMES, (model, certificate, "v", "f"), strict=True)))


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Any]:
    """``with opened(clock=..., decider=...) as line`` opens a line on real files."""
    (tmp_path / "in").mkdir()

    @contextmanager
    def line(**options: Any) -> Iterator[Line]:
        settings = {"settle_ms": 10, "max_wait": 0.1, "reserve_mb": 0, **options.pop("settings", {})}
        values = {"disk": LocalDisk(), "clock": Days(), "decider": decider(), **options}
        with open_line(tmp_path / "in", tmp_path / "out", Configuration(**settings), **values) as made:
            yield made

    return line


def read_status(tmp_path: Path) -> dict[str, Any]:
    return dict(json.loads((tmp_path / "out" / "status.json").read_text()))


def metrics(tmp_path: Path) -> dict[tuple[str, ...], float]:
    """(name, label values...) -> value, as a Prometheus client reads the file."""
    text = (tmp_path / "out" / "gonogo.prom").read_text()
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation and family.type in ("gauge", "counter") for family in families)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def journal_rows(tmp_path: Path, kind: str) -> list[dict[str, Any]]:
    with sqlite3.connect(tmp_path / "out" / ".gonogo" / "journal.db") as database:
        return [json.loads(body) for (body,) in database.execute("SELECT body FROM journal WHERE kind = ?", (kind,))]


def test_both_files_tell_how_the_line_is(opened: Callable[..., Any], tmp_path: Path) -> None:
    for name, data in (("a.png", b"ok 1"), ("b.png", b"bad 2"), ("c.png", b"progressive"), ("d.png", b"half")):
        (tmp_path / "in" / name).write_bytes(data)
    with opened() as line:
        assert read_status(tmp_path)["state"] == "starting"
        line.once()
    status = read_status(tmp_path)
    assert (status["state"], status["problems"], status["waiting"]) == ("ended", [], 0)
    assert status["pictures"]["labels"] == {"QUARANTINE": 1, "REVIEW": 1, "bad": 1, "ok": 1}
    assert [status[name] for name in NAMES] == ["m1", "c1", "v", "f"]
    assert status["self_test"]["difference"] == 0.0
    assert status["alarms"] == {"count": 0, "last": None}
    assert status["time"].startswith("2026-03-14T12:00:0")
    assert status["room_bytes"]["out"] > 0
    assert len(status["journal"]["head"]) == 64
    found = metrics(tmp_path)
    assert found["gonogo_pictures_total", "ok"] == 1.0
    assert found["gonogo_info", "m1", "c1", "v", "f"] == 1.0
    assert found["gonogo_state", "ended"] == 1.0
    assert found["gonogo_room_bytes", "journal"] > 0
    assert found["gonogo_timestamp_seconds",] == pytest.approx(status["timestamp"])


def test_labels_that_are_no_plain_words_are_escaped(opened: Callable[..., Any], tmp_path: Path) -> None:
    with opened() as line:
        line.sorter.counts.labels['a "quoted\\ label'] = 3
    assert metrics(tmp_path)["gonogo_pictures_total", 'a "quoted\\ label'] == 3.0


def test_files_are_written_once_a_second_and_when_nothing_happens_every_ten(opened: Callable[..., Any]) -> None:
    clock, disk = Days(), LocalDisk()
    written: list[float] = []

    def publish(path: Path, data: bytes) -> None:
        LocalDisk.publish(disk, path, data)
        written.extend([clock.seconds] * (path.name == "status.json"))

    disk.publish = publish  # type: ignore[method-assign]
    with opened(clock=clock, disk=disk, settings={"settle_ms": 200}) as line:
        line.watch(lambda: clock.seconds > 35)
        gaps = [round(after - before) for before, after in pairwise(written)]
    assert gaps[:3] == [1, 10, 10]


def test_status_that_cannot_be_written_never_stops_sorting(opened: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "in" / "a.png").write_bytes(b"ok 1")
    disk, clock, told = LocalDisk(), Days(), list[str]()

    def publish(path: Path, data: bytes) -> None:
        if path.name != "places.json":
            raise PermissionError(errno.EACCES, "held by another program", str(path))
        LocalDisk().publish(path, data)

    disk.publish = publish  # type: ignore[method-assign]
    with opened(disk=disk, clock=clock, tell=told.append) as line:
        line.watch(lambda: clock.seconds > 3)
    assert (tmp_path / "out" / "ok" / "a.png").exists()
    assert sum("status.json or gonogo.prom cannot be written" in text for text in told) == 1, "said once"


def test_a_failure_is_told_by_the_status(opened: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), opened():
        raise RuntimeError("the cable is out")
    assert (read_status(tmp_path)["state"], read_status(tmp_path)["problems"]) == ("failed", ["the cable is out"])


def test_a_model_that_computes_something_else_stops_the_line(opened: Callable[..., Any], tmp_path: Path) -> None:
    right, clock = decider(), Days()
    (tmp_path / "in" / "a.png").write_bytes(b"ok 1")

    def fail() -> float:
        raise ModelFileError("FILE", "the stored pictures give other scores")

    with opened(decider=right, clock=clock, settings={"self_test_hours": 0.001}) as line:
        line.watch(lambda: clock.seconds > 4)
        assert len(journal_rows(tmp_path, "SELFTEST")) == 2
        right.self_test = fail  # type: ignore[method-assign]
        (tmp_path / "in" / "b.png").write_bytes(b"ok 2")
        line.sorter.configuration.__dict__["settle_ms"] = 10**9
        with pytest.raises(ModelFileError):
            line.watch(lambda: clock.seconds > 100)
    assert (tmp_path / "in" / "b.png").exists()
    assert "other scores" in journal_rows(tmp_path, "ALARM")[0]["reason"]
    with pytest.raises(ModelFileError), opened(decider=right):
        pytest.fail("it began")


def test_another_model_needs_approval_and_a_way_back_is_told(opened: Callable[..., Any], tmp_path: Path) -> None:
    def sort(model: str, certificate: str = "c1", **options: Any) -> None:
        (tmp_path / "in" / f"{model}{certificate}{len(options)}.png").write_bytes(f"ok {model} {options}".encode())
        with opened(decider=decider(model, certificate), user="anna", **options) as line:
            line.once()

    sort("m1")
    sort("m1", approval="not needed")
    for changed in (("m2", "c1"), ("m1", "c2")):
        with pytest.raises(ValueError, match=r"add --approve 'REASON'.*or name the file that was used before"):
            sort(*changed)
    sort("m2", approval="trained on new lots")
    sort("m1", approval="the new one refuses too much")
    journal, out = tmp_path / "out" / ".gonogo" / "journal.db", tmp_path / "out"
    files = [*closed_segments(journal, LocalDisk()), journal]
    models, rows = [], []
    for file in files:
        with sqlite3.connect(file) as database:
            models.append([model for (model,) in database.execute("SELECT model FROM decisions ORDER BY sequence")])
        with read_journal(file, LocalDisk()) as opened_file:
            rows += [row.body for row in opened_file.rows("MODEL") if "change" in row.body]
    # Each model has a file of its own; refused starts leave pictures in the inbox, and begin none.
    assert models == [["m1", "m1"], ["m2", "m2", "m2"], ["m1"]]
    assert verify(out, LocalDisk())["problems"] == 0
    assert [(row["change"], row["previous"], row["model"], row["user"], row["reason"]) for row in rows] == [
        ("change", "m1", "m2", "anna", "trained on new lots"),
        ("rollback", "m2", "m1", "anna", "the new one refuses too much"),
    ]


@pytest.mark.parametrize("harm", ["no JSON", "another decision", "no database", "gone"])
def test_a_closed_file_that_is_damaged_is_told_and_set_aside_with_those_after_it(
    opened: Callable[..., Any], tmp_path: Path, harm: str
) -> None:
    out, disk = tmp_path / "out", LocalDisk()
    journal = out / ".gonogo" / "journal.db"
    for number in range(4):
        (tmp_path / "in" / f"{number}.png").write_bytes(b"ok %d" % number)
        with opened(decider=decider(f"m{number}"), approval="the next") as line:
            line.once()
    first, second, third = closed_segments(journal, disk)
    assert verify(out, disk)["problems"] == 0, "also of a file that is neither the first nor the last"
    if harm in ("no JSON", "another decision"):
        body = '{"dec' if harm == "no JSON" else '{"decision":"ok"}'
        with closing(sqlite3.connect(second, isolation_level=None)) as database:
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                database.execute(f"DROP TRIGGER {name}")
            database.execute("UPDATE journal SET body = ? WHERE kind = 'INTENT'", (body,))
        assert verify(out, disk)["rows"][0]["file"] == second.name
    elif harm == "no database":
        second.write_bytes(b"damaged" * 1000)
        with pytest.raises(JournalError, match=rf"{second.name}: damaged"):
            verify(out, disk)
    else:
        second.unlink()
        assert verify(out, disk)["rows"][0]["reason"] == "is not linked to the file before it"
    result = recover(out, disk=disk, clock=Days())
    harmed = third if harm == "gone" else second
    assert result["cause"].startswith(f"{harmed.name} damaged: ")
    assert len(result["damaged"].split(", ")) == (2 if harm == "gone" else 3)
    assert (result["rebuilt"], closed_segments(journal, disk)) == (4, [first])
    assert verify(out, disk)["problems"] == 0
    with opened(decider=decider("m3")) as line:
        line.once()
    assert verify(out, disk)["problems"] == 0
    assert recover(out, disk=disk, clock=Days())["cause"] == ""


def test_a_frozen_camera_is_known_after_the_turn_of_a_month(opened: Callable[..., Any], tmp_path: Path) -> None:
    for day, number in (("2026-03-31", 3), ("2026-04-01", 4)):
        (tmp_path / "in" / f"{number}.png").write_bytes(b"ok the same")
        with opened(clock=Days(day), settings={"frozen_after": 2}) as line:
            line.once()
    assert [path.parent.name for path in sorted((tmp_path / "out").rglob("?.png"))] == ["REVIEW", "ok"]


def test_the_table_gets_what_it_lacks_of_earlier_months_too(opened: Callable[..., Any], tmp_path: Path) -> None:
    out, table = tmp_path / "out", tmp_path / "out" / "decisions.csv"

    def sort(day: str, number: int, **settings: Any) -> None:
        (tmp_path / "in" / f"{number}.png").write_bytes(b"ok %d" % number)
        with opened(clock=Days(day), settings=settings) as line:
            line.once()

    def names() -> list[str]:
        return [row["name"] for row in csv.DictReader(table.read_bytes().decode().splitlines())]

    sort("2026-03-30", 1)
    kept = table.read_bytes()
    sort("2026-03-31", 2)
    table.write_bytes(kept)  # as if a program had held it
    assert verify(out, LocalDisk())["unlisted"] == 1
    sort("2026-04-01", 3)
    assert names() == ["1.png", "2.png", "3.png"]
    table.unlink()
    sort("2026-05-01", 4)
    assert names() == ["1.png", "2.png", "3.png", "4.png"]
    sort("2026-05-01", 5, csv_separator=";")
    assert [line.count(";") for line in table.read_text().splitlines()] == [14] * 6, "no table has two separators"
    assert len((out / "decisions-1.csv").read_text().splitlines()) == 5
    found = verify(out, LocalDisk())
    assert (found["problems"], found["unlisted"]) == (0, 0)
    table.write_bytes(table.read_bytes().replace(b";ok;1;", b";bad;0;", 1))
    found = verify(out, LocalDisk())
    assert [(row["problem"], row["file"]) for row in found["rows"]] == [("altered", "decisions.csv")]
    assert "says something else than the journal; move the table away" in found["rows"][0]["reason"]


def test_numbers_of_rows_never_come_again_after_a_rebuilt_journal(opened: Callable[..., Any], tmp_path: Path) -> None:
    out, disk = tmp_path / "out", LocalDisk()
    for number in range(6):
        (tmp_path / "in" / f"{number}.png").write_bytes(b"ok %d" % number)
        with opened() as line:
            line.once()
        if number == 3:
            before = line.sorter.journal.sequence
            (out / ".gonogo" / "journal.db").write_bytes(b"damaged" * 1000)
            recover(out, disk=disk, clock=Days())
    names = [row["name"] for row in csv.DictReader((out / "decisions.csv").read_bytes().decode().splitlines())]
    assert names == [f"{number}.png" for number in range(6)]
    assert line.sorter.journal.sequence > before + 10_000_000
    assert verify(out, disk)["problems"] == 0
    (out / "status.json").unlink()
    (out / ".gonogo" / "journal.db").write_bytes(b"damaged" * 1000)
    (out / "decisions.csv").unlink()
    (out / "decisions.csv").mkdir()
    recover(out, disk=disk, clock=Days())
    with read_journal(out / ".gonogo" / "journal.db", disk) as journal:
        assert journal.sequence > 20_000_000, "heads.log tells of row 10,000,000 and more"


def test_two_lines_never_share_a_journal(tmp_path: Path) -> None:
    disk, clock, journal = LocalDisk(), Days(), tmp_path / "line.db"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()

    def line(name: str) -> Any:
        settings = Configuration(settle_ms=10, max_wait=0.1, reserve_mb=0)
        places = (tmp_path / name, tmp_path / f"{name} out", settings, decider())
        return open_line(*places, disk=disk, clock=clock, journal=journal)

    with line("one"), pytest.raises(LockedError, match=r"line\.db\.lock: another gonogo works here"), line("two"):
        pytest.fail("both work")
    with pytest.raises(ValueError, match=r"is the journal of .*one out; name another file for .*two out"), line("two"):
        pytest.fail("it took the journal of the other")
    (tmp_path / "one out").rename(tmp_path / "moved")
    (tmp_path / "one out").symlink_to("moved")
    with open_line(tmp_path / "one", tmp_path / "moved", Configuration(), decider(), disk=disk, clock=clock) as moved:
        assert moved.sorter.journal.path == journal
    (tmp_path / "line.db").unlink()
    with pytest.raises(JournalError, match="missing"), line("one"):
        pytest.fail("it began anew in silence")


def test_a_journal_whose_folder_is_gone_is_begun_anew_by_recover(tmp_path: Path) -> None:
    disk, journal = LocalDisk(), tmp_path / "elsewhere" / "line.db"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"ok 1")
    with open_line(
        *(tmp_path / "in", tmp_path / "out", Configuration(settle_ms=10, reserve_mb=0), decider()),
        disk=disk,
        clock=Days(),
        journal=journal,
    ) as line:
        line.once()
    shutil.rmtree(journal.parent)
    assert recover(tmp_path / "out", disk=disk, clock=Days())["rebuilt"] == 1
    assert verify(tmp_path / "out", disk)["problems"] == 0


def test_a_line_that_watches_writes_once_into_the_journal_what_it_may_not_take(
    opened: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, told = Days(), list[str]()
    (tmp_path / "in" / "a.png").write_bytes(b"ok 1")
    keep_from_being_taken("a.png", errno.EACCES, monkeypatch)
    with opened(clock=clock, tell=told.append) as line:
        line.watch(lambda: clock.seconds > 30)
    (alarm,) = journal_rows(tmp_path, "ALARM")
    assert "files in the inbox cannot be taken (permission denied), such as a.png" in alarm["reason"]
    assert alarm["reason"] in told


def test_what_a_crash_left_is_finished_in_its_file_whatever_model_comes(
    opened: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in" / "a.png").write_bytes(b"ok 1")
    with opened(decider=decider("m1")) as line:
        line.once()
    (tmp_path / "in" / "b.png").write_bytes(b"ok 2")
    with monkeypatch.context() as patch, pytest.raises(RuntimeError), opened(decider=decider("m1")) as line:
        patch.setattr(line.sorter.transfer, "finish", Mock(side_effect=RuntimeError("as in a crash")))
        line.once()
    with opened(decider=decider("m2"), approval="a trial") as line:
        assert line.recovered["decided"] == 1
    out, journal = tmp_path / "out", tmp_path / "out" / ".gonogo" / "journal.db"
    assert closed_segments(journal, LocalDisk()) == []
    assert verify(out, LocalDisk())["problems"] == 0


def test_the_head_is_written_once_a_day_where_the_journal_is_not(opened: Callable[..., Any], tmp_path: Path) -> None:
    told: list[str] = []
    for day, seconds in (("2026-03-14", 0), ("2026-03-14", 0), ("2026-03-15", 86_400 * 1.5)):
        clock = Days(day)
        with opened(clock=clock, tell=told.append, settings={"settle_ms": 10**6}) as line:
            clock.seconds += seconds
            line.watch(lambda clock=clock, end=clock.seconds + 2: clock.seconds > end)  # type: ignore[misc]
    lines = (tmp_path / "out" / ".gonogo" / "heads.log").read_text().splitlines()
    assert [line[:10] for line in lines] == ["2026-03-14", "2026-03-15", "2026-03-17"]
    assert [line.removeprefix("journal: ") for line in told] == lines
    with sqlite3.connect(tmp_path / "out" / ".gonogo" / "journal.db") as database:
        chains = {f"row {n} head {chain.hex()}" for n, chain in database.execute("SELECT sequence, chain FROM journal")}
    assert {line.partition(" ")[2] for line in lines} <= chains


def test_a_journal_that_was_written_anew_contradicts_its_heads(opened: Callable[..., Any], tmp_path: Path) -> None:
    with opened() as line:
        line.once()
    out, heads = tmp_path / "out", tmp_path / "out" / ".gonogo" / "heads.log"
    assert verify(out, LocalDisk())["problems"] == 0
    said = f"torn line\n{heads.read_text().strip()[:-4]}beef\n"
    heads.write_text(said)
    with (
        pytest.raises(JournalError, match=r"row \d+ had another head on 2026-03-14T.*run gonogo recover OUT"),
        opened(),
    ):
        pytest.fail("it began")
    heads.write_text(f"{said}2026-03-15 row 999 head {'0' * 64}\n")
    (problem,) = verify(out, LocalDisk())["rows"]
    assert (
        "had another head on 2026-03-14T12:00:00+02:00, as heads.log tells: rows were written anew" in problem["reason"]
    )
    (out / ".gonogo" / "journal.db").write_bytes(b"damaged" * 1000)
    recover(out, disk=LocalDisk(), clock=Days())
    assert not heads.exists()
    assert len(list(heads.parent.glob("journal.damaged-*.heads.log"))) == 1
    assert verify(out, LocalDisk())["problems"] == 0


def test_a_line_that_watches_closes_the_month(opened: Callable[..., Any], tmp_path: Path) -> None:
    clock, counts, (out, disk) = Days("2026-03-31"), None, (tmp_path / "out", LocalDisk())
    for number, goes_on in ((1, True), (2, False)):
        (tmp_path / "in" / f"{number}.png").write_bytes(b"ok %d" % number)
        with opened(clock=clock, counts=counts, settings={"settle_ms": 2000}) as line:
            clock.seconds += 43_190 if goes_on else 0
            assert line.watch(lambda end=clock.seconds + 20: clock.seconds > end) == goes_on  # type: ignore[misc]
            counts = line.sorter.counts
    assert counts is not None
    assert counts.sorted == 2
    assert [file.name for file in closed_segments(out / ".gonogo" / "journal.db", disk)] == ["journal-2026-03.db"]
    assert verify(out, disk)["problems"] == 0
    assert read_status(tmp_path)["pictures"]["sorted"] == 2
    journal, heads = out / ".gonogo" / "journal.db", out / ".gonogo" / "heads.log"
    journal.unlink()
    with pytest.raises(JournalError, match=r"missing, although heads.log tells of \d+ rows on 2026-04-01"), opened():
        pytest.fail("it began, although the file of this month is gone")
    # As between the end of the old file and the first row of the new one.
    heads.write_text("".join(heads.read_text().splitlines(keepends=True)[:-1]))
    with opened(clock=Days("2026-04-01")) as line:
        line.once()
    assert verify(out, disk)["problems"] == 0


def test_once_waits_for_pictures_that_complete_a_part_and_for_no_others(
    opened: Callable[..., Any], tmp_path: Path
) -> None:
    coming = ["1_b.png", "2_a.png", "3_c.png"]

    class Late(Days):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            while coming:
                name = coming.pop()
                (tmp_path / "in" / name).write_bytes(f"ok {name}".encode())

    for name in ("1_a.png", "3_a.png", "3_b.png"):
        (tmp_path / "in" / name).write_bytes(f"ok {name}".encode())
    views = {"part_pattern": r"(?P<part>\d)_(?P<view>\w)\.png", "views": 2, "part_timeout": 5.0}
    with opened(clock=Late(), settings=views) as line:
        assert line.once() == []
    kept = sorted(path.name for path in (tmp_path / "out" / "ok").iterdir())
    assert kept == ["1_a.png", "1_b.png", "3_a.png", "3_b.png"]
    assert not (tmp_path / "out" / "REVIEW").exists()


def test_the_command_refuses_and_approves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, models, out = Commands(capsys), make_models(tmp_path), tmp_path / "out"
    inbox = fill(tmp_path / "inbox", {"a.png": 120, "b.png": 0})
    run("sort", models["gated"], inbox, out, *FAST)
    fill(inbox, {"c.png": 120}, seed=3)
    run("sort", models["plain"], inbox, out, "--no-gate", *FAST, exit_code=2)
    assert "add --approve 'REASON'" in run.error
    assert (inbox / "c.png").exists()
    run("sort", models["plain"], inbox, out, "--no-gate", "--approve", "a trial", *FAST)
    assert journal_rows(tmp_path, "MODEL")[-1]["reason"] == "a trial"
    assert read_status(tmp_path)["state"] == "ended"

    def fail(_: object) -> float:
        raise ModelFileError("FILE", "the stored pictures give other scores")

    monkeypatch.setattr("gonogo.line.inspection.InspectorDecider.self_test", fail)
    run("sort", models["plain"], inbox, out, "--no-gate", *FAST, exit_code=3)


def test_a_head_that_cannot_be_written_is_told_once_and_never_stops_sorting(
    opened: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "out" / ".gonogo" / "heads.log").mkdir(parents=True)
    (tmp_path / "out" / "decisions.csv").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"ok 1")
    clock, told = Days(), list[str]()
    with opened(clock=clock, tell=told.append) as line:
        line.watch(lambda: clock.seconds > 3)
    assert [text.partition(": ")[0] for text in told] == ["heads.log", str(tmp_path / "out" / "decisions.csv")]
    assert (tmp_path / "out" / "ok" / "a.png").exists()


def test_other_accounts_may_read_how_the_line_is_and_nothing_else(opened: Callable[..., Any], tmp_path: Path) -> None:
    """As under the service, whose files are its own: node_exporter runs in another account."""
    (tmp_path / "in" / "a.png").write_bytes(b"ok 1")
    before = os.umask(0o027)
    try:
        with opened() as line:
            line.once()
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert modes == {"status.json": 0o644, "gonogo.prom": 0o644, "decisions.csv": 0o640}


def test_a_full_disk_is_waited_for_and_told_once(opened: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "in" / "a.png").write_bytes(b"ok 1")
    disk, clock, told = LocalDisk(), Days(), list[str]()
    disk.free_bytes = lambda _: 2_000_000 if clock.seconds < 2 else 10**12  # type: ignore[method-assign]
    states = list[str]()
    with opened(disk=disk, clock=clock, tell=told.append, settings={"reserve_mb": 5}) as line:
        line.watch(lambda: clock.seconds > 4, lambda: states.append(read_status(tmp_path)["state"]))
    room = [text for text in told if "room" in text]
    place = tmp_path / "out" / "work"
    assert room == [
        f"{place}: found 2 MB of room, 5 MB are kept in reserve; make room; nothing is taken from the inbox until then"
    ]
    assert "waiting" in states
    assert (tmp_path / "out" / "ok" / "a.png").exists()


def test_a_full_disk_is_an_alarm_once_for_each_time(opened: Callable[..., Any], tmp_path: Path) -> None:
    """Full from second 1 to 3, less and less room, and from 6 to 8; the second life begins at 7."""
    disk, clock, told = LocalDisk(), Days(), list[str]()
    room = {1: 4_000_000, 2: 3_000_000, 6: 4_000_000, 7: 3_000_000}
    disk.free_bytes = lambda _: room.get(int(clock.seconds), 10**12)  # type: ignore[method-assign]

    def bring() -> None:
        (tmp_path / "in" / f"{clock.seconds}.png").write_bytes(b"ok %f" % clock.seconds)

    for end in (7.0, 9.0):
        with opened(disk=disk, clock=clock, tell=told.append, settings={"reserve_mb": 5, "settle_ms": 400}) as line:
            line.watch(lambda end=end: clock.seconds > end, bring)  # type: ignore[misc]
    alarms = [row["reason"] for row in journal_rows(tmp_path, "ALARM")]
    assert alarms == [f"{tmp_path / 'out' / 'work'}: found 4 MB of room, 5 MB are kept in reserve; make room"] * 2
    assert sum("MB are kept in reserve" in text for text in told) == 3, "once for each time, and at the start"
    assert read_status(tmp_path)["problems"] == []


def test_a_folder_of_the_output_that_vanishes_ends_the_line(opened: Callable[..., Any], tmp_path: Path) -> None:
    clock = Days()
    with pytest.raises(FileNotFoundError), opened(clock=clock) as line:
        (tmp_path / "out" / "work").rmdir()
        (tmp_path / "in" / "a.png").write_bytes(b"ok 1")
        line.watch(lambda: clock.seconds > 3)
    assert read_status(tmp_path)["state"] == "failed"
    with opened() as line:
        line.once()
    assert (tmp_path / "out" / "ok" / "a.png").exists()


def test_the_rate_is_that_of_the_last_minute(opened: Callable[..., Any], tmp_path: Path) -> None:
    clock = Days()
    with opened(clock=clock) as line:
        for second in range(0, 300, 20):
            clock.seconds = second
            line.sorter.counts.sorted += 40 if second < 200 else 10
            line.status.tell("watching")
        assert read_status(tmp_path)["pictures_per_second"] == pytest.approx(10 / 20)
