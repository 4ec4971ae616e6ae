"""A line with a model without certificate: whole pictures and tiles, with and without a class that passes."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from line.commands import FAST, Commands
from numpy.typing import NDArray
from PIL import Image

import gonogo as gg
from gonogo import Inspector, layers
from gonogo.errors import ModelFileError
from gonogo.line.inspection import InspectorDecider
from gonogo.png import png

PAIRS = ["--part-pattern", r"(?P<part>\d)_(?P<view>\w)[.]png", "--views", "2"]


def grey(seed: int, *levels: int) -> NDArray[np.uint8]:
    """Noise of 12 x 14 pixels, in as many columns of brightness as there are levels."""
    noise = np.random.default_rng(seed).integers(0, 100, (12, 14), dtype=np.uint8)
    return noise + np.repeat(np.uint8(levels), 14 // len(levels))


GOOD, BAD, MIXED = grey(5000, 120), grey(5001, 0), grey(5002, 0, 120)
DEEP = np.full((12, 14), 4096, np.uint16)  # in a file of 12 bits nobody has written this


def train(pictures: Path, path: Path, **options: Any) -> Path:
    data = gg.Dataset.from_folder(pictures, bit_depth=12, **options)
    net = [layers.flatten(), layers.dense("classes")]
    clf = gg.InspectionClassifier(net, epochs=60, learning_rate=0.01, random_state=1, verbose=False, pass_label="ok")
    return Path(clf.fit(data).save(path))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``"whole"`` reads pictures of 12 x 14 pixels, ``"tiles"`` cuts them into four; neither has a certificate."""
    folder = tmp_path_factory.mktemp("models")
    for label, level in (("bad", 0), ("ok", 120)):
        (folder / "pictures" / label).mkdir(parents=True)
        for number in range(150):
            Image.fromarray(grey(number + 1000 * (level > 0), level)).save(
                folder / "pictures" / label / f"{number}.png"
            )
    return {
        "whole": train(folder / "pictures", folder / "whole.gonogo", image_size=(12, 14)),
        "tiles": train(folder / "pictures", folder / "tiles.gonogo", tiles=gg.Tiles(6, 7)),
    }


class Line:
    """``line(model, pictures, *options)`` sorts and returns name -> (folder, passed, reason)."""

    def __init__(self, folder: Path, run: Commands) -> None:
        self._folder, self._run = folder, run

    def __call__(
        self, model: Path, pictures: dict[str, NDArray[Any]], *options: str
    ) -> dict[str, tuple[str, str, str]]:
        inbox, out = self._folder / "inbox", self._folder / "out"
        inbox.mkdir(exist_ok=True)
        for name, pixels in pictures.items():
            Image.fromarray(pixels).save(inbox / f"{name}.png")
        self._run("sort", model, inbox, out, "--no-gate", *FAST, *options)
        assert self._run("verify", out)["problems"] == 0
        with (out / "decisions.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        return {Path(row["name"]).stem: (row["final"].split("/")[0], row["passed"], row["reason"]) for row in rows}


@pytest.fixture
def line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Line:
    return Line(tmp_path, Commands(capsys))


def test_a_picture_passes_where_all_its_tiles_do(models: dict[str, Path], line: Line) -> None:
    line(models["tiles"], {"good": GOOD, "bad": BAD, "mixed": MIXED})
    flat = np.full((12, 14), 200, np.uint8)
    found = line(models["tiles"], {"small": GOOD[:5], "flat": flat, "beside it": grey(5006, 120), "deep": DEEP})
    assert {name: said[:2] for name, said in found.items()} == {
        "good": ("ok", "1"),
        "bad": ("bad", "0"),
        "mixed": ("bad", "0"),
        "small": ("REVIEW", "0"),
        "flat": ("REVIEW", "0"),
        "beside it": ("ok", "1"),
        "deep": ("REVIEW", "0"),
    }
    assert "has 5 x 14 pixels (height x width), those of the training 12 x 14" in found["small"][2]
    assert "every pixel is the same" in found["flat"][2]
    assert "4096" in found["deep"][2]


def test_a_part_passes_where_all_its_pictures_do(models: dict[str, Path], line: Line) -> None:
    dark = np.zeros((12, 14), np.uint8)
    parts = {
        "1": (GOOD, grey(5003, 120)),
        "2": (grey(5004, 120), BAD),
        "3": (grey(5005, 120), dark),
        "4": (DEEP, MIXED),
    }
    pictures = {
        f"{part}_{view}": pixels for part, views in parts.items() for view, pixels in zip("ab", views, strict=True)
    }
    found = line(models["whole"], pictures, *PAIRS)
    assert {name: said[:2] for name, said in found.items()} == {
        **dict.fromkeys(("1_a", "1_b"), ("ok", "1")),
        **dict.fromkeys(("2_a", "2_b"), ("bad", "0")),
        **dict.fromkeys(("3_a", "3_b", "4_a", "4_b"), ("REVIEW", "0")),
    }
    assert found["3_a"][2].startswith("pixels: picture 2 of 2: "), "what speaks against one part is not said of others"


def test_without_a_class_that_passes_pictures_of_a_part_have_to_agree(line_models: dict[str, Path], line: Line) -> None:
    parts = {"1": (120, 120), "2": (0, 0), "3": (0, 120)}
    pictures = {
        f"{part}_{view}": grey(int(part), level)[:6, :7]
        for part, levels in parts.items()
        for view, level in zip("ab", levels, strict=True)
    }
    pictures = {name: pixels + np.uint8(name.endswith("b")) for name, pixels in pictures.items()}
    found = line(line_models["plain"], pictures, *PAIRS)
    assert {name: said[0] for name, said in found.items()} == {
        **dict.fromkeys(("1_a", "1_b"), "ok"),
        **dict.fromkeys(("2_a", "2_b"), "bad"),
        **dict.fromkeys(("3_a", "3_b"), "REVIEW"),
    }
    assert found["3_a"][2] == "the pictures of the part look like different classes"
    assert {said[1] for said in found.values()} == {"0"}, "no class passes"


def test_probabilities_that_are_no_numbers_are_no_verdict(
    models: dict[str, Path], line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Inspector, "predict_proba", lambda _self, pixels: np.full((len(pixels), 2), np.nan))
    label, passed, reason = line(models["whole"], {"good": GOOD})["good"]
    assert (label, passed) == ("REVIEW", "0")
    assert "are NaN" in reason


def test_a_model_of_rows_of_numbers_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(40, 3)).astype(np.float32), np.repeat(["bad", "ok"], 20)
    clf = gg.InspectionClassifier([layers.dense("classes")], epochs=1, random_state=1, verbose=False).fit(X, y)
    with pytest.raises(ValueError, match="FILE: found a model of rows of numbers, expected one of pictures"):
        InspectorDecider(Inspector(clf.save(tmp_path / "rows.gonogo")), gated=False)


def test_a_self_test_that_fails_names_the_model_file(models: dict[str, Path]) -> None:
    decider = InspectorDecider(Inspector(models["whole"]), gated=False)
    assert decider.self_test() == 0

    def fail() -> float:  # as with memory that has lost a bit since the start
        raise ValueError("the pictures in the file give other scores")

    decider._file = dataclasses.replace(decider._file, core=SimpleNamespace(self_test=fail))  # type: ignore[arg-type]
    with pytest.raises(ModelFileError, match="the pictures in the file give other scores"):
        decider.self_test()


def test_what_is_no_whole_picture_gets_its_fault_where_pictures_have_their_own_size(models: dict[str, Path]) -> None:
    decider = InspectorDecider(Inspector(models["tiles"]), gated=False)
    files = [png(grey(1, 120)), png(grey(2, 120))[:-20], png(grey(3, 120)[:5])]
    whole, half, small = decider.decode(files)
    assert (whole[..., 0].tolist(), small[..., 0].tolist()) == (grey(1, 120).tolist(), grey(3, 120)[:5].tolist())
    assert half == decider.check(files[1])
