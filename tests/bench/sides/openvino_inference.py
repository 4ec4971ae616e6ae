"""The same with OpenVINO, from float pixels."""

import sys

import openvino
from clock import measure
from torch_export import export

batch = int(sys.argv[1])
path, x = export(batch)
settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()
request.set_input_tensor(openvino.Tensor(x))
measure(request.infer, batch)
