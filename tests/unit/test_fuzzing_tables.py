"""CSV tables of pictures, groups and splits: read, or refused with one line; nothing else, whatever the bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzz.build import FUZZ
from fuzz.tables import examine, make_pictures, mutate, table_files

from gonogo import Dataset
from gonogo.data.grouping import find_groups
from gonogo.data.split_file import load_split


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_pictures(tmp_path_factory.mktemp("tables") / "pictures")


def test_old_crashes_and_good_tables(pictures: Dataset, tmp_path: Path) -> None:
    assert pictures.root is not None
    old = [path.read_bytes() for path in sorted((FUZZ / "crashes" / "tables").glob("*"))]
    assert old
    for data in [*table_files(), *old]:
        examine(data, tmp_path / "table.csv", pictures, pictures.root)


@pytest.mark.soak
def test_mutations_of_tables_break_no_promise(
    pictures: Dataset,
    tmp_path: Path,
    often: Callable[[int, int], int],
    report_figure: Callable[[str, object], None],
) -> None:
    assert pictures.root is not None
    rng, known, count = random.Random(1), table_files(), often(1000, 100_000)
    for _ in range(count):
        examine(mutate(rng, known), tmp_path / "table.csv", pictures, pictures.root)
    report_figure("mutations of CSV tables", f"{count:,} read or refused in one line")


def test_a_broken_promise_is_noticed(pictures: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise ValueError("two\nlines")

    assert pictures.root is not None
    monkeypatch.setattr("fuzz.tables.read_table", read)
    with pytest.raises(AssertionError):
        examine(b"file\n1\n", tmp_path / "table.csv", pictures, pictures.root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('class,file,group\nok,"1\n2.png",\n', r"'ok/1\\n2\.png' has no group"),
        ('class,file,group\nok,"1\n2.png",a\nok,"1\n2.png",b\n', r"'ok/1\\n2\.png' is in the groups 'a' and 'b'"),
        ('class,file,"gr\noup"\nok,1.png,a\n', r"found the columns class, file, 'gr\\noup'"),
        ('class,file,group\nok,"1.png\n"\n', r"line 3: found 2 values"),
        ("class,file,group\nok,1\0.png,a\n", r"line 2: found a NUL character"),
    ],
)
def test_line_breaks_and_zeros_in_cells_are_shown_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as raised:
        find_groups(path, [], [])
    assert "\n" not in str(raised.value)


def test_line_breaks_in_a_split_are_shown_in_one_line(pictures: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    names = "".join(f"{name},train\n" for name in pictures.files)
    for text, message in (
        (f'file,subset\n{names}"a\nb",train\n', r"such as 'a\\nb'"),
        ('file,subset\n"a\nb",train\n"a\nb",train\n', r"'a\\nb' is listed a second time"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message) as raised:
            load_split(path, pictures)
        assert "\n" not in str(raised.value)


def test_a_line_break_in_the_name_of_a_picture_is_shown_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('file,class\n"a\nb.png",ok\nc.png,bad\n')
    with pytest.raises(ValueError, match=r"a\\nb\.png': found no file") as raised:
        Dataset.from_csv(path, root=tmp_path, path_col="file", label_col="class")
    assert "\n" not in str(raised.value)
