"""What the sides of the inference benchmark share."""

import time

import numpy as np


def measure(run, batch):
    """Print the median time of a call in microseconds per picture."""
    for _ in range(30):
        run()
    times = []
    for _ in range(400 // batch + 30):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    print(np.median(times) / batch * 1e6)
