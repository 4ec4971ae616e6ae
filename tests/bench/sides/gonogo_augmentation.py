"""Microseconds of one change of one picture, called from Python."""

import itertools

from picture import measure, picture

from gonogo import _core
from gonogo.augment import Augment

augment = Augment.preset("casting").core_mapping()
pixels = picture[:, :, None].copy()
counter = itertools.count()


def run():
    draw = _core.draw_augmentation(augment, 300, 300, seed=0, sample=next(counter))
    _core.apply_augmentation(augment, draw, pixels)


measure(run, 300)
