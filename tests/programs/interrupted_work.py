"""Does one kind of work over and over until Ctrl-C, then shows what is left; as many times as it is told to.

Usage: interrupted_work.py WORK FOLDER. For each line on standard input it prints "working", and after the interrupt one
JSON object: the time of CLOCK_MONOTONIC at which it was heard, whether old and new objects compute the usual bits, what
the interrupted estimator is good for, and the files in FOLDER, each of which was read again.
"""

from __future__ import annotations

import csv
import faulthandler
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from small_work import LABELS, PICTURES, scores, trained, untrained

from gonogo import CSVLogger, Dataset, InspectionClassifier, ModelCheckpoint, evaluate, load, synthetic

SECONDS_TO_ANSWER = 120  # ends a process that has lost its interrupt
FOLDER = Path(sys.argv[2])
CASTINGS = FOLDER.with_name("castings")
CLASSIFIER = trained()
EXPECTED = scores(CLASSIFIER)
DATA = Dataset.from_arrays(PICTURES, LABELS)
fitting = untrained()


def train() -> None:
    """Train for as long as it may take; each epoch writes a model and a line of a log."""
    global fitting
    fitting = untrained(epochs=1000)
    written = [ModelCheckpoint(FOLDER / "checkpoint.gonogo"), CSVLogger(FOLDER / "log.csv")]
    fitting.fit(DATA, validation_data=DATA, callbacks=written)


def refit() -> None:
    """Train one estimator again and again, so that an interrupt also meets the end of a training."""
    fitting.fit(PICTURES, LABELS)


def decode() -> None:
    """Read a folder of pictures."""
    Dataset.from_folder(CASTINGS, threads=2)


def predict() -> None:
    """Score many pictures, then one."""
    CLASSIFIER.predict(PICTURES)
    CLASSIFIER.predict(PICTURES[:1])


def report() -> None:
    """Compute the figures of a classifier."""
    evaluate(CLASSIFIER, DATA)


def save() -> None:
    """Write the model and read it."""
    load(CLASSIFIER.save(FOLDER / "model.gonogo"))


WORK: dict[str, Callable[[], None]] = {
    "train": train,
    "refit": refit,
    "decode": decode,
    "predict": predict,
    "evaluate": report,
    "save": save,
}


def state(classifier: InspectionClassifier) -> str:
    """Return what an estimator is good for after its training was interrupted."""
    if not hasattr(classifier, "history_"):
        return "unfitted"
    columns = {len(classifier.history_), classifier.n_iter_, *map(len, classifier.history_.history.values())}
    file = classifier.save(FOLDER.with_name("fitting.gonogo"))
    return "usable" if len(columns) == 1 and scores(load(file)) == scores(classifier) else "broken"


def read_again() -> list[str]:
    """Return the names of the files in the folder; each is whole, or an error tells."""
    names = sorted(path.name for path in FOLDER.iterdir())
    for path in FOLDER.iterdir():
        if path.suffix == ".gonogo":
            load(path)
        elif path.suffix == ".csv":
            with path.open(newline="") as table:
                assert len({len(row) for row in csv.reader(table)}) == 1, path.read_text()
    return names


def main() -> None:
    """Work, be interrupted, and tell."""
    if not CASTINGS.exists():
        synthetic.write(CASTINGS, 24, size=(64, 64))
    for _ in sys.stdin:
        faulthandler.dump_traceback_later(SECONDS_TO_ANSWER, exit=True)
        try:
            print("working", flush=True)
            while True:
                WORK[sys.argv[1]]()
        except KeyboardInterrupt:
            heard = time.monotonic()
        faulthandler.cancel_dump_traceback_later()
        answer = {
            "heard": heard,
            "same": scores(CLASSIFIER) == scores(trained()) == EXPECTED,
            "fitting": state(fitting),
            "files": read_again(),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
