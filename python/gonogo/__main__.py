"""``python -m gonogo`` is the command ``gonogo``."""

import sys

from gonogo.cli import main

sys.exit(main())
