"""Several threads on one estimator, and several estimators side by side: the bits of one thread, and no crash."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from gonogo import Callback, InspectionClassifier, layers

NET = [layers.conv(4, 3, activation="relu"), layers.max_pool(2), layers.flatten(), layers.dense("classes")]
PICTURES = np.random.default_rng(5).integers(0, 256, (48, 16, 16), dtype=np.uint8)
LABELS = np.array(["bad", "ok"])[np.arange(48) % 2]


def untrained(seed: int = 1, **parameters: Any) -> InspectionClassifier:
    given = {"epochs": 2, "batch_size": 16, "n_threads": 2, "verbose": False, **parameters}
    return InspectionClassifier(NET, random_state=seed, **given)


def side_by_side(count: int, work: Callable[[int], object]) -> list[Any]:
    """Results of ``work(0)`` to ``work(count - 1)``, begun at the same moment."""
    together = threading.Barrier(count)

    def begin(number: int) -> object:
        together.wait(60)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count), timeout=120))


@pytest.mark.soak
@pytest.mark.any_engine
@pytest.mark.parametrize("threads", [2, 4])
def test_predictions_of_one_classifier_have_the_same_bits_in_all_threads(
    threads: int, often: Callable[[int, int], int]
) -> None:
    classifier = untrained().fit(PICTURES, LABELS)
    parts = [PICTURES[first::threads] for first in range(threads)]
    expected = [classifier.decision_function(part).tobytes() for part in parts]

    def predict(number: int) -> set[bytes]:
        return {classifier.decision_function(parts[number]).tobytes() for _ in range(often(50, 5000))}

    assert side_by_side(threads, predict) == [{scores} for scores in expected]


@pytest.mark.soak
@pytest.mark.any_engine
def test_estimators_that_train_side_by_side_end_with_the_same_bits(often: Callable[[int, int], int]) -> None:
    alone = [untrained(seed).fit(PICTURES, LABELS).decision_function(PICTURES).tobytes() for seed in range(4)]
    for _ in range(often(2, 100)):
        fitted = side_by_side(4, lambda seed: untrained(seed).fit(PICTURES, LABELS))
        assert [clf.decision_function(PICTURES).tobytes() for clf in fitted] == alone


def test_a_classifier_predicts_with_its_old_model_until_the_training_of_another_thread_ends() -> None:
    """Old and new model have other classes, so that a mixture of both would show."""
    classifier = untrained().fit(PICTURES, LABELS)
    three = np.array([10, 20, 30])[np.arange(48) % 3]
    old = classifier.predict_proba(PICTURES).tobytes()
    new = untrained(epochs=3).fit(PICTURES, three).predict_proba(PICTURES).tobytes()
    during: list[bytes] = []

    class Ask(Callback):
        def on_epoch_end(self, *_: object) -> None:
            during.append(side_by_side(1, lambda _: classifier.predict_proba(PICTURES))[0].tobytes())

    ended = threading.Event()

    def ask(_: int) -> tuple[set[bytes], set[str]]:
        scores, words = set(), set()
        while not ended.is_set():
            scores.add(classifier.predict_proba(PICTURES).tobytes())
            words |= {str(word) for word in classifier.predict(PICTURES)}
        return scores, words

    with ThreadPoolExecutor(2) as pool:
        asking = pool.map(ask, range(2), timeout=120)
        try:
            for _ in range(5):
                classifier.set_params(epochs=3).fit(PICTURES, three, callbacks=[Ask()])
                assert classifier.predict_proba(PICTURES).tobytes() == new
        finally:
            ended.set()
        found = list(asking)
    assert during[:3] == [old] * 3
    assert during[3:] == [new] * 12
    assert all(scores <= {old, new} for scores, _ in found)
    assert all(words <= {"bad", "ok", "10", "20", "30"} for _, words in found)


def test_two_trainings_of_one_estimator_leave_one_whole_model() -> None:
    three = np.array([10, 20, 30])[np.arange(48) % 3]
    whole = {
        (tuple(clf.classes_.tolist()), clf.decision_function(PICTURES).tobytes())
        for clf in (untrained().fit(PICTURES, LABELS), untrained().fit(PICTURES, three))
    }
    classifier = untrained()
    for _ in range(3):
        side_by_side(2, lambda number: classifier.fit(PICTURES, (LABELS, three)[number]))
        assert (tuple(classifier.classes_.tolist()), classifier.decision_function(PICTURES).tobytes()) in whole


WAITING = """
import os, signal, threading
import numpy as np
from gonogo import _core
conv = {"name": "conv", "kind": "conv", "filters": 64, "kernel": (5, 5)}
graph = _core.Graph([conv, {"name": "flat", "kind": "flatten"}, {"name": "dense", "kind": "dense", "units": 1}], (1, 64, 64))
predictor = _core.Predictor(graph, 64, 1)
predictor.load(*graph.initialise("he_normal", 1))
many, ended = np.zeros((20_000, 64, 64, 1), np.uint8), []
thread = threading.Thread(target=lambda: ended.append(predictor.logits(many)), daemon=True)
thread.start()
signal.signal(signal.SIGALRM, signal.default_int_handler)
signal.setitimer(signal.ITIMER_REAL, 0.3)
try:
    while True:
        predictor.logits(many[:1])
except KeyboardInterrupt:
    print("interrupted", len(ended), flush=True)
os._exit(0)
"""


def test_a_thread_that_waits_for_an_object_hears_control_c() -> None:
    """The main thread waits for a call of another thread, which has not ended when the interrupt is heard."""
    done = subprocess.run([sys.executable, "-c", WAITING], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "interrupted 0\n"), done.stderr
