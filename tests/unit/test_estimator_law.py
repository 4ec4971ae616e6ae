"""scikit-learn's law for estimators, and its tools at work on pictures and rows."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import sys
import warnings
from pathlib import Path
from typing import Any
from unittest import SkipTest

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedGroupKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

from gonogo import Dataset, InspectionClassifier, evaluate, layers, load

pytestmark = pytest.mark.any_engine

NET = [
    layers.conv(4, 3, stride=2, activation="relu"),
    layers.flatten(),
    layers.dropout("dropout"),
    layers.dense("classes"),
]
NET_FILE = """
[parameters]
dropout = 0.1
units = 8

[[layers]]
type = "dense"
units = "units"
activation = "relu"

[[layers]]
type = "dropout"
rate = "dropout"

[[layers]]
type = "dense"
units = "classes"
"""
ROWS_NET = [layers.dense(4, activation="relu"), layers.dense("classes")]
# Checks that scikit-learn itself leaves out, and why. No check is expected to fail.
LEFT_OUT = {"check_array_api_input": "SCIPY_ARRAY_API is not set"}  # arrays of other libraries are not promised


def rows(n: int = 60, classes: int = 2, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    labels = np.arange(n) % classes
    return np.random.default_rng(seed).normal(size=(n, 5)) + 4 * np.eye(5)[labels], labels


def pictures(n: int = 60) -> tuple[NDArray[np.uint8], NDArray[np.str_], NDArray[np.intp]]:
    """Noise with a bright square in the good ones, two pictures of each part."""
    images = np.random.default_rng(0).integers(0, 120, (n, 12, 12, 1), dtype=np.uint8)
    parts = np.arange(n) // 2
    good = parts % 2 == 1
    images[good, 4:8, 4:8] += 130
    return images, np.where(good, "ok", "bad"), parts


def made(**changed: Any) -> InspectionClassifier:
    chosen: dict[str, Any] = {"model": ROWS_NET, "epochs": 8, "batch_size": 16, "learning_rate": 0.05}
    return InspectionClassifier(**{**chosen, "random_state": 7, "verbose": False, "n_threads": 1, **changed})


PICTURE_NET = [layers.conv(4, 3, stride=2, activation="relu"), layers.flatten(), layers.dense("classes")]


@pytest.fixture
def net_file(tmp_path: Path) -> Path:
    path = tmp_path / "net.toml"
    path.write_text(NET_FILE)
    return path


with warnings.catch_warnings():
    # It does not inherit from BaseEstimator, so that it needs no scikit-learn.
    warnings.filterwarnings("ignore", "Estimator InspectionClassifier does not inherit")
    every_check = parametrize_with_checks([made(model="auto", epochs=20)])


@every_check
def test_scikit_learn_finds_nothing_against(estimator: InspectionClassifier, check: Any) -> None:
    try:
        check(estimator)
    except SkipTest as left_out:
        assert LEFT_OUT[check.func.__name__] in str(left_out)


class TestFitted:
    def test_what_only_a_training_gives_is_no_attribute_before(self) -> None:
        clf = made()
        for name in ("n_features_in_", "feature_names_in_", "parameter_count_", "classes_"):
            assert not hasattr(clf, name)
        with pytest.raises(NotFittedError, match="InspectionClassifier is not fitted yet; call fit"):
            clf.predict(rows()[0])
        with pytest.raises(NotFittedError):
            check_is_fitted(clf)
        check_is_fitted(clf.fit(*rows()))
        assert clf.n_features_in_ == 5

    def test_without_scikit_learn_the_errors_are_the_same_to_a_caller(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "sklearn.exceptions", None)
        with pytest.raises(ValueError, match="not fitted yet") as raised:
            made().predict(rows()[0])
        assert isinstance(raised.value, AttributeError)
        assert not isinstance(raised.value, NotFittedError)
        X, y = rows()
        with pytest.warns(UserWarning, match="A column-vector y was passed"):
            made(epochs=1).fit(X, y[:, None])

    def test_the_constructor_stores_its_parameters_and_nothing_else(self) -> None:
        clf = InspectionClassifier()
        assert vars(clf) == clf.get_params(deep=False)
        given = {"model": ROWS_NET, "model_params": {}, "class_weight": {0: 1.0}, "optimizer": {"kind": "sgd"}}
        for name, value in InspectionClassifier(**given).get_params(deep=False).items():
            assert value is given.get(name, inspect.signature(InspectionClassifier).parameters[name].default)

    def test_pictures_count_their_values(self) -> None:
        images, y, _ = pictures()
        assert made(model=PICTURE_NET, epochs=1).fit(images, y).n_features_in_ == 144

    def test_fit_takes_a_column_of_labels_with_a_warning_that_points_at_the_call(self) -> None:
        X, y = rows()
        with pytest.warns(DataConversionWarning, match="A column-vector y was passed when a 1d array") as caught:
            column = made().fit(X, y[:, None])
        assert caught[0].filename == __file__
        np.testing.assert_array_equal(column.predict(X), made().fit(X, y).predict(X))


class TestNamesOfColumns:
    X, y = rows()
    table = pd.DataFrame(X, columns=list("abcde"))

    def test_they_are_kept_in_the_estimator_its_pickle_and_its_file(self, tmp_path: Path) -> None:
        clf = made().fit(self.table, self.y)
        again, loaded = pickle.loads(pickle.dumps(clf)), load(clf.save(tmp_path / "m.gonogo"))
        for one in (clf, again, loaded):
            assert one.feature_names_in_.tolist() == list("abcde")
            assert one.feature_names_in_.dtype == object
            np.testing.assert_array_equal(one.decision_function(self.table), clf.decision_function(self.table))
        assert not hasattr(made().fit(self.X, self.y), "feature_names_in_")

    @pytest.mark.parametrize(
        ("names", "message"),
        [("bacde", "found 'b' as column 0, expected 'a'"), ("abcdx", "found 'x' as column 4, expected 'e'")],
    )
    def test_other_names_and_another_order_are_refused(self, names: str, message: str) -> None:
        clf = made().fit(self.table, self.y)
        other = pd.DataFrame(self.X, columns=list(names))
        with pytest.raises(ValueError, match=f"X: The feature names should match .*{message}"):
            clf.predict(other)
        with pytest.raises(ValueError, match=f"validation_data: The feature names should match .*{message}"):
            clf.fit(self.table, self.y, validation_data=(other, self.y))

    def test_names_on_one_side_alone_are_a_warning(self) -> None:
        named, unnamed = made().fit(self.table, self.y), made().fit(self.X, self.y)
        with pytest.warns(UserWarning, match="X does not have valid feature names, but InspectionClassifier was"):
            named.predict(self.X)
        with pytest.warns(UserWarning, match="X has feature names, but InspectionClassifier was fitted without"):
            unnamed.predict(self.table)
        with pytest.raises(TypeError, match="X: found columns of which only some have a text as their name"):
            made().fit(pd.DataFrame(self.X, columns=["a", 1, 2, 3, 4]), self.y)


class TestCopies:
    LABELS = (np.array([3, 1]), np.array([False, True]), np.array(["no", "yes"]), np.array([0.0, 2.0], np.float32))

    @pytest.mark.parametrize("labels", LABELS, ids=lambda labels: str(labels.dtype))
    def test_nothing_is_lost(self, labels: NDArray[Any]) -> None:
        X, y = rows()
        clf = made(class_weight={labels[0].item(): 2.0}).fit(X, labels[y], validation_data=(X, labels[y]))
        stored = io.BytesIO()
        joblib.dump(clf, stored)
        stored.seek(0)
        copies = [copy.copy(clf), copy.deepcopy(clf), joblib.load(stored)]
        copies += [pickle.loads(pickle.dumps(clf, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
        for one in copies:
            assert repr(one) == repr(clf)
            assert one.classes_.dtype == clf.classes_.dtype == labels.dtype
            np.testing.assert_array_equal(one.classes_, clf.classes_)
            assert one.history_.history == clf.history_.history
            assert one.history_.epoch == clf.history_.epoch
            assert (one.n_iter_, one.seed_, one.images_per_second_) == (8, 7, clf.images_per_second_)
            assert one.predict(X).dtype == labels.dtype
            np.testing.assert_array_equal(one.decision_function(X), clf.decision_function(X))
            assert one._file.data == clf._file.data

    def test_a_copy_lives_on_its_own(self) -> None:
        X, y = rows()
        clf = made().fit(X, y)
        before = clf.decision_function(X)
        copy.deepcopy(clf).set_params(random_state=8).fit(X, 1 - y)
        np.testing.assert_array_equal(clf.decision_function(X), before)

    def test_a_clone_is_untrained_and_equal(self) -> None:
        clf = made(model_params={"dropout": 0.5}, optimizer={"kind": "sgd", "momentum": 0.5}).set_params(model=NET)
        other = clone(clf)
        assert repr(other) == repr(clf)
        assert not hasattr(other, "classes_")
        other.set_params(model_params__dropout=0.1, optimizer__momentum=0.1)
        assert clf.model_params == {"dropout": 0.5}
        assert clf.optimizer == {"kind": "sgd", "momentum": 0.5}


class TestParameters:
    def test_the_order_of_parameters_does_not_matter(self) -> None:
        for order in (1, -1):
            parameters = [("optimizer__momentum", 0.9), ("optimizer", "sgd")][::order]
            assert made().set_params(**dict(parameters)).optimizer == {"kind": "sgd", "momentum": 0.9}

    def test_a_refused_parameter_leaves_all_as_they_were(self) -> None:
        clf = made()
        for wrong in ("depth", "model_params__", "model__depth", "__class__"):
            with pytest.raises(ValueError, match="is not a parameter; there are: model, input_shape"):
                clf.set_params(**{"epochs": 99, wrong: 3})
        with pytest.raises(ValueError, match="class_weight__a: found class_weight='balanced', expected a dict"):
            clf.set_params(epochs=99, class_weight="balanced", class_weight__a=2)
        assert (clf.epochs, clf.class_weight) == (8, None)

    def test_entries_whose_names_are_numbers_are_reached(self) -> None:
        clf = made(class_weight={0: 1.0, 1: 2.0})
        assert clf.get_params()["class_weight__1"] == 2.0
        assert clf.set_params(class_weight__1=3.0).class_weight == {0: 1.0, 1: 3.0}


class TestTools:
    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_a_grid_over_rates_and_parameters_of_the_model(self, net_file: Path, tmp_path: Path, n_jobs: int) -> None:
        X, y = rows()
        grid = [
            {"learning_rate": [1e-6, 0.05], "model_params__dropout": [0.0, 0.3]},
            {"model_params": [{"units": 2}, {"units": 3, "dropout": 0.2}]},
        ]
        search = GridSearchCV(made(model=str(net_file), epochs=4), grid, cv=3, n_jobs=n_jobs).fit(X, y)
        results = search.cv_results_
        assert len(results["params"]) == 6
        assert np.isfinite(results["mean_test_score"]).all()
        assert max(results["mean_test_score"][2:4]) > max(results["mean_test_score"][:2])
        assert search.best_score_ > 0.9
        best = load(search.best_estimator_.save(tmp_path / "best.gonogo"))
        np.testing.assert_array_equal(best.decision_function(X), search.decision_function(X))

    def test_jobs_do_not_change_the_result(self) -> None:
        X, y = rows()
        alone, together = (cross_val_score(made(n_threads=None), X, y, cv=3, n_jobs=jobs) for jobs in (1, 2))
        np.testing.assert_array_equal(alone, together)

    def test_a_parameter_that_the_model_lacks_stops_the_search(self, net_file: Path) -> None:
        X, y = rows()
        search = GridSearchCV(made(model=net_file), {"model_params__droput": [0.1]}, cv=3, error_score="raise")
        with pytest.raises(ValueError, match="no parameter 'droput'; it has: dropout, units"):
            search.fit(X, y)

    def test_parts_stay_together_when_pictures_are_cross_validated(self) -> None:
        images, y, parts = pictures()
        dataset = Dataset.from_arrays(images, y, groups=parts)
        folds = StratifiedGroupKFold(3)
        clf = made(model=PICTURE_NET)
        scores = cross_val_score(clf, images, y, groups=parts, cv=folds)
        assert scores.min() > 0.9
        # The same of a Dataset: its arrays, which scikit-learn can cut.
        of_dataset = cross_val_score(clf, dataset.images, dataset.labels, groups=dataset.groups, cv=folds)
        np.testing.assert_array_equal(of_dataset, scores)
        for train, test in folds.split(images, y, parts):
            assert clf.fit(dataset[train]).score(dataset[test]) > 0.9
            assert evaluate(clf, dataset[test]).accuracy.value > 0.9

    def test_a_dataset_that_was_taken_apart_says_what_to_pass(self) -> None:
        images, y, parts = pictures()
        dataset = Dataset.from_arrays(images, y, groups=parts)
        with pytest.raises(
            TypeError, match=r"pairs \(picture, label\).*pass dataset.images as X and dataset.labels as y"
        ):
            cross_val_score(made(model=PICTURE_NET), dataset, dataset.labels, cv=3, error_score="raise")

    def test_it_works_behind_a_scaler_and_in_front_of_a_calibration(self) -> None:
        X, y = rows()
        pipeline = make_pipeline(StandardScaler(), made())
        assert pipeline.fit(X, y).score(X, y) > 0.9
        scores = cross_val_predict(pipeline, X, y, cv=3, method="decision_function")
        assert scores.shape == (60,)
        assert ((scores > 0) == y).mean() > 0.9
        table = make_pipeline(StandardScaler().set_output(transform="pandas"), made()).fit(pd.DataFrame(X), y)
        assert table.score(pd.DataFrame(X), y) > 0.9
        calibrated = CalibratedClassifierCV(made(), cv=3).fit(X, np.where(y, "ok", "bad"))
        assert calibrated.score(X, np.where(y, "ok", "bad")) > 0.9
        X3, y3 = rows(90, 3)
        assert cross_val_predict(made(), X3, y3, cv=3, method="predict_proba").shape == (90, 3)
        assert cross_val_score(made(), X3, y3, cv=3, scoring="roc_auc_ovr").min() > 0.9

    def test_none_of_it_warns(self) -> None:
        X, y = rows()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            cross_val_score(made(), pd.DataFrame(X, columns=list("abcde")), pd.Series(y, dtype="category"), cv=3)
