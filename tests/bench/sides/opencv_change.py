"""The casting augmentation with OpenCV."""

import cv2
import numpy as np
from picture import matrix, rng


def change(pixels):
    """Return one drawn change of a picture as float32 in [0, 1]."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    changed = cv2.warpAffine(
        pixels, matrix().astype(np.float32), (300, 300), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    if rng.random() < 0.5:
        changed = cv2.flip(changed, 1)
    if rng.random() < 0.5:
        changed = cv2.flip(changed, 0)
    table = np.clip(np.arange(256) * rng.uniform(0.75, 1.25), 0, 255).astype(np.uint8)
    return cv2.LUT(changed, table).astype(np.float32) * np.float32(1 / 255)
