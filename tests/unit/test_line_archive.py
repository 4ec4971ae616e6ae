"""``gonogo archive``: old pictures leave the output, none is lost on the way, and the journal tells of each."""

from __future__ import annotations

import errno
import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest
from line.commands import FAST, Commands, fill
from line.simulated_disk import KEEPS, PowerLossError
from line.world import JOURNAL, OUT, HandClock, SimulatedJournal, World

from gonogo.line.archive import Wish, _do, carry_out, unfinished_rows
from gonogo.line.journal import Entry

LATER = ["--before", "2100-01-01"]
SHELF = Path("/shelf")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


@pytest.fixture
def out(line_models: dict[str, Path], tmp_path: Path, run: Commands) -> Path:
    """Two good pictures and a bad one, in folders by day."""
    inbox = fill(tmp_path / "inbox", {"a.png": 120, "b.png": 120, "c.png": 0})
    run("sort", line_models["gated"], inbox, tmp_path / "out", "--subfolders", "day", *FAST)
    return tmp_path / "out"


def pictures(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.png")}


def test_a_look_changes_nothing(out: Path, run: Commands) -> None:
    for extra in ([], ["--dry-run", "--delete"], ["--dry-run", "--to", str(out.parent / "shelf")]):
        result = run("archive", out, *LATER, *extra)
        assert (result["pictures"], result["folders"], result["done"]) == (3, {"ok": 2, "bad": 1}, 0)
    assert pictures(out) == {"a.png", "b.png", "c.png"}
    assert not (out.parent / "shelf").exists()
    assert run("archive", out, "--before", "2020-01-01")["pictures"] == 0


def test_what_was_moved_or_deleted_is_no_longer_missing(out: Path, run: Commands) -> None:
    shelf = out.parent / "shelf"
    before = {path.name: path.read_bytes() for path in out.rglob("*.png")}
    assert run("archive", out, *LATER, "--folder", "ok", "--to", shelf)["done"] == 2
    day = next((shelf / "ok").iterdir())
    assert {path.name: path.read_bytes() for path in day.iterdir()} == {n: before[n] for n in ("a.png", "b.png")}
    assert list((out / "ok").iterdir()) == [], "the folder of a day goes when it is empty"
    assert run("archive", out, *LATER, "--delete")["done"] == 1
    assert pictures(out) == set()
    result = run("verify", out)
    assert (result["problems"], result["archived"], result["missing"], result["moved"]) == (0, 3, 0, 0)
    assert run("archive", out, *LATER, "--delete")["pictures"] == 0


def test_an_archive_on_another_disk_gets_verified_copies(
    out: Path, run: Commands, request: pytest.FixtureRequest
) -> None:
    shelf = Path("/dev/shm") / f"gonogo-{os.getpid()}-shelf"
    assert Path("/dev/shm").stat().st_dev != out.stat().st_dev
    request.addfinalizer(lambda: shutil.rmtree(shelf, ignore_errors=True))
    assert run("archive", out, *LATER, "--to", shelf)["done"] == 3
    assert (pictures(shelf), pictures(out)) == ({"a.png", "b.png", "c.png"}, set())
    assert not list(shelf.rglob(".*"))
    assert run("verify", out)["problems"] == 0


def test_nothing_is_overwritten_and_nothing_altered_is_touched(out: Path, run: Commands) -> None:
    shelf = out.parent / "shelf"
    a, c = next(out.rglob("a.png")), next(out.rglob("c.png"))
    taken = shelf / a.relative_to(out)
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"the archive's own")
    c.write_bytes(b"altered")
    result = run("archive", out, *LATER, "--to", shelf)
    assert (result["done"], result["altered"]) == (2, 1)
    assert taken.read_bytes() == b"the archive's own"
    assert len(list(taken.parent.glob("a__*.png"))) == 1
    assert c.read_bytes() == b"altered"
    run("archive", out, *LATER, "--delete")
    assert c.read_bytes() == b"altered"
    assert run("verify", out, exit_code=5)["rows"][0]["problem"] == "altered"


def test_what_the_plant_took_away_is_recorded(out: Path, run: Commands) -> None:
    next(out.rglob("a.png")).unlink()
    assert run("verify", out)["missing"] == 1
    result = run("archive", out, *LATER, "--record")
    assert (result["done"], result["kept"]) == (1, 2)
    assert run("verify", out)["missing"] == 0
    assert pictures(out) == {"b.png", "c.png"}


def test_a_moved_picture_is_replayed_from_the_archive(out: Path, run: Commands) -> None:
    run("archive", out, *LATER, "--to", out.parent / "shelf")
    with sqlite3.connect(out / ".gonogo" / "journal.db") as database:
        ids = [row[0] for row in database.execute("SELECT id FROM decisions")]
    for identifier in ids:
        assert run("replay", out, identifier)["same"]


def test_wrong_wishes_are_refused(out: Path, run: Commands, tmp_path: Path) -> None:
    for folder in (out, out / "ok", out.parent, tmp_path / "inbox", tmp_path / "inbox" / "old"):
        run("archive", out, *LATER, "--to", folder, exit_code=2)
        assert "name a separate folder" in run.error
    for extra in (["--delete"], []):
        run("archive", out, *LATER, "--folder", "okay", *extra, exit_code=2)
        assert "--folder: found 'okay', expected one of 'QUARANTINE', 'REVIEW', 'bad', 'ok'" in run.error
    run("archive", tmp_path / "nothing", *LATER, exit_code=2)
    run("archive", tmp_path / "nothing", *LATER, "--delete", exit_code=2)
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(SystemExit):
        run("archive", out, "--before", "yesterday", "--delete")
    with (out / ".gonogo" / "lock").open() as held:
        import fcntl

        fcntl.flock(held, fcntl.LOCK_EX)
        run("archive", out, *LATER, "--delete", exit_code=2)
    assert pictures(out) == {"a.png", "b.png", "c.png"}


def test_a_run_that_was_interrupted_is_told_and_finished(
    out: Path, run: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("the program ends here")

    with monkeypatch.context() as patched:
        patched.setattr("gonogo.line.files.LocalDisk.sync", fail)
        run("archive", out, *LATER, "--to", out.parent / "shelf", exit_code=1)
    assert {row["problem"] for row in run("verify", out, exit_code=5)["rows"]} == {"unfinished"}
    assert run("recover", out)["archived"] == 3
    assert (pictures(out), pictures(out.parent / "shelf")) == (set(), {"a.png", "b.png", "c.png"})
    assert run("verify", out)["problems"] == 0


def test_the_next_run_finishes_what_was_begun(out: Path, run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("the program ends here")

    with monkeypatch.context() as patched:
        patched.setattr("gonogo.line.files.LocalDisk.sync", fail)
        run("archive", out, *LATER, "--to", out.parent / "shelf", exit_code=1)
    result = run("archive", out, *LATER, "--to", out.parent / "shelf")
    assert (result["finished"], result["pictures"]) == (3, 0)
    assert run.error == "finished what an interrupted run had begun: 3 pictures\n"
    assert (pictures(out), pictures(out.parent / "shelf")) == (set(), {"a.png", "b.png", "c.png"})


@pytest.mark.parametrize("action", ["move", "delete"])
@pytest.mark.parametrize("mounts", [{}, {SHELF: 2}], ids=["one disk", "another disk"])
def test_a_loss_of_power_at_any_step_loses_nothing(action: str, mounts: dict[Path, int]) -> None:
    names = {"a": b"ok 1", "b": b"bad 2", "c": b"ok 3"}

    def sorted_world() -> World:
        world = World(mounts)
        for name, data in names.items():
            world.bring(name, data)
        assert world.run() is not None
        world.disk.sync_all()
        return world

    def journal_of(world: World) -> SimulatedJournal:
        journal = SimulatedJournal(world.database, JOURNAL, HandClock())
        journal.disk = world.disk
        return journal

    def go(world: World, lose_power_at: int | None) -> bool:
        world.disk.steps, world.disk.lose_power_at = 0, lose_power_at
        journal = journal_of(world)
        try:
            _do(unfinished_rows([journal]), journal, OUT, world.disk)
            gone = {row.id for row in journal.rows("ARCHIVED")}
            old = [row for row in journal.decisions() if row["id"] not in gone]
            target = SHELF if action == "move" else None
            carry_out(old, Wish("9999", (), action, target), journal, OUT, world.disk)  # type: ignore[arg-type]
        except PowerLossError:
            return False
        return True

    first, cases = sorted_world(), 0
    while not go(first.copy(), cases + 1):
        cases += 1
        for keep in KEEPS:
            again = first.copy()
            assert not go(again, cases)
            again.after_power_loss(keep, random.Random(cases).randrange(1000))
            if action == "move":
                there = [*again.disk.files(OUT).items(), *again.disk.files(SHELF).items()]
                whole = {data for path, data in there if not path.name.startswith(".")}
                assert whole >= set(names.values()), f"step {cases}, {keep}: a picture is nowhere"
            assert go(again, None)
            left = {path.name: data for path, data in again.disk.files(OUT).items() if path.name in names}
            kept = {path.name: data for path, data in again.disk.files(SHELF).items()}
            assert (left, kept) == ({}, names if action == "move" else {})
            assert len(list(journal_of(again).rows("ARCHIVED"))) == 3
    assert cases >= 6


@pytest.mark.parametrize(
    ("action", "across", "trouble", "reason"),
    [
        ("move", False, "name taken", "another file has taken its name in the archive"),
        ("move", True, "name taken", "another file has taken its name in the archive"),
        ("move", False, "gone", "it is neither at its place nor where it was to be archived"),
        ("move", True, "changed meanwhile", "it changed while it was copied"),
        ("delete", False, "altered", "it has another content than when it was sorted"),
    ],
)
def test_what_cannot_be_archived_is_kept_with_its_reason(
    action: str, across: bool, trouble: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World({SHELF: 2} if across else None)
    world.bring("a", b"ok 1")
    assert world.run() is not None
    disk, place, target = world.disk, OUT / "ok" / "a", SHELF / "ok" / "a"
    journal = SimulatedJournal(world.database, JOURNAL, HandClock())
    journal.disk = disk
    done = next(journal.rows("DONE"))
    body = {"action": action, "place": "ok/a", "target": str(target) if action == "move" else None, "user": "Ada"}
    content = disk.digest(place)
    (number,) = journal.append([Entry("ARCHIVE", None, done.id, done.sequence, "a", None, content, body=body)])
    if trouble == "name taken":
        disk.put(target, b"the archive's own")
    elif trouble == "gone":
        disk.remove(place)
    elif trouble == "altered":
        disk._write(disk._node(place), b"another")
    else:
        monkeypatch.setattr(disk, "copy", lambda _source, copy: disk.put(copy, b"half"))
    before = {path: data for path, data in disk.files(OUT).items() if path == place}
    assert _do(unfinished_rows([journal]), journal, OUT, disk) == 0
    (kept,) = journal.rows("KEPT")
    assert (kept.refers, kept.body["reason"]) == (number, reason)
    assert {path: data for path, data in disk.files(OUT).items() if path == place} == before
    assert list(disk.files(SHELF).values()) == ([b"the archive's own"] if trouble == "name taken" else [])
    assert unfinished_rows([journal]) == []


def test_an_archive_on_a_broken_disk_ends_the_run_and_loses_nothing(
    out: Path, run: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    before = pictures(out)
    with monkeypatch.context() as patched:
        patched.setattr("gonogo.line.files.LocalDisk.move", fail)
        run("archive", out, *LATER, "--to", out.parent / "shelf", exit_code=1)
    assert "input/output error" in run.error
    assert pictures(out) == before
    assert run("archive", out, *LATER, "--to", out.parent / "shelf")["finished"] == 3
    assert pictures(out.parent / "shelf") == before
