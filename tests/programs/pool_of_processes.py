"""Trains and predicts in the processes of a pool that forks, after the parent has used everything itself.

Usage: pool_of_processes.py. Prints the digests, which must all be the parent's.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from small_work import scores, trained

from gonogo import InspectionClassifier


def train(seed: int) -> str:
    """Train in the child."""
    return scores(trained(seed))


def predict(classifier: InspectionClassifier) -> str:
    """Predict with a classifier that came through a pickle."""
    return scores(classifier)


def main() -> None:
    """Compare parent and children."""
    mine = [train(seed) for seed in range(3)]
    classifier = trained(0)
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        print("trained", list(pool.map(train, range(3), timeout=120)) == mine)
        print("predicted", list(pool.map(predict, [classifier] * 4, timeout=120)) == [mine[0]] * 4)
    with multiprocessing.get_context("fork").Pool(2) as pool_of_tasks:
        print("tasks", pool_of_tasks.map_async(train, range(3)).get(timeout=120) == mine)


if __name__ == "__main__":
    main()
