"""The same with Pillow."""

import numpy as np
from picture import matrix, measure, picture, rng
from PIL import Image, ImageEnhance


def run():
    image = Image.fromarray(picture)
    changed = image.transform((300, 300), Image.AFFINE, tuple(matrix().ravel()), resample=Image.BILINEAR)
    if rng.random() < 0.5:
        changed = changed.transpose(Image.FLIP_LEFT_RIGHT)
    if rng.random() < 0.5:
        changed = changed.transpose(Image.FLIP_TOP_BOTTOM)
    return np.asarray(ImageEnhance.Brightness(changed).enhance(rng.uniform(0.75, 1.25)), dtype=np.float32) / 255


measure(run, 200)
