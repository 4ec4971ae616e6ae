"""May a new model replace the old one?"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gonogo import Dataset, InspectionClassifier, PassGate, Preprocess, Tiles, compare, evaluate, layers
from gonogo.certificate import Certificate
from gonogo.cli import main
from gonogo.comparison import compare_reports, promises_lost
from gonogo.ledger import read_ledger
from gonogo.png import png

Run = Callable[..., subprocess.CompletedProcess[str]]
Json = Callable[..., dict[str, Any]]


class Column:
    """A classifier whose logit of ``classes_[1]`` is one column of X."""

    def __init__(self, column: int, classes: tuple[str, str] = ("bad", "ok"), pass_label: str | None = "ok") -> None:
        self.column, self.classes_, self.pass_label = column, np.array(classes), pass_label

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        return np.asarray(X, np.float64)[:, self.column]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        p = 1 / (1 + np.exp(-self.decision_function(X)))
        return np.stack([1 - p, p], axis=1)


OLD, NEW = Column(0), Column(1)


def table(*parts: tuple[str, int, int]) -> tuple[NDArray[np.float64], list[str]]:
    """Rows from (label, old passes, new passes)."""
    return np.array([[2.0 * a - 1, 2.0 * b - 1] for _, a, b in parts]), [label for label, _, _ in parts]


def test_a_model_that_catches_all_that_the_old_one_caught_is_released() -> None:
    found = compare(
        OLD, NEW, table(("bad", 0, 0), ("bad", 0, 0), ("bad", 1, 0), ("bad", 1, 1), ("ok", 1, 0), ("ok", 1, 1))
    )
    assert found.released
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (told["released"], told["let_pass"], told["caught_by_old"], told["parts"]) == (True, [], 2, 6)
    assert told["lost_upper95"] == pytest.approx(1 - 0.05**0.5)
    assert (told["only_old_right"], told["only_new_right"], told["p_value"]) == (1, 1, 1.0)
    assert told["old"]["escape"]["escapes"] == 2
    assert told["new"]["overkill"]["refused"] == 1
    text = str(found)
    assert text.startswith("RELEASED: the old model catches 2 bad pictures, and the new one catches each of them.\n")
    assert "at most 77.64 % of the bad pictures that the old one catches would pass the new one" in text
    assert "Neither model has a certificate" in text


def test_one_part_that_only_the_old_model_catches_stops_the_release_however_good_the_rest() -> None:
    parts = [("bad", 0, 1), *[("bad", 1, 0)] * 30, *[("ok", 1, 1)] * 5, ("bad", 0, 0)]
    found = compare(OLD, NEW, table(*parts))
    assert not found.released
    assert found.let_pass == ["sample 0"]
    assert found.p_value == pytest.approx(2 * 32 / 2**31)
    lines = str(found).splitlines()
    assert lines[:3] == [
        "NOT RELEASED.",
        "Of 2 bad pictures that the old model catches, the new one lets 1 pass:",
        "  sample 0 (bad)",
    ]
    assert "the new model is right more often, beyond chance" in str(found)


def test_parts_are_compared_and_named_by_their_group() -> None:
    data = table(("bad", 0, 1), ("bad", 1, 1), ("bad", 0, 1), ("bad", 1, 0), ("ok", 1, 1))
    found = compare(OLD, NEW, data, groups=["left", "left", "right", "right", "good"])
    assert found.let_pass == ["left"], "one picture of the part 'right' is refused, so the part is"
    assert found.to_dict()["unit"] == "part"
    assert "  left (bad)" in str(found)


@given(st.lists(st.tuples(st.sampled_from(["bad", "ok"]), st.integers(0, 1), st.integers(0, 1)), max_size=40))
def test_the_p_value_is_scipys_and_symmetric(parts: list[tuple[str, int, int]]) -> None:
    from scipy.stats import binomtest

    data = table(("bad", 0, 0), *parts)
    one, other = compare(OLD, NEW, data), compare(NEW, OLD, data)
    differing = one.only_old_right + one.only_new_right
    expected = binomtest(one.only_old_right, differing).pvalue if differing else 1.0
    assert one.p_value == pytest.approx(expected, rel=1e-9)
    assert one.p_value == other.p_value
    assert one.released == all(not (label == "bad" and a == 0 and b == 1) for label, a, b in parts)


def test_the_order_of_classes_in_the_new_model_does_not_matter() -> None:
    X, y = table(("bad", 0, 0), ("bad", 0, 0), ("ok", 1, 1))
    turned = Column(2, ("ok", "bad"))
    found = compare(OLD, turned, (np.c_[X, -X[:, 1]], y))
    assert found.released
    assert found.to_dict()["new"]["escape"]["rate"] == 0


def gate(clf: Column, **terms: Any) -> PassGate:
    X = np.repeat(np.r_[np.linspace(-5, 0, 400), 3.0, 4.0][:, None], 3, axis=1)
    chosen = {"max_escape": 0.01, "confidence": 0.95, **terms}
    return PassGate(clf, "ok", **chosen).fit(X, ["bad"] * 400 + ["ok"] * 2)


def test_gates_decide_and_a_weaker_certificate_stops_the_release() -> None:
    data = table(("bad", 0, 0), ("ok", 1, 1))
    assert compare(gate(OLD), gate(NEW), data).released
    found = compare(gate(OLD), gate(NEW, max_escape=0.02), data)
    assert not found.released
    assert found.certificate_worse == ["escape rate at most 0.02, the old one 0.01"]
    assert "The certificate promises less: escape rate at most 0.02" in str(found)
    assert compare(gate(OLD), NEW, data).certificate_worse == ["the new model has none"]
    assert "The new model has a certificate, the old one has none." in str(compare(OLD, gate(NEW), data))
    assert "promises no less than that of the old one" in str(compare(gate(OLD), gate(NEW), data))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"confidence": 0.9}, "confidence 0.9"),
        ({"per_class": False, "joint": False}, "fault classes are pooled"),
        ({"joint": False}, "do not hold at once"),
        ({"single_use": ""}, "no ledger recorded"),
        ({"disjoint": ""}, "not compared with its training"),
        ({"audited": None}, "not audited for siblings"),
        ({"grouped": False}, "each picture was counted as a part"),
        ({"false_omission_bound": None, "bad_share": None}, "false omission rate"),
        ({"bad_share": 0.01}, "false omission rate"),
        ({"classes": ("ok", "other")}, "it does not know bad"),
    ],
)
def test_each_promise_that_is_lost_is_named(changes: dict[str, Any], what: str) -> None:
    made = gate(OLD, per_class=True, joint=True, bad_share=0.05).certificate
    old = replace(made, single_use="entry", disjoint="pixels of pictures", seen=9, audited=9, grouped=True)
    assert promises_lost(old, old) == []
    assert promises_lost(None, old) == []
    new: Certificate = replace(old, **changes)
    assert any(what in reason for reason in promises_lost(old, new))


@pytest.mark.parametrize(
    ("old", "new", "data", "what"),
    [
        (
            OLD,
            Column(1, pass_label=None),
            table(("bad", 0, 0)),
            "pass_label: the new model does not tell its PASS class",
        ),
        (
            OLD,
            Column(1, pass_label="bad"),
            table(("bad", 0, 0)),
            "'ok' means PASS to the old model and 'bad' to the new",
        ),
        (OLD, NEW, table(("bad", 1, 0), ("ok", 1, 1)), "the old model catches none of 1 bad parts"),
        (OLD, NEW, table(("ok", 1, 1)), "the old model catches none of 0 bad parts"),
        (OLD, Column(1, ("ok", "worse")), table(("bad", 0, 0)), "the class 'bad' is unknown to the model"),
        (OLD, NEW, table(), "data: found no sample"),
    ],
)
def test_what_shows_nothing_is_refused(old: Any, new: Any, data: Any, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        compare(old, new, data)


def test_both_looks_are_recorded(tmp_path: Path) -> None:
    compare(OLD, NEW, table(("bad", 0, 0), ("ok", 1, 1)), ledger=tmp_path / "a.ledger")
    models = [entry["model_sha256"] for entry in read_ledger(tmp_path / "a.ledger")]
    assert len(models) == 2


def test_the_command_compares_model_files(
    gonogo_json: Json, run_gonogo: Run, castings: Path, model: Path, small_net: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.gonogo"
    options = ["--model", small_net, "--epochs", "1", "--pass-label", "ok_front", "--image-size", "32", "32"]
    run_gonogo("train", castings, *options, "--out", other)
    groups = ["--groups", castings / "groups.csv"]
    same = gonogo_json("compare", model, model, castings, *groups)
    assert (same["released"], same["p_value"], same["let_pass"], same["unit"]) == (True, 1.0, [], "part")
    result = gonogo_json("evaluate", model, castings, *groups)
    assert same["old"]["escape"] == same["new"]["escape"] == result["escape"]
    found = run_gonogo(
        "compare", model, other, castings, *groups, "--json", exit_code=5 if _loses(model, other, castings) else 0
    )
    told = json.loads(found.stdout)
    assert told["released"] == (told["let_pass"] == [])
    failed = run_gonogo("compare", model, other, castings, "--pass-label", "fine", exit_code=2).stderr
    assert "--pass-label: the class 'fine' is unknown to the model" in failed


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, of which ``ok/small.png`` is smaller, and models: plain, of a region, of tiles, without PASS."""
    root = tmp_path_factory.mktemp("compare")
    rng = np.random.default_rng(3)
    for label, level in (("bad", 0), ("ok", 120)):
        (root / "parts" / label).mkdir(parents=True)
        for k in range(8):
            pixels = rng.integers(0, 100, (12, 12), dtype=np.uint8) + np.uint8(level)
            (root / "parts" / label / f"{k}.png").write_bytes(
                png(pixels[:6, :6] if (label, k) == ("ok", 7) else pixels)
            )
    net = [layers.flatten(), layers.dense("classes")]
    for name, passing, options in (
        ("plain", "ok", {"image_size": (12, 12)}),
        ("region", "ok", {"preprocess": Preprocess(roi=(0, 0, 10, 10)), "on_bad": "skip", "image_size": (10, 10)}),
        ("tiles", "ok", {"tiles": Tiles(6, 6)}),
        ("open", None, {"image_size": (12, 12)}),
    ):
        clf = InspectionClassifier(net, epochs=30, learning_rate=0.05, pass_label=passing, verbose=False)
        clf.fit(Dataset.from_folder(root / "parts", **options)).save(root / f"{name}.gonogo")
    return root


@pytest.mark.parametrize(
    ("new", "complaint"),
    [
        ("region", "data: the two models could not read the same files; correct or remove the bad ones"),
        ("tiles", "new: {root}/tiles.gonogo reads tiles, which cannot be compared by part"),
        ("open", "--pass-label: {root}/open.gonogo does not tell its PASS class; name it"),
    ],
)
def test_the_command_refuses_models_that_cannot_be_compared(
    models: Path, capsys: pytest.CaptureFixture[str], new: str, complaint: str
) -> None:
    given = ["compare", models / "plain.gonogo", models / f"{new}.gonogo", models / "parts", "--on-bad", "skip"]
    assert main([*map(str, given)]) == 2
    assert f"gonogo compare: {complaint.format(root=models)}\n" in capsys.readouterr().err


def test_without_groups_each_picture_counts_as_a_part(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *[str(models / "plain.gonogo")] * 2, str(models / "parts")]) == 0
    said = capsys.readouterr()
    assert "each picture counts as a part: with several pictures of one part, give --groups" in said.err
    assert said.out.startswith("RELEASED")


def test_pictures_are_named_by_their_files_and_tiles_are_refused(models: Path) -> None:
    data = Dataset.from_folder(models / "parts", image_size=(12, 12))
    assert compare(models / "plain.gonogo", models / "plain.gonogo", data).names == data.files
    paths = [models / "parts" / file for file in data.files]
    labels = [data.classes[label] for label in data.labels]
    found = compare(models / "plain.gonogo", models / "plain.gonogo", (paths, labels))
    assert found.names == [str(path) for path in paths]
    tiles = Dataset.from_folder(models / "parts", tiles=Tiles(6, 6))
    with pytest.raises(ValueError, match="data: tiles cannot be compared by part; compare the pictures"):
        compare(models / "tiles.gonogo", models / "tiles.gonogo", tiles)


def test_evaluations_of_other_parts_or_without_a_pass_class_are_refused() -> None:
    one, other = table(("bad", 0, 0), ("ok", 1, 1)), table(("bad", 0, 0), ("bad", 1, 1))
    nameless = evaluate(Column(0, pass_label=None), one)
    with pytest.raises(ValueError, match="pass_label: missing, expected evaluations by part with a PASS class"):
        compare_reports(evaluate(OLD, one), nameless)
    with pytest.raises(ValueError, match="data: the two models were evaluated on different parts"):
        compare_reports(evaluate(OLD, one), evaluate(NEW, other))


def _loses(old: Path, new: Path, castings: Path) -> bool:
    """The same question to the Python interface: each model reads the files in its own size."""
    files = sorted(castings.glob("*_front/*.png"))
    with (castings / "groups.csv").open() as lines:
        rows = [line.strip().split(",") for line in lines][1:]
    group = {f"{label}/{file}": name for label, file, name in rows}
    groups = [group[f"{file.parent.name}/{file.name}"] for file in files]
    return not compare(old, new, (files, [file.parent.name for file in files]), groups=groups).released
