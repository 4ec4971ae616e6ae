"""Forks in a signal handler that runs in the middle of a call of the same thread; the child must not go on in silence.

Usage: fork_inside_a_call.py. Prints what the child's call did, and whether the parent's gave the usual bits.
"""

from __future__ import annotations

import os
import signal

import numpy as np
from small_work import digest, new_step

from gonogo import _core

STEP, RUN = new_step()
WEIGHTS = (STEP.parameters, STEP.states)
LEFT = [None]  # forks that may still begin
CHILDREN: list[int] = []


def fork_once(*_: object) -> None:
    """Fork at the first signal that is heard. The next may come while the system is busy with the fork."""
    if LEFT:
        LEFT.pop()
        signal.setitimer(signal.ITIMER_REAL, 0)
        CHILDREN.append(os.fork())
        if CHILDREN[0] == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(60)  # ends a child that hangs


def main() -> None:
    """Predict for long, and be interrupted by the handler."""
    pictures = np.random.default_rng(0).integers(0, 256, (4000, 32, 32, 1), dtype=np.uint8)
    layers = [
        {"name": "conv", "kind": "conv", "inputs": ["input"], "filters": 32, "kernel": (5, 5)},
        {"name": "flat", "kind": "flatten", "inputs": ["conv"]},
        {"name": "dense", "kind": "dense", "inputs": ["flat"], "units": 1},
    ]
    graph = _core.Graph(layers, (1, 32, 32))
    predictor = _core.Predictor(graph, 4000, 2)
    predictor.load(*graph.initialise("he_normal", 1))
    expected = digest(predictor.logits(pictures))
    signal.signal(signal.SIGALRM, fork_once)
    signal.setitimer(signal.ITIMER_REAL, 0.06)
    while not CHILDREN:
        try:
            found = digest(predictor.logits(pictures)) == expected
        except RuntimeError as error:
            found = "forked in the middle of this call" in str(error)
    again = digest(predictor.logits(pictures)) == expected
    if CHILDREN[0] == 0:
        os._exit(0 if found and again else 1)
    code = os.waitstatus_to_exitcode(os.waitpid(CHILDREN[0], 0)[1])
    print(f"child {code}, parent {found} {again}")


if __name__ == "__main__":
    main()
