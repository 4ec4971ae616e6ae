"""Size and colour of picture files: a model knows which ones it was trained on, and pictures of others are for people."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus.models import with_training
from hypothesis import given
from hypothesis import strategies as st
from line.commands import FAST, Commands
from numpy.typing import NDArray
from PIL import Image

from gonogo import Dataset, InspectionClassifier, Inspector, ModelFileError, PassGate, Preprocess, Tiles, _core, layers
from gonogo import evaluate as evaluate_model
from gonogo.cli.predict import predict
from gonogo.decision import REVIEW
from gonogo.formats import Formats
from gonogo.ledger import read_ledger
from gonogo.line.claim import Picture
from gonogo.line.decider import QUARANTINE
from gonogo.line.disk import Status
from gonogo.line.inspection import InspectorDecider
from gonogo.line.outcome import Job, Outcome, decide_jobs
from gonogo.model_file import parse_model

HEIGHT, WIDTH = 8, 10
LONG_AGO = 1_000_000_000


def pixels(seed: int, good: bool, *, coloured: bool = False, size: tuple[int, int] = (HEIGHT, WIDTH)) -> NDArray[Any]:
    """A picture as RGB, bright where it is good; a coloured one has one coloured pixel."""
    grey = np.random.default_rng(seed).integers(0, 100, size, dtype=np.uint8) + np.uint8(140 * good)
    found = np.stack([grey] * 3, axis=2)
    found[0, 0, 2] += coloured
    return found


def png_of(*arguments: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels(*arguments, **options)).save(file, "png")
    return file.getvalue()


def draw(root: Path, count: int, seed: int, **options: Any) -> Path:
    """A folder of good and bad pictures, half and half."""
    for i in range(count):
        path = root / ("bad", "ok")[i % 2] / f"{seed}-{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_of(1000 * seed + i, bool(i % 2), **options))
        os.utime(path, (LONG_AGO, LONG_AGO))
    return root


def trained(data: Any, y: Any = None) -> InspectionClassifier:
    net = [layers.flatten(), layers.dense("classes")]
    clf = InspectionClassifier(net, epochs=25, learning_rate=0.02, random_state=1, verbose=False, pass_label="ok")
    return clf.fit(data, y)


def gated(folder: Path, *, coloured: bool = False, **read: Any) -> PassGate:
    """Trained and calibrated on pictures of 8 x 10 pixels, which are all coloured or all grey."""
    data = Dataset.from_folder(draw(folder / "train", 60, 1, coloured=coloured), **read)
    fresh = Dataset.from_folder(draw(folder / "fresh", 80, 2, coloured=coloured), **read)
    return PassGate(trained(data), "ok", 0.2, 0.8).fit(fresh)


@pytest.fixture(scope="module")
def grey_gate(tmp_path_factory: pytest.TempPathFactory) -> PassGate:
    return gated(tmp_path_factory.mktemp("grey"))


@pytest.fixture(scope="module")
def colour_gate(tmp_path_factory: pytest.TempPathFactory) -> PassGate:
    return gated(tmp_path_factory.mktemp("colour"), coloured=True)


# --- what is recorded


def test_a_data_set_knows_the_formats_of_its_files(tmp_path: Path) -> None:
    root = draw(draw(draw(tmp_path / "parts", 4, 1), 2, 2, coloured=True), 2, 3, size=(9, 12))
    read = {"image_size": (6, 7), "cache": tmp_path / "cache"}
    for _ in range(2):
        data = Dataset.from_folder(root, **read)
        assert data.formats is not None
        of = {path.name[0]: row for path, row in zip(data.paths or (), data.formats.tolist(), strict=True)}
        assert of == {"1": [8, 10, 0], "2": [8, 10, 1], "3": [9, 12, 0]}
        assert data.color_mode == "rgb", "one coloured picture decides"
    assert data.cached
    some = data[[5, 0]]
    assert some.formats is not None
    assert some.formats.tolist() == [of[path.name[0]] for path in some.paths or ()]
    parts = data.split({"a": 0.5, "b": 0.5})
    assert sum(len(part.formats if part.formats is not None else ()) for part in parts.values()) == 8
    assert Dataset.from_arrays(data.images, data.labels).formats is None


def test_tiles_have_the_format_of_their_file_also_where_colour_lies_outside(tmp_path: Path) -> None:
    root = draw(draw(tmp_path / "parts", 2, 1, coloured=True), 2, 2, size=(8, 20))
    data = Dataset.from_folder(root, tiles=Tiles(4, 5), preprocess=Preprocess(roi=(2, 0, 4, 10)))
    assert data.color_mode == "grayscale", "the coloured pixel lies outside the region"
    assert data.formats is not None
    of = {(path.name[0], *row) for path, row in zip(data.paths or (), data.formats.tolist(), strict=True)}
    assert of == {("1", 8, 10, 1), ("2", 8, 20, 0)}
    assert len(data) == 8


def test_a_model_keeps_the_formats_that_it_was_trained_on(tmp_path: Path) -> None:
    root = draw(draw(draw(tmp_path / "parts", 8, 1), 2, 2, size=(9, 12)), 4, 3, coloured=True)
    data = Dataset.from_folder(root, image_size=(8, 10))
    model = trained(data).model_file
    assert model.training["formats"] == {"sizes": [[8, 10], [9, 12]], "colours": ["colour", "grey"]}
    assert str(model.formats) == "8 x 10 or 9 x 12 pixels, colour or grey"
    first = [i for i, path in enumerate(data.paths or ()) if path.name[0] == "1"]
    assert trained(data[first]).model_file.training["formats"] == {"sizes": [[8, 10]], "colours": ["grey"]}
    paths = [path for path in data.paths or () if path.name[0] == "1"]
    from_paths = trained([str(path) for path in paths], [path.parent.name for path in paths])
    assert from_paths.model_file.training["formats"] == {"sizes": [[8, 10]], "colours": ["grey"]}
    assert trained(data.images, np.array(data.classes)[data.labels]).model_file.formats is None


def test_jpeg_with_three_equal_channels_is_grey(tmp_path: Path) -> None:
    for i in range(4):
        path = tmp_path / "parts" / ("bad", "ok")[i % 2] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(i, bool(i % 2))).save(path, quality=95)
    assert _core.inspect(path.read_bytes())["channels"] == 3
    formats = Dataset.from_folder(tmp_path / "parts").formats
    assert formats is not None
    assert formats.tolist() == [[8, 10, 0]] * 4


def test_more_than_16_sizes_are_any_size() -> None:
    rows = np.array([[9, 9 + i, 0] for i in range(17)], np.int32)
    assert len(Formats.of(rows[:16]).sizes or ()) == 16
    assert Formats.of(rows) == Formats(None, ("grey",))
    assert Formats.of(rows).doubt_about_size(1, 1) == ""
    assert str(Formats.of(rows)) == "any size, grey"
    assert "9 x 9 or 9 x 10 or 9 x 11 or one of 13 other sizes:" in Formats.of(rows[:16]).doubt_about_size(1, 1)


@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 2), st.data())
def test_one_coloured_pixel_anywhere_is_enough(height: int, width: int, channel: int, data: st.DataObject) -> None:
    grey = np.random.default_rng(height * width).integers(0, 255, (height, width), dtype=np.uint8)
    picture = np.stack([grey] * 3, axis=2)
    assert _core.is_grey(picture)
    picture[data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1)), channel] += 1
    assert not _core.is_grey(picture)


FILES = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(0, 1)), min_size=1, max_size=40)


@given(FILES, st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(0, 1)))
def test_no_picture_of_the_training_is_in_doubt_and_every_other_format_is(
    files: list[tuple[int, int, int]], other: tuple[int, int, int]
) -> None:
    rows = np.array(files, np.int32)
    formats = Formats.of(rows)
    assert not any(formats.doubt_about(row) for row in rows)
    assert Formats.of(rows[::-1]) == formats
    assert Formats.from_dict(json.loads(json.dumps(formats.to_dict()))) == formats
    another_size = formats.sizes is not None and other[:2] not in {file[:2] for file in files}
    another_colour = other[2] not in {file[2] for file in files}
    doubt = formats.doubt_about(np.array(other, np.int32))
    assert bool(doubt) == (another_size or another_colour)
    assert ("pixels (height x width)" in doubt) == another_size


@pytest.mark.parametrize(
    "stored",
    [
        None,
        {},
        {"sizes": None},
        {"sizes": None, "colours": []},
        {"sizes": None, "colours": ["grey", "colour"]},
        {"sizes": None, "colours": ["red"]},
        {"sizes": [], "colours": ["grey"]},
        {"sizes": [[8]], "colours": ["grey"]},
        {"sizes": [[8, 0]], "colours": ["grey"]},
        {"sizes": [[8, True]], "colours": ["grey"]},
        {"sizes": [[8, "9"]], "colours": ["grey"]},
        {"sizes": [[8, 9]] * 17, "colours": ["grey"]},
        {"sizes": [[8, 9]], "colours": ["grey"], "more": 1},
    ],
)
def test_a_record_that_cannot_be_read_is_refused(grey_gate: PassGate, tmp_path: Path, stored: Any) -> None:
    with pytest.raises(ModelFileError, match="__metadata__: training: formats: found"):
        parse_model(with_formats(grey_gate, tmp_path, stored))


def with_formats(gate: PassGate, folder: Path, stored: Any = None, *, kept: bool = True) -> bytes:
    """The file of a gate with another record of the formats, or, as before there was one, without."""
    return with_training(gate.save(folder / "changed.gonogo").read_bytes(), "formats", stored, kept=kept)


# --- what is said of another


def decider_of(gate: PassGate, folder: Path, *, certified: bool = True) -> InspectorDecider:
    saved = (gate if certified else gate.clf).save(folder / f"model{certified}.gonogo")
    return InspectorDecider(Inspector(saved, n_threads=1), gated=certified, threads=1)


def sorted_as(decider: InspectorDecider, *views: bytes, accept_unproven: bool = False) -> list[Outcome]:
    """What happens with the pictures of one part."""
    pictures = [
        Picture(str(i), str(i), Path(), Status("file", 0, 0, len(data), 0), data=data, fault=decider.check(data))
        for i, data in enumerate(views)
    ]
    (outcomes,) = decide_jobs([Job("part", pictures)], decider, accept_unproven=accept_unproven, today=None)
    return outcomes


@pytest.mark.parametrize("certified", [True, False])
@pytest.mark.parametrize("accept_unproven", [True, False])
def test_another_size_or_colour_is_for_people(
    grey_gate: PassGate, tmp_path: Path, certified: bool, accept_unproven: bool
) -> None:
    line = decider_of(grey_gate, tmp_path, certified=certified)
    good, small = png_of(7, True), png_of(7, True, size=(8, 9))

    def said(*views: bytes) -> list[tuple[str, str]]:
        outcomes = sorted_as(line, *views, accept_unproven=accept_unproven)
        assert all(one.passed == (one.label == "ok") for one in outcomes)
        return [(one.label, one.cause) for one in outcomes]

    assert said(good) == [("ok", "")]
    assert said(small) == [(REVIEW, "another-size")]
    assert said(png_of(7, True, coloured=True)) == [(REVIEW, "another-colour")]
    assert said(png_of(7, True, coloured=True, size=(8, 9))) == [(REVIEW, "another-size")]
    assert said(good, small) == [(REVIEW, "another-size")] * 2
    assert said(small[:-20]) == [(QUARANTINE, "truncated")], "damage goes before doubt"
    assert said(small[:-20], small) == [(QUARANTINE, "truncated"), (REVIEW, "doubt")]
    progressive = io.BytesIO()
    Image.fromarray(pixels(7, True)).save(progressive, "jpeg", quality=100, progressive=True)
    assert said(progressive.getvalue()) == [("ok", "") if accept_unproven else (REVIEW, "unproven")]
    doubtful = io.BytesIO()
    Image.fromarray(pixels(7, True) // np.array([1, 1, 2], np.uint8)).save(
        doubtful, "jpeg", quality=100, progressive=True
    )
    assert said(doubtful.getvalue()) == [(REVIEW, "another-colour")], "nobody said that colours may be accepted"


def test_the_reason_tells_what_was_found_what_was_expected_and_what_to_check(
    grey_gate: PassGate, colour_gate: PassGate, tmp_path: Path
) -> None:
    line = decider_of(grey_gate, tmp_path)
    small, ask = png_of(7, True, size=(8, 9)), "another camera, or another setting of it?"
    found = f"the picture has 8 x 9 pixels (height x width), those of the training 8 x 10: {ask}"
    assert [one.reason for one in sorted_as(line, small)] == [found]
    two = sorted_as(line, png_of(7, True), small)
    assert [one.reason for one in two] == [f"picture 2 of 2: {found}"] * 2
    (coloured,) = sorted_as(line, png_of(7, True, coloured=True))
    assert coloured.reason == f"the picture has colours, those of the training have none: {ask}"
    (grey,) = sorted_as(decider_of(colour_gate, tmp_path), png_of(7, True))
    assert grey.reason == f"the picture is grey, those of the training have colours: {ask}"


REGION = {"preprocess": Preprocess(roi=(1, 1, 6, 8))}


@pytest.mark.parametrize("coloured", [True, False])
@pytest.mark.parametrize("read", [{}, REGION, {"tiles": Tiles(4, 5)}], ids=["whole", "region", "tiles"])
def test_sorter_prediction_and_gate_agree(tmp_path: Path, coloured: bool, read: dict[str, Any]) -> None:
    """Of one and the same file the line, ``gonogo predict``, the gate and, given its pixels, the inspector say the same."""
    mode = {"color_mode": "rgb" if coloured else "grayscale"}
    gate = gated(tmp_path, coloured=coloured, **read, **mode)
    line = decider_of(gate, tmp_path)
    model = line._inspector.model_file
    inbox = draw(draw(tmp_path / "inbox", 4, 5, coloured=coloured), 2, 6, coloured=not coloured)
    if read:
        draw(inbox, 2, 7, coloured=coloured, size=(12, 10))
        options = {**mode, **read}
    else:
        draw(inbox, 2, 7, coloured=coloured, size=(9, 10))
        options = {**mode, "image_size": (8, 10)}
    data = Dataset.from_folder(inbox, **options)
    files = sorted(set(data.paths or ()))
    rows = predict(model, files)
    groups = dict(zip(map(str, data.paths or ()), gate.decide(data), strict=True))
    for file, row in zip(files, rows, strict=True):
        (outcome,) = sorted_as(line, file.read_bytes())
        assert (row["decision"], row["reason"]) == (outcome.label, outcome.reason)
        assert groups[str(file)].label == outcome.label
        assert groups[str(file)].reason == outcome.reason
        expected = {"5": ("", "score"), "6": ("another-colour",), "7": ("another-size",)}[file.name[0]]
        assert outcome.cause in expected
        if read or file.name[0] != "7":
            whole = np.asarray(Image.open(file))
            said = line._inspector.decide(whole if coloured else np.ascontiguousarray(whole[..., 0]))
            if coloured or file.name[0] != "6":  # the one channel that is left tells no colour
                assert (said.label, said.reason) == (outcome.label, outcome.reason)
    assert {row["decision"] for row in rows} >= {"ok", REVIEW}


def test_a_model_from_before_there_was_a_record_has_no_rule(grey_gate: PassGate, tmp_path: Path) -> None:
    path = tmp_path / "old.gonogo"
    path.write_bytes(with_formats(grey_gate, tmp_path, kept=False))
    line = InspectorDecider(Inspector(path, n_threads=1), threads=1)
    for data in (png_of(7, True), png_of(7, True, size=(16, 20)), png_of(7, True, coloured=True)):
        assert sorted_as(line, data)[0].label == "ok"


def test_without_a_rule_a_picture_that_does_not_hold_the_region_is_for_people(tmp_path: Path) -> None:
    gate = gated(tmp_path, **REGION)
    path = tmp_path / "old.gonogo"
    path.write_bytes(with_formats(gate, tmp_path, kept=False))
    line = InspectorDecider(Inspector(path, n_threads=1), threads=1)
    assert sorted_as(line, png_of(7, True, size=(8, 12)))[0].label == "ok"
    (outcome,) = sorted_as(line, png_of(7, True, size=(5, 10)))
    assert (outcome.label, outcome.cause) == (REVIEW, "pixels")
    assert "which do not hold the region" in outcome.reason


# --- calibration and evaluation


def test_no_certificate_is_made_of_other_formats(grey_gate: PassGate, tmp_path: Path) -> None:
    clf, ledger = grey_gate.clf, tmp_path / "calibrations.ledger"
    for options, found in (
        ({"size": (9, 10)}, "the picture has 9 x 10 pixels"),
        ({"coloured": True}, "the picture has colours"),
    ):
        root = draw(draw(tmp_path / found[-6:].strip(), 40, 5), 4, 6, **options)
        data = Dataset.from_folder(root, image_size=(8, 10), color_mode="grayscale")
        paths = list(data.paths or ())
        first = next(path for path in paths if path.name[0] == "6")
        for calibration in ((data,), (paths, [path.parent.name for path in paths])):
            gate = PassGate(clf, "ok", 0.2, 0.8, ledger=ledger)
            with pytest.raises(ValueError, match="are REVIEW on the line") as refused:
                gate.fit(*calibration)
            assert str(refused.value).startswith(f"X: {first}: {found}")
            assert "(4 of 44)" in str(refused.value)
    assert not ledger.exists() or not read_ledger(ledger), "no calibration part was used"


def test_an_evaluation_counts_other_formats_as_reviewed(grey_gate: PassGate, tmp_path: Path) -> None:
    same = Dataset.from_folder(draw(tmp_path / "same", 20, 8))
    other = Dataset.from_folder(draw(tmp_path / "other", 20, 8, size=(16, 20)), image_size=(8, 10))
    reports = [evaluate_model(grey_gate.clf, data, gate=grey_gate) for data in (same, other)]
    reviewed = [report.parts.reviewed.count for report in reports if report.parts is not None]
    assert reviewed[0] < 20
    assert reviewed[1] == 20


# --- commands


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(capsys)


def test_the_line_brings_them_to_review_and_replay_repeats_it(
    grey_gate: PassGate, tmp_path: Path, run: Commands
) -> None:
    model, inbox, out = grey_gate.save(tmp_path / "m.gonogo"), tmp_path / "inbox", tmp_path / "out"
    inbox.mkdir()
    files = {"good": png_of(7, True), "size": png_of(7, True, size=(8, 9)), "colour": png_of(7, True, coloured=True)}
    for name, data in files.items():
        (inbox / f"{name}.png").write_bytes(data)
    run("sort", model, inbox, out, *FAST)
    assert {path.name for path in (out / REVIEW).iterdir()} == {"size.png", "colour.png"}
    assert [path.name for path in (out / "ok").iterdir()] == ["good.png"]
    run("journal", "export", out, "--out", tmp_path / "rows.csv")
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    header = lines[0].split(",")
    for line in lines[1:]:
        row = dict(zip(header, line.split(","), strict=False))
        assert run("replay", out, row["id"])["same"]
    page = tmp_path / "page.html"
    run("dashboard", out, "--page", page)
    for cause in ("another size than the pictures of the training", "coloured where the training was grey"):
        assert cause in page.read_text()


def test_evaluate_tells_of_them(grey_gate: PassGate, tmp_path: Path, run: Commands) -> None:
    model = grey_gate.save(tmp_path / "m.gonogo")
    inbox = draw(draw(tmp_path / "test", 6, 8), 2, 9, size=(16, 20))
    run("evaluate", model, inbox, "--report", tmp_path / "report")
    first = str(Path("bad") / "9-00.png")
    assert f"2 pictures of another format, REVIEW on the line, the first: {first}: the picture has 16 x 20" in run.error
    assert "8 x 10 pixels, grey" in (tmp_path / "report" / "report.html").read_text()


def test_info_shows_the_formats(
    grey_gate: PassGate, tmp_path: Path, run: Commands, run_gonogo: Callable[..., Any]
) -> None:
    model = grey_gate.save(tmp_path / "m.gonogo")
    assert run("info", model)["formats"] == {"sizes": [[8, 10]], "colours": ["grey"]}
    assert "8 x 10 pixels, grey" in run_gonogo("info", model).stdout
