"""The estimator: pictures and labels in, a trained and saved inspection model out."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gonogo import _core, layers, training
from gonogo.arithmetic import default_arithmetic
from gonogo.arrays import check_feature_names, feature_names
from gonogo.augment import Augment
from gonogo.callbacks import BackupAndRestore, Callback, check_callbacks
from gonogo.checks import check_integer, check_threads
from gonogo.class_names import check_class_names
from gonogo.data import Dataset
from gonogo.decision import most_probable_classes
from gonogo.decoding import Decoding
from gonogo.estimator import Estimator
from gonogo.fitted_model import FittedModel
from gonogo.history import History
from gonogo.inputs import sample_chunks, sample_weights, training_inputs, validation_inputs
from gonogo.labels import class_name, class_names, label_array, label_positions
from gonogo.model_file import ModelFile, model_bytes, parse_model, preprocess_metadata, read_model
from gonogo.network import ModelSpec, load_spec
from gonogo.progress import TrainingProgress, Verbose, wants_progress
from gonogo.provenance import describe_seen, describe_training, golden_samples, plain_weights
from gonogo.settings import OPTIMIZERS, SCHEDULES, Settings, kind_and_settings
from gonogo.storage import write_atomically
from gonogo.training import Labelled, Samples, Trainer, Weights

_ROWS_MODEL = ModelSpec("rows", (layers.dense(64, activation="relu"), layers.dense("classes")), {}, "glorot_uniform")


class InspectionClassifier(FittedModel, Estimator):
    """Train a net on pictures of parts, with scikit-learn's manners.

    Parameters
    ----------
    model : str, Path or list of layers
        Name of a model that comes with the package, a TOML file, or layers made by :mod:`gonogo.layers`. ``"auto"``:
        ``casting_cnn`` for pictures; for rows of features one hidden dense layer of 64 ReLU.
    input_shape : (height, width, channels), optional
        For X that holds pictures as rows of pixels, and for lists of paths to pictures of different sizes.
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
        Seed of initial weights, order, augmentation and dropout, below 2**64; None draws one (``seed_``). A generator such as
        ``numpy.random.RandomState`` is refused: what it gives depends on who has drawn from it before, so that the same
        call could give another model.
    verbose : "auto" or bool
        Progress bar; ``"auto"``: in a terminal or a notebook.

    Attributes
    ----------
    classes_ : array
        Labels in the order of the outputs.
    history_ : History
        Figures of each epoch.
    n_iter_ : int
        Epochs that were completed.
    seed_ : int
        The seed that was used.
    images_per_second_ : float
        Pictures trained on divided by the wall time of the training epochs, augmentation included, validation apart.
    parameter_count_ : int
        Trainable values of the net.
    n_features_in_ : int
        Values of a sample: the columns of rows, height * width * channels of pictures.
    feature_names_in_ : array
        Names of the columns, where X was a table with texts as names, such as a pandas DataFrame.

    Examples
    --------
    >>> clf = InspectionClassifier(epochs=5, random_state=7)             # doctest: +SKIP
    >>> clf.fit(parts["train"], validation_data=parts["validation"])     # doctest: +SKIP
    >>> clf.predict(["part.png"])                                        # doctest: +SKIP

    scikit-learn's tools cut arrays, so they take those of a Dataset:

    >>> cross_val_score(clf, ds.images, ds.labels, groups=ds.groups, cv=StratifiedGroupKFold(5))   # doctest: +SKIP
    """

    _file: ModelFile
    classes_: NDArray[Any]
    history_: History
    n_iter_: int
    seed_: int
    images_per_second_: float

    def __init__(
        self,
        model: str | Path | Sequence[layers.Layer] = "auto",
        input_shape: tuple[int, int, int] | None = None,
        *,
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

    _nested = ("optimizer", "schedule", "class_weight", "model_params")
    _kinds = ("optimizer", "schedule")

    @default_arithmetic()
    def fit(
        self,
        X: Any,
        y: Any = None,
        validation_data: Any = None,
        callbacks: Iterable[Callback] | None = (),
    ) -> Self:
        """Train from new initial weights.

        Other threads may predict meanwhile: they use the earlier model until the training has ended.

        Parameters
        ----------
        X : Dataset, uint8 array (n, h, w[, c]), list of paths, or array (n, features)
            Pictures, grey or RGB, or rows of numbers.
        y : array-like (n,), optional
            Labels, texts or whole numbers; not with a Dataset, which brings its own.
        validation_data : Dataset or (X, y), optional
            Scored after each epoch, never augmented.
        callbacks : iterable of Callback, optional
            Hooks.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            Naming the parameter, what was found and what was expected; before the training, and then nothing has changed.
        DivergenceError
            Loss, gradients, weights or scores are no longer finite numbers. The weights before that step are kept, as after
            an interrupt, where their scores are finite; otherwise the estimator stays as it was before.
        KeyboardInterrupt
            After Ctrl-C; the weights of the last finished step (with ``restore_best_weights``: of the best epoch) are
            kept and the estimator is usable.
        """
        callbacks = check_callbacks(callbacks)
        data, labels, classes = training_inputs(X, y, self.input_shape)
        names = class_names(classes)
        check_class_names(names)
        if self.pass_label is not None:
            label_positions("pass_label", [self.pass_label], classes)
        columns = feature_names("X", X)
        sample_shape = data.samples.shape[1:]
        decoding = X.decoding if isinstance(X, Dataset) else Decoding()
        validation = None
        if validation_data is not None:
            validation = validation_inputs(validation_data, classes, sample_shape, decoding, columns)
        preprocess = preprocess_metadata(sample_shape, decoding)
        weights = sample_weights(self.class_weight, data, labels, classes)
        settings = self._settings(data, callbacks)
        spec = self._spec(data.samples).with_parameters(self.model_params)
        height, width, channels = sample_shape if len(sample_shape) == 3 else (1, 1, sample_shape[0])
        graph = spec.build((channels, height, width), len(classes))
        description = {
            "model": spec.name,
            "model_params": spec.parameters,
            "augment": {} if self.augment is None else self.augment.to_dict(),
            "class_weight": plain_weights(self.class_weight),
            "pass_label": None if self.pass_label is None else class_name(self.pass_label),
            "source": "folder" if isinstance(X, Dataset) and X.paths is not None else "arrays",
            **({} if columns is None else {"feature_names": columns}),
            **describe_training(settings, data, labels, names),
            "seen": describe_seen(data, validation, X, validation_data),
        }
        golden = golden_samples(data, labels)

        # Without the trainer in its hands: the two would hold each other, and all memory, until the garbage is collected.
        def serialise(weights: Weights, epochs: int) -> bytes:
            return model_bytes(
                graph,
                weights,
                classes=names,
                preprocess=preprocess,
                training={**description, "epochs": epochs},
                golden=golden,
            )

        progress = TrainingProgress() if wants_progress(self.verbose) else None
        initial = graph.initialise(spec.initialiser, settings.seed)
        trainer = training.start(graph, data, settings, initial, serialise, golden)
        trainer.model_bytes()  # a model that no file can hold is refused before it is trained
        try:
            training.run(trainer, validation, weights, callbacks, progress)
            self._finish(trainer, classes)
        except BaseException:
            if trainer.step.count > 0:
                with contextlib.suppress(ValueError, RuntimeError):  # weights that are no numbers: stay as before
                    self._finish(trainer, classes)
            raise
        return self

    def _finish(self, trainer: Trainer, classes: NDArray[Any]) -> None:
        self._replace_model(
            _file=parse_model(trainer.model_bytes(), threads=check_threads(self.n_threads)),
            classes_=classes,
            history_=trainer.history,
            n_iter_=len(trainer.history),
            seed_=trainer.settings.seed,
            images_per_second_=trainer.images / trainer.image_seconds if trainer.image_seconds > 0 else 0.0,
        )

    def _settings(self, data: Labelled, callbacks: Sequence[Callback]) -> Settings:
        state = self.random_state
        if state is None:
            stopped = [callback.seed() for callback in callbacks if isinstance(callback, BackupAndRestore)]
            state = next((seed for seed in stopped if seed is not None), secrets.randbits(32))
        if hasattr(state, "random"):  # numpy.random's Generator and RandomState
            found = f"random_state: found a {type(state).__name__}, expected an integer or None"
            raise ValueError(f"{found}: equal calls give equal models; draw a seed from it, once, and pass that")
        seed = check_integer("random_state", state, 0)
        if seed >= 2**64:
            raise ValueError(f"random_state: found {seed}, expected less than 2**64")
        settings = Settings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            optimizer=kind_and_settings("optimizer", self.optimizer, OPTIMIZERS),
            schedule=kind_and_settings("schedule", self.schedule, SCHEDULES),
            seed=seed,
            augment=self._augment_mapping(data.samples),
            steps_per_epoch=self.steps_per_epoch,
            threads=check_threads(self.n_threads),
        )
        settings.check()
        return settings

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

    def _fitted(self) -> ModelFile:
        return self._model()[0]

    def _model(self) -> tuple[ModelFile, NDArray[Any]]:
        """Return the model and the classes of one and the same fit, also while another thread ends the next."""
        attributes = self.__dict__.copy()
        if "_file" not in attributes:
            raise self._not_fitted()
        return attributes["_file"], attributes["classes_"]

    def _logits(self, file: ModelFile, X: Any) -> NDArray[np.float32]:
        check_feature_names("X", X, file.training.get("feature_names"), type(self).__name__)
        parts = [file.core.logits(samples) for samples in sample_chunks(X, file.sample_shape, file.decoding)]
        return np.concatenate(parts) if parts else np.zeros((0, file.core.outputs), np.float32)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return scores: for two classes the logit of ``classes_[1]``, shape (n,); otherwise one logit per class, (n, K)."""
        logits = self._logits(self._fitted(), X).astype(np.float64)
        return logits[:, 0] if logits.shape[1] == 1 else logits

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (n, number of classes), columns in the order of ``classes_``.

        They follow the mix of classes that :meth:`fit_temperature` was told, ``predict`` does not: where hardly a part is
        bad, a picture that looks bad is so still.

        Parameters
        ----------
        X : Dataset, uint8 array (n, h, w[, c]), list of paths, or array (n, features)
            Arrays and datasets must have the size that the model was trained on; files are brought to it.
        """
        file = self._fitted()
        return file.probabilities(self._logits(file, X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of the highest score of each sample, shape (n,); the first of equals. X as in ``predict_proba``."""
        file, classes = self._model()
        return np.asarray(classes[most_probable_classes(_core.probabilities(self._logits(file, X)))])

    def score(self, X: Any, y: Any = None) -> float:
        """Return the share of samples whose predicted class is the given one; a Dataset brings its own labels."""
        if isinstance(X, Dataset) and y is None:
            y = np.array(X.classes)[X.labels]
        elif y is None:
            raise ValueError("y: found no labels; pass y, or a Dataset as X")
        file, classes = self._model()
        truth = label_positions("y", label_array("y", y), classes)
        best = most_probable_classes(_core.probabilities(self._logits(file, X)))
        if len(best) != len(truth) or len(truth) == 0:
            raise ValueError(
                f"y: found {len(truth)} labels for {len(best)} samples, expected one for each of at least one"
            )
        return float(np.mean(best == truth))

    def save(self, path: str | Path) -> Path:
        """Write the model to one file (``*.gonogo``), whole or not at all; a loaded one with the gate that it has."""
        return write_atomically(path, self._fitted().data)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if (file := state.pop("_file", None)) is not None:
            state["_file_bytes"] = file.data
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        data = state.pop("_file_bytes", None)
        self.__dict__.update(state)
        if data is not None:
            self._file = parse_model(data, threads=check_threads(self.n_threads))


def load(path: str | Path, *, n_threads: int | None = None) -> InspectionClassifier:
    """Read a model file and return a fitted classifier.

    Parameters
    ----------
    path : str or Path
        File written by ``save`` or ``gonogo train``.
    n_threads : int, optional
        None: one for each processor. The results do not depend on it.

    Returns
    -------
    InspectionClassifier
        With ``classes_`` as texts, the ``pass_label`` of the file and its certified ``gate_`` where it has one; its other
        parameters are the defaults.

    Raises
    ------
    ModelFileError
        The file is damaged, or this machine computes other scores than those stored in it.
    OSError
        The file cannot be read.
    """
    file = read_model(path, threads=check_threads(n_threads))
    made = file.certificate
    pass_label = file.training.get("pass_label") if made is None else made.pass_label
    classifier = InspectionClassifier(n_threads=n_threads, pass_label=pass_label)
    classifier._replace_model(_file=file, classes_=np.array(file.classes))
    return classifier
