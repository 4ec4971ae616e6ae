"""The estimator: what it takes, what it promises, and what it refuses."""

from __future__ import annotations

import copy
import hashlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gonogo import (
    Augment,
    Callback,
    Dataset,
    DecodeError,
    DivergenceError,
    InspectionClassifier,
    _core,
    evaluate,
    layers,
    load,
)
from gonogo.model_file import parse_model
from gonogo.synthetic import png
from gonogo.training import Trainer

pytestmark = pytest.mark.any_engine

NET = [
    layers.conv(4, 3, stride=2, activation="relu"),
    layers.max_pool(2),
    layers.flatten(),
    layers.dense(8, activation="relu"),
    layers.dropout(0.2),
    layers.dense("classes"),
]
ROWS_NET = [layers.dense(4, activation="relu"), layers.dense("classes")]


def pictures(n: int = 48, channels: int = 1, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """Noise, with a bright square in the good ones."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 120, (n, 24, 24, channels), dtype=np.uint8)
    good = np.arange(n) % 2 == 1
    images[good, 8:16, 8:16] += 130
    return images, np.where(good, "ok", "bad")


def rows(n: int = 60, classes: int = 3, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    labels = np.arange(n) % classes
    return np.random.default_rng(seed).normal(size=(n, 5)) + 4 * np.eye(5)[labels], labels


def made(**changed: Any) -> InspectionClassifier:
    chosen: dict[str, Any] = {"model": NET, "epochs": 3, "batch_size": 16, "learning_rate": 0.01, "random_state": 7}
    return InspectionClassifier(**{**chosen, **changed})


def file_of(clf: InspectionClassifier, folder: Path, name: str = "m.gonogo") -> bytes:
    return clf.save(folder / name).read_bytes()


@pytest.fixture(scope="module")
def fitted() -> InspectionClassifier:
    X, y = pictures()
    return made(epochs=12, learning_rate=0.02).fit(X, y)


class TestWhatItLearnsFrom:
    def test_pictures_with_names(self, fitted: InspectionClassifier) -> None:
        X, y = pictures(seed=5)
        assert fitted.classes_.tolist() == ["bad", "ok"]
        assert fitted.score(X, y) == 1
        assert set(fitted.predict(X)) == {"bad", "ok"}
        probabilities = fitted.predict_proba(X)
        assert probabilities.shape == (48, 2)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
        scores = fitted.decision_function(X)
        np.testing.assert_allclose(probabilities[:, 1], 1 / (1 + np.exp(-scores)), rtol=1e-9)
        np.testing.assert_array_equal(fitted.predict(X) == "ok", scores > 0)

    def test_rows_with_whole_numbers(self) -> None:
        X, y = rows()
        clf = made(model="auto", epochs=20).fit(X, y + 10)
        assert clf.classes_.tolist() == [10, 11, 12]
        assert clf.predict(X).dtype.kind == "i"
        assert clf.score(X, y + 10) > 0.95
        scores = clf.decision_function(X)
        assert scores.shape == (60, 3)
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        np.testing.assert_allclose(clf.predict_proba(X), shifted / shifted.sum(axis=1, keepdims=True), rtol=1e-9)
        assert clf.parameter_count_ == 5 * 64 + 64 + 64 * 3 + 3

    @pytest.mark.parametrize("labels", [[False, True], ["no", "yes"], [0.0, 1.0], [3, 1]])
    def test_labels_keep_their_type(self, labels: list[Any]) -> None:
        X, _ = rows(40)
        y = [labels[i % 2] for i in range(40)]
        clf = made(model=ROWS_NET, epochs=1).fit(X, y)
        assert clf.classes_.tolist() == sorted(labels)
        assert set(clf.predict(X).tolist()) <= set(labels)

    def test_the_forms_of_pictures_give_the_same_model(self, tmp_path: Path) -> None:
        X, y = pictures()
        paths = []
        for i, image in enumerate(X):
            paths.append(tmp_path / f"{i}.png")
            paths[-1].write_bytes(png(image[:, :, 0]))
        clf = made(augment=Augment.preset("casting"))
        expected = clf.fit(X, y).decision_function(X)
        assert expected.std() > 0
        for form in (
            X[..., 0],
            np.asfortranarray(X),
            paths,
            [str(path) for path in paths],
            np.array([str(path) for path in paths]),
        ):
            np.testing.assert_array_equal(clf.fit(form, y).decision_function(form), expected)
            np.testing.assert_array_equal(clf.decision_function(X), expected)
        flat = made(augment=Augment.preset("casting"), input_shape=(24, 24, 1)).fit(X.reshape(48, -1), y)
        np.testing.assert_array_equal(flat.decision_function(X.reshape(48, -1)), expected)
        data = Dataset.from_arrays(X, y)
        np.testing.assert_array_equal(clf.fit(data).decision_function(data), expected)

    def test_a_subset_is_trained_on_without_its_neighbours(self) -> None:
        """Pictures that are not in the subset must not matter."""
        X, y = pictures(64)
        chosen = np.r_[1, 4:40, 63, 50]
        other = X.copy()
        other[np.setdiff1d(np.arange(64), chosen)] = 77
        first, second = (Dataset.from_arrays(pixels, y)[chosen] for pixels in (X, other))
        clf = made(class_weight="balanced")
        expected = clf.fit(first, validation_data=first).decision_function(first)
        np.testing.assert_array_equal(clf.fit(second, validation_data=second).decision_function(second), expected)
        np.testing.assert_array_equal(clf.decision_function(X[chosen]), expected)
        assert len(clf.history_) == 3

    def test_colour_is_kept(self) -> None:
        X, y = pictures(channels=3)
        X[:] = 30
        X[y == "ok", :, :, 2] = 220
        clf = made(epochs=10, learning_rate=0.02).fit(X, y)
        assert clf.score(X, y) == 1
        with pytest.raises(ValueError, match="X: found pictures of 24x24x1, expected pictures of 24x24x3"):
            clf.predict(X[..., 0])

    def test_files_are_brought_to_the_size_that_was_trained(self, fitted: InspectionClassifier, tmp_path: Path) -> None:
        X, _ = pictures(2)
        for name, image in zip("ab", X, strict=True):
            (tmp_path / name).write_bytes(png(image[:, :, 0]))
        (tmp_path / "large").write_bytes(png(X[1, :, :, 0].repeat(2, axis=0).repeat(2, axis=1)))
        names = [tmp_path / name for name in ("a", "b", "large")]
        found = fitted.decision_function(names)
        np.testing.assert_array_equal(found[:2], fitted.decision_function(X))
        assert found[2] == pytest.approx(found[1], abs=1)
        (tmp_path / "bad").write_bytes(b"no picture")
        with pytest.raises(DecodeError, match="bad"):
            fitted.predict([*names, tmp_path / "bad"])

    def test_files_of_different_sizes_need_a_shape(self, tmp_path: Path) -> None:
        X, y = pictures(8)
        paths = []
        for i, image in enumerate(X[..., 0]):
            paths.append(tmp_path / f"{i}.png")
            paths[-1].write_bytes(png(image if i else image[:20]))
        with pytest.raises(ValueError, match="different sizes"):
            made().fit(paths, y)
        clf = made(input_shape=(24, 24, 1)).fit(paths, y)
        assert clf.predict(paths).shape == (8,)
        # A second fit does not see with the eyes of the first.
        assert clf.set_params(input_shape=(16, 16, 3)).fit(paths, y)._file.sample_shape == (16, 16, 3)

    def test_many_pictures_are_predicted_as_each_alone(self, fitted: InspectionClassifier) -> None:
        X, y = pictures(300, seed=9)
        together = fitted.decision_function(X)
        np.testing.assert_array_equal([fitted.decision_function(image[None])[0] for image in X[:40]], together[:40])
        order = np.random.default_rng(0).permutation(300)
        np.testing.assert_array_equal(fitted.decision_function(Dataset.from_arrays(X, y)[order]), together[order])
        assert fitted.predict(X[:0]).shape == (0,)
        assert fitted.predict_proba(Dataset.from_arrays(X, y)[[]]).shape == (0, 2)


class TestPromises:
    @pytest.mark.parametrize("classes", [2, 3])
    @pytest.mark.parametrize("extra", [{}, {"optimizer": "sgd", "steps_per_epoch": 5, "class_weight": "balanced"}])
    def test_equal_trainings_give_equal_files_for_any_number_of_threads(
        self, tmp_path: Path, classes: int, extra: dict[str, Any]
    ) -> None:
        X, _ = pictures()
        y = np.arange(48) % classes
        clf = made(augment=Augment.preset("casting"), **extra)
        digests = set()
        for threads in (1, 2, 1, 3, None):
            clf.set_params(n_threads=threads, verbose=False).fit(X, y, validation_data=(X, y))
            digests.add(hashlib.sha256(file_of(clf, tmp_path)).hexdigest())
        assert len(digests) == 1
        clf.set_params(random_state=8).fit(X, y)
        assert hashlib.sha256(file_of(clf, tmp_path)).hexdigest() not in digests

    @pytest.mark.parametrize("extra", [{}, {"steps_per_epoch": 5, "class_weight": "balanced"}])
    def test_a_subset_trains_as_an_array_of_the_same_pictures_does(self, extra: dict[str, Any]) -> None:
        X, y = pictures()
        chosen = np.array([40, 3, 17, 8, 21, 30, 5, 5, 12, 9])
        clf = made(augment=Augment.preset("casting"), batch_size=4, **extra)
        subset = clf.fit(Dataset.from_arrays(X, y)[chosen])
        weights, history = subset._file.core.model_sha256, subset.history_.history
        own = clf.fit(Dataset.from_arrays(X[chosen], y[chosen]))
        assert (own._file.core.model_sha256, own.history_.history) == (weights, history)

    def test_batch_normalisation_and_all_else_survive_the_file(self, tmp_path: Path) -> None:
        net = [
            layers.conv(4, 3, padding=1, activation="leaky_relu", name="a"),
            layers.batch_norm(momentum=0.5),
            layers.conv(4, 3, padding="same"),
            layers.batch_norm(activation="gelu"),
            layers.add("a", "batch_norm_2", activation="elu"),
            layers.average_pool(3, stride=2, padding=1),
            layers.global_average_pool(),
            layers.dense("classes"),
        ]
        X, y = pictures()
        clf = made(model=net).fit(X, y, validation_data=(X, y))
        loaded = load(clf.save(tmp_path / "m.gonogo"))
        np.testing.assert_array_equal(loaded.decision_function(X), clf.decision_function(X))
        assert evaluate(clf, (X, y)).accuracy.value == clf.history_.history["val_accuracy"][-1]

    def test_a_saved_model_says_the_same_bits(self, fitted: InspectionClassifier, tmp_path: Path) -> None:
        X, y = pictures(seed=3)
        loaded = load(fitted.save(tmp_path / "m.gonogo"), n_threads=1)
        np.testing.assert_array_equal(loaded.decision_function(X), fitted.decision_function(X))
        np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
        assert loaded.score(X, y) == fitted.score(X, y)
        assert loaded.classes_.tolist() == ["bad", "ok"]
        assert file_of(loaded, tmp_path, "again.gonogo") == file_of(fitted, tmp_path)
        for twin in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
            np.testing.assert_array_equal(twin.decision_function(X), fitted.decision_function(X))
            assert twin.history_.history == fitted.history_.history

    def test_whole_numbers_as_labels_survive_the_file_as_texts(self, tmp_path: Path) -> None:
        X, y = rows()
        clf = made(model=ROWS_NET, epochs=20, pass_label=1).fit(X, y)
        loaded = load(clf.save(tmp_path / "m.gonogo"))
        assert loaded.classes_.tolist() == ["0", "1", "2"]
        assert loaded.pass_label == "1"
        assert loaded.score(X, y) == clf.score(X, y) > 0.8
        np.testing.assert_array_equal(evaluate(clf, (X, y)).confusion, evaluate(loaded, (X, y)).confusion)

    def test_the_file_tells_how_it_was_trained(self, tmp_path: Path) -> None:
        X, y = pictures()
        clf = made(
            augment=Augment(rotation=np.float32(10)),
            optimizer={"kind": "sgd", "momentum": np.float32(0.5)},
            class_weight={"ok": 2},
            pass_label="ok",
        ).fit(X, y)
        told = parse_model(file_of(clf, tmp_path)).training
        assert told["seed"] == 7
        assert told["epochs"] == 3
        assert told["augment"] == {"rotation": 10.0}
        assert told["optimizer"] == {"kind": "sgd", "momentum": 0.5}
        assert told["class_weight"] == {"ok": 2.0}
        assert told["pass_label"] == "ok"
        digest = hashlib.sha256(X.tobytes() + (y == "ok").astype("<i8").tobytes()).hexdigest()
        assert told["data_sha256"] == digest

    def test_validation_pictures_are_never_augmented(self) -> None:
        """The figures of a validation in training are those of the plain pictures afterwards."""
        X, y = pictures(31, seed=4)
        wild = Augment(rotation=360, shift=0.5, brightness=(0, 3), noise=80)
        clf = made(augment=wild, epochs=2).fit(*pictures(), validation_data=(X, y))
        truth = (y == "ok").astype(int)
        loss = -np.log(clf.predict_proba(X)[np.arange(31), truth]).mean()
        assert clf.history_.history["val_loss"][-1] == pytest.approx(loss, rel=1e-5)
        assert clf.history_.history["val_accuracy"][-1] == clf.score(X, y)

    def test_augmentation_changes_the_training(self) -> None:
        X, y = pictures()
        plain, changed = made().fit(X, y), made(augment=Augment(rotation=90)).fit(X, y)
        assert (plain.decision_function(X) != changed.decision_function(X)).any()

    def test_class_weights_scale_the_loss_and_balanced_is_scikit_learns(self) -> None:
        X, _ = rows(40)
        y = np.array([0] * 30 + [1] * 10)
        clf = made(model=ROWS_NET, epochs=1)
        told = clf.set_params(class_weight="balanced").fit(X, y).decision_function(X)
        np.testing.assert_array_equal(
            clf.set_params(class_weight={0: 40 / (2 * 30), 1: 2.0}).fit(X, y).decision_function(X), told
        )
        assert (clf.set_params(class_weight=None).fit(X, y).decision_function(X) != told).any()
        # A weight of nothing: the class might as well have other features.
        other = X.copy()
        other[y == 1] = 5
        clf.set_params(class_weight={1: 0.0})
        np.testing.assert_array_equal(clf.fit(X, y).decision_function(X), clf.fit(other, y).decision_function(X))

    def test_a_training_leaves_its_figures(self, fitted: InspectionClassifier) -> None:
        assert fitted.n_iter_ == len(fitted.history_) == 12
        assert fitted.seed_ == 7
        assert fitted.images_per_second_ > 0
        drawn = made(model=ROWS_NET, random_state=None, epochs=1)
        seeds = {drawn.fit(*rows()).seed_ for _ in range(3)}
        assert len(seeds) == 3
        again = made(model=ROWS_NET, random_state=drawn.seed_, epochs=1).fit(*rows())
        np.testing.assert_array_equal(again.decision_function(rows()[0]), drawn.decision_function(rows()[0]))

    def test_a_training_on_a_dataset_does_not_copy_the_pixels(self, run_small: Callable[..., str]) -> None:
        """128 MB of pixels, in a process that may have 40 MB more than before."""
        program = """
import resource, sys
import numpy as np
from gonogo import Dataset, InspectionClassifier, layers
net = [layers.conv(2, 5, stride=5), layers.global_average_pool(), layers.dense("classes")]
small = Dataset.from_arrays(np.zeros((20, 100, 100), np.uint8), np.arange(20) % 2)
clf = InspectionClassifier(net, epochs=1, random_state=1)
clf.fit(small, validation_data=small).predict(small)
pixels = np.random.default_rng(0).integers(0, 255, (12800, 100, 100), dtype=np.uint8)
data = Dataset.from_arrays(pixels, np.arange(12800) % 2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
parts = data.split({"train": 0.5, "validation": 0.5})
clf.fit(parts["train"], validation_data=parts["validation"]).predict(parts["validation"])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
        grown = int(run_small(program))
        if os.environ.get("GONOGO_SANITIZE") != "1":  # sanitizers keep what was released
            assert grown < 40


class TestEndings:
    def test_an_interrupt_leaves_a_usable_estimator(self) -> None:
        weights: list[Any] = []

        class Interrupt(Callback):
            def on_train_batch_end(self, *_: object) -> None:
                if self.model.step.count == 4:
                    weights.append(self.model.get_weights())
                    raise KeyboardInterrupt

        X, y = pictures()
        clf = made()
        with pytest.raises(KeyboardInterrupt):
            clf.fit(X, y, callbacks=[Interrupt()])
        assert (clf.n_iter_, clf.history_.epoch, clf.classes_.tolist()) == (1, [0], ["bad", "ok"])
        predictor = _core.Predictor(_core.parse_model(clf._file.data)["graph"], 16)
        predictor.load(*weights[0])
        np.testing.assert_array_equal(clf.decision_function(X), predictor.logits(X)[:, 0])

    def test_an_interrupt_before_the_first_step_changes_nothing(self, fitted: InspectionClassifier) -> None:
        class Interrupt(Callback):
            def on_train_batch_begin(self, *_: object) -> None:
                raise KeyboardInterrupt

        X, y = pictures()
        new, old = made(), copy.deepcopy(fitted)
        for clf in (new, old):
            with pytest.raises(KeyboardInterrupt):
                clf.fit(X, y, callbacks=[Interrupt()])
        with pytest.raises(ValueError, match="not fitted"):
            new.predict(X)
        np.testing.assert_array_equal(old.predict_proba(X), fitted.predict_proba(X))

    def test_control_c_leaves_a_usable_estimator(self, tmp_path: Path, instruction_set_arguments: list[str]) -> None:
        program = """
import sys
import numpy as np
from gonogo import Callback, InspectionClassifier, _core, layers, load
if len(sys.argv) > 2:
    _core.set_instruction_limit(sys.argv[3])
class Ready(Callback):
    def on_epoch_end(self, epoch, logs):
        if epoch == 1:
            print("ready", flush=True)
X = np.random.default_rng(0).integers(0, 255, (100, 64, 64), dtype=np.uint8)
y = np.arange(100) % 2
net = [layers.conv(16, 3, activation="relu"), layers.conv(16, 3), layers.flatten(), layers.dense("classes")]
clf = InspectionClassifier(net, epochs=100_000, random_state=1, n_threads=2)
try:
    clf.fit(X, y, callbacks=[Ready()])
except KeyboardInterrupt:
    clf.save(sys.argv[1])
    loaded = load(sys.argv[1])
    same = (loaded.decision_function(X[:9]) == clf.decision_function(X[:9])).all()
    print("interrupted", clf.n_iter_ == len(clf.history_) >= 2, same)
"""
        command = [sys.executable, "-c", program, str(tmp_path / "m.gonogo"), *instruction_set_arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            child.send_signal(signal.SIGINT)
            assert child.stdout.read() == "interrupted True True\n"
        assert child.returncode == 0

    def test_a_loss_that_is_no_number_is_told_and_the_estimator_stays_usable(self) -> None:
        X, y = rows()
        clf = made(model=ROWS_NET, optimizer="sgd", learning_rate=1e25, epochs=50)
        with pytest.raises(DivergenceError, match=r"not finite.*lower the learning rate"):
            clf.fit(1000 * X, y)
        # Here too: with the weights before that step, or, where they are no numbers, with those of the earlier model.
        good = made(model=ROWS_NET).fit(X, y)
        before = good.predict_proba(X)
        with pytest.raises(DivergenceError):
            good.set_params(learning_rate=1e29, optimizer="sgd", epochs=50).fit(1000 * X, y)
        assert np.isfinite(good.predict_proba(X)).all()
        assert good.predict_proba(X).shape == before.shape

    def test_an_error_of_a_callback_leaves_a_usable_estimator(self) -> None:
        class Fail(Callback):
            def on_epoch_end(self, *_: object) -> None:
                raise OSError("disk full")

        clf = made()
        with pytest.raises(OSError, match="disk full"):
            clf.fit(*pictures(), callbacks=[Fail()])
        assert clf.predict(pictures()[0]).shape == (48,)

    def test_a_model_that_no_file_can_hold_is_refused_before_the_training(self) -> None:
        seen: list[Trainer] = []

        class Seen(Callback):
            def on_train_begin(self, *_: object) -> None:
                seen.append(self.model)

        names = ["a/b", "ok"]
        with pytest.raises(ValueError, match="class name 'a/b' contains a slash"):
            made().fit(pictures()[0], [names[i % 2] for i in range(48)], callbacks=[Seen()])
        assert not seen


class TestScikitLearn:
    def test_parameters_are_stored_as_given(self) -> None:
        given = {"model": NET, "augment": Augment(), "model_params": {"dropout": 0.1}, "random_state": np.int64(3)}
        clf = InspectionClassifier(**given)  # type: ignore[arg-type]
        assert all(clf.get_params()[name] is value for name, value in given.items())
        twin = clone(clf)
        assert twin is not clf
        assert repr(twin) == repr(clf)

    def test_parameters_reach_into_mappings(self) -> None:
        clf = InspectionClassifier(optimizer="sgd")
        clf.set_params(model_params__dropout=0.3, optimizer__momentum=0.9, class_weight__ok=2, epochs=4)
        assert clf.model_params == {"dropout": 0.3}
        assert clf.optimizer == {"kind": "sgd", "momentum": 0.9}
        assert clf.class_weight == {"ok": 2}
        assert clf.get_params()["model_params__dropout"] == 0.3
        assert "model_params__dropout" not in clf.get_params(deep=False)
        for bad in ("dropout", "model__layers", "epochs__x", "model_params__", "_file"):
            with pytest.raises(ValueError, match=f"'{bad}' is not a parameter; there are: model, input_shape"):
                clf.set_params(**{bad: 1})

    def test_only_what_was_changed_is_shown(self) -> None:
        assert repr(InspectionClassifier()) == "InspectionClassifier()"
        clf = InspectionClassifier([layers.dense("classes")], epochs=3, augment=Augment(rotation=5), random_state=0)
        assert repr(clf) == (
            "InspectionClassifier(model=[dense(units='classes')], augment=Augment(rotation=5), epochs=3, random_state=0)"
        )

    def test_it_can_be_searched_and_validated(self) -> None:
        X, y = rows(90)
        net = made(model="auto", epochs=10)
        search = GridSearchCV(net, {"optimizer__kind": ["adam", "sgd"], "learning_rate": [1e-6, 0.03]}, cv=3)
        search.fit(X, y)
        assert search.best_params_["learning_rate"] == 0.03
        assert search.best_score_ > 0.9
        scores = cross_val_score(make_pipeline(StandardScaler(), net), X, y, cv=3, scoring="balanced_accuracy")
        assert scores.shape == (3,)
        images, names = pictures()
        assert cross_val_score(made(epochs=1), images, names, cv=2).shape == (2,)


@pytest.mark.parametrize(
    ("X", "y", "what"),
    [
        ("part.png", ["a"], "X: found the path 'part.png', expected a list of paths"),
        ([], [], "X: found no picture"),
        (np.zeros((4, 24, 24)), [0, 1, 0, 1], "X: found pictures of float64, expected uint8"),
        (np.zeros((4, 24, 24, 2), np.uint8), [0, 1, 0, 1], r"X: found shape \(4, 24, 24, 2\)"),
        (np.zeros((4, 0, 24), np.uint8), [0, 1, 0, 1], r"X: found shape \(4, 0, 24\)"),
        (np.zeros((2, 2, 2, 2, 2), np.uint8), [0, 1], "X: found an array of uint8"),
        (np.array([["a", "b"], ["c", "d"]]), [0, 1], "X: found an array of <U1"),
        (np.zeros((4, 0)), [0, 1, 0, 1], "X: found an array of float64 of shape"),
        (np.array([[0.0], [np.nan]]), [0, 1], "X: row 1 holds NaN"),
        (np.array([[np.inf], [0]]), [0, 1], "X: row 0 holds NaN, infinity"),
        (np.array([[1e39], [0]]), [0, 1], "X: row 0 .* beyond float32"),
        (np.zeros((4, 3)), None, "y: found no labels"),
        (np.zeros((4, 3)), [0, 1, 0], "y: found 3 labels for 4 samples"),
        (np.zeros((4, 3)), [1, 1, 1, 1], "y: found only 1 class, 1, expected samples of at least two classes"),
        (np.zeros((4, 3)), ["a"] * 4, "y: found only 1 class, 'a'"),
        (np.zeros((0, 3)), [], "y: found no sample"),
        (np.zeros((4, 3)), [0, 1, None, 1], "y: 1 labels are missing, the first is that of sample 2"),
        (np.zeros((4, 3)), [0, np.nan, 1, np.nan], "y: 2 labels are missing, the first is that of sample 1"),
        (np.zeros((4, 3)), [0.5, 1, 2, 3], "y: found an array of float64.*expected one label"),
        (np.zeros((4, 3)), [[0, 1], [1, 0], [0, 1], [1, 0]], "y: found an array of int64 of shape"),
        (np.zeros((4, 3)), [b"a", b"b", b"a", b"b"], r"y: found an array of \|S1"),
        (np.zeros((4, 3)), ["a", 1, object(), "b"], "y: found numbers and others and texts among the labels"),
        (Dataset.from_arrays(*pictures()), ["ok"] * 48, "y: a Dataset brings its own labels"),
        (Dataset.from_arrays(*pictures())[::2], None, "y: found only 1 class, 'bad'"),
        (
            Dataset.from_arrays(pictures()[0], np.arange(48) % 2, ["a", "b", "c"]),
            None,
            "y: found no sample of the class 'c', expected some of each of a, b, c",
        ),
        (["missing.png", "missing.png"], [0, 1], "missing.png"),
    ],
)
def test_bad_data_is_named(X: Any, y: Any, what: str) -> None:
    clf = made(model=ROWS_NET)
    with pytest.raises((ValueError, TypeError), match=what):
        clf.fit(X, y)
    assert not hasattr(clf, "classes_")


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"epochs": -1}, "epochs: found -1"),
        ({"batch_size": 0}, "batch_size: found 0"),
        ({"learning_rate": float("nan")}, "learning_rate: found nan"),
        ({"optimizer": "adamax"}, "optimizer: found 'adamax', expected one of sgd, rmsprop, adam, adamw"),
        ({"optimizer": 5}, "optimizer: found 5"),
        ({"optimizer": {"momentum": 0.9}}, "optimizer: found None"),
        ({"optimizer": {"kind": "sgd", "beta": 1}}, "optimizer: unknown key 'beta'"),
        ({"schedule": "linear"}, "schedule: found 'linear', expected one of constant"),
        ({"schedule": {"kind": "cosine", "end": 1}}, "unknown key 'end'"),
        ({"augment": "casting"}, "augment: found 'casting', expected a gonogo.Augment"),
        ({"class_weight": "equal"}, "class_weight: found 'equal'"),
        ({"class_weight": {"ok": -1}}, "class_weight: 'ok': found -1"),
        ({"class_weight": {"oky": 1}}, "class_weight: the class 'oky' is unknown"),
        ({"class_weight": {"ok": float("nan")}}, "class_weight: 'ok': found nan"),
        ({"class_weight": {"ok": 0, "bad": 0}}, "class_weight: found 0 for each class"),
        ({"model_params": {"dropout": 0.1}}, "model_params: 'custom' has no parameter 'dropout'; it has: none"),
        ({"model": "casting_cnn", "model_params": {"dropout": 2}}, "rate: found 2"),
        ({"model": "castings"}, "model: found 'castings'"),
        ({"pass_label": "good"}, "pass_label: the class 'good' is unknown to the model, which has: bad, ok"),
        ({"random_state": -1}, "random_state: found -1"),
        ({"random_state": "seven"}, "random_state: found 'seven'"),
        ({"random_state": 2**64}, "random_state: found 18446744073709551616"),
        (
            {"random_state": np.random.RandomState(1)},
            "random_state: found a RandomState, expected an integer.*draw a seed",
        ),
        (
            {"random_state": np.random.default_rng(1)},
            "random_state: found a Generator, expected an integer.*draw a seed",
        ),
        ({"learning_rate": 1e30}, "^learning_rate: found 1e[+]30, expected a number above 0 and below 1e30"),
        ({"epochs": 10**30}, "^epochs: found 10{30}, expected an integer from 1 to 2147483647"),
        ({"steps_per_epoch": 10**30}, "^steps_per_epoch: found 10{30}, expected an integer from 1 to"),
        ({"batch_size": 10**30}, "^batch_size: found 10{30}, expected an integer from 1 to"),
        ({"n_threads": 257}, "^n_threads: found 257, expected an integer from 1 to 256"),
        ({"n_threads": 0}, "n_threads: found 0"),
        ({"steps_per_epoch": -3}, "steps_per_epoch: found -3"),
        ({"verbose": "loud"}, "verbose: found 'loud'"),
        ({"input_shape": (24, 24)}, r"input_shape: found \(24, 24\)"),
        ({"input_shape": "24x24"}, "input_shape: found '24x24'"),
    ],
)
def test_bad_parameters_are_named(changed: dict[str, Any], what: str) -> None:
    clf = made(**changed)
    with pytest.raises((ValueError, TypeError), match=what):
        clf.fit(*pictures())
    assert not hasattr(clf, "classes_")


def test_rows_whose_scores_are_no_numbers_from_the_beginning_are_refused() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 50))
    clf = made(model=[layers.dense("classes")], random_state=1)
    with pytest.raises(
        ValueError, match=r"^X: the score of a training sample is not finite before .*; scale the values"
    ):
        clf.fit(rows / np.abs(rows).max() * 3.3e38, np.arange(20) % 2)
    assert not hasattr(clf, "classes_")


def test_no_pictures_are_told_as_such() -> None:
    X, y = pictures()
    clf = made().fit(X, y)
    for empty in ([], ()):
        with pytest.raises(ValueError, match=r"^X: found no picture"):
            clf.predict(empty)
        with pytest.raises(ValueError, match=r"^X: found no picture"):
            clf.fit(empty, [])


X24, Y24 = pictures(8)


@pytest.mark.parametrize(
    ("validation", "what"),
    [
        (X24, "validation_data: found a ndarray, expected a Dataset or a pair"),
        ((X24, Y24, Y24), "validation_data: found a tuple"),
        ((X24, Y24[:3]), "validation_data: found 3 labels for 8 samples"),
        ((X24, ["ok"] * 7 + ["new"]), "validation_data: the class 'new' is unknown to the model"),
        ((X24[:, :20], Y24), "validation_data: found pictures of 20x24x1, expected pictures of 24x24x1"),
        ((X24[:0], Y24[:0]), "validation_data: found no sample"),
        ((X24.astype(float), Y24), "validation_data: found pictures of float64"),
        ((np.zeros((8, 3)), Y24), "validation_data: found rows of 3 values"),
        ((X24, [None] * 8), "validation_data: 8 labels are missing"),
        (Dataset.from_arrays(X24.repeat(3, axis=3), Y24), "validation_data: found pictures of 24x24x3"),
        (Dataset.from_arrays(X24, Y24)[[]], "validation_data: found no sample"),
    ],
)
def test_bad_validation_data_is_named(validation: Any, what: str) -> None:
    with pytest.raises((ValueError, TypeError), match=what):
        made().fit(X24, Y24, validation_data=validation)


def test_rows_are_not_augmented_and_callbacks_are_a_list() -> None:
    with pytest.raises(ValueError, match="augment: rows of features cannot be augmented"):
        made(model=ROWS_NET, augment=Augment()).fit(*rows())
    for bad in (Callback(), [3], [Callback], 5):
        with pytest.raises(TypeError, match=r"callbacks: found .*expected a list of gonogo callbacks"):
            made().fit(X24, Y24, callbacks=bad)  # type: ignore[arg-type]


def test_callbacks_may_come_from_an_iterator() -> None:
    class EndAtOnce(Callback):
        def on_epoch_end(self, *_: object) -> None:
            self.model.stop_training = True

    assert made(model=ROWS_NET, epochs=3).fit(*rows(), callbacks=(c for c in [EndAtOnce()])).n_iter_ == 1
    assert made(model=ROWS_NET, epochs=3).fit(*rows(), callbacks=None).n_iter_ == 3


@pytest.mark.parametrize(
    ("X", "what"),
    [
        (X24[:, :20], "X: found pictures of 20x24x1, expected pictures of 24x24x1"),
        (X24[0, :, :, 0], "X: found rows of 24 features, expected pictures of 24x24x1"),
        (np.zeros((3, 7)), "X: found rows of 7 features, expected pictures"),
        (X24.astype(np.float32), "X: found pictures of float32, expected uint8"),
        (Dataset.from_arrays(X24[:, 1:], Y24), "X: found pictures of 23x24x1"),
        ("part.png", "X: found the path 'part.png', expected a list"),
    ],
)
def test_what_cannot_be_predicted_is_named(fitted: InspectionClassifier, X: Any, what: str) -> None:
    with pytest.raises((ValueError, TypeError), match=what):
        fitted.predict(X)


def test_a_row_without_finite_scores_has_no_class() -> None:
    X, y = rows()
    clf = InspectionClassifier(ROWS_NET, epochs=1, random_state=0, verbose=False).fit(X, y)
    far = np.vstack([X[:1], np.where(np.arange(X.shape[1]) % 2, 3e38, -3e38)[None]])
    assert np.isnan(clf.predict_proba(far)[1]).any()
    for use in (clf.predict, lambda given: clf.score(given, y[:2])):
        with pytest.raises(ValueError, match="X: the probabilities of sample 1 are NaN"):
            use(far)


def test_scores_need_labels_that_the_model_knows(fitted: InspectionClassifier) -> None:
    with pytest.raises(ValueError, match="y: found no labels"):
        fitted.score(X24)
    with pytest.raises(ValueError, match="y: the class 'OK' is unknown to the model, which has: bad, ok"):
        fitted.score(X24, ["OK"] * 8)
    with pytest.raises(ValueError, match="y: found 3 labels for 8 samples"):
        fitted.score(X24, ["ok"] * 3)


@pytest.mark.parametrize("use", ["predict", "predict_proba", "decision_function", "score", "save"])
def test_an_estimator_that_is_not_fitted_says_so(use: str) -> None:
    arguments = (X24, Y24) if use == "score" else (X24,)
    with pytest.raises(ValueError, match="InspectionClassifier is not fitted yet; call fit"):
        getattr(made(), use)(*arguments)


def test_an_input_shape_that_contradicts_the_dataset_is_refused() -> None:
    data = Dataset.from_arrays(np.zeros((4, 6, 8), np.uint8), [0, 0, 1, 1])
    with pytest.raises(ValueError, match=r"input_shape: found \(8, 6, 1\), but the pictures of the Dataset are 6x8x1"):
        InspectionClassifier(input_shape=(8, 6, 1), epochs=1).fit(data)
