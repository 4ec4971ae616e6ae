"""Writes what the fuzz targets start from: ``python -m corpus FOLDER`` makes FOLDER/pictures, FOLDER/models, FOLDER/warps."""

from __future__ import annotations

import sys
from pathlib import Path

from corpus.seeds import write_seeds

write_seeds(Path(sys.argv[1]))
