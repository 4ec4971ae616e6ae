"""What the inspector says of files, through the functions and the command: verdicts, reasons, doubts, bit depths."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from corpus.pictures import BASELINE, CONTRADICTING, CORPUS, EXACT, PROGRESSIVE, REFUSED
from corpus.png import png
from corpus.tiff import tiff

from gonogo import _core
from gonogo.decoding import Decoding
from gonogo.pictures import inspect_files, read_pictures


def verdict(data: bytes) -> str:
    """After structure and pixels."""
    (found,) = _core.check_many([data], 1)
    assert bool(found["reason"]) == (found["verdict"] != "ok")
    return str(found["verdict"])


def test_progressive_pictures_are_unproven_and_read() -> None:
    for data in PROGRESSIVE.values():
        assert verdict(data) == "unproven"
        found = _core.inspect(data)
        assert data[found["offset"] : found["offset"] + 2] == b"\xff\xc2"
        assert "progressive" in found["reason"]
        assert _core.decode(data, 3).shape == (found["height"], found["width"], 3)


def test_bmp_whose_room_was_reserved_is_unproven() -> None:
    data, _ = EXACT["bmp-24-40"]
    filled = len(data) // 2
    reserved = data[:filled] + bytes(len(data) - filled)
    assert (verdict(data), verdict(reserved)) == ("ok", "unproven")
    assert _core.inspect(reserved)["offset"] == len(data)


def test_bytes_behind_a_picture_do_not_matter() -> None:
    for name, data in CORPUS.items():
        longer = _core.inspect(data + b"\0camera data")
        assert longer["verdict"] == ("unproven" if name in PROGRESSIVE else "ok")
        assert longer["picture_bytes"] == _core.inspect(data)["picture_bytes"] <= len(data)
        assert np.array_equal(_core.decode(data + b"\0camera data", 3), _core.decode(data, 3))
    first, second = BASELINE["grey"], BASELINE["colour-420"]
    found = _core.inspect(first + second)
    assert (found["verdict"], found["offset"]) == ("unproven", len(first))
    index = b"\xff\xe2\x00\x08MPF\0MM"
    assert _core.inspect(first[:2] + index + first[2:] + second)["verdict"] == "ok"


@pytest.mark.parametrize("bit_depth", [16, 12, 10])
def test_deep_pictures_are_shifted_and_values_beyond_their_depth_refused(bit_depth: int, tmp_path: Path) -> None:
    values = np.arange(0, 2**bit_depth, 2 ** (bit_depth - 8) // 2).reshape(16, 32, 1)
    for name, good, bad in (
        ("a.png", png(values, 0, 16, True), png(np.full((16, 32, 1), 2**bit_depth % 2**16), 0, 16, False)),
        (
            "a.tif",
            tiff(values.astype(np.uint16), ">", 5, True),
            tiff((values + 2**bit_depth // 2).astype(np.uint16), "<", 5, False),
        ),
    ):
        assert np.array_equal(_core.decode(good, 1, bit_depth), values >> (bit_depth - 8))
        path = tmp_path / name
        path.write_bytes(good)
        assert np.array_equal(
            read_pictures([path], decoding=Decoding(bit_depth=bit_depth)).images[0], values >> (bit_depth - 8)
        )
        if bit_depth < 16:
            with pytest.raises(
                _core.CoreError, match=f"expected at most {2**bit_depth - 1} for a bit depth of {bit_depth}"
            ):
                _core.decode(bad, 1, bit_depth)
            path.write_bytes(bad)
            assert [said.verdict for said in inspect_files([path], bit_depth=bit_depth)] == ["bit-depth"]


def test_other_bit_depths_are_refused(tmp_path: Path) -> None:
    data = EXACT["png-0-16"][0]
    out = np.zeros((1, 13, 11, 1), np.uint8)
    path = tmp_path / "a.png"
    path.write_bytes(data)
    for call in (
        lambda: _core.decode(data, 1, 8),
        lambda: _core.check_many([data], 1, 14),
        lambda: _core.decode_many([data], out, bit_depth=0),
        lambda: Decoding(bit_depth=8),
        lambda: inspect_files([path], bit_depth=8),
    ):
        with pytest.raises(ValueError, match="bit_depth"):
            call()


def test_only_bytes_are_inspected() -> None:
    data = BASELINE["grey"]
    assert np.array_equal(_core.decode(bytearray(data), 1), _core.decode(memoryview(data), 1))
    for wrong in ("text", None, [1, 2, 3]):
        with pytest.raises(TypeError, match="expected bytes"):
            _core.inspect(wrong)
        with pytest.raises(TypeError, match="expected bytes"):
            _core.check_many([data, wrong])


def test_every_file_gets_a_verdict(tmp_path: Path) -> None:
    good, bad, late = tmp_path / "good.jpg", tmp_path / "bad.jpg", tmp_path / "late.png"
    good.write_bytes(BASELINE["grey"] + b"tail")
    bad.write_bytes(BASELINE["grey"][:-40])
    late.write_bytes(png(np.ones((3, 3, 1), np.int64), 3, 8, False, palette=b"\1\2\3"))  # seen in the pixels alone
    done: list[int] = []
    said = inspect_files([good, tmp_path / "none.png", bad, late], progress=done.append)
    assert [row.verdict for row in said] == ["ok", "unreadable", "truncated", "pixels"]
    assert [row.bad for row in said] == [False, True, True, True]
    assert said[0].reason == "complete JPEG, 35 x 53 pixels; 4 bytes behind the picture are not looked at"
    assert said[0].offset == len(BASELINE["grey"])
    assert said[2].reason.startswith("JPEG, byte ")
    assert said[3].reason.startswith(f"PNG, byte {said[3].offset}: row 0 uses colour 1 of a palette of 1")
    assert sum(done) == 4


def test_command_inspects_files_and_folders(
    tmp_path: Path, run_gonogo: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    folder = tmp_path / "parts" / "day 1"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(BASELINE["grey"])
    (folder / "b.JPEG").write_bytes(PROGRESSIVE["grey-progressive"])
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "notes.txt").write_text("none of our business")
    result = json.loads(run_gonogo("inspect", tmp_path / "parts", "--json").stdout)
    assert [(Path(row["file"]).name, row["verdict"]) for row in result["rows"]] == [
        ("a.jpg", "ok"),
        ("b.JPEG", "unproven"),
    ]
    assert (result["files"], result["ok"], result["unproven"], result["bad"]) == (2, 1, 1, 0)
    broken = tmp_path / "broken.png"
    broken.write_bytes(EXACT["png-0-8"][0][:-5])
    completed = run_gonogo("inspect", broken, folder, "--json", exit_code=5)
    rows = json.loads(completed.stdout)["rows"]
    assert rows[0]["verdict"] == "truncated" and "copy" in rows[0]["reason"] and rows[0]["offset"] > 0
    assert "1 of 3 files are bad" in completed.stderr
    text = run_gonogo("inspect", folder).stdout
    assert "unproven" in text and "a.jpg" in text
    (tmp_path / "empty").mkdir()
    assert "hold no picture" in run_gonogo("inspect", tmp_path / "empty", exit_code=2).stderr
    deep = tmp_path / "deep.png"
    deep.write_bytes(EXACT["png-0-16"][0])
    run_gonogo("inspect", deep)
    run_gonogo("inspect", deep, "--bit-depth", "12", exit_code=5)


@pytest.mark.parametrize("name", CONTRADICTING)
def test_files_that_contradict_themselves_are_refused_with_what_is_wrong(name: str) -> None:
    data, expected, told = CONTRADICTING[name]
    (found,) = _core.check_many([data], 1)
    assert found["verdict"] == expected
    assert re.search(told, found["reason"]), found["reason"]
    with pytest.raises(_core.CoreError, match=told):
        _core.decode(data, 1)


def test_one_byte_is_told_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89")
    (tmp_path / "b.png").write_bytes(EXACT["png-0-8"][0] + b"\0")
    cut, longer = inspect_files([tmp_path / "a.png", tmp_path / "b.png"])
    assert cut.reason == "PNG, byte 1: the file ends at byte 1, inside its signature; copy it again"
    assert longer.reason.endswith("; 1 byte behind the picture is not looked at")


def test_the_command_keeps_a_file_in_its_row_whatever_its_name(
    tmp_path: Path, run_gonogo: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    names = [b"a\nb.png", b"caf\xe9.png", "é.png".encode()]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(EXACT["png-0-8"][0])
    lines = run_gonogo("inspect", tmp_path).stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == [
        f"'{tmp_path}/a\\nb.png'",
        f"'{tmp_path}/caf\\udce9.png'",
        f"{tmp_path}/é.png",
    ]


@pytest.mark.parametrize("command", [["inspect"], ["predict", "model.gonogo"], ["audit"]])
def test_an_empty_path_is_not_the_present_folder(
    command: list[str], run_gonogo: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    assert "found an empty argument" in run_gonogo(*command, "", exit_code=2).stderr


@pytest.mark.parametrize("name", REFUSED)
def test_valid_pictures_of_other_kinds_are_refused_with_a_remedy(name: str) -> None:
    found = _core.inspect(REFUSED[name])
    assert found["verdict"] == "unsupported"
    assert "convert the picture" in found["reason"]


@pytest.mark.soak
def test_command_accepts_every_real_picture(
    data_folder: Path,
    run_gonogo: Callable[..., subprocess.CompletedProcess[str]],
    often: Callable[[int, int], int],
    report_figure: Callable[[str, object], None],
) -> None:
    paths = sorted(path for path in data_folder.rglob("*") if path.suffix.lower() in (".jpeg", ".jpg", ".png"))
    count = often(600, 12_621)
    start, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    few = paths[:: len(paths) // count][:count]
    result = json.loads(run_gonogo("inspect", *(few if len(few) < len(paths) else [data_folder]), "--json").stdout)
    seconds, now = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    report_figure(
        "gonogo inspect, real pictures",
        f"{result['ok']} of {result['files']} ok, {result['unproven']} unproven, {result['bad']} bad, {seconds:.1f} s, "
        f"{processor:.1f} s of processor time",
    )
    assert result["ok"] == result["files"] == count
    # A minute on two cores; processor time, because other programs hardly change it, and not in make test.
    assert processor < often(10**6, 120)
