"""The same with ONNX Runtime, from float pixels."""

import sys

import onnxruntime
from clock import measure
from torch_export import export

batch = int(sys.argv[1])
path, x = export(batch)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
measure(lambda: session.run(None, {"x": x}), batch)
