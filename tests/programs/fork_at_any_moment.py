"""Forks while another thread predicts, trains or is in the middle of a step; each child predicts and trains.

Usage: fork_at_any_moment.py BUSY FORKS SEED. Prints what each child found, one line for each.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable

from small_work import new_step, scores, trained

SECONDS_OF_A_CHILD = 60
CLASSIFIER = trained()
EXPECTED = scores(CLASSIFIER)
STEP, RUN = new_step()
RUN()

BUSY: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "predicting": lambda: scores(CLASSIFIER),
    "training": trained,
    "stepping": RUN,
}


def step_on() -> str:
    """Run the step that the other thread may be in the middle of."""
    try:
        RUN()
    except RuntimeError as error:
        return "refused" if "half-changed in the child; make a new one" in str(error) else repr(error)
    return "ran"


def child() -> str:
    """Use everything that the parent has, and make new things."""
    found = [scores(CLASSIFIER) == EXPECTED, scores(trained()) == EXPECTED]
    step, run = new_step()
    run()
    own = step.count == 1
    return f"predicts {found[0]}, trains {found[1]}, new step {own}, old step {step_on()}"


def fork() -> str:
    """Return what a child says, or how it ended."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(SECONDS_OF_A_CHILD)  # ends a child that hangs
        try:
            text = child()
        except BaseException as error:  # noqa: BLE001 - whatever it was, the parent must hear of it
            text = repr(error)
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return text if code == 0 else f"ended with {code}"


def main() -> None:
    """Fork at drawn moments after the other thread has begun."""
    busy, forks, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    draw, begun, told = random.Random(seed), threading.Event(), threading.Event()

    def work() -> None:
        while not told.is_set():
            begun.set()
            BUSY[busy]()

    thread = threading.Thread(target=work)
    if busy != "nothing":
        thread.start()
        begun.wait()
    try:
        for _ in range(forks):
            time.sleep(draw.uniform(0, 0.02))
            print(fork(), flush=True)
    finally:
        told.set()
        if busy != "nothing":
            thread.join()
    print(f"parent {scores(CLASSIFIER) == EXPECTED}, {scores(trained()) == EXPECTED}")


if __name__ == "__main__":
    main()
