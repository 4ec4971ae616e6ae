"""One picture through the casting net, float32, one thread."""

from protocol import Side, compare

if __name__ == "__main__":
    for batch in ("1", "64"):
        sides = [
            Side("gonogo", ("gonogo_inference.py", batch)),
            Side("ONNX Runtime", ("onnxruntime_inference.py", batch), ("torch", "onnxruntime")),
            Side("OpenVINO", ("openvino_inference.py", batch), ("torch", "openvino")),
        ]
        compare(f"inference, batch {batch}", "us per picture, one thread", sides, higher_is_better=False)
