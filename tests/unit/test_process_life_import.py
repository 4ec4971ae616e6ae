"""Importing: in a second interpreter, again after the module was dropped, and by reload."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_second_interpreter_is_refused_and_the_first_works_on(when: str, run_program: Callable[..., str]) -> None:
    refusal = "ImportError: gonogo runs in the main interpreter only; use processes instead of sub-interpreters\n"
    assert run_program("second_interpreter.py", when) == 2 * refusal + "same\n"


IMPORTED_AGAIN = """
import importlib, sys
import numpy as np
import gonogo
from gonogo import _core
old, old_core = gonogo, _core
graph = _core.Graph([{"name": "dense", "kind": "dense", "units": 1}], (3, 1, 1))
importlib.reload(gonogo)
for name in [name for name in sys.modules if name == "gonogo" or name.startswith("gonogo.")]:
    del sys.modules[name]
import gonogo
from gonogo import _core
assert gonogo is not old and _core is not old_core
# What the old modules made still fits the new ones, and errors of one are caught by the other.
assert _core.Graph is old_core.Graph and _core.CoreError is old_core.CoreError
_core.Predictor(graph, 4, 1).load(*graph.initialise("he_normal", 1))
for one, other in ((_core, old_core), (old_core, _core)):
    try:
        one.parse_model(b"no")
    except other.CoreError as error:
        assert error.code == "TRUNCATED", error.code
X, y = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3), np.arange(8) % 2
fitted = [module.InspectionClassifier(epochs=1, random_state=1).fit(X, y) for module in (old, gonogo)]
assert (fitted[0].decision_function(X) == fitted[1].decision_function(X)).all()
importlib.reload(_core)
print(gonogo.__version__ == _core.__version__)
"""


def test_the_package_can_be_imported_again_and_reloaded() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED_AGAIN], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
