"""Python's own arithmetic in a thread whose mode somebody changed. The core sets the mode by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gonogo import _core


@contextmanager
def default_arithmetic() -> Iterator[None]:
    """Round to nearest and keep numbers below the normal range while inside; give the thread its own mode back.

    For Python code whose numbers reach a model file: libraries built with ``-ffast-math``, and functions such as
    ``torch.set_flush_denormal``, change the arithmetic of the thread that loads or calls them. Also a decorator.
    """
    before = _core.exchange_arithmetic()
    try:
        yield
    finally:
        _core.exchange_arithmetic(before)
