"""What becomes of pictures: class folders, REVIEW for any doubt, QUARANTINE for damage; and what is left alone."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from typing import Any

import pytest
from line.world import INBOX, JOURNAL, OUT, HandClock, TextDecider, World

from gonogo.line import verify as verification
from gonogo.line.csv_log import one_line
from gonogo.line.journal import Journal
from gonogo.line.naming import with_id
from gonogo.line.sorter import DiskFullError

VIEWS = {"part_pattern": r"(?P<part>\d+)_(?P<view>\w)\.png", "views": 2}


def sorted_world(pictures: dict[str, bytes], **settings: Any) -> World:
    world = World(**settings)
    for name, data in pictures.items():
        world.bring(name, data)
    assert world.run() is not None
    assert world.violations() == []
    return world


def folders(world: World) -> dict[str, str]:
    """Name -> folder of all pictures in the output."""
    return {p.name: str(p.parent.relative_to(OUT)) for p in world.disk.files(OUT) if p.name != "decisions.csv"}


def reasons(world: World) -> dict[str, str]:
    return {row["name"]: row["reason"] for row in decisions(world)}


def decisions(world: World) -> list[dict[str, Any]]:
    names = ("name", "decision", "passed", "score", "reason", "part", "duplicate_of", "id", "model")
    return [
        dict(zip(names, row, strict=True)) for row in world.database.execute(f"SELECT {','.join(names)} FROM decisions")
    ]


def test_classes_doubt_and_damage() -> None:
    pictures = {"a": b"ok 1", "b": b"bad 2", "c": b"progressive 3", "d": b"half 4", "e": b"undecodable 5", "f": b""}
    world = sorted_world(pictures)
    assert folders(world) == {
        "a": "ok",
        "b": "bad",
        "c": "REVIEW",
        "d": "QUARANTINE",
        "e": "QUARANTINE",
        "f": "QUARANTINE",
    }
    assert reasons(world) == {
        "a": "",
        "b": "",
        "c": "a progressive picture",
        "d": "the picture ends too early",
        "e": "wrong pixels",
        "f": "the picture ends too early",
    }
    first = decisions(world)[0]
    assert (first["decision"], first["passed"], first["score"], first["model"]) == ("ok", 1, 5.0, "m")


def test_unproven_pictures_may_be_accepted() -> None:
    world = World(accept_unproven=True)
    world.bring("c", b"progressive 3")
    assert world.run() is not None
    assert folders(world) == {"c": "ok"}


def test_hidden_partial_and_special_names_are_left_alone() -> None:
    world = World()
    for name in (".hidden", "x.tmp", "x.PART", "x.filepart"):
        world.disk.put(INBOX / name, b"ok")
    world.disk.make_folder(INBOX / "x.jpg")
    ran = world.run()
    assert ran is not None
    assert ran[0].inbox.refused == {"x.jpg"}
    assert len(world.disk.files(INBOX)) == 4
    assert folders(world) == {}


def test_a_growing_file_waits_and_a_replaced_one_starts_anew() -> None:
    world = World(settle_ms=400, max_wait=50)
    world.disk.put(INBOX / "a", b"half")
    ran = world.run(seconds=0)
    assert ran is not None
    sorter, clock = ran[0], ran[0].clock
    assert isinstance(clock, HandClock)

    def looks(count: int) -> int:
        taken = 0
        for _ in range(count):
            clock.sleep(0.2)
            taken += sorter.step()
        return taken

    for size in range(5):
        world.disk._write(world.disk._node(INBOX / "a"), b"half" + b"f" * size)
        assert looks(1) == 0
    assert looks(20) == 0, "settled, and no complete picture: it waits"
    batches = len(list(sorter.journal.rows("BATCH")))
    assert batches == 1, "it is read again only after a change"
    world.disk.remove(INBOX / "a")
    world.disk.put(INBOX / "a", b"ok")
    assert looks(2) == 0
    assert looks(2) == 1
    assert folders(world) == {"a": "ok"}


def test_a_part_is_decided_by_all_its_views() -> None:
    pictures = {"1_a.png": b"ok 1", "1_b.png": b"ok 2", "2_a.png": b"ok 3", "2_b.png": b"bad 4", "3_a.png": b"ok 5"}
    pictures |= {
        "4_a.png": b"ok 6",
        "4_b.png": b"half 7",
        "stranger.png": b"ok 8",
        "5_a.png": b"ok 9",
        "5_b.png": b"progressive",
    }
    world = sorted_world(pictures, **VIEWS, max_wait=0.5)
    found = folders(world)
    assert {name: found[name] for name in sorted(found)} == {
        "1_a.png": "ok",
        "1_b.png": "ok",
        "2_a.png": "bad",
        "2_b.png": "bad",
        "3_a.png": "REVIEW",
        "4_a.png": "REVIEW",
        "4_b.png": "QUARANTINE",
        "5_a.png": "REVIEW",
        "5_b.png": "REVIEW",
        "stranger.png": "REVIEW",
    }
    said = reasons(world)
    assert said["3_a.png"] == "found 1 picture of the part, expected 2"
    assert said["4_a.png"] == "another picture of the part is damaged"
    assert said["stranger.png"].startswith("the name of the file does not match part_pattern")


def test_two_pictures_of_one_view_and_too_many_pictures_are_doubtful() -> None:
    pattern = r"(?P<part>\d+)_(?P<view>\w)\d*\.png"
    world = sorted_world({"1_a1.png": b"ok 1", "1_a2.png": b"ok 2"}, part_pattern=pattern, views=2)
    assert set(reasons(world).values()) == {"found two pictures of the same view of the part"}
    world = sorted_world({f"1_{v}.png": b"ok " + v.encode() for v in "abc"}, part_pattern=pattern, views=2)
    assert set(reasons(world).values()) == {"found 3 pictures of the part, expected 2"}


def test_a_frozen_camera_is_noticed() -> None:
    world = sorted_world({f"{i}.png": b"ok 1" for i in range(6)}, frozen_after=4)
    assert [row["decision"] for row in decisions(world)] == ["ok"] * 3 + ["REVIEW"] * 3
    assert "the same picture 4 times in a row" in decisions(world)[3]["reason"]
    alarms = world.database.execute("SELECT count(*) FROM journal WHERE kind = 'ALARM'").fetchone()
    assert alarms == (1,)


def test_one_frozen_camera_of_two_is_noticed() -> None:
    pictures = {f"{i}_a.png": b"ok 1" for i in range(6)} | {f"{i}_b.png": b"ok 2%d" % i for i in range(6)}
    world = sorted_world(pictures, **VIEWS, frozen_after=4)
    found = {row["name"]: row["decision"] for row in decisions(world)}
    assert [found[f"{i}_{view}.png"] for i in range(6) for view in "ab"] == ["ok"] * 6 + ["REVIEW"] * 6


def test_a_frozen_camera_is_remembered_over_a_restart() -> None:
    world = World(frozen_after=4)
    for name in "abcdef":
        world.bring(name, b"ok 1")
        assert world.run() is not None
    assert [row["decision"] for row in decisions(world)] == ["ok"] * 3 + ["REVIEW"] * 3
    alarms = world.database.execute("SELECT count(*) FROM journal WHERE kind = 'ALARM'").fetchone()
    assert alarms == (1,)


def test_pictures_that_are_nearly_the_same_are_no_frozen_camera() -> None:
    world = sorted_world({f"{i}": b"ok same" + b"." * i for i in range(12)}, frozen_after=4)
    assert {row["decision"] for row in decisions(world)} == {"ok"}


def test_content_seen_before_is_sorted_and_flagged() -> None:
    world = sorted_world({"a": b"ok 1", "b": b"bad", "c": b"ok 1"})
    world.bring("d", b"ok 1")
    assert world.run() is not None
    rows = decisions(world)
    assert [row["duplicate_of"] for row in rows] == [None, None, rows[0]["id"], rows[0]["id"]]


def test_names_that_were_ever_used_are_not_used_again() -> None:
    world = World()
    world.leave(OUT / "ok" / "a.png", b"the plant's own")
    world.bring("a.png", b"ok 1")
    world.bring("b.png", b"ok 2")
    assert world.run() is not None
    world.disk.remove(OUT / "ok" / "b.png")  # the plant takes it away
    world.brought.clear()
    world.bring("b.png", b"ok 3")
    assert world.run() is not None
    names = sorted(path.name for path in world.disk.files(OUT / "ok"))
    ids = {row["name"]: row["id"] for row in decisions(world)}
    assert names == ["a.png", f"a__{decisions(world)[0]['id']}.png", f"b__{ids['b.png']}.png"]
    report = verify_world(world)
    assert (report["problems"], report["missing"]) == (0, 1)


def verify_world(world: World) -> dict[str, Any]:
    """``verify`` reads the journal from a file; here the folders are compared by themselves."""
    journal = Journal(world.database, JOURNAL, HandClock())  # type: ignore[arg-type]
    found = verification._compare(OUT, world.disk, list(journal.decisions()))
    return {**found, "problems": len(found["rows"])}


def test_verify_tells_what_was_altered_moved_and_doubled() -> None:
    world = sorted_world({"a": b"ok 1", "b": b"ok 2", "c": b"ok 3", "d": b"ok 4"})
    disk, ids = world.disk, {row["name"]: row["id"] for row in decisions(world)}
    disk._write(disk._node(OUT / "ok" / "a"), b"other")
    disk.make_folder(OUT / "shelf")
    disk.move(OUT / "ok" / "b", OUT / "shelf" / "b")
    disk.remove(OUT / "ok" / "c")
    disk.copy(OUT / "ok" / "d", OUT / "ok" / f"d__{ids['d']}")
    report = verify_world(world)
    assert [row["problem"] for row in report["rows"]] == ["altered", "doubled"]
    assert (report["missing"], report["moved"]) == (1, 1)


def test_a_share_of_passed_parts_is_marked_for_people() -> None:
    pictures = {f"{i}.png": b"ok %d" % i for i in range(40)} | {"bad.png": b"bad"}
    for share, least, most in ((0.0, 0, 0), (1.0, 40, 40), (0.3, 4, 22)):
        world = sorted_world(pictures, audit_share=share)
        (count,) = world.database.execute("SELECT count(*) FROM journal WHERE kind = 'AUDIT'").fetchone()
        assert least <= count <= most


def test_class_folders_may_have_a_folder_for_each_day() -> None:
    assert folders(sorted_world({"a": b"ok 1"}, subfolders="day")) == {"a": "ok/2026-03-01"}


def test_nothing_is_taken_when_room_runs_out() -> None:
    world = World()
    world.bring("a", b"ok 1")
    world.disk.room = 1_000_000
    with pytest.raises(DiskFullError, match="64 MB are kept in reserve; make room"):
        world.run()
    assert world.disk.files(INBOX) == {INBOX / "a": b"ok 1"}
    world.disk.room = None
    assert world.run() is not None
    assert world.violations() == []


def test_a_disk_that_is_full_all_of_a_sudden_loses_nothing() -> None:
    world = World({Path("/out"): 2}, reserve_mb=0)
    for name in "abc":
        world.bring(name, b"ok " + name.encode() * 40)
    world.disk.room = 60  # for one copy and a half
    with pytest.raises(OSError, match="No space left") as caught:
        world.run()
    assert caught.value.errno == errno.ENOSPC
    world.disk.room = None
    assert world.run() is not None
    assert world.violations() == []


@pytest.mark.parametrize("moment", ["before the move", "after the move"])
def test_a_file_that_changes_after_the_decision_goes_to_people(moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.bring("a", b"ok 1")
    disk, move, append = world.disk, world.disk.move, []

    def rewrite(path: Path) -> None:
        if not append:
            append.append(path)
            disk._write(disk._node(path), b"bad, in truth")

    def moved(source: Path, target: Path) -> None:
        move(source, target)
        if target.parent == OUT / "ok":
            rewrite(target)

    def made(path: Path) -> None:
        if path == OUT / "ok" and disk.status(path) is None:
            (place,) = disk.files(OUT / "work")
            rewrite(place)
        make(path)

    make = disk.make_folder
    if moment == "after the move":
        monkeypatch.setattr(disk, "move", moved)
    else:
        monkeypatch.setattr(disk, "make_folder", made)
    assert world.run() is not None
    assert append
    assert folders(world) == {"a": "REVIEW"}
    assert reasons(world) == {"a": "the file changed after it had been decided on"}


def test_a_file_that_is_written_anew_after_it_was_copied_goes_to_people_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World({Path("/out"): 2})
    world.bring("a", b"ok 1")
    disk, copy = world.disk, world.disk.copy

    def copied(source: Path, target: Path) -> None:
        copy(source, target)
        if world.brought.total() == 1:
            disk._write(disk._node(source), b"ok 2")
            world.brought[b"ok 2"] += 1

    monkeypatch.setattr(disk, "copy", copied)
    assert world.run() is not None
    assert world.violations() == []
    assert sorted(folders(world).values()) == ["REVIEW", "ok"]


def test_the_table_is_safe_and_one_row_is_one_line() -> None:
    world = table_world()
    text = world.disk.files(OUT)[OUT / "decisions.csv"].decode()
    lines = text.split("\r\n")
    assert lines[0].startswith("sequence;time;id;name;part;decision;passed;score;reason;final;sha256")
    assert ";'=1+1;" in lines[1]
    assert ";5,0;" in lines[1]
    assert "+00:00;" in lines[1]
    assert ';"a\\x0a""b;";' in lines[2]
    assert one_line("a\r\n\x85\u2028b") == "a\\x0d\\x0a\\x85\\u2028b"


def table_world() -> World:
    world = World(csv_separator=";", csv_decimal=",")
    world.bring("=1+1", b"ok 1")
    world.bring('a\n"b;', b"bad")
    assert world.run() is not None
    return world


def test_a_table_that_cannot_be_written_never_stops_sorting(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.bring("a", b"ok 1")
    append = world.disk.append

    def locked(path: Path, data: bytes) -> None:
        if path.name == "decisions.csv":
            raise PermissionError(errno.EACCES, "a spreadsheet holds it")
        append(path, data)

    monkeypatch.setattr(world.disk, "append", locked)
    ran = world.run()
    assert ran is not None
    assert "a spreadsheet holds it" in ran[0].csv.problem
    assert folders(world) == {"a": "ok"}
    monkeypatch.undo()
    world.bring("b", b"ok 2")
    assert world.run() is not None
    assert world.violations() == [], "the rows that were missing are there"


@pytest.mark.parametrize("content", [b"rewritten by hand", b"sequence,time\r\nx,y\r\n"])
def test_a_table_that_was_edited_is_kept_under_another_name(content: bytes) -> None:
    world = World()
    world.bring("a", b"ok 1")
    world.leave(OUT / "decisions.csv", content)
    world.foreign = {OUT / "decisions-1.csv": content}
    assert world.run() is not None
    assert world.violations() == []


def test_names_are_cut_by_bytes_and_keep_their_ending() -> None:
    for name in ("a" * 251 + ".png", "ä" * 125 + ".jpeg", "x." + "y" * 253, "\udcff" * 255):
        made = with_id(name, "0123456789ab")
        assert len(made.encode("utf-8", "surrogateescape")) <= 255
        assert "__0123456789ab" in made
    assert with_id("a.b.png", "7") == "a.b__7.png"


def test_a_name_that_is_no_text_reaches_table_and_view_as_its_part() -> None:
    world = sorted_world({"a\udcff.png": b"ok 1", "b\udcfe.png": b"bad 2"})
    assert {row["part"] for row in decisions(world)} == {"a\\udcff.png", "b\\udcfe.png"}


def test_batches_are_decided_on_while_others_are_read_and_moved() -> None:
    world = World(batch=1)
    for name in "abcd":
        world.bring(name, b"ok " + name.encode())
    assert world.run() is not None
    assert world.violations() == []
    rows = list(
        world.database.execute("SELECT kind, batch, sequence FROM journal WHERE kind IN ('BATCH', 'END') ORDER BY 3")
    )
    second = [sequence for kind, _, sequence in rows if kind == "BATCH"][1]
    first_end = next(sequence for kind, _, sequence in rows if kind == "END")
    assert second < first_end


def test_one_thread_decides_and_another_touches_files(monkeypatch: pytest.MonkeyPatch) -> None:
    world, deciding, moving = World(batch=1), set[str](), set[str]()
    for name in "abcd":
        world.bring(name, b"ok " + name.encode())
    decode, move = TextDecider.decode, world.disk.move

    def noted(decider: TextDecider, files: Any) -> Any:
        deciding.add(threading.current_thread().name)
        return decode(decider, files)

    def moved(source: Path, target: Path) -> None:
        moving.add(threading.current_thread().name)
        move(source, target)
        if target == OUT / "ok" / "b":  # a program writes on: the picture is decided on again, while c is
            world.disk.put(OUT / "work" / source.parent.name / "b", b"ok , written anew")

    monkeypatch.setattr(TextDecider, "decode", noted)
    monkeypatch.setattr(world.disk, "move", moved)
    assert world.run() is not None
    assert len(deciding) == len(moving) == 1
    assert not deciding & moving
    assert sorted(row["decision"] for row in decisions(world)) == ["REVIEW", "ok", "ok", "ok", "ok"]


def test_a_batch_in_hand_is_finished_when_room_runs_out() -> None:
    world = World(batch=1)
    for name in "abc":
        world.bring(name, b"ok " + name.encode())
    free, asked = world.disk.free_bytes, []

    def running_out(path: Path) -> int:
        asked.append(path)
        return free(path) if len(asked) <= 6 else 0  # three folders for each batch

    world.disk.free_bytes = running_out  # type: ignore[method-assign]
    with pytest.raises(DiskFullError):
        world.run()
    assert folders(world) == {"a": "ok", "b": "ok"}
    assert list(world.disk.files(INBOX)) == [INBOX / "c"]
    del world.disk.free_bytes
    assert world.run() is not None
    assert world.violations() == []
