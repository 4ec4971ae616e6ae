"""What the one folder runs: the command line."""

from __future__ import annotations

import sys

from gonogo.cli import main

sys.exit(main())
