"""The estimator: pictures and labels in, a trained and saved inspection model out."""

from __future__ import annotations

import hashlib
import inspect
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gonogo import _core, layers, training
from gonogo.augment import Augment
from gonogo.callbacks import Callback
from gonogo.data import Dataset
from gonogo.model_file import GOLDEN_PICTURES, model_bytes, parse_model, read_model
from gonogo.network import ModelSpec, load_spec
from gonogo.pictures import read_pictures
from gonogo.progress import TrainingProgress, Verbose, wants_progress
from gonogo.storage import write_atomically
from gonogo.training import History, Labelled, Samples, Settings, Trainer, Weights

_CHUNK = 1024  # pictures gathered at a time for a prediction
_ROWS_MODEL = ModelSpec("rows", (layers.dense(64, activation="relu"), layers.dense("classes")), {}, "glorot_uniform")


class InspectionClassifier:
    """Train a net on pictures of parts, with scikit-learn's manners.

    Parameters
    ----------
    model : str, Path or list of layers
        Name of a model that comes with the package, a TOML file, or layers made by :mod:`gonogo.layers`. ``"auto"``:
        ``casting_cnn`` for pictures; for rows of features one hidden dense layer of 64 ReLU.
    input_shape : (height, width, channels), optional
        For 2-D X that holds pictures as rows of pixels.
    augment : Augment, optional
        Random changes of training pictures. Validation and prediction never change a picture.
    epochs, batch_size : int
        Passes over the data, and pictures per step.
    optimizer : str or dict
        ``"sgd"``, ``"rmsprop"``, ``"adam"``, ``"adamw"``, or a dict with ``kind`` and its settings (``momentum``,
        ``nesterov``, ``rho``, ``beta_1``, ``beta_2``, ``epsilon``, ``weight_decay``, ``clip_norm``, ``clip_value``).
    learning_rate : float
        The peak of the schedule.
    schedule : str or dict
        ``"constant"``, ``"step"``, ``"cosine"``, ``"one_cycle"``, or a dict with ``kind`` and its settings
        (``warmup_steps``, ``gamma``, ``step_size``, ``final_fraction``, ``start_fraction``, ``rise_fraction``).
    class_weight : "balanced" or dict of class -> weight, optional
        Weights of the classes in the loss, which is divided by the number of pictures, as Keras does.
    model_params : dict, optional
        Parameters of the model, such as ``{"dropout": 0.3}``.
    steps_per_epoch : int, optional
        Steps of an epoch; None: as many as see each picture once.
    pass_label : str, optional
        The class that means PASS, kept in the model file; reports then give escape and overkill.
    n_threads : int, optional
        None: one for each processor. The results do not depend on it.
    random_state : int, optional
        Seed of initial weights, order, augmentation and dropout; None draws one (``seed_``).
    verbose : "auto", bool
        Progress bar; ``"auto"``: in a terminal or a notebook.

    Attributes
    ----------
    classes_ : array
        Labels in the order of the outputs.
    history_ : History
        Figures of each epoch.
    n_iter_ : int
        Epochs trained.
    seed_ : int
        The seed that was used.

    Examples
    --------
    >>> clf = InspectionClassifier(epochs=5, random_state=7)             # doctest: +SKIP
    >>> clf.fit(parts["train"], validation_data=parts["validation"])     # doctest: +SKIP
    >>> clf.predict(["part.png"])                                        # doctest: +SKIP
    """

    def __init__(
        self,
        model: str | Path | Sequence[layers.Layer] = "auto",
        *,
        input_shape: tuple[int, int, int] | None = None,
        augment: Augment | None = None,
        epochs: int = 25,
        batch_size: int = 64,
        optimizer: str | Mapping[str, Any] = "adam",
        learning_rate: float = 1e-3,
        schedule: str | Mapping[str, Any] = "constant",
        class_weight: str | Mapping[Any, float] | None = None,
        model_params: Mapping[str, Any] | None = None,
        steps_per_epoch: int | None = None,
        pass_label: str | None = None,
        n_threads: int | None = None,
        random_state: int | None = None,
        verbose: Verbose = "auto",
    ) -> None:
        self.model = model
        self.input_shape = input_shape
        self.augment = augment
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.class_weight = class_weight
        self.model_params = model_params
        self.steps_per_epoch = steps_per_epoch
        self.pass_label = pass_label
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose

    @classmethod
    def _parameter_names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn's signature
        """Return the parameters as they were given."""
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name; ``model_params__dropout=0.3`` reaches into a mapping."""
        for name, value in parameters.items():
            outer, _, inner = name.partition("__")
            if outer not in self._parameter_names() or (inner and not isinstance(getattr(self, outer), (Mapping, type(None)))):
                raise ValueError(f"{name!r} is not a parameter; there are: {', '.join(self._parameter_names())}")
            setattr(self, outer, {**(getattr(self, outer) or {}), inner: value} if inner else value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = {k: v for k, v in self.get_params().items() if v is not defaults[k].default and v != defaults[k].default}
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in changed.items())})"

    def fit(
        self,
        X: Any,
        y: Any = None,
        validation_data: Any = None,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Train from new initial weights.

        Parameters
        ----------
        X : Dataset, uint8 array (n, h, w[, c]), list of paths, or array (n, features)
            Pictures or rows.
        y : array-like, optional
            Labels; not with a Dataset, which brings its own.
        validation_data : Dataset or (X, y), optional
            Scored after each epoch, never augmented.
        callbacks : sequence of Callback
            Hooks.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            Naming the parameter, what was found and what was expected.
        KeyboardInterrupt
            After Ctrl-C; the weights of the last finished step (with ``restore_best_weights``: of the best epoch) are
            kept and the estimator is usable.
        """
        seed = self._checked_seed()
        samples, index, labels, classes = self._training_data(X, y)
        data = Labelled(samples, self._targets(len(samples), index, labels, len(classes)), index)
        validation = self._validation(validation_data, classes, samples.shape[1:])
        settings = Settings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            optimizer=_named("optimizer", self.optimizer, training.OPTIMIZERS),
            schedule=_named("schedule", self.schedule, training.SCHEDULES),
            seed=seed,
            augment=self._augment_mapping(samples),
            steps_per_epoch=self.steps_per_epoch,
            threads=self.n_threads or 0,
        )
        settings.check(len(data))
        if self.pass_label is not None and self.pass_label not in classes.tolist():
            raise ValueError(f"pass_label: {self.pass_label!r} is not a class; there are: {', '.join(map(str, classes))}")
        spec = self._spec(samples).with_parameters(self.model_params)
        shape = (samples.shape[3], *samples.shape[1:3]) if samples.ndim == 4 else (samples.shape[1], 1, 1)
        graph = spec.build(shape, len(classes))
        description = self._description(X, spec, settings, data, labels)
        golden = _golden(samples, index, labels)

        def serialise(weights: Weights) -> bytes:
            done = {**description, "epochs": len(trainer.history)}
            return model_bytes(
                graph,
                weights,
                classes=[str(name) for name in classes],
                preprocess=self._preprocess(X, samples),
                training=done,
                golden=golden,
            )

        trainer = training.start(graph, data, settings, graph.initialise(spec.initialiser, seed), serialise)
        progress = TrainingProgress() if wants_progress(self.verbose) else None
        weights = self._class_weights(labels, classes, index, len(samples))
        try:
            training.run(trainer, data, validation, weights, callbacks, progress)
        finally:
            if trainer.step.count > 0:
                self._finish(trainer, classes, seed)
        return self

    def _finish(self, trainer: Trainer, classes: NDArray[Any], seed: int) -> None:
        self._load(trainer.model_bytes())
        self.classes_ = classes
        self.history_: History = trainer.history
        self.n_iter_ = len(trainer.history)
        self.seed_ = seed
        self.images_per_second_ = trainer.images / trainer.image_seconds if trainer.image_seconds > 0 else 0.0

    def _load(self, data: bytes) -> None:
        self._file = parse_model(data, threads=self.n_threads or 0)
        self.classes_ = np.array(self._file.classes)

    def _checked_seed(self) -> int:
        if self.random_state is None:
            return secrets.randbits(32)
        if isinstance(self.random_state, (int, np.integer)) and 0 <= self.random_state < 2**64:
            return int(self.random_state)
        raise ValueError(f"random_state: found {self.random_state!r}, expected an integer of 0 or more, or None")

    def _spec(self, samples: Samples) -> ModelSpec:
        if isinstance(self.model, str) and self.model == "auto":
            return load_spec("casting_cnn") if samples.ndim == 4 else _ROWS_MODEL
        return load_spec(self.model)

    def _augment_mapping(self, samples: Samples) -> dict[str, Any] | None:
        if self.augment is None:
            return None
        if not isinstance(self.augment, Augment):
            raise TypeError(f"augment: found {self.augment!r}, expected a gonogo.Augment")
        if samples.ndim != 4:
            raise ValueError("augment: rows of features cannot be augmented; leave augment out")
        return self.augment.core_mapping()

    def _training_data(
        self, X: Any, y: Any
    ) -> tuple[Samples, NDArray[np.uint32], NDArray[np.intp], NDArray[Any]]:
        if isinstance(X, Dataset):
            if y is not None:
                raise ValueError("y: a Dataset brings its own labels; leave y out")
            names = np.array(X.classes)
            samples, index, labels = X.pixels, X.index, X.labels
        else:
            if y is None:
                raise ValueError("y: found no labels; pass y, or a Dataset as X")
            samples = self._samples(X)
            names, labels = np.unique(np.asarray(y), return_inverse=True)
            if np.asarray(y).shape != (len(samples),):
                raise ValueError(f"y: found shape {np.asarray(y).shape}, expected ({len(samples)},), one label for each sample")
            index = np.arange(len(samples), dtype=np.uint32)
        present = np.unique(labels)
        if len(present) < 2:
            found = names[present[0]] if len(present) else "nothing"
            raise ValueError(f"y: found only the class {found!r}, expected pictures of at least two classes")
        if len(present) < len(names):
            missing = next(name for i, name in enumerate(names) if i not in present)
            raise ValueError(f"y: the class {missing!r} has no picture here, expected at least one of each class")
        return samples, index, labels, names

    def _samples(self, X: Any) -> Samples:
        """Arrays as the core takes them, pictures from paths."""
        if isinstance(X, (str, Path)):
            raise TypeError(f"X: found the path {str(X)!r}, expected a list of paths, an array or a Dataset")
        if isinstance(X, Sequence) and len(X) > 0 and all(isinstance(item, (str, Path)) for item in X):
            file = getattr(self, "_file", None)
            if file is None:
                return read_pictures(X).images
            channels, height, width = file.core.input_shape
            color: Any = "grayscale" if channels == 1 else "rgb"
            mode = file.preprocess["resize_mode"]
            return read_pictures(X, image_size=(height, width), color_mode=color, resize_mode=mode).images
        array = np.asarray(X)
        if array.ndim == 2 and self.input_shape is not None:
            array = array.reshape(len(array), *self.input_shape)
        if array.ndim in (3, 4):
            if array.dtype != np.uint8:
                raise TypeError(f"X: found pictures of {array.dtype}, expected uint8 (grey levels 0 to 255)")
            return np.ascontiguousarray(array if array.ndim == 4 else array[..., None])
        if array.ndim != 2 or array.dtype.kind not in "fiub":
            found = f"an array of {array.dtype} with {array.ndim} dimensions"
            raise ValueError(f"X: found {found}, expected pictures (n, h, w[, c]) of uint8 or rows (n, features) of numbers")
        rows = np.ascontiguousarray(array, dtype=np.float32)
        if not np.isfinite(rows).all():
            raise ValueError("X: found NaN or infinity, expected finite numbers")
        return rows

    def _validation(self, validation_data: Any, classes: NDArray[Any], shape: tuple[int, ...]) -> Labelled | None:
        if validation_data is None:
            return None
        if isinstance(validation_data, Dataset):
            samples: Samples = validation_data.pixels
            index = validation_data.index
            given = np.array(validation_data.classes)[validation_data.labels]
        else:
            if not isinstance(validation_data, tuple) or len(validation_data) != 2:
                raise TypeError("validation_data: expected a Dataset or a pair (X, y)")
            samples = self._samples(validation_data[0])
            index = np.arange(len(samples), dtype=np.uint32)
            given = np.asarray(validation_data[1])
        if samples.shape[1:] != shape:
            raise ValueError(f"validation_data: found samples of shape {samples.shape[1:]}, expected {shape} as in training")
        if len(index) == 0 or given.shape != (len(index),):
            raise ValueError(f"validation_data: found {len(given)} labels for {len(index)} samples, expected one for each")
        positions = {name: i for i, name in enumerate(classes.tolist())}
        if unknown := [name for name in given.tolist() if name not in positions]:
            raise ValueError(f"validation_data: the class {unknown[0]!r} does not occur in training")
        labels = np.array([positions[name] for name in given.tolist()], np.intp)
        return Labelled(samples, self._targets(len(samples), index, labels, len(classes)), index)

    @staticmethod
    def _targets(
        count: int, index: NDArray[np.uint32], labels: NDArray[np.intp], classes: int
    ) -> NDArray[np.float32]:
        given = training.one_hot(labels, classes)
        targets = np.zeros((count, given.shape[1]), np.float32)
        targets[index] = given
        return targets

    def _class_weights(
        self, labels: NDArray[np.intp], classes: NDArray[Any], index: NDArray[np.uint32], count: int
    ) -> NDArray[np.float32] | None:
        if self.class_weight is None:
            return None
        counts = np.bincount(labels, minlength=len(classes))
        if isinstance(self.class_weight, str):
            if self.class_weight != "balanced":
                raise ValueError(f"class_weight: found {self.class_weight!r}, expected 'balanced', a dict or None")
            per_class = len(labels) / (len(classes) * counts)
        else:
            names = classes.tolist()
            if unknown := [name for name in self.class_weight if name not in names]:
                raise ValueError(f"class_weight: {unknown[0]!r} is not a class; there are: {', '.join(map(str, names))}")
            per_class = np.array([float(self.class_weight.get(name, 1.0)) for name in names])
            if not (np.isfinite(per_class).all() and (per_class >= 0).all()):
                raise ValueError("class_weight: expected finite numbers of 0 or more")
        weights = np.zeros(count, np.float32)
        weights[index] = per_class[labels]
        return weights

    def _preprocess(self, X: Any, samples: Samples) -> dict[str, Any]:
        if samples.ndim == 2:
            return {}
        mode = X.resize_mode if isinstance(X, Dataset) else "pad"
        return {"color_mode": "grayscale" if samples.shape[3] == 1 else "rgb", "resize_mode": mode}

    def _description(
        self, X: Any, spec: ModelSpec, settings: Settings, data: Labelled, labels: NDArray[np.intp]
    ) -> dict[str, Any]:
        """Return how the model is trained; no date, speed or thread count, so that equal trainings give equal files."""
        digest = hashlib.sha256()
        for first in range(0, len(data), _CHUNK):
            digest.update(np.ascontiguousarray(data.samples[data.index[first : first + _CHUNK]]).tobytes())
        digest.update(labels.astype("<i8").tobytes())
        return {
            "model": spec.name,
            "model_params": dict(spec.parameters),
            "images": len(data),
            "batch_size": int(settings.batch_size),
            "optimizer": dict(settings.optimizer),
            "learning_rate": float(settings.learning_rate),
            "schedule": dict(settings.schedule),
            "augment": self.augment.to_dict() if self.augment is not None else {},
            "class_weight": self.class_weight if isinstance(self.class_weight, str) else _texts(self.class_weight),
            "pass_label": None if self.pass_label is None else str(self.pass_label),
            "seed": settings.seed,
            "data_sha256": digest.hexdigest(),
            "source": "folder" if isinstance(X, Dataset) and X.paths is not None else "arrays",
        }

    def _fitted(self) -> None:
        if not hasattr(self, "_file"):
            raise ValueError(f"this {type(self).__name__} is not fitted yet; call fit or gonogo.load first")

    def _logits(self, X: Any) -> NDArray[np.float32]:
        self._fitted()
        core = self._file.core
        if isinstance(X, Dataset):
            chunks = [X.index[first : first + _CHUNK] for first in range(0, len(X), _CHUNK)]
            parts = [core.logits(np.ascontiguousarray(X.pixels[chunk])) for chunk in chunks]
            return np.concatenate(parts) if parts else np.zeros((0, core.outputs), np.float32)
        return core.logits(self._samples(X))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return scores: for two classes the logit of ``classes_[1]``, shape (n,); otherwise one logit per class, (n, K)."""
        logits = self._logits(X).astype(np.float64)
        return logits[:, 0] if logits.shape[1] == 1 else logits

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (n, number of classes), columns in the order of ``classes_``."""
        return _core.probabilities(self._logits(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each sample, shape (n,)."""
        logits = self._logits(X)
        best = (logits[:, 0] > 0).astype(np.intp) if logits.shape[1] == 1 else logits.argmax(axis=1)
        return self.classes_[best]

    def score(self, X: Any, y: Any = None) -> float:
        """Return the share of samples whose predicted class is the given one; a Dataset brings its own labels."""
        truth = np.array(X.classes)[X.labels] if isinstance(X, Dataset) else np.asarray(y)
        return float(np.mean(self.predict(X) == truth))

    @property
    def parameter_count_(self) -> int:
        """Trainable values of the net."""
        self._fitted()
        return self._file.core.parameter_count

    def save(self, path: str | Path) -> Path:
        """Write the model to one file (``*.gonogo``), whole or not at all."""
        self._fitted()
        return write_atomically(path, self._file.data)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if (file := state.pop("_file", None)) is not None:
            state["_file_bytes"] = file.data
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        data, classes = state.pop("_file_bytes", None), state.get("classes_")
        self.__dict__.update(state)
        if data is not None:
            self._load(data)
            self.classes_ = np.asarray(classes)


def load(path: str | Path, *, n_threads: int | None = None) -> InspectionClassifier:
    """Read a model file and return a fitted classifier.

    Raises
    ------
    ModelFileError
        The file is damaged, or this machine computes other scores than those stored in it.
    """
    classifier = InspectionClassifier(n_threads=n_threads)
    classifier._file = read_model(path, threads=n_threads or 0)
    classifier.classes_ = np.array(classifier._file.classes)
    classifier.pass_label = classifier._file.training.get("pass_label")
    return classifier


def _texts(mapping: Mapping[Any, float] | None) -> dict[str, float] | None:
    return None if mapping is None else {str(key): float(value) for key, value in mapping.items()}


def _named(parameter: str, value: str | Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    mapping = {"kind": value} if isinstance(value, str) else dict(value)
    if mapping.get("kind") not in known:
        raise ValueError(f"{parameter}: found {mapping.get('kind')!r}, expected one of {', '.join(known)}")
    return mapping


def _golden(samples: Samples, index: NDArray[np.uint32], labels: NDArray[np.intp]) -> Samples:
    """Return the first samples of each class in turn: what a self-test runs."""
    positions = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    order = [p[i] for i in range(max(map(len, positions))) for p in positions if i < len(p)]
    return np.ascontiguousarray(samples[index[np.array(order[:GOLDEN_PICTURES])]])
