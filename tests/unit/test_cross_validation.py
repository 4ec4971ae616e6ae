"""Repeated cross-validation by part, and the labels that it doubts."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gonogo import Dataset, InspectionClassifier, Tiles, cross_validate, layers
from gonogo.cli import main
from gonogo.data.folds import assign_folds
from gonogo.png import png
from gonogo.suspects import find_suspects, label_scores, without_suspects, write_suspects
from gonogo.worksheet import read_worksheet

Run = Callable[..., subprocess.CompletedProcess[str]]
Json = Callable[..., dict[str, Any]]
SMALL = [layers.flatten(), layers.dense("classes")]


def pictures(n: int, seed: int, noise: float = 0.1) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Bright pictures are mostly ok."""
    rng = np.random.default_rng(seed)
    level = rng.random(n)
    X = (200 * level[:, None, None, None] + rng.integers(0, 30, (n, 6, 7, 1))).astype(np.uint8)
    return X, np.where(level + rng.normal(0, noise, n) > 0.5, "ok", "bad")


def recipe(**parameters: Any) -> InspectionClassifier:
    return InspectionClassifier(SMALL, **{"epochs": 4, "learning_rate": 0.01, "pass_label": "ok", **parameters})


@settings(max_examples=40)
@given(st.integers(2, 6), st.integers(0, 1000), st.lists(st.integers(1, 5), min_size=12, max_size=60))
def test_each_picture_is_tested_once_and_no_part_is_cut(folds: int, seed: int, sizes: list[int]) -> None:
    part = np.repeat(np.arange(len(sizes)), sizes)
    labels, groups = (part % 2).astype(np.intp), np.array([f"part {k}" for k in part])
    names = [f"{i:04d}" for i in range(len(part))]
    fold = assign_folds(names, labels, ["bad", "ok"], groups, folds, seed=seed)
    assert set(fold.tolist()) == set(range(folds))
    assert all(len(set(fold[part == k].tolist())) == 1 for k in range(len(sizes)))
    for label in (0, 1):
        counts = np.bincount(fold[labels == label], minlength=folds)
        assert counts.min() >= 1
        assert counts.max() - counts.min() <= 10
    order = np.random.default_rng(seed).permutation(len(part))
    again = assign_folds([names[i] for i in order], labels[order], ["bad", "ok"], groups[order], folds, seed=seed)
    np.testing.assert_array_equal(again, fold[order])


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"folds": 1}, "folds: found 1, expected an integer of at least 2"),
        ({"folds": 2.5}, r"folds: found 2\.5"),
        ({"repeats": 0}, "repeats: found 0"),
        ({"seed": -1}, "seed: found -1"),
        ({"folds": 20}, r"folds: found 20, but the class '.*' has [0-9]+ parts, expected at least one for each fold"),
        ({"data": np.zeros((3, 4))}, "data: found a ndarray"),
        (
            {"groups": [f"{i // 2}" for i in range(24)], "folds": 2},
            r"groups: [0-9]+ of 12 groups hold pictures of several",
        ),
    ],
)
def test_what_makes_no_sense_is_named(changed: dict[str, Any], what: str) -> None:
    X, y = pictures(24, 1)
    given_arguments = {"data": (X, y), "groups": [f"{label} {i // 2}" for i, label in enumerate(y)], **changed}
    with pytest.raises((ValueError, TypeError), match=what):
        cross_validate(recipe(), **given_arguments)
    with pytest.raises(ValueError, match="groups: a Dataset brings its own"):
        cross_validate(recipe(), Dataset.from_arrays(X, y), groups=y)


def test_every_verdict_is_that_of_a_net_that_has_not_seen_the_part() -> None:
    X, y = pictures(90, 2)
    groups = np.array([f"{label} {i // 3}" for i, label in enumerate(y)])
    data, clf = Dataset.from_arrays(X, y, groups=groups), recipe(random_state=99)
    before = repr(clf)
    found = cross_validate(clf, data, folds=3, repeats=2, seed=5)
    assert repr(clf) == before
    assert not hasattr(clf, "classes_")
    assert (found.folds, found.repeats, found.excluded) == (3, 2, None)
    assert not np.isnan(found.probabilities).any()
    for repeat in range(2):
        for part in set(groups.tolist()):
            assert len(set(found.fold[repeat][groups == part].tolist())) == 1
    assert (found.fold[0] != found.fold[1]).any()
    # The second fold of the second repeat, by hand.
    held = found.fold[1] == 1
    by_hand = recipe(random_state=5 + 1 * 3 + 1).fit(data[~held])
    np.testing.assert_array_equal(found.probabilities[1, held], by_hand.predict_proba(data[held]))
    assert found.fold_reports[1][1].accuracy.value == by_hand.score(data[held])
    threaded = cross_validate(recipe(n_threads=1), data, folds=3, repeats=2, seed=5)
    np.testing.assert_array_equal(threaded.probabilities, found.probabilities)


def test_figures_are_means_and_deviations_of_what_was_found() -> None:
    X, y = pictures(80, 3, noise=0.3)
    found = cross_validate(recipe(), (X, y), folds=4, repeats=3)
    right = (found.probabilities.argmax(axis=2) == (y == "ok")).mean(axis=1)
    accuracy = found.figures["accuracy"]
    assert accuracy.mean == pytest.approx(right.mean())
    assert accuracy.between_repeats == pytest.approx(np.std(right, ddof=1))
    folds = [report.accuracy.value for reports in found.fold_reports for report in reports]
    assert accuracy.between_folds == pytest.approx(np.std(folds, ddof=1))
    assert (accuracy.least, accuracy.most) == (min(folds), max(folds))
    assert list(found.figures) == ["accuracy", "macro_f1", "escape", "overkill"]
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert len(told["per_fold"]) == 12
    assert sum(row["n"] for row in told["per_fold"]) == 3 * 80
    assert told["by"] == "image"
    assert "not independent" in told["caveat"]
    assert f"accuracy  {accuracy.mean:.4f}  +- {accuracy.between_repeats:.4f} between repeats" in str(found)
    once = cross_validate(recipe(), (X, y), folds=2, repeats=1)
    assert math.isnan(once.figures["accuracy"].between_repeats)
    assert once.to_dict()["figures"]["accuracy"]["between_repeats"] is None


def test_scores_are_normalised_margins_turned_around() -> None:
    probabilities = np.array([[[0.9, 0.1, 0.0], [0.2, 0.5, 0.3]], [[0.7, 0.3, 0.0], [0.2, 0.1, 0.7]]])
    np.testing.assert_allclose(
        label_scores(np.array([0, 1]), probabilities), [(1 + 0.2 - 0.8) / 2, (1 + 0.5 - 0.3) / 2]
    )


def test_doubtful_pictures_are_told_with_their_reason(tmp_path: Path) -> None:
    X, _ = pictures(6, 4)
    labels = ["ok", "ok", "bad", "bad", "ok", "bad"]
    data = Dataset.from_arrays(X, labels, classes=["bad", "ok"], groups=["a", "b", "c", "d", "e", "e"])
    told = np.full((3, 4, 2), 0.5)
    told[:, :, 1] = [[0.9, 0.1, 0.2, 0.4], [0.8, 0.2, 0.3, 0.6], [0.9, 0.1, 0.3, 0.7]]
    told[:, :, 0] = 1 - told[:, :, 1]
    found = find_suspects(data[:4], told, data[4:])
    assert [(suspect.position, suspect.label, suspect.suggested) for suspect in found] == [
        (None, "ok", "bad"),
        (None, "bad", "ok"),
        (1, "ok", "bad"),
        (3, "bad", "ok"),
    ]
    assert found[0].reason == "its part e has pictures of several classes: 1 bad, 1 ok"
    assert found[2].score == pytest.approx(0.8667, abs=1e-4)
    assert found[2].reason.startswith("taken for another class in each of 3 repeats")
    assert found[3].reason.startswith("perhaps two classes: taken for another one in 2 of 3 repeats")
    rows = read_worksheet(write_suspects(tmp_path / "w.csv", found))
    assert [float(row.score) for row in rows.values()] == sorted((s.score for s in found), reverse=True)
    assert (tmp_path / "w.csv").read_text().startswith("file,label,suggested,score,reason,corrected")


def test_training_leaves_out_what_is_doubted_and_nobody_confirmed(tmp_path: Path) -> None:
    X, _ = pictures(5, 4)
    data = Dataset.from_arrays(X, ["ok", "ok", "bad", "bad", "ok"], classes=["bad", "ok"])
    sheet = tmp_path / "w.csv"
    listed = [(1, "ok", ""), (2, "bad", "bad"), (3, "bad", "ok"), (4, "bad", "ok")]  # 4: relabelled since
    rows = "".join(f"{i:09d},{label},,0.5,doubt,{said}\n" for i, label, said in listed)
    sheet.write_text("file,label,suggested,score,reason,corrected\n" + rows)
    assert without_suspects(sheet, data, data).index.tolist() == [0, 2, 4]
    assert without_suspects(sheet, data[:2], data).index.tolist() == [0]
    with pytest.raises(ValueError, match="3 of 4 listed files are not among the pictures, such as 000000002"):
        without_suspects(sheet, data[:2], data[:2])


def test_the_command_tells_figures_and_writes_a_worksheet_that_training_takes(
    gonogo_json: Json, run_gonogo: Run, castings: Path, small_net: Path, tmp_path: Path
) -> None:
    options = ["--groups", castings / "groups.csv", "--model", small_net, "--epochs", "2", "--pass-label", "ok_front"]
    sheet = tmp_path / "suspects.csv"
    folds = ["--folds", "2", "--repeats", "2", "--seed", "3"]
    found = gonogo_json("cross-validate", castings, *options, *folds, "--worksheet", sheet)
    assert (found["n"], found["folds"], found["repeats"], found["by"]) == (120, 2, 2, "group")
    assert set(found["figures"]) == {"accuracy", "accuracy_by_part", "macro_f1", "escape", "overkill"}
    rows = read_worksheet(sheet)
    assert found["suspects"] == len(rows) > 0
    assert all((castings / file).is_file() and file.startswith(row.label) for file, row in rows.items())
    again = gonogo_json("cross-validate", castings, *options, *folds, "--threads", "1")
    assert again == {**found, "worksheet": None}
    assert sum(found["doubted"].values()) > 0
    # Two epochs teach nothing, and all pictures of one class are in doubt: the first five will do.
    sheet.write_bytes(b"".join(sheet.read_bytes().splitlines(keepends=True)[:6]))
    made = gonogo_json("train", castings, *options, "--without", sheet, "--out", tmp_path / "m.gonogo")
    assert (made["left_out"], made["images"]) == (5, 115)
    told = run_gonogo("cross-validate", castings, *options, *folds)
    assert "labels in doubt: " in told.stdout
    assert "4 trainings" in told.stderr
    assert "are in doubt: that is the recipe, not the labels" in told.stderr
    refused = run_gonogo("cross-validate", castings, *options, "--folds", "100", exit_code=2)
    assert "--folds: found 100, but the class 'def_front' has" in refused.stderr


def test_pictures_without_groups_and_without_doubt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.toml").write_text(
        '[[layers]]\ntype = "flatten"\n\n[[layers]]\ntype = "dense"\nunits = "classes"\n'
    )
    for label, level in (("bad", 10), ("ok", 240)):
        (tmp_path / "parts" / label).mkdir(parents=True)
        for k in range(8):
            (tmp_path / "parts" / label / f"{k}.png").write_bytes(png(np.full((4, 5), level + k, np.uint8)))
    net = ["--model", str(tmp_path / "net.toml"), "--epochs", "40", "--learning-rate", "0.1"]
    assert main(["cross-validate", str(tmp_path / "parts"), *net, "--folds", "2", "--repeats", "1"]) == 0
    said = capsys.readouterr()
    assert "each picture counts as a part: with several pictures of one part, give --groups" in said.err
    assert said.out.endswith("no label is in doubt\n")


@pytest.mark.parametrize("steps", [None, 3])
def test_one_bar_counts_all_trainings(steps: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    X, y = pictures(40, 4)
    cross_validate(recipe(steps_per_epoch=steps, batch_size=8), (X, y), folds=2, repeats=2, verbose=True)
    total = 2 * 40 * 4 if steps is None else 4 * 4 * 3 * 8
    assert f"{total}/{total}" in (shown := capsys.readouterr().err) and "training 4 of 4" in shown


def test_tiles_have_no_labels_to_doubt(tmp_path: Path) -> None:
    for label in ("bad", "ok"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").write_bytes(png(np.zeros((4, 12), np.uint8)))
    tiles = Dataset.from_folder(tmp_path, tiles=Tiles(4, 4))
    with pytest.raises(ValueError, match="data: tiles have no files of their own whose labels could be doubted"):
        find_suspects(tiles, np.full((1, 6, 2), 0.5))


@pytest.mark.soak
def test_planted_wrong_labels_are_ranked_first(
    run_gonogo: Run, tmp_path: Path, often: Callable[[int, int], int], report_figure: Callable[[str, object], None]
) -> None:
    """One part in twenty has the other label, on all its pictures."""
    run_gonogo("synth", "--out", tmp_path / "c", "--n", "800", "--size", "64", "64", "--seed", "1", "--quiet")
    data = Dataset.from_folder(tmp_path / "c", groups=tmp_path / "c" / "groups.csv")
    assert data.groups is not None
    parts = np.array(sorted(set(data.groups.tolist())))
    chosen = np.random.default_rng(1).choice(parts, len(parts) // 20, replace=False)
    wrong = np.isin(data.groups, chosen)
    noisy = data.relabel(np.where(wrong, 1 - data.labels, data.labels))
    net = [
        layers.conv(8, 3, stride=2, activation="relu"),
        layers.max_pool(2),
        layers.flatten(),
        layers.dense("classes"),
    ]
    clf = InspectionClassifier(net, epochs=40, batch_size=32, learning_rate=0.005, schedule="one_cycle")
    repeats = often(1, 5)
    found = cross_validate(clf, noisy, folds=3, repeats=repeats)
    ranked = np.argsort(-label_scores(noisy.labels, found.probabilities), kind="stable")
    k = int(wrong.sum())
    recall = [float(wrong[ranked[: times * k]].sum()) / k for times in (1, 2)]
    report_figure(
        f"planted wrong labels, {k} of {len(data)} pictures, {repeats} repeats of 3 folds",
        f"{recall[0]:.0%} among the first {k} suspects, {recall[1]:.0%} among the first {2 * k}",
    )
    assert recall[0] >= 0.55
    assert recall[1] >= 0.75
    listed = {suspect.position for suspect in found.suspects()}
    assert len(listed & set(np.flatnonzero(wrong).tolist())) >= 0.7 * k
