"""Evaluations: figures, texts, and pictures with everything inside."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from gonogo import Dataset, InspectionClassifier, Report, evaluate, layers
from gonogo.report import RIGHT, WRONG


class Oracle:
    """A classifier that answers what it was told to."""

    def __init__(self, classes: list[Any], probabilities: NDArray[np.float64], pass_label: Any = None) -> None:
        self.classes_ = np.array(classes)
        self.probabilities = probabilities
        self.pass_label = pass_label

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        return self.probabilities[: len(X)]


def images(n: int, height: int = 20, width: int = 20, channels: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, channels), dtype=np.uint8)


def report(
    truth: list[int],
    said: list[int],
    classes: list[Any] | None = None,
    pass_label: Any = "ok",
    size: tuple[int, int, int] = (20, 20, 1),
) -> Report:
    names: list[Any] = ["bad", "ok"] if classes is None else classes
    rest = 0.2 / (len(names) - 1)
    probabilities = np.full((len(said), len(names)), rest)
    probabilities[np.arange(len(said)), said] = 0.8 - 0.1 * np.arange(len(said)) / len(said)
    return evaluate(Oracle(names, probabilities, pass_label), (images(len(truth), *size), [names[k] for k in truth]))


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_the_figures_of_an_evaluation() -> None:
    # Truth bad: 3 found, 1 escaped. Truth ok: 4 passed, 2 refused.
    found = report([0, 0, 0, 0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(found.confusion, [[3, 1], [2, 4]])
    assert (found.accuracy.count, found.accuracy.of, len(found)) == (7, 10, 10)
    assert found.escape is not None
    assert found.overkill is not None
    assert (found.escape.count, found.escape.of) == (1, 4)
    assert (found.overkill.count, found.overkill.of) == (2, 6)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["n"] == 10
    assert told["accuracy"] == 0.7
    assert told["classes"] == ["bad", "ok"]
    assert told["confusion"] == [[3, 1], [2, 4]]
    assert told["per_class"]["ok"]["precision"] == 0.8
    assert told["per_class"]["ok"]["recall"] == pytest.approx(4 / 6)
    assert told["per_class"]["ok"]["support"] == 6
    assert told["escape"] == {
        "escapes": 1,
        "defects": 4,
        "rate": 0.25,
        "upper95": found.escape.upper95,
        "interval": list(found.escape.interval),
        "unit": "picture",
    }
    assert told["overkill"] == {
        "refused": 2,
        "good": 6,
        "rate": pytest.approx(1 / 3),
        "interval": list(found.overkill.interval),
        "unit": "picture",
    }
    assert found.mistakes.tolist() == [3, 8, 9]


def test_the_text_has_four_digits_and_intervals() -> None:
    found = report([0, 0, 0, 0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1, 1, 0, 0])
    lines = str(found).splitlines()
    assert lines[:4] == [
        "class  precision               recall                  F1                      support",
        "bad    0.6000 (0.1466-0.9473)  0.7500 (0.1941-0.9937)  0.6667 (0.2113-0.9372)        4",
        "ok     0.8000 (0.2836-0.9949)  0.6667 (0.2228-0.9567)  0.7273 (0.3109-0.9479)        6",
        "",
    ]
    assert lines[4] == "accuracy  0.7000 (7 of 10; 95 % interval 0.3475 to 0.9333)"
    assert lines[5].startswith("macro F1  0.6970 (approximate 95 % interval 0.")
    assert lines[6:] == [
        "escape    0.2500 (1 of 4; 95 % interval 0.0063 to 0.8059)",
        "overkill  0.3333 (2 of 6; 95 % interval 0.0433 to 0.7772)",
        "mix       bad 40.0%, ok 60.0%; precision holds for this mix only",
        "",
        "confusion (rows: truth, columns: prediction)",
        "     bad  ok",
        "bad    3   1",
        " ok    2   4",
    ]


def test_what_never_occurred_is_shown_as_unknown() -> None:
    found = report([1, 1, 1], [1, 1, 1], ["bad", "ok", "worse"])
    assert "bad    -                       -                       -                             0" in str(found)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["per_class"]["bad"]["f1"] is None
    assert told["escape"]["rate"] is None
    assert told["escape"]["upper95"] == 1
    assert "<td>-</td>" in found._repr_html_()


def test_without_a_pass_class_there_is_no_escape() -> None:
    found = report([0, 1], [0, 1], pass_label=None)
    assert found.escape is None
    assert found.overkill is None
    assert "escape" not in found.to_dict()
    assert "escape" not in str(found)


def test_names_are_escaped_in_html_and_tables_are_tables() -> None:
    found = report([0, 1, 1], [0, 1, 0], ["<b>", "ok"])
    assert "<td>&lt;b&gt;</td>" in found._repr_html_()
    table = found.to_pandas()
    assert table.index.tolist() == ["<b>", "ok"]
    assert table.columns.tolist() == ["precision", "recall", "f1", "support"]
    assert table.loc["ok", "recall"] == 0.5


def test_whole_numbers_as_classes_are_fine() -> None:
    found = report([0, 1, 1], [0, 1, 0], [3, 7], pass_label=7)
    assert (found.classes, found.pass_label) == (["3", "7"], "7")
    assert found.escape is not None
    assert (found.escape.count, found.escape.of) == (0, 1)


def test_a_dataset_and_its_arrays_give_the_same_report() -> None:
    X, y = images(40), np.arange(40) % 2
    X[y == 1, 5:15] = 255
    clf = InspectionClassifier([layers.flatten(), layers.dense("classes")], epochs=2, random_state=1, pass_label=1)
    clf.fit(X, y)
    data = Dataset.from_arrays(X, y)[5:35]
    one, two = evaluate(clf, data), evaluate(clf, (X[5:35], y[5:35]))
    assert one.to_dict() == two.to_dict()
    np.testing.assert_array_equal(one.probabilities, clf.predict_proba(data))
    assert one.accuracy.value == clf.score(data)
    np.testing.assert_array_equal(one.predicted, [one.classes.index(str(label)) for label in clf.predict(data)])


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ((images(2), ["ok", "good"]), "data: the class 'good' is unknown to the model, which has: bad, ok"),
        ((images(2), ["ok"]), "data: found 1 labels for 2 samples"),
        ((images(0), []), "data: found no sample"),
        (images(2), "data: found a ndarray, expected a Dataset or a pair"),
    ],
)
def test_bad_data_is_named(data: Any, what: str) -> None:
    with pytest.raises((ValueError, TypeError), match=what):
        evaluate(Oracle(["bad", "ok"], np.full((2, 2), 0.5)), data)


def test_a_pass_label_that_is_no_class_is_named() -> None:
    with pytest.raises(ValueError, match="pass_label: the class 'fine' is unknown to the model"):
        report([0, 1], [0, 1], pass_label="fine")


PLOTS: list[Callable[..., Axes]] = [Report.plot_confusion, Report.plot_gallery, Report.plot_errors]
TRUTH = [k % 6 for k in range(60)]
SAID = [k % 6 if k % 4 else (k + 1) % 6 for k in range(60)]
LONG = ["inclusion", "a very long name of a class indeed", "pitted", "rolled in", "scratches", "crazing"]


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize(
    ("size", "own_axes"), [((20, 20, 1), True), ((16, 100, 3), True), ((16, 100, 3), False), ((60, 12, 1), False)]
)
def test_plots_stay_inside_their_figure(plot: Callable[..., Axes], size: tuple[int, int, int], own_axes: bool) -> None:
    found = report(TRUTH, SAID, LONG, None, size)
    if own_axes:
        ax = plot(found)
    else:
        given = plt.subplots(2, 2, figsize=(9, 8), layout="constrained")[1][1, 0]
        ax = plot(found, ax=given)
        assert ax is given
    figure = ax.get_figure()
    figure.draw_without_rendering()
    box, inside = ax.get_tightbbox(), figure.bbox
    assert -1 <= box.x0 < box.x1 <= inside.x1 + 1
    assert -1 <= box.y0 < box.y1 <= inside.y1 + 1


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("inches", [None, (4, 3), (14, 10)])
def test_texts_stay_in_their_places_also_when_the_figure_changes(plot: Callable[..., Axes], inches: Any) -> None:
    ax = plot(report(TRUTH, SAID, LONG, None), ax=plt.subplots(1, 3, figsize=(10, 4))[1][1])
    figure = ax.get_figure()
    figure.draw_without_rendering()
    if inches is not None:
        figure.set_size_inches(inches)
        figure.set_dpi(70)
        figure.draw_without_rendering()
    inside = ax.get_window_extent()
    boxes = [text.get_window_extent() for text in ax.texts]
    for box in (*boxes, *(image.get_window_extent() for image in ax.images)):
        assert inside.x0 - 1 <= box.x0 < box.x1 <= inside.x1 + 1
        assert inside.y0 - 1 <= box.y0 < box.y1 <= inside.y1 + 1
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])
    assert len({text.get_fontsize() for text in ax.texts}) == 1


def test_the_confusion_is_written_into_its_cells() -> None:
    ax = report([0] * 1000 + [1] * 3, [0] * 999 + [1] * 4).plot_confusion()
    assert [text.get_text() for text in ax.texts] == ["999\n99.9%", "1\n0.1%", "0\n0.0%", "3\n100.0%"]
    assert ax.get_title() == "accuracy 0.9990 on 1,003 pictures"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("prediction", "truth")


def test_only_what_is_certain_is_called_certain() -> None:
    ax = report([0] * 10_000 + [1], [0] * 9_999 + [1] * 2).plot_confusion()
    assert [text.get_text() for text in ax.texts][:2] == ["9,999\n99.9%", "1\n0.1%"]


def test_right_is_blue_wrong_is_red_and_tells_the_truth() -> None:
    found = report([0, 1, 1], [0, 1, 0])
    ax = found.plot_gallery(n=3)
    captions = {text.get_text(): to_hex(text.get_color()) for text in ax.texts}
    assert captions == {"bad 80.0%": RIGHT, "ok 76.7%": RIGHT, "bad 73.3%\ntruth: ok": WRONG}
    frames = [to_hex(patch.get_edgecolor()) for patch in ax.patches if isinstance(patch, Rectangle)]
    assert sorted(frames) == sorted([RIGHT, RIGHT, WRONG])
    assert len(ax.images) == 3
    assert ax.get_title() == "3 of 3 predictions"


def test_a_gallery_shows_the_pictures_it_names() -> None:
    found = report([0, 1, 1, 0], [0, 1, 0, 1])
    ax = found.plot_errors()
    np.testing.assert_array_equal(ax.images[0].get_array(), images(4)[2, :, :, 0])
    np.testing.assert_array_equal(ax.images[1].get_array(), images(4)[3, :, :, 0])
    assert ax.get_title() == "2 mistakes in 4 pictures"
    assert found.plot_errors(n=1).get_title() == "2 mistakes in 4 pictures\nthe 1 most confident"
    assert report([0, 1, 1], [0, 1, 0]).plot_errors().get_title() == "1 mistake in 3 pictures"


def test_the_choice_of_pictures_is_seeded() -> None:
    found = report(TRUTH, SAID, LONG, None)
    one, same, other = ([text.get_text() for text in found.plot_gallery(seed=seed).texts] for seed in (1, 1, 2))
    assert one == same != other
    assert len(one) == 16


def test_no_mistake_is_a_plot_too() -> None:
    ax = report([0, 1], [0, 1]).plot_errors()
    assert ax.get_title() == "0 mistakes in 2 pictures"
    assert [text.get_text() for text in ax.texts] == ["nothing to show"]


def test_galleries_need_pictures_and_a_number() -> None:
    rows = evaluate(Oracle([0, 1], np.full((2, 2), 0.5)), (np.zeros((2, 5)), [0, 1]))
    for plot in (rows.plot_gallery, rows.plot_errors):
        with pytest.raises(ValueError, match="data: this report has no pictures to draw"):
            plot()
        with pytest.raises(ValueError, match="n: found 0"):
            plot(n=0)
    assert rows.plot_confusion().get_title() == "accuracy 0.5000 on 2 pictures"


def test_a_figure_survives_the_way_between_processes() -> None:
    figure = report([0, 1, 1], [0, 1, 0]).plot_gallery().get_figure()
    twin = pickle.loads(pickle.dumps(figure))
    twin.draw_without_rendering()
    assert [text.get_text() for text in twin.axes[0].texts] == [text.get_text() for text in figure.axes[0].texts]
