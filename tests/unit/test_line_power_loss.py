"""Power is lost at every step of the sorter, once and twice: no picture is lost, doubled, overwritten or passed by mistake."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from line.simulated_disk import KEEPS
from line.world import INBOX, OUT, World

Often = Callable[[int, int], int]
Report = Callable[[str, object], None]
ACROSS = {Path("/out"): 2}


def single_pictures(mounts: dict[Path, int] | None = None) -> World:
    """Two batches: a name that is taken, twins, a damaged and a doubtful picture."""
    world = World(mounts, batch=3)
    world.leave(OUT / "ok" / "a.png", b"the plant's own")
    for name, data in [
        ("a.png", b"ok 1"),
        ("b.png", b"bad 2"),
        ("c.png", b"ok 3"),
        ("d.png", b"ok 3"),
        ("e.png", b"half 5"),
    ]:
        world.bring(name, data)
    return world


def parts_with_views(mounts: dict[Path, int] | None = None) -> World:
    """Parts of two views: a good one, one with a bad view, one whose second view never comes."""
    world = World(mounts, batch=4, part_pattern=r"(?P<part>\d+)_(?P<view>\w)\.png", views=2)
    for name, data in [("1_a.png", b"ok 1"), ("1_b.png", b"ok 2"), ("2_a.png", b"ok 3"), ("2_b.png", b"bad 4")]:
        world.bring(name, data)
    world.bring("3_a.png", b"ok 5")
    return world


def copies(mounts: dict[Path, int] | None = None) -> World:
    """Pictures that stay in the inbox."""
    world = World(mounts, batch=2)
    world.keeps = True
    for name, data in [("a.png", b"ok 1"), ("b.png", b"bad 2"), ("c.png", b"ok 3")]:
        world.bring(name, data)
    return world


def reserving(world: World) -> World:
    """A name is taken by an empty file, which the picture then replaces."""
    world.disk.reserving = True
    return world


WORLDS = {
    "single pictures": lambda: single_pictures(),
    "single pictures, another disk": lambda: single_pictures(ACROSS),
    "a class folder on another disk": lambda: single_pictures({OUT / "bad": 2}),
    "parts": lambda: parts_with_views(),
    "parts, another disk": lambda: parts_with_views(ACROSS),
    "copies": lambda: copies(),
    "copies to another disk": lambda: copies(ACROSS),
    "names taken by empty files": lambda: reserving(single_pictures()),
    "names taken by empty files, another disk": lambda: reserving(parts_with_views(ACROSS)),
}


@cache
def template(name: str) -> World:
    return WORLDS[name]()


def fresh(name: str) -> World:
    return template(name).copy()


def finish(world: World) -> list[str]:
    """Start once more, undisturbed, and look."""
    assert world.run() is not None
    return world.violations()


def steps_of(name: str) -> int:
    world = fresh(name)
    assert world.run() is not None
    assert world.violations() == []
    return world.disk.steps


def survivals(step: int, count: int) -> list[str]:
    """What survives of names that are not yet on the disk; with fewer than all ways they take turns."""
    return [KEEPS[(step + i) % len(KEEPS)] for i in range(count)]


@pytest.mark.soak
@pytest.mark.parametrize("name", WORLDS)
def test_power_lost_at_every_step_loses_nothing(name: str, often: Often, report_figure: Report) -> None:
    count, found = 0, []
    for step in range(1, steps_of(name) + 1):
        for keep in survivals(step, often(2, len(KEEPS))):
            world = fresh(name)
            assert world.run(step) is None
            world.after_power_loss(keep, step)
            found += [(step, keep, problem) for problem in finish(world)]
            count += 1
    assert found == []
    report_figure(f"power lost once, {name}", f"{count} of {count} without a violation")


@pytest.mark.soak
@pytest.mark.parametrize("name", WORLDS)
def test_power_lost_twice_loses_nothing(name: str, often: Often, report_figure: Report) -> None:
    """The second time at every step of the recovery and what follows; in ``make test`` at a few of them."""
    stride, count, found = often(61, 1), 0, []
    for step in range(1, steps_of(name) + 1):
        for keep in survivals(step, often(1, len(KEEPS))):
            first = fresh(name)
            assert first.run(step) is None
            first.after_power_loss(keep, step)
            undisturbed = first.copy()
            assert undisturbed.run() is not None
            for second in range(1 + step * 7 % stride, undisturbed.disk.steps + 1, stride):
                world = first.copy()
                assert world.run(second) is None
                world.after_power_loss(KEEPS[(step + second) % len(KEEPS)], second)
                found += [(step, keep, second, problem) for problem in finish(world)]
                count += 1
    assert found == []
    report_figure(f"power lost twice, {name}", f"{count} of {count} without a violation")


def test_an_empty_file_that_comes_back_after_its_removal_is_no_picture() -> None:
    """It took a name for a claim; the recovery had removed it, and the disk did not know of that yet."""
    name, found = "names taken by empty files", []
    for step in (*range(20, 28), *range(67, 71)):  # while pictures are claimed, and while one that is cut off is
        first = fresh(name)
        assert first.run(step) is None
        first.after_power_loss("all", step)
        for second in range(20, 32):
            world = first.copy()
            assert world.run(second) is None
            world.after_power_loss("first", second)
            found += [(step, second, problem) for problem in finish(world)]
    assert found == []


def test_a_picture_that_ends_the_program_twice_goes_to_quarantine() -> None:
    world = World(batch=8)
    for name, data in [("a.png", b"ok 1"), ("b.png", b"poison"), ("c.png", b"ok 2")]:
        world.bring(name, data)
    lives = 0
    while world.run() is None:
        lives += 1
        assert lives < 5
        world.after_power_loss("all", 0)
    assert lives == 2
    assert world.violations() == []
    assert (OUT / "QUARANTINE" / "b.png") in world.disk.files(OUT)
    assert {path.name for path in world.disk.files(OUT / "ok")} == {"a.png", "c.png"}
    assert world.disk.files(INBOX) == {}
