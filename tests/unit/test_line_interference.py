"""Other hands in inbox and output, at the worst of moments: between two calls of the sorter. Nothing is lost or passed by it."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from line.simulated_disk import PowerLossError, SimulatedDisk
from line.world import INBOX, OUT, HandClock, TextDecider, World

from gonogo.decision import Decision
from gonogo.line.claim import can_move
from gonogo.line.disk import BlockedError, FileChangedError
from gonogo.line.naming import final_name
from gonogo.line.recovery import Recovery
from gonogo.line.rehearsal import rehearse
from gonogo.line.tables import create_schema

ACROSS = {OUT: 2}
OK = OUT / "ok"


class Hand:
    """``hand(call, path, act)``: somebody acts just before the first call of the disk that begins with this path or folder."""

    def __init__(self, disk: SimulatedDisk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.disk, self._monkeypatch = disk, monkeypatch
        self.acted = 0

    def __call__(self, call: str, place: Path, act: Callable[[Path], object]) -> None:
        method, waiting = getattr(self.disk, call), [act]

        def watched(path: Path, *more: Any) -> Any:
            if waiting and place in (path, path.parent, path.parent.parent):
                waiting.clear()
                self.acted += 1
                act(path)
            return method(path, *more)

        self._monkeypatch.setattr(self.disk, call, watched)

    def take(self, path: Path) -> None:
        """Take a file away."""
        self.disk.remove(path)

    def rewrite(self, path: Path) -> None:
        """Write another picture into a file."""
        self.disk._write(self.disk._node(path), b"ok another one")

    def put_folder(self, path: Path) -> None:
        """Put a folder in the place of a file."""
        self.disk.remove(path)
        self.disk.make_folder(path)


def failing(error: int) -> Callable[[Path], None]:
    def fail(path: Path) -> None:
        raise OSError(error, os.strerror(error), str(path))

    return fail


def no_power(_: Path) -> None:
    raise PowerLossError("here")


@pytest.fixture
def world() -> World:
    made = World()
    made.bring("a", b"ok 1")
    return made


@pytest.fixture
def pair() -> World:
    """A part of two pictures."""
    world = World(part_pattern=r"(?P<part>\d)_(?P<view>\w)", views=2)
    world.bring("1_a", b"ok 1")
    world.bring("1_b", b"ok 2")
    return world


@pytest.fixture
def hand(world: World, monkeypatch: pytest.MonkeyPatch) -> Hand:
    return Hand(world.disk, monkeypatch)


def rows(world: World, kind: str) -> list[str]:
    """The reasons that rows of a kind tell."""
    query = "SELECT json_extract(body, '$.reason') FROM journal WHERE kind = ?"
    return [reason for (reason,) in world.database.execute(query, (kind,))]


def told(world: World) -> dict[str, tuple[str, str]]:
    """Name in the output -> its folder and the reason."""
    found = world.database.execute("SELECT final, reason FROM decisions")
    return {Path(final).name: (str(Path(final).parent), reason) for final, reason in found}


def finished(world: World) -> bool:
    """Whether a life of the sorter comes to its end, with all batches ended."""
    ran = world.run()
    return ran is not None and ran[0].journal.open_batches() == []


@pytest.mark.parametrize("call", ["is_open_for_writing", "read", "move"])
def test_a_picture_that_is_taken_from_the_inbox_was_never_the_lines(call: str, world: World, hand: Hand) -> None:
    hand(call, INBOX / "a", hand.take)
    assert finished(world)
    assert hand.acted
    assert told(world) == {}
    assert rows(world, "LOST") == rows(world, "ALARM") == []


@pytest.mark.parametrize("error", [errno.EACCES, errno.EBUSY])
@pytest.mark.parametrize("call", ["is_open_for_writing", "read", "move"])
def test_a_picture_that_is_held_waits(call: str, error: int, world: World, hand: Hand) -> None:
    hand(call, INBOX / "a", failing(error))
    assert finished(world)
    assert hand.acted
    assert world.violations() == []
    assert told(world) == {"a": ("ok", "")}


def forbid(world: World, call: str, monkeypatch: pytest.MonkeyPatch, names: str, times: float) -> list[str]:
    """Let the system forbid a call for files of the inbox, so often; return the list of those that were tried."""
    method, tried = getattr(world.disk, call), list[str]()

    def forbidding(path: Path, *more: Path) -> Any:
        if path.parent == INBOX and path.name in names and len(tried) < times:
            tried.append(path.name)
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return method(path, *more)

    monkeypatch.setattr(world.disk, call, forbidding)
    return tried


@pytest.mark.parametrize("call", ["is_open_for_writing", "read", "move"])
def test_an_inbox_that_forbids_all_is_tried_ever_less_often_and_told(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, names = World(batch=8, reserve_mb=0), "abcdefghijkl"
    for name in names:
        world.bring(name, b"ok %s" % name.encode())
    tried = forbid(world, call, monkeypatch, names, 2_000)
    ran = world.run(seconds=900)
    assert ran is not None
    inbox = ran[0].inbox
    assert len(tried) < 100
    (batches,) = world.database.execute("SELECT count(*) FROM journal WHERE kind = 'BATCH'").fetchone()
    assert batches < 30, "the journal grows"
    assert set(tried) == set(names), "only one was tried again"
    what = "taken" if call == "move" else "read"
    assert inbox.problem.startswith(f"/inbox: files in the inbox cannot be {what} (permission denied), such as a; let")
    assert (inbox.oldest() or 0) >= 800
    assert told(world) == {}
    monkeypatch.undo()
    assert finished(world)
    assert world.violations() == []
    assert set(told(world)) == set(names)


def test_where_one_file_is_allowed_again_the_others_are_tried_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    for name in "abcd":
        world.bring(name, b"ok %s" % name.encode())
    forbid(world, "move", monkeypatch, "abcd", 12)
    ran = world.run(seconds=260)
    assert ran is not None
    assert ran[0].inbox.problem == ""
    assert world.violations() == []
    times = {time for (time,) in world.database.execute("SELECT time FROM journal WHERE kind = 'DONE'")}
    assert len(times) == 2, "the one that was tried, and the others"


def test_a_file_that_a_recovery_may_not_take_waits_in_the_inbox(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.bring("a", b"ok 1")
    steps = next(step for step in range(1, 40) if _began(world, step))
    assert world.run(steps) is None
    world.after_power_loss("all", steps)
    forbid(world, "move", monkeypatch, "a", 1)
    assert finished(world)
    assert world.violations() == []


def _began(world: World, steps: int) -> bool:
    """Whether a life that ends after some steps has told of its first batch."""
    tried = world.copy()
    return tried.run(steps) is None and tried.database.execute("SELECT 1 FROM journal WHERE kind = 'BATCH'").fetchone()


def test_a_file_that_may_not_be_taken_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    for name in "abc":
        world.bring(name, b"ok %s" % name.encode())
    tried = forbid(world, "move", monkeypatch, "b", 1_000)
    ran = world.run(seconds=5)
    assert ran is not None
    assert set(told(world)) == {"a", "c"}
    assert len(tried) > 1
    assert "such as b; let gonogo's account write into this folder" in ran[0].inbox.problem


def test_a_part_of_which_no_picture_may_be_taken_waits_whole(pair: World, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(pair, "move", monkeypatch, "1_a", 3)
    ran = pair.run(seconds=10)
    assert ran is not None
    assert pair.violations() == []
    assert told(pair) == {"1_a": ("ok", ""), "1_b": ("ok", "")}


@pytest.mark.parametrize("call", ["is_open_for_writing", "read", "move"])
def test_a_broken_disk_is_no_reason_to_wait(call: str, world: World, hand: Hand) -> None:
    hand(call, INBOX / "a", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        world.run()
    assert finished(world)
    assert world.violations() == []


def test_a_broken_disk_is_told_as_what_it_is_before_anything_is_taken(world: World, hand: Hand) -> None:
    hand("move", INBOX, failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error") as caught:
        world.run()
    assert (caught.value.errno, Path(caught.value.filename).parent) == (errno.EIO, INBOX)
    assert list(world.disk.files(INBOX)) == [INBOX / "a"]
    assert finished(world)
    assert world.violations() == []


@pytest.mark.parametrize("error", [errno.EACCES, errno.EBUSY])
def test_a_part_goes_to_people_without_the_view_that_could_not_be_taken(
    error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(part_pattern=r"(?P<part>\d)_(?P<view>\w)", views=2)
    world.bring("1_a", b"ok 1")
    world.bring("1_b", b"ok 2")
    hand = Hand(world.disk, monkeypatch)
    hand("move", INBOX / "1_b", failing(error))
    assert finished(world)
    assert world.violations() == []
    assert told(world) == {
        "1_a": ("REVIEW", "a picture of the part could not be taken from the inbox"),
        "1_b": ("REVIEW", "found 1 picture of the part, expected 2"),
    }


def test_a_part_goes_to_people_without_the_view_that_is_taken_away_before_a_recovery_reads_it(
    pair: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = Hand(pair.disk, monkeypatch)
    (gone,) = (path for path in crashed(pair, hand, "make_folder", OK) if path.name == "1_b")
    hand("read", gone, hand.take)
    assert finished(pair)
    assert hand.acted == 2
    assert told(pair) == {"1_a": ("REVIEW", "a picture of the part was taken away")}
    assert rows(pair, "LOST") == ["it was taken out of the folder of claimed pictures"]


def test_a_part_goes_to_people_without_the_view_that_is_taken_away_as_soon_as_it_is_claimed(
    pair: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = Hand(pair.disk, monkeypatch)
    hand("move", INBOX / "1_b", hand.rewrite)  # so that it is read again
    hand("read", OUT / "work", hand.take)
    assert finished(pair)
    assert hand.acted == 2
    assert told(pair) == {"1_a": ("REVIEW", "a picture of the part was taken away")}
    assert rows(pair, "LOST") == ["it was taken out of the folder of claimed pictures"]


def test_a_part_has_as_many_views_as_when_it_was_claimed(pair: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand(pair.disk, monkeypatch)
    (gone,) = (path for path in crashed(pair, hand, "make_folder", OK) if path.name == "1_b")
    pair.disk.remove(gone)
    pair.configuration = replace(pair.configuration, views=1)
    assert finished(pair)
    assert told(pair) == {"1_a": ("REVIEW", "found 1 of the 2 pictures that the part had")}


def test_views_of_two_parts_of_one_name_make_no_part(pair: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each of them one picture is left when the power comes back."""
    hand = Hand(pair.disk, monkeypatch)
    crashed(pair, hand, "make_folder", OK)
    with monkeypatch.context() as patched:  # the next start brings its pictures as far, before it looks at what is left
        patched.setattr(Recovery, "run", lambda _: {})
        pair.bring("1_a", b"ok 3")
        pair.bring("1_b", b"ok 4")
        later = crashed(pair, hand, "make_folder", OK)
    for path in later:
        if pair.disk.files(OUT)[path] in (b"ok 2", b"ok 3"):
            pair.disk.remove(path)
    assert finished(pair)
    assert {folder for folder, _ in told(pair).values()} == {"REVIEW"}
    assert len(told(pair)) == 2


def test_what_is_claimed_with_another_content_than_was_read_goes_to_people(world: World, hand: Hand) -> None:
    hand("move", INBOX / "a", hand.rewrite)
    world.brought = Counter([b"ok another one"])
    assert finished(world)
    assert world.violations() == []
    assert told(world) == {"a": ("REVIEW", "the file changed while it was taken")}


def changing(_: Path) -> None:
    raise FileChangedError("it changed")


def test_what_is_written_into_while_it_is_claimed_goes_to_quarantine(world: World, hand: Hand) -> None:
    hand("move", INBOX / "a", hand.rewrite)
    hand("read", OUT / "work", changing)
    world.brought = Counter([b"ok another one"])
    assert finished(world)
    assert hand.acted == 2
    assert world.violations() == []
    assert told(world) == {"a": ("QUARANTINE", "a program still writes into it")}


# From the decision to the folder.


@pytest.mark.parametrize("mounts", [{}, ACROSS], ids=["one disk", "another disk"])
def test_a_final_name_that_others_take_first_is_theirs(
    mounts: dict[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(mounts)
    world.bring("a", b"ok 1")
    hand, names = Hand(world.disk, monkeypatch), list[str]()

    def occupy(_: Path) -> None:
        (final,) = world.database.execute("SELECT final FROM journal WHERE kind = 'INTENT'").fetchone()
        names.append(Path(final).name)
        world.leave(OUT / final, b"the plant's own")

    hand("move", OK if mounts else OUT / "work", occupy)  # the copy beside its final name, or the picture itself
    assert finished(world)
    assert world.violations() == []
    assert names
    assert not set(told(world)) & set(names)


def test_a_folder_in_place_of_a_claimed_picture_is_an_alarm(world: World, hand: Hand) -> None:
    hand("make_folder", OK, lambda _: hand.put_folder(next(iter(world.disk.files(OUT / "work")))))
    assert finished(world)
    assert told(world) == {}
    assert rows(world, "LOST") == ["it was taken away, or is no file any more"]


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        ("rewrite", "the file changed after it had been decided on"),
        ("put_folder", "it was taken away, or is no file any more"),
    ],
)
def test_what_changes_while_it_is_copied_does_not_pass(act: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(ACROSS)
    world.bring("a", b"ok 1")
    hand = Hand(world.disk, monkeypatch)
    hand("copy", INBOX / ".gonogo-work", getattr(hand, act))
    assert finished(world)
    assert hand.acted
    if act == "rewrite":
        assert list(told(world).values()) == [("REVIEW", reason)]
        assert list(world.disk.files(OUT / "REVIEW").values()) == [b"ok another one"]
    else:
        assert (told(world), rows(world, "LOST")) == ({}, [reason])
    assert world.disk.files(OK) == {}


@pytest.mark.parametrize("work", ["write into it", "take its names"])
def test_a_picture_that_a_program_never_lets_alone_waits_for_the_end_of_that(
    work: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(ACROSS if work == "write into it" else {})
    world.bring("a", b"ok 1")
    disk, numbers = world.disk, iter(range(10**6))

    def restless(call: str) -> Callable[[Path, Path], None]:
        method = getattr(disk, call)

        def called(source: Path, target: Path) -> None:
            if call == "copy":
                world.brought = Counter([b"ok again %d" % next(numbers)])
                disk._write(disk._node(source), *world.brought)
            elif source.parent.parent == OUT / "work":
                world.leave(target, b"the plant's own %d" % next(numbers))
            method(source, target)

        return called

    with monkeypatch.context() as patched:
        patched.setattr(
            disk, "copy" if work == "write into it" else "move", restless("copy" if work == "write into it" else "move")
        )
        for _ in range(2):
            with pytest.raises(BlockedError, match="a program writes into this file, or takes its names") as caught:
                world.run()
            assert disk.status(Path(caught.value.filename)) is not None
    assert finished(world)
    assert world.violations() == []
    assert {folder for folder, _ in told(world).values()} == {"REVIEW" if work == "write into it" else "ok"}


# After a crash.


def crashed(world: World, hand: Hand, call: str, place: Path) -> dict[Path, bytes]:
    """Lose the power before a call; return what lies in work/."""
    hand(call, place, no_power)
    assert world.run() is None
    world.after_power_loss("all", 0)
    return world.disk.files(OUT / "work")


def test_another_file_with_the_final_name_is_not_taken_for_the_picture(world: World, hand: Hand) -> None:
    (place,) = crashed(world, hand, "move", OUT / "work")
    world.disk.remove(place)
    world.leave(OK / "a", b"the plant's own")
    assert finished(world)
    assert rows(world, "LOST") == ["the file with its final name has another content"]
    assert world.disk.files(OK) == {OK / "a": b"the plant's own"}


def test_a_picture_that_is_nowhere_is_an_alarm(world: World, hand: Hand) -> None:
    (place,) = crashed(world, hand, "move", OUT / "work")
    world.disk.remove(place)
    assert finished(world)
    assert rows(world, "LOST") == ["it is neither where it was claimed nor where it should end"]


def test_a_picture_that_is_taken_away_during_the_recovery_is_an_alarm(world: World, hand: Hand) -> None:
    crashed(world, hand, "move", OUT / "work")
    hand("move", OUT / "work", hand.take)
    assert finished(world)
    assert rows(world, "LOST") == ["it was taken out of the folder of claimed pictures"]


def test_a_picture_that_is_taken_away_before_it_is_read_again_is_an_alarm(world: World, hand: Hand) -> None:
    crashed(world, hand, "make_folder", OK)  # claimed, and not decided on
    hand("read", OUT / "work", hand.take)
    assert finished(world)
    assert rows(world, "LOST") == ["it was taken out of the folder of claimed pictures"]


def test_a_claimed_picture_with_another_content_is_decided_on_again(world: World, hand: Hand) -> None:
    (place,) = crashed(world, hand, "move", OUT / "work")
    world.disk._write(world.disk._node(place), b"bad in truth")
    world.brought = Counter([b"bad in truth"])
    assert finished(world)
    assert world.violations() == []
    assert told(world) == {"a": ("bad", "")}


def test_a_claimed_picture_that_is_written_into_goes_to_quarantine(world: World, hand: Hand) -> None:
    crashed(world, hand, "make_folder", OK)
    hand("read", OUT / "work", changing)
    assert finished(world)
    assert world.violations() == []
    assert told(world) == {"a": ("QUARANTINE", "a program still writes into it")}


def test_a_final_name_that_was_taken_meanwhile_is_theirs(world: World, hand: Hand) -> None:
    crashed(world, hand, "move", OUT / "work")
    world.leave(OK / "a", b"the plant's own")
    assert finished(world)
    assert world.violations() == []
    assert len(world.disk.files(OK)) == 2


def test_a_picture_that_was_looked_at_and_taken_away_was_never_the_lines(world: World, hand: Hand) -> None:
    assert crashed(world, hand, "move", INBOX / "a") == {}
    world.disk.remove(INBOX / "a")
    assert finished(world)
    assert (told(world), rows(world, "LOST")) == ({}, [])


def test_an_empty_picture_is_no_name_that_was_only_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.bring("a", b"")
    assert crashed(world, Hand(world.disk, monkeypatch), "make_folder", OUT / "QUARANTINE") != {}
    assert finished(world)
    assert told(world) == {"a": ("QUARANTINE", "the picture ends too early")}


def test_claimed_pictures_that_no_journal_knows_go_to_people(world: World, hand: Hand) -> None:
    crashed(world, hand, "make_folder", OK)
    world.database = sqlite3.connect(":memory:", isolation_level=None)  # the journal is lost
    create_schema(world.database)
    assert finished(world)
    assert world.violations() == []
    assert told(world) == {"a": ("REVIEW", "it was found claimed, without a row that tells of it")}


def test_a_folder_that_cannot_be_written_is_no_other_file_system(world: World, hand: Hand) -> None:
    hand("move", INBOX, failing(errno.EACCES))
    with pytest.raises(PermissionError):
        can_move(INBOX, OUT, world.disk)
    assert world.disk.files(INBOX).keys() | world.disk.files(OUT).keys() == {INBOX / "a"}


def test_only_the_names_that_were_asked_for_are_sorted(world: World) -> None:
    ran = world.run(seconds=0)
    assert ran is not None
    sorter = ran[0]
    world.bring("b", b"ok 2")
    for _ in range(3):
        sorter.clock.sleep(1)  # type: ignore[attr-defined]
        sorter.step(["a"])
    assert set(told(world)) == {"a"}
    assert list(world.disk.files(INBOX)) == [INBOX / "b"]
    assert sorter.step() == 0, "b is seen for the first time"


def test_a_decision_for_no_class_goes_to_people(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [Decision("excellent", True, 9.0)]
    monkeypatch.setattr(TextDecider, "decide", lambda _decider, parts: said * len(parts))
    assert finished(world)
    assert told(world) == {"a": ("REVIEW", "found the decision 'excellent', which is none of the model's classes")}


def test_a_second_table_that_was_edited_gets_a_name_of_its_own(world: World) -> None:
    for number in (1, 2):
        world.leave(OUT / f"decisions-{number}.csv", b"an older one")
    world.leave(OUT / "decisions.csv", b"edited by hand")
    world.foreign[OUT / "decisions-3.csv"] = world.foreign.pop(OUT / "decisions.csv")
    assert finished(world)
    assert world.violations() == []


def test_a_folder_in_which_every_name_is_taken_is_told() -> None:
    with pytest.raises(FileExistsError, match=r"a\.png: found files with all names that gonogo would give it"):
        final_name("a.png", "0123456789ab", lambda _: True)


@pytest.mark.parametrize(
    ("call", "act"),
    [
        ("is_open_for_writing", "take"),
        ("is_open_for_writing", failing(errno.EBUSY)),
        ("read", failing(errno.EIO)),
        ("read", changing),
    ],
)
def test_a_dry_run_says_of_a_picture_in_other_hands_that_it_is_not_ready(
    call: str, act: str | Callable[[Path], None], world: World, hand: Hand
) -> None:
    hand(call, INBOX / "a", getattr(hand, act) if isinstance(act, str) else act)
    (row,) = rehearse(INBOX, world.configuration, world.decider, disk=world.disk, clock=HandClock())  # type: ignore[arg-type]
    assert hand.acted
    assert (row["file"], row["decision"]) == ("a", None)
    assert row["reason"] == "it is not ready, or its part is not complete"
