"""EarlyStopping, ModelCheckpoint and CSVLogger on trainings as they really are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonogo import (
    Callback,
    CSVLogger,
    EarlyStopping,
    InspectionClassifier,
    ModelCheckpoint,
    ReduceLROnPlateau,
    layers,
    load,
    training,
)
from gonogo.network import ModelSpec
from gonogo.settings import Settings
from gonogo.training import Labelled, Trainer, one_hot

NET = [layers.dense(3, activation="tanh"), layers.dense("classes")]
X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
Y = np.arange(30) % 2


def trainer() -> Trainer:
    graph = ModelSpec("mine", tuple(NET)).build((4, 1, 1), 2)
    chosen = Settings(3, 16, 0.01, {"kind": "sgd"}, {"kind": "constant"}, 0)
    data = Labelled(X, one_hot(Y, 2), np.arange(30, dtype=np.uint32))
    made = training.start(graph, data, chosen, graph.initialise("glorot_uniform", 1), lambda *_: b"", data.samples[:2])
    made.figures = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
    return made


def play(callback: Callback, values: Sequence[float], figure: str = "val_loss") -> tuple[Trainer, int]:
    """Tell a callback about epochs with these values; the weights in epoch i are all i. Return the epochs that it took."""
    made = trainer()
    callback.set_model(made)
    callback.on_train_begin({})
    states = made.get_weights()[1]
    done = 0
    for epoch, value in enumerate(values):
        made.set_weights((np.full_like(made.get_weights()[0], epoch), states))
        callback.on_epoch_end(epoch, {figure: value})
        done += 1
        if made.stop_training:
            break
    callback.on_train_end({})
    return made, done


def fitted(*callbacks: Callback, **changed: Any) -> InspectionClassifier:
    chosen: dict[str, Any] = {"epochs": 3, "learning_rate": 0.05, "random_state": 3}
    clf = InspectionClassifier(NET, **{**chosen, **changed})
    return clf.fit(X, Y, validation_data=(X, Y), callbacks=callbacks)


class TestEarlyStopping:
    def test_patience_counts_epochs_without_a_better_figure(self) -> None:
        stop = EarlyStopping(patience=2)
        made, done = play(stop, [5, 4, 4.5, 4.2, 1])
        assert (done, stop.stopped_epoch, stop.best_epoch, stop.best) == (4, 3, 1, 4)
        assert made.stop_training

    @pytest.mark.parametrize("patience", [0, 1])
    def test_no_patience_stops_at_the_first_worse_epoch(self, patience: int) -> None:
        assert play(EarlyStopping(patience=patience), [3, 2, 2, 1])[1] == 3

    def test_changes_of_min_delta_or_less_do_not_count(self) -> None:
        assert play(EarlyStopping(min_delta=0.5, patience=1), [4, 3.5, 1])[1] == 2
        assert play(EarlyStopping(min_delta=-0.5, patience=1), [4, 3.4, 1])[1] == 3
        assert play(EarlyStopping("val_accuracy", min_delta=0.1, patience=1), [0.5, 0.59], "val_accuracy")[1] == 2

    @pytest.mark.parametrize(
        ("monitor", "mode", "best"),
        [
            ("val_loss", "auto", 0),
            ("loss", "auto", 0),
            ("val_accuracy", "auto", 2),
            ("accuracy", "auto", 2),
            ("val_loss", "max", 2),
            ("accuracy", "min", 0),
        ],
    )
    def test_the_mode_says_what_is_better(self, monitor: str, mode: Any, best: int) -> None:
        stop = EarlyStopping(monitor, patience=9, mode=mode)
        play(stop, [0.1, 0.5, 0.9], monitor)
        assert stop.best_epoch == best

    @pytest.mark.parametrize("values", [[3, 1, 2, 2.5], [3, 1, 2, 2.5, 4, 5, 6]])
    def test_the_best_weights_come_back_however_the_training_ended(self, values: list[float]) -> None:
        made, _ = play(EarlyStopping(patience=4, restore_best_weights=True), values)
        assert set(made.get_weights()[0].tolist()) == {1.0}

    def test_without_restoring_the_last_weights_stay(self) -> None:
        made, _ = play(EarlyStopping(patience=2), [3, 1, 2])
        assert set(made.get_weights()[0].tolist()) == {2.0}

    def test_not_a_number_is_never_better(self) -> None:
        stop = EarlyStopping(patience=3, restore_best_weights=True)
        made, done = play(stop, [math.nan, 2, math.nan, math.nan, math.nan])
        assert (done, stop.best_epoch) == (5, 1)
        assert set(made.get_weights()[0].tolist()) == {1.0}

    def test_a_baseline_must_be_beaten(self) -> None:
        assert play(EarlyStopping(patience=3, baseline=1.0), [5, 4, 3, 2])[1] == 3
        assert play(EarlyStopping(patience=3, baseline=1.0), [5, 4, 0.5, 2])[1] == 4

    def test_watching_may_start_later(self) -> None:
        stop = EarlyStopping(patience=1, start_from_epoch=3)
        assert play(stop, [1, 2, 3, 9, 8, 10])[1] == 6
        assert stop.best_epoch == 4

    @given(
        values=st.lists(st.integers(0, 5).map(float), min_size=1, max_size=12),
        patience=st.integers(0, 4),
        delta=st.sampled_from([0.0, 1.0]),
    )
    def test_any_course_ends_as_the_definition_says(self, values: list[float], patience: int, delta: float) -> None:
        best, best_epoch, waited, end = math.inf, 0, 0, len(values)
        for epoch, value in enumerate(values):
            if value < best - delta:
                best, best_epoch, waited = value, epoch, 0
            else:
                waited += 1
                if waited >= max(1, patience):
                    end = epoch + 1
                    break
        stop = EarlyStopping(patience=patience, min_delta=delta, restore_best_weights=True)
        made, done = play(stop, values)
        assert (done, stop.best_epoch, stop.best) == (end, best_epoch, best)
        assert set(made.get_weights()[0].tolist()) == {float(best_epoch)}

    def test_it_can_be_used_again(self) -> None:
        stop = EarlyStopping(patience=1, restore_best_weights=True)
        assert play(stop, [1, 2])[1] == 2
        made, done = play(stop, [9, 8, 10])
        assert (done, stop.best_epoch, made.get_weights()[0][0]) == (3, 1, 1.0)

    def test_a_figure_that_will_never_come_is_refused_before_the_training(self) -> None:
        clf = InspectionClassifier(NET, epochs=2)
        with pytest.raises(
            ValueError, match=r"monitor: found 'val_loss', expected one of loss, .*pass validation_data"
        ):
            clf.fit(X, Y, callbacks=[EarlyStopping()])
        with pytest.raises(ValueError, match=r"monitor: found 'val_acc', expected one of .*val_accuracy"):
            fitted(EarlyStopping("val_acc"))
        assert not hasattr(clf, "classes_")

    @pytest.mark.parametrize(
        ("changed", "what"),
        [
            ({"patience": -1}, "patience: found -1"),
            ({"patience": 1.5}, "patience: found 1.5"),
            ({"min_delta": math.nan}, "min_delta: found nan"),
            ({"mode": "best"}, "mode: found 'best'"),
            ({"start_from_epoch": -1}, "start_from_epoch: found -1"),
            ({"baseline": "low"}, "baseline: found 'low'"),
        ],
    )
    def test_bad_parameters_are_named(self, changed: dict[str, Any], what: str) -> None:
        with pytest.raises(ValueError, match=what):
            EarlyStopping(**changed)

    def test_after_an_interrupt_the_estimator_has_the_weights_of_the_best_epoch(self) -> None:
        class Interrupt(Callback):
            def on_train_batch_end(self, *_: object) -> None:
                if self.model.step.count == 8:
                    raise KeyboardInterrupt

        clf = InspectionClassifier(NET, epochs=9, random_state=3, batch_size=10)
        # The loss sinks, so that the first epoch is the best one of those with the largest loss.
        watch = EarlyStopping("loss", mode="max", patience=99, restore_best_weights=True)
        with pytest.raises(KeyboardInterrupt):
            clf.fit(X, Y, callbacks=[watch, Interrupt()])
        assert (watch.best_epoch, clf.n_iter_, len(clf.history_)) == (0, 2, 2)
        one = InspectionClassifier(NET, epochs=1, random_state=3, batch_size=10).fit(X, Y)
        np.testing.assert_array_equal(clf.decision_function(X), one.decision_function(X))


class TestModelCheckpoint:
    def test_every_epoch_is_a_file_that_can_be_loaded(self, tmp_path: Path) -> None:
        save = ModelCheckpoint(tmp_path / "{epoch:02d}-{val_loss:.3f}.gonogo")
        clf = fitted(save)
        losses = clf.history_.history["val_loss"]
        assert save.saved == [tmp_path / f"{i + 1:02d}-{loss:.3f}.gonogo" for i, loss in enumerate(losses)]
        assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in save.saved]
        np.testing.assert_array_equal(load(save.saved[-1]).decision_function(X), clf.decision_function(X))

    def test_the_best_epoch_alone_is_kept(self, tmp_path: Path) -> None:
        save = ModelCheckpoint(str(tmp_path / "best.gonogo"), "val_accuracy", save_best_only=True, mode="min")
        stop = EarlyStopping("val_accuracy", patience=99, mode="min", restore_best_weights=True)
        clf = fitted(save, stop, epochs=6)
        assert save.saved == [tmp_path / "best.gonogo"]
        np.testing.assert_array_equal(load(save.saved[0]).decision_function(X), clf.decision_function(X))

    @pytest.mark.parametrize(
        ("name", "what"),
        [
            ("{epochs}.gonogo", "expected fields such as {epoch}, {loss}"),
            ("{val_loss:d}.gonogo", "filepath: found"),
            ("{}.gonogo", "filepath: found"),
            ("{loss.odd}.gonogo", "filepath: found"),
            ("{epoch.gonogo", "filepath: found"),
            ("missing/m.gonogo", "does not exist"),
            ("", "found a folder"),
        ],
    )
    def test_a_file_that_cannot_be_written_is_refused_before_the_training(
        self, tmp_path: Path, name: str, what: str
    ) -> None:
        with pytest.raises((ValueError, OSError), match=what):
            fitted(ModelCheckpoint(str(tmp_path / name)))
        assert not list(tmp_path.iterdir())


class TestCSVLogger:
    def test_each_epoch_is_a_row(self, tmp_path: Path) -> None:
        history = fitted(CSVLogger(tmp_path / "log.csv")).history_.history
        lines = (tmp_path / "log.csv").read_text().splitlines()
        assert lines[0] == "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate"
        assert [[float(cell) for cell in line.split(",")] for line in lines[1:]] == [
            [epoch, *(values[epoch] for values in history.values())] for epoch in range(3)
        ]

    def test_rows_of_an_earlier_training_are_kept_when_asked(self, tmp_path: Path) -> None:
        path = tmp_path / "log.csv"
        fitted(CSVLogger(path, separator=";"))
        fitted(CSVLogger(path, separator=";", append=True), epochs=2)
        rows = [line.split(";")[0] for line in path.read_text().splitlines()]
        assert rows == ["epoch", "0", "1", "2", "0", "1"]
        fitted(CSVLogger(path), epochs=1)
        assert len(path.read_text().splitlines()) == 2

    def test_columns_that_do_not_fit_are_refused_before_the_training(self, tmp_path: Path) -> None:
        path = tmp_path / "log.csv"
        path.write_text("epoch,loss\n0,1\n")
        with pytest.raises(ValueError, match="has the columns 'epoch,loss', expected 'epoch,loss,accuracy"):
            fitted(CSVLogger(path, append=True))
        assert path.read_text() == "epoch,loss\n0,1\n"
        with pytest.raises(FileNotFoundError, match="missing"):
            fitted(CSVLogger(tmp_path / "missing" / "log.csv"))

    def test_a_last_line_without_its_end_is_completed(self, tmp_path: Path) -> None:
        path = tmp_path / "log.csv"
        fitted(CSVLogger(path), epochs=1)
        path.write_text(path.read_text().rstrip("\n"))
        fitted(CSVLogger(path, append=True), epochs=1)
        assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["epoch", "0", "0"]

    def test_a_file_that_is_no_text_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "log.csv").write_bytes(b"epoch\xff")
        with pytest.raises(ValueError, match=r"filename: .*log\.csv, byte 5: found no UTF-8"):
            fitted(CSVLogger(tmp_path / "log.csv", append=True))

    @pytest.mark.parametrize("separator", ["", ", ", "\n", '"', 3])
    def test_a_separator_is_one_character(self, separator: Any) -> None:
        with pytest.raises(ValueError, match="separator: found"):
            CSVLogger("log.csv", separator)


@pytest.mark.parametrize("monitor", [3, None, ["val_loss"], b"val_loss"])
def test_a_monitor_that_is_no_name_is_refused(monitor: Any) -> None:
    makers: tuple[Callable[[Any], object], ...] = (
        EarlyStopping,
        ReduceLROnPlateau,
        partial(ModelCheckpoint, "m.gonogo"),
    )
    for make in makers:
        with pytest.raises(ValueError, match=r"^monitor: found .*, expected the name of a figure"):
            make(monitor)
