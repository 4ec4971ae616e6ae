"""Decoded pictures on disk: found again, never when anything changed, and never a wrong pixel from a damaged file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import gonogo as gg

Run = Callable[..., subprocess.CompletedProcess[str]]

LONG_AGO = 1_000_000_000  # seconds since 1970


def draw(path: Path, seed: int, seconds: float = LONG_AGO) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 8), np.uint8)).save(path)
    os.utime(path, (seconds, seconds))


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    for i in range(6):
        draw(tmp_path / "parts" / ("ok" if i % 2 else "bad") / f"{i}.png", i)
    return tmp_path / "parts"


@pytest.fixture(autouse=True)
def no_warnings() -> Any:
    """A cache that could not be written would make these tests pass for nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def cache_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def replace(file: Path, content: bytes) -> None:
    """Put other content in a file's place; pixels that are mapped now keep the old one."""
    fresh = file.with_name("fresh")
    fresh.write_bytes(content)
    fresh.replace(file)


def same(found: gg.Dataset, expected: gg.Dataset) -> None:
    np.testing.assert_array_equal(found.images, expected.images)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.files == expected.files
    assert [str(error) for error in found.bad_files] == [str(error) for error in expected.bad_files]


def test_the_second_reading_comes_from_the_cache(parts: Path, tmp_path: Path) -> None:
    counted: list[int] = []
    first = gg.Dataset.from_folder(parts, cache=tmp_path / "new" / "cache")
    second = gg.Dataset.from_folder(parts, cache=tmp_path / "new" / "cache", progress=counted.append)
    assert (first.cached, second.cached) == (False, True)
    assert second[:2].cached
    assert sum(counted) == 6
    same(second, first)
    assert not second.pixels.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        second.pixels[0] = 0


def test_a_table_has_a_cache_of_its_own(parts: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("path,label\nok/1.png,good\nbad/0.png,poor\nok/3.png,good\n")
    for cached in (False, True):
        data = gg.Dataset.from_csv(table, root=parts, cache=tmp_path / "cache")
        assert (data.cached, len(data)) == (cached, 3)
    assert not gg.Dataset.from_folder(parts, cache=tmp_path / "cache").cached
    assert gg.Dataset.from_csv(table, root=parts, cache=tmp_path / "cache").cached


@pytest.mark.parametrize(
    "options",
    [
        {"image_size": (5, 5)},
        {"color_mode": "rgb"},
        {"resize_mode": "crop"},
        {"bit_depth": 12},
        {"preprocess": gg.Preprocess(gamma=2.0)},
        {"classes": ["ok", "bad"]},
    ],
)
def test_another_setting_is_another_cache(parts: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    cache = tmp_path / "cache"
    gg.Dataset.from_folder(parts, cache=cache)
    found = gg.Dataset.from_folder(parts, cache=cache, **options)
    # The classes change no pixel, only which label belongs to it.
    assert found.cached == ("classes" in options)
    same(found, gg.Dataset.from_folder(parts, **options))


@pytest.mark.parametrize("change", ["content", "time", "size", "gone", "new", "renamed"])
def test_a_change_of_any_file_has_all_decoded_anew(parts: Path, tmp_path: Path, change: str) -> None:
    cache, file = tmp_path / "cache", parts / "ok" / "3.png"
    gg.Dataset.from_folder(parts, cache=cache)
    if change == "content":
        draw(file, 77, LONG_AGO + 1)
    elif change == "time":
        os.utime(file, (LONG_AGO, LONG_AGO + 1))
    elif change == "size":
        file.write_bytes(file.read_bytes() + bytes(3))
        os.utime(file, (LONG_AGO, LONG_AGO))
    elif change == "gone":
        file.unlink()
    elif change == "new":
        draw(parts / "ok" / "9.png", 9)
    else:
        file.rename(file.with_name("4.png"))
    found = gg.Dataset.from_folder(parts, cache=cache)
    assert not found.cached
    same(found, gg.Dataset.from_folder(parts))
    assert gg.Dataset.from_folder(parts, cache=cache).cached
    assert len(list(cache.iterdir())) == 1  # the stale file is replaced, not kept


@pytest.mark.parametrize("change", ["content", "exchanged"])
def test_a_change_that_leaves_size_and_time_is_noticed(tmp_path: Path, change: str) -> None:
    """Copying programs put the time of content back, and a script that renames exchanges the pictures of two labels."""
    files = [tmp_path / "parts" / name / "0.bmp" for name in ("bad", "ok")]
    for seed, file in enumerate(files):
        draw(file, seed)
    before = gg.Dataset.from_folder(tmp_path / "parts", cache=tmp_path / "cache")
    sizes = [file.stat().st_size for file in files]
    if change == "content":
        written = files[1].stat().st_ctime_ns
        while files[1].stat().st_ctime_ns == written:  # the clock of a file system stands still for some milliseconds
            draw(files[1], 77)
    else:
        files[0].rename(tmp_path / "aside.bmp")
        files[1].rename(files[0])
        (tmp_path / "aside.bmp").rename(files[1])
    assert [(file.stat().st_size, file.stat().st_mtime) for file in files] == [(size, LONG_AGO) for size in sizes]
    found = gg.Dataset.from_folder(tmp_path / "parts", cache=tmp_path / "cache")
    assert not found.cached
    same(found, gg.Dataset.from_folder(tmp_path / "parts"))
    assert (found.images != before.images).any()


def test_files_written_just_now_are_not_kept(parts: Path, tmp_path: Path) -> None:
    """The same second may see them written again, with the same size: nothing would tell."""
    (parts / "ok" / "1.png").touch()
    with pytest.warns(RuntimeWarning, match="cache: some files were written within the last two seconds"):
        gg.Dataset.from_folder(parts, cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_files_that_cannot_be_read_are_looked_for_again(parts: Path, tmp_path: Path) -> None:
    """Neither size nor time of a file that is not there would show when it comes."""
    table = tmp_path / "table.csv"
    table.write_text("path,label\nok/1.png,good\nbad/0.png,poor\nok/late.png,good\n")
    with pytest.warns(RuntimeWarning, match="cache: some files could not be read"):
        data = gg.Dataset.from_csv(table, root=parts, on_bad="skip", cache=tmp_path / "cache")
    assert (len(data), len(data.bad_files), (tmp_path / "cache").exists()) == (2, 1, False)


def test_files_that_change_while_they_are_read_are_not_kept(parts: Path, tmp_path: Path) -> None:
    def changed(_: int) -> None:
        os.utime(parts / "ok" / "1.png", (LONG_AGO, LONG_AGO + 1))

    with pytest.warns(RuntimeWarning, match="cache: some files changed while they were read"):
        gg.Dataset.from_folder(parts, cache=tmp_path / "cache", progress=changed)
    assert not (tmp_path / "cache").exists()


def test_bad_files_are_remembered(parts: Path, tmp_path: Path) -> None:
    cache, broken = tmp_path / "cache", parts / "bad" / "2.png"
    broken.write_bytes(broken.read_bytes()[:-20])
    os.utime(broken, (LONG_AGO, LONG_AGO))
    first = gg.Dataset.from_folder(parts, on_bad="skip", cache=cache)
    second = gg.Dataset.from_folder(parts, on_bad="skip", cache=cache)
    assert second.cached
    same(second, first)
    assert [error.path for error in second.bad_files] == [broken]
    with pytest.raises(gg.DecodeError, match=r"2\.png") as caught:
        gg.Dataset.from_folder(parts, cache=cache)
    assert caught.value.fault == first.bad_files[0].fault


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_a_damaged_cache_gives_no_pixel(parts: Path, tmp_path: Path, data: st.DataObject) -> None:
    cache = tmp_path / "cache"
    expected = gg.Dataset.from_folder(parts, cache=cache)
    file = cache_file(cache)
    content = bytearray(file.read_bytes())
    kind = data.draw(st.sampled_from(["flip", "cut", "grow", "swap"]))
    place = data.draw(st.integers(0, len(content) - 1))
    if kind == "flip":
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        del content[place:]
    elif kind == "grow":
        content += bytes(data.draw(st.integers(1, 5000)))
    else:
        content[place:] = os.urandom(len(content) - place)
    replace(file, content)
    found = gg.Dataset.from_folder(parts, cache=cache)
    same(found, expected)
    # Zeros between header and pixels hold nothing, so that their damage need not be noticed.
    assert gg.Dataset.from_folder(parts, cache=cache).cached


def test_every_flipped_byte_of_header_and_pixels_is_noticed(parts: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    gg.Dataset.from_folder(parts, cache=cache)
    file = cache_file(cache)
    content = file.read_bytes()
    header = len(content[: content.index(b"}") + 1])
    for place in [*range(0, header, 7), header - 1, *range(len(content) - 6 * 48, len(content), 5), len(content) - 1]:
        replace(file, content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        assert not gg.Dataset.from_folder(parts, cache=cache).cached, place
    for count in (0, 5, header // 2):
        replace(file, content[:count])
        assert not gg.Dataset.from_folder(parts, cache=cache).cached, count


def test_a_folder_that_cannot_be_written_costs_a_warning(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.warns(RuntimeWarning, match=r"cache: .*file cannot be written: .*decoded anew next time"):
        found = gg.Dataset.from_folder(parts, cache=tmp_path / "file")
    same(found, gg.Dataset.from_folder(parts))


def test_a_full_disk_costs_a_warning_and_leaves_nothing(
    parts: Path, tmp_path: Path, unmeasured: dict[str, str]
) -> None:
    """A limit on the size of files fails a write in the middle, as a full disk does."""
    program = f"""
import resource, signal, warnings
import gonogo as gg
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4200, 4200))
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    data = gg.Dataset.from_folder({str(parts)!r}, cache={str(tmp_path / "cache")!r})
print(len(data), [str(warning.message) for warning in warned])
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True, env=unmeasured)
    assert done.stdout.startswith("6 [")
    assert "cannot be written: File too large" in done.stdout
    assert list((tmp_path / "cache").iterdir()) == []


def test_many_at_once_read_and_write_the_same_cache(parts: Path, tmp_path: Path) -> None:
    expected, cache = gg.Dataset.from_folder(parts), tmp_path / "cache"

    def read(number: int) -> None:
        for turn in range(8):
            same(gg.Dataset.from_folder(parts, cache=cache, threads=1), expected)
            if (number + turn) % 3 == 0:
                for file in cache.glob("*.pixels"):
                    file.unlink(missing_ok=True)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, range(4))) == [None] * 4
    assert not list(cache.glob("*.tmp"))


def test_processes_share_a_cache(parts: Path, tmp_path: Path) -> None:
    program = f"""
import gonogo as gg, hashlib
data = gg.Dataset.from_folder({str(parts)!r}, cache={str(tmp_path / "cache")!r})
print(hashlib.sha256(data.images.tobytes()).hexdigest(), data.cached)
"""
    command = [sys.executable, "-c", program]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    digests = {process.communicate(timeout=100)[0].split()[0] for process in started}
    assert len(digests) == 1
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1] == "True"


def test_a_cache_deleted_under_a_dataset_leaves_its_pixels(parts: Path, tmp_path: Path) -> None:
    expected, cache = gg.Dataset.from_folder(parts, cache=tmp_path / "cache"), tmp_path / "cache"
    data = gg.Dataset.from_folder(parts, cache=cache)
    cache_file(cache).unlink()
    same(data, expected)


def test_commands_keep_and_say_so(castings: Path, small_net: Path, tmp_path: Path, run_gonogo: Run) -> None:
    castings = shutil.copytree(castings, tmp_path / "castings")
    for picture in castings.rglob("*.png"):
        os.utime(picture, (LONG_AGO, LONG_AGO))
    cache, out = tmp_path / "cache", tmp_path / "m.gonogo"
    options = ["--cache", cache, "--model", small_net, "--epochs", "1", "--seed", "3", "--out"]
    assert "from the cache" not in run_gonogo("train", castings, *options, out).stderr
    again = run_gonogo("train", castings, *options, tmp_path / "again.gonogo")
    assert "from the cache" in again.stderr
    assert out.read_bytes() == (tmp_path / "again.gonogo").read_bytes()
    (tmp_path / "file").write_text("")
    failed = run_gonogo("evaluate", out, castings, "--cache", tmp_path / "file")
    assert "--cache: " in failed.stderr
    assert "cannot be written" in failed.stderr


@pytest.mark.parametrize(
    ("cache", "error", "what"),
    [
        (True, TypeError, "^cache: found True, expected the path of a folder"),
        (3, TypeError, "^cache: found 3, expected the path of a folder"),
        ("", ValueError, "^cache: found an empty path, expected a folder"),
    ],
)
def test_what_is_no_folder_is_refused(parts: Path, cache: Any, error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=what):
        gg.Dataset.from_folder(parts, cache=cache)
