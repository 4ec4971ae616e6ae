"""Memory stays flat over many uses, and a training gives its memory back at once."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from gonogo import Callback, Dataset, EarlyStopping, InspectionClassifier, _core, layers

# Use -> times in make test and in make soak.
USES = {
    "prediction": (2000, 100_000),
    "prediction of a file": (500, 20_000),
    "load": (50, 1000),
    "fit": (8, 100),
    "report": (20, 1000),
    "refusal": (300, 20_000),
}
GROWTH_KIB_MOST = 1024


@pytest.mark.soak
@pytest.mark.parametrize("use", USES)
def test_a_process_does_not_grow(
    use: str,
    run_program: Callable[..., str],
    often: Callable[[int, int], int],
    report_figure: Callable[[str, object], None],
) -> None:
    times = often(*USES[use])
    grown, blocks = map(int, run_program("flat_memory.py", use, str(times)).split())
    report_figure(f"growth after {times:,} times {use}", f"{grown} KiB")
    assert blocks == 0
    if os.environ.get("GONOGO_SANITIZE") != "1":  # sanitizers keep what was released
        assert grown <= GROWTH_KIB_MOST


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("ending", ["all epochs", "interrupt", "error before the first step"])
def test_a_training_gives_its_memory_back_without_the_garbage_collector(ending: str) -> None:
    """The collector counts objects, not bytes: a cycle would hold the plan of a large net for many trainings to come."""

    class Ends(Callback):
        def on_train_batch_begin(self, *_: object) -> None:
            if ending == "error before the first step":
                raise OSError("disk full")

        def on_epoch_end(self, *_: object) -> None:
            if ending == "interrupt":
                raise KeyboardInterrupt

    net = [layers.conv(2, 3), layers.flatten(), layers.dense("classes")]
    data = Dataset.from_arrays(np.zeros((8, 9, 9), np.uint8), np.arange(8) % 2)
    before = _core.live_allocations()
    classifier = InspectionClassifier(net, epochs=2, random_state=1)
    callbacks = [Ends(), EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True)]
    try:
        classifier.fit(data, validation_data=data, callbacks=callbacks)
    except (KeyboardInterrupt, OSError) as error:
        assert ending != "all epochs", error
    del classifier, callbacks
    assert _core.live_allocations() == before
