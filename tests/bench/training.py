"""Training the casting net at batch 64 on two threads, pictures in memory; the Keras recipe reads files."""

from protocol import KEPT_MALLOC, Side, compare

if __name__ == "__main__":
    pipelines = [
        Side("gonogo, float32", ("gonogo_training.py", "augment")),
        Side(
            "PyTorch, channels last, malloc kept, OpenCV",
            ("torch_training.py", "augment"),
            ("torch", "cv2"),
            KEPT_MALLOC,
        ),
        Side("Keras, ImageDataGenerator", ("keras_training.py",), ("tensorflow", "scipy", "PIL")),
    ]
    compare("training with augmentation", "images/s", pipelines, higher_is_better=True)
    steps = [
        Side("gonogo, float32", ("gonogo_training.py", "step")),
        Side("PyTorch, channels last, malloc kept", ("torch_training.py", "step"), ("torch",), KEPT_MALLOC),
        Side("PyTorch, channels last", ("torch_training.py", "step"), ("torch",)),
    ]
    compare("training step alone", "images/s", steps, higher_is_better=True)
