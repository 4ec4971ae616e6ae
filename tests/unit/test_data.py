"""Datasets from folders, tables and arrays: what is read, what is refused, and that nothing is copied in secret."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gonogo.data import Dataset
from gonogo.data.reading import Options
from gonogo.decoding import Decoding
from gonogo.errors import DecodeError
from gonogo.pictures import inspect_files, read_pictures
from gonogo.tiles import Tiles

Tree = Callable[..., Path]


def picture(seed: int, shape: tuple[int, ...] = (6, 8)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def draw(path: Path, seed: int = 0, shape: tuple[int, ...] = (6, 8), kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed, shape)).save(path, kind)
    return path


def lay(root: Path, names: str) -> Path:
    """One different picture for each name."""
    for seed, name in enumerate(names.split()):
        draw(root / name, seed)
    return root


@pytest.fixture
def castings(tmp_path: Path) -> Path:
    return lay(tmp_path / "castings", "ok/1.png ok/2.png def/1.png def/2.png def/10.png")


def refused(error: type[Exception], *words: str | Path) -> Any:
    return pytest.raises(error, match=r"(?s)" + ".*".join(re.escape(str(word)) for word in words))


# --- folders


def test_a_folder_is_read_in_alphanumeric_order(castings: Path) -> None:
    data = Dataset.from_folder(castings)
    assert data.classes == ["def", "ok"]
    assert data.files == ["def/1.png", "def/10.png", "def/2.png", "ok/1.png", "ok/2.png"]
    assert data.labels.tolist() == [0, 0, 0, 1, 1]
    assert data.labels.dtype == np.intp
    assert data.class_counts() == {"def": 3, "ok": 2}
    assert data.images.shape == (5, 6, 8, 1)
    np.testing.assert_array_equal(data.images[3, :, :, 0], picture(0))
    assert data.paths is not None
    assert data.paths[0] == castings / "def" / "1.png"
    assert (data.root, data.image_size, data.resize_mode, data.groups) == (castings, (6, 8), "pad", None)
    assert data.decode_seconds > 0


@pytest.mark.parametrize(
    ("classes", "names", "counts"),
    [
        (["ok", "def"], ["ok", "def"], [2, 3]),
        (("ok", "scratch"), ["ok", "scratch"], [2, 1]),
        ({"ok": 0, "def": 1}, ["ok", "def"], [2, 3]),
        ({"def": 1, "scratch": 1, "ok": 0}, ["ok", "def+scratch"], [2, 4]),
        ({"scratch": "bad", "ok": "good", "def": "bad"}, ["bad", "good"], [4, 2]),
        ({"ok": "good", "def": "bad"}, ["good", "bad"], [2, 3]),
    ],
)
def test_classes_give_order_names_and_selection(
    castings: Path, classes: Any, names: list[str], counts: list[int]
) -> None:
    draw(castings / "scratch" / "1.png", 9)
    data = Dataset.from_folder(castings, classes=classes)
    assert data.classes == names
    assert list(data.class_counts().values()) == counts


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (["ok", "bad"], ["no folder 'bad'", "def, ok"]),
        (["ok", "ok"], ["'ok' is named twice"]),
        (["ok", 1], ["found 1"]),
        ("ok", ["found 'ok'", "list"]),
        ([], ["found []"]),
        ({"ok": 0, "def": 2}, ["indices [0, 2]", "0 to 1"]),
        ({"ok": 0, "def": "bad"}, ["all values"]),
        ({"ok": True, "def": False}, ["all values"]),
        ({"ok": "", "def": "bad"}, ["all values"]),
        (["ok"], ["only the class 'ok'", "at least two"]),
        ({"ok": "all", "def": "all"}, ["only the class 'all'"]),
    ],
)
def test_classes_that_make_no_sense_are_refused(castings: Path, classes: Any, words: list[str]) -> None:
    with refused(ValueError, *words):
        Dataset.from_folder(castings, classes=classes)


def test_grey_is_found_by_looking_at_every_pixel(castings: Path) -> None:
    grey = np.repeat(picture(0)[..., None], 3, axis=2)
    Image.fromarray(grey).save(castings / "ok" / "1.png")
    assert Dataset.from_folder(castings).color_mode == "grayscale"
    grey[5, 7, 2] ^= 1
    Image.fromarray(grey).save(castings / "ok" / "1.png")
    data = Dataset.from_folder(castings)
    assert (data.color_mode, data.images.shape[3]) == ("rgb", 3)
    np.testing.assert_array_equal(data.images[3], grey)
    assert Dataset.from_folder(castings, color_mode="grayscale").color_mode == "grayscale"


def test_hidden_files_and_what_lies_beside_the_classes_are_not_looked_at(castings: Path) -> None:
    for name in ("groups.csv", "ok/.DS_Store", "ok/Thumbs.db", "def/desktop.ini", ".cache/1.png", "def/.draft.png"):
        (castings / name).parent.mkdir(exist_ok=True)
        (castings / name).write_bytes(b"no picture")
    data = Dataset.from_folder(castings)
    assert (len(data), data.classes, data.bad_files) == (5, ["def", "ok"], [])


def test_content_decides_what_kind_of_picture_it_is(castings: Path) -> None:
    (castings / "ok" / "1.png").rename(castings / "ok" / "1.JPG")
    assert "ok/1.JPG" in Dataset.from_folder(castings).files


@pytest.mark.parametrize(
    ("name", "spoil", "reason"),
    [
        ("zero.png", lambda path: path.write_bytes(b""), ""),
        ("cut.png", lambda path: path.write_bytes(path.read_bytes()[:-20]), ""),
        ("text.jpg", lambda path: path.write_bytes(b"not a picture at all"), ""),
        ("ok.txt", Path.exists, "the ending '.txt', expected .bmp"),
        ("noending", Path.exists, "a name without an ending"),
        ("folder.png", lambda path: (path.unlink(), path.mkdir()), "found a folder among pictures"),
        ("lost.png", lambda path: (path.unlink(), path.symlink_to("nowhere.png")), "found no file"),
        ("pipe.png", lambda path: (path.unlink(), os.mkfifo(path)), "not a regular file"),
    ],
)
def test_a_bad_file_is_named_or_left_out(castings: Path, name: str, spoil: Callable[[Path], Any], reason: str) -> None:
    path = draw(castings / "ok" / name)
    spoil(path)
    with refused(DecodeError, path, reason) as caught:
        Dataset.from_folder(castings)
    assert caught.value.path == path
    data = Dataset.from_folder(castings, on_bad="skip")
    assert [error.path for error in data.bad_files] == [path]
    assert data.class_counts() == {"def": 3, "ok": 2}
    assert f"ok/{name}" not in data.files


def test_a_file_that_is_too_large_or_that_the_system_cannot_read_is_named(tmp_path: Path) -> None:
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(2**40)  # takes no room
    said = inspect_files([tmp_path / "large.png", "/proc/self/mem"])
    assert [row.verdict for row in said] == ["file-too-large", "unreadable"]
    assert said[0].reason.endswith("save the picture in a smaller size")
    assert said[1].reason == "cannot be read: Input/output error; check its permissions"


@pytest.mark.parametrize(
    ("names", "options", "complaint"),
    [
        ([], {}, "paths: found no file, expected at least one picture"),
        (["a.png", "b.png"], {}, "paths: none of the 2 files is a good picture; gonogo cannot read .*a.png"),
        (
            ["a.png"],
            {"decoding": Decoding(tiles=Tiles(4, 4))},
            "paths: none of the 1 files is a good picture; the first: ",
        ),
    ],
)
def test_without_a_good_picture_nothing_is_read(
    tmp_path: Path, names: list[str], options: dict[str, Any], complaint: str
) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(ValueError, match=complaint):
        read_pictures([tmp_path / name for name in names], on_bad="skip", **options)


def test_bad_files_keep_every_other_picture_with_its_label_and_group(castings: Path) -> None:
    for name in ("def/1.png", "ok/1.png", "def/5.png"):
        (castings / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    (castings / "ok" / "0.tiff").write_bytes(b"")
    data = Dataset.from_folder(castings, on_bad="skip", groups=lambda path: f"part {path.stem}")
    assert data.files == ["def/10.png", "def/2.png", "ok/2.png"]
    assert data.labels.tolist() == [0, 0, 1]
    assert data.groups is not None
    assert data.groups.tolist() == ["part 10", "part 2", "part 2"]
    np.testing.assert_array_equal(data.images[2, :, :, 0], picture(1))
    assert [error.path.name for error in data.bad_files] == ["1.png", "5.png", "0.tiff", "1.png"]


def test_a_class_must_keep_a_good_picture(castings: Path) -> None:
    for path in (castings / "ok").iterdir():
        path.write_bytes(b"")
    with refused(ValueError, "'ok' has no good picture", castings / "ok" / "1.png"):
        Dataset.from_folder(castings, on_bad="skip")


@pytest.mark.parametrize(
    ("names", "error", "words"),
    [
        ("", FileNotFoundError, ["data: no such folder"]),
        ("file", NotADirectoryError, ["data: is not a folder"]),
        ("a/", ValueError, ["data/a: found no picture of this class"]),
        ("a/1.png b/", ValueError, ["data/b: found no picture"]),
        ("a/1.png b/1.txt", ValueError, ["data/b: found no picture"]),
        ("a/1.png", ValueError, ["found only the class 'a'", "at least two"]),
        ("1.png", ValueError, ["found pictures but no folder"]),
        ("groups.csv", ValueError, ["found no folder"]),
        ("train/ok/1.png train/def/1.png", ValueError, ["data/train: found folders", "give", "data/train itself"]),
        (".hidden/1.png", ValueError, ["found no folder"]),
    ],
)
def test_folders_that_hold_no_classes_are_refused(
    tmp_path: Path, names: str, error: type[Exception], words: list[str]
) -> None:
    root = tmp_path / "data"
    if names == "file":
        root.write_text("")
    for name in names.split() if names != "file" else []:
        if name.endswith("/"):
            (root / name).mkdir(parents=True)
        else:
            draw(root / name)
    with refused(error, *words):
        Dataset.from_folder(root)


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with refused(OSError, loop, "cannot be read"):
        Dataset.from_folder(loop)


def test_pictures_of_several_sizes_need_a_size(castings: Path) -> None:
    draw(castings / "ok" / "2.png", shape=(8, 6))
    with refused(ValueError, "image_size", "6x8", "8x6"):
        Dataset.from_folder(castings)
    data = Dataset.from_folder(castings, image_size=(4, 5), resize_mode="stretch")
    assert data.images.shape == (5, 4, 5, 1)
    assert data.resize_mode == "stretch"


@pytest.mark.parametrize("size", [(0, 5), (5,), (5, 5, 1), 5, (5.0, 5), (True, 5), "55", (5, 20000)])
def test_a_size_is_two_whole_numbers(castings: Path, size: Any) -> None:
    with refused(ValueError, "image_size", "(height, width)"):
        Dataset.from_folder(castings, image_size=size)


@pytest.mark.parametrize(("name", "value"), [("color_mode", "blue"), ("resize_mode", "fold"), ("on_bad", "ignore")])
def test_an_unknown_option_is_named(castings: Path, name: str, value: str) -> None:
    with refused(ValueError, name, value):
        Dataset.from_folder(castings, **{name: value})


def test_what_does_not_fit_into_memory_is_said() -> None:
    options = Options((16384, 16384), "rgb", Decoding(), "raise", 0, None)
    with refused(MemoryError, "200000 pictures do not fit into memory", "image_size"):
        options.read([Path("never-opened.png")] * 200_000)  # 161 TB, more than a process can address


def test_progress_counts_every_file(castings: Path) -> None:
    counted: list[int] = []
    Dataset.from_folder(castings, progress=counted.append)
    assert sum(counted) == 5


# --- groups

GROUPS = "class,file,group\nok,1.png,a\nok,2.png,b\ndef,1.png,c\ndef,2.png,d\ndef,10.png,d\nold,9.png,e\n"


def test_groups_come_from_a_table_a_mapping_or_a_function(castings: Path) -> None:
    table = castings / "groups.csv"
    table.write_text("\ufeff" + GROUPS, encoding="utf-8")
    expected = ["c", "d", "d", "a", "b"]
    below = dict(zip(["def/1.png", "def/10.png", "def/2.png", "ok/1.png", "ok/2.png"], expected, strict=True))
    ways: list[Any] = [
        table,
        str(table),
        below,
        {castings / name: group for name, group in below.items()},
        {str(castings / name): group for name, group in below.items()},
        {**{name: group for name, group in below.items() if name != "def/10.png"}, "10.png": "d"},
        lambda path: below[f"{path.parent.name}/{path.name}"],
    ]
    for groups in ways:
        data = Dataset.from_folder(castings, groups=groups)
        assert data.groups is not None
        assert data.groups.tolist() == expected


def test_groups_may_be_numbers(castings: Path) -> None:
    data = Dataset.from_folder(castings, groups=lambda path: int(path.stem))
    assert data.groups is not None
    assert data.groups.tolist() == ["1", "10", "2", "1", "2"]


@pytest.mark.parametrize("nothing", [None, "", float("nan")])
def test_every_picture_needs_a_group(castings: Path, nothing: object) -> None:
    for on_bad in ("raise", "skip"):
        with refused(ValueError, "groups: 2 of 5 pictures have no group, such as ok/1.png"):
            Dataset.from_folder(
                castings, groups=lambda path: nothing if path.parent.name == "ok" else "a", on_bad=on_bad
            )


def test_a_bare_file_name_that_occurs_twice_names_no_group(castings: Path) -> None:
    with refused(ValueError, "4 of 5 pictures have no group, such as def/1.png"):
        Dataset.from_folder(castings, groups={"1.png": "a", "2.png": "b", "10.png": "c"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["the table is empty", "class, file, group"]),
        ("class,file\nok,1.png\n", ["no column 'group'", "class, file"]),
        ("class,file,group,group\n", ["'group' occurs twice"]),
        (GROUPS + "ok,1.png,z\n", ["line 8", "ok/1.png", "'a' and 'z'"]),
        (GROUPS + "ok,3.png\n", ["line 8", "found 2 values, expected 3"]),
        (GROUPS + "ok,3.png,\n", ["line 8", "ok/3.png has no group"]),
        (GROUPS + 'ok,"3.png,1\n', ["line 8", "not a CSV table"]),
        ((GROUPS + "ok,ä.png,z\n").encode("latin-1"), ["not UTF-8"]),
        (GROUPS.replace("def,1.png,c\n", ""), ["1 of 5 pictures have no group, such as def/1.png"]),
    ],
)
def test_a_table_of_groups_with_a_fault_is_refused(castings: Path, content: str | bytes, words: list[str]) -> None:
    table = castings / "groups.csv"
    table.write_bytes(content if isinstance(content, bytes) else content.encode())
    with refused(ValueError, *words):
        Dataset.from_folder(castings, groups=table)


def test_groups_of_another_kind_or_from_nowhere_are_refused(castings: Path) -> None:
    with refused(TypeError, "groups: found list"):
        Dataset.from_folder(castings, groups=["a"] * 5)  # type: ignore[arg-type]
    with refused(FileNotFoundError, "nowhere.csv: no such file", "groups"):
        Dataset.from_folder(castings, groups=castings / "nowhere.csv")
    with refused(IsADirectoryError, "is a folder"):
        Dataset.from_folder(castings, groups=castings / "ok")


# --- tables

TABLE = "path,label,part\nok/2.png,good,7\ndef/10.png,bad,8\nok/1.png,good,7\n\ndef/1.png,worse,9\n"


def test_a_table_lists_pictures_in_its_own_order(castings: Path) -> None:
    table = castings / "list.csv"
    table.write_text(TABLE)
    data = Dataset.from_csv(table, root=castings, group_col="part")
    assert data.files == ["ok/2.png", "def/10.png", "ok/1.png", "def/1.png"]
    assert (data.classes, data.labels.tolist()) == (["bad", "good", "worse"], [1, 0, 1, 2])
    assert data.groups is not None
    assert data.groups.tolist() == ["7", "8", "7", "9"]
    np.testing.assert_array_equal(data.images[2, :, :, 0], picture(0))
    merged = Dataset.from_csv(table, root=castings, classes={"good": "ok", "bad": "def", "worse": "def"})
    assert (merged.classes, merged.class_counts()) == (["ok", "def"], {"ok": 2, "def": 2})
    chosen = Dataset.from_csv(table, root=castings, classes=["worse", "good"])
    assert (chosen.classes, chosen.files) == (["worse", "good"], ["ok/2.png", "ok/1.png", "def/1.png"])


def test_columns_may_have_other_names_and_paths_may_be_whole(castings: Path) -> None:
    table = castings / "list.csv"
    table.write_text(f"file,kind\n{castings}/ok/1.png,a\n{castings}/def/1.png,b\n")
    data = Dataset.from_csv(
        table, root=castings / "ok", path_col="file", label_col="kind", groups=lambda path: path.stem
    )
    assert data.files == ["1.png", (castings / "def" / "1.png").as_posix()]
    assert data.groups is not None
    assert data.groups.tolist() == ["1", "1"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("path,label\n", ["found no row"]),
        ("path,kind\nok/1.png,a\n", ["no column 'label'", "path, kind"]),
        ("path,label\nok/1.png,a\nok/2.png,\n", ["line 3", "'label' is empty"]),
        ("path,label\nok/1.png,a\nok/2.png,b\nok/1.png,b\n", ["ok/1.png is in line 2 and in line 4"]),
        ("path,label\nok/1.png,a\nok/2.png,a\n", ["only the class 'a'", "at least two"]),
        ("path,label\nok/1.png,a\nok/0.png,b\n", ["ok/0.png", "found no file"]),
    ],
)
def test_a_table_with_a_fault_is_refused(castings: Path, content: str, words: list[str]) -> None:
    table = castings / "list.csv"
    table.write_text(content)
    with refused(ValueError, *words):
        Dataset.from_csv(table, root=castings)


def test_a_table_that_the_system_cannot_read_is_named() -> None:
    with pytest.raises(OSError, match="/proc/self/mem: cannot be read: Input/output error"):
        Dataset.from_csv("/proc/self/mem", root=".")


def test_a_table_needs_its_folder_and_one_source_of_groups(castings: Path) -> None:
    table = castings / "list.csv"
    table.write_text(TABLE)
    with refused(FileNotFoundError, "nowhere: no such folder", "root"):
        Dataset.from_csv(table, root=castings / "nowhere")
    with refused(FileNotFoundError, "none.csv: no such file"):
        Dataset.from_csv(castings / "none.csv", root=castings)
    with refused(ValueError, "groups", "group_col"):
        Dataset.from_csv(table, root=castings, group_col="part", groups=str)
    with refused(ValueError, "no row has the label 'great'", "bad, good, worse"):
        Dataset.from_csv(table, root=castings, classes=["good", "great"])


# --- arrays


def test_arrays_are_taken_without_a_copy_and_not_written_to() -> None:
    images = picture(0, (4, 6, 8))
    data = Dataset.from_arrays(images, [1, 0, 1, 1], ["ok", "def"], groups=[3, 3, 4, 5])
    assert np.shares_memory(data.pixels, images)
    assert data.images.shape == (4, 6, 8, 1)
    assert (data.labels.tolist(), data.classes, data.paths) == ([1, 0, 1, 1], ["ok", "def"], None)
    assert data.groups is not None
    assert data.groups.tolist() == ["3", "3", "4", "5"]
    with pytest.raises(ValueError, match="read-only"):
        data.images[0] = 0
    images[0] = 0  # the caller's own array stays writable


@pytest.mark.parametrize(
    ("labels", "classes", "names", "positions"),
    [
        (["b", "a", "b"], None, ["a", "b"], [1, 0, 1]),
        (["b", "a", "b"], ["b", "a", "c"], ["b", "a", "c"], [0, 1, 0]),
        (np.array([7, 7, 30], np.uint8), None, ["7", "30"], [0, 0, 1]),
        (np.array(["b", "a", "b"], object), ("a", "b"), ["a", "b"], [1, 0, 1]),
    ],
)
def test_labels_are_names_or_positions(labels: Any, classes: Any, names: list[str], positions: list[int]) -> None:
    data = Dataset.from_arrays(picture(0, (3, 6, 8, 3)), labels, classes)
    assert (data.classes, data.labels.tolist(), data.color_mode) == (names, positions, "rgb")


GOOD = picture(0, (3, 6, 8))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((GOOD / 255.0, [0, 1, 0]), TypeError, ["images: found float64", "uint8"]),
        ((GOOD.tolist(), [0, 1, 0]), TypeError, ["images: found list"]),
        ((GOOD[0], [0, 1, 0]), ValueError, ["images: found the shape (6, 8)"]),
        ((GOOD[..., None].repeat(4, axis=3), [0, 1, 0]), ValueError, ["images", "(3, 6, 8, 4)"]),
        ((GOOD[:0], []), ValueError, ["images", "(0, 6, 8)"]),
        ((np.zeros((2, 1, 20000), np.uint8), [0, 1]), ValueError, ["images", "1x20000", "16384"]),
        ((GOOD, [0, 1]), ValueError, ["labels", "(2,)", "(3,)"]),
        ((GOOD, [0.0, 1.0, 0.0]), TypeError, ["labels: found float64"]),
        ((GOOD, [True, False, True]), TypeError, ["labels: found bool"]),
        ((GOOD, ["a", "b", "c"], ["a", "b"]), ValueError, ["labels: found 'c'", "a, b"]),
        ((GOOD, [0, 1, 2], ["a", "b"]), ValueError, ["labels: found 2", "0 to 1"]),
        ((GOOD, [0, 1, -1], ["a", "b"]), ValueError, ["labels: found -1"]),
        ((GOOD, [1, 1, 1]), ValueError, ["only the class '1'", "at least two"]),
        ((GOOD, [0, 1, 0], "ab"), ValueError, ["classes: found 'ab'"]),
        ((GOOD, [0, 1, 0], ["a", "a"]), ValueError, ["classes", "once"]),
        ((GOOD, [0, 1, 0], ["a"]), ValueError, ["classes", "at least two"]),
        ((GOOD, [0, 1, 0], ["a", "b"], ["x"]), ValueError, ["groups", "(1,)", "(3,)"]),
        ((GOOD, [0, 1, 0], ["a", "b"], ["x", None, "y"]), ValueError, ["groups: 1 of 3", "position 1"]),
        ((GOOD, [0, 1, 0], ["a", "b"], [1.0, 2.0, np.nan]), ValueError, ["groups: 1 of 3", "position 2"]),
    ],
)
def test_arrays_that_make_no_sense_are_refused(arguments: Any, error: type[Exception], words: list[str]) -> None:
    with refused(error, *words):
        Dataset.from_arrays(*arguments)


# --- indexing


def numbered(count: int) -> Dataset:
    """Picture i is grey level i everywhere, its label i % 3, its group i // 2."""
    levels = np.arange(count, dtype=np.uint8)
    images = np.ascontiguousarray(np.broadcast_to(levels[:, None, None], (count, 2, 3)))
    return Dataset.from_arrays(images, levels % 3, ["a", "b", "c"], groups=levels // 2)


@given(st.data())
def test_indexing_is_that_of_an_array(data: st.DataObject) -> None:
    whole = numbered(12)
    levels = np.arange(12)
    for _ in range(2):  # a subset of a subset too
        n = len(levels)
        kinds = [st.slices(n), st.lists(st.booleans(), min_size=n, max_size=n)]
        if n:
            kinds.append(st.lists(st.integers(-n, n - 1), max_size=15))
        indices = data.draw(st.one_of(kinds))
        chosen: Any = indices if isinstance(indices, slice) or indices else np.zeros(0, int)
        whole, levels = whole[indices], levels[chosen]
        assert whole.index.dtype == np.uint32
        assert whole.images[:, 0, 0, 0].tolist() == levels.tolist()
        assert whole.labels.tolist() == (levels % 3).tolist()
        assert whole.groups is not None
        assert whole.groups.tolist() == [str(level // 2) for level in levels]
        assert [(int(image[0, 0, 0]), label) for image, label in whole] == [(level, level % 3) for level in levels]


def test_one_position_gives_a_picture_and_its_label() -> None:
    data = numbered(9)
    image, label = data[np.int64(-2)]
    assert (image.shape, int(image[0, 0, 0]), label, type(label)) == ((2, 3, 1), 7, 1, int)
    assert np.shares_memory(image, data.pixels)
    with pytest.raises(IndexError):
        data[9]


@pytest.mark.parametrize("indices", [True, "a", 1.5, [0.5], ["a"], [[0, 1]]])
def test_other_indices_are_refused(indices: Any) -> None:
    with refused(TypeError, "indices"):
        numbered(9)[indices]


def test_subsets_share_the_pixels_and_copy_them_once_at_most() -> None:
    data = numbered(9)
    neighbours, scattered = data[2:5], data[[8, 0, 3]]
    assert neighbours.pixels.base is data.pixels.base
    assert np.shares_memory(neighbours.images, data.pixels)
    assert not np.shares_memory(scattered.images, data.pixels)
    assert scattered.images is scattered.images
    assert not scattered.images.flags.writeable
    assert len(data[[]].images) == 0


# --- what is shown


def test_a_dataset_describes_itself(castings: Path) -> None:
    (castings / "ok" / "3.png").write_bytes(b"")
    data = Dataset.from_folder(castings, groups=lambda path: path.stem, on_bad="skip")
    assert repr(data) == "Dataset(5 pictures of 6x8x1, def: 3, ok: 2, 3 groups, 1 bad files)"
    assert repr(data.split({"a": 0.5, "b": 0.5}, by="image")["a"]).startswith("Dataset('a', ")
    page = data._repr_html_()
    assert "<th>def</th><td>3</td><td>60.0%</td><td>3</td>" in page


def test_names_are_escaped_in_notebooks() -> None:
    data = Dataset.from_arrays(picture(0, (2, 6, 8)), ["<b>", "a&b"])
    assert "&lt;b&gt;" in data._repr_html_()
    assert "<b>" not in data._repr_html_()


# --- real pictures


def test_real_pictures_of_several_sizes_are_read_as_grey(data_folder: Path) -> None:
    root = data_folder / "magnetic_tile"
    data = Dataset.from_folder(root / "images", image_size=(64, 64), groups=root / "groups.csv")
    assert data.class_counts() == {"Blowhole": 115, "Break": 85, "Crack": 57, "Fray": 32, "Free": 952, "Uneven": 103}
    assert data.color_mode == "grayscale"
    assert data.groups is not None
    assert len(set(data.groups)) == 243


def test_real_folders_that_are_not_named_are_left_out(data_folder: Path) -> None:
    data = Dataset.from_folder(data_folder / "dagm_class8" / "train", classes=["defect", "no_defect"])
    assert data.class_counts() == {"defect": 150, "no_defect": 300}
    assert data.images.shape == (450, 512, 512, 1)
