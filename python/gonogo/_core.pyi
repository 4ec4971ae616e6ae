"""The compiled core, as the typed Python face sees it.

Pictures are C-contiguous uint8 arrays (height, width, channels) with 1 or 3 channels, data sets (n, height, width,
channels); nets read and tests see float32 (channels, height, width). Rows are float32 (n, features). Wrong dtype, order
or shape is a ``ValueError`` or ``TypeError`` that names the argument. The lock of the interpreter is released around
each long call; Ctrl-C is noticed within 200 ms and raises ``KeyboardInterrupt``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

__version__: str

SCORE_DIFFERENCE: Final[float]
"""Largest difference of a score that is allowed between machines, float32."""
GUARD_BAND: Final[float]
"""What a score must exceed a threshold by, float32: ten times that."""

class CoreError(ValueError):
    """Bytes that violate their format or a limit. ``code``: name of the status, such as ``"TRUNCATED"``."""

    code: str

# --- machine
def set_instruction_limit(name: str) -> None: ...
def instruction_set() -> str: ...
def instruction_sets() -> tuple[str, ...]: ...
def describe_machine() -> dict[str, str]: ...
def cpu_count() -> int: ...
def exchange_arithmetic(mode: int = ...) -> int:
    """Set the arithmetic mode of the calling thread and return the one before. Default: round to nearest, keep numbers below
    the normal range."""

def allocation_count() -> int: ...
def live_allocations() -> int: ...
def fail_nth_allocation(n: int) -> None: ...

# --- random numbers and schedules
def shuffled(n: int, seed: int, epoch: int = 0, stream: str = "shuffle") -> NDArray[np.uint32]: ...
def learning_rate(schedule: Mapping[str, Any], step: int) -> float: ...

# --- pictures
def inspect(data: bytes) -> dict[str, Any]:
    """Structural check. ``verdict`` is "ok", "unproven" or the word of ``fault`` ("ok" where there is none); ``reason``
    is "" for "ok". What only the pixels show is found by decoding alone."""

def decode(data: bytes, channels: int, bit_depth: int = 16) -> NDArray[np.uint8]:
    """Pixels (h, w, channels). ``bit_depth`` (16, 12, 10): bits of 16-bit grey in use; larger values are refused."""

def check_many(files: Sequence[bytes], threads: int = 0, bit_depth: int = 16) -> list[dict[str, Any]]:
    """For each file what ``inspect`` returns, after decoding it on trial."""

def decode_many(
    files: Sequence[bytes],
    out: NDArray[np.uint8],
    mode: str = "pad",
    threads: int = 0,
    bit_depth: int = 16,
    regions: NDArray[np.int32] | None = None,
    rows: NDArray[np.int32] | None = None,
    enhancement: Mapping[str, Any] = ...,
) -> tuple[
    list[tuple[int, str, str, int]], NDArray[np.bool_], NDArray[np.int32], NDArray[np.int32], list[tuple[int, str]]
]:
    """Decode files in parallel into ``out`` (n, h, w, c), resizing where a picture has another size.

    Returns the failures as (index, fault word, reason, byte offset), whose rows of ``out`` are zeros; for each picture
    whether R = G = B in all that was read of it (True for failures); the format of each file, int32 (files, 3): height
    and width in pixels, and 1 where a pixel of the whole picture is coloured, else 0 (zeros for failures); of each row
    of ``out`` what ``measure_readout`` returns before the enhancement, int32 (n, 2) (zeros for failures); but the largest level
    is that of all rows of the file; and, as (index, reason), the files that cannot be proven complete.

    ``regions`` (rows of out, 4) with ``rows`` (files): file i fills the next ``rows[i]`` rows of ``out``, each from a
    region (top, left, height, width) of its pixels. ``enhancement`` is what ``enhance`` takes; it comes last."""

def is_grey(pixels: NDArray[np.uint8]) -> bool: ...
def measure_readout(pixels: NDArray[np.uint8], /) -> tuple[int, int]:
    """The largest level of all channels, and how many of the last rows have one colour, the same in all of them: the height
    where the whole picture has but one."""

def resize(pixels: NDArray[np.uint8], height: int, width: int, mode: str = "pad") -> NDArray[np.uint8]: ...
def enhance(pixels: NDArray[np.uint8], enhancement: Mapping[str, Any], /) -> NDArray[np.uint8]:
    """Median (3 or 5; 0: none), local_contrast (1 to 256; 0: none), gamma (0.1 to 10; 1: none), in this order."""

def to_tensor(pixels: NDArray[np.uint8]) -> NDArray[np.float32]: ...
def warp(pixels: NDArray[np.uint8], parameters: Mapping[str, Any], height: int, width: int) -> NDArray[np.float32]:
    """Apply one warp; keys of ``parameters`` are the fields of ``gng_warp``, missing ones are neutral."""

def draw_augmentation(
    augment: Mapping[str, Any],
    height: int,
    width: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    occurrence: int = 0,
    sample: int = 0,
) -> dict[str, Any]: ...
def apply_augmentation(
    augment: Mapping[str, Any], draw: Mapping[str, Any], pixels: NDArray[np.uint8]
) -> NDArray[np.float32]: ...
def check_augmentation(augment: Mapping[str, Any]) -> None: ...

# --- pictures compared
def describe_pictures(
    files: Sequence[bytes], threads: int = 0, bit_depth: int = 16
) -> tuple[list[dict[str, Any]], NDArray[np.float32]]:
    """For each file ``format``, ``verdict``, ``reason``, ``offset``, ``height``, ``width``, ``channels``, ``grey`` and of its
    levels ``mean``, ``deviation``, ``minimum``, ``maximum``, ``saturated`` share and ``sharpness`` (zeros for a bad file);
    and thumbnails (n, 64, 64) of grey levels, zeros for bad files."""

def measure_exposure(pixels: NDArray[np.uint8], /) -> tuple[float, float, float]:
    """Of the grey levels of a picture (h, w, c): ``mean``, ``deviation`` and ``sharpness`` as ``describe_pictures`` has them."""

def find_siblings(
    thumbnails: NDArray[np.float32],
    labels: NDArray[np.uint32] | None = None,
    threads: int = 0,
    neighbours: int = 12,
    seed: int = 0,
) -> dict[str, Any]:
    """``pairs`` uint32 (m, 2) that connect the pictures of each surface, ``scores`` float32 (m,), ``threshold``,
    ``stranger_quantile``, ``compared``, ``verified``. Candidates with two labels are looked at also where others connect
    them already. Pictures that are blank have no siblings."""

# --- nets
@final
class Graph:
    """Checked graph of layers. Layers are mappings: ``name``, ``kind``, ``inputs`` (names) and the fields of the kind
    (``filters``, ``kernel``, ``stride``, ``padding``, ``dilation``, ``groups``, ``bias``, ``l2``; ``units``;
    ``function``, ``slope``; ``pool``; ``rate``; ``momentum``, ``epsilon``). The first layer is the input and is not listed;
    its name is ``"input"``. Windows are pairs (height, width), padding is (top, bottom, left, right)."""

    def __new__(cls, layers: Sequence[Mapping[str, Any]], input_shape: tuple[int, int, int]) -> Graph: ...
    @staticmethod
    def from_json(text: str) -> Graph: ...
    def to_json(self) -> str: ...
    @property
    def input_shape(self) -> tuple[int, int, int]: ...
    @property
    def outputs(self) -> int: ...
    @property
    def parameter_count(self) -> int: ...
    @property
    def state_count(self) -> int: ...
    @property
    def multiply_adds(self) -> int: ...
    @property
    def layers(self) -> list[dict[str, Any]]:
        """name, kind, output shape (channels, height, width), number of parameters"""
    @property
    def parameters(self) -> list[dict[str, Any]]:
        """name, layer, shape, offset, count of each tensor of the flat block"""
    @property
    def states(self) -> list[dict[str, Any]]: ...
    def initialise(self, initialiser: str, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...

def gradient_check(layer: Mapping[str, Any], inputs: Sequence[tuple[int, int, int]], seed: int) -> dict[str, Any]: ...
def run_layer(
    layer: Mapping[str, Any],
    inputs: Sequence[NDArray[np.float32]],
    parameters: NDArray[np.float32],
    output_gradient: NDArray[np.float32] | None = None,
    *,
    engine: str = "best",
    training: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """One layer on one picture, by the reference (``"ref"``) or the chosen engine (``"best"``).

    Returns ``output`` (c, h, w), ``engine`` and, with ``output_gradient``, ``input_gradients`` and ``gradient`` (flat)."""

def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]: ...
def cross_entropy(
    logits: NDArray[np.float32], targets: NDArray[np.float32], weights: NDArray[np.float32] | None = None
) -> tuple[float, int]:
    """Mean weighted loss (sum / n) and number of correct rows."""

@final
class Step:
    """Training step: plan, parameters, moments. ``sample_shape`` is (h, w, c) for pictures and (features,) for rows."""

    def __new__(
        cls, graph: Graph, sample_shape: tuple[int, ...], batch: int, optimizer: Mapping[str, Any], threads: int = 0
    ) -> Step: ...
    parameters: NDArray[np.float32]
    states: NDArray[np.float32]
    count: int
    @property
    def gradients(self) -> NDArray[np.float32]: ...
    @property
    def moments(self) -> tuple[NDArray[np.float32], ...]: ...
    @moments.setter
    def moments(self, value: Sequence[NDArray[np.float32]]) -> None: ...
    @property
    def group(self) -> int: ...
    @property
    def arena_bytes(self) -> int: ...
    @property
    def operations(self) -> list[str]: ...
    def run(
        self,
        samples: NDArray[np.uint8] | NDArray[np.float32],
        targets: NDArray[np.float32],
        indices: NDArray[np.uint32],
        *,
        learning_rate: float,
        weights: NDArray[np.float32] | None = None,
        keys: NDArray[np.uint32] | None = None,
        occurrences: NDArray[np.uint32] | None = None,
        augment: Mapping[str, Any] | None = None,
        augment_seed: int = 0,
        dropout_seed: int = 0,
        epoch: int = 0,
        update: bool = True,
    ) -> tuple[float, int, float]:
        """One step on ``samples[indices]``; returns loss, number correct, gradient norm. Targets (n, outputs), weights (n).
        Augmentation and dropout are drawn by ``keys`` (default: the indices) and ``occurrences`` (default: 0), one for each
        index."""

@final
class Predictor:
    """Inference plan of a graph in training: same forward code as the classifier, batch normalisation not folded."""

    def __new__(cls, graph: Graph, batch: int = 64, threads: int = 0) -> Predictor: ...
    def load(self, parameters: NDArray[np.float32], states: NDArray[np.float32]) -> None: ...
    def logits(
        self, samples: NDArray[np.uint8] | NDArray[np.float32], indices: NDArray[np.uint32] | None = None
    ) -> NDArray[np.float32]: ...
    @property
    def operations(self) -> list[str]: ...

# --- model files
def parse_model(data: bytes) -> dict[str, Any]:
    """graph, parameters, states, metadata (dict of str), model_sha256, file_sha256, golden_input, golden_logits,
    known_features"""

def serialise_model(
    graph: Graph,
    parameters: NDArray[np.float32],
    states: NDArray[np.float32],
    metadata: Mapping[str, str],
    golden_input: NDArray[np.uint8] | NDArray[np.float32] | None = None,
    golden_logits: NDArray[np.float32] | None = None,
    known_features: NDArray[np.float32] | None = None,
) -> bytes:
    """``known_features`` (pictures, features): of pictures that a gate keeps as what the net knows; at most 4,096."""

def model_identity(graph: Graph, parameters: NDArray[np.float32], states: NDArray[np.float32]) -> str: ...

@final
class Classifier:
    """Inference from a model file's bytes. Self-test runs at creation; ``self_test()`` gives its difference again."""

    def __new__(cls, data: bytes, batch: int = 64, threads: int = 0) -> Classifier: ...
    def logits(self, samples: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]: ...
    def logits_and_features(
        self, samples: NDArray[np.uint8] | NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits (n, outputs) and what the dense last layer reads (n, features); ``RuntimeError`` where there is none."""
    def self_test(self) -> float: ...
    @property
    def features(self) -> int:
        """Values that a dense last layer reads of one sample; 0: it is not dense."""
    @property
    def golden_count(self) -> int: ...
    @property
    def metadata(self) -> dict[str, str]: ...
    @property
    def model_sha256(self) -> str: ...
    @property
    def file_sha256(self) -> str: ...
    @property
    def input_shape(self) -> tuple[int, int, int]: ...
    @property
    def outputs(self) -> int: ...
    @property
    def parameter_count(self) -> int: ...
