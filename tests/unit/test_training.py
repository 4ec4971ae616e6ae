"""The training loop: order of samples, figures, hooks, and how trainings end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gonogo import InspectionClassifier, _core, layers, training
from gonogo.callbacks import Callback
from gonogo.errors import DivergenceError
from gonogo.network import ModelSpec
from gonogo.settings import Settings
from gonogo.training import Labelled, Trainer, one_hot

pytestmark = pytest.mark.any_engine

ROWS = ModelSpec("rows", (layers.dense(4, activation="leaky_relu"), layers.dense("classes")))


def rows(n: int = 40, classes: int = 2) -> Labelled:
    generator = np.random.default_rng(1)
    labels = np.arange(n) % classes
    samples = generator.normal(size=(n, 6)).astype(np.float32) + labels[:, None].astype(np.float32)
    return Labelled(samples, one_hot(labels, classes), np.arange(n, dtype=np.uint32))


def options(**changed: Any) -> Settings:
    chosen: dict[str, Any] = {
        "epochs": 3,
        "batch_size": 16,
        "learning_rate": 0.01,
        "optimizer": {"kind": "adam"},
        "schedule": {"kind": "constant"},
        "seed": 5,
    }
    return Settings(**{**chosen, **changed})


def started(data: Labelled, chosen: Settings) -> Trainer:
    graph = ROWS.build((6, 1, 1), max(2, data.targets.shape[1]))
    return training.start(graph, data, chosen, graph.initialise("glorot_uniform", 1), lambda *_: b"", data.samples[:2])


def run(
    data: Labelled,
    chosen: Settings,
    *callbacks: Callback,
    validation: Labelled | None = None,
    weights: NDArray[np.float32] | None = None,
) -> Trainer:
    trainer = started(data, chosen)
    training.run(trainer, validation, weights, callbacks, None)
    return trainer


class Recorder(Callback):
    """Keeps what the loop says; raises ``error`` at ``hook``."""

    def __init__(self, hook: str = "", error: BaseException | None = None) -> None:
        self.said: list[str] = []
        self.logs: list[dict[str, float]] = []
        self.hook, self.error = hook, error

    def note(self, hook: str, logs: Mapping[str, float]) -> None:
        self.said.append(hook)
        self.logs.append(dict(logs))
        if hook == self.hook and self.error is not None:
            raise self.error

    def on_train_begin(self, logs: Mapping[str, float]) -> None:
        self.note("train begin", logs)

    def on_train_end(self, logs: Mapping[str, float]) -> None:
        self.note("train end", logs)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float]) -> None:
        self.note(f"epoch {epoch} begin", logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        self.note(f"epoch {epoch} end", logs)

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, float]) -> None:
        self.note(f"batch {batch} begin", logs)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        self.note(f"batch {batch} end", logs)


@given(samples=st.integers(1, 50), batch=st.integers(1, 17), steps=st.integers(1, 8), seed=st.integers(0, 2**64 - 1))
def test_with_steps_every_sample_is_seen_equally_often(samples: int, batch: int, steps: int, seed: int) -> None:
    chosen = options(batch_size=batch, steps_per_epoch=steps, seed=seed)
    seen = np.concatenate([training._epoch_order(chosen, samples, epoch) for epoch in range(7)])
    assert len(seen) == 7 * steps * batch
    counts = np.bincount(seen, minlength=samples)
    assert counts.max() - counts.min() <= 1
    # Whole passes, one after the other.
    for first in range(0, len(seen) - samples + 1, samples):
        assert len(set(seen[first : first + samples].tolist())) == samples


@given(st.lists(st.integers(0, 9), max_size=60))
def test_occurrences_count_what_came_before(indices: list[int]) -> None:
    found = training._occurrences(np.array(indices, np.uint32))
    assert found.tolist() == [indices[:i].count(index) for i, index in enumerate(indices)]


@given(samples=st.integers(1, 100), epoch=st.integers(0, 1000))
def test_an_epoch_without_steps_is_one_pass(samples: int, epoch: int) -> None:
    assert sorted(training._epoch_order(options(), samples, epoch).tolist()) == list(range(samples))


def test_epochs_have_orders_of_their_own() -> None:
    first, second = (training._epoch_order(options(), 50, epoch).tolist() for epoch in (0, 1))
    assert first != second


def test_targets_are_one_column_for_two_classes_and_one_hot_for_more() -> None:
    np.testing.assert_array_equal(one_hot(np.array([0, 1, 1]), 2), [[0], [1], [1]])
    np.testing.assert_array_equal(one_hot(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]])


def test_the_history_holds_the_figures_of_each_epoch() -> None:
    data = rows()
    with_validation = run(data, options(), validation=rows(10)).history
    assert list(with_validation.history) == ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
    assert with_validation.epoch == [0, 1, 2]
    assert all(len(values) == 3 for values in with_validation.history.values())
    assert list(run(data, options()).history.history) == ["loss", "accuracy", "learning_rate"]


@pytest.mark.parametrize("classes", [2, 4])
def test_validation_is_the_mean_cross_entropy_of_the_whole_set(classes: int) -> None:
    data, validation = rows(40, classes), rows(23, classes)
    trainer = run(data, options(epochs=1), validation=validation)
    trainer.predictor.load(*trainer.get_weights())
    probabilities = _core.probabilities(trainer.predictor.logits(validation.samples))
    truth = np.arange(23) % classes
    expected = -np.log(probabilities[np.arange(23), truth]).mean()
    assert trainer.history.history["val_loss"][0] == pytest.approx(expected, rel=1e-5)
    assert trainer.history.history["val_accuracy"][0] == (probabilities.argmax(axis=1) == truth).mean()


def test_the_loss_of_an_epoch_is_the_mean_over_its_pictures() -> None:
    """With a rate of next to nothing the weights stay as they are, so all batches are judged by the same net."""
    data = rows(41)
    trainer = run(data, options(epochs=1, learning_rate=1e-30, optimizer={"kind": "sgd"}))
    found = trainer.evaluate(data)
    assert trainer.history.history["loss"][0] == pytest.approx(found["loss"], rel=1e-6)
    assert trainer.history.history["accuracy"][0] == found["accuracy"]


def test_validation_data_may_be_a_part_of_a_larger_array() -> None:
    data = rows(30)
    part = Labelled(data.samples, data.targets, np.array([3, 4, 9], np.uint32))
    alone = Labelled(data.samples[part.index], data.targets[part.index], np.arange(3, dtype=np.uint32))
    trainer = started(data, options())
    assert trainer.evaluate(part) == trainer.evaluate(alone)


def test_the_rate_follows_the_schedule_over_all_steps() -> None:
    data, chosen = rows(40), options(schedule={"kind": "cosine"}, epochs=4)
    rates = run(data, chosen).history.history["learning_rate"]
    schedule = {"kind": "cosine", "learning_rate": 0.01, "total_steps": 12}
    assert rates == [_core.learning_rate(schedule, step) for step in (2, 5, 8, 11)]
    assert rates == sorted(rates, reverse=True)


def test_pictures_are_counted_and_timed() -> None:
    trainer = run(rows(41), options(epochs=2))
    assert trainer.images == 82
    assert trainer.image_seconds > 0
    assert run(rows(41), options(epochs=2, steps_per_epoch=5)).images == 2 * 5 * 16


def test_hooks_are_called_in_order() -> None:
    recorder = Recorder()
    run(rows(20), options(epochs=2), recorder)
    batches = ["batch 0 begin", "batch 0 end", "batch 1 begin", "batch 1 end"]
    epochs = [[f"epoch {epoch} begin", *batches, f"epoch {epoch} end"] for epoch in range(2)]
    assert recorder.said == ["train begin", *epochs[0], *epochs[1], "train end"]
    assert list(recorder.logs[-1]) == ["loss", "accuracy", "learning_rate"]


@pytest.mark.parametrize("hook", ["epoch 0 begin", "batch 1 begin", "batch 1 end", "epoch 1 end"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk full")])
def test_every_callback_hears_of_the_end_however_it_came(hook: str, error: BaseException) -> None:
    failing, other = Recorder(hook, error), Recorder("train end", RuntimeError("mine"))
    last = Recorder()
    with pytest.raises(RuntimeError, match="mine") as caught:
        run(rows(), options(), failing, other, last)
    assert caught.value.__context__ is error
    assert [recorder.said[-1] for recorder in (failing, other, last)] == ["train end"] * 3


def test_a_callback_ends_the_training_after_the_epoch() -> None:
    class Stop(Callback):
        def on_train_batch_begin(self, *_: object) -> None:
            self.model.stop_training = True

    trainer = run(rows(40), options(epochs=5), Stop())
    assert (trainer.history.epoch, trainer.images) == ([0], 40)


def test_an_interrupted_step_changes_nothing() -> None:
    """The weights at the end are those after the last step that was finished."""
    kept: list[Any] = []

    class Keep(Callback):
        def on_train_batch_end(self, *_: object) -> None:
            kept.append(self.model.get_weights()[0])
            if len(kept) == 4:
                raise KeyboardInterrupt

    data = rows()
    trainer = started(data, options())
    with pytest.raises(KeyboardInterrupt):
        training.run(trainer, None, None, [Keep()], None)
    np.testing.assert_array_equal(trainer.get_weights()[0], kept[3])
    assert trainer.history.epoch == [0]


def test_a_loss_that_is_no_number_ends_the_training_with_advice() -> None:
    data = rows(40)
    recorder = Recorder()
    with pytest.raises(
        DivergenceError, match=r"epoch \d+, step \d+: the .* is not finite.*lower the learning rate"
    ) as caught:
        run(data, options(learning_rate=1e29, optimizer={"kind": "sgd"}, epochs=50), recorder)
    assert "learning_rate=1e+29" in str(caught.value)
    assert recorder.said[-1] == "train end"
    assert recorder.said[-2] == f"batch {caught.value.step} begin"


def test_weights_of_samples_scale_the_loss() -> None:
    data = rows(32)
    chosen = options(epochs=1, learning_rate=1e-30, batch_size=32, optimizer={"kind": "sgd"})
    plain = run(data, chosen).history.history["loss"][0]
    doubled = run(data, chosen, weights=np.full(32, 2, np.float32)).history.history["loss"][0]
    assert doubled == pytest.approx(2 * plain, rel=1e-6)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"epochs": -1}, "epochs: found -1, expected an integer from 1 to 2147483647"),
        ({"epochs": 0}, "epochs: found 0"),
        ({"epochs": 2.0}, "epochs: found 2.0"),
        ({"epochs": True}, "epochs: found True"),
        ({"batch_size": 0}, "batch_size: found 0"),
        ({"batch_size": "64"}, "batch_size: found '64'"),
        ({"steps_per_epoch": 0}, "steps_per_epoch: found 0"),
        ({"learning_rate": float("nan")}, "learning_rate: found nan, expected a number above 0 and below 1e30"),
        ({"learning_rate": float("inf")}, "learning_rate: found inf"),
        ({"learning_rate": 0}, "learning_rate: found 0"),
        ({"learning_rate": -1.0}, "learning_rate: found -1.0"),
        ({"learning_rate": "fast"}, "learning_rate: found 'fast'"),
        ({"optimizer": {"kind": "sgd", "momentum": 2}}, "momentum"),
        ({"optimizer": {"kind": "sgd", "speed": 2}}, "unknown key 'speed'"),
        ({"schedule": {"kind": "cosine", "warmup_steps": -1}}, "warmup_steps"),
    ],
)
def test_bad_settings_are_named(changed: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        started(rows(), options(**changed))


@settings(max_examples=10)
@given(threads=st.integers(1, 4), classes=st.sampled_from([2, 3]))
def test_the_number_of_threads_does_not_matter(threads: int, classes: int) -> None:
    data = rows(40, classes)
    one = run(data, options(threads=1), validation=data)
    more = run(data, options(threads=threads), validation=data)
    np.testing.assert_array_equal(one.get_weights()[0], more.get_weights()[0])
    assert one.history.history == more.history.history


def test_a_failure_of_the_engine_is_no_divergence() -> None:
    class Fails(Callback):
        count = 0

        def on_train_batch_begin(self, batch: int, logs: Any) -> None:  # noqa: ARG002 - the hook's signature
            self.model.step = self

        def run(self, *_: object, **__: object) -> None:
            raise RuntimeError("the engine is out of order")

    clf = InspectionClassifier([layers.dense("classes")], epochs=1, verbose=False)
    with pytest.raises(RuntimeError, match="out of order"):
        clf.fit(np.zeros((4, 3)), [0, 1, 0, 1], callbacks=[Fails()])
