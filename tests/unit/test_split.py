"""Splits: nothing lost, no part cut in two, classes in proportion, the same from any order, and kept in a table."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.data import Dataset, load_split, save_split
from gonogo.errors import DecodeError

FOUR = {"train": 0.6, "validation": 0.1, "calibration": 0.2, "test": 0.1}


def refused(*words: str | Path) -> Any:
    return pytest.raises(ValueError, match=r"(?s)" + ".*".join(re.escape(str(word)) for word in words))


def dataset(labels: list[str], groups: list[Any] | None = None, root: Path = Path("parts")) -> Dataset:
    """One black pixel for each label; file k of class c is called c/k.png."""
    count = len(labels)
    classes = sorted(set(labels))
    return Dataset(
        np.zeros((count, 1, 1, 1), np.uint8),
        np.arange(count, dtype=np.uint32),
        np.array([classes.index(label) for label in labels], np.intp),
        classes,
        paths=[root / label / f"{k}.png" for k, label in enumerate(labels)],
        groups=None if groups is None else np.array(groups, np.str_),
        root=root,
    )


def contents(parts: dict[str, Dataset]) -> dict[str, list[str]]:
    return {name: sorted(part.files) for name, part in parts.items()}


@st.composite
def grouped(draw: st.DrawFn) -> Dataset:
    """Two to four classes, each of 4 to 30 groups of 1 to 9 pictures, in random order."""
    labels, groups = [], []
    for c in range(draw(st.integers(2, 4))):
        for g, size in enumerate(draw(st.lists(st.integers(1, 9), min_size=4, max_size=30))):
            labels += [f"class {c}"] * size
            groups += [f"{c}-{g}"] * size
    order = draw(st.permutations(range(len(labels))))
    return dataset([labels[i] for i in order], [groups[i] for i in order])


@settings(max_examples=50)
@given(grouped(), st.integers(0, 2**64 - 1))
def test_groups_stay_whole_and_classes_keep_their_shares(data: Dataset, seed: int) -> None:
    parts = data.split(FOUR, seed=seed)
    assert list(parts) == list(FOUR)
    assert sorted(file for part in parts.values() for file in part.files) == sorted(data.files)
    assert data.groups is not None
    homes = Counter(group for part in parts.values() for group in set(part.groups))
    assert set(homes.values()) == {1}
    largest = Counter(data.groups.tolist()).most_common(1)[0][1]
    for name, part in parts.items():
        assert (part.subset, part.excluded) == (name, None)
        for label, count in part.class_counts().items():
            assert count > 0
            # Off by one group at most; by a second where a subset would have stayed empty.
            assert abs(count - FOUR[name] * data.class_counts()[label]) <= 2 * largest


@settings(max_examples=40)
@given(st.lists(st.integers(10, 60), min_size=2, max_size=4), st.integers(0, 1000))
def test_pictures_without_groups_are_divided_exactly(counts: list[int], seed: int) -> None:
    data = dataset([f"class {c}" for c, count in enumerate(counts) for _ in range(count)])
    parts = data.split(FOUR, seed=seed)
    assert sum(map(len, parts.values())) == len(data)
    for name, part in parts.items():
        for count, whole in zip(part.class_counts().values(), counts, strict=True):
            assert abs(count - FOUR[name] * whole) < 1


def test_shares_are_exact_where_they_can_be() -> None:
    parts = dataset(["a"] * 50 + ["b"] * 30).split(FOUR)
    assert [part.class_counts() for part in parts.values()] == [
        {"a": 30, "b": 18},
        {"a": 5, "b": 3},
        {"a": 10, "b": 6},
        {"a": 5, "b": 3},
    ]


@settings(max_examples=30)
@given(grouped(), st.randoms(use_true_random=False), st.sampled_from(["group", "image"]))
def test_the_order_of_files_classes_and_fractions_does_not_matter(data: Dataset, random: Any, by: Any) -> None:
    order = list(range(len(data)))
    random.shuffle(order)
    other = data[order]
    turned = list(reversed(range(len(data.classes))))
    other = Dataset(
        other.pixels,
        other.index,
        np.array([turned.index(label) for label in other.labels], np.intp),
        [data.classes[k] for k in turned],
        paths=other.paths,
        groups=other.groups,
        root=other.root,
    )
    backwards = dict(reversed(FOUR.items()))
    assert contents(data.split(FOUR, by=by, seed=5)) == contents(other.split(backwards, by=by, seed=5))


def test_the_seed_decides_and_pixels_are_shared() -> None:
    data = dataset(["a", "b"] * 50)
    first = data.split(FOUR, seed=1)
    assert contents(first) == contents(data.split(FOUR, seed=1))
    assert contents(first) != contents(data.split(FOUR, seed=2))
    assert all(np.shares_memory(part.pixels, data.pixels) for part in first.values())
    assert data.split(FOUR, seed=2**64 - 1)


def test_the_two_classes_are_not_drawn_alike() -> None:
    parts = dataset(["a"] * 40 + ["b"] * 40).split({"x": 0.5, "y": 0.5})
    drawn = [{int(path.stem) % 40 for path in parts["x"].paths or [] if path.parent.name == name} for name in "ab"]
    assert drawn[0] != drawn[1]


def test_a_part_of_any_usual_size_meets_each_subset_as_often_as_its_share_says() -> None:
    sizes = [1, 2, 3, 4] * 20
    groups = [k for k, size in enumerate(sizes) for _ in range(size)]
    data = dataset(["a"] * 200 + ["b"] * 4, [*groups, *"wxyz"])
    trials = 200
    times: Counter[str] = Counter()
    for seed in range(trials):
        test = data.split({"train": 0.7, "test": 0.3}, seed=seed)["test"]
        times.update(set(test.groups.tolist()) if test.groups is not None else ())
    for watched in ("0", "3"):  # one picture, four pictures
        # Five standard deviations of a binomial count.
        assert abs(times[watched] - 0.3 * trials) < 5 * np.sqrt(trials * 0.3 * 0.7)


def test_a_part_that_would_dominate_a_small_subset_goes_to_a_large_one() -> None:
    groups = ["huge"] * 60 + list(range(540))
    data = dataset(["a"] * 600 + ["b"] * 8, [*groups, *"stuvwxyz"])
    for seed in range(20):
        parts = data.split({"validation": 0.2, "train": 0.8}, seed=seed)
        assert parts["train"].groups is not None
        assert "huge" in parts["train"].groups
        assert parts["validation"].class_counts()["a"] == 120


def test_by_image_and_auto_follow_the_groups_or_ignore_them() -> None:
    data = dataset(["a", "b"] * 40, [k // 8 * 2 + k % 2 for k in range(80)])
    assert contents(data.split(FOUR)) == contents(data.split(FOUR, by="group"))
    parts = data.split(FOUR, by="image")
    assert [len(part) for part in parts.values()] == [48, 8, 16, 8]
    bare = dataset(["a", "b"] * 40)
    assert contents(bare.split(FOUR)) == contents(parts)
    with refused("by: found 'group'", "no groups"):
        bare.split(FOUR, by="group")


def test_a_picture_that_is_taken_twice_is_not_cut_either() -> None:
    data = dataset(["a", "b"] * 10)
    parts = data[[*range(20), *range(20)]].split({"x": 0.5, "y": 0.5})
    assert not set(parts["x"].files) & set(parts["y"].files)


# --- parts with two labels


def mixed() -> Dataset:
    groups = [f"g{k}" for k in range(20)]
    return dataset(["a", "b"] * 10 + ["a", "b", "b"], [*groups, "torn", "torn", "g1"])


def test_parts_with_two_labels_are_refused_by_name() -> None:
    with refused("groups: 1 of 21 groups", "'torn' (a/20.png and b/21.png)", "on_mixed='exclude'"):
        mixed().split({"x": 0.5, "y": 0.5})


def test_parts_with_two_labels_are_left_out_and_listed() -> None:
    parts = mixed().split({"x": 0.5, "y": 0.5}, on_mixed="exclude")
    for part in parts.values():
        assert part.excluded is not None
        assert part.excluded.files == ["a/20.png", "b/21.png"]
        assert "2 pictures excluded" in repr(part)
    assert sum(map(len, parts.values())) == 21
    by_image = mixed().split({"x": 0.5, "y": 0.5}, by="image")
    assert sum(map(len, by_image.values())) == 23


def test_a_class_of_nothing_but_torn_parts_cannot_be_divided() -> None:
    data = dataset(["a"] * 5 + ["b"] * 2, ["1", "2", "3", "4", "5", "1", "2"])
    with refused("the class 'b' has 0 groups", "at least 2"):
        data.split({"x": 0.5, "y": 0.5}, on_mixed="exclude")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"fractions": {"a": 0.5, "b": 0.4}}, ["fractions", "sum of 0.9"]),
        ({"fractions": {"a": 0.5, "b": 0.5 + 1e-8}}, ["fractions", "sum of 1.00000001"]),
        ({"fractions": {"a": 1.0, "b": 0.0}}, ["fractions: found 0.0 for 'b'"]),
        ({"fractions": {"a": 1.5, "b": -0.5}}, ["fractions: found 1.5 for 'a'"]),
        ({"fractions": {"a": float("nan"), "b": 0.5}}, ["fractions: found nan"]),
        ({"fractions": {"a": True}}, ["fractions: found True"]),
        ({"fractions": {"a": "1"}}, ["fractions: found '1'"]),
        ({"fractions": {" ": 0.5, "b": 0.5}}, ["fractions: found the name ' '"]),
        ({"fractions": {0: 0.5, 1: 0.5}}, ["fractions: found the name 0"]),
        ({"fractions": {}}, ["fractions: found {}"]),
        ({"fractions": [0.5, 0.5]}, ["fractions: found [0.5, 0.5]", "mapping"]),
        ({"fractions": {f"s{k}": 0.04 for k in range(25)}}, ["the class 'a' has 20 pictures", "at least 25"]),
        ({"by": "part"}, ["by: found 'part'"]),
        ({"on_mixed": "ignore"}, ["on_mixed: found 'ignore'"]),
        ({"seed": -1}, ["seed: found -1"]),
        ({"seed": 2**64}, ["seed: found", "2^64 - 1"]),
        ({"seed": 1.0}, ["seed: found 1.0"]),
        ({"seed": True}, ["seed: found True"]),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], words: list[str]) -> None:
    with refused(*words):
        dataset(["a", "b"] * 20).split(**({"fractions": FOUR} | arguments))


def test_thirds_add_up_to_one() -> None:
    parts = dataset(["a", "b"] * 9).split({"x": 1 / 3, "y": 1 / 3, "z": 1 / 3})
    assert [len(part) for part in parts.values()] == [6, 6, 6]


def test_arrays_are_split_too() -> None:
    data = Dataset.from_arrays(
        np.zeros((40, 2, 2), np.uint8), [0, 1] * 20, groups=[k // 4 * 2 + k % 2 for k in range(40)]
    )
    parts = data.split({"x": 0.5, "y": 0.5})
    assert sorted(np.concatenate([part.index for part in parts.values()])) == list(range(40))


# --- split files


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "split.csv"


def test_a_split_is_saved_and_read_again(file: Path) -> None:
    parts = mixed().split(FOUR, on_mixed="exclude", seed=3)
    assert save_split(file, parts) == file
    with file.open(newline="", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    assert list(rows[0]) == ["file", "class", "group", "subset"]
    assert len(rows) == 23
    assert [row for row in rows if not row["subset"]] == [
        {"file": "a/20.png", "class": "a", "group": "torn", "subset": ""},
        {"file": "b/21.png", "class": "b", "group": "torn", "subset": ""},
    ]
    again = load_split(file, mixed()[::-1])
    assert list(again) == list(FOUR)
    assert contents(again) == contents(parts)
    for name, part in again.items():
        assert part.subset == name
        assert part.excluded is not None
        assert sorted(part.excluded.files) == ["a/20.png", "b/21.png"]
    first = file.read_bytes()
    save_split(file, load_split(file, mixed()))
    assert file.read_bytes() == first


@settings(max_examples=25)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0/"), min_size=1),
        unique=True,
        min_size=4,
    )
)
def test_any_file_name_survives(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    data = dataset(["a", "b"] * (len(names) // 2))
    data.paths = [Path("parts") / "a" / f"{name}.png" for name in names[: len(data)]]
    file = tmp_path_factory.mktemp("names") / "split.csv"
    parts = data.split({"x": 0.5, "y": 0.5})
    save_split(file, parts)
    assert contents(load_split(file, data)) == contents(parts)


def test_a_table_of_ones_own_needs_two_columns_only(file: Path) -> None:
    file.write_text("subset,file\nold,a/0.png\nnew,b/1.png\n")
    assert contents(load_split(file, dataset(["a", "b"]))) == {"old": ["a/0.png"], "new": ["b/1.png"]}


def test_classes_may_be_merged_after_the_split(file: Path) -> None:
    data = dataset(["a", "b", "c"] * 10)
    save_split(file, data.split({"x": 0.5, "y": 0.5}))
    data.classes, data.labels = ["ab", "c"], np.array([0, 0, 1] * 10, np.intp)
    assert sum(map(len, load_split(file, data).values())) == 30


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["the table is empty"]),
        ("file,class,group\na/0.png,a,\n", ["no column 'subset'"]),
        ("file,subset\na/0.png,x\n", ["3 of 4 pictures are not listed", "b/1.png"]),
        ("file,subset\na/0.png,x\nb/1.png,x\na/2.png,y\nb/3.png,y\nb/4.png,y\n", ["1 of 5 listed files", "b/4.png"]),
        ("file,subset\na/0.png,x\nb/1.png,x\na/2.png,y\nb/3.png,y\na/0.png,x\n", ["line 6", "a/0.png", "second time"]),
        ("file,subset\na/0.png,\nb/1.png,\na/2.png,\nb/3.png,\n", ["found no subset"]),
        ("file,subset\na/0.png,x\nb/1.png,x\na/2.png,y\nb/3.png,x\n", ["the group 'p' is in the subsets 'x' and 'y'"]),
        ("file,subset\na/0.png,x\nb/1.png,x\na/2.png,\nb/3.png,x\n", ["the group 'p' is in the subsets 'x' and none"]),
    ],
)
def test_a_table_that_does_not_fit_the_data_is_refused(file: Path, content: str, words: list[str]) -> None:
    file.write_text(content)
    with refused(file, *words):
        load_split(file, dataset(["a", "b"] * 2, ["p", "q", "p", "r"]))


def test_files_known_to_be_bad_may_be_listed(file: Path) -> None:
    file.write_text("file,subset\na/0.png,x\nb/1.png,y\nb/7.png,y\n")
    data = dataset(["a", "b"])
    data.bad_files = [DecodeError("parts/b/7.png", "truncated", "ends early", 9)]
    assert contents(load_split(file, data)) == {"x": ["a/0.png"], "y": ["b/1.png"]}


def test_parts_that_cannot_be_named_or_overlap_are_refused(file: Path) -> None:
    data = dataset(["a", "b"] * 2)
    with refused("a/0.png is in 'x' and in 'y'"):
        save_split(file, {"x": data, "y": data[:1]})
    arrays = Dataset.from_arrays(np.zeros((2, 1, 1), np.uint8), ["a", "b"])
    with refused("parts", "arrays"):
        save_split(file, {"x": arrays})
    data.paths = [Path("parts") / "a" / f"{k}\udcff.png" for k in range(4)]
    with refused(file, "'a/0\\udcff.png' is not Unicode"):
        save_split(file, {"x": data})
    assert not list(file.parent.iterdir())
    with refused("dataset", "arrays"):
        load_split(file, arrays)


def test_a_split_that_cannot_be_written_leaves_the_old_one(file: Path) -> None:
    parts = dataset(["a", "b"] * 2).split({"x": 0.5, "y": 0.5})
    with pytest.raises(FileNotFoundError, match=r"nowhere.*does not exist"):
        save_split(file.parent / "nowhere" / "split.csv", parts)
    with pytest.raises(FileNotFoundError, match="no such file; a split expects a CSV table"):
        load_split(file, dataset(["a", "b"]))


# --- the castings


def test_the_real_castings_are_split_by_part(data_folder: Path) -> None:
    with (data_folder / "casting" / "groups.csv").open(newline="") as text:
        rows = list(csv.DictReader(text))
    data = dataset([row["class"] for row in rows], [row["group"] for row in rows])
    with refused("groups: 5 of 4356 groups", "on_mixed='exclude'"):
        data.split(FOUR)
    parts = data.split(FOUR, on_mixed="exclude", seed=7)
    excluded = parts["train"].excluded
    assert excluded is not None
    assert excluded.class_counts() == {"def_front": 9, "ok_front": 31}
    for name, part in parts.items():
        for label, count in part.class_counts().items():
            usable = data.class_counts()[label] - excluded.class_counts()[label]
            assert abs(count - FOUR[name] * usable) <= 1
