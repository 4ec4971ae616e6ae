"""ReduceLROnPlateau, TerminateOnNaN and TensorBoard on trainings as they really are."""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gonogo as gg
from gonogo import layers

NET = [layers.dense(3, activation="tanh"), layers.dense("classes")]
X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
Y = np.arange(30) % 2


def fitted(*callbacks: gg.Callback, **changed: Any) -> gg.InspectionClassifier:
    chosen: dict[str, Any] = {"epochs": 3, "learning_rate": 0.05, "random_state": 3, "batch_size": 10}
    clf = gg.InspectionClassifier(NET, **{**chosen, **changed})
    return clf.fit(X, Y, validation_data=(X, Y), callbacks=callbacks)


class Pretend(gg.Callback):
    """Tells the callbacks after it of these validation losses, whatever the training found."""

    def __init__(self, watching: gg.Callback, values: list[float]) -> None:
        self.watching, self.values = watching, values

    def set_model(self, model: Any) -> None:
        self.watching.set_model(model)

    def on_train_begin(self, logs: Mapping[str, float]) -> None:
        self.watching.on_train_begin(logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        self.watching.on_epoch_end(epoch, {**logs, "val_loss": self.values[epoch]})


class TestReduceLROnPlateau:
    def rates(self, values: list[float], **options: Any) -> list[float]:
        """Learning rates of the epochs, as shares of the first."""
        callback = gg.ReduceLROnPlateau(**options)
        clf = fitted(Pretend(callback, values), epochs=len(values), learning_rate=0.5)
        return [rate / 0.5 for rate in clf.history_.history["learning_rate"]]

    def test_the_rate_falls_after_so_many_epochs_without_a_better_figure(self) -> None:
        assert self.rates([3, 2, 2, 2, 2, 2, 1, 1], factor=0.5, patience=2) == [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25]

    def test_nothing_is_counted_while_it_cools_down(self) -> None:
        found = self.rates([2] * 9, factor=0.5, patience=1, cooldown=2)
        # Lowered after epochs 1 and 4: two epochs cool down, the second of which may count again, as in Keras.
        assert found == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625]

    def test_changes_of_min_delta_or_less_do_not_count(self) -> None:
        assert self.rates([2, 1.95, 1.9], factor=0.5, patience=1, min_delta=0.1) == [1, 1, 0.5]
        assert self.rates([2, 1.85, 1.7], factor=0.5, patience=1, min_delta=0.1) == [1, 1, 1]

    def test_the_rate_has_a_lower_limit(self) -> None:
        assert self.rates([2] * 5, factor=0.1, patience=1, min_lr=0.1) == [1, 1, 0.2, 0.2, 0.2]

    def test_a_schedule_is_multiplied_as_a_whole(self) -> None:
        plain = fitted(epochs=5, schedule="cosine").history_.history["learning_rate"]
        callback = gg.ReduceLROnPlateau(factor=0.5, patience=1)
        found = fitted(Pretend(callback, [2.0] * 5), epochs=5, schedule="cosine").history_.history["learning_rate"]
        assert found == [rate * share for rate, share in zip(plain, [1, 1, 0.5, 0.25, 0.125], strict=True)]

    def test_a_lower_rate_takes_smaller_steps(self) -> None:
        callback = gg.ReduceLROnPlateau(factor=1e-6, patience=1)
        found: list[np.ndarray[Any, Any]] = []

        class Keep(gg.Callback):
            def on_epoch_end(self, *_: object) -> None:
                found.append(self.model.get_weights()[0])

        fitted(Pretend(callback, [2.0] * 3), Keep())
        moved = [float(np.abs(b - a).max()) for a, b in pairwise(found)]
        assert moved[1] < 1e-4 * moved[0]

    def test_it_can_be_used_again(self) -> None:
        callback = gg.ReduceLROnPlateau(factor=0.5, patience=1)
        for _ in range(2):
            assert fitted(Pretend(callback, [1, 2, 3])).history_.history["learning_rate"] == [0.05, 0.05, 0.025]
            assert callback.best == 1

    @pytest.mark.parametrize(
        ("options", "what"),
        [
            ({"factor": 1.0}, "factor: found 1.0, expected a number above 0 and below 1"),
            ({"factor": 0}, "factor: found 0"),
            ({"factor": float("nan")}, "factor: found nan"),
            ({"patience": -1}, "patience: found -1"),
            ({"cooldown": 0.5}, "cooldown: found 0.5"),
            ({"min_lr": -1.0}, "min_lr: found -1.0"),
            ({"mode": "best"}, "mode: found 'best'"),
        ],
    )
    def test_bad_parameters_are_named(self, options: dict[str, Any], what: str) -> None:
        with pytest.raises(ValueError, match=what):
            gg.ReduceLROnPlateau(**options)

    def test_a_figure_that_will_never_come_is_refused(self) -> None:
        with pytest.raises(ValueError, match="monitor: found 'speed'"):
            fitted(gg.ReduceLROnPlateau("speed"))


class Poison(gg.Callback):
    """Puts a value among the weights before a step; the first parameter of the net is weight 0."""

    def __init__(self, step: int, value: float, hook: str = "on_train_batch_begin") -> None:
        self.step, self.value = step, value
        setattr(self, hook, self.poison)

    def poison(self, *_: object) -> None:
        if self.model.step.count == self.step:
            parameters, states = self.model.get_weights()
            parameters[0] = self.value
            self.model.set_weights((parameters, states))


class TestValuesThatAreNoNumbers:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end"])
    def test_the_training_stops_and_says_where(self, value: float, hook: str) -> None:
        before = fitted(epochs=1)
        clf = gg.InspectionClassifier(NET, epochs=9, learning_rate=0.05, random_state=3, batch_size=10)
        best = gg.EarlyStopping(patience=99, restore_best_weights=True)
        # Step 5 is the last of the second epoch: nothing but the look at its end can notice it afterwards.
        step = 5 if hook == "on_train_batch_begin" else 6
        with pytest.raises(gg.DivergenceError, match=r"epoch 2, step 3: .*not finite.*learning rate") as caught:
            clf.fit(X, Y, validation_data=(X, Y), callbacks=[best, Poison(step, value, hook)])
        assert (caught.value.epoch, caught.value.step) == (1, 2)
        # The best weights, which are those of the first epoch, are kept, and the history of completed epochs.
        assert (best.best_epoch, clf.n_iter_) == (0, 1)
        np.testing.assert_array_equal(clf.decision_function(X), before.decision_function(X))

    def test_weights_without_validation_are_looked_at_too(self) -> None:
        clf = gg.InspectionClassifier(NET, epochs=1, random_state=3, batch_size=10)
        with pytest.raises(gg.DivergenceError, match="a weight is not finite"):
            clf.fit(X, Y, callbacks=[Poison(3, np.inf, "on_train_batch_end")])
        assert not hasattr(clf, "classes_")

    @pytest.mark.parametrize("classes", [2, 3])
    def test_scores_that_are_no_numbers_end_the_training(self, classes: int) -> None:
        """Finite weights whose products are beyond float32: after the last step the validation alone sees it."""

        class Grow(gg.Callback):
            def on_train_batch_end(self, *_: object) -> None:
                parameters, states = self.model.get_weights()
                self.model.set_weights((np.full_like(parameters, 1e30), states))

        clf = gg.InspectionClassifier([layers.dense(8), layers.dense("classes")], epochs=1, batch_size=30)
        y = np.arange(30) % classes
        with pytest.raises(gg.DivergenceError, match="the validation loss is not finite"):
            clf.fit(X, y, validation_data=(X, y), callbacks=[Grow()])

    def test_terminate_on_nan_ends_it_without_an_error(self) -> None:
        watch = gg.TerminateOnNaN()
        with pytest.warns(RuntimeWarning, match=r"epoch 2, step 2: the loss is not finite.*the training has ended"):
            clf = fitted(watch, Poison(4, np.nan), epochs=9)
        assert isinstance(watch.error, gg.DivergenceError)
        # The weights themselves are spoilt: those after the first epoch come back.
        np.testing.assert_array_equal(clf.decision_function(X), fitted(epochs=1).decision_function(X))
        assert (clf.n_iter_, len(clf.history_)) == (1, 1)
        fitted(watch)
        assert watch.error is None

    def test_terminate_on_nan_leaves_the_best_weights_to_early_stopping(self) -> None:
        stop = gg.EarlyStopping("loss", mode="max", patience=99, restore_best_weights=True)
        with pytest.warns(RuntimeWarning, match="epoch 3"):
            clf = fitted(stop, gg.TerminateOnNaN(), Poison(7, np.nan), epochs=9)
        assert stop.best_epoch == 0
        np.testing.assert_array_equal(clf.decision_function(X), fitted(epochs=1).decision_function(X))

    @pytest.mark.parametrize("rate", [1e3, 1e5, 1e8, 1e12])
    @pytest.mark.parametrize("validated", [False, True])
    def test_steps_that_are_too_large_keep_the_last_epoch_with_finite_scores(
        self, rate: float, validated: bool
    ) -> None:
        """Weights grow until scores are beyond float32, and are finite themselves all the while."""
        rows = np.random.default_rng(0).normal(size=(60, 5))
        y = np.where(rows[:, 0] + rows[:, 1] > 0, "good", "bad")
        net = [*[layers.dense(16, activation="relu")] * 2, layers.dense("classes")]
        options: dict[str, Any] = {"optimizer": "sgd", "learning_rate": rate, "random_state": 1}
        checked = (rows, y) if validated else None
        told = (
            rf"epoch \d+, step 1: the .* is not finite; lower the learning rate.*{re.escape(f'learning_rate={rate:g}')}"
        )
        watch, clf = gg.TerminateOnNaN(), gg.InspectionClassifier(net, epochs=8, **options)
        with pytest.warns(RuntimeWarning, match=told):
            clf.fit(rows, y, validation_data=checked, callbacks=[watch])
        assert watch.error is not None and clf.n_iter_ == len(clf.history_) == watch.error.epoch < 8
        shorter = gg.InspectionClassifier(net, epochs=clf.n_iter_, **options).fit(rows, y)
        assert np.isfinite(clf.decision_function(rows)).all()
        np.testing.assert_array_equal(clf.decision_function(rows), shorter.decision_function(rows))
        # Without the callback the same is an error with the same text, also where the training ends right there.
        for epochs in (8, watch.error.epoch + 1):
            with pytest.raises(gg.DivergenceError, match=told) as caught:
                gg.InspectionClassifier(net, epochs=epochs, **options).fit(rows, y, validation_data=checked)
            assert str(caught.value) == str(watch.error)

    @pytest.mark.parametrize("validated", [False, True])
    def test_a_first_epoch_that_fails_has_nothing_to_go_back_to(self, validated: bool) -> None:
        net = [layers.dense(3), layers.dense("classes")]
        clf = gg.InspectionClassifier(net, optimizer="sgd", learning_rate=1e20, random_state=1, batch_size=10)
        rows = 1e3 * X
        with pytest.raises(gg.DivergenceError, match=r"epoch 1, .*is not finite.*lower the learning rate"):
            clf.fit(rows, Y, validation_data=(rows, Y) if validated else None, callbacks=[gg.TerminateOnNaN()])
        assert not hasattr(clf, "classes_")

    def test_without_any_finite_weights_it_stays_an_error(self) -> None:
        with pytest.raises(gg.DivergenceError):
            fitted(gg.TerminateOnNaN(), Poison(1, np.nan))


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Scalars of the event files of a folder: records of length, checksum, message, checksum.

    As TensorBoard does, the beginning of a session takes back all events of the folder from its step on.
    """
    from tensorboardX.proto.event_pb2 import Event, SessionLog

    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            event = Event.FromString(data[at + 12 : at + 12 + length])
            at += 16 + length
            if event.session_log.status == SessionLog.START:
                found = {tag: [kept for kept in scalars if kept[0] < event.step] for tag, scalars in found.items()}
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


class TestTensorBoard:
    def test_each_epoch_is_an_event(self, tmp_path: Path) -> None:
        history = fitted(gg.TensorBoard(tmp_path / "logs")).history_.history
        for folder, names in {
            "train": ["loss", "accuracy", "learning_rate"],
            "validation": ["val_loss", "val_accuracy"],
        }.items():
            found = events(tmp_path / "logs" / folder)
            assert set(found) == {f"epoch_{name.removeprefix('val_')}" for name in names}
            for name in names:
                expected = [(epoch, np.float32(value)) for epoch, value in enumerate(history[name])]
                assert found[f"epoch_{name.removeprefix('val_')}"] == expected

    @pytest.mark.parametrize(("update_freq", "steps"), [("batch", range(9)), (2, range(1, 9, 2))])
    def test_steps_are_events_where_asked_for(self, tmp_path: Path, update_freq: Any, steps: range) -> None:
        fitted(gg.TensorBoard(tmp_path, update_freq))
        found = events(tmp_path / "batches")
        assert [step for step, _ in found["batch_loss"]] == list(steps)
        assert [step for step, _ in found["batch_accuracy"]] == list(steps)

    @pytest.mark.parametrize("save_freq", [1, 2, "epoch"])
    def test_a_resumed_training_shows_what_one_that_never_stopped_shows(self, tmp_path: Path, save_freq: Any) -> None:
        class Stop(gg.Callback):
            def on_train_batch_begin(self, *_: object) -> None:
                # Before the last step of the second epoch, after which no batch is told of but the epoch is.
                if self.model.step.count == 5:
                    raise KeyboardInterrupt

        def train(folder: Path, *more: gg.Callback) -> None:
            fitted(gg.TensorBoard(folder, 4), gg.BackupAndRestore(tmp_path / "backup", save_freq), *more)

        train(tmp_path / "whole")
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "resumed", Stop())
        train(tmp_path / "resumed")
        folders = ("train", "validation", "batches")
        shown = [{name: events(tmp_path / run / name) for name in folders} for run in ("whole", "resumed")]
        assert shown[1] == shown[0]
        assert [step for step, _ in shown[0]["batches"]["batch_loss"]] == [3, 7]

    def test_a_missing_package_is_named_with_its_extra(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "tensorboardX", None)
        with pytest.raises(ImportError, match=r"tensorboardX is not installed; .*extra 'tracking'"):
            fitted(gg.TensorBoard(tmp_path))

    @pytest.mark.parametrize("update_freq", [0, "step", 1.5])
    def test_a_frequency_is_epoch_batch_or_a_number(self, update_freq: Any) -> None:
        with pytest.raises(ValueError, match="update_freq: found"):
            gg.TensorBoard("logs", update_freq)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (
            {"optimizer": {"kind": "sgd", "beta_1": 0.9}},
            "optimizer: unknown key 'beta_1': 'sgd' does not use it; .*momentum",
        ),
        ({"optimizer": {"kind": "adam", "momentum": 0.9}}, "optimizer: unknown key 'momentum': 'adam' does not use it"),
        ({"optimizer": {"kind": "adam", "weight_decay": 0.1}}, "unknown key 'weight_decay'"),
        ({"schedule": {"kind": "cosine", "gamma": 0.5}}, "schedule: unknown key 'gamma': 'cosine' does not use it"),
        ({"schedule": {"kind": "constant", "total_steps": 5}}, "schedule: found the key 'total_steps'; it comes from"),
        ({"schedule": {"kind": "one_cycle", "warmup_steps": 5}}, "schedule: unknown key 'warmup_steps'"),
        ({"optimizer": {"kind": ["sgd"]}}, r"optimizer: found \['sgd'\], expected one of sgd"),
    ],
)
def test_settings_that_the_kind_does_not_use_are_refused(changed: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        fitted(**changed)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam", "adamw"])
def test_every_setting_that_is_named_is_taken(optimizer: str) -> None:
    from gonogo.settings import OPTIMIZERS

    values = {"momentum": 0.5, "nesterov": True, "rho": 0.8, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-5}
    values |= {"weight_decay": 0.1, "clip_norm": 1.0, "clip_value": 0.5}
    fitted(optimizer={"kind": optimizer, **{name: values[name] for name in OPTIMIZERS[optimizer]}}, epochs=1)
