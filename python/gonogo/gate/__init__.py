"""The PASS gate: a threshold with a promise about the parts that slip through, or no threshold at all."""

from gonogo.gate.opening import open_test_set
from gonogo.gate.pass_gate import PassGate

__all__ = ["PassGate", "open_test_set"]
