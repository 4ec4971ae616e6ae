"""What the sides of the augmentation benchmark share: the picture, the map, the clock."""

import time

import numpy as np

rng = np.random.default_rng(0)
y, x = np.mgrid[0:300, 0:300]
r = np.hypot(y - 150, x - 150)
picture = (120 + 80 * np.sin(r / 9) * np.exp(-r / 200) + 20 * rng.random((300, 300))).clip(0, 255).astype(np.uint8)


def matrix():
    """Return a drawn map (2, 3) from output to input pixels."""
    angle = np.deg2rad(rng.uniform(-360, 360))
    c, s = np.cos(angle), np.sin(angle)
    zx, zy = rng.uniform(0.95, 1.05, 2)
    tx, ty = rng.uniform(-15, 15, 2)
    return np.array(
        [
            [c * zx, -s * zy, 149.5 * (1 - c * zx + s * zy) + tx],
            [s * zx, c * zy, 149.5 * (1 - s * zx - c * zy) + ty],
        ]
    )


def measure(run, n):
    """Print the best mean of three series of ``n`` calls in microseconds."""
    run()
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        for _ in range(n):
            run()
        best = min(best, (time.perf_counter() - begun) / n)
    print(best * 1e6)
