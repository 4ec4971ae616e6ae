"""What else may go on in a process: each is entered before gonogo is imported and lasts as long as its work.

Arithmetic modes are set in the calling thread, as code built with ``-ffast-math`` does when it is loaded.
"""

from __future__ import annotations

import ctypes
import locale
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

FLUSH = 0x8040  # MXCSR: results and operands below the normal range count as zero
ROUND_UP, ROUND_TO_ZERO = 0x4000, 0x6000
ROUNDING = 0x6000


@contextmanager
def arithmetic(bits: int) -> Iterator[None]:
    """Changed bits of MXCSR, the last word of glibc's fenv_t on x86-64, and of the rounding of the x87 unit, its first."""
    import numpy as np

    import gonogo.cli  # noqa: F401 - Python compiles numbers wrongly in such a thread, and would keep them in its cache

    numbers = np.array([3.0, 2.0**-1022]).tolist()  # that the compiler does not know of
    mathematics = ctypes.CDLL("libm.so.6")
    before, changed = (ctypes.c_uint32 * 8)(), (ctypes.c_uint32 * 8)()
    for environment in (before, changed):
        mathematics.fegetenv(environment)
    changed[7] |= bits
    changed[0] |= (bits & ROUNDING) >> 3
    mathematics.fesetenv(changed)
    third, smallest = 1 / numbers[0], numbers[1] / 2
    assert (third > 0.3333333333333333, smallest == 0) == (bits == ROUND_UP, bits == FLUSH)
    try:
        yield
    finally:
        mathematics.fesetenv(before)


@contextmanager
def torch_first() -> Iterator[None]:
    """PyTorch with OpenMP threads, oneDNN and denormals of its own, before and while gonogo works."""
    import torch

    torch.set_num_threads(3)
    pictures = torch.linspace(-1, 1, 4 * 8 * 20 * 20).reshape(4, 8, 20, 20).requires_grad_()
    net = torch.nn.Sequential(torch.nn.Conv2d(8, 16, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.LazyLinear(5))
    net(pictures).square().sum().backward()
    assert pictures.grad is not None
    yield


@contextmanager
def torch_flushing() -> Iterator[None]:
    """PyTorch told to flush denormals, which changes the calling thread."""
    import torch

    assert torch.set_flush_denormal(True)
    yield


@contextmanager
def locale_of_the_environment() -> Iterator[None]:
    """A program that takes over the locale of its user, with decimal commas."""
    locale.setlocale(locale.LC_ALL, "")
    assert locale.localeconv()["decimal_point"] == ","
    assert locale.str(0.5) == "0,5"
    yield


@contextmanager
def linear_algebra_first() -> Iterator[None]:
    """NumPy's BLAS with threads of its own."""
    import numpy as np

    square = np.linspace(-1, 1, 400 * 400).reshape(400, 400)
    assert np.isfinite(square @ square).all()
    yield


Circumstance = Callable[[], AbstractContextManager[Any]]
CIRCUMSTANCES: dict[str, Circumstance] = {
    "flush": lambda: arithmetic(FLUSH),
    "round up": lambda: arithmetic(ROUND_UP),
    "round to zero": lambda: arithmetic(ROUND_TO_ZERO),
    "torch": torch_first,
    "torch flushing": torch_flushing,
    "locale": locale_of_the_environment,
    "linear algebra": linear_algebra_first,
}
