"""The end of a process in the middle of work, signals that the program sends to itself, and the number of threads."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[1] / "programs" / "endings.py"


def end(how: str, seconds: float, arguments: list[str]) -> tuple[int, str, str]:
    command = [sys.executable, str(PROGRAM), how, str(seconds), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.soak
@pytest.mark.parametrize(("how", "told"), [("daemons", ""), ("at exit", "same\n"), ("waits", "same\n")])
def test_a_process_ends_while_threads_work(
    how: str, told: str, instruction_set_arguments: list[str], often: Callable[[int, int], int]
) -> None:
    moments = random.Random(f"ending {how}")
    for _ in range(often(2, 100)):
        assert end(how, moments.uniform(0, 0.1), instruction_set_arguments) == (0, told, "")


@pytest.mark.parametrize(("how", "told"), [("sys.exit", "usable\n"), ("os._exit", "")])
def test_a_callback_may_end_the_process(how: str, told: str, instruction_set_arguments: list[str]) -> None:
    assert end(how, 0, instruction_set_arguments) == (7, told, "")


@pytest.mark.soak
def test_many_trainings_leave_no_more_threads_than_the_largest_had(
    run_program: Callable[..., str], often: Callable[[int, int], int]
) -> None:
    assert run_program("many_plans.py", str(often(15, 1000))) == "as many as asked for 1\n"


SIGNALS = """
import hashlib, signal, threading
import numpy as np
from gonogo import InspectionClassifier
heard = []
signal.signal(signal.SIGALRM, lambda *_: heard.append(threading.current_thread() is threading.main_thread()))
X, y = np.random.default_rng(0).integers(0, 256, (64, 64, 64), dtype=np.uint8), np.arange(64) % 2
def train():
    classifier = InspectionClassifier(epochs=1, batch_size=16, random_state=1, n_threads=2, verbose=False).fit(X, y)
    return hashlib.sha256(classifier.decision_function(X)).digest()
expected = train()
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
found = set()
while len(heard) < 200:
    found.add(train())
signal.setitimer(signal.ITIMER_REAL, 0)
print(found == {expected}, all(heard))
"""


def test_a_storm_of_signals_changes_nothing_in_the_memory_of_a_training() -> None:
    """Kernels of the engine that lend out the stack pointer would have the system write over other data."""
    done = subprocess.run(
        [sys.executable, "-c", SIGNALS], capture_output=True, text=True, timeout=120, check=False, cwd=PROGRAM.parent
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True True\n", "")


# A parent may have told the system to ignore a hang-up, which children inherit.
STOPPED = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from small_work import LABELS, PICTURES, untrained
from gonogo import Callback
class Tell(Callback):
    def on_epoch_end(self, *_):
        print("epoch", flush=True)
untrained(epochs=1_000_000).fit(PICTURES, LABELS, callbacks=[Tell()])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_training_ends_by_the_signals_that_end_a_process(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True, cwd=PROGRAM.parent
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "epoch\n"
        child.send_signal(number)
        assert child.wait(60) == -number


def test_a_training_is_stopped_and_continued_by_the_shell() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True, cwd=PROGRAM.parent
    ) as child:
        assert child.stdout is not None
        for _ in range(3):
            assert child.stdout.readline() == "epoch\n"
            child.send_signal(signal.SIGSTOP)
            child.send_signal(signal.SIGCONT)
        child.kill()
