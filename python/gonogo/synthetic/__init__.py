"""Generated castings: pictures of impeller-like parts, sound and faulty, with everything known about them.

A picture shows a turned flange with its lathe marks, groove and lip, the dark cavity with its swirling blades, hub and bore,
under changing light, tilt and rotation. Faulty parts have blowholes, cracks, chips, scratches or pits, one to six of them,
some small or faint. Nothing of any real picture is in here.

    >>> from gonogo import synthetic
    >>> one = synthetic.casting(3, seed=7)
    >>> one.image.shape, one.label
    ((300, 300), 'ok_front')
"""

from gonogo.png import png

from .files import write
from .generate import CLASSES, Casting, Castings, Fault, casting, castings

__all__ = ["CLASSES", "Casting", "Castings", "Fault", "casting", "castings", "png", "write"]
