"""Calibration parts that training or validation saw in another picture are refused, whatever its name and angle."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from gonogo import Dataset, InspectionClassifier, PassGate, audit, layers
from gonogo.certificate import Certificate
from gonogo.certificate_words import assumptions, promise

Run = Callable[..., subprocess.CompletedProcess[str]]
Json = Callable[..., dict[str, Any]]
SUBSETS = ("train", "validation", "calibration", "test")
EACH = 16  # parts of a subset; every other one is good


def surface(number: int) -> NDArray[np.uint8]:
    """A surface like no other; good ones are brighter."""
    rng = np.random.default_rng(number)
    noise = sum(ndimage.gaussian_filter(rng.normal(size=(72, 72)), s) * s for s in (1, 2, 4))
    return np.clip(100 + 60 * (number % 2) + 25 * noise / noise.std(), 0, 255).astype(np.uint8)


def lay(root: Path, copies: dict[str, int]) -> Path:
    """Pictures of distinct parts and a split file. ``copies``: subset -> the part that it shows once more, turned."""
    rows = [["file", "class", "group", "subset"]]

    def save(subset: str, name: str, number: int, picture: NDArray[np.uint8]) -> None:
        label = ("bad", "ok")[number % 2]
        (root / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(root / label / name)
        rows.append([f"{label}/{name}", label, name, subset])

    for number in range(EACH * len(SUBSETS)):
        save(SUBSETS[number // EACH], f"{number:03}.png", number, surface(number))
    for subset, number in copies.items():
        turned = ndimage.rotate(surface(number), 40, reshape=False, mode="nearest")
        save(subset, f"copy in {subset}.png", number, turned)
    with (root.parent / "split.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return root


def subsets(root: Path) -> dict[str, Dataset]:
    """The subsets of the split file, as pictures of 24 x 24."""
    with (root.parent / "split.csv").open(newline="") as file:
        subset_of = {row["file"]: row["subset"] for row in csv.DictReader(file)}
    data = Dataset.from_folder(root, image_size=(24, 24), groups=lambda path: path.name)
    names = np.array([subset_of[file] for file in data.files])
    return {name: data[names == name] for name in SUBSETS}


def fitted(parts: dict[str, Dataset]) -> InspectionClassifier:
    net = [layers.flatten(), layers.dense("classes")]
    clf = InspectionClassifier(net, epochs=3, batch_size=8, random_state=0, verbose=0)
    return clf.fit(parts["train"], validation_data=parts["validation"])


def gate_of(clf: Any) -> PassGate:
    return PassGate(clf, "ok", 0.4, 0.9)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """Of a part of the test there is another picture in the training, which is none of the calibration's business."""
    return subsets(lay(tmp_path_factory.mktemp("sound") / "parts", {"train": 3 * EACH}))


@pytest.fixture(scope="module")
def clf(sound: dict[str, Dataset]) -> InspectionClassifier:
    return fitted(sound)


def test_the_certificate_tells_what_was_compared(sound: dict[str, Dataset], clf: InspectionClassifier) -> None:
    report = audit({name: sound[name] for name in ("train", "validation", "calibration")})
    made = gate_of(clf).fit(sound["calibration"], audit=report).certificate
    assert (made.audited, made.seen, made.grouped) == (2 * EACH + 1, 2 * EACH + 1, True)
    assert Certificate.from_json(made.to_json()) == made
    said = "\n".join(assumptions(made))
    assert "audited, none of the 16 calibration parts has one among all 33 pictures that they saw" in said
    part = gate_of(clf).fit(sound["calibration"], audit=audit({name: sound[name] for name in ("train", "calibration")}))
    assert "among 17 of the 33 pictures that they saw" in "\n".join(assumptions(part.certificate))
    files = [Path(path) for path in sound["calibration"].paths or ()]
    labels = [sound["calibration"].classes[label] for label in sound["calibration"].labels]
    assert gate_of(clf).fit(files, labels, audit=report).certificate.audited == made.audited


def test_without_an_audit_the_certificate_says_so(sound: dict[str, Dataset], clf: InspectionClassifier) -> None:
    made = gate_of(clf).fit(sound["calibration"]).certificate
    assert made.audited is None and made.seen == 2 * EACH + 1
    assert any("not audited" in line for line in assumptions(made))
    with pytest.raises(ValueError, match="audited: found 99, which does not fit"):
        Certificate.from_json(replace(made, audited=99).to_json())


def test_pictures_counted_as_parts_are_called_so(sound: dict[str, Dataset], clf: InspectionClassifier) -> None:
    images = np.stack([picture for picture, _ in (sound["calibration"][i] for i in range(EACH))])
    labels = [sound["calibration"].classes[label] for label in sound["calibration"].labels]
    counted = gate_of(clf).fit(images, labels).certificate
    assert not counted.grouped and any("Each picture was counted as a part" in line for line in promise(counted))
    named = gate_of(clf).fit(images, labels, groups=range(EACH)).certificate
    assert named.grouped and not any("counted as a part" in line for line in promise(named))


@pytest.mark.parametrize("subset", ["train", "validation"])
def test_a_turned_picture_of_a_calibration_part_is_refused(subset: str, tmp_path: Path) -> None:
    parts = subsets(lay(tmp_path / "parts", {subset: 2 * EACH + 3}))
    gate = gate_of(fitted(parts))
    assert gate.fit(parts["calibration"]).certificate.audited is None, "names, groups and pixels differ"
    with pytest.raises(ValueError) as caught:
        gate.fit(parts["calibration"], audit=audit(parts))
    assert f"ok/035.png of ok/copy in {subset}.png; split anew by the groups of the audit" in str(caught.value)
    assert "1 of 16 calibration pictures" in str(caught.value)


def test_pictures_in_memory_are_compared_too() -> None:
    images = np.stack([surface(number) for number in range(EACH)] + [np.rot90(surface(1))])
    labels = [("bad", "ok")[number % 2] for number in range(EACH)] + ["ok"]
    data = Dataset.from_arrays(images, labels)
    parts = {"train": data[: EACH // 2], "calibration": data[EACH // 2 :]}
    clf = InspectionClassifier([layers.flatten(), layers.dense("classes")], epochs=1, random_state=0, verbose=0)
    clf.fit(parts["train"])
    with pytest.raises(ValueError, match="1 of 9 calibration pictures are siblings"):
        gate_of(clf).fit(parts["calibration"], audit=audit(parts))


def test_an_audit_of_other_pictures_is_refused(sound: dict[str, Dataset], clf: InspectionClassifier) -> None:
    gate = gate_of(clf)
    with pytest.raises(ValueError, match=r"audit: 16 pictures were not audited, such as bad/032\.png"):
        gate.fit(sound["calibration"], audit=audit(sound["train"]))
    with pytest.raises(ValueError, match="saw none of the 16 pictures that were audited"):
        gate.fit(sound["calibration"], audit=audit({name: sound[name] for name in ("calibration", "test")}))
    with pytest.raises(TypeError, match="audit: found str, expected what gonogo"):
        gate.fit(sound["calibration"], audit="audit.html")
    report = audit(sound["calibration"])
    images, labels = np.zeros((2, 24, 24, 1), np.uint8), ["bad", "ok"]
    with pytest.raises(ValueError, match="audit: given with an array as X"):
        gate.fit(images, labels, audit=report)

    class Foreign:
        classes_ = np.array(["bad", "ok"])
        decision_function = None

    with pytest.raises(ValueError, match="does not tell which pictures its training saw"):
        gate_of(Foreign()).fit(sound["calibration"], audit=report)


NET = '[[layers]]\ntype = "flatten"\n\n[[layers]]\ntype = "dense"\nunits = "classes"\n'


def test_the_command(run_gonogo: Run, gonogo_json: Json, tmp_path: Path) -> None:
    root, split, net = lay(tmp_path / "parts", {"test": 3}), tmp_path / "split.csv", tmp_path / "net.toml"
    net.write_text(NET)
    model = tmp_path / "plain.gonogo"
    options = ["--split", split, "--subset", "train", "--model", net, "--image-size", "24", "24", "--epochs", "3"]
    run_gonogo("train", root, *options, "--out", model)
    terms = ["--pass-label", "ok", "--max-escape", ".4", "--confidence", ".9"]
    calibrate = ["calibrate", model, root, *terms, "--split", split]
    made = gonogo_json(*calibrate, "--audit", "--out", tmp_path / "gated.gonogo")
    assert (made["audited"], made["seen"]) == (EACH, EACH)
    assert "audited, none of the 16" in run_gonogo("info", tmp_path / "gated.gonogo").stdout
    fresh = tmp_path / "fresh"
    for number in range(100, 112):
        (fresh / ("bad", "ok")[number % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(surface(number)).save(fresh / ("bad", "ok")[number % 2] / f"{number}.png")
    calibrate = ["calibrate", model, fresh, *terms]
    made = gonogo_json(*calibrate, "--audit", root, "--out", tmp_path / "again.gonogo")
    assert made["audited"] == EACH and not made["grouped"]
    Image.fromarray(np.rot90(surface(4))).save(fresh / "bad" / "turned.png")
    refused = run_gonogo(*calibrate, "--audit", root, "--out", tmp_path / "third.gonogo", exit_code=2).stderr
    assert "calibration/bad/turned.png of training/bad/004.png" in refused and not (tmp_path / "third.gonogo").exists()
    alone = run_gonogo(*calibrate, "--audit", "--out", tmp_path / "third.gonogo", exit_code=2).stderr
    assert "audit: given without --split; name the folder" in alone
