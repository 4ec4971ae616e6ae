"""Pictures of the same surface are found however they were turned, mirrored, shifted, lit and compressed; others are not."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from gonogo import _core

KINDS = ("rotation", "mirror", "shift", "light", "jpeg", "all")
Grey = NDArray[np.uint8]


def planted(picture: Grey, kind: str, rng: np.random.Generator) -> Grey:
    """The same surface again, changed in one way or in all."""
    height, width = picture.shape
    degrees = rng.uniform(0, 360) if kind in ("rotation", "all") else 0.0
    shift = rng.uniform(-0.05, 0.05, 2) * picture.shape if kind in ("shift", "all") else np.zeros(2)
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    levels = ndimage.affine_transform(
        picture.astype(np.float32), turn, centre - turn @ (centre + shift), order=1, mode="nearest"
    )
    if kind == "mirror" or (kind == "all" and rng.random() < 0.5):
        levels = levels[:, ::-1]
    factor = rng.uniform(0.75, 1.25) if kind in ("light", "all") else 1.0
    changed = np.clip(levels * factor, 0, 255).astype(np.uint8)
    if kind in ("jpeg", "all"):
        stream = io.BytesIO()
        Image.fromarray(changed).save(stream, "JPEG", quality=int(rng.integers(60, 96)))
        changed = np.asarray(Image.open(stream).convert("L"))
    return changed


def png(picture: Grey) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def surfaces(count: int, seed: int, side: int = 160) -> list[Grey]:
    """Surfaces with structure of several sizes, each its own."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        noise = sum(ndimage.gaussian_filter(rng.normal(size=(side, side)), s) * s for s in (1, 2, 5, 10))
        made.append(np.clip(128 + 30 * noise / noise.std(), 0, 255).astype(np.uint8))
    return made


def thumbnails(pictures: list[Grey]) -> NDArray[np.float32]:
    return _core.describe_pictures([png(picture) for picture in pictures])[1]


def groups(count: int, pairs: NDArray[np.uint32]) -> list[int]:
    parents = list(range(count))

    def root(i: int) -> int:
        while parents[i] != i:
            i = parents[i]
        return i

    for a, b in pairs.tolist():
        parents[max(root(a), root(b))] = min(root(a), root(b))
    return [root(i) for i in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_picture_is_found_and_nothing_else(kind: str) -> None:
    originals = surfaces(40, 1)
    rng = np.random.default_rng(2)
    found = _core.find_siblings(thumbnails([*originals, *(planted(picture, kind, rng) for picture in originals)]))
    assert found["pairs"].tolist() == [[i, i + 40] for i in range(40)]
    assert found["compared"] == 80 * 79 // 2
    assert (found["scores"] >= found["threshold"]).all() and found["scores"].max() <= 1.0001


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_quarter_turns_agree_almost_fully(turns: int, mirrored: bool) -> None:
    originals = surfaces(6, 3, side=128)
    turned = [np.rot90(picture[:, ::-1] if mirrored else picture, turns) for picture in originals]
    found = _core.find_siblings(thumbnails([*originals, *turned]))
    assert found["pairs"].tolist() == [[i, i + 6] for i in range(6)] and found["scores"].min() > 0.97


def test_bits_do_not_depend_on_threads_or_on_the_place_in_the_list() -> None:
    rng = np.random.default_rng(4)
    originals = surfaces(30, 5)
    all_of_them = thumbnails([*originals, *(planted(picture, "all", rng) for picture in originals)])
    first = _core.find_siblings(all_of_them, threads=1)
    for threads in (2, 3, 8):
        again = _core.find_siblings(all_of_them, threads=threads)
        assert all(np.array_equal(first[key], again[key]) for key in first)
    order = rng.permutation(60)
    moved = _core.find_siblings(all_of_them[order])
    assert {tuple(sorted(order[pair])) for pair in moved["pairs"]} == {tuple(pair) for pair in first["pairs"]}


def test_straight_lines_are_no_proof() -> None:
    """Scratches in steel look alike wherever they are; only what is beside them tells one strip from another."""
    rng = np.random.default_rng(6)
    pictures = []
    for _ in range(40):
        picture = 90 + rng.normal(0, 2, (160, 160))
        for _ in range(rng.integers(1, 4)):
            at, width = rng.integers(30, 130), rng.integers(2, 8)
            picture[:, at : at + width] += rng.uniform(60, 120) + rng.normal(0, 8, (160, 1))
        pictures.append(np.clip(ndimage.gaussian_filter(picture, 1), 0, 255).astype(np.uint8))
    assert len(_core.find_siblings(thumbnails(pictures))["pairs"]) == 0


def test_blank_pictures_have_no_siblings() -> None:
    blank = [np.full((64, 64), level, np.uint8) for level in (0, 100, 100, 255)]
    noisy = [np.random.default_rng(i).integers(100, 102, (200, 200)).astype(np.uint8) for i in range(4)]
    assert len(_core.find_siblings(thumbnails([*blank, *noisy]))["pairs"]) == 0


def test_pairs_with_two_labels_are_found_also_inside_a_group() -> None:
    rng = np.random.default_rng(8)
    base = surfaces(1, 9)[0]
    copies = [planted(base, "rotation", rng) for _ in range(9)]
    labels = np.array([0] * 8 + [1], np.uint32)
    found = _core.find_siblings(thumbnails(copies), labels)
    assert sum(labels[a] != labels[b] for a, b in found["pairs"]) == 8


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_pictures(count: int) -> None:
    found = _core.find_siblings(thumbnails(surfaces(count, 10)))
    assert found["pairs"].shape == (0, 2) and found["compared"] == count * (count - 1) // 2


def test_exposure_and_faults_are_described() -> None:
    rng = np.random.default_rng(11)
    picture = rng.integers(0, 256, (90, 120)).astype(np.uint8)
    colour = np.stack([picture, picture // 2, picture], axis=2)
    rows, small = _core.describe_pictures(
        [png(picture), b"nonsense", png(colour), png(np.full((70, 70), 255, np.uint8))]
    )
    assert [row["verdict"] for row in rows] == ["ok", "unknown-format", "ok", "ok"]
    assert (rows[0]["height"], rows[0]["width"], rows[0]["grey"], rows[2]["grey"]) == (90, 120, True, False)
    assert rows[0]["mean"] == pytest.approx(picture.mean()) and rows[0]["deviation"] == pytest.approx(picture.std())
    assert (rows[0]["minimum"], rows[0]["maximum"]) == (picture.min(), picture.max())
    assert rows[0]["saturated"] == pytest.approx(np.isin(picture, (0, 255)).mean())
    laplacian = ndimage.laplace(picture.astype(float))[1:-1, 1:-1]
    assert rows[0]["sharpness"] == pytest.approx(laplacian.var() / picture.astype(float).var())
    assert (rows[3]["saturated"], rows[3]["sharpness"], rows[3]["deviation"]) == (1, 0, 0)
    assert small.shape == (4, 64, 64) and not small[1].any() and (small[3] == 255).all()
    centre = picture[:, 15:105].astype(float)
    assert small[0].mean() == pytest.approx(centre.mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((np.zeros((2, 64, 64)),), "thumbnails"),
        ((np.zeros((2, 32, 64), np.float32),), "32 x 64"),
        ((np.full((2, 64, 64), np.nan, np.float32),), "outside 0 to 255"),
        ((np.zeros((2, 64, 64), np.float32), np.zeros(3, np.uint32)), "labels"),
        ((np.zeros((2, 64, 64), np.float32), None, 0, 0), "neighbours"),
        ((np.zeros((2, 64, 64), np.float32), None, 0, 129), "neighbours"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple[Any, ...], word: str) -> None:
    with pytest.raises((TypeError, ValueError), match=word):
        _core.find_siblings(*arguments)


def read(paths: list[Path]) -> NDArray[np.float32]:
    parts = [
        _core.describe_pictures([path.read_bytes() for path in paths[first : first + 256]])[1]
        for first in range(0, len(paths), 256)
    ]
    return np.concatenate(parts)


def some(paths: list[Path], count: int) -> list[Path]:
    return [paths[i] for i in np.random.default_rng(12).permutation(len(paths))[:count]]


@pytest.mark.soak
@pytest.mark.parametrize(
    "pattern",
    ["casting/train/*/*.jpeg", "neu/images/*/*.jpg", "magnetic_tile/images/*/*.jpg", "dagm_class8/train/*defect/*.PNG"],
)
def test_siblings_planted_in_real_pictures_are_found(
    pattern: str, data_folder: Path, often: Callable[[int, int], int], report_figure: Callable[[str, object], None]
) -> None:
    """At most 5 of 1,049 are missed: then the lower 95 % bound of the recall is 99 %."""
    paths = sorted(data_folder.glob(pattern))
    number = often(20, 1049)
    chosen = some(paths, min(number, len(paths)))
    known = read(chosen)
    for kind in KINDS:
        missed, rng = 0, np.random.default_rng(13)
        for first in range(0, number, len(chosen)):
            part = chosen[: number - first]
            twins = [planted(np.asarray(Image.open(path).convert("L")), kind, rng) for path in part]
            found = _core.find_siblings(np.concatenate([known, thumbnails(twins)]))
            group = groups(len(known) + len(part), found["pairs"])
            missed += sum(group[i] != group[len(known) + i] for i in range(len(part)))
        report_figure(f"siblings missed, {pattern.split('/')[0]}, {kind}", f"{missed} of {number}")
        assert missed <= (5 if number == 1049 else 1)


def test_an_overexposed_picture_is_compared_by_what_is_left_of_it() -> None:
    """Most of each twin is white: that the original shows something there is no difference."""
    originals = surfaces(30, 14)
    light = np.linspace(1, 4, 160)[None, :]
    twins = [np.clip(picture * light, 0, 255).astype(np.uint8) for picture in originals]
    assert min((twin == 255).mean() for twin in twins) > 0.5
    found = _core.find_siblings(thumbnails([*originals, *twins]))
    assert found["pairs"].tolist() == [[i, i + 30] for i in range(30)]


# SHA-256 of the pairs of steel, each of which was looked at and shows the same strip. Where it changes, look at them again.
STEEL_PAIRS = 78
STEEL_DIGEST = "bd8edc866b51834fa3b3b3f540351f2eab74a1a0e6bab90f078844f90f51fdfb"


def test_strangers_are_not_joined(data_folder: Path, report_figure: Callable[[str, object], None]) -> None:
    """Pairs found beyond the known ones were looked at one by one: in steel the same strip was photographed again."""
    dagm = read(sorted(data_folder.glob("dagm_class8/train/*defect/*.PNG")))
    assert len(_core.find_siblings(dagm)["pairs"]) == 0
    steel = sorted(data_folder.glob("neu/images/*/*.jpg"))
    found = _core.find_siblings(read(steel))
    sizes = np.bincount(groups(len(steel), found["pairs"]))
    names = sorted(" ".join(sorted((steel[a].name, steel[b].name))) for a, b in found["pairs"])
    report_figure("siblings found in neu", f"{len(found['pairs'])} pairs, largest group {sizes.max()}")
    classes = [path.parent.name for path in steel]
    assert sizes.max() <= 3 and all(classes[a] == classes[b] for a, b in found["pairs"])
    assert (len(names), hashlib.sha256("\n".join(names).encode()).hexdigest()) == (STEEL_PAIRS, STEEL_DIGEST), names
