"""The PASS gate: a threshold with a promise about the parts that slip through, or no threshold at all."""

from gonogo.gate.pass_gate import PassGate

__all__ = ["PassGate"]
