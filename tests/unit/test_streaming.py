"""Frames in, one line of JSON for each out: on time, in order, and never by a crash."""

from __future__ import annotations

import contextlib
import io
import json
import os
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

from gonogo import Inspector
from gonogo.line.inspection import InspectorDecider
from gonogo.streaming import Frame, FrameError, Settings, Stream, frames, listening, serve

DRAW = np.random.default_rng(3)
GOOD, BAD = picture(DRAW, 120), picture(DRAW, 0)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def decider(models: dict[str, Path]) -> InspectorDecider:
    return InspectorDecider(Inspector(models["gated"], n_threads=1), threads=1)


def framed(*files: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(file)) + file for file in files)


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


def test_what_is_late_is_review_and_is_not_worked_on(decider: InspectorDecider) -> None:
    stream = Stream(decider, Settings(deadline=60.0), lambda: False)
    now = time.monotonic()
    assert stream.decide(Frame(GOOD, now))["decision"] == "ok"
    late = stream.decide(Frame(b"never looked at", now - 61))
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
    ],
)
def test_what_is_no_frame_ends_the_stream(decider: InspectorDecider, sent: bytes, complaint: str) -> None:
    _, good, error = lines_of(decider, framed(GOOD) + sent, bytes_max=1000)
    assert good["decision"] == "ok"
    assert error == {"error": complaint}


@given(files=st.lists(st.binary(min_size=1, max_size=50)), cut=st.integers(0, 200), pieces=st.integers(1, 7))
def test_frames_are_what_was_sent_however_it_comes(files: list[bytes], cut: int, pieces: int) -> None:
    sent = framed(*files)
    source = io.BytesIO(sent)
    assert list(frames(lambda size: source.read(min(size, pieces)), 50)) == files
    whole, cut_off = [], io.BytesIO(sent[:cut])
    with contextlib.suppress(FrameError):
        whole.extend(frames(cut_off.read, 50))
    assert whole == files[: len(whole)]


@given(sent=st.binary(max_size=300))
def test_any_bytes_end_in_lines(decider: InspectorDecider, sent: bytes) -> None:
    ready, *said = lines_of(decider, sent, bytes_max=200)
    assert ready["ready"]
    assert all(line.get("decision") == "QUARANTINE" or "error" in line for line in said)


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

    def start_stream(*options: str | Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gonogo", "stream", models["gated"], "--threads", "1", *options]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, **pipes))
        return started[-1]

    yield start_stream
    for process in started:
        process.kill()
        process.communicate()


def test_the_command_on_standard_input(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = start("--deadline-ms", "60000", "--max-bytes", "1000")
    said, complaint = process.communicate(framed(GOOD, BAD) + b"\xff\xff\xff\xff")
    assert process.returncode == 2
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line.get("decision") for line in lines] == [None, "ok", "bad", None]
    assert lines[-1] == {"error": "frame 3: found a length of 4294967295, expected 1 to 1000 bytes"}
    assert complaint.decode() == f"gonogo stream: {lines[-1]['error']}\n"


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


def test_a_sender_that_goes_without_its_lines_is_left_and_the_next_one_served(
    start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    path = tmp_path / "s"
    process = start("--socket", path)
    assert process.stderr is not None
    process.stderr.readline()
    with socket.socket(socket.AF_UNIX) as camera:
        camera.connect(str(path))
        camera.sendall(framed(*[GOOD] * 20))  # and is gone
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
