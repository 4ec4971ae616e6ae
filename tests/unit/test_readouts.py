"""Pictures that are dark, cut short or of one value: for people, whoever decides, and however the model enhances pictures."""

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

from gonogo import (
    Dataset,
    InspectionClassifier,
    Inspector,
    ModelFileError,
    PassGate,
    Preprocess,
    Tiles,
    _core,
    layers,
    load,
)
from gonogo import evaluate as evaluate_model
from gonogo.cli.predict import predict
from gonogo.decision import REVIEW
from gonogo.model_file import parse_model
from gonogo.pictures import inspect_files, read_pictures
from gonogo.readout import Readout

HEIGHT, WIDTH = 16, 12
LONG_AGO = 1_000_000_000
ENHANCEMENTS = {"plain": None, "contrast": Preprocess(local_contrast=256), "gamma": Preprocess(gamma=0.3)}
DAMAGE: dict[str, tuple[Callable[[NDArray[np.uint8]], NDArray[np.uint8]], str]] = {
    "constant": (lambda good: np.full_like(good, 90), "every pixel is the same"),
    "dark": (lambda good: good >> 4, "its brightest pixel has 15 of 255, expected 31 or more"),
    "bottom": (
        lambda good: cut_short(good, 9, 0),
        "its last 7 rows have one value, pictures of the training had at most 0",
    ),
    "white": (
        lambda good: cut_short(good, 15, 255),
        "its last row has one value, pictures of the training had at most 0",
    ),
}


def cut_short(picture: NDArray[np.uint8], rows: int, value: int) -> NDArray[np.uint8]:
    """What a transfer leaves that ended after so many rows."""
    return np.concatenate([picture[:rows], np.full_like(picture[rows:], value)])


def drawn(seed: int, good: bool, size: tuple[int, int] = (HEIGHT, WIDTH)) -> NDArray[np.uint8]:
    """A picture, of stripes down where it is good and across where it is bad; its brightest level is 240 or a little more."""
    stripes = np.indices(size)[1 if good else 0] // 2 % 2 * 200
    noise = np.random.default_rng(seed).integers(0, 49, size)
    noise[3, 3:7] = 48
    return (stripes + noise).astype(np.uint8)


def pictures(n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    return np.stack([drawn(1000 * seed + i, bool(i % 2)) for i in range(n)]), np.array(["bad", "ok"])[np.arange(n) % 2]


def write(path: Path, picture: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def folder(root: Path, n: int, seed: int) -> Path:
    for i, (picture, label) in enumerate(zip(*pictures(n, seed), strict=True)):
        write(root / label / f"{i:03}.png", picture)
    return root


def trained(X: Any, y: Any = None) -> InspectionClassifier:
    net = [layers.flatten(), layers.dense("classes")]
    clf = InspectionClassifier(net, epochs=25, learning_rate=0.02, random_state=1, verbose=False, pass_label="ok")
    return clf.fit(X, y)


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PassGate]:
    """Trained and calibrated on files, with and without enhancement."""
    root = tmp_path_factory.mktemp("files")
    train, fresh = folder(root / "train", 60, 1), folder(root / "fresh", 80, 2)
    return {
        name: PassGate(trained(Dataset.from_folder(train, preprocess=work)), "ok", 0.2, 0.8).fit(
            Dataset.from_folder(fresh, preprocess=work)
        )
        for name, work in ENHANCEMENTS.items()
    }


@pytest.fixture(scope="module")
def array_gate() -> PassGate:
    return PassGate(trained(*pictures(60, 1)), "ok", 0.2, 0.8).fit(*pictures(80, 2))


@pytest.fixture(scope="module")
def inspector(array_gate: PassGate, tmp_path_factory: pytest.TempPathFactory) -> Inspector:
    return Inspector(array_gate.save(tmp_path_factory.mktemp("model") / "m.gonogo"), n_threads=1)


# --- measuring


def measured(picture: NDArray[np.uint8]) -> tuple[int, int]:
    """The definition."""
    rows = 0
    while rows < len(picture) and (picture[len(picture) - 1 - rows :] == picture[-1, -1]).all():
        rows += 1
    return int(picture.max()), rows


@given(st.integers(1, 9), st.integers(1, 150), st.sampled_from([1, 3]), st.integers(0, 2**32), st.data())
def test_levels_and_last_rows_are_measured_as_defined(
    height: int, width: int, channels: int, seed: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, data.draw(st.sampled_from([1, 2, 256])), (height, width, channels), dtype=np.uint8)
    rows = data.draw(st.integers(0, height))
    picture[height - rows :] = rng.integers(0, 256, channels, dtype=np.uint8)
    assert _core.measure_readout(picture) == measured(picture)
    for _ in range(3):
        picture[tuple(data.draw(st.integers(0, side - 1)) for side in picture.shape)] = data.draw(st.integers(0, 255))
        assert _core.measure_readout(picture) == measured(picture)


@pytest.mark.parametrize("work", ENHANCEMENTS.values(), ids=list(ENHANCEMENTS))
def test_files_are_measured_before_they_are_enhanced_and_a_cache_keeps_it(
    tmp_path: Path, work: Preprocess | None
) -> None:
    root = folder(tmp_path / "parts", 6, 1)
    write(root / "ok" / "short.png", cut_short(drawn(5, True), 9, 7))
    for _ in range(2):
        data = Dataset.from_folder(root, preprocess=work, cache=tmp_path / "cache")
        assert data.readouts is not None
        stored = [np.asarray(Image.open(path))[..., None] for path in data.paths or ()]
        assert data.readouts.tolist() == [list(measured(picture)) for picture in stored]
    assert data.cached
    some = data[[5, 0]].readouts
    assert some is not None
    assert some.tolist() == data.readouts[[5, 0]].tolist()


def test_padding_hides_no_constant_rows(tmp_path: Path) -> None:
    for size in ((HEIGHT, 2 * WIDTH), (2 * HEIGHT, WIDTH)):
        for label in ("bad", "ok"):
            write(tmp_path / str(size) / label / "short.png", cut_short(drawn(1, True, size), size[0] // 2, 200))
            write(tmp_path / str(size) / label / "whole.png", drawn(2, True, size))
        data = Dataset.from_folder(tmp_path / str(size), image_size=(HEIGHT, WIDTH))
        assert data.readouts is not None
        rows = data.readouts[:, 1].tolist()
        assert [rows[1], rows[3]] == [0, 0]
        assert min(rows[0], rows[2]) >= HEIGHT // 2 - 1


def test_a_tile_may_be_dark_where_its_picture_is_not(tmp_path: Path) -> None:
    root = tmp_path / "parts"
    for i, (picture, label) in enumerate(zip(*pictures(60, 1), strict=True)):
        picture[8:] = picture[8:] % 17
        write(root / label / f"{i:03}.png", picture)
    clf = trained(Dataset.from_folder(root, tiles=Tiles(8, 12)))
    assert clf.model_file.training["readout"]["brightest"] >= 240
    fresh, y = pictures(80, 2)
    fresh[:, 8:] = fresh[:, 8:] % 17
    for i, (picture, label) in enumerate(zip(fresh, y, strict=True)):
        write(tmp_path / "fresh" / label / f"fresh-{i:03}.png", picture)
    gate = PassGate(clf, "ok", 0.2, 0.8).fit(Dataset.from_folder(tmp_path / "fresh", tiles=Tiles(8, 12)))
    line = Inspector(gate.save(tmp_path / "m.gonogo"))
    without_record = tmp_path / "old.gonogo"
    without_record.write_bytes(with_readout(gate, tmp_path, kept=False))
    for one in (line, Inspector(without_record)):
        assert "brightest" not in one.decide(fresh[1]).reason
        assert one.decide(fresh[1] >> 4).reason.startswith("its brightest pixel has ")
    data = Dataset.from_folder(tmp_path / "fresh", tiles=Tiles(8, 12))
    assert repr(gate.decide(data)[::2]) == repr(
        [line.decide(picture[..., None]) for picture in [*fresh[::2], *fresh[1::2]]]
    )


# --- the record


def test_a_model_keeps_what_its_training_showed(gates: dict[str, PassGate], array_gate: PassGate) -> None:
    for gate in (*gates.values(), array_gate):
        assert gate.clf.model_file.training["readout"] == {"brightest": 248, "bottom_rows": 0}
    X, y = pictures(60, 1)
    X[7] = cut_short(X[7], 12, 9)
    X[8] = 90
    assert trained(X, y).model_file.training["readout"] == {"brightest": 248, "bottom_rows": 4}, (
        "one value says nothing"
    )
    rows = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    assert "readout" not in trained(rows, np.array(["bad", "ok"])[np.arange(40) % 2]).model_file.training


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 16)), min_size=1), st.integers(0, 255), st.integers(0, 16)
)
def test_no_picture_of_the_training_ends_in_too_many_rows(
    seen: list[tuple[int, int]], brightest: int, bottom_rows: int
) -> None:
    record = Readout.of(np.array(seen, np.int32), 16)
    assert Readout.from_dict(json.loads(json.dumps(record.to_dict()))) == record
    assert not any("one value" in record.doubt_about(one, 16) for one in seen)
    told = [one for one in seen if one[1] < 16]
    dark = 8 * brightest < max((level for level, _ in told), default=0)
    cut = bottom_rows > max((rows for _, rows in told), default=0)
    assert bool(record.doubt_about((brightest, bottom_rows), 16)) == (dark or cut or bottom_rows == 16)


def with_readout(gate: PassGate, where: Path, stored: Any = None, *, kept: bool = True) -> bytes:
    """The file of a gate with another record, or, as before there was one, without."""
    return with_training(gate.save(where / "changed.gonogo").read_bytes(), "readout", stored, kept=kept)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        {},
        {"brightest": 9},
        {"brightest": 256, "bottom_rows": 0},
        {"brightest": 9, "bottom_rows": None},
        {"brightest": 9, "bottom_rows": -1},
        {"brightest": 9.5, "bottom_rows": 0},
        {"brightest": True, "bottom_rows": 0},
        {"brightest": 9, "bottom_rows": 0, "more": 1},
    ],
)
def test_a_record_that_cannot_be_read_is_refused(array_gate: PassGate, tmp_path: Path, stored: Any) -> None:
    with pytest.raises(ModelFileError, match="__metadata__: training: readout: found"):
        parse_model(with_readout(array_gate, tmp_path, stored))


# --- one rule of calibration and production


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("enhanced", ENHANCEMENTS)
def test_every_way_to_a_decision_brings_damage_to_people(
    gates: dict[str, PassGate], tmp_path: Path, capsys: pytest.CaptureFixture[str], enhanced: str, kind: str
) -> None:
    gate, (damage, reason) = gates[enhanced], DAMAGE[kind]
    good = drawn(5, True)
    inbox = tmp_path / "inbox"
    paths = [write(inbox / "good.png", good), write(inbox / "harmed.png", damage(good))]
    line = Inspector(gate.save(tmp_path / "m.gonogo"), n_threads=1)
    inspected = [line.decide(good), line.decide(damage(good))]
    assert inspected[0].passed
    assert inspected[1].label == REVIEW
    assert inspected[1].reason.startswith(reason)
    assert repr(gate.decide(paths)) == repr(inspected)
    told = predict(line.model_file, paths, 1)
    assert [(row["decision"], row["reason"]) for row in told] == [(one.label, one.reason) for one in inspected]
    for i, label in enumerate(("bad", "ok")):
        write(tmp_path / "test" / label / "a.png", drawn(70 + i, bool(i)))
    write(tmp_path / "test" / "ok" / "b.png", damage(good))
    data = Dataset.from_folder(tmp_path / "test", preprocess=ENHANCEMENTS[enhanced])
    parts = evaluate_model(gate.clf, data, gate=gate).parts
    assert parts is not None
    assert parts.reviewed.count == 1
    out = tmp_path / "out"
    Commands(capsys)("sort", tmp_path / "m.gonogo", inbox, out, *FAST)
    assert [path.name for path in (out / "ok").iterdir()] == ["good.png"]
    assert [path.name for path in (out / REVIEW).iterdir()] == ["harmed.png"]
    rows = (out / "decisions.csv").read_text()
    assert reason.split(",")[0] in rows


@given(st.integers(0, 2**32), st.integers(0, HEIGHT), st.integers(0, 255), st.integers(0, 7), st.integers(1, 3))
def test_gate_and_inspector_agree_on_every_picture(
    array_gate: PassGate, inspector: Inspector, seed: int, rows: int, value: int, shift: int, views: int
) -> None:
    part = [drawn(seed + i, bool((seed + i) % 2)) for i in range(views)]
    part[seed % views] = cut_short(part[seed % views], rows, value) >> shift
    (said, *_) = array_gate.decide(np.stack(part), groups=["one"] * views)
    assert repr(said) == repr(inspector.decide(part))
    harmed = measured(part[seed % views])
    assert (harmed[1] == 0 and 8 * harmed[0] >= 248) or said.label == REVIEW
    assert not (said.passed and said.label == REVIEW)


def test_models_without_a_record_compare_with_the_pictures_that_they_keep(
    gates: dict[str, PassGate], tmp_path: Path
) -> None:
    good = drawn(5, True)
    for name, gate in gates.items():
        path = tmp_path / f"{name}.gonogo"
        path.write_bytes(with_readout(gate, tmp_path, kept=False))
        old = Inspector(path)
        assert old.decide(good).passed
        assert old.decide(np.full_like(good, 90)).reason == "every pixel is the same"
        assert "rows" not in old.decide(cut_short(good, 9, 0)).reason
    assert Inspector(tmp_path / "plain.gonogo").decide(good >> 4).reason.startswith("its brightest pixel has 15 of 255")


def test_what_training_showed_is_accepted(tmp_path: Path) -> None:
    X, y = pictures(60, 1)
    X[::3, 12:] = 255  # a data bar
    gate = PassGate(trained(X, y), "ok", 0.2, 0.8).fit(*pictures(80, 2))
    line = Inspector(gate.save(tmp_path / "m.gonogo"))
    good = drawn(5, True)
    assert "rows" not in line.decide(cut_short(good, 12, 255)).reason
    found = "its last 5 rows have one value, pictures of the training had at most 4 such rows of 16: was the transfer cut short?"
    assert line.decide(cut_short(good, 11, 255)).reason == found


# --- calibration


def test_a_doubtful_calibration_picture_never_passes() -> None:
    clf = trained(*pictures(60, 1))
    X, y = pictures(80, 2)
    plain = PassGate(clf, "ok", 0.2, 0.8, bad_share=0.02).fit(X, y)
    highest = int(np.flatnonzero(y == "bad")[plain.score(X)[y == "bad"].argmax()])
    assert plain.threshold_ <= plain.score(X)[y == "bad"].max()

    harmed = X.copy()
    harmed[np.flatnonzero(y == "ok")[:5], 9:] = 0
    good = PassGate(clf, "ok", 0.2, 0.8, bad_share=0.02).fit(harmed, y)
    assert good.threshold_ == plain.threshold_, "good parts do not set it"
    assert good.certificate_["good_passed"] == plain.certificate_["good_passed"] - 5
    assert good.certificate_["false_omission_bound"] > plain.certificate_["false_omission_bound"]

    # A bad part that passes for good by its score, but is cut short, is no escape: it does not raise the threshold.
    harmed = X.copy()
    harmed[highest] = cut_short(drawn(3, True), 15, 0)
    raised = X.copy()
    raised[highest] = drawn(3, True)
    assert clf.decision_function(harmed[[highest]])[0] > plain.threshold_
    defects = {gate.certificate_["defects"] for gate in (plain, PassGate(clf, "ok", 0.2, 0.8).fit(harmed, y))}
    assert len(defects) == 1, "it counts as a bad part all the same"
    with_doubt, without = (PassGate(clf, "ok", 0.03, 0.6).fit(found, y).threshold_ for found in (harmed, raised))
    assert with_doubt < without


def test_a_threshold_never_rests_on_doubtful_pictures_alone() -> None:
    clf = trained(*pictures(60, 1))
    X, y = pictures(80, 2)
    some, all_ = X.copy(), X.copy()
    some[:6, 9:] = 0
    all_[y == "bad", 9:] = 0
    gate = PassGate(clf, "ok", 0.2, 0.8, cost_ratio=20, review_capacity=0.2).fit(some, y)
    for ax in (gate.plot_bound(), gate.plot_cost()):
        assert np.abs(ax.get_xlim()).max() < 1e6
    refused = "40 of 80 pictures are REVIEW whatever their score.* the first: sample 0: its last 7 rows have one value"
    with pytest.raises(ValueError, match=refused):
        PassGate(clf, "ok", 0.2, 0.8).fit(all_, y)


def test_a_foreign_classifier_is_taken_at_its_word() -> None:
    class Foreign:
        classes_ = np.array(["bad", "ok"])

        def decision_function(self, X: Any) -> NDArray[np.float64]:
            return np.asarray(X, np.float64)[:, 0]

    X = np.random.default_rng(0).normal(size=(200, 2))
    gate = PassGate(Foreign(), "ok", 0.2, 0.8).fit(X, np.where(np.arange(200) % 2, "ok", "bad"))
    assert gate.decide(np.array([[100.0, np.nan]]))[0].passed


def test_evaluate_and_calibrate_tell_of_doubtful_pictures(
    array_gate: PassGate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder(tmp_path / "test", 6, 9)
    write(root / "ok" / "short.png", cut_short(drawn(5, True), 9, 0))
    run = Commands(capsys)
    run("evaluate", array_gate.save(tmp_path / "m.gonogo"), root)
    name = str(Path("ok") / "short.png")
    told = f"1 picture in doubt, REVIEW on the line, the first: {name}: its last 7 rows have one value"
    assert told in run.error
    made = {"--max-escape": ".6", "--confidence": ".6", "--out": str(tmp_path / "gated.gonogo")}
    options = [word for option in made.items() for word in option]
    assert run("calibrate", array_gate.clf.save(tmp_path / "bare.gonogo"), root, *options)["good_refused"] >= 1
    assert told in run.error


def test_a_picture_of_twelve_bits_read_as_sixteen_is_for_people(array_gate: PassGate, tmp_path: Path) -> None:
    line = Inspector(array_gate.save(tmp_path / "m.gonogo"))
    file = io.BytesIO()
    Image.fromarray(drawn(5, True).astype(np.uint16) << 4).save(file, "png")
    assert line.decide(_core.decode(file.getvalue(), 1, 12)).passed
    assert line.decide(_core.decode(file.getvalue(), 1, 16)).reason.startswith("its brightest pixel has 15 of 255")


def test_contrast_that_is_made_of_a_constant_picture_does_not_hide_it(tmp_path: Path) -> None:
    work, path = Preprocess(local_contrast=1.0), tmp_path / "old.gonogo"
    trained(Dataset.from_folder(folder(tmp_path / "train", 20, 1), preprocess=work)).save(path)
    flat = write(tmp_path / "flat.png", np.full((HEIGHT, WIDTH), 90, np.uint8))
    assert len(np.unique(work.apply(np.asarray(Image.open(flat))))) > 1
    for content in (path.read_bytes(), with_training(path.read_bytes(), "readout", kept=False)):
        path.write_bytes(content)
        assert load(path).sample_doubts([flat]) == {0: "every pixel is the same"}


# --- files that cannot be proven complete


def reserved(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture of a BMP whose last stored row, the first of the picture, was never written."""
    return np.concatenate([np.zeros_like(picture[:1]), picture[1:]])


def write_unproven(path: Path, picture: NDArray[np.uint8]) -> Path:
    """A progressive JPEG, or such a BMP."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bmp = path.suffix == ".bmp"
    Image.fromarray(reserved(picture) if bmp else picture).save(
        path, **({} if bmp else {"quality": 100, "progressive": True})
    )
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


@pytest.mark.parametrize("name", ["reserved.bmp", "progressive.jpg"])
def test_every_way_to_a_decision_brings_a_file_that_is_not_proven_complete_to_people(
    gates: dict[str, PassGate], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    gate, inbox, good = gates["plain"], tmp_path / "inbox", drawn(5, True)
    paths = [write(inbox / "good.bmp", good), write_unproven(inbox / name, good)]
    line = Inspector(gate.save(tmp_path / "m.gonogo"), n_threads=1)
    read = read_pictures(paths)
    assert [line.decide(picture).passed for picture in read.images] == [True, True], "the pixels raise no doubt"
    reasons = [found.reason for found in inspect_files(paths)]
    assert read.unproven == ["", reasons[1]]
    decisions = gate.decide(paths)
    assert [(one.label, one.reason, one.doubtful) for one in decisions] == [
        ("ok", "", False),
        (REVIEW, reasons[1], True),
    ]
    told = predict(line.model_file, paths, 1)
    assert [(row["decision"], row["reason"]) for row in told] == [(one.label, one.reason) for one in decisions]
    write(tmp_path / "test" / "bad" / "a.png", drawn(70, False))
    write(tmp_path / "test" / "ok" / "b.png", drawn(71, True))
    write_unproven(tmp_path / "test" / "ok" / name, good)
    for _ in range(2):
        data = Dataset.from_folder(tmp_path / "test", cache=tmp_path / "cache")
        assert [bool(why) for why in data[1:].unproven or ()] == [path.name == name for path in (data.paths or ())[1:]]
        parts = evaluate_model(gate.clf, data, gate=gate).parts
        assert parts is not None
        assert parts.reviewed.count == 1
    assert data.cached
    out = tmp_path / "out"
    Commands(capsys)("sort", tmp_path / "m.gonogo", inbox, out, *FAST)
    assert [path.name for path in (out / "ok").iterdir()] == ["good.bmp"]
    assert [path.name for path in (out / REVIEW).iterdir()] == [name]


def test_a_file_that_is_not_proven_complete_never_passes_in_a_calibration(
    gates: dict[str, PassGate], tmp_path: Path
) -> None:
    clf, root = gates["plain"].clf, folder(tmp_path / "fresh", 80, 2)
    plain = PassGate(clf, "ok", 0.2, 0.8, bad_share=0.02).fit(Dataset.from_folder(root))
    for path in sorted((root / "ok").iterdir())[:5]:
        write_unproven(path.with_suffix(".jpg"), np.asarray(Image.open(path)))
        path.unlink()
    data = Dataset.from_folder(root)
    assert len(clf.sample_doubts(data)) == 5
    harmed = PassGate(clf, "ok", 0.2, 0.8, bad_share=0.02).fit(data)
    assert harmed.threshold_ == plain.threshold_, "good parts do not set it"
    assert harmed.certificate_["good_passed"] == plain.certificate_["good_passed"] - 5
