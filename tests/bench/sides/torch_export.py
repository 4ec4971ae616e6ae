"""The casting net as an ONNX file, for the runtimes."""

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch_net import casting_net


def export(batch):
    """Return the path of the file and an input for it."""
    x = np.random.default_rng(0).random((batch, 1, 300, 300), dtype=np.float32)
    path = str(Path(tempfile.mkdtemp(), "net.onnx"))
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(
            casting_net().eval(), torch.from_numpy(x), path, dynamo=False, input_names=["x"], output_names=["y"]
        )
    return path, x
