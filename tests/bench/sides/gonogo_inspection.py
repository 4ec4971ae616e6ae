"""Microseconds of inspecting, or of inspecting and decoding, one JPEG file in memory."""

import sys

from photograph import photograph
from picture import measure

from gonogo import _core

if sys.argv[1] == "inspect":
    measure(lambda: _core.inspect(photograph), 1000)
else:
    measure(lambda: _core.decode(photograph, 1), 1000)
