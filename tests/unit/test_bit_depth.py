"""Grey of 10, 12 and 16 bits from the file to the verdict: a model reads every file with the depth of its training."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import gonogo as gg
from gonogo import layers
from gonogo.line.claim import Picture
from gonogo.line.disk import Status
from gonogo.line.inspection import InspectorDecider
from gonogo.line.outcome import Job, decide_jobs
from gonogo.model_file import read_model

Run = Callable[..., subprocess.CompletedProcess[str]]
Json = Callable[..., dict[str, Any]]


def deep(seed: int, brightest: int, bits: int = 12) -> NDArray[np.uint16]:
    """8 x 8 values below ``brightest`` of a camera of so many bits."""
    values = np.random.default_rng(seed).integers(0, brightest, (8, 8))
    assert values.max() < 2**bits
    return values.astype(np.uint16)


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """Twelve pictures of a 12-bit camera, dark ones and bright ones, half of them PNG, half TIFF."""
    for label, brightest in (("bright", 4096), ("dark", 1024)):
        (tmp_path / label).mkdir()
        for i in range(6):
            path = tmp_path / label / f"{i}.{'png' if i % 2 else 'tif'}"
            Image.fromarray(deep(i, brightest)).save(path)
    return tmp_path


def trained(data: gg.Dataset) -> gg.InspectionClassifier:
    net = [layers.flatten(), layers.dense("classes")]
    return gg.InspectionClassifier(net, epochs=2, random_state=1, verbose=False).fit(data)


def test_a_model_reads_all_files_with_the_depth_of_its_training(camera: Path, tmp_path: Path) -> None:
    data = gg.Dataset.from_folder(camera, bit_depth=12)
    assert data.decoding.bit_depth == 12
    np.testing.assert_array_equal(data.images[0, :, :, 0], deep(0, 4096) >> 4)
    clf = trained(data)
    assert data.paths is not None
    loaded = gg.load(clf.save(tmp_path / "m.gonogo"))
    for model in (clf, loaded):
        np.testing.assert_array_equal(model.predict_proba(data.paths), model.predict_proba(data.images))
    too_bright = camera / "dark" / "0.tif"
    Image.fromarray(np.full((8, 8), 4096, np.uint16)).save(too_bright)
    with pytest.raises(gg.DecodeError, match=r"0\.tif.*expected at most 4095 for a bit depth of 12"):
        loaded.predict([too_bright])


def test_values_beyond_the_depth_of_the_model_are_for_people(camera: Path, tmp_path: Path) -> None:
    clf = trained(gg.Dataset.from_folder(camera, bit_depth=12))
    line = InspectorDecider(gg.Inspector(clf.save(tmp_path / "m.gonogo"), n_threads=1), gated=False, threads=1)
    good = (camera / "dark" / "0.tif").read_bytes()
    for suffix in ("png", "tif"):
        path = tmp_path / f"sixteen.{suffix}"
        Image.fromarray(np.arange(5000, 5064, dtype=np.uint16).reshape(8, 8)).save(path)
        for views in ([path.read_bytes()], [good, path.read_bytes()]):
            pictures = [
                Picture(str(i), str(i), Path(), Status("file", 0, 0, len(data), 0), data=data, fault=line.check(data))
                for i, data in enumerate(views)
            ]
            (outcomes,) = decide_jobs([Job("part", pictures)], line, accept_unproven=True, today=None)
            assert [(one.label, one.cause) for one in outcomes] == [("REVIEW", "bit-depth")] * len(views)
            which = "picture 2 of 2: " if len(views) == 2 else ""
            for one in outcomes:
                assert one.reason.startswith(which)
                assert "found the value 50" in one.reason
                assert "expected at most 4095 for a bit depth of 12" in one.reason


def test_a_dataset_of_another_depth_is_refused(camera: Path) -> None:
    twelve, sixteen = gg.Dataset.from_folder(camera, bit_depth=12), gg.Dataset.from_folder(camera)
    clf = trained(twelve)
    message = "the pictures were read with bit_depth 16, expected 12 as in training"
    with pytest.raises(ValueError, match=f"X: {message}"):
        clf.predict(sixteen)
    with pytest.raises(ValueError, match=f"validation_data: {message}"):
        gg.InspectionClassifier(epochs=1).fit(twelve, validation_data=sixteen)
    assert clf.predict(sixteen.images).shape == (12,)


def test_files_for_validation_are_read_like_those_of_the_training(camera: Path) -> None:
    data = gg.Dataset.from_folder(camera, bit_depth=12)
    names = np.array(data.classes)[data.labels]
    histories = []
    for validation in (data, (data.paths, names)):
        clf = gg.InspectionClassifier([layers.flatten(), layers.dense("classes")], epochs=1, random_state=1)
        histories.append(clf.set_params(verbose=False).fit(data, validation_data=validation).history_.history)
    assert histories[0]["val_loss"] == histories[1]["val_loss"]


@pytest.mark.parametrize("depth", [8, 14, "12", True, 12.0, None])
def test_depths_that_no_camera_has_are_refused(camera: Path, depth: Any) -> None:
    with pytest.raises(ValueError, match=r"bit_depth: found .*, expected 16, 12 or 10"):
        gg.Dataset.from_folder(camera, bit_depth=depth)


def test_a_model_file_without_a_depth_means_16_bits(model: Path) -> None:
    file = read_model(model)
    assert file.preprocess["bit_depth"] == 16
    del file.preprocess["bit_depth"]
    assert file.decoding.bit_depth == 16


def test_commands_read_with_the_depth(
    camera: Path, small_net: Path, tmp_path: Path, run_gonogo: Run, gonogo_json: Json
) -> None:
    out = tmp_path / "m.gonogo"
    options = ["--bit-depth", "12", "--epochs", "1", "--model", small_net]
    run_gonogo("train", camera, "--validation", "0.5", *options, "--out", out)
    assert gonogo_json("info", out)["input"]["bit_depth"] == 12
    assert "12 bits in use" in run_gonogo("info", out).stdout
    said = gonogo_json("evaluate", out, camera)
    rows = gonogo_json("predict", out, camera / "bright", camera / "dark")["rows"]
    names = [row["label"] for row in rows]
    right = names[:6].count("bright") + names[6:].count("dark")
    assert said["accuracy"] == pytest.approx(right / 12)
    refused = run_gonogo("evaluate", out, camera, "--bit-depth", "16", exit_code=2)
    assert "--bit-depth: found 16, but the model reads pictures with 12" in refused.stderr


def test_a_split_needs_to_know_the_depth_of_no_picture_but_refuses_values_beyond_it(
    camera: Path, tmp_path: Path, run_gonogo: Run
) -> None:
    arguments = ["--fractions", "a=.5,b=.5", "--out", tmp_path / "split.csv"]
    run_gonogo("split", camera, *arguments, "--bit-depth", "12")
    refused = run_gonogo("split", camera, *arguments, "--bit-depth", "10", exit_code=2)
    assert "for a bit depth of 10" in refused.stderr
