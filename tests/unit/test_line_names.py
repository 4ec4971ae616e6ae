"""Names from hell, on real files: every picture ends in its folder whatever it is called, and nothing but pictures is touched."""

from __future__ import annotations

import csv
import io
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from line.real_line import RealLine, UnsyncedDisk, digest, files

from gonogo.line.disk import Status
from gonogo.line.naming import is_ignored

NASTY = [
    *(
        b"a\nb.png",
        b"a\r\n\x1b[31m.png",
        b"\xff\xfe.png",
        b"\xed\xb0\x80.png",
        b"=cmd|' -C calc'!A0",
        b"-rf",
        b"--out=x",
    ),
    *(b"..x", b"...", b"x..", b"a ", b" ", b"a.", b"~", b"*", b"?", b"%s%n", b"$(reboot)", b"';DROP TABLE journal;--"),
    *(
        b"ok",
        b"bad",
        b"REVIEW",
        b"QUARANTINE",
        b"work",
        b"decisions.csv",
        b"status.json",
        b"journal.db",
        b"CON",
        b"nul.png",
    ),
    *(
        b"a" * 255,
        b"\xc3\xa4" * 127,
        b"a" * 250 + b".jpeg",
        b"." + b"x" * 254,
        b"x" * 251 + b".tmp",
        b"\\..\\..\\x",
        b"C:x",
    ),
    *(
        "\u202egnp.ok".encode(),
        "\u200b".encode(),
        "ﬁ.png".encode(),
        b"fi.png",
        "İ.PNG".encode(),
        b"x.PNG",
        b"x.png",
    ),
]
names = st.binary(min_size=1, max_size=255).map(lambda name: name.replace(b"/", b"_").replace(b"\0", b"0"))
pictures = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(NASTY), names).filter(lambda name: name not in (b".", b"..")),
        st.sampled_from((b"ok", b"bad", b"half")),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda picture: picture[0],
)


@given(pictures, st.booleans(), st.booleans())
@example([(name, b"ok") for name in NASTY], False, False)
@example([(name, b"bad") for name in NASTY], False, True)
@example([(name, b"half") for name in NASTY], True, False)
@settings(max_examples=40)
def test_whatever_a_picture_is_called_it_ends_in_its_folder(
    tmp_path_factory: pytest.TempPathFactory, brought: list[tuple[bytes, bytes]], keeps: bool, twice: bool
) -> None:
    """Sorted twice, so that all names are taken the second time."""
    folder = Path("/dev/shm") / f"gonogo-{os.getpid()}-{tmp_path_factory.mktemp('names').name}"
    try:
        line = RealLine(folder / "in", folder / "out", disk=UnsyncedDisk(), keeps=keeps)
        for life in range(1 + (twice and not keeps)):
            ignored = set[str]()
            for number, (name, word) in enumerate(brought):
                data = b"%b %d %d" % (word, number, life)
                if is_ignored(os.fsdecode(name)):
                    ignored.add(os.fsdecode(name))
                    (line.inbox / os.fsdecode(name)).write_bytes(data)
                else:
                    line.bring(name, data)
            line.once()
            for name_ in ignored:
                (line.inbox / name_).unlink()
            assert line.violations() == []
        table = (line.out / "decisions.csv").read_bytes().decode()
        rows = list(csv.DictReader(io.StringIO(table, newline="")))
        assert len(rows) == line.brought.total() == table.count("\r\n") - 1, "one row is one line"
        assert not [row for row in rows if row["name"][:1] in ("=", "+", "-", "@")], (
            "no program takes a name for a formula"
        )
    finally:
        shutil.rmtree(folder)


@pytest.mark.soak
def test_thousands_of_equal_names(memory: Path, often: Callable[[int, int], int]) -> None:
    count = often(60, 10_000)
    line = RealLine(memory / "in", memory / "out", disk=UnsyncedDisk())
    with line.open() as opened:
        for number in range(count):
            line.bring("x.png", b"ok %d" % number)
            while not opened.sorter.step():
                continue
    assert line.violations() == []
    assert len(files(line.out / "ok")) == count


def test_what_is_no_regular_file_is_left_alone(memory: Path) -> None:
    line = RealLine(memory / "in", memory / "out", disk=UnsyncedDisk())
    outside = memory / "outside"
    outside.write_bytes(b"ok, but nobody's business")
    (line.inbox / "link.png").symlink_to(outside)
    (line.inbox / "nowhere.png").symlink_to(memory / "nothing")
    (line.inbox / "loop.png").symlink_to("loop.png")
    (line.inbox / "folder.png").mkdir()
    (line.inbox / "folder.png" / "inside.png").write_bytes(b"ok")
    os.mkfifo(line.inbox / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(line.inbox / "socket.png"))
        line.bring("a.png", b"ok 1")
        with line.open() as opened:
            opened.once()
            assert opened.sorter.inbox.refused == {
                f"{name}.png" for name in ("link", "nowhere", "loop", "folder", "pipe", "socket")
            }
    (line.inbox / "folder.png" / "inside.png").unlink()
    assert line.violations() == []
    assert outside.read_bytes() == b"ok, but nobody's business"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
@pytest.mark.parametrize("moment", ["before it is read", "before it is claimed"])
def test_what_takes_the_place_of_a_picture_is_not_followed(
    kind: str, moment: str, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = UnsyncedDisk()
    line = RealLine(memory / "in", memory / "out", disk=disk)
    outside = memory / "outside"
    outside.write_bytes(b"ok, but nobody's business")
    place = line.inbox / "a.png"
    place.write_bytes(b"ok 1")
    line.bring("b.png", b"ok 2")

    def exchange() -> None:
        if place.is_file() and not place.is_symlink():
            place.unlink()
            {"link": lambda: place.symlink_to(outside), "pipe": lambda: os.mkfifo(place), "folder": place.mkdir}[kind]()

    read, move = disk.read, disk.move

    def exchange_and_read(path: Path) -> tuple[bytes, Status]:
        if path == place:
            exchange()
        return read(path)

    def exchange_and_move(source: Path, target: Path) -> None:
        if source == place:
            exchange()
        move(source, target)

    if moment == "before it is read":
        monkeypatch.setattr(disk, "read", exchange_and_read)
    else:
        monkeypatch.setattr(disk, "move", exchange_and_move)
    line.once()
    assert outside.read_bytes() == b"ok, but nobody's business"
    assert os.path.lexists(place), "it was brought back"
    place.rmdir() if kind == "folder" else place.unlink()
    assert line.violations() == []


def test_foreign_files_and_folders_of_the_plant_are_kept(memory: Path) -> None:
    line = RealLine(memory / "in", memory / "out", disk=UnsyncedDisk())
    for place in ("ok/a.png", "ok/shelf/b.png", "REVIEW/c.png", "bad/.hidden", "report.xlsx", "other/d.png"):
        line.leave(place, b"the plant's own " + place.encode())
    for name in "abc":
        line.bring(f"{name}.png", b"ok " + name.encode())
    (line.out / "ok" / "c.png").mkdir()
    line.once()
    assert line.violations() == []
    assert digest(b"ok c") in {digest(path.read_bytes()) for path in (line.out / "ok").glob("c__*.png")}
