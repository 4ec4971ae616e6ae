"""Frames in, one line of JSON for each out: on time, in order, and never by a crash."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from line.commands import make_models, picture

from gonogo import Inspector, PassGate, load
from gonogo.cli import main
from gonogo.errors import ModelFileError
from gonogo.framing import VIEWS_MAX, Assembly, Frame, FrameError, Mark, Part, frames
from gonogo.line.inspection import InspectorDecider
from gonogo.streaming import Settings, Stream, listening, serve

DRAW = np.random.default_rng(3)
GOOD, BAD = picture(DRAW, 120), picture(DRAW, 0)
ALSO_GOOD = picture(DRAW, 120)
WANTED = "expected 1 <= picture <= pictures <= 64, or a length of 1 to 1000 bytes"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``gated`` for parts of one picture, ``pairs`` for parts of two."""
    made = make_models(tmp_path_factory.mktemp("models"))
    y = np.where(np.arange(1000) < 700, "bad", "ok")
    light = 120 * (y == "ok")[:, None, None, None].astype(np.uint8)
    X = DRAW.integers(0, 100, (1000, 6, 7, 1), dtype=np.uint8) + light
    gate = PassGate(load(made["plain"]), "ok", 0.01, 0.95).fit(X, y, groups=np.arange(1000) // 2)
    return {**made, "pairs": gate.save(made["gated"].with_name("pairs.gonogo"))}


@pytest.fixture(scope="module")
def decider(models: dict[str, Path]) -> InspectorDecider:
    return InspectorDecider(Inspector(models["gated"], n_threads=1), threads=1)


def framed(*files: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(file)) + file for file in files)


def marked(part: int, view: int, views: int, file: bytes) -> bytes:
    return struct.pack("<BBHI", view, views, 0x8000 | part, len(file)) + file


def part(number: int, *files: bytes) -> bytes:
    return b"".join(marked(number, view, len(files), file) for view, file in enumerate(files, 1))


@pytest.fixture(scope="module")
def pairs(models: dict[str, Path]) -> InspectorDecider:
    return InspectorDecider(Inspector(models["pairs"], n_threads=1), threads=1)


def lines_of(decider: InspectorDecider, sent: bytes, **settings: Any) -> list[dict[str, Any]]:
    lines: list[str] = []
    Stream(decider, Settings(heartbeat=0, **settings), lambda: False).run(io.BytesIO(sent).read, lines.append)
    return [json.loads(line) for line in lines]


def test_each_frame_has_its_line(decider: InspectorDecider) -> None:
    ready, *said = lines_of(decider, framed(GOOD, BAD, GOOD[:-20], b"no picture", GOOD))
    assert ready["ready"] is True
    assert (ready["classes"], ready["model"]) == (["bad", "ok"], decider.description["model"])
    assert [line["frame"] for line in said] == [1, 2, 3, 4, 5]
    assert [line["decision"] for line in said] == ["ok", "bad", "QUARANTINE", "QUARANTINE", "ok"]
    assert [line["passed"] for line in said] == [True, False, False, False, True]
    assert said[0]["score"] > 0 > said[1]["score"]
    assert said[2]["score"] is None
    assert "PNG" in said[2]["reason"]
    assert said[0]["score"] == said[4]["score"]


def test_frames_are_counted_for_each_sender_and_all_together(decider: InspectorDecider) -> None:
    lines: list[str] = []
    stream = Stream(decider, Settings(heartbeat=0), lambda: False)
    for sent in (framed(GOOD, BAD), framed(GOOD) + b"\0" * 4):
        stream.run(io.BytesIO(sent).read, lines.append)
    said = [json.loads(line) for line in lines]
    assert [line.get("frame") for line in said] == [None, 1, 2, None, 1, None]
    assert said[-1]["error"].startswith("frame 2: ")
    assert stream.frames == 3


def test_what_is_late_is_review_and_is_not_worked_on(decider: InspectorDecider) -> None:
    stream = Stream(decider, Settings(deadline=60.0), lambda: False)
    now = time.monotonic()
    assert stream.decide(Part([GOOD], now))["decision"] == "ok"
    late = stream.decide(Part([b"never looked at"], now - 61))
    assert (late["decision"], late["passed"], late["score"], late["cause"]) == ("REVIEW", False, None, "late")
    assert late["reason"].startswith("late: 61")
    assert late["reason"].endswith("the deadline is 60000 ms")
    assert (stream.frames, stream.late) == (2, 1)
    assert [line["decision"] for line in lines_of(decider, framed(GOOD), deadline=1e-9)[1:]] == ["REVIEW"]


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (b"\x01", "frame 2: found 1 bytes, expected a length of 4"),
        (struct.pack("<I", 0), "frame 2: found a length of 0, expected 1 to 1000 bytes"),
        (struct.pack("<I", 1001) + b"x" * 1001, "frame 2: found a length of 1001, expected 1 to 1000 bytes"),
        (b"GET / HTTP/1.1\r\n\r\n", "frame 2: found a length of 542393671, expected 1 to 1000 bytes"),
        (struct.pack("<I", 10) + b"abc", "frame 2: ends after 3 of 10 bytes"),
        (b"\1\2\0\x80" + b"\1\0", "frame 2: found 2 bytes, expected a length of 4"),
        (b"\1\2\0\x80", "frame 2: found 0 bytes, expected a length of 4"),
        (b"\1\2\0\x80" * 2, "frame 2: found a length of 2147484161, expected 1 to 1000 bytes"),
        (b"\0\2\0\x80", f"frame 2: found the mark of picture 0 of 2, or a length of 2147484160 bytes; {WANTED}"),
        (b"\3\2\0\x80", f"frame 2: found the mark of picture 3 of 2, or a length of 2147484163 bytes; {WANTED}"),
        (b"\1\x41\0\x80", f"frame 2: found the mark of picture 1 of 65, or a length of 2147500289 bytes; {WANTED}"),
    ],
)
def test_what_is_no_frame_ends_the_stream(decider: InspectorDecider, sent: bytes, complaint: str) -> None:
    _, good, error = lines_of(decider, framed(GOOD) + sent, bytes_max=1000)
    assert good["decision"] == "ok"
    assert error == {"error": complaint}


def test_a_frozen_camera_is_review_until_it_shows_something_else(decider: InspectorDecider) -> None:
    _, *said = lines_of(decider, framed(*[GOOD] * 12, ALSO_GOOD, GOOD))
    assert [line["decision"] for line in said] == ["ok"] * 9 + ["REVIEW"] * 3 + ["ok"] * 2
    assert said[9]["reason"] == "the same picture 10 times in a row: the camera may be frozen"
    assert (said[9]["cause"], said[9]["score"], said[9]["passed"]) == ("doubt", None, False)
    _, *said = lines_of(decider, framed(*[GOOD] * 12), frozen_after=0)
    assert {line["decision"] for line in said} == {"ok"}
    with pytest.raises(ValueError, match="frozen_after: found 1, expected 2 or more"):
        Settings(frozen_after=1)


def test_a_frozen_camera_is_remembered_over_senders_and_late_pictures(decider: InspectorDecider) -> None:
    stream, said = Stream(decider, Settings(heartbeat=0, deadline=60.0, frozen_after=4), lambda: False), list[str]()
    for _ in range(2):
        stream.run(io.BytesIO(framed(GOOD)).read, said.append)
    assert stream.decide(Part([GOOD], time.monotonic() - 61))["cause"] == "late"
    assert stream.decide(Part([GOOD], time.monotonic()))["reason"].startswith("the same picture 4 times")
    assert [json.loads(line).get("decision") for line in said] == [None, "ok"] * 2


def test_one_frozen_camera_of_two_is_noticed(pairs: InspectorDecider) -> None:
    other = [GOOD, ALSO_GOOD]
    sent = [part(n, other[n % 2], GOOD) for n in range(3)] + [marked(3, 2, 2, GOOD), part(4, ALSO_GOOD, GOOD)]
    sent += [part(5, ALSO_GOOD, ALSO_GOOD)]
    _, *said = lines_of(pairs, b"".join(sent), frozen_after=4)
    assert [line["decision"] for line in said] == ["ok"] * 3 + ["REVIEW"] * 2 + ["ok"]
    assert said[3]["cause"] == "part"
    assert said[4]["reason"] == "picture 2 of 2: the same picture 5 times in a row: the camera may be frozen"


@given(files=st.lists(st.binary(min_size=1, max_size=50)), cut=st.integers(0, 200), pieces=st.integers(1, 7))
def test_frames_are_what_was_sent_however_it_comes(files: list[bytes], cut: int, pieces: int) -> None:
    sent = framed(*files)
    source = io.BytesIO(sent)
    assert [frame.data for frame in frames(lambda size: source.read(min(size, pieces)), 50)] == files
    whole, cut_off = [], io.BytesIO(sent[:cut])
    with contextlib.suppress(FrameError):
        whole.extend(frame.data for frame in frames(cut_off.read, 50))
    assert whole == files[: len(whole)]


def test_a_part_of_several_pictures_has_one_line(pairs: InspectorDecider) -> None:
    sent = [part(0, GOOD, GOOD), part(1, GOOD, BAD), part(2, GOOD), framed(GOOD), part(3, BAD), part(32767, GOOD, GOOD)]
    shuffled = marked(0, 2, 2, BAD) + marked(0, 1, 2, GOOD)
    _, *said = lines_of(pairs, b"".join(sent) + shuffled)
    assert [line["decision"] for line in said] == ["ok", "bad", "REVIEW", "REVIEW", "REVIEW", "ok", "bad"]
    assert [line["passed"] for line in said] == [True, False, False, False, False, True, False]
    assert [line.get("part") for line in said] == [0, 1, 2, None, 3, 32767, 0]
    assert [line.get("pictures") for line in said] == [2, 2, 1, None, 1, 2, 2]
    assert [line["frame"] for line in said] == [2, 4, 5, 6, 7, 9, 11]
    assert "found 1 picture of the part, the certificate holds for 2 or more" in said[2]["reason"]
    assert said[1]["score"] == said[6]["score"] < 0 < said[0]["score"]


@pytest.mark.parametrize(
    ("sent", "parts"),
    [
        ([(0, 2, 2), (1, 1, 2), (1, 2, 2)], [("incomplete: found picture 2 of 2", 1), ("", 2)]),
        ([(0, 1, 3), (0, 3, 3), (1, 1, 1)], [("incomplete: found picture 1, 3 of 3", 2), ("", 1)]),
        ([(0, 1, 2), (1, 2, 2)], [("incomplete: found picture 1 of 2", 1), ("incomplete: found picture 2 of 2", 1)]),
        ([(0, 1, 2)], [("incomplete: found picture 1 of 2", 1)]),
        ([(0, 1, 2), None, (0, 2, 2)], [("incomplete", 1), ("", 1), ("the number of the part before, 0; count", 1)]),
        ([(0, 1, 2), (0, 1, 2), (0, 2, 2)], [("incomplete", 1), ("the number of the part before", 2)]),
        ([(7, 1, 2), (7, 2, 2), (7, 1, 2), (7, 2, 2)], [("", 2), ("the number of the part before, 7", 2)]),
        ([(0, 1, 2), (0, 2, 3), (0, 3, 3)], [("incomplete", 1), ("the number of the part before", 2)]),
        ([(0, 1, 2), (1, 1, 2), (0, 2, 2), (1, 2, 2)], [("incomplete", 1)] * 4),
    ],
)
def test_a_lost_picture_ends_its_part_alone(
    pairs: InspectorDecider, sent: list[tuple[int, int, int] | None], parts: list[tuple[str, int]]
) -> None:
    _, *said = lines_of(pairs, b"".join(framed(GOOD) if mark is None else marked(*mark, GOOD) for mark in sent))
    assert [line.get("pictures", 1) for line in said] == [pictures for _, pictures in parts]
    for line, (doubt, pictures) in zip(said, parts, strict=True):
        assert line["decision"] == ("REVIEW" if doubt or pictures == 1 else "ok")
        assert doubt in line["reason"]
        assert not doubt or (line["cause"], line["score"], line["passed"]) == ("part", None, False)
    assert said[-1]["frame"] == len(sent)


def test_a_damaged_picture_sends_its_part_to_people(pairs: InspectorDecider) -> None:
    sent = part(0, GOOD, GOOD[:-20]) + part(1, b"no picture", GOOD[:-20]) + part(2, GOOD[:-20]) + part(3, GOOD, GOOD)
    _, *said = lines_of(pairs, sent)
    assert [line["decision"] for line in said] == ["REVIEW", "REVIEW", "QUARANTINE", "ok"]
    assert said[0]["reason"].startswith("picture 2 of 2: ") and said[1]["reason"].startswith("picture 1 of 2: ")
    assert said[0]["cause"] == said[2]["cause"] != ""


def test_a_part_without_measure_is_not_kept(pairs: InspectorDecider) -> None:
    largest = len(GOOD)
    _, *said = lines_of(pairs, part(0, *[GOOD] * 9) + part(1, GOOD, GOOD), bytes_max=largest)
    assert [(line["decision"], line["pictures"]) for line in said] == [("REVIEW", 9), ("ok", 2)]
    assert said[0]["reason"] == f"its pictures have {9 * largest} bytes together, expected at most {8 * largest}"
    assembly = Assembly(30.0, 100)
    for view in range(1, VIEWS_MAX):
        assert assembly.add(Frame(b"x" * 60, 0.0, Mark(0, view, VIEWS_MAX))) == []
        assert sum(len(frame.data) for frame in assembly._held.values()) <= 60
    (ended,) = assembly.add(Frame(b"x", 0.0, Mark(0, VIEWS_MAX, VIEWS_MAX)))
    assert ended.pictures == [b""] * VIEWS_MAX and "bytes together" in ended.doubt


def test_pictures_that_come_too_late_make_no_part() -> None:
    assembly = Assembly(2.0, 1000)
    assert assembly.add(Frame(b"a", 10.0, Mark(0, 1, 2))) == []
    assert assembly.expire(12.0) == []
    (gone,) = assembly.add(Frame(b"b", 12.1, Mark(0, 2, 2)))
    assert gone == Part([b"a"], 10.0, 0, "the part is incomplete: found picture 1 of 2")
    (rest,) = assembly.expire(15.0)
    assert rest.pictures == [b"b"] and "the number of the part before" in rest.doubt
    assert assembly.end() == assembly.expire(99.0) == []


@given(
    views=st.lists(st.integers(1, 4), min_size=1, max_size=12),
    shuffler=st.randoms(use_true_random=False),
    lost=st.sets(st.integers(0, 47)),
)
def test_no_part_is_made_of_pictures_of_two(views: list[int], shuffler: random.Random, lost: set[int]) -> None:
    sent: list[Frame] = []
    for number, count in enumerate(views):
        own = [Frame(bytes([number, view]), 0.0, Mark(number, view, count)) for view in range(1, count + 1)]
        sent += shuffler.sample(own, count)
    came = [frame for k, frame in enumerate(sent) if k not in lost]
    assembly = Assembly(30.0, 1000)
    parts = [made for frame in came for made in assembly.add(frame)] + assembly.end()
    for made in parts:
        assert made.number is not None
        whole = [bytes([made.number, view]) for view in range(1, views[made.number] + 1)]
        assert set(made.pictures) <= set(whole)
        assert made.doubt or made.pictures == whole
    numbers = [frame.mark.part for frame in sent if frame.mark is not None]
    unharmed = {n for n in range(len(views)) if not {k for k, number in enumerate(numbers) if number == n} & lost}
    assert {made.number for made in parts if not made.doubt} == unharmed
    assert sorted(picture for made in parts for picture in made.pictures) == sorted(frame.data for frame in came)


@given(sent=st.binary(max_size=300))
def test_any_bytes_end_in_lines(decider: InspectorDecider, sent: bytes) -> None:
    ready, *said = lines_of(decider, sent, bytes_max=200)
    assert ready["ready"]
    assert all(line.get("decision") in ("QUARANTINE", "REVIEW") or "error" in line for line in said)


def test_an_idle_stream_says_that_it_lives(decider: InspectorDecider) -> None:
    reading, sending = os.pipe()
    lines: list[dict[str, Any]] = []
    stopped = threading.Event()

    def write(line: str) -> None:
        lines.append(json.loads(line))
        if "heartbeat" in lines[-1]:
            stopped.set()

    stream = Stream(decider, Settings(heartbeat=0.01), stopped.is_set)
    assert stream.run(lambda size: os.read(reading, size), write) is None
    assert lines[-1] == {"heartbeat": True, "frames": 0, "late": 0}
    os.close(sending)  # which ends the thread that reads


@pytest.fixture
def start(models: dict[str, Path]) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start_stream(*options: str | Path, model: str = "gated") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gonogo", "stream", models[model], "--threads", "1", *options]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, **pipes))
        return started[-1]

    yield start_stream
    for process in started:
        with process:
            process.kill()


def test_the_command_on_standard_input(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = start("--deadline-ms", "60000", "--max-bytes", "1000")
    said, complaint = process.communicate(framed(GOOD, BAD) + b"\xff\xff\xff\xff")
    assert process.returncode == 2
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line.get("decision") for line in lines] == [None, "ok", "bad", None]
    assert lines[-1] == {
        "error": f"frame 3: found the mark of picture 255 of 255, or a length of 4294967295 bytes; {WANTED}"
    }
    assert complaint.decode() == f"gonogo stream: {lines[-1]['error']}\n"


def test_a_model_that_computes_something_else_decides_on_nothing(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: InspectorDecider) -> float:
        raise ModelFileError("FILE", "the scores are others")

    monkeypatch.setattr(InspectorDecider, "self_test", fail)
    assert main(["stream", str(models["gated"])]) == 3
    assert capsys.readouterr() == ("", "gonogo stream: FILE: the scores are others\n")


def test_a_sender_that_stops_in_the_middle_of_a_part(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = start("--part-timeout", "1", "--heartbeat", "2", model="pairs")
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(part(1, GOOD, GOOD) + marked(2, 1, 2, GOOD))
    process.stdin.flush()
    ready, whole, incomplete, heartbeat = (json.loads(next(process.stdout)) for _ in range(4))
    assert ready["ready"]
    assert (whole["decision"], whole["part"], whole["pictures"]) == ("ok", 1, 2)
    assert (incomplete["decision"], incomplete["part"], incomplete["pictures"]) == ("REVIEW", 2, 1)
    assert incomplete["reason"] == "the part is incomplete: found picture 1 of 2"
    assert heartbeat == {"heartbeat": True, "frames": 3, "late": 0}


def test_the_command_takes_parts_of_several_pictures(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    sent = [marked(3, 1, 2, GOOD), framed(GOOD), part(4, GOOD, GOOD[:-20]), part(5, BAD, GOOD), part(6, GOOD, GOOD)]
    said, _ = start("--deadline-ms", "60000", model="pairs").communicate(b"".join(sent) + marked(7, 2, 2, GOOD))
    lines = [json.loads(line) for line in said.splitlines()][1:]
    assert [(line.get("part"), line["decision"]) for line in lines] == [
        (3, "REVIEW"), (None, "REVIEW"), (4, "REVIEW"), (5, "bad"), (6, "ok"), (7, "REVIEW"),
    ]  # fmt: skip
    broken, complaint = start(model="pairs").communicate(part(0, GOOD, GOOD) + part(1, GOOD, GOOD)[:-5])
    _, good, incomplete, error = map(json.loads, broken.splitlines())
    assert (good["decision"], incomplete["decision"], incomplete["part"]) == ("ok", "REVIEW", 1)
    assert error["error"].startswith("frame 4: ends after ")
    assert complaint.decode() == f"gonogo stream: {error['error']}\n"


def test_the_command_behind_a_socket(start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))  # by a program that is no more
    process = start("--socket", path)
    assert process.stderr is not None
    assert process.stderr.readline() == f"listening on {path}\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for sent, expected in ((framed(GOOD, BAD), ["ok", "bad"]), (b"\0" * 4, []), (framed(GOOD), ["ok"])):
        with socket.socket(socket.AF_UNIX) as camera, camera.makefile("rb") as answers:
            camera.connect(str(path))
            camera.sendall(sent)
            camera.shutdown(socket.SHUT_WR)
            lines = [json.loads(line) for line in answers]
        assert [line["decision"] for line in lines if "decision" in line] == expected
        assert ("error" in lines[-1]) == (sent == b"\0" * 4)
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 0
    assert rest.decode().splitlines()[-1] == "3 frames, 0 late"
    assert not path.exists()


def test_a_socket_takes_no_place_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is no socket"), listening(tmp_path / "file"):
        pass
    assert (tmp_path / "file").exists()
    with listening(tmp_path / "s"):
        with pytest.raises(ValueError, match="another program listens"), listening(tmp_path / "s"):
            pass
        assert (tmp_path / "s").exists()
    assert not (tmp_path / "s").exists()
    with pytest.raises(ValueError, match="expected at most 100"), listening(tmp_path / ("x" * 100)):
        pass
    with pytest.raises(FileNotFoundError) as caught, listening(tmp_path / "none" / "s"):
        pass
    assert caught.value.filename == str(tmp_path / "none" / "s")


def test_a_sender_that_goes_without_its_lines_is_left_and_the_next_one_served(
    start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    path = tmp_path / "s"
    process = start("--socket", path)
    assert process.stderr is not None
    process.stderr.readline()
    with socket.socket(socket.AF_UNIX) as camera:
        camera.connect(str(path))
        camera.sendall(framed(*[BAD, GOOD] * 10))  # and is gone
    assert process.stderr.readline().startswith(b"the sender was left: ")
    with socket.socket(socket.AF_UNIX) as camera, camera.makefile("rb") as answers:
        camera.connect(str(path))
        assert json.loads(next(answers))["ready"]
        camera.sendall(framed(GOOD))
        assert json.loads(next(answers))["decision"] == "ok"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def test_who_serves_nobody_stops_at_a_word(decider: InspectorDecider, tmp_path: Path) -> None:
    looks = iter([False, False, True])
    with listening(tmp_path / "s") as server:
        serve(Stream(decider, Settings(), lambda: False), server, lambda: next(looks), pytest.fail)
    assert list(looks) == []


def test_frames_that_wait_when_the_stream_ends_are_let_go(decider: InspectorDecider) -> None:
    source, lines = io.BytesIO(framed(*[GOOD] * 20)), []

    def write(line: str) -> None:
        lines.append(json.loads(line))

    before = threading.active_count()
    stopped = Stream(decider, Settings(heartbeat=0), lambda: len(lines) == 2)
    assert stopped.run(source.read, write) is None
    for thread in threading.enumerate():
        if thread.name == "frames":
            thread.join(60)
    assert threading.active_count() == before
    assert lines[1]["decision"] == "ok"
    assert source.tell() < len(source.getvalue())
