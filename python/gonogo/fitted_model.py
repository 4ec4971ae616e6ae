"""What a fitted classifier tells of its model, to users and to a gate."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from gonogo import _core, seen
from gonogo.arithmetic import default_arithmetic
from gonogo.checks import check_threads
from gonogo.data import Dataset
from gonogo.gate import PassGate
from gonogo.inputs import described_chunks, file_formats, sample_chunks, validation_inputs
from gonogo.labels import class_name
from gonogo.model_file import ModelFile, parse_model, with_temperature
from gonogo.provenance import data_digest
from gonogo.temperature import Temperature
from gonogo.temperature_fit import TrainingMix, fit_temperature
from gonogo.tiled_files import predict_tiles
from gonogo.tiles import TilePrediction


class FittedModel:
    """Base of classifiers that keep their model as the bytes of a model file."""

    if TYPE_CHECKING:
        classes_: NDArray[Any]

        def decision_function(self, X: Any) -> NDArray[np.float64]:
            """Return scores."""

        def _fitted(self) -> ModelFile:
            """Return the model file."""

    def _replace_model(self, **attributes: Any) -> None:
        """Set attributes all at once: neither another thread nor Ctrl-C finds some of one fit and some of the next."""
        self.__dict__.update(attributes)

    @property
    def model_file(self) -> ModelFile:
        """The checked model file that the classifier computes with."""
        return self._fitted()

    @property
    def gate_(self) -> PassGate | None:
        """The certified PASS gate of a loaded model file; None where it has none, as after ``fit``."""
        return PassGate.of(self)

    @property
    def temperature_(self) -> Temperature | None:
        """The temperature of the probabilities; None where none was fitted."""
        return self._fitted().temperature

    @default_arithmetic()
    def fit_temperature(self, validation: Any, shares: Mapping[str, float] | None = None) -> Self:
        """Give the probabilities a meaning: of what is called 90 % PASS, 90 % are PASS.

        Scores stay as they are, and with them ``predict`` and every decision. Fit it after the training and before the
        calibration of a gate, which holds for a model of which nothing changes any more. Another ``fit`` forgets it.

        Parameters
        ----------
        validation : Dataset or (X, y)
            Pictures that the net was not trained on, some of each class. They count as seen from now on: no gate can be
            calibrated on them.
        shares : mapping of class -> float, optional
            Mix of the classes where the probabilities will be read, such as ``{"ok": 0.99, "def": 0.01}``; the sum is 1.
            None: the mix of the training pictures. The correction trusts that the training weighed the classes as it was
            told to: a net that has not converged has not.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            Naming what is wrong: shares, labels, a class without pictures, scores no better than chance, the training
            pictures themselves, or a model that is calibrated already.
        """
        file = self._fitted()
        if file.certificate is not None:
            raise ValueError(
                "clf: its gate is calibrated, for a model with the temperature that it has; fit the temperature of the file "
                "from before the calibration, then calibrate on fresh parts"
            )
        columns = file.training.get("feature_names")
        data = validation_inputs(validation, self.classes_, file.sample_shape, file.decoding, columns)
        targets = data.targets[data.index]
        labels = (targets[:, 0] if targets.shape[1] == 1 else targets.argmax(axis=1)).astype(np.intp)
        if data_digest(data, labels) == file.training.get("data_sha256"):
            raise ValueError("validation: these are the training pictures, of which a net is too sure; give others")
        groups, named = (
            (validation.groups, validation.named_groups) if isinstance(validation, Dataset) else (None, None)
        )
        names = None if named is None else named.tolist()
        scores = self.decision_function(validation if isinstance(validation, Dataset) else validation[0])
        parts = len(labels) if groups is None else len(set(groups.tolist()))
        mix = {class_name(name): share for name, share in shares.items()} if isinstance(shares, Mapping) else shares
        found = fit_temperature(scores, labels, parts, file.classes, TrainingMix.of(file), mix)
        pictures = (hashlib.sha256(data.samples[i]).digest() for i in data.index.tolist())
        changed = with_temperature(file, found, seen.extend(file.training.get("seen"), pictures, names))
        self._replace_model(_file=parse_model(changed, threads=check_threads(getattr(self, "n_threads", None))))
        return self

    @property
    def n_features_in_(self) -> int:
        """Values of a sample: the columns of rows, height * width * channels of pictures."""
        return math.prod(self._fitted().sample_shape)

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """Names of the columns of a table whose names are texts; otherwise there is no such attribute."""
        names = self._fitted().training.get("feature_names")
        if names is None:
            raise AttributeError("feature_names_in_: the training data had no names of columns")
        return np.array(names, object)

    @property
    def parameter_count_(self) -> int:
        """Trainable values of the net."""
        return self._fitted().core.parameter_count

    def predict_tiles(self, X: Any) -> list[TilePrediction]:
        """Cut pictures into the tiles of the training and classify each.

        Parameters
        ----------
        X : list of paths, list of uint8 arrays (h, w[, c]), or uint8 array (n, h, w[, c])
            Whole pictures of any size that holds a tile. Arrays are what is in a file: region of interest, tiles, size and
            enhancement follow, as for files. 12-bit grey must be 8-bit already (``values >> 4``).

        Returns
        -------
        list of TilePrediction
            One for each picture: its label and, on the grid of its tiles, labels, probabilities and boxes.

        Raises
        ------
        ValueError, TypeError
            The model was not trained on tiles, or an array is no picture or too small.
        DecodeError
            A file is bad or too small.
        """
        return predict_tiles(self._fitted(), X, getattr(self, "pass_label", None))

    def features(self, X: Any) -> NDArray[np.float32]:
        """Return what the net's last layer reads of each sample, float32 (n, width); X as in ``predict_proba``.

        Raises
        ------
        RuntimeError
            The last layer is not a dense one, which alone reads a row of values.
        """
        file = self._fitted()
        chunks = sample_chunks(X, file.sample_shape, file.decoding)
        parts = [file.core.logits_and_features(samples)[1] for samples in chunks]
        return np.concatenate(parts) if parts else np.zeros((0, file.core.features), np.float32)

    def plain_probabilities_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the softmax of ``scores``, which no temperature has changed: the most probable class is ``predict``'s."""
        return _core.probabilities(_as_logits(scores))

    def probabilities_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what ``predict_proba`` returns where ``decision_function`` returned ``scores``, bit for bit."""
        return self._fitted().probabilities(_as_logits(scores))

    def exposures(self, X: Any) -> NDArray[np.float64]:
        """Return brightness, contrast and sharpness of each picture as the net reads it, float64 (n, 3); X as for ``predict``.

        Brightness is the mean grey level (0 to 255), contrast its standard deviation, sharpness the variance of the Laplacian
        over that of the levels (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000, made
        independent of contrast).

        Raises
        ------
        ValueError
            The model reads rows of numbers.
        """
        file = self._fitted()
        if len(file.sample_shape) == 1:
            raise ValueError(
                "X: the model reads rows of numbers, which have no brightness; give pictures to one that does"
            )
        chunks = sample_chunks(X, file.sample_shape, file.decoding)
        rows = [
            _core.measure_exposure(np.ascontiguousarray(sample, np.uint8)) for samples in chunks for sample in samples
        ]
        return np.array(rows, np.float64).reshape(-1, 3)

    def sample_digests(self, X: Any) -> list[bytes]:
        """Return the SHA-256 of each sample as the net reads it; X as in ``predict_proba``."""
        file = self._fitted()
        chunks = sample_chunks(X, file.sample_shape, file.decoding)
        return [hashlib.sha256(sample).digest() for samples in chunks for sample in samples]

    def file_formats(self, X: Any) -> NDArray[np.int32] | None:
        """Return height, width, and 1 for a coloured picture, else 0, of the file of each sample, int32 (n, 3).

        X as in ``predict_proba``; of a list of paths each file is decoded. None for arrays and for datasets made of them.
        """
        file = self._fitted()
        return file_formats(X, file.sample_shape, file.decoding)

    def sample_doubts(self, X: Any) -> dict[int, str]:
        """Return the positions of samples that a line brings to people whatever their score, and what is said of each.

        Their file has another format or cannot be proven complete, or their pixels raise a doubt, see
        :class:`gonogo.readout.PictureChecks`. X as in ``predict_proba``; of a list of paths each file is decoded.
        """
        file = self._fitted()
        found: dict[int, str] = {}
        first = 0
        for chunk in described_chunks(X, file.sample_shape, file.decoding):
            for i, sample in enumerate(chunk.samples):
                of_file = None if chunk.formats is None else chunk.formats[i]
                unproven = "" if chunk.unproven is None else chunk.unproven[i]
                readout = None if chunk.readouts is None else chunk.readouts[i].tolist()
                if doubt := file.checks.doubt_about_file(of_file, unproven) or file.checks.doubt_about(sample, readout):
                    found[first + i] = doubt
            first += len(chunk.samples)
        return found


def _as_logits(scores: NDArray[np.float64]) -> NDArray[np.float32]:
    return (scores[:, None] if scores.ndim == 1 else scores).astype(np.float32)
