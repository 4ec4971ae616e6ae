"""Generated castings: one picture is one function value, what is said of it is true, and files hold it bit for bit."""

from __future__ import annotations

import csv
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gonogo import synthetic
from gonogo.synthetic.draws import VIEW, Draws
from gonogo.synthetic.faults import FaultShape, paint_fault
from gonogo.synthetic.files import _write_picture
from gonogo.synthetic.part import Frame, View

SMALL = (64, 64)


def test_pictures_have_the_bytes_that_they_always_had() -> None:
    """Only exactly rounded arithmetic is used, so every machine and every NumPy draws these bytes."""
    checksum = 0
    for index in range(6):
        one = synthetic.casting(index, seed=7, size=(90, 100))
        checksum = zlib.crc32(one.mask.tobytes(), zlib.crc32(one.image.tobytes(), checksum))
    assert checksum == 1936269963


@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 12), seed=st.integers(0, 2**64 - 1))
def test_a_picture_depends_on_neither_n_nor_order(n: int, seed: int) -> None:
    many = synthetic.castings(n, seed=seed, size=SMALL)
    for i in reversed(range(n)):
        one = synthetic.casting(i, seed=seed, size=SMALL)
        np.testing.assert_array_equal(one.image, many.images[i])
        np.testing.assert_array_equal(one.mask, many.masks[i])
        assert one.faults == many.faults[i]
        assert (one.label, one.group) == (many.classes[many.labels[i]], many.groups[i])


def test_seeds_and_indices_give_different_pictures() -> None:
    pictures = {synthetic.casting(i, seed=s, size=SMALL).image.tobytes() for i in range(10) for s in range(3)}
    assert len(pictures) == 30


def test_a_group_is_one_part_with_one_label_and_up_to_four_different_pictures() -> None:
    many = synthetic.castings(400, seed=3, size=SMALL)
    sizes = np.bincount(many.groups)
    assert set(sizes) == {1, 2, 3, 4}
    for group in range(len(sizes)):
        members = np.flatnonzero(many.groups == group)
        assert len(set(many.labels[members])) == 1
        assert len({tuple(fault.kind for fault in many.faults[i]) for i in members}) == 1
        assert len({many.images[i].tobytes() for i in members}) == len(members)


def test_labels_and_groups_are_mixed_and_55_percent_are_defective() -> None:
    many = synthetic.castings(400, seed=5, size=(32, 32))
    defective = many.labels == many.classes.index("def_front")
    assert defective.reshape(-1, 40).sum(axis=1).tolist() == [22] * 10
    runs = np.count_nonzero(np.diff(many.labels)) + 1
    assert runs > 150
    assert np.count_nonzero(np.diff(many.groups) == 0) < 40


@settings(max_examples=25, deadline=None)
@given(
    index=st.integers(0, 10**6),
    seed=st.integers(0, 100),
    height=st.integers(32, 160),
    width=st.integers(32, 160),
)
def test_masks_mark_the_faults_of_defective_parts_only(index: int, seed: int, height: int, width: int) -> None:
    one = synthetic.casting(index, seed=seed, size=(height, width))
    assert one.image.shape == one.mask.shape == (height, width)
    assert one.image.dtype == one.mask.dtype == np.uint8
    assert set(np.unique(one.mask)) <= {0, 255}
    assert bool(one.faults) == bool(one.mask.any()) == (one.label == "def_front")
    reach = 0.12 * min(height, width) + 2
    marked_y, marked_x = np.nonzero(one.mask)
    for fault in one.faults:
        assert fault.kind in ("blowhole", "chip", "crack", "pits", "scratch")
        assert 0 <= fault.y < height
        assert 0 <= fault.x < width
        assert np.hypot(marked_y + 0.5 - fault.y, marked_x + 0.5 - fault.x).min() < reach


def test_faults_change_the_picture_where_the_mask_says() -> None:
    """Inside a mask neighbouring pixels differ more than on the sound flange round it."""
    many = synthetic.castings(120, seed=2, size=(200, 200))
    inside, outside = [], []
    y, x = np.mgrid[-1:1:200j, -1:1:200j]
    flange = np.abs(np.hypot(x, y) - 0.67) < 0.06
    for picture, mask in zip(many.images, many.masks, strict=True):
        steps = np.abs(np.diff(picture.astype(np.int16), axis=1, append=picture[:, -1:].astype(np.int16)))
        inside.append(steps[(mask > 0) & flange])
        outside.append(steps[(mask == 0) & flange])
    assert np.concatenate(inside).mean() > 2.5 * np.concatenate(outside).mean()


def test_every_kind_of_fault_is_drawn() -> None:
    many = synthetic.castings(240, seed=1, size=(32, 32))
    assert {fault.kind for faults in many.faults for fault in faults} == {
        "blowhole",
        "chip",
        "crack",
        "pits",
        "scratch",
    }


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (33, 64)])
def test_png_comes_back_bit_for_bit(tmp_path: Path, shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(synthetic.png(picture))
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), picture)


def test_written_files_hold_the_pictures_and_groups(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    counts = synthetic.write(
        tmp_path / "out",
        40,
        seed=9,
        size=SMALL,
        masks=tmp_path / "masks",
        progress=lambda done, n: seen.append((done, n)),
    )
    many = synthetic.castings(40, seed=9, size=SMALL)
    assert counts == {"def_front": 22, "ok_front": 18}
    assert seen == [(i + 1, 40) for i in range(40)]
    with (tmp_path / "out" / "groups.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for i, row in enumerate(rows):
        assert (row["class"], int(row["group"])) == (many.classes[many.labels[i]], many.groups[i])
        assert row["file"] == f"casting_{i:06d}.png"
        for folder, expected in (("out", many.images[i]), ("masks", many.masks[i])):
            with Image.open(tmp_path / folder / row["class"] / row["file"]) as image:
                np.testing.assert_array_equal(np.asarray(image), expected)
    assert sum(1 for path in (tmp_path / "out").rglob("*") if path.is_file()) == 41
    assert sum(1 for path in (tmp_path / "masks").rglob("*") if path.is_file()) == 40


def test_no_masks_unless_asked_for(tmp_path: Path) -> None:
    synthetic.write(tmp_path / "out", 3, size=(32, 32))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["def_front", "groups.csv", "ok_front"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    synthetic.write(tmp_path / "out", 3, size=(32, 32))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError, match=r"def_front: already exists.*delete"):
        synthetic.write(tmp_path / "out", 3, seed=1, size=(32, 32))
    with pytest.raises(FileExistsError, match="already exists"):
        synthetic.write(tmp_path / "new", 3, masks=tmp_path / "out", size=(32, 32))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("masks", [".", "masks", "../out/deep/masks", "../link", ".."])
def test_masks_among_the_pictures_are_refused(tmp_path: Path, masks: str) -> None:
    out = tmp_path / "def_front" if masks == ".." else tmp_path / "out"
    out.mkdir()
    (tmp_path / "link").symlink_to(out)
    with pytest.raises(ValueError, match="masks: found"):
        synthetic.write(out, 3, masks=out / masks, size=(32, 32))
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"n": 0}, ValueError, "n: found 0"),
        ({"n": 2.0}, TypeError, r"n: found 2\.0"),
        ({"n": 1, "seed": -1}, ValueError, "seed: found -1"),
        ({"n": 1, "seed": 2**64}, ValueError, "seed: found"),
        ({"n": 1, "size": (300, 31)}, ValueError, r"size\[1\] \(width\): found 31"),
        ({"n": 1, "size": 300}, ValueError, "size: found 300"),
        ({"n": 1, "size": (300, 300, 1)}, ValueError, "size: found"),
    ],
)
def test_wrong_numbers_are_named(
    tmp_path: Path, arguments: dict[str, object], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        synthetic.castings(**arguments)  # type: ignore[arg-type]
    with pytest.raises(kind, match=text):
        synthetic.write(tmp_path / "out", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="out"):
        synthetic.write(tmp_path / "file" / "out", 2, size=(32, 32))


def test_a_picture_that_cannot_be_written_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"gone/casting\.png"):
        _write_picture(tmp_path / "gone" / "casting.png", np.zeros((32, 32, 1), np.uint8))
    (tmp_path / "casting.png").mkdir()
    with pytest.raises(IsADirectoryError, match=r"casting\.png"):
        _write_picture(tmp_path / "casting.png", np.zeros((32, 32, 1), np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["casting.png"]


def test_a_fault_that_covers_no_pixel_still_marks_one() -> None:
    frame, mask = Frame(View.draw(Draws(1, VIEW, 0), *SMALL), *SMALL), np.zeros(SMALL, np.uint8)
    paint_fault(FaultShape("chip", (1.1, 0.1), ((1.1, 0.1, 0.01),), 1.0), frame, np.zeros(SMALL, np.float32), mask)
    y, x = frame.pixel(1.1, 0.1)
    assert np.argwhere(mask).tolist() == [[int(y), int(x)]]


def test_an_interrupted_run_leaves_only_whole_files_and_no_table(tmp_path: Path) -> None:
    def stop(done: int, _: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthetic.write(tmp_path / "out", 9, size=(32, 32), progress=stop)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert sorted(path.name for path in files) == [f"casting_{i:06d}.png" for i in range(5)]
    for path in files:
        with Image.open(path) as image:
            assert image.size == (32, 32)


def test_report_speed(capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.process_time()
    synthetic.castings(20)
    seconds = time.process_time() - begun
    with capsys.disabled():
        print(f" [{20 / seconds * 60:,.0f} castings of 300x300 per minute of one core]", end="")
