"""What a training leaves behind, as text, table and picture."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex

from gonogo import History


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def history(epochs: int = 3, validation: bool = True) -> History:
    made = History()
    for epoch in range(epochs):
        checked = {"val_loss": 0.9 / (epoch + 1), "val_accuracy": 0.5} if validation else {}
        made.append(epoch, {"loss": 1 / (epoch + 1), "accuracy": 0.75, **checked, "learning_rate": 1e-3})
    return made


def test_each_epoch_is_a_row_of_figures() -> None:
    made = history()
    assert made.epoch == [0, 1, 2]
    assert made.history["loss"] == [1, 0.5, 1 / 3]
    assert list(made.history) == ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
    assert len(made) == 3
    assert repr(made) == (
        "History(3 epochs; last: loss 0.3333, accuracy 0.75, val_loss 0.3, val_accuracy 0.5, learning_rate 0.001)"
    )
    assert repr(History()) == "History(no epoch)"


def test_tables_have_a_row_for_each_epoch() -> None:
    table = history().to_pandas()
    assert table.index.tolist() == [1, 2, 3]
    assert table["val_loss"].tolist() == history().history["val_loss"]
    html = history()._repr_html_()
    assert html.count("<tr>") == 4
    assert "<th>val_accuracy</th>" in html
    assert History()._repr_html_().count("<tr>") == 1
    assert len(History().to_pandas()) == 0


@pytest.mark.parametrize(("validation", "curves"), [(True, 4), (False, 2)])
@pytest.mark.parametrize("epochs", [1, 60])
def test_all_curves_are_in_one_plot(validation: bool, curves: int, epochs: int) -> None:
    made = history(epochs, validation)
    figure, given = plt.subplots()
    assert made.plot(ax=given) is given
    left, right = figure.axes
    lines = [*left.lines, *right.lines]
    assert len(lines) == curves == len(left.get_legend().get_texts())
    # Loss and accuracy differ in colour, training and validation in the line.
    assert len({(to_hex(line.get_color()), line.get_linestyle()) for line in lines}) == curves
    assert {tuple(line.get_ydata()) for line in lines} == {
        tuple(values) for key, values in made.history.items() if key != "learning_rate"
    }
    assert (left.get_xlabel(), left.get_ylabel(), right.get_ylabel()) == ("epoch", "loss", "accuracy")
    assert left.get_ylim()[0] == 0


def test_a_new_figure_holds_everything() -> None:
    ax = history(12).plot()
    figure = ax.get_figure()
    figure.draw_without_rendering()
    inside = figure.bbox
    for box in (ax.get_legend().get_window_extent(), *(axes.get_tightbbox() for axes in figure.axes)):
        assert inside.x0 <= box.x0 < box.x1 <= inside.x1
        assert inside.y0 <= box.y0 < box.y1 <= inside.y1


def test_nothing_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="history: found no completed epoch"):
        History().plot()
