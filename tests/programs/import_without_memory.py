"""Imports the extension again and again, a later request for memory failing each time, until an import succeeds; then once
more, for the import of a process that has the extension already. Each failure must be an error of its own.

Usage: import_without_memory.py LIBRARY, tests/c/python_allocator.c compiled.
"""

from __future__ import annotations

import ctypes
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType

import numpy as np


def failures_before_success(allocator: ctypes.PyDLL) -> tuple[int, ModuleType]:
    """How many requests of one import may fail, and the module."""
    package = find_spec("gonogo")
    assert package is not None
    spec = PathFinder.find_spec("gonogo._core", package.submodule_search_locations)
    assert spec is not None and spec.loader is not None
    failures = 0
    for nth in range(1, 5000):
        allocator.python_allocator_fail(nth)
        try:
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
            error = None
        except (MemoryError, ImportError) as raised:
            error = raised
        failed = allocator.python_allocator_restore()
        failures += error is not None
        if not failed:
            assert error is None, error
            break
    return failures, module


def main() -> None:
    """Print how often the first and the second import failed, and whether both modules work together."""
    allocator = ctypes.PyDLL(sys.argv[1])
    allocator.python_allocator_fail.argtypes = [ctypes.c_ulong]
    allocator.python_allocator_fail.restype = None
    first_failures, first = failures_before_success(allocator)
    again_failures, again = failures_before_success(allocator)
    assert first is not again
    assert first.Graph is again.Graph
    assert first.probabilities(np.zeros((2, 2), np.float32)).tolist() == [[0.5, 0.5]] * 2
    print(first_failures, again_failures)


if __name__ == "__main__":
    main()
