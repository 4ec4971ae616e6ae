"""Tiles: they cover the picture, stay together in a split, and what they say becomes one verdict about the picture."""

from __future__ import annotations

import csv
import itertools
import math
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import gonogo as gg
from gonogo import layers
from gonogo.model_file import read_model
from gonogo.tiles import decide

Run = Callable[..., subprocess.CompletedProcess[str]]
Json = Callable[..., dict[str, Any]]

# --- where tiles lie


@settings(max_examples=200)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 60), st.integers(0, 60), st.floats(0, 0.9))
def test_tiles_cover_the_picture_and_stay_inside(tall: int, wide: int, down: int, right: int, overlap: float) -> None:
    height, width = tall + down, wide + right
    boxes = gg.Tiles(tall, wide, overlap).boxes(height, width)
    assert boxes.ndim == 3
    seen = np.zeros((height, width), int)
    for y0, x0, y1, x1 in boxes.reshape(-1, 4).tolist():
        assert 0 <= y0 < y1 <= height
        assert 0 <= x0 < x1 <= width
        assert (y1 - y0, x1 - x0) == (tall, wide)
        seen[y0:y1, x0:x1] += 1
    assert seen.min() >= 1
    tops, lefts = boxes[:, 0, 0].tolist(), boxes[0, :, 1].tolist()
    assert (tops, lefts) == (sorted(set(tops)), sorted(set(lefts)))
    # Neighbours share what was asked for, the last pair perhaps more.
    assert all(
        after - before <= max(1, tall - math.floor(overlap * tall)) for before, after in itertools.pairwise(tops)
    )


def test_without_overlap_tiles_that_fit_are_a_plain_grid() -> None:
    boxes = gg.Tiles(2, 3).boxes(4, 9)
    assert boxes.shape == (2, 3, 4)
    assert boxes[1].tolist() == [[2, 0, 4, 3], [2, 3, 4, 6], [2, 6, 4, 9]]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ((0, 5), "tiles: height: found 0"),
        ((5, 2.0), "tiles: width: found 2.0"),
        ((True, 5), "tiles: height: found True"),
        ((5, 5, 0.95), "tiles: overlap: found 0.95, expected a number from 0 to 0.9"),
        ((5, 5, -0.1), "tiles: overlap: found -0.1"),
        ((5, 5, math.nan), "tiles: overlap: found nan"),
        ((5, 5, 10**400), "tiles: overlap: found 1000"),
    ],
)
def test_tiles_that_make_no_sense_are_refused(fields: tuple[Any, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        gg.Tiles(*fields)


@given(st.integers(1, 999), st.integers(1, 999), st.floats(0, 0.9))
def test_what_a_dict_says_comes_back(height: int, width: int, overlap: float) -> None:
    tiles = gg.Tiles(height, width, overlap)
    assert gg.Tiles.from_dict(tiles.to_dict()) == tiles


# --- what tiles say of their picture

BOXES = gg.Tiles(1, 1).boxes(2, 3).reshape(-1, 4)


def shares(*of_bad: float) -> NDArray[np.float64]:
    """Probabilities of the classes bad, ok and odd, the last always 0."""
    return np.array([(share, 1 - share, 0.0) for share in of_bad])


def test_a_tile_without_probabilities_never_passes() -> None:
    with pytest.raises(ValueError, match=r"X: the probabilities of sample 4 are NaN \(1 in all\)"):
        decide(shares(0.9, 0.9, 0.9, 0.9, math.nan, 0.9), BOXES, ["ok", "bad", "odd"], "ok")


def test_a_picture_passes_only_if_every_tile_does() -> None:
    made = decide(shares(0.1, 0.2, 0.4, 0.1, 0.1, 0.1), BOXES, ["bad", "ok", "odd"], "ok")
    assert made.label == "ok"
    assert made.probabilities.tolist() == [0.4, 0.6, 0.0]  # the least certain one
    made = decide(shares(0.1, 0.7, 0.9, 0.1, 0.1, 0.1), BOXES, ["bad", "ok", "odd"], "ok")
    assert made.label == "bad"
    assert made.probabilities[0] == 0.9
    assert made.tile_labels.tolist() == [["ok", "bad", "bad"], ["ok", "ok", "ok"]]
    assert made.tile_probabilities.shape == (2, 3, 3)
    assert made.boxes[1, 2].tolist() == [1, 2, 2, 3]


def test_the_most_certain_tile_that_does_not_pass_gives_the_class() -> None:
    said = np.array([[0.5, 0.2, 0.3], [0.0, 1.0, 0.0], [0.1, 0.3, 0.6]])
    assert decide(said, BOXES[:3], ["bad", "ok", "odd"], "ok").label == "odd"


def test_without_a_class_that_passes_the_mean_decides() -> None:
    made = decide(shares(0.9, 0.2, 0.3, 0.1, 0.1, 0.1), BOXES, ["bad", "ok", "odd"], None)
    assert made.label == "ok"
    np.testing.assert_allclose(made.probabilities, [1.7 / 6, 4.3 / 6, 0.0])


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_the_probabilities_belong_to_the_label(of_bad: list[float]) -> None:
    for pass_label in (None, "ok", "bad"):
        made = decide(shares(*of_bad), BOXES, ["bad", "ok", "odd"], pass_label)
        assert made.classes[int(made.probabilities.argmax())] == made.label
        if pass_label is not None:
            assert (made.label == pass_label) == bool((made.tile_labels == pass_label).all())


# --- from files to the model

TILES = gg.Tiles(8, 10, 0.25)
WORK = gg.Preprocess(roi=(1, 2, 18, 30), local_contrast=2.0, median=3)


def sheet(seed: int, height: int, width: int, bad: bool) -> NDArray[np.uint8]:
    """Grey noise; on a bad sheet with one white spot."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(60, 120, (height, width), np.uint8)
    if bad:
        y, x = rng.integers(2, height - 5), rng.integers(3, width - 5)
        pixels[y : y + 4, x : x + 4] = 255
    return pixels


@pytest.fixture
def sheets(tmp_path: Path) -> Path:
    """Eight wide pictures of two classes, of several sizes."""
    for label in ("bad", "ok"):
        (tmp_path / "sheets" / label).mkdir(parents=True)
        for i in range(4):
            path = tmp_path / "sheets" / label / f"{i}.png"
            Image.fromarray(sheet(i, 20 + i, 34 + 3 * i, label == "bad")).save(path)
            os.utime(path, (1e9, 1e9))
    return tmp_path / "sheets"


def trained(data: gg.Dataset, **options: Any) -> gg.InspectionClassifier:
    net = [layers.flatten(), layers.dense("classes")]
    return gg.InspectionClassifier(net, epochs=3, random_state=1, verbose=False, **options).fit(data)


@pytest.mark.parametrize("size", [None, (5, 6)])
@pytest.mark.parametrize("work", [None, WORK])
def test_each_tile_is_a_sample_of_its_own(
    sheets: Path, size: tuple[int, int] | None, work: gg.Preprocess | None
) -> None:
    data = gg.Dataset.from_folder(sheets, tiles=TILES, image_size=size, preprocess=work)
    assert data.image_size == (size or (8, 10))
    assert data.paths is not None
    assert data.boxes is not None
    assert data.groups is not None
    assert len(data) == len(data.boxes) == len(data.paths) > 8 * 4
    after = (work or gg.Preprocess()).without_roi()
    for (pixels, label), path, box in zip(data, data.paths, data.boxes.tolist(), strict=True):
        y0, x0, y1, x1 = box
        expected = after.apply(np.asarray(Image.open(path))[y0:y1, x0:x1], image_size=size)
        np.testing.assert_array_equal(pixels[:, :, 0], expected)
        assert data.classes[label] == path.parent.name
        if work is not None:
            assert y0 >= 1
            assert x0 >= 2
            assert y1 <= 19
            assert x1 <= 32
    assert data.groups.tolist() == data.files
    assert "tiles of 8 pictures, each of" in repr(data)
    subset = data[[5, 0]]
    assert subset.boxes is not None
    np.testing.assert_array_equal(subset.boxes, data.boxes[[5, 0]])
    same = gg.Dataset.from_folder(sheets, tiles=TILES, image_size=size, preprocess=work, threads=1)
    np.testing.assert_array_equal(same.images, data.images)


@pytest.mark.parametrize("by", ["auto", "group", "image"])
def test_a_split_keeps_the_tiles_of_a_picture_together(sheets: Path, tmp_path: Path, by: Any) -> None:
    data = gg.Dataset.from_folder(sheets, tiles=TILES)
    parts = data.split({"train": 0.5, "test": 0.5}, by=by, seed=3)
    assert not set(parts["train"].files) & set(parts["test"].files)
    assert sum(map(len, parts.values())) == len(data)
    gg.save_split(tmp_path / "split.csv", parts)
    with (tmp_path / "split.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 8  # a row for each picture
    again = gg.load_split(tmp_path / "split.csv", data)
    for name, part in parts.items():
        assert again[name].index.tolist() == part.index.tolist()
    # The same file divides whole pictures.
    whole = gg.load_split(tmp_path / "split.csv", gg.Dataset.from_folder(sheets, image_size=(8, 8)))
    assert set(whole["train"].files) == set(parts["train"].files)


def test_groups_of_several_pictures_stay_groups(sheets: Path) -> None:
    data = gg.Dataset.from_folder(sheets, tiles=TILES, groups=lambda path: f"{path.parent.name}{int(path.stem) // 2}")
    assert data.groups is not None
    assert set(data.groups.tolist()) == {"bad0", "bad1", "ok0", "ok1"}


def test_tiles_can_be_given_labels_of_their_own(sheets: Path) -> None:
    data = gg.Dataset.from_folder(sheets, tiles=TILES)
    part = data.split({"train": 0.5, "test": 0.5})["train"]
    spotted = np.where((part.images == 255).any(axis=(1, 2, 3)), "bad", "ok")
    relabelled = part.relabel(spotted)
    assert np.shares_memory(relabelled.pixels, part.pixels)
    assert relabelled.class_counts()["bad"] == int((spotted == "bad").sum()) < part.class_counts()["bad"]
    assert (relabelled.subset, relabelled.files) == (part.subset, part.files)
    with pytest.raises(ValueError, match="labels: found 'odd'"):
        part.relabel(["odd"] * len(part))
    with pytest.raises(ValueError, match="labels: found the shape"):
        part.relabel(["ok"])


def test_a_picture_smaller_than_a_tile_is_a_bad_file(sheets: Path) -> None:
    with pytest.raises(gg.DecodeError, match=r"0\.png: found 20x34 pixels .* at least one tile of 21x10") as caught:
        gg.Dataset.from_folder(sheets, tiles=gg.Tiles(21, 10))
    assert caught.value.fault == "image-too-small"
    data = gg.Dataset.from_folder(sheets, tiles=gg.Tiles(21, 10), on_bad="skip")
    assert {error.path.name for error in data.bad_files} == {"0.png"}
    assert len(set(data.files)) == 6


def test_a_damaged_picture_has_no_tiles(sheets: Path) -> None:
    broken = sheets / "ok" / "2.png"
    broken.write_bytes(broken.read_bytes()[:-30])
    data = gg.Dataset.from_folder(sheets, tiles=TILES, on_bad="skip")
    assert [error.path for error in data.bad_files] == [broken]
    assert "ok/2.png" not in data.files
    # What only the pixels show is noticed when the tiles are cut: none of them is left, and the others stay in place.
    Image.fromarray(np.full((24, 40), 4096, np.uint16)).save(broken)
    deep = gg.Dataset.from_folder(sheets, tiles=TILES, on_bad="skip", bit_depth=12)
    assert [error.fault for error in deep.bad_files] == ["bit-depth"]
    np.testing.assert_array_equal(deep.images, data.images)
    assert deep.files == data.files
    assert deep.boxes is not None
    assert data.boxes is not None
    np.testing.assert_array_equal(deep.boxes, data.boxes)


def test_the_cache_keeps_where_tiles_lie(sheets: Path, tmp_path: Path) -> None:
    first = gg.Dataset.from_folder(sheets, tiles=TILES, cache=tmp_path / "cache")
    second = gg.Dataset.from_folder(sheets, tiles=TILES, cache=tmp_path / "cache")
    assert second.cached
    assert first.boxes is not None
    assert second.boxes is not None
    np.testing.assert_array_equal(second.boxes, first.boxes)
    np.testing.assert_array_equal(second.images, first.images)
    assert not gg.Dataset.from_folder(sheets, tiles=gg.Tiles(8, 10), cache=tmp_path / "cache").cached


def test_a_model_says_of_each_tile_what_it_says_of_that_sample(sheets: Path, tmp_path: Path) -> None:
    data = gg.Dataset.from_folder(sheets, tiles=TILES, preprocess=WORK)
    clf = trained(data, pass_label="ok")
    loaded = gg.load(clf.save(tmp_path / "m.gonogo"))
    expected = clf.predict_proba(data)
    paths = list(dict.fromkeys(data.paths or ()))
    for pictures in (paths, [np.asarray(Image.open(path)) for path in paths]):
        said = loaded.predict_tiles(pictures)
        assert len(said) == len(paths)
        found = np.concatenate([one.tile_probabilities.reshape(-1, 2) for one in said])
        np.testing.assert_array_equal(found, expected)
        assert data.boxes is not None
        np.testing.assert_array_equal(np.concatenate([one.boxes.reshape(-1, 4) for one in said]), data.boxes)
        for one in said:
            assert (one.label == "ok") == bool((one.tile_labels == "ok").all())


def test_tiles_take_every_pass_label_that_a_training_takes(sheets: Path) -> None:
    for before, after in (("bad", "0"), ("ok", "1")):
        (sheets / before).rename(sheets / after)
    data = gg.Dataset.from_folder(sheets, tiles=TILES)
    said = [trained(data, pass_label=label).predict_tiles(data.paths) for label in ("1", 1)]
    assert [one.label for one in said[0]] == [one.label for one in said[1]]


def test_names_of_files_that_come_again_are_no_parts_that_were_seen(sheets: Path) -> None:
    data = gg.Dataset.from_folder(sheets, tiles=TILES)
    clf = trained(data, pass_label="ok")
    assert data.named_groups is None
    assert data.groups is not None
    for path in sorted(sheets.glob("*/*.png")):
        Image.fromarray(sheet(50 + int(path.stem), 20, 34, path.parent.name == "bad")).save(path)
    fresh = gg.Dataset.from_folder(sheets, tiles=TILES)
    gate = gg.PassGate(clf, "ok", 0.6, 0.6).fit(fresh)
    assert (gate.certificate_["defects"], gate.certificate_["disjoint"]) == (4, "pixels of pictures")
    with pytest.raises(ValueError, match="X: training or validation has seen"):
        gg.PassGate(clf, "ok", 0.6, 0.6).fit(data)

    by_name = gg.Dataset.from_folder(sheets, tiles=TILES, groups=lambda path: f"part {path.parent.name}-{path.stem}")
    assert by_name.named_groups is not None
    seen = trained(by_name, pass_label="ok")
    for path in sorted(sheets.glob("*/*.png")):
        Image.fromarray(sheet(80 + int(path.stem), 20, 34, path.parent.name == "bad")).save(path)
    again = gg.Dataset.from_folder(sheets, tiles=TILES, groups=lambda path: f"part {path.parent.name}-{path.stem}")
    with pytest.raises(ValueError, match="groups: training or validation has seen 8 of 8 parts"):
        gg.PassGate(seen, "ok", 0.6, 0.6).fit(again)


def test_evaluation_decides_about_pictures_by_the_certificate_of_their_tiles(
    sheets: Path, tmp_path: Path, gonogo_json: Json
) -> None:
    clf = trained(gg.Dataset.from_folder(sheets, tiles=TILES), pass_label="ok")
    for seed in (50, 80):
        for path in sorted(sheets.glob("*/*.png")):
            Image.fromarray(sheet(seed + int(path.stem), 20, 34, path.parent.name == "bad")).save(path)
        data = gg.Dataset.from_folder(sheets, tiles=TILES)
        if seed == 50:
            gate = gg.PassGate(clf, "ok", 0.6, 0.6).fit(data)
    decisions = dict(zip(map(str, data.paths or ()), gate.decide(data), strict=True))
    assert len(decisions) == 8
    passed = {
        label: sum(one.passed for path, one in decisions.items() if f"/{label}/" in path) for label in ("bad", "ok")
    }
    told = gonogo_json("evaluate", gate.save(tmp_path / "gated.gonogo"), sheets)
    assert told["n"] == len(data)
    assert (told["escape"]["defects"], told["escape"]["escapes"]) == (4, passed["bad"])
    assert told["gate"]["certificate"] == gate.certificate_["sha256"]
    report = gg.evaluate(clf, data, gate)
    assert report.parts is not None
    assert report.parts.reviewed.count == sum(one.label == "REVIEW" for one in decisions.values())
    assert report.to_html(tmp_path / "report.html").is_file()
    without = gg.evaluate(clf, data)
    assert without.to_dict()["escape"]["defects"] > 4, "each tile counts by itself"


def test_what_does_not_go_with_tiles_is_refused(sheets: Path) -> None:
    data, plain = gg.Dataset.from_folder(sheets, tiles=TILES), gg.Dataset.from_folder(sheets, image_size=(8, 10))
    clf = trained(data)
    with pytest.raises(ValueError, match=r"X: the model reads tiles.*use predict_tiles"):
        clf.predict(data.paths)
    with pytest.raises(ValueError, match="X: the pictures were read with tiles None, expected"):
        clf.predict(plain)
    with pytest.raises(ValueError, match="this model was not trained on tiles"):
        trained(plain).predict_tiles(plain.paths)
    with pytest.raises(ValueError, match=r"X: picture 1: found 7x10 pixels .*at least one tile of 8x10"):
        clf.predict_tiles([np.zeros((9, 10), np.uint8), np.zeros((7, 10), np.uint8)])
    with pytest.raises(ValueError, match="X: picture 0: found 3 channels, expected 1"):
        clf.predict_tiles([np.zeros((9, 10, 3), np.uint8)])
    with pytest.raises(TypeError, match="X: picture 0: found pictures of float64"):
        clf.predict_tiles([np.zeros((9, 10))])
    with pytest.raises(TypeError, match="X: found the path"):
        clf.predict_tiles(str(sheets))
    for wrong, kind in ((5, "int"), (None, "NoneType")):
        with pytest.raises(TypeError, match=f"X: found a {kind}, expected a list of paths or of pictures"):
            clf.predict_tiles(wrong)
    with pytest.raises(ValueError, match=r"X: picture 0: found an array of shape \(5,\), expected \(height, width\)"):
        clf.predict_tiles([np.zeros(5, np.uint8)])
    for found in (8, {"height": 8}, {"height": 8, "width": 9, "depth": 1}):
        with pytest.raises(ValueError, match=r"tiles: found .*, expected height, width and overlap"):
            gg.Tiles.from_dict(found)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="pass_label: the class 'zz' is unknown to the model, which has: bad, ok"):
        clf.set_params(pass_label="zz").predict_tiles(data.paths)
    with pytest.raises(TypeError, match="tiles: found 64"):
        gg.Dataset.from_folder(sheets, tiles=64)  # type: ignore[arg-type]


def test_commands_cut_tiles(sheets: Path, tmp_path: Path, small_net: Path, run_gonogo: Run, gonogo_json: Json) -> None:
    out, table, broken = tmp_path / "m.gonogo", tmp_path / "rows.csv", tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    options = ["--tiles", "8", "10", "--tile-overlap", "0.25", "--model", small_net, "--epochs", "2"]
    told = run_gonogo("train", sheets, *options, "--validation", "0.5", "--pass-label", "ok", "--out", out).stderr
    assert "tiles of 8 pictures" in told
    assert read_model(out).decoding.tiles == TILES
    assert gonogo_json("info", out)["input"]["tiles"] == TILES.to_dict()
    paths = sorted(sheets.rglob("*.png"))
    rows = gonogo_json("predict", out, *paths, broken, paths[0], "--csv", table, exit_code=2)["rows"]
    assert [row["file"] for row in rows] == [str(path) for path in [*paths, broken, paths[0]]]
    expected = gg.load(out).predict_tiles(paths)
    for row, one in zip([*rows[:8], rows[9]], [*expected, expected[0]], strict=True):
        assert row["label"] == one.label
        assert row["probabilities"] == dict(zip(one.classes, one.probabilities.tolist(), strict=True))
        assert row["tiles"]["labels"] == one.tile_labels.tolist()
        assert row["tiles"]["boxes"] == one.boxes.tolist()
    assert rows[8]["fault"] == "unknown-format"
    with table.open(newline="") as file:
        assert [row["label"] for row in csv.DictReader(file)][:8] == [one.label for one in expected]
    assert gonogo_json("evaluate", out, sheets)["n"] == sum(one.tile_labels.size for one in expected)
    refused = run_gonogo("train", sheets, "--tile-overlap", "0.5", "--out", out, exit_code=2)
    assert "--tile-overlap: given without --tiles" in refused.stderr
