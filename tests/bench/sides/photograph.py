"""The JPEG file that the sides of the inspection benchmark share."""

import io

from picture import picture
from PIL import Image

buffer = io.BytesIO()
Image.fromarray(picture).save(buffer, "JPEG", quality=90)
photograph = buffer.getvalue()
