"""What a fitted classifier tells of its model, to users and to a gate."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gonogo import _core
from gonogo.gate import PassGate
from gonogo.inputs import sample_chunks
from gonogo.model_file import ModelFile
from gonogo.tiled_files import predict_tiles
from gonogo.tiles import TilePrediction


class FittedModel:
    """Base of classifiers that keep their model as the bytes of a model file."""

    def _fitted(self) -> ModelFile:
        raise TypeError(f"{type(self).__name__}: a classifier says here where its model file is")

    @property
    def model_file(self) -> ModelFile:
        """The checked model file that the classifier computes with."""
        return self._fitted()

    @property
    def gate_(self) -> PassGate | None:
        """The certified PASS gate of a loaded model file; None where it has none, as after ``fit``."""
        return PassGate.of(self)

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

    def probabilities_of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what ``predict_proba`` returns where ``decision_function`` returned ``scores``, bit for bit."""
        return _core.probabilities((scores[:, None] if scores.ndim == 1 else scores).astype(np.float32))

    def sample_digests(self, X: Any) -> list[bytes]:
        """Return the SHA-256 of each sample as the net reads it; X as in ``predict_proba``."""
        file = self._fitted()
        chunks = sample_chunks(X, file.sample_shape, file.decoding)
        return [hashlib.sha256(sample).digest() for samples in chunks for sample in samples]
