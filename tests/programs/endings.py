"""Ends a process in the middle of work.

Usage: endings.py HOW SECONDS. "daemons": the main thread returns while daemon threads train and predict; "at exit": the
same, and a function that Python calls at its end predicts once more; "waits": a thread that is no daemon trains to its
end first; "sys.exit" and "os._exit": a callback ends the process from inside a training.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable

from small_work import LABELS, PICTURES, scores, trained, untrained

from gonogo import Callback, InspectionClassifier

CLASSIFIER = trained()
EXPECTED = scores(CLASSIFIER)


def for_ever(work: Callable[[], object]) -> None:
    """Start a daemon thread and wait until it works."""
    begun = threading.Event()

    def run() -> None:
        while True:
            begun.set()
            work()

    threading.Thread(target=run, daemon=True).start()
    begun.wait()


def predict_at_exit() -> None:
    """Show that everything still works."""
    print("same" if scores(CLASSIFIER) == EXPECTED else "other", flush=True)


class Ends(Callback):
    """End the process in the middle of a training."""

    def __init__(self, end: Callable[[int], object]) -> None:
        self.end = end

    def on_train_batch_end(self, *_: object) -> None:
        """End it."""
        if self.model.step.count == 3:
            self.end(7)


def fit_until(end: Callable[[int], object]) -> None:
    """Train with a callback that ends the process; where that can be caught, show what is left, and go on with ending."""
    interrupted: InspectionClassifier = untrained()
    try:
        interrupted.fit(PICTURES, LABELS, callbacks=[Ends(end)])
    finally:
        usable = scores(interrupted) != "" and scores(untrained().fit(PICTURES, LABELS)) == EXPECTED
        print("usable" if usable else "broken", flush=True)


def main() -> None:
    """End."""
    how, seconds = sys.argv[1], float(sys.argv[2])
    if how in ("daemons", "at exit"):
        if how == "at exit":
            atexit.register(predict_at_exit)
        for work in (trained, lambda: scores(CLASSIFIER), trained):
            for_ever(work)
        time.sleep(seconds)
    elif how == "waits":
        threading.Thread(target=lambda: print("same" if scores(trained()) == EXPECTED else "other")).start()
    elif how == "sys.exit":
        fit_until(sys.exit)
    else:
        fit_until(os._exit)


if __name__ == "__main__":
    main()
