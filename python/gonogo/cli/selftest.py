"""``gonogo selftest``: does this machine compute what it should, and does a model say here what it said where it was made?"""

from __future__ import annotations

import argparse
import math
import struct
import zlib
from typing import Any

import numpy as np

# Not at first use, as NumPy would: while it loads this part of itself, Ctrl-C goes unheard.
from numpy.random import default_rng
from numpy.typing import NDArray

from gonogo import _core
from gonogo.cli.arguments import Commands, add_command, add_common
from gonogo.cli.datasets import open_model
from gonogo.cli.failures import DONE, REFUSED
from gonogo.cli.output import show, table
from gonogo.errors import ModelFileError
from gonogo.machine import fingerprint
from gonogo.model_file import model_bytes, parse_model

DESCRIPTION = """
Without FILE: check the installation on this machine. Pictures are decoded, every kind of layer is checked against plain loops
and against numerical derivatives, and a small net is trained with one and with two threads, which must give the same bits.
With FILE: compute the scores of the pictures that are stored in the model and compare them with those stored. Exit code 3
when something differs by more than it may.
"""
EXAMPLES = """
gonogo selftest
gonogo selftest parts.gonogo --json
"""

SEED = 20
# Relative: double precision against central differences, and float32 against double precision.
GRADIENT_ERROR, ENGINE_ERROR = 1e-5, 1e-4
# A logit of the stored pictures may differ by this much between processors.
SCORE_ERROR = _core.SCORE_DIFFERENCE
_WINDOW = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 0, 1, 0)}
# One layer of each kind, with the shapes (channels, height, width) of what it reads.
LAYERS: list[tuple[dict[str, Any], list[tuple[int, int, int]]]] = [
    ({"kind": "conv", "filters": 4, **_WINDOW, "dilation": (1, 1), "groups": 1, "bias": True}, [(3, 9, 8)]),
    ({"kind": "dense", "units": 5, "bias": True}, [(12, 1, 1)]),
    *(
        ({"kind": "activation", "function": function, "slope": slope}, [(3, 5, 4)])
        for function, slope in [("relu", 0), ("leaky_relu", 0.01), ("elu", 1), ("gelu", 0), ("tanh", 0), ("sigmoid", 0)]
    ),
    *(({"kind": "pool", "pool": pool, **_WINDOW}, [(2, 8, 9)]) for pool in ("max", "average")),
    *(({"kind": "pool", "pool": pool}, [(4, 5, 3)]) for pool in ("global_max", "global_average")),
    ({"kind": "flatten"}, [(2, 3, 4)]),
    ({"kind": "dropout", "rate": 0.5}, [(2, 3, 4)]),
    ({"kind": "batch_norm", "momentum": 0.9, "epsilon": 0.001}, [(2, 3, 4)]),
    ({"kind": "add"}, [(2, 3, 4), (2, 3, 4)]),
]
# A net with one lane layer of each sort and a dense part.
NET: list[dict[str, Any]] = [
    {"name": "conv_1", "inputs": ["input"], **LAYERS[0][0], "padding": (0, 0, 0, 0)},
    {"name": "relu_1", "kind": "activation", "inputs": ["conv_1"], "function": "relu"},
    {"name": "flatten_1", "kind": "flatten", "inputs": ["relu_1"]},
    {"name": "dropout_1", "kind": "dropout", "inputs": ["flatten_1"], "rate": 0.25},
    {"name": "dense_1", "kind": "dense", "inputs": ["dropout_1"], "units": 1, "bias": True},
]


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "selftest",
        run,
        summary="check this machine, or a model on it",
        usage="[FILE]",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("model_file", metavar="FILE", nargs="?", help="model file made by gonogo train")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    result = _check_machine() if args.model_file is None else _check_model(args)
    rows: list[list[object]] = [["check", "difference", "allowed", "result"]]
    rows += [
        [check["name"], f"{check['difference']:.3g}", f"{check['allowed']:.3g}", "ok" if check["ok"] else "FAILED"]
        for check in result["checks"]
    ]
    verdict = "passed" if result["ok"] else f"FAILED{': ' + result['error'] if 'error' in result else ''}"
    machine = ", ".join(f"{key} {value}" for key, value in result["machine"].items())
    machine += f", fingerprint {result['fingerprint']['digest']}"
    show(args, result, "\n".join([machine, *([table(rows)] if len(rows) > 1 else []), f"self-test {verdict}"]))
    return DONE if result["ok"] else REFUSED


def _check_model(args: argparse.Namespace) -> dict[str, Any]:
    machine = _core.describe_machine()
    try:
        difference = open_model(args).core.self_test()
    except ModelFileError as error:
        result: dict[str, Any] = {"ok": False, "max_abs_diff": None, "error": str(error)}
    else:
        result = {"ok": True, "max_abs_diff": difference}
    return {
        **result,
        "checks": [],
        "machine": machine,
        "fingerprint": fingerprint(),
        "model": str(args.model_file),
    }


def _check_machine() -> dict[str, Any]:
    checks: list[dict[str, Any]] = []

    def check(name: str, allowed: float, difference: float) -> None:
        checks.append({"name": name, "difference": difference, "allowed": allowed, "ok": difference <= allowed})

    check("decoding of a picture", 0.0, decoding_difference())
    for layer, shapes in LAYERS:
        name = layer.get("function") or layer.get("pool") or layer["kind"]
        inputs = [f"input_{i + 1}" for i in range(len(shapes))]
        error = _core.gradient_check({"name": "layer", "inputs": inputs, **layer}, shapes, SEED)
        check(f"{name}: gradients of plain loops", GRADIENT_ERROR, error["reference_error"])
        check(f"{name}: engine and plain loops", ENGINE_ERROR, error["engine_error"])
    check("training with 1 and 2 threads", 0.0, thread_difference())
    check("model file", SCORE_ERROR, model_file_difference())
    largest = max(check["difference"] for check in checks)
    return {
        "ok": all(check["ok"] for check in checks),
        "max_abs_diff": largest,
        "checks": checks,
        "machine": _core.describe_machine(),
        "fingerprint": fingerprint(),
    }


def _pictures(count: int) -> NDArray[np.uint8]:
    return default_rng(SEED).integers(0, 256, (count, 12, 10, 3), dtype=np.uint8)


def decoding_difference() -> float:
    """Write a PNG byte by byte (PNG specification, section 5) and compare what is decoded with what was written."""
    pixels = _pictures(1)[0]
    height, width, _ = pixels.shape

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return float(np.abs(_core.decode(data, 3).astype(int) - pixels).max())


def _train(threads: int) -> tuple[_core.Graph, _core.Step]:
    """Two steps on a small net, augmentation and dropout included."""
    graph = _core.Graph(NET, (3, 12, 10))
    pictures = _pictures(40)
    targets = (np.arange(40, dtype=np.float32) % 2)[:, None]
    step = _core.Step(graph, pictures.shape[1:], 20, {"kind": "adam"}, threads)
    step.parameters, step.states = graph.initialise("glorot_uniform", SEED)
    for first in (0, 20):
        indices = np.arange(first, first + 20, dtype=np.uint32)
        step.run(
            pictures,
            targets,
            indices,
            learning_rate=0.01,
            augment={"rotation": 90.0},
            augment_seed=SEED,
            dropout_seed=SEED,
        )
    return graph, step


def thread_difference() -> float:
    """Train with one and with two threads; return the largest difference of the weights, which must be 0."""
    one, two = (_train(threads)[1].parameters for threads in (1, 2))
    difference = float(np.abs(one - two).max())
    return difference if math.isfinite(difference) else math.inf


def model_file_difference() -> float:
    """Write a model file to memory and read it again, which includes its self-test."""
    graph, step = _train(1)
    data = model_bytes(
        graph,
        (step.parameters, step.states),
        classes=["a", "b"],
        preprocess={"color_mode": "rgb", "resize_mode": "pad"},
        training={},
        golden=_pictures(4),
    )
    return parse_model(data).core.self_test()
